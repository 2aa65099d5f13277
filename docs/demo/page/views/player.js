// Live or replay: play, pause, step, speed, and a scrubber over what the history holds.

import { SPEEDS } from '../core/clock.js';
import { byId, h, setAttribute, setText, svg } from './dom.js';
import { timeOf } from './timeline.js';

const STEPS = 1000;
const TICKS_MAX = 120;
const SPEED_NAMES = new Map([[1, '1×'], [0.1, '1/10'], [0.01, '1/100']]);
const TICKED = new Set(['leader', 'vote', 'caption', 'started', 'ended', 'fault']);

export class Player {
  #root = byId('player');
  #live;
  #play;
  #scrub;
  #moment = h('output', { class: 'moment', 'aria-live': 'off' });
  #speeds = new Map();
  #ticks = svg('svg', { viewBox: '0 0 1000 34', preserveAspectRatio: 'none', 'aria-hidden': true });
  #scrubbing = false;
  #ticked = '';
  #range = { first_us: 0, last_us: 0 };

  /** `deeds`: `live`, `toggle`, `step(direction)`, `speed(value)`, `seek(t_us)`. */
  constructor(deeds) {
    this.#live = h('button', { type: 'button', class: 'live', onclick: deeds.live }, 'Live');
    this.#play = h('button', { type: 'button', class: 'icon', onclick: deeds.toggle });
    const back = this.#button('Step back', ICONS.back, () => deeds.step(-1));
    const on = this.#button('Step on', ICONS.on, () => deeds.step(1));
    this.#scrub = h('input', { type: 'range', min: 0, max: STEPS, value: STEPS,
      'aria-label': 'Moment',
      oninput: () => {
        this.#scrubbing = true;
        deeds.seek(this.#momentAt(this.#scrub.value / STEPS));
      },
      onchange: () => { this.#scrubbing = false; } });
    this.#root.append(this.#live, h('div', { class: 'buttons' }, back, this.#play, on),
      h('div', { class: 'scrub' }, this.#ticks, this.#scrub), this.#speedButtons(deeds),
      this.#moment);
  }

  draw(clock, history, file) {
    this.#range = { first_us: history.first_us, last_us: history.last_us };
    this.#root.classList.toggle('replaying', !clock.live);
    setAttribute(this.#live, 'aria-pressed', String(clock.live));
    setText(this.#live, file ? 'Back to live' : 'Live');
    this.#live.hidden = file?.alone === true;
    this.#drawPlay(clock.playing);
    for (const [speed, button] of this.#speeds) {
      setAttribute(button, 'aria-pressed', String(speed === clock.speed));
    }
    const span_us = Math.max(1, history.last_us - history.first_us);
    const at = clock.live ? 1 : (clock.t_us - history.first_us) / span_us;
    if (!this.#scrubbing) this.#scrub.value = Math.round(at * STEPS);
    setAttribute(this.#scrub, 'aria-valuetext', this.#say(clock, history, file));
    setText(this.#moment, this.#say(clock, history, file));
    this.#drawTicks(history, span_us);
  }

  #say(clock, history, file) {
    if (clock.live) return 'now';
    if (file) return `${timeOf(clock.t_us)} / ${timeOf(history.last_us)}`;
    return `−${((history.last_us - clock.t_us) / 1e6).toFixed(2)} s`;
  }

  #momentAt(part) {
    return this.#range.first_us + part * (this.#range.last_us - this.#range.first_us);
  }

  #drawPlay(playing) {
    const wanted = playing ? 'Pause' : 'Play';
    if (this.#play.getAttribute('aria-label') === wanted) return;
    this.#play.setAttribute('aria-label', wanted);
    this.#play.replaceChildren(icon(playing ? ICONS.pause : ICONS.play));
  }

  #drawTicks(history, span_us) {
    const events = history.rare.filter((event) =>
      event.t_us >= history.first_us && TICKED.has(event.kind)).slice(-TICKS_MAX);
    const ticked = `${history.first_us}:${history.last_us}:${events.length}`;
    if (ticked === this.#ticked) return;
    this.#ticked = ticked;
    this.#ticks.replaceChildren(...events.map((event) => {
      const x = (1000 * (event.t_us - history.first_us)) / span_us;
      const elected = event.kind === 'leader' && event.leader === event.member;
      return svg('line', { x1: x, x2: x, y1: elected ? 2 : 8, y2: elected ? 32 : 26,
        class: `tick${elected ? ' elected' : ''}`, 'vector-effect': 'non-scaling-stroke' });
    }));
  }

  #speedButtons(deeds) {
    const buttons = SPEEDS.map((speed) => {
      const button = h('button', { type: 'button', onclick: () => deeds.speed(speed) },
        SPEED_NAMES.get(speed));
      this.#speeds.set(speed, button);
      return button;
    });
    return h('div', { class: 'seg speeds', role: 'group', 'aria-label': 'Speed' }, ...buttons);
  }

  #button(label, d, onclick) {
    return h('button', { type: 'button', class: 'icon', 'aria-label': label, title: label,
      onclick }, icon(d));
  }
}

const ICONS = {
  play: 'M4 2.5v11l9-5.5z', pause: 'M4 2.5h3v11H4zM9 2.5h3v11H9z',
  back: 'M11 2.5v11L4.5 8zM3 2.5h1.5v11H3z', on: 'M5 2.5v11L11.5 8zM11.5 2.5H13v11h-1.5z',
};

function icon(d) {
  return svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': true }, svg('path', { d }));
}
