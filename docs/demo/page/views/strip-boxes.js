// A log entry by entry: its term as colour and number, how safe it is as the kind of its box.

import { termAt } from '../core/runs.js';
import { Pool, setAttribute, setText, svg } from './dom.js';

const TOP = 4;
const HEIGHT = 26;
const GAP = 3;
const FALL = 8;

const STATES = ['absent', 'memory', 'disk', 'committed', 'applied'];

export class BoxRow {
  #group = svg('g');
  #cells;
  #ghosts;
  #compacted = svg('rect', { class: 'compacted-part', y: TOP, height: HEIGHT, rx: 4 });
  #offset = '';

  constructor(root) {
    root.append(this.#group);
    this.#group.append(this.#compacted);
    this.#cells = new Pool(this.#group, () => new Cell());
    this.#ghosts = new Pool(this.#group, () => new Cell());
  }

  set shown(shown) { setAttribute(this.#group, 'display', shown ? 'inline' : 'none'); }

  draw(model, member, leader, view) {
    const first = Math.max(1, Math.floor(view.first));
    const last = Math.ceil(view.last);
    this.#scroll(view);
    this.#drawCompacted(member, view, first);
    const begin = Math.max(first, member.start + 1);
    let count = 0;
    for (let index = begin; index <= last; index += 1) {
      const code = codeOf(member, leader, index);
      if (code === 0) continue;
      // An entry keeps its cell while it is in sight, so that scrolling changes one transform.
      this.#cells.use(count).set(index, code, view.pitch);
      count += 1;
    }
    this.#cells.end(count);
    this.#drawCut(model, member, view);
  }

  #scroll(view) {
    const offset = `translate(${(-view.first * view.pitch).toFixed(1)} 0)`;
    if (offset === this.#offset) return;
    this.#offset = offset;
    this.#group.setAttribute('transform', offset);
  }

  #drawCompacted(member, view, first) {
    const width = (member.start - first + 1) * view.pitch - GAP;
    setAttribute(this.#compacted, 'display', width > 0 ? 'inline' : 'none');
    if (width <= 0) return;
    this.#compacted.setAttribute('x', (first * view.pitch).toFixed(1));
    this.#compacted.setAttribute('width', width.toFixed(1));
  }

  /** What was truncated falls out of its place, struck through. */
  #drawCut(model, member, view) {
    const cut = member.cut;
    const age = cut ? (model.t_us - cut.t_us) / view.cut_us : 1;
    if (age >= 1) {
      this.#ghosts.end(0);
      return;
    }
    let count = 0;
    const begin = Math.max(cut.from, Math.floor(view.first));
    for (let index = begin; index <= Math.min(cut.to, view.last); index += 1) {
      const cell = this.#ghosts.use(count);
      cell.set(index, termAt(cut.runs, index, cut.to) * 16 + 2 + 8, view.pitch, age * FALL);
      cell.fade(1 - age);
      count += 1;
    }
    this.#ghosts.end(count);
  }
}

class Cell {
  #rect = svg('rect', { rx: 4, height: HEIGHT });
  #text = svg('text');
  #strike = svg('line', { class: 'cell-strike' });
  #index = -1;
  #code = -1;
  #pitch = 0;

  constructor() {
    this.element = svg('g', {}, this.#rect, this.#text, this.#strike);
  }

  set(index, code, pitch, fall = 0) {
    if (index !== this.#index || pitch !== this.#pitch || fall > 0) {
      this.#index = index;
      const x = (index * pitch + GAP / 2).toFixed(1);
      this.element.setAttribute('transform', `translate(${x} ${(TOP + fall).toFixed(1)})`);
    }
    if (pitch !== this.#pitch) this.#resize(pitch);
    if (code === this.#code) return;
    this.#code = code;
    this.#paint(code);
  }

  fade(opacity) { this.element.setAttribute('opacity', opacity.toFixed(2)); }

  #resize(pitch) {
    this.#pitch = pitch;
    const width = Math.max(2, pitch - GAP);
    this.#rect.setAttribute('width', width.toFixed(1));
    this.#text.setAttribute('x', (width / 2).toFixed(1));
    this.#text.setAttribute('y', HEIGHT / 2 + 0.5);
    this.#strike.setAttribute('x1', 3);
    this.#strike.setAttribute('y1', HEIGHT - 4);
    this.#strike.setAttribute('x2', (width - 3).toFixed(1));
    this.#strike.setAttribute('y2', 4);
  }

  #paint(code) {
    const term = Math.floor(code / 16);
    const state = STATES[code & 7];
    const differs = (code & 8) !== 0;
    this.element.setAttribute('class',
      `cell t${term % 8} ${state}${differs ? ' differs' : ''}`);
    this.#strike.setAttribute('display', differs ? 'inline' : 'none');
    setText(this.#text, state === 'absent' ? '' : String(term));
  }
}

/** Term, how safe the entry is (1 to 4), and 8 if the leader has another there; 0: no entry. */
function codeOf(member, leader, index) {
  const term = termAt(member.runs, index, member.last_index);
  if (term === null) return 0;
  const state = index <= member.applied ? 4
    : index <= member.commit ? 3 : index <= member.durable ? 2 : 1;
  return term * 16 + state + (differs(leader, member, index, term) ? 8 : 0);
}

function differs(leader, member, index, term) {
  if (!leader || leader === member || leader.term < member.term) return false;
  if (index <= leader.start || index <= member.commit) return false;
  const right = termAt(leader.runs, index, leader.last_index);
  return right !== term;
}
