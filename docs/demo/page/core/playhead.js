// The model at the clock's moment: goes on event by event, and jumps by keyframes.

import { apply, newModel } from './model.js';

// A step over more events than these is a jump.
const STEP_EVENTS_MAX = 20_000;

export class Playhead {
  #history;
  #next = 0;

  constructor(history) {
    this.open(history);
  }

  /** Shows another history, from its beginning. */
  open(history) {
    this.#history = history;
    this.#next = history.first;
    this.model = newModel();
    this.shown_us = -1;
  }

  /** Brings the model to `t_us`. */
  advance(t_us) {
    const target = this.#history.placeAfter(t_us);
    const back = t_us < this.shown_us;
    const far = target - this.#next > STEP_EVENTS_MAX || this.#next < this.#history.first;
    if (back || far || this.shown_us < 0) this.#jump(t_us);
    else this.#step(target);
    this.model.t_us = t_us;
    this.shown_us = t_us;
    return this.model;
  }

  #jump(t_us) {
    const { model, next } = this.#history.modelAt(t_us);
    this.model = model;
    this.#next = next;
  }

  #step(target) {
    for (; this.#next < target; this.#next += 1) apply(this.model, this.#history.at(this.#next));
  }
}
