// What members tell of each other comes a little late. Events wait here for a moment, and leave in
// the order in which they happened.

/** How long an event waits for older ones. Longer than two envelopes are apart. */
export const WAIT_US = 250_000;
// Past this the oldest leave at once.
const WAITING_MAX = 20_000;

export class Reorder {
  #waiting = [];
  #newest_us = 0;
  #sorted = true;

  /** Takes events as they come. */
  add(events) {
    this.#sorted = false;
    for (const event of events) {
      this.#waiting.push(event);
      this.#newest_us = Math.max(this.#newest_us, event.t_us);
    }
  }

  /** The newest time that was told so far. */
  get newest_us() { return this.#newest_us; }

  /** What nothing older is waited for any more, in order; `now_us` as the teller has it. */
  take(now_us) {
    const until_us = Math.max(now_us, this.#newest_us) - WAIT_US;
    if (this.#waiting.length === 0) return [];
    if (!this.#sorted) this.#waiting.sort((a, b) => a.t_us - b.t_us);
    this.#sorted = true;
    let count = Math.max(0, this.#waiting.length - WAITING_MAX);
    while (count < this.#waiting.length && this.#waiting[count].t_us <= until_us) count += 1;
    return this.#waiting.splice(0, count);
  }

  /** Everything, in order: no more comes from there. */
  drain() {
    this.#newest_us = 0;
    return this.#waiting.splice(0).sort((a, b) => a.t_us - b.t_us);
  }
}
