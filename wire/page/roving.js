// A list that is one stop for the Tab key, and in which arrow keys go from item to item.

const PAGE = 10;

/** `items` gives the items in their order, `opened` is called on Enter or Space. */
export function rove(list, items, opened) {
  let stop = null;

  function moveTo(item) {
    if (stop) stop.tabIndex = -1;
    stop = item;
    if (stop) stop.tabIndex = 0;
  }

  function target(key, from) {
    const all = items();
    const at = all.indexOf(from);
    switch (key) {
      case 'ArrowDown': return all[at + 1];
      case 'ArrowUp': return all[at - 1];
      case 'PageDown': return all[Math.min(at + PAGE, all.length - 1)];
      case 'PageUp': return all[Math.max(at - PAGE, 0)];
      case 'Home': return all[0];
      case 'End': return all.at(-1);
      default: return undefined;
    }
  }

  list.addEventListener('focusin', ({ target: focused }) => {
    const item = items().find((one) => one.contains(focused));
    if (item && item !== stop) moveTo(item);
  });

  list.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !stop) return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      opened(stop);
      return;
    }
    const next = target(event.key, stop);
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: 'nearest' });
  });

  /** Whatever has been added or removed, there is a way in. */
  function settle() {
    if (!stop?.isConnected) moveTo(items()[0] ?? null);
  }

  return { settle, moveTo };
}
