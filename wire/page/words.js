// How things are called, in one place.

const KINDS = {
  opened: 'a connection opens',
  request: 'request',
  response: 'response',
  upgrade: 'change to a WebSocket',
  frame: 'frame',
  control: 'control frame',
  close: 'Close frame',
  'server-sent': 'server-sent event',
  body: 'body',
  raw: 'raw bytes',
  ended: 'end of one side',
  reset: 'the connection is broken off',
  unreachable: 'no server',
};

export function kindInWords(kind) {
  return KINDS[kind] ?? kind;
}

export function direction(event) {
  return event.from === 'client' ? 'client to server' : 'server to client';
}

const NUMBERS = new Intl.NumberFormat('en');

export function number(count) {
  return NUMBERS.format(count);
}

/** "1 byte", "2 bytes", "1,024 bytes". */
export function counted(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

export function seconds(at) {
  return at.toFixed(3);
}

/** A byte as two hexadecimal digits. */
export function hex(byte) {
  return byte.toString(16).padStart(2, '0').toUpperCase();
}

/** What a screen reader says of a row. */
export function nameOf(event) {
  const parts = [
    `connection ${event.connection}`,
    direction(event),
    event.line,
    ...event.details,
    `${seconds(event.at)} s`,
  ];
  if (event.problem) parts.push(`problem: ${event.problem}`);
  return parts.join(', ');
}

/** An element with a class and a text. What a peer has sent is only ever text. */
export function element(name, className = '', text = '') {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}
