// One picture of one history: what is shown, at which moment, by all views alike.

import { Clock } from './core/clock.js';
import { History } from './core/history.js';
import { Playhead } from './core/playhead.js';
import { Reorder } from './core/reorder.js';

// A teller whose clock differs by more than this is taken for one with another clock.
const CLOCKS_US_MAX = 2_000_000;

export class Stage {
  #reorder = new Reorder();
  #shift_us = 0;
  #first_of_teller = false;
  // What another teller says of the time up to here was told already.
  #told_us = 0;

  constructor() {
    this.clock = new Clock();
    this.live_history = new History();
    this.history = this.live_history;
    this.head = new Playhead(this.history);
    /** The file that is played, `{ title }`, or null. */
    this.file = null;
  }

  /** Another member tells from now on. */
  beginTeller() {
    this.#told_us = Math.max(this.#reorder.newest_us, this.live_history.last_us);
    this.live_history.push(this.#reorder.drain());
    this.clock.forget();
    this.#first_of_teller = true;
  }

  /** Events as they came, at `now_ms`. */
  take(events, lost, now_ms) {
    this.live_history.lost += lost;
    if (events.length === 0) return;
    let newest_us = 0;
    for (const event of events) newest_us = Math.max(newest_us, event.t_us);
    if (this.#first_of_teller) this.#adopt(newest_us);
    if (this.#shift_us !== 0) for (const event of events) event.t_us += this.#shift_us;
    this.clock.hear(newest_us + this.#shift_us, now_ms);
    this.#reorder.add(events.filter(({ t_us }) => t_us > this.#told_us));
    // Here too: nothing is drawn while nobody looks.
    this.live_history.push(this.#reorder.take(this.clock.tellerNow(now_ms)));
  }

  /** Goes on to `now_ms`; answers the model. */
  advance(now_ms) {
    this.live_history.push(this.#reorder.take(this.clock.tellerNow(now_ms)));
    const { first_us, last_us } = this.history;
    return this.head.advance(this.clock.tick(now_ms, first_us, last_us));
  }

  /** Plays events of a file. */
  openFile(events, file) {
    const history = new History({ span_us: Infinity, events_max: Infinity, told: false });
    history.push(events);
    this.file = file;
    this.#show(history);
    this.clock.replay(history.first_us, { speed: file.speed ?? 1, playing: true });
  }

  goLive() {
    if (this.file) {
      this.file = null;
      this.#show(this.live_history);
    }
    this.clock.goLive();
    this.head.open(this.history);
  }

  /** To the next moment at which something happens, or the one before. */
  step(direction) {
    const { history, clock } = this;
    const place = direction > 0 ? history.placeAfter(clock.t_us)
      : history.placeAfter(clock.t_us - 1) - 1;
    let at = Math.min(Math.max(place, history.first), history.end - 1);
    while (history.at(at)?.kind === 'state' && at > history.first && at < history.end - 1) {
      at += direction;
    }
    const event = history.at(at);
    if (event) clock.replay(event.t_us, { playing: false });
  }

  #adopt(newest_us) {
    this.#first_of_teller = false;
    const known_us = this.live_history.last_us;
    const differs = known_us > 0 && newest_us < known_us - CLOCKS_US_MAX;
    this.#shift_us = differs ? known_us - newest_us : 0;
  }

  #show(history) {
    this.history = history;
    this.head.open(history);
  }
}
