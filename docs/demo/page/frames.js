// How long the script worked a frame: a ring of the newest, for whoever measures.

const FRAMES_MAX = 2048;

export class Frames {
  #times = new Float32Array(FRAMES_MAX);
  #count = 0;

  /** One frame took `ms` of script. */
  note(ms) {
    this.#times[this.#count % FRAMES_MAX] = ms;
    this.#count += 1;
  }

  get count() { return this.#count; }

  /** The time that a share of the newest frames took at most: `percentile(0.95)`, in ms. */
  percentile(share) {
    const kept = this.#times.slice(0, Math.min(this.#count, FRAMES_MAX)).sort();
    return kept.length === 0 ? 0 : kept[Math.min(kept.length - 1, Math.floor(kept.length * share))];
  }
}
