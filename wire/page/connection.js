// The WebSocket to wire. It comes back by itself, later and later.

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;

/**
 * `heard` gets each message as data, `told` a sentence about the connection and
 * whether it is open. Gives a function that begins anew.
 */
export function listen(heard, told) {
  let socket = null;
  let failures = 0;
  let timer = null;

  function connect() {
    clearTimeout(timer);
    told('connecting', false);
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const mine = new WebSocket(`${scheme}//${location.host}/ws`);
    socket = mine;
    mine.addEventListener('message', ({ data }) => {
      if (mine === socket) hear(data);
    });
    mine.addEventListener('close', () => {
      if (mine === socket) comeBack();
    });
  }

  function hear(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      told('wire said something that is no JSON', true);
      return;
    }
    // Only who is served has arrived: a server that closes at once is not
    // asked again and again without a pause.
    failures = 0;
    told('connected', true);
    heard(message);
  }

  // Half of the delay is chance, so that many pages do not come back at once.
  function comeBack() {
    const longest = Math.min(FIRST_DELAY * 2 ** failures, LONGEST_DELAY);
    const delay = longest / 2 + (Math.random() * longest) / 2;
    failures += 1;
    const seconds = Math.max(1, Math.round(delay / 1000));
    told(`not connected, next try in ${seconds} s`, false);
    timer = setTimeout(connect, delay);
  }

  function again() {
    const old = socket;
    failures = 0;
    connect();
    old?.close();
  }

  connect();
  return again;
}
