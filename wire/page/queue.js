// What has come and is not shown yet: for a moment, or while the page is paused.

/** These say what becomes of a lane. */
const LIFELINES = new Set(['opened', 'upgrade', 'ended', 'reset']);

export class Queue {
  /** The server says how many events it keeps before it tells the first. */
  #most = 0;
  #messages = new Map();
  #about = null;
  #gone = 0;
  #dropped = [];
  #notes = 0;

  get size() {
    return this.#messages.size;
  }

  /** How many older ones there was no room for. */
  get gone() {
    return this.#gone;
  }

  add(message) {
    if ('about' in message) {
      // Everything that is kept comes again: what waited would be there twice.
      this.#forget();
      this.#about = message.about;
      this.#most = message.about.keeps;
    } else if ('missed' in message) {
      this.#notes += 1;
      this.#put(`missed-${this.#notes}`, message);
    } else {
      this.#put(message.id, message);
    }
  }

  // A newer version of an event takes the place of the older one.
  #put(id, message) {
    this.#messages.set(id, message);
    if (this.#messages.size <= this.#most) return;
    const [oldestId, oldest] = this.#messages.entries().next().value;
    this.#messages.delete(oldestId);
    this.#gone += 1;
    if (matters(oldest)) this.#dropped.push(oldest);
  }

  /** All that has come, in its order; `dropped` are those gone ones that matter later. */
  take() {
    const taken = {
      about: this.#about,
      messages: this.#messages,
      gone: this.#gone,
      dropped: this.#dropped,
    };
    this.#forget();
    return taken;
  }

  #forget() {
    this.#messages = new Map();
    this.#about = null;
    this.#gone = 0;
    this.#dropped = [];
  }
}

// A lane goes on without its row, and an event that has not ended will be told again.
function matters(message) {
  return LIFELINES.has(message.kind) || message.done === false;
}
