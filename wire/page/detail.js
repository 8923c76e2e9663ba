// One event, opened: what it is, and its bytes, each with the field it belongs to.

import { Bytes, fromBase64, tintsOfFields } from './bytes.js';
import { counterparts, maskingOf, unmaskedInWords } from './masking.js';
import { rove } from './roving.js';
import { counted, direction, element, hex, kindInWords, number, seconds } from './words.js';

/** A row of 16 bytes wants that much, in rem. */
const WIDTH_OF_SIXTEEN = 36.5;
/** More fields than that are shown on demand. */
const MOST_FIELDS = 200;
/** So many bytes of a field are repeated in words. */
const MOST_REPEATED = 12;
/** An event that grows is fetched again after that many milliseconds, not sooner. */
const PAUSE_BETWEEN_FETCHES = 300;
const HINT = 'Point at a field or a byte, or go there with the arrow keys.';
/** A narrow window has room for the chart or for an event. */
const NARROW = matchMedia('(max-width: 50rem)');

export class Detail {
  #dialog;
  #title;
  #problem;
  #content;
  #explained = element('output', 'explained');
  #closed;
  #shown = null;
  #parts = [];
  #masking = null;
  #pinned = null;
  #perRow = 16;
  #fetching = null;
  #isStale = false;
  #isMoving = false;

  /** `closed` is called when nobody wants to see the event any more. */
  constructor(dialog, closed) {
    this.#dialog = dialog;
    this.#title = dialog.querySelector('h2');
    this.#problem = dialog.querySelector('#detail-problem');
    this.#content = dialog.querySelector('#detail-content');
    this.#closed = closed;
    this.#explained.setAttribute('for', 'detail-content');
    dialog.append(this.#explained);
    dialog.querySelector('#close-detail').addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => this.#isClosed());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && dialog.open) dialog.close();
    });
    NARROW.addEventListener('change', () => this.#moveIfOpen());
    new ResizeObserver(() => this.#fit()).observe(this.#content);
  }

  /** Opens an event, as far as it is known; its bytes are fetched. */
  open(event) {
    this.#fetching?.abort();
    this.#fetching = null;
    this.#shown = event;
    this.#parts = [];
    this.#pinned = null;
    this.#problem.textContent = '';
    this.#explained.textContent = '';
    this.#title.textContent = `${kindInWords(event.kind)} ${event.id}`;
    this.#content.replaceChildren(summary(event), element('p', 'quiet', 'Its bytes are on their way.'));
    this.#content.scrollTop = 0;
    if (!this.#dialog.open) this.#showDialog();
    this.#title.focus();
    this.#fetch();
  }

  /** A newer version of an event has come. */
  update(event) {
    const isSame = this.#shown?.id === event.id && this.#shown.at === event.at;
    if (!isSame) return;
    if (this.#fetching) this.#isStale = true;
    else this.#fetch();
  }

  // Beside the chart, the chart goes on; over it, it has to wait.
  #showDialog() {
    if (NARROW.matches) this.#dialog.showModal();
    else this.#dialog.show();
  }

  #moveIfOpen() {
    if (!this.#dialog.open) return;
    this.#isMoving = true;
    this.#dialog.close();
    this.#showDialog();
  }

  #isClosed() {
    if (this.#isMoving) {
      this.#isMoving = false;
      return;
    }
    this.#fetching?.abort();
    const id = this.#shown?.id;
    this.#shown = null;
    this.#closed(id);
  }

  async #fetch() {
    const fetching = new AbortController();
    this.#fetching = fetching;
    this.#isStale = false;
    try {
      const event = await fetchEvent(this.#shown.id, fetching.signal);
      if (fetching === this.#fetching) this.#draw(event);
    } catch (error) {
      if (fetching === this.#fetching && error.name !== 'AbortError') this.#failed(error);
    }
    await new Promise((passed) => setTimeout(passed, PAUSE_BETWEEN_FETCHES));
    if (fetching !== this.#fetching) return;
    this.#fetching = null;
    if (this.#isStale) this.#fetch();
  }

  #failed(error) {
    this.#problem.textContent = error.message;
    this.#content.querySelector('.quiet')?.remove();
  }

  #draw(event) {
    // After a restart of wire, another event may have the same name.
    if (event.at !== this.#shown.at) {
      this.#failed(new Error('This event is forgotten: wire has begun anew.'));
      return;
    }
    this.#shown = event;
    this.#problem.textContent = '';
    const data = event.parts.map((part) => ({ ...part, bytes: fromBase64(part.bytes) }));
    this.#masking = maskingOf(data);
    const focused = this.#focusedField();
    const shown = this.#parts.map((part) => part.dump.shown);
    const top = this.#content.scrollTop;
    this.#parts = data.map((part, index) => this.#part(part, index, shown[index]));
    const parts = this.#parts.length > 0
      ? this.#parts.map((part) => part.section)
      : [element('p', 'quiet', 'It has no bytes of its own.')];
    this.#content.replaceChildren(summary(event), ...parts);
    this.#content.scrollTop = top;
    this.#light(this.#pinned);
    if (focused) this.#parts[focused.part]?.rows[focused.field]?.querySelector('button').focus({ preventScroll: true });
  }

  // Drawn anew, so that as many bytes stand in a row as there is room for.
  #fit() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const perRow = this.#content.clientWidth >= WIDTH_OF_SIXTEEN * rem ? 16 : 8;
    if (perRow === this.#perRow) return;
    this.#perRow = perRow;
    this.#parts.forEach((part) => {
      const dump = this.#dump(part.data, part.index, part.dump.shown);
      part.dump.elements.forEach((one) => one.remove());
      part.section.append(...dump.elements);
      part.dump = dump;
    });
    this.#light(this.#pinned);
  }

  #focusedField() {
    const row = document.activeElement?.closest?.('.field');
    if (!row) return null;
    return { part: this.#parts.findIndex((part) => part.rows.includes(row)), field: Number(row.dataset.index) };
  }

  #part(data, index, shown) {
    const section = element('section', 'part');
    section.append(element('h3', '', data.name), element('p', 'quiet', keptInWords(data)));
    const rows = [];
    if (data.fields.length > 0) section.append(...this.#fields(data, index, rows));
    const dump = this.#dump(data, index, shown);
    section.append(...dump.elements);
    return { section, data, index, rows, dump };
  }

  #fields(data, index, rows) {
    const hasBits = data.fields.some((field) => field.bits !== null);
    const table = element('table', hasBits ? 'fields with-bits' : 'fields');
    table.append(heads(hasBits));
    const body = element('tbody');
    table.append(body);
    const tints = tintsOfFields(data.fields);
    const more = element('button', 'plain more');
    more.type = 'button';
    const show = (count) => {
      for (const at of [...data.fields.keys()].slice(rows.length, count)) {
        rows.push(fieldRow(data.fields[at], at, tints[at], hasBits));
      }
      body.append(...rows.filter((row) => !row.isConnected && !row.parentElement));
      const rest = data.fields.length - rows.length;
      more.hidden = rest === 0;
      more.textContent = `Show ${counted(Math.min(rest, MOST_FIELDS), 'more field')}`;
    };
    show(MOST_FIELDS);
    const buttons = () => rows.map((row) => row.querySelector('button'));
    const roving = rove(body, buttons, (button) => this.#pinField(index, button));
    roving.settle();
    more.addEventListener('click', () => show(rows.length + MOST_FIELDS));
    this.#pointAtFields(body, index);
    return [table, more];
  }

  // Pointing or focusing lights a field for the moment, a click for longer.
  #pointAtFields(body, part) {
    const target = (event) => this.#fieldTarget(part, event.target.closest('.field'));
    body.addEventListener('pointerover', (event) => this.#light(target(event)));
    body.addEventListener('pointerleave', () => this.#light(this.#pinned));
    body.addEventListener('focusin', (event) => this.#light(target(event)));
    body.addEventListener('focusout', () => this.#light(this.#pinned));
    body.addEventListener('click', (event) => this.#pinField(part, event.target));
  }

  #fieldTarget(part, row) {
    if (!row) return this.#pinned;
    const field = Number(row.dataset.index);
    const { from, to } = this.#parts[part].data.fields[field];
    return { part, field, from, to };
  }

  #pinField(part, target) {
    const row = target.closest('.field');
    if (row) this.#pin(this.#fieldTarget(part, row));
  }

  // The same once more lets it go.
  #pin(target) {
    const isSame = JSON.stringify(target) === JSON.stringify(this.#pinned);
    this.#pinned = isSame ? null : target;
    this.#light(this.#pinned);
  }

  #dump(data, index, shown) {
    const dump = new Bytes(data.bytes, data.fields, this.#perRow, shown);
    const { place } = dump;
    const byte = (at) => ({ part: index, field: null, from: at, to: at + 1 });
    const target = (event) => {
      const at = Bytes.at(event.target);
      return at === null ? this.#pinned : byte(at);
    };
    place.tabIndex = 0;
    place.setAttribute('role', 'group');
    place.setAttribute('aria-label', `${data.name}: bytes in hexadecimal and as text. Arrow keys go from byte to byte.`);
    place.addEventListener('pointerover', (event) => this.#light(target(event)));
    place.addEventListener('pointerleave', () => this.#light(this.#pinned));
    place.addEventListener('click', (event) => {
      const at = Bytes.at(event.target);
      if (at === null) return;
      this.#pin(byte(at));
      this.#parts[index].rows.find((row) => row.classList.contains('on'))?.scrollIntoView({ block: 'nearest' });
    });
    place.addEventListener('keydown', (event) => {
      const at = this.#nextByte(event.key, index, dump.shown);
      if (at === null) return;
      event.preventDefault();
      this.#pinned = byte(at);
      this.#light(this.#pinned);
      dump.reveal(at);
    });
    return dump;
  }

  #nextByte(key, part, count) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#perRow, ArrowDown: this.#perRow };
    if (!(key in steps) || count === 0) return null;
    const isHere = this.#pinned?.part === part;
    const next = isHere ? this.#pinned.from + steps[key] : 0;
    return Math.max(0, Math.min(next, count - 1));
  }

  #light(target) {
    for (const part of this.#parts) {
      part.dump.darken();
      for (const row of part.rows) {
        row.classList.remove('on');
        row.querySelector('button').setAttribute('aria-pressed', 'false');
      }
    }
    this.#explained.textContent = this.#parts.length > 0 ? HINT : '';
    if (!target || !this.#parts[target.part]) return;
    for (const twin of counterparts(this.#masking, target)) {
      this.#parts[twin.part].dump.light(twin.from, twin.to, true);
    }
    const part = this.#parts[target.part];
    part.dump.light(target.from, target.to, false);
    this.#lightFields(part, target);
    this.#explained.textContent = this.#inWords(part, target);
  }

  #lightFields({ data, rows }, target) {
    rows.forEach((row, index) => {
      const field = data.fields[index];
      const touches = field.from < target.to && target.from < field.to;
      const isOn = target.field === null ? touches : target.field === index;
      row.classList.toggle('on', isOn);
      const isPinned = isOn && target === this.#pinned;
      row.querySelector('button').setAttribute('aria-pressed', String(isPinned));
    });
  }

  #inWords({ data, dump }, target) {
    if (target.field !== null) return placeInWords(data.fields[target.field], data.bytes);
    const parts = this.#parts.map((part) => part.data);
    const unmasked = unmaskedInWords(this.#masking, parts, target);
    const words = dump.describe(target.from);
    return unmasked ? `${words}. ${capital(unmasked)}.` : words;
  }
}

async function fetchEvent(id, signal) {
  let response;
  try {
    response = await fetch(`/api/events/${encodeURIComponent(id)}`, { signal });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('wire cannot be asked for the bytes. Does it still run?');
  }
  if (response.status === 404) {
    throw new Error('Its bytes are forgotten: newer events have taken their place.');
  }
  if (!response.ok) throw new Error(`wire answered with ${response.status} when asked for the bytes.`);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('wire answered with something that is no JSON when asked for the bytes.');
  }
}

// What is known of an event without its bytes.
function summary(event) {
  const place = element('div', 'summary');
  place.append(element('p', 'line', event.line));
  if (event.details.length > 0) {
    const list = element('div', 'details');
    list.append(...event.details.map((line) => element('div', '', line)));
    place.append(list);
  }
  place.append(facts(event));
  if (event.problem) place.append(element('p', 'problem', event.problem));
  return place;
}

function facts(event) {
  const list = element('dl', 'facts');
  const fact = (name, value) => {
    const pair = element('div');
    pair.append(element('dt', '', name), element('dd', '', value));
    list.append(pair);
  };
  fact('connection', number(event.connection));
  fact('direction', direction(event));
  fact('time', `${seconds(event.at)} s`);
  if (event.size > 0) fact('on the wire', counted(event.size, 'byte'));
  if (!event.done) fact('state', 'still coming');
  return list;
}

function keptInWords({ size, bytes }) {
  if (size <= bytes.length) return counted(size, 'byte');
  return `The first ${number(bytes.length)} of ${counted(size, 'byte')} are kept.`;
}

function heads(hasBits) {
  const row = element('tr');
  const names = hasBits ? ['field', 'value', 'bits', 'meaning'] : ['field', 'value', 'meaning'];
  for (const name of names) {
    const cell = element('th', '', name);
    cell.scope = 'col';
    row.append(cell);
  }
  const group = element('thead');
  group.append(row);
  return group;
}

function fieldRow(field, index, tint, hasBits) {
  const row = element('tr', 'field');
  row.dataset.index = index;
  row.dataset.tint = tint;
  const button = element('button', 'name', field.name);
  button.type = 'button';
  button.tabIndex = -1;
  const name = element('th');
  name.scope = 'row';
  name.append(button);
  row.append(name, element('td', 'value', field.value));
  if (hasBits) row.append(element('td', 'bits', field.bits ?? ''));
  row.append(element('td', 'meaning', field.meaning ?? ''));
  return row;
}

function placeInWords({ name, from, to }, bytes) {
  if (from === to) return `${name}: no bytes`;
  const first = [...bytes.subarray(from, Math.min(to, from + MOST_REPEATED))].map(hex).join(' ');
  const more = to - from > MOST_REPEATED ? ' ...' : '';
  const place = to - from === 1 ? `byte ${number(from)}` : `bytes ${number(from)} to ${number(to - 1)}`;
  return `${name}, ${place}: ${first}${more}`;
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
