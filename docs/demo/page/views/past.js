// The time slider: the keys as they were.

import { byId, setText } from './dom.js';
import { timeOf } from './timeline.js';

const STEPS = 1000;
const SETTLE_MS = 150;
// Without a word from the member the slider reaches back this far.
const REACH_US = 600_000_000;

export class Past {
  #kv;
  #slider = byId('past-slider');
  #time = byId('past-time');
  #now = byId('past-now');
  #oldest_us = null;

  /** `onChange()` is called when another moment is to be shown. */
  constructor(kv, onChange) {
    this.#kv = kv;
    this.onChange = onChange;
    /** The moment that is shown, in µs since 1970; null is now. */
    this.at_us = null;
    this.#slider.addEventListener('input', () => this.#slide());
    this.#slider.addEventListener('pointerdown', () => this.learn());
    this.#slider.addEventListener('focus', () => this.learn());
    this.#now.addEventListener('click', () => this.back());
  }

  /** Asks how far back the past can be read. */
  async learn() {
    try {
      const { history } = await this.#kv.status();
      this.#oldest_us = history?.oldest_time ? Date.parse(history.oldest_time) * 1000 : null;
    } catch {
      this.#oldest_us = null;
    }
  }

  /** Shows what is now. */
  back() {
    this.#slider.value = STEPS;
    this.#slide();
  }

  /** Whether a refusal was one of the moment, and is dealt with. */
  refused({ code, data }) {
    if (code === 'future_time') {
      this.back();
      return true;
    }
    if (code !== 'before_history') return false;
    setText(this.#time, `nothing is kept of then (oldest revision: ${data.oldest})`);
    return true;
  }

  #slide() {
    const part = Number(this.#slider.value) / STEPS;
    const now_us = Date.now() * 1000;
    const oldest_us = Math.min(this.#oldest_us ?? now_us - REACH_US, now_us - 1_000_000);
    this.at_us = part >= 1 ? null
      : Math.floor((oldest_us + (now_us - oldest_us) * part) / 1000) * 1000 + 1000;
    const said = this.at_us === null ? 'now' : `${dayOf(this.at_us)} ${timeOf(this.at_us)}`;
    setText(this.#time, said);
    this.#slider.setAttribute('aria-valuetext', said);
    this.#now.hidden = this.at_us === null;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onChange(), SETTLE_MS);
  }
}

function dayOf(t_us) {
  const date = new Date(t_us / 1000);
  return new Date().toDateString() === date.toDateString() ? '' : date.toLocaleDateString();
}
