// The ring: members, their links, what flies between them.

import { linkKey } from '../core/reduce.js';
import { isReached } from '../core/member.js';
import { flightsAt } from '../core/flights.js';
import { lane, ringOf } from './geometry.js';
import { svg, Pool, setAttribute } from './dom.js';
import { RingNode } from './ring-node.js';
import { isTurned, shapeOf } from './shapes.js';

const reduced = matchMedia('(prefers-reduced-motion: reduce)');
// A message that is lost fades away on the second half of the half of its way.
const LOST_AT = 0.5;
// For those who prefer less motion nothing moves: what is rare stands on its way for a moment.
const STILL_AT = 0.45;
const OFTEN = new Set(['heartbeat', 'append', 'append_answer', 'read_index', 'read_index_answer',
  'forward', 'forward_answer', 'other']);

export class Ring {
  #stage;
  #links = svg('g');
  #flies = svg('g', { 'pointer-events': 'none' });
  #members = svg('g');
  #nodes = new Map();
  #lines = new Map();
  #lanes = new Map();
  #flights = [];
  #pool;
  #size = { width: 0, height: 0 };
  #laid_out = '';
  #ring = { radius: 40, places: [] };

  /** `onMember(id, element)` and `onLink(a, b, element)` are told what is chosen. */
  constructor(root, stage, { onMember, onLink }) {
    this.#stage = stage;
    this.onMember = onMember;
    this.onLink = onLink;
    root.append(this.#links, this.#flies, this.#members);
    this.#pool = new Pool(this.#flies, () => {
      const element = svg('path', { class: 'fly' });
      return { element, shape: null };
    });
    new ResizeObserver(([entry]) => {
      this.#size = { width: entry.contentRect.width, height: entry.contentRect.height };
    }).observe(stage);
  }

  /** Whether links can be chosen. */
  set linksOpen(open) { this.#links.classList.toggle('open', open); this.links_open = open; }

  draw(model, history, speed, extra) {
    if (this.#size.width === 0) return;
    this.#layOut(model);
    for (const member of model.members.values()) {
      this.#nodes.get(member.id)?.draw(model, member, extra);
    }
    this.#drawLinks(model, extra);
    this.#drawFlights(model, history, speed, extra);
  }

  #layOut(model) {
    const { width, height } = this.#size;
    const wanted = `${width}x${height}:${[...model.members.keys()].join()}`;
    if (wanted === this.#laid_out) return;
    this.#laid_out = wanted;
    this.#ring = ringOf(model.members.size, width, height);
    this.#placeMembers([...model.members.keys()]);
    this.#placeLinks([...model.members.keys()]);
  }

  #placeMembers(ids) {
    for (const [id, node] of this.#nodes) {
      if (ids.includes(id)) continue;
      node.element.remove();
      this.#nodes.delete(id);
    }
    ids.forEach((id, i) => {
      let node = this.#nodes.get(id);
      if (!node) {
        node = new RingNode(id, (element) => this.onMember(id, element));
        this.#nodes.set(id, node);
      }
      this.#members.append(node.element);
      node.place(this.#ring.places[i], this.#ring.radius);
    });
  }

  #placeLinks(ids) {
    this.#links.replaceChildren();
    this.#lines.clear();
    this.#lanes.clear();
    ids.forEach((a, i) => ids.forEach((b, j) => {
      if (i === j) return;
      const places = this.#ring.places;
      this.#lanes.set(linkKey(a, b), lane(places[i], places[j], this.#ring.radius));
      if (i < j) this.#lines.set(linkKey(a, b), this.#line(a, b, places[i], places[j]));
    }));
  }

  #line(a, b, from, to) {
    const ends = { x1: from.x, y1: from.y, x2: to.x, y2: to.y };
    const line = svg('line', { ...ends, class: 'link' });
    const cross = svg('path', { class: 'link-cross', d: 'M-6-6 6 6M6-6-6 6', display: 'none' });
    const hit = svg('line', { ...ends, class: 'link-hit',
      onclick: (event) => this.onLink(a, b, event) });
    this.#links.append(line, cross, hit);
    return { a, b, there: linkKey(a, b), back: linkKey(b, a), line, cross, hit, from, to };
  }

  #drawLinks(model, extra) {
    for (const link of this.#lines.values()) {
      const there = linkState(model, extra, link.there);
      const back = linkState(model, extra, link.back);
      setAttribute(link.line, 'class', `link ${worse(there, back)} ${away(model, link)}`);
      setAttribute(link.hit, 'pointer-events', this.links_open ? 'stroke' : 'none');
      this.#cross(link, there === 'down', back === 'down');
    }
  }

  /** A cross in the middle of a link that is down, or near the member that hears nothing. */
  #cross(link, there, back) {
    setAttribute(link.cross, 'display', there || back ? 'inline' : 'none');
    if (!there && !back) return;
    const at = there && back ? 0.5 : there ? 0.66 : 0.34;
    const x = link.from.x + (link.to.x - link.from.x) * at;
    const y = link.from.y + (link.to.y - link.from.y) * at;
    setAttribute(link.cross, 'transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  }

  #drawFlights(model, history, speed, extra) {
    const count = flightsAt(history, model.t_us, speed, this.#flights);
    let shown = 0;
    for (let i = 0; i < count; i += 1) {
      const { event, progress } = this.#flights[i];
      const way = this.#lanes.get(linkKey(event.member, event.to));
      if (!way) continue;
      const lost = event.dropped === true || isLost(model, extra, event);
      if (lost && progress > LOST_AT) continue;
      if (reduced.matches && OFTEN.has(event.what)) continue;
      const at = reduced.matches ? STILL_AT : progress;
      this.#fly(this.#pool.use(shown), event, way, at, lost);
      shown += 1;
    }
    this.#pool.end(shown);
  }

  #fly(item, event, way, progress, lost) {
    const shape = shapeOf(event);
    if (item.shape !== shape) {
      item.shape = shape;
      item.element.setAttribute('d', shape.d);
      item.element.setAttribute('class', shape.class);
    }
    const x = way.x1 + (way.x2 - way.x1) * progress;
    const y = way.y1 + (way.y2 - way.y1) * progress;
    const turn = isTurned(shape) ? ` rotate(${way.angle.toFixed(0)})` : '';
    item.element.setAttribute('transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})${turn}`);
    const opacity = lost ? 1 - progress / LOST_AT : Math.min(1, (1 - progress) * 8, progress * 12);
    setAttribute(item.element, 'opacity', opacity.toFixed(1));
  }
}

function linkState(model, extra, key) {
  return extra.cutLinks?.get(key) ?? model.links.get(key) ?? 'up';
}

function isLost(model, extra, event) {
  if (event.undelivered) return true;
  // A trace says itself what arrives and what does not.
  if (!model.told) return false;
  if (linkState(model, extra, linkKey(event.member, event.to)) === 'down') return true;
  return model.members.get(event.to)?.running === false;
}

const worse = (a, b) => (a === 'down' || b === 'down' ? 'down'
  : a === 'lossy' || b === 'lossy' ? 'lossy' : 'up');

function away(model, { a, b }) {
  const reached = (id) => isReached(model.members.get(id), model.t_us);
  return reached(a) && reached(b) ? '' : 'faint';
}
