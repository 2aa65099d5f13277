// A second ear. Whoever listens to the leader alone misses the very election that follows its end:
// so while the leader is listened to, another member is, too. What that one says is kept for a
// moment, unread, and read only if it is needed.

import { heardBy } from '../core/reach.js';
import { readEnvelope } from '../core/schema.js';
import { Stream } from './stream.js';

// Envelopes that are kept: a member sends at most ten a second.
const KEPT_MAX = 40;
const AGAIN_MS = 2000;

export class Standby {
  #stream = null;
  #kept = [];
  #hello = null;
  #tried_ms = -Infinity;

  constructor() {
    /** The member that is heard, `{ url, name }`, or null. */
    this.base = null;
  }

  /** Whether it could take over now. */
  get ready() { return this.#stream?.heard === true; }

  /** How many members it hears, itself among them, by its newest word. */
  get heard() {
    const texts = [this.#hello, ...this.#kept].filter((text) => text !== null);
    for (const text of texts.reverse()) {
      const state = readEnvelope(text).events?.findLast(({ kind }) => kind === 'state');
      if (state) return heardBy(state);
    }
    return 0;
  }

  /** Listens to this member, or to nobody. */
  listen(base) {
    if (base?.url === this.base?.url) return;
    const now_ms = performance.now();
    if (base !== null && now_ms - this.#tried_ms < AGAIN_MS) return;
    this.#tried_ms = now_ms;
    this.end();
    if (base === null) return;
    this.base = base;
    this.#stream = new Stream(base.url, { onText: (text) => this.#keep(text),
      onEnd: () => this.end() });
  }

  /** Gives its stream away: what was kept of it, to be read first. */
  takeOver() {
    const stream = this.#stream;
    const texts = [this.#hello, ...this.#kept];
    const { base } = this;
    this.#stream = null;
    this.end();
    return { stream, texts, base };
  }

  end() {
    this.#stream?.close();
    this.#stream = null;
    this.#kept = [];
    this.#hello = null;
    this.base = null;
  }

  #keep(text) {
    if (this.#hello === null) {
      this.#hello = text;
      return;
    }
    this.#kept.push(text);
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
  }
}
