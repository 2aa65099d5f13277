// Which moment is shown: now, or one of the past at some speed.
//
// Live, it runs a little behind the teller, so that what is on its way here is not missed.

import { WAIT_US } from './reorder.js';

export const SPEEDS = [1, 0.1, 0.01];
/** How far behind the teller the live view is, in µs. */
export const LIVE_DELAY_US = WAIT_US + 150_000;
// How fast the estimate of the teller's clock gives way if its events come later than before.
const DRIFT_US_PER_SAMPLE = 500;

export class Clock {
  #offset_us = null;
  #last_ms = null;

  constructor() {
    this.live = true;
    this.playing = true;
    this.speed = 1;
    this.t_us = 0;
  }

  /** An event of the teller's time `t_us` came at `now_ms` of this page's clock. */
  hear(t_us, now_ms) {
    const sample_us = t_us - now_ms * 1000;
    this.#offset_us = this.#offset_us === null
      ? sample_us : Math.max(sample_us, this.#offset_us - DRIFT_US_PER_SAMPLE);
  }

  /** Another teller, another clock. */
  forget() { this.#offset_us = null; }

  /** What the teller's clock shows at `now_ms` of this page's. */
  tellerNow(now_ms) {
    return this.#offset_us === null ? 0 : now_ms * 1000 + this.#offset_us;
  }

  /** Goes on to `now_ms`, within what the history holds. */
  tick(now_ms, first_us, last_us) {
    const passed_us = this.#last_ms === null ? 0 : (now_ms - this.#last_ms) * 1000;
    this.#last_ms = now_ms;
    if (this.live) {
      this.#followTeller(now_ms, last_us);
    } else if (this.playing) {
      this.t_us += passed_us * this.speed;
      if (this.t_us >= last_us) this.playing = false;
    }
    if (!this.live) this.t_us = Math.min(Math.max(this.t_us, first_us), last_us);
    return this.t_us;
  }

  goLive() {
    this.live = true;
    this.playing = true;
    this.speed = 1;
    this.t_us = 0;
  }

  /** Shows the past from `t_us` on. */
  replay(t_us, { speed = this.speed, playing = this.playing } = {}) {
    this.live = false;
    this.t_us = t_us;
    this.speed = speed;
    this.playing = playing;
  }

  #followTeller(now_ms, last_us) {
    if (this.#offset_us === null) return;
    // Without a teller the picture stands still soon after the last that it said.
    const until_us = last_us + LIVE_DELAY_US;
    const t_us = Math.min(this.tellerNow(now_ms) - LIVE_DELAY_US, until_us);
    this.t_us = Math.max(this.t_us, t_us);
  }
}
