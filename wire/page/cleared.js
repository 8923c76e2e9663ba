// Which events have been cleared from view in this tab. Nothing is deleted at the
// server, so after a reload they come again, and are recognised here.

const KEY = 'wire-cleared';

export class Cleared {
  #marks = new Set(read());

  get size() {
    return this.#marks.size;
  }

  has(event) {
    return this.#marks.has(mark(event));
  }

  /** The server keeps no more than `most` events: older ones never come again. */
  add(events, most) {
    const marks = [...this.#marks, ...events.map(mark)];
    this.#marks = new Set(marks.slice(-most));
    this.#write();
  }

  forget() {
    this.#marks.clear();
    this.#write();
  }

  // Without storage, clearing works until the next reload.
  #write() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify([...this.#marks]));
    } catch (error) {
      console.warn('what is cleared is not remembered after a reload:', error);
    }
  }
}

// After a restart of wire its numbers begin anew, but hardly at the same moment.
function mark(event) {
  return `${event.id} ${event.at}`;
}

function read() {
  try {
    const marks = JSON.parse(sessionStorage.getItem(KEY) ?? '[]');
    return Array.isArray(marks) ? marks : [];
  } catch {
    return [];
  }
}
