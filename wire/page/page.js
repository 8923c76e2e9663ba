// The page of `wire`: what comes from the server, and where it goes.

import { Chart } from './chart.js';
import { Cleared } from './cleared.js';
import { listen } from './connection.js';
import { Connections } from './connections.js';
import { Detail } from './detail.js';
import { Queue } from './queue.js';
import { counted, element } from './words.js';

/** A page that is not seen gets no frames, but goes on: as often as that, in milliseconds. */
const WITHOUT_FRAMES = 250;

const find = (selector) => document.querySelector(selector);
const status = find('#status');
const pause = find('#pause');

const queue = new Queue();
const cleared = new Cleared();
const connections = new Connections(find('#connections'), redraw);
const chart = new Chart(find('#scroll'), find('#follow'), open);
const detail = new Detail(find('#detail'), (id) => {
  chart.select(null);
  chart.focusRow(id);
});

/** What the chart can show, by id: an event with how it changed its connection, or a gap. */
const kept = new Map();
/** Events that are gone, but of which newer versions may come. */
const gone = new Set();
/** What the server says first. This page keeps as many events as the server, shown or not. */
let about = null;
let forgotten = 0;
let gaps = 0;
let isPaused = false;
let isPlanned = false;
let nextFrame;
let withoutFrame;

const beginAnew = listen(heard, (text, isOpen) => {
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle('on', isOpen);
});

// Thousands of events may come at once: they are drawn together, once for each frame.
function heard(message) {
  queue.add(message);
  if (isPaused) tellWaiting();
  else plan();
}

function plan() {
  if (isPlanned) return;
  isPlanned = true;
  nextFrame = requestAnimationFrame(apply);
  withoutFrame = setTimeout(apply, WITHOUT_FRAMES);
}

function apply() {
  isPlanned = false;
  cancelAnimationFrame(nextFrame);
  clearTimeout(withoutFrame);
  if (isPaused) return;
  const came = queue.take();
  if (came.about) begin(came.about);
  forgotten += came.gone;
  for (const event of came.dropped) drop(event);
  const fresh = [];
  for (const message of came.messages.values()) take(message, fresh);
  forgetOldest();
  const isNew = came.about || came.dropped.length > 0;
  if (isNew) redraw();
  else chart.add(fresh.filter((entry) => kept.has(entry.id) && isShown(entry)));
  connections.draw();
  tellState();
}

function take(message, fresh) {
  if ('missed' in message) {
    gaps += 1;
    keep({ id: `gap-${gaps}`, missed: message.missed }, fresh);
  } else if (cleared.has(message)) {
    connections.note(message);
  } else if (gone.has(message.id)) {
    if (message.done) gone.delete(message.id);
    detail.update(message);
  } else if (kept.has(message.id)) {
    kept.get(message.id).event = message;
    chart.replace(message);
    detail.update(message);
  } else {
    keep({ id: message.id, event: message, ...connections.note(message) }, fresh);
    connections.count(message.connection, 1);
  }
}

function keep(entry, fresh) {
  kept.set(entry.id, entry);
  fresh.push(entry);
}

function drop(event) {
  connections.note(event);
  if (!event.done) gone.add(event.id);
}

function forgetOldest() {
  for (const [id, entry] of kept) {
    if (kept.size <= about.keeps) return;
    kept.delete(id);
    chart.remove(id);
    forgotten += 1;
    if (!entry.event) continue;
    connections.count(entry.event.connection, -1);
    if (!entry.event.done) gone.add(id);
  }
}

// Everything that the server keeps comes again after this.
function begin(newAbout) {
  about = newAbout;
  forgotten = about.forgotten;
  kept.clear();
  gone.clear();
  connections.forgetAll();
  tellAbout();
}

function isShown(entry) {
  return !entry.event || connections.isShown(entry.event.connection);
}

function redraw() {
  const shown = [...kept.values()].filter(isShown);
  chart.redraw(shown, openBefore(shown));
  tellState();
}

// The connections whose lanes are there before the first row: those that had begun
// before their first event that is shown, and those that are open and silent.
function openBefore(shown) {
  const first = new Map();
  for (const { event, before } of shown) {
    if (event && !first.has(event.connection)) first.set(event.connection, before);
  }
  const earlier = [...first.values()].filter((connection) => connection.hasBegun);
  const silent = connections.open.filter(({ number }) => connections.isShown(number) && !first.has(number));
  return [...earlier, ...silent].sort((one, other) => one.number - other.number);
}

function open(id) {
  const entry = kept.get(id);
  if (!entry) return;
  chart.select(id);
  detail.open(entry.event);
}

pause.addEventListener('click', () => {
  isPaused = !isPaused;
  pause.setAttribute('aria-pressed', String(isPaused));
  pause.textContent = isPaused ? 'Resume' : 'Pause';
  tellWaiting();
  if (!isPaused) plan();
});

find('#clear').addEventListener('click', () => {
  // What waits came so far as well.
  const wasPaused = isPaused;
  isPaused = false;
  apply();
  isPaused = wasPaused;
  // Nothing has come yet.
  if (about === null) return;
  const events = [...kept.values()].filter((entry) => entry.event).map((entry) => entry.event);
  cleared.add(events, about.keeps);
  kept.clear();
  forgotten = 0;
  connections.forgetEvents();
  connections.draw();
  redraw();
  tellWaiting();
});

find('#show-cleared').addEventListener('click', () => {
  cleared.forget();
  beginAnew();
});

function tellAbout() {
  const place = find('#about');
  if (about.file !== null) {
    place.replaceChildren('recording ', element('b', '', about.file));
  } else {
    const link = element('a', '', `http://${about.listen}`);
    link.href = `http://${about.listen}/`;
    place.replaceChildren(link, ` → ${about.server}`);
  }
}

function tellWaiting() {
  const words = [];
  if (isPaused) words.push(`paused, ${counted(queue.size, 'event')} wait${queue.size === 1 ? 's' : ''}`);
  if (isPaused && queue.gone > 0) words.push(`${counted(queue.gone, 'older one')} ${queue.gone === 1 ? 'is' : 'are'} gone`);
  find('#waiting').textContent = words.join('; ');
}

function tellState() {
  tell('#forgotten', forgotten > 0, `${counted(forgotten, 'older event')} ${forgotten === 1 ? 'is' : 'are'} forgotten.`);
  tell('#cleared', cleared.size > 0, `${counted(cleared.size, 'event')} ${cleared.size === 1 ? 'is' : 'are'} cleared from view.`);
  find('#none-shown').hidden = kept.size === 0 || !chart.isEmpty;
  const isEmpty = about !== null && kept.size === 0;
  find('#empty').hidden = !isEmpty;
  if (isEmpty) find('#empty').replaceChildren(...emptyInWords());
}

function tell(selector, isSo, text) {
  const place = find(selector);
  place.hidden = !isSo;
  (place.querySelector('span') ?? place).textContent = text;
}

function emptyInWords() {
  if (cleared.size > 0 && about.file === null) return [element('p', '', 'What happens next appears here.')];
  if (cleared.size > 0) return [element('p', '', 'All of this recording is cleared from view.')];
  if (about.file !== null) return [element('p', '', 'Nothing is in this recording.')];
  const address = element('a', '', `http://${about.listen}`);
  address.href = `http://${about.listen}/`;
  const steps = element('ol');
  steps.append(
    step('Start a lesson: ', element('code', '', 'cargo run --bin lesson-4')),
    step('Open ', address, ' instead of the address that the lesson prints.'),
    step('Click. Each request, response and frame appears here as an arrow; open one to see its bytes.'),
  );
  return [element('h2', '', 'Nothing has been said yet'), steps];
}

function step(...content) {
  const item = element('li');
  item.append(...content);
  return item;
}
