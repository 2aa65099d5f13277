// Which part of the logs is seen: single entries while few come, ranges of many when many do.

/** From so many new entries a second on boxes would only flicker. */
export const BOXES_RATE_MAX = 24;
const BOX_PX = 30;
const BOXES_MAX = 40;
const RANGE_SECONDS = 6;
const RANGE_ENTRIES_MIN = 240;
// Boxes come back only when it is clearly calm again.
const CALM = 0.6;

/** How fast the log grows, in entries a second of the watcher's time; smoothed. */
export class GrowthRate {
  #last = null;
  #at_ms = 0;
  constructor() { this.rate = 0; }

  /** The longest log ends at `index` now. */
  note(index, now_ms) {
    // A log that was not known, or went back, has not grown by all that is in it now.
    if (!this.#last || index < this.#last) {
      this.#last = index;
      this.#at_ms = now_ms;
      return this.rate;
    }
    const passed_ms = now_ms - this.#at_ms;
    if (passed_ms < 250) return this.rate;
    const rate = ((index - this.#last) * 1000) / passed_ms;
    this.rate += (rate - this.rate) * 0.5;
    this.#last = index;
    this.#at_ms = now_ms;
    return this.rate;
  }

  /** Another moment is shown: what was measured does not count there. */
  forget() { this.#last = null; this.rate = 0; }
}

/**
 * `{ boxes, entries, pitch }`: how many entries are seen in `width_px`, and how wide each is;
 * `before` is what was seen until now.
 */
export function windowFor(rate, width_px, last_index, before) {
  const limit = before.boxes ? BOXES_RATE_MAX : BOXES_RATE_MAX * CALM;
  if (rate <= limit) {
    const entries = Math.max(4, Math.min(BOXES_MAX, Math.floor(width_px / BOX_PX)));
    return { boxes: true, entries, pitch: width_px / entries };
  }
  const entries = rangeEntries(rate, last_index, before);
  return { boxes: false, entries, pitch: width_px / entries };
}

/** A range stays as it is while it is neither too short nor far too long: the scale is calm. */
function rangeEntries(rate, last_index, before) {
  const wanted = Math.max(RANGE_ENTRIES_MIN, rate * RANGE_SECONDS);
  const fits = !before.boxes && before.entries >= wanted * 0.6 && before.entries <= wanted * 4
    && before.entries <= last_index;
  return fits ? before.entries
    : Math.min(niceCeil(wanted), Math.max(RANGE_ENTRIES_MIN, last_index));
}

/** The next of 1, 2, 5, 10, 20, 50 … that is not smaller. */
export function niceCeil(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((one) => one * power >= value);
  return step * power;
}
