// Four curves of the last minute.

import { SERIES_US, seriesAt } from '../core/series.js';
import { duration, short } from '../core/words.js';
import { h, setAttribute, setText, svg } from './dom.js';

const WIDTH = 120;
const HEIGHT = 34;
const LAG_CURVES_MAX = 7;

export class Sparks {
  #tiles;
  #drawn = null;

  constructor(root) {
    this.#tiles = {
      writes: new Tile(root, 'Writes', 1), reads: new Tile(root, 'Reads', 1),
      time: new Tile(root, 'Write time', 2), lag: new Tile(root, 'Lag', LAG_CURVES_MAX),
    };
  }

  draw(history, t_us) {
    const newest = history.states.at(-1);
    const second = Math.floor(t_us / 250_000);
    if (!newest || this.#drawn === `${newest.t_us}:${second}`) return;
    this.#drawn = `${newest.t_us}:${second}`;
    const { writes, reads, p50_us, p99_us, lag } = seriesAt(history.states, t_us);
    this.#tiles.writes.show([writes], short(last(writes)), '/s');
    this.#tiles.reads.show([reads], short(last(reads)), '/s');
    const p50 = p50_us.length > 0 ? duration(last(p50_us)) : '–';
    const p99 = p99_us.length > 0 ? `p99 ${duration(last(p99_us))}` : '';
    this.#tiles.time.show([p50_us, p99_us], p50, p99);
    const curves = [...lag.values()].slice(0, LAG_CURVES_MAX);
    this.#tiles.lag.show(curves, short(Math.max(0, ...curves.map(last))), 'entries');
  }
}

class Tile {
  #value = h('div', { class: 'spark-value' });
  #number = h('span');
  #unit = h('small');
  #svg = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none',
    role: 'img' });
  #lines;
  #title;

  constructor(root, title, lines) {
    this.#title = title;
    const names = lines === 2 ? ['', 'second'] : Array.from({ length: lines }, (_, i) => `l${i}`);
    this.#lines = names.map((name) => svg('polyline', { class: `spark-line ${name}` }));
    this.#svg.append(...this.#lines);
    this.#value.append(this.#number, ' ', this.#unit);
    root.append(h('div', { class: 'spark' }, h('h3', {}, title), this.#value, this.#svg));
  }

  show(curves, value, unit) {
    setText(this.#number, value);
    setText(this.#unit, unit);
    setAttribute(this.#svg, 'aria-label',
      `${this.#title} in the last minute, now ${value} ${unit}`);
    const top = Math.max(1, ...curves.flatMap((curve) => curve.map(([, y]) => y))) * 1.1;
    this.#lines.forEach((line, i) =>
      setAttribute(line, 'points', pointsOf(curves[i] ?? [], top)));
  }
}

function pointsOf(curve, top) {
  const seconds = SERIES_US / 1e6;
  return curve.map(([at, value]) => {
    const x = WIDTH * (1 + at / seconds);
    return `${x.toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`;
  }).join(' ');
}

function last(curve) {
  return curve.length > 0 ? curve.at(-1)[1] : 0;
}
