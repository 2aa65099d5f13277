// A log as ranges of entries: a bar for each term, and the pointers as marks.

import { eachRun } from '../core/runs.js';
import { Pool, setAttribute, setText, svg } from './dom.js';

const TOP = 6;
const HEIGHT = 22;
const BARS_MAX = 40;
const TEXT_PX_MIN = 22;

export class RangeRow {
  #group = svg('g');
  #pale;
  #solid;
  #texts;
  #compacted = svg('rect', { class: 'compacted-part', y: TOP, height: HEIGHT, x: 0 });
  #commit = svg('rect', { class: 'mark-commit', y: TOP - 4, height: HEIGHT + 8, width: 2 });
  #applied = svg('rect', { class: 'mark-applied', y: TOP + HEIGHT + 2, height: 3, x: 0 });
  #durable = svg('rect', { class: 'mark-durable', y: TOP - 5, height: 2, x: 0 });

  constructor(root) {
    root.append(this.#group);
    const bars = svg('g');
    const texts = svg('g');
    this.#group.append(this.#compacted, bars, this.#durable, this.#applied, this.#commit, texts);
    const bar = () => ({ element: svg('rect', { y: TOP, height: HEIGHT }) });
    this.#pale = new Pool(bars, bar);
    this.#solid = new Pool(bars, bar);
    this.#texts = new Pool(texts, () =>
      ({ element: svg('text', { class: 'range-term', y: TOP + HEIGHT / 2 }) }));
  }

  set shown(shown) { setAttribute(this.#group, 'display', shown ? 'inline' : 'none'); }

  draw(model, member, leader, view) {
    const from = Math.max(member.start + 1, Math.floor(view.first));
    this.#drawBars(this.#pale, 'range pale', member, from, member.last_index, view);
    const texts = this.#drawBars(this.#solid, 'range', member, from, member.applied, view, true);
    this.#texts.end(texts);
    place(this.#compacted, 0, member.start > view.first ? view.x(member.start + 1) : 0);
    place(this.#applied, 0, clamp(view.x(member.applied + 1), view));
    place(this.#durable, 0, clamp(view.x(member.durable + 1), view));
    setAttribute(this.#commit, 'x', (clamp(view.x(member.commit + 1), view) - 1).toFixed(1));
  }

  #drawBars(pool, name, member, from, to, view, labelled = false) {
    let count = 0;
    let texts = 0;
    eachRun(member.runs, member.last_index, from, to, (first, last, term) => {
      if (count >= BARS_MAX) return;
      const x = clamp(view.x(first), view);
      const width = clamp(view.x(last + 1), view) - x;
      const { element } = pool.use(count);
      setAttribute(element, 'class', `${name} t${term % 8}`);
      place(element, x, width);
      count += 1;
      if (labelled && width > TEXT_PX_MIN) this.#label(texts++, x + width / 2, term);
    });
    pool.end(count);
    return texts;
  }

  #label(i, x, term) {
    const { element } = this.#texts.use(i);
    setAttribute(element, 'x', x.toFixed(1));
    setText(element, String(term));
  }
}

function place(rect, x, width) {
  setAttribute(rect, 'x', x.toFixed(1));
  setAttribute(rect, 'width', Math.max(0, width).toFixed(1));
}

function clamp(x, view) {
  return Math.min(view.width, Math.max(0, x));
}
