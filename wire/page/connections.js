// What is known of each connection, and which of them are shown.

import { element, counted } from './words.js';

const ON_A_SOCKET = new Set(['frame', 'control', 'close']);

export class Connections {
  #known = new Map();
  #hidden = new Set();
  #items = new Map();
  #list;
  #summary;
  #changed;

  /** `changed` is called when other connections are chosen. */
  constructor(place, changed) {
    this.#list = place.querySelector('ul');
    this.#summary = place.querySelector('summary');
    this.#changed = changed;
    this.#list.addEventListener('change', ({ target }) => {
      this.#choose(Number(target.value), target.checked);
      this.#redraw();
    });
    const button = (id, isShown) => {
      place.querySelector(id).addEventListener('click', () => this.#chooseAll(isShown));
    };
    button('#all-connections', () => true);
    button('#no-connections', () => false);
    button('#open-connections', (connection) => !isOver(connection));
    this.draw();
  }

  forgetAll() {
    this.#known.clear();
    this.#hidden.clear();
    this.draw();
  }

  isShown(number) {
    return !this.#hidden.has(number);
  }

  /** Those whose lanes go on now, with how they are. */
  get open() {
    return [...this.#known.values()].filter((connection) => !isOver(connection));
  }

  /** Notes what an event says of its connection. Gives how that was before, and how it is now. */
  note(event) {
    const connection = this.#known.get(event.connection) ?? begun(event);
    const before = { ...connection };
    connection.hasBegun = true;
    if (event.kind === 'request') connection.target = event.line.split(' ')[1]?.replace(/,$/, '') ?? '';
    if (event.kind === 'upgrade') connection.isSocket = true;
    if (event.kind === 'unreachable') connection.isUnreachable = true;
    const broken = event.kind === 'reset';
    if (broken || (event.kind === 'ended' && event.from === 'client')) connection.clientEnded = true;
    if (broken || (event.kind === 'ended' && event.from === 'server')) connection.serverEnded = true;
    this.#known.set(event.connection, connection);
    return { before, after: { ...connection } };
  }

  /** One more event of a connection is kept (1), or one less (-1). */
  count(number, change) {
    const connection = this.#known.get(number);
    if (!connection) return;
    connection.events += change;
    this.#forgetIfOver(connection);
  }

  forgetEvents() {
    for (const connection of [...this.#known.values()]) {
      connection.events = 0;
      this.#forgetIfOver(connection);
    }
  }

  #forgetIfOver(connection) {
    if (connection.events > 0 || !isOver(connection)) return;
    this.#known.delete(connection.number);
    this.#hidden.delete(connection.number);
  }

  #choose(number, shown) {
    if (shown) this.#hidden.delete(number);
    else this.#hidden.add(number);
  }

  #chooseAll(isShown) {
    for (const connection of this.#known.values()) {
      this.#choose(connection.number, isShown(connection));
    }
    this.#redraw();
  }

  #redraw() {
    this.draw();
    this.#changed();
  }

  /** Items are kept, so that a box that has the focus does not lose it. */
  draw() {
    for (const [number, item] of this.#items) {
      if (this.#known.has(number)) continue;
      item.remove();
      this.#items.delete(number);
    }
    for (const connection of this.#known.values()) this.#drawItem(connection);
    this.#drawSummary();
  }

  #drawItem(connection) {
    let item = this.#items.get(connection.number);
    if (!item) {
      item = newItem(connection.number);
      this.#items.set(connection.number, item);
      this.#list.append(item);
    }
    const text = inWords(connection);
    const words = item.querySelector('span');
    if (words.textContent !== text) words.textContent = text;
    item.querySelector('input').checked = this.isShown(connection.number);
  }

  #drawSummary() {
    const all = this.#known.size;
    const shown = [...this.#known.keys()].filter((number) => this.isShown(number)).length;
    const text = shown === all ? counted(all, 'connection') : `${shown} of ${counted(all, 'connection')}`;
    if (this.#summary.textContent !== text) this.#summary.textContent = text;
  }
}

/** A lane is over when both its sides have ended. */
export function isOver(connection) {
  return connection.clientEnded && connection.serverEnded;
}

// If its beginning is not kept, the event itself tells what it is by now.
function begun(event) {
  return {
    number: event.connection,
    hasBegun: event.kind !== 'opened',
    isSocket: ON_A_SOCKET.has(event.kind),
    isUnreachable: false,
    clientEnded: false,
    serverEnded: false,
    target: '',
    events: 0,
  };
}

function newItem(number) {
  const item = element('li');
  const label = element('label');
  const box = element('input');
  box.type = 'checkbox';
  box.value = number;
  label.append(box, element('span'));
  item.append(label);
  return item;
}

function inWords(connection) {
  const protocol = connection.isSocket ? 'WebSocket' : 'HTTP';
  const what = connection.target ? `${protocol} ${connection.target}` : protocol;
  return `${connection.number} · ${what} · ${stateInWords(connection)}`;
}

function stateInWords(connection) {
  if (connection.isUnreachable) return 'no server';
  if (isOver(connection)) return 'over';
  if (connection.clientEnded) return 'the client has ended';
  if (connection.serverEnded) return 'the server has ended';
  return 'open';
}
