// The events of the last minute, bounded, with keyframes: the model at any moment of it.

import { RARE } from './schema.js';
import { apply, copy, newModel } from './model.js';

export const HISTORY_US = 60_000_000;
export const HISTORY_EVENTS_MAX = 200_000;
// A message that never arrives is looked for so far back, whatever a file says of its flight.
const LOOK_BACK_EVENTS = 20_000;
const KEYFRAME_US = 1_000_000;
const KEYFRAME_EVENTS = 4_000;
const RARE_EVENTS_MAX = 4_000;
// How much is thrown away at once, so that throwing away costs nothing to speak of.
const TRIM_EVENTS = 8_192;
// Messages of one kind on one link nearer to each other than these are drawn at full speed, at a
// tenth, at a hundredth only once.
const THINNED_US = [60_000, 6_000, 600];
// Some come all the time and say the same: fewer of them are enough.
const THINNED_MORE = { heartbeat: 3, append_answer: 2, other: 12 };

export class History {
  #events = [];
  // The place of the first event that is kept, counting all that ever came.
  #base = 0;
  #keyframes = [];
  #head;
  #last_drawn = new Map();
  #span_us;
  #events_max;

  constructor({ span_us = HISTORY_US, events_max = HISTORY_EVENTS_MAX, told = true } = {}) {
    this.#span_us = span_us;
    this.#events_max = events_max;
    this.#head = newModel({ told });
    this.#keyframes.push({ next: 0, model: copy(this.#head) });
    /** What is never folded, and captions: kept longer than a busy minute's rest. */
    this.rare = [];
    /** The `state` events, for sparklines. */
    this.states = [];
    /** The longest flight that a message tells of, in µs. */
    this.flight_us_max = 0;
    /** So many events members left out on the way here. */
    this.lost = 0;
  }

  get first() { return this.#base; }
  get end() { return this.#base + this.#events.length; }
  get first_us() { return this.#events.length > 0 ? this.#events[0].t_us : 0; }
  get last_us() { return this.#events.length > 0 ? this.#events.at(-1).t_us : 0; }

  /** The event at a place between `first` and `end`. */
  at(place) { return this.#events[place - this.#base]; }

  /** Takes events in the order of their times; one that comes too late counts as just now. */
  push(events) {
    for (const event of events) this.#pushOne(event);
    this.#trim();
  }

  /** The place after the last event of this moment. */
  placeAfter(t_us) {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle].t_us <= t_us) low = middle + 1;
      else high = middle;
    }
    return this.#base + low;
  }

  /** The model after all events up to `t_us`, and the place of the next one. */
  modelAt(t_us) {
    const next = this.placeAfter(t_us);
    let keyframe = this.#keyframes[0];
    for (const later of this.#keyframes) {
      if (later.next > next) break;
      keyframe = later;
    }
    const model = copy(keyframe.model);
    for (let place = Math.max(keyframe.next, this.#base); place < next; place += 1) {
      apply(model, this.at(place));
    }
    return { model, next };
  }

  #pushOne(event) {
    if (event.t_us < this.last_us) event.t_us = this.last_us;
    this.#events.push(event);
    apply(this.#head, event);
    if (event.kind === 'message') this.#thin(event);
    if (event.kind === 'state') this.states.push(event);
    if (event.kind === 'undelivered') this.#lose(event);
    if (RARE.has(event.kind) || event.kind === 'caption') this.rare.push(event);
    this.#keepFrame(event.t_us);
  }

  #keepFrame(t_us) {
    const newest = this.#keyframes.at(-1);
    const due = t_us - newest.model.t_us >= KEYFRAME_US
      || this.end - newest.next >= KEYFRAME_EVENTS;
    if (due) this.#keyframes.push({ next: this.end, model: copy(this.#head) });
  }

  /** `event.level`: 0 is drawn at every speed, 1 from a tenth on, 2 at a hundredth, 3 never. */
  #thin(event) {
    this.flight_us_max = Math.max(this.flight_us_max, event.flight_us ?? 0);
    const key = `${event.member}>${event.to}>${event.what}`;
    let last = this.#last_drawn.get(key);
    if (!last) this.#last_drawn.set(key, last = THINNED_US.map(() => -Infinity));
    const factor = THINNED_MORE[event.what] ?? 1;
    event.level = THINNED_US.findIndex((gap_us, i) => event.t_us - last[i] >= gap_us * factor);
    if (event.level < 0) event.level = THINNED_US.length;
    for (let i = event.level; i < last.length; i += 1) last[i] = event.t_us;
  }

  /** Marks the message that should arrive now, and does not. */
  #lose({ t_us, from, member, what }) {
    const last = Math.max(0, this.#events.length - LOOK_BACK_EVENTS);
    for (let i = this.#events.length - 1; i >= last; i -= 1) {
      const event = this.#events[i];
      if (event.t_us < t_us - this.flight_us_max) return;
      const it = event.kind === 'message' && event.member === from && event.to === member
        && event.what === what && event.t_us + (event.flight_us ?? 0) === t_us;
      if (it && !event.undelivered) {
        event.undelivered = true;
        return;
      }
    }
  }

  #trim() {
    const from_us = this.last_us - this.#span_us;
    let drop = Math.max(0, this.#events.length - this.#events_max);
    while (drop < this.#events.length && this.#events[drop].t_us < from_us) drop += 1;
    if (drop < TRIM_EVENTS && this.#events.length <= this.#events_max
      && this.last_us - this.first_us < 1.2 * this.#span_us) return;
    this.#dropTo(drop);
    while (this.states.length > 0 && this.states[0].t_us < from_us) this.states.shift();
    if (this.rare.length > RARE_EVENTS_MAX) this.rare.splice(0, this.rare.length / 4);
  }

  /** Drops the oldest `count` events up to a keyframe, so that there is one to begin from. */
  #dropTo(count) {
    const begin = this.#keyframes.findLastIndex((one) => one.next <= this.#base + count);
    if (begin <= 0) return;
    const drop = this.#keyframes[begin].next - this.#base;
    this.#events.splice(0, drop);
    this.#base += drop;
    this.#keyframes.splice(0, begin);
  }
}
