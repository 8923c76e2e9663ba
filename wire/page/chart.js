// The sequence chart: a row for each event, the lanes on the left, the server on the right.

import { Lanes, layers } from './lanes.js';
import { rove } from './roving.js';
import { counted, element, nameOf, number, seconds } from './words.js';

/** Of a long list of details, a row shows the first. Opened, it shows all. */
const MOST_DETAILS = 8;
/** With more new rows than that at once, nobody sees which ones are new. */
const MOST_FLASHES = 20;
/** Sizes of a lane, in pixels, and the part of the width that all may take. */
const WIDEST_LANE = 24;
const NARROWEST_LANE = 6;
const MOST_OF_WIDTH = 0.25;
/** A chart of few lanes keeps room for as many, so that labels stand still. */
const FEWEST_LANES = 3;
/** A digit in the head wants that much, and the number some room around it, in pixels. */
const WIDTH_OF_DIGIT = 8;
const ROOM_AROUND_NUMBER = 6;

/** These begin with a word that tells what they are. */
const WITH_WORD = new Set(['request', 'response', 'upgrade', 'frame', 'control']);
/** These do not, and get one. */
const TAGS = { 'server-sent': 'SSE', body: 'body', raw: 'raw', unreachable: 'no server', reset: 'reset' };

export class Chart {
  #scroll;
  #list;
  #heads;
  #tail;
  #follow;
  #opened;
  #lanes = new Lanes();
  #rows = new Map();
  #linesOf = new WeakMap();
  #roving;
  #lastTop = 0;
  #drawnHeads = '';
  #drawnLane = '';
  #width;
  #areHeadsPlanned = false;
  #selected = null;

  /** `opened` gets the id of an event that somebody wants to see. */
  constructor(scroll, follow, opened) {
    this.#scroll = scroll;
    this.#list = scroll.querySelector('#chart');
    this.#heads = scroll.querySelector('#lane-heads');
    this.#tail = scroll.querySelector('#tail');
    this.#follow = follow;
    this.#opened = opened;
    this.#roving = rove(this.#list, () => [...this.#list.children], (row) => this.#open(row));
    this.#list.addEventListener('click', ({ target }) => {
      const row = target.closest('#chart > li');
      // Who has marked a text wants to copy it.
      if (row && getSelection().isCollapsed) this.#open(row);
    });
    this.#width = scroll.clientWidth;
    this.#watchScrolling();
    this.#watchSizes();
  }

  get isEmpty() {
    return this.#list.childElementCount === 0;
  }

  #open(row) {
    row.focus({ preventScroll: true });
    if (row.dataset.id) this.#opened(row.dataset.id);
  }

  /** Where the focus goes when an opened event is closed. */
  focusRow(id) {
    (this.#rows.get(id) ?? this.#list.querySelector('[tabindex="0"]') ?? this.#scroll).focus();
  }

  /** Marks the row whose bytes are seen, or none. */
  select(id) {
    this.#rows.get(this.#selected)?.setAttribute('aria-selected', 'false');
    this.#selected = id;
    this.#rows.get(id)?.setAttribute('aria-selected', 'true');
  }

  /** Draws everything anew: `open` are the connections that were there before it. */
  redraw(entries, open) {
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    this.#lanes = new Lanes(open);
    this.#rows.clear();
    this.#list.replaceChildren(...entries.map((entry) => this.#row(entry)));
    this.#settle();
    if (focused) this.#rows.get(focused)?.focus({ preventScroll: true });
  }

  /** New entries, at the end. */
  add(entries) {
    const rows = entries.map((entry) => this.#row(entry));
    if (rows.length <= MOST_FLASHES) rows.forEach((row) => row.classList.add('new'));
    this.#list.append(...rows);
    this.#settle();
  }

  /** A newer version of an event that is there. */
  replace(event) {
    const row = this.#rows.get(event.id);
    if (row) fill(row, event);
  }

  remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    if (row === document.activeElement) row.nextElementSibling?.focus({ preventScroll: true });
    row.remove();
    this.#rows.delete(id);
  }

  #row(entry) {
    const row = element('li');
    row.setAttribute('role', 'option');
    row.setAttribute('aria-selected', String(entry.id === this.#selected));
    row.tabIndex = -1;
    if (entry.event) this.#fillWithEvent(row, entry);
    else fillWithMissed(row, entry.missed);
    const lines = entry.event ? this.#step(row, entry) : this.#lanes.now();
    this.#linesOf.set(row, lines);
    row.style.setProperty('--lanes', layers(lines));
    this.#rows.set(entry.id, row);
    return row;
  }

  #fillWithEvent(row, { event }) {
    row.dataset.id = event.id;
    row.dataset.connection = event.connection;
    row.dataset.from = event.from;
    fill(row, event);
  }

  #step(row, { event, before, after }) {
    const { column, lines } = this.#lanes.step(before, after);
    row.style.setProperty('--column', column);
    if (lines.some((line) => line.isNew)) row.prepend(element('b', 'begins', number(event.connection)));
    return lines;
  }

  // After any change: widths, the open ends of the lanes, and where one looks.
  #settle() {
    this.#tail.style.setProperty('--lanes', layers(this.#lanes.now()));
    this.#fitLanes();
    this.#roving.settle();
    if (this.#follow.checked) this.#scrollToEnd();
    this.#planHeads();
  }

  #fitLanes() {
    const columns = Math.max(this.#lanes.most, FEWEST_LANES);
    const fitting = Math.floor((this.#width * MOST_OF_WIDTH) / columns);
    const lane = Math.max(NARROWEST_LANE, Math.min(WIDEST_LANE, fitting));
    const drawn = `${columns} ${lane}`;
    if (drawn === this.#drawnLane) return;
    this.#drawnLane = drawn;
    this.#scroll.style.setProperty('--columns', columns);
    this.#scroll.style.setProperty('--lane', `${lane}px`);
    this.#scroll.classList.toggle('narrow', lane < 2 * WIDTH_OF_DIGIT);
    // Lanes have their narrowest width, and are too many: page.css puts labels on them.
    this.#scroll.classList.toggle('crowded', columns * lane > this.#width / 3);
  }

  // To ask which row is on top costs a layout: once for each frame is enough.
  #planHeads() {
    if (this.#areHeadsPlanned) return;
    this.#areHeadsPlanned = true;
    requestAnimationFrame(() => {
      this.#areHeadsPlanned = false;
      this.#drawHeads();
    });
  }

  // The head names the lanes of the topmost row that is seen.
  #drawHeads() {
    const lines = this.#linesOf.get(this.#topRow()) ?? this.#lanes.now();
    const lane = parseFloat(this.#scroll.style.getPropertyValue('--lane'));
    const digits = Math.max(1, ...lines.map((line) => String(line.connection).length));
    const every = Math.ceil((digits * WIDTH_OF_DIGIT + ROOM_AROUND_NUMBER) / lane);
    const named = lines.filter((line) => line.above && line.column % every === 0);
    const drawn = named.map((line) => `${line.column}:${line.connection}:${line.above}`).join(' ');
    if (drawn === this.#drawnHeads) return;
    this.#drawnHeads = drawn;
    this.#heads.replaceChildren(...named.map(head));
  }

  #topRow() {
    const { left, right } = this.#scroll.getBoundingClientRect();
    const { bottom } = this.#heads.parentElement.getBoundingClientRect();
    const seen = document.elementsFromPoint((left + right) / 2, bottom + 2);
    return seen.find((one) => one.parentElement === this.#list);
  }

  #scrollToEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#lastTop = this.#scroll.scrollTop;
  }

  // Who scrolls up wants to read; who scrolls to the end wants to follow again.
  #watchScrolling() {
    const scroll = this.#scroll;
    scroll.addEventListener('scroll', () => {
      const atEnd = scroll.scrollHeight - scroll.clientHeight - scroll.scrollTop < 3;
      if (scroll.scrollTop < this.#lastTop && !atEnd) this.#follow.checked = false;
      if (scroll.scrollTop > this.#lastTop && atEnd) this.#follow.checked = true;
      this.#lastTop = scroll.scrollTop;
      this.#planHeads();
    }, { passive: true });
    this.#follow.addEventListener('change', () => {
      if (this.#follow.checked) this.#scrollToEnd();
    });
  }

  // Rows that come into view get their real height only then.
  #watchSizes() {
    const observer = new ResizeObserver(() => {
      this.#width = this.#scroll.clientWidth;
      this.#fitLanes();
      if (this.#follow.checked) this.#scrollToEnd();
      this.#planHeads();
    });
    observer.observe(this.#scroll);
    observer.observe(this.#list);
  }
}

function head({ column, connection, above }) {
  const made = element('span', above, number(connection));
  made.style.setProperty('--column', column);
  return made;
}

/** Writes an event into its row, or a newer version of it. */
function fill(row, event) {
  row.dataset.kind = event.kind;
  row.dataset.status = statusClass(event);
  row.classList.toggle('coming', !event.done);
  row.setAttribute('aria-label', nameOf(event));
  row.querySelector(':scope > .row')?.remove();
  const content = element('div', 'row');
  content.append(element('span', 'time', seconds(event.at)), said(event), element('div', 'arrow'));
  if (event.details.length > 0) content.append(details(event.details));
  if (event.problem) content.append(element('p', 'problem', event.problem));
  // How high it will be, for as long as it is out of sight.
  row.style.setProperty('--lines', Math.min(event.details.length, MOST_DETAILS));
  row.append(content);
}

function fillWithMissed(row, count) {
  const text = `${counted(count, 'event')} ${count === 1 ? 'is' : 'are'} missing here: this page was too slow to take them.`;
  row.classList.add('missed');
  row.setAttribute('aria-label', text);
  row.append(element('p', 'note', text));
}

function said(event) {
  const line = element('div', 'said');
  // The size comes first, because it floats: a long line goes around it.
  line.append(size(event));
  const tag = TAGS[event.kind];
  if (tag) line.append(element('span', 'tag', tag), ' ');
  line.append(label(event));
  return line;
}

// The first word of a line stands out; together they are the line as it came.
function label(event) {
  const line = element('span', 'line');
  const words = /^(close \d+|[^\s]+)/.exec(event.line);
  const standsOut = words && (WITH_WORD.has(event.kind) || event.kind === 'close');
  const first = standsOut ? words[0] : '';
  if (first) line.append(element('b', 'word', first));
  line.append(breakable(event.line.slice(first.length)));
  return line;
}

// A path or a JSON text has few spaces. It may break behind its commas and slashes.
function breakable(text) {
  const isolated = element('bdi');
  for (const piece of text.split(/(?<=[,:/&])/)) isolated.append(piece, element('wbr'));
  return isolated;
}

function size(event) {
  const place = element('span', 'size');
  // The unit is an element, because page.css has a shorter one where there is little room.
  const unit = element('span', 'unit', event.size === 1 ? ' byte' : ' bytes');
  if (event.size > 0) place.append(number(event.size), unit);
  if (event.cut) place.append(', not all kept');
  if (!event.done) place.append(event.size > 0 ? ', ' : '', 'still coming');
  return place;
}

function details(lines) {
  const list = element('div', 'details');
  for (const line of lines.slice(0, MOST_DETAILS)) list.append(element('div', '', line));
  const more = lines.length - MOST_DETAILS;
  if (more > 0) list.append(element('div', 'more', `and ${counted(more, 'more line', 'more lines')}`));
  return list;
}

/** "2" of "200 OK": what kind of an answer it is. */
function statusClass(event) {
  const isAnswer = event.kind === 'response' || event.kind === 'upgrade';
  return isAnswer ? (/^[1-5]/.exec(event.line)?.[0] ?? '') : '';
}
