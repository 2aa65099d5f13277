// The cluster's health in words, and where they come from.

import { health } from '../core/health.js';
import { byId, middle, setAttribute, setText } from './dom.js';

// A sentence stays this long, so that it can be read, unless it gets worse.
const READ_MS = 700;
const NAME_CHARS_MAX = 24;
const BADNESS = { good: 0, wait: 1, warn: 2, bad: 3 };

export class Banner {
  #banner = byId('banner');
  #text = byId('banner-text');
  #source = byId('source');
  #since_ms = 0;
  #level = 'wait';

  /** `link` is what the source says of itself: `{ state, name, text }`. */
  draw(model, link, live, now_ms) {
    const { level, text } = live && link.text ? link : health(model);
    if (now_ms - this.#since_ms >= READ_MS || BADNESS[level] > BADNESS[this.#level]) {
      if (this.#text.textContent !== text) this.#since_ms = now_ms;
      this.#level = level;
      setAttribute(this.#banner, 'data-level', level);
      setText(this.#text, text);
    }
    setText(this.#source, middle(link.name, NAME_CHARS_MAX));
    setAttribute(this.#source, 'title', `What is shown comes from ${link.name}`);
    const dot = link.state === 'file' ? 'file' : String(link.state === 'open');
    setAttribute(this.#source, 'data-live', dot);
  }
}
