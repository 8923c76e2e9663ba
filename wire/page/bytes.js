// Bytes as hex and as text, side by side, each of which can be lit.

import { counted, element, hex, number } from './words.js';

const FIRST = 2048;
/** As many again each time somebody wants more: with 64 KiB at once the page would freeze. */
const MORE = 4096;
/** Each piece is left out by the browser while it is out of sight. */
const PIECE = 512;
const TINTS = 5;
const NO_TINT = 255;
const NAMES = { 0: 'NUL', 9: 'tab', 10: 'LF', 13: 'CR', 32: 'space' };

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export class Bytes {
  #bytes;
  #tints;
  #perRow;
  #characters;
  #place = element('div', 'dump');
  #more = element('button', 'plain more');
  #hexCells = [];
  #textCells = [];
  #lit = [];

  /** `shown` is how many are shown at once, if there are so many. */
  constructor(bytes, fields, perRow, shown = FIRST) {
    this.#bytes = bytes;
    this.#tints = tintsOfBytes(bytes.length, fields);
    this.#perRow = perRow;
    this.#characters = new Characters(bytes);
    this.#place.style.setProperty('--per-row', perRow);
    this.#more.type = 'button';
    this.#more.addEventListener('click', () => this.show(this.shown + MORE));
    this.show(Math.max(shown, FIRST));
  }

  get shown() {
    return this.#hexCells.length;
  }

  get elements() {
    return [this.#place, this.#more];
  }

  get place() {
    return this.#place;
  }

  /** Shows so many bytes, and offers the rest. */
  show(count) {
    const end = Math.min(count, this.#bytes.length);
    while (this.shown < end) this.#place.append(this.#piece(this.shown, Math.min(this.shown + PIECE, end)));
    const rest = this.#bytes.length - end;
    this.#more.hidden = rest === 0;
    this.#more.textContent = `Show ${number(Math.min(MORE, rest))} more of ${counted(rest, 'byte')}`;
  }

  #piece(from, to) {
    const piece = element('div', 'piece');
    piece.style.setProperty('--rows', Math.ceil((to - from) / this.#perRow));
    for (let at = from; at < to; at += this.#perRow) {
      piece.append(this.#row(at, Math.min(at + this.#perRow, to)));
    }
    return piece;
  }

  #row(from, to) {
    const row = element('div', 'dump-row');
    const hexes = element('span', 'hex');
    const texts = element('span', 'text');
    for (let at = from; at < to; at += 1) {
      hexes.append(this.#cell(at, hex(this.#bytes[at]), this.#hexCells));
      const character = this.#characters.at(at);
      const cell = this.#cell(at, character.text, this.#textCells);
      cell.classList.toggle('unseen', character.isUnseen);
      texts.append(cell);
    }
    row.append(element('span', 'offset', from.toString(16).padStart(4, '0')), hexes, texts);
    return row;
  }

  #cell(at, text, cells) {
    const cell = element('span', 'byte', text);
    if (this.#tints[at] !== NO_TINT) cell.dataset.tint = this.#tints[at];
    cell.dataset.at = at;
    cells.push(cell);
    return cell;
  }

  /** Which byte an element stands for, or null. */
  static at(target) {
    const cell = target.closest?.('.byte');
    return cell ? Number(cell.dataset.at) : null;
  }

  /** Lights a stretch; `twin` if only because it belongs to another one. */
  light(from, to, isTwin) {
    for (let at = from; at < Math.min(to, this.shown); at += 1) {
      for (const cell of [this.#hexCells[at], this.#textCells[at]]) {
        cell.classList.add('on');
        cell.classList.toggle('twin', isTwin);
        this.#lit.push(cell);
      }
    }
  }

  darken() {
    for (const cell of this.#lit) cell.classList.remove('on', 'twin');
    this.#lit = [];
  }

  /** Brings a byte into view, if it is shown. */
  reveal(at) {
    this.#hexCells[at]?.scrollIntoView({ block: 'nearest' });
  }

  describe(at) {
    const byte = this.#bytes[at];
    const { text, isUnseen } = this.#characters.at(at);
    const asText = NAMES[byte] ? `, ${NAMES[byte]}` : text && !isUnseen ? `, “${text}”` : '';
    return `byte ${number(at)}: ${hex(byte)}, ${byte.toString(2).padStart(8, '0')}, ${byte}${asText}`;
  }
}

/** Fields of the same bytes have the same tint, their neighbours others. */
export function tintsOfFields(fields) {
  let tint = 0;
  return fields.map((field, index) => {
    if (index > 0 && field.from >= fields[index - 1].to) tint += 1;
    return tint % TINTS;
  });
}

function tintsOfBytes(count, fields) {
  const tints = new Uint8Array(count).fill(NO_TINT);
  tintsOfFields(fields).forEach((tint, index) => {
    tints.fill(tint, fields[index].from, fields[index].to);
  });
  return tints;
}

// What each byte is as text. A character of several bytes (UTF-8) stands at its first
// byte, and has the room of the others.
class Characters {
  #bytes;
  #decoder = new TextDecoder();
  #end = 0;
  #known = [];

  constructor(bytes) {
    this.#bytes = bytes;
  }

  at(index) {
    while (this.#end <= index) this.#next();
    return this.#known[index];
  }

  #next() {
    const length = lengthOf(this.#bytes[this.#end]);
    const text = this.#decoder.decode(this.#bytes.subarray(this.#end, this.#end + length));
    // Decoded alone, a byte order mark is nothing; bytes that are no text are U+FFFD.
    const isCharacter = text !== '' && !text.includes('\u{fffd}');
    this.#known.push(seen(isCharacter ? text : '\0'));
    this.#end += 1;
    for (let rest = 1; isCharacter && rest < length; rest += 1) {
      this.#known.push({ text: '', isUnseen: false });
      this.#end += 1;
    }
  }
}

// How many bytes the character has that begins with this one (RFC 3629 3).
function lengthOf(byte) {
  if (byte >= 0xf0) return 4;
  if (byte >= 0xe0) return 3;
  if (byte >= 0xc0) return 2;
  return 1;
}

function seen(character) {
  // What they did to a typewriter: its carriage returned, its paper went up a line.
  if (character === '\r') return { text: '←', isUnseen: true };
  if (character === '\n') return { text: '↓', isUnseen: true };
  // Controls, marks that combine with their neighbour, and what has no shape.
  if (/^[\p{C}\p{M}\p{Zl}\p{Zp}]/u.test(character)) return { text: '·', isUnseen: true };
  return { text: character, isUnseen: false };
}
