// The members' logs, one below the other, aligned by index.

import { isReached } from '../core/member.js';
import { lastIndex, leaderOf } from '../core/model.js';
import { number, short } from '../core/words.js';
import { GrowthRate, niceCeil, windowFor } from '../core/window.js';
import { h, middle, Pool, setAttribute, setText, svg } from './dom.js';
import { BoxRow } from './strip-boxes.js';
import { RangeRow } from './strip-ranges.js';

const AXIS_HEIGHT = 20;
const NAME_CHARS_MAX = 20;
const LABEL_EVERY = 5;
const LABEL_CHAR_PX = 6.4;
const TICKS = 6;
// How fast the window follows the newest entry: the way left is halved in about this time.
const FOLLOW_MS = 110;
// A window farther behind than this jumps.
const FOLLOW_WINDOWS_MAX = 1.5;

export class Strips {
  #root;
  #note;
  #axis = svg('svg', { class: 'axis', height: AXIS_HEIGHT, 'aria-hidden': true });
  #rows = new Map();
  #growth = new GrowthRate();
  #labels;
  #width = 0;
  #seen = { boxes: true, entries: 0 };
  #end = 0;
  #drawn_ms = 0;

  constructor(root, note) {
    this.#root = root;
    this.#note = note;
    root.append(h('div', { class: 'axis-label' }), this.#axis);
    this.#axis.append(hatch());
    this.#labels = new Pool(this.#axis, () => ({ element: svg('text', { y: 14 }) }));
    new ResizeObserver(([entry]) => { this.#width = entry.contentRect.width; })
      .observe(this.#axis);
  }

  /** Another moment is shown: the window goes there at once. */
  jump() {
    this.#end = 0;
    this.#growth.forget();
  }

  draw(model, now_ms, speed) {
    this.#keepRows(model);
    if (this.#width === 0) return;
    const last = lastIndex(model);
    const rate = this.#growth.note(last, now_ms);
    const seen = windowFor(rate, this.#width, last, this.#seen);
    this.#seen = seen;
    const view = this.#follow(last, seen, now_ms);
    view.cut_us = 2_500_000 * speed;
    this.#drawAxis(view);
    const leader = leaderOf(model);
    for (const [id, row] of this.#rows) row.draw(model, model.members.get(id), leader, view);
    setText(this.#note, noteOf(view, rate));
  }

  #follow(last, seen, now_ms) {
    const target = Math.max(last + (seen.boxes ? 1 : 0), seen.entries);
    const gap = target - this.#end;
    const passed_ms = Math.min(100, now_ms - this.#drawn_ms);
    this.#drawn_ms = now_ms;
    if (this.#end === 0 || Math.abs(gap) > seen.entries * FOLLOW_WINDOWS_MAX) this.#end = target;
    else this.#end += gap * (1 - 2 ** (-passed_ms / FOLLOW_MS));
    if (Math.abs(target - this.#end) * seen.pitch < 0.3) this.#end = target;
    const first = this.#end - seen.entries + 1;
    return { ...seen, first, last: this.#end, width: this.#width,
      x: (index) => (index - first) * seen.pitch };
  }

  #drawAxis(view) {
    const widest = number(Math.ceil(view.last)).length * LABEL_CHAR_PX * 1.6;
    const step = view.boxes ? LABEL_EVERY
      : niceCeil(Math.max(view.entries / TICKS, widest / view.pitch));
    let shown = 0;
    const begin = Math.max(step, Math.ceil(view.first / step) * step);
    for (let index = begin; index <= view.last; index += step) {
      const x = view.x(index) + (view.boxes ? view.pitch / 2 : 0);
      const label = number(index);
      const half = label.length * LABEL_CHAR_PX * 0.5;
      if (x < half || x > view.width - half) continue;
      const { element } = this.#labels.use(shown);
      setText(element, label);
      setAttribute(element, 'x', x.toFixed(1));
      shown += 1;
    }
    this.#labels.end(shown);
  }

  #keepRows(model) {
    for (const [id, row] of this.#rows) {
      if (model.members.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    for (const id of model.members.keys()) {
      if (!this.#rows.has(id)) this.#rows.set(id, new Row(this.#root));
    }
  }
}

class Row {
  #label = h('div', { class: 'strip-label' });
  #name = h('span', { class: 'strip-name' });
  #numbers = h('span', { class: 'strip-numbers' });
  #svg = svg('svg', { height: 38, role: 'img' });
  #boxes = new BoxRow(this.#svg);
  #ranges = new RangeRow(this.#svg);
  #told_ms = 0;

  constructor(root) {
    this.#label.append(this.#name, this.#numbers);
    root.append(this.#label, this.#svg);
  }

  remove() {
    this.#label.remove();
    this.#svg.remove();
  }

  draw(model, member, leader, view) {
    setText(this.#name, middle(member.name, NAME_CHARS_MAX));
    setAttribute(this.#name, 'title', member.name);
    setAttribute(this.#name, 'class', `strip-name${model.leader === member.id ? ' leads' : ''}`);
    setAttribute(this.#label, 'class',
      `strip-label${isReached(member, model.t_us) ? '' : ' away'}`);
    this.#drawNumbers(member, leader);
    this.#boxes.shown = view.boxes;
    this.#ranges.shown = !view.boxes;
    (view.boxes ? this.#boxes : this.#ranges).draw(model, member, leader, view);
  }

  /** Four times a second: nobody reads faster. */
  #drawNumbers(member, leader) {
    const now_ms = performance.now();
    if (now_ms - this.#told_ms < 250) return;
    this.#told_ms = now_ms;
    const lag = leader ? Math.max(0, leader.commit - member.applied) : 0;
    setText(this.#numbers, `applied ${number(member.applied)} · lag ${short(lag)}`);
    setAttribute(this.#svg, 'aria-label', `${member.name}: log up to ${member.last_index}, `
      + `on disk ${member.durable}, committed ${member.commit}, applied ${member.applied}`);
  }
}

function noteOf(view, rate) {
  if (view.boxes) return `the newest ${view.entries} entries`;
  return `the newest ${number(view.entries)} entries, ${short(rate)} new ones a second`;
}

function hatch() {
  return svg('defs', {}, svg('pattern', { id: 'hatch', width: 7, height: 7,
    patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
  svg('line', { class: 'hatch-line', x1: 0, y1: 0, x2: 0, y2: 7 })));
}
