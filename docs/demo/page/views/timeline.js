// What happened, the newest first: by kinds and by member, and a way to each moment.

import { describe, nameOf } from '../core/words.js';
import { byId, h, middle, setAttribute, setText } from './dom.js';

const ROWS_MAX = 160;
const NAME_CHARS_MAX = 16;
// Frequent kinds are looked for this far back; rare ones have a list of their own.
const LOOK_BACK_EVENTS = 30_000;

const GROUPS = {
  elections: { title: 'Elections', kinds: ['role', 'leader', 'vote', 'transferring'], on: true },
  members: { title: 'Members', kinds: ['configured', 'link', 'started', 'ended'], on: true },
  repairs: { title: 'Repairs', on: true,
    kinds: ['truncated', 'diverged', 'snapshot_wanted', 'snapshot_installed', 'log_cut'] },
  faults: { title: 'Faults', kinds: ['fault', 'client'], on: true },
  keys: { title: 'Keys', kinds: ['key'], often: true },
  log: { title: 'Log', often: true,
    kinds: ['appended', 'durable', 'acknowledged', 'committed', 'applied'] },
  messages: { title: 'Messages', kinds: ['message', 'undelivered'], often: true },
};
const GROUP_OF = new Map(Object.entries(GROUPS)
  .flatMap(([name, { kinds }]) => kinds.map((kind) => [kind, name])));

export class Timeline {
  #rows = [];
  #list = byId('timeline');
  #member = byId('timeline-member');
  #pause = byId('timeline-pause');
  #on = new Set(Object.keys(GROUPS).filter((name) => GROUPS[name].on));
  #paused_us = null;
  #here = -1;

  /** `onEvent(event)` is told which event was chosen. */
  constructor(onEvent) {
    this.onEvent = onEvent;
    for (const [name, group] of Object.entries(GROUPS)) this.#chip(name, group);
    this.#pause.addEventListener('click', () => this.#togglePause());
    this.#list.addEventListener('keydown', (event) => this.#onKey(event));
    this.empty = h('li', { class: 'empty' }, 'Nothing of these kinds yet.');
    this.#list.append(this.empty);
  }

  draw(model, history, live, shown_us) {
    if (!live) this.#paused_us = null;
    this.#keepMembers(model);
    const until_us = live ? this.#paused_us ?? shown_us : Infinity;
    const events = this.#select(history, until_us);
    this.empty.hidden = events.length > 0;
    let here = -1;
    events.forEach((event, i) => {
      if (here < 0 && event.t_us <= shown_us) here = i;
      this.#row(i).show(event, model, shown_us, live);
    });
    this.#rows.forEach((row, i) => { row.element.hidden = i >= events.length; });
    this.#mark(live ? -1 : here);
  }

  /** The newest events first, of the kinds and the member that are asked for. */
  #select(history, until_us) {
    const often = Object.entries(GROUPS).some(([name, group]) => group.often && this.#on.has(name));
    const found = [];
    const at = often ? (i) => history.at(history.end - 1 - i)
      : (i) => history.rare[history.rare.length - 1 - i];
    const all = often ? history.end - history.first : history.rare.length;
    for (let i = 0; i < Math.min(all, LOOK_BACK_EVENTS) && found.length < ROWS_MAX; i += 1) {
      const event = at(i);
      if (event.t_us <= until_us && this.#wants(event)) found.push(event);
    }
    return found;
  }

  #wants(event) {
    const group = GROUP_OF.get(event.kind);
    if (group === undefined || !this.#on.has(group)) return false;
    const id = this.#member.value;
    return id === '' || event.member === id || event.to === id;
  }

  #row(i) {
    while (this.#rows.length <= i) {
      const row = new Row((event) => this.onEvent(event));
      this.#rows.push(row);
      this.#list.append(row.element);
    }
    return this.#rows[i];
  }

  #mark(here) {
    if (here === this.#here) return;
    this.#here = here;
    this.#rows.forEach((row, i) => row.element.classList.toggle('here', i === here));
    this.#rows[here]?.element.scrollIntoView({ block: 'nearest' });
  }

  #keepMembers(model) {
    const wanted = [...model.members.values()].map((one) => `${one.id}:${one.name}`).join();
    if (this.#member.dataset.shown === wanted) return;
    this.#member.dataset.shown = wanted;
    const chosen = this.#member.value;
    this.#member.replaceChildren(h('option', { value: '' }, 'All members'),
      ...[...model.members.values()].map((one) => h('option', { value: one.id }, one.name)));
    this.#member.value = model.members.has(chosen) ? chosen : '';
  }

  #chip(name, { title }) {
    const chip = h('button', { type: 'button', class: 'chip', 'aria-pressed': this.#on.has(name),
      onclick: () => {
        if (!this.#on.delete(name)) this.#on.add(name);
        chip.setAttribute('aria-pressed', this.#on.has(name));
      } }, title);
    chip.setAttribute('aria-pressed', this.#on.has(name));
    byId('timeline-kinds').append(chip);
  }

  #togglePause() {
    this.#paused_us = this.#paused_us === null ? this.shown_us ?? Infinity : null;
    const paused = this.#paused_us !== null;
    this.#pause.setAttribute('aria-pressed', paused);
    setText(this.#pause, paused ? 'Go on' : 'Pause');
  }

  /** The moment that is shown: where a pause holds the list. */
  set shown(t_us) { this.shown_us = t_us; }

  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const rows = this.#rows.filter((row) => !row.element.hidden);
    const at = rows.findIndex((row) => row.element === document.activeElement);
    if (step) {
      event.preventDefault();
      rows[Math.min(rows.length - 1, Math.max(0, at + step))]?.element.focus();
    } else if (event.key === 'Enter' && at >= 0) {
      rows[at].choose();
    }
  }
}

class Row {
  #time = h('time');
  #mark = h('i', { 'aria-hidden': true });
  #name = h('b');
  #text = h('span');
  #event = null;

  constructor(onChosen) {
    this.choose = () => onChosen(this.#event);
    this.element = h('li', { class: 'event', tabindex: -1, onclick: this.choose },
      this.#time, this.#mark, this.#name, this.#text);
  }

  show(event, model, shown_us, live) {
    this.element.classList.toggle('ahead', !live && event.t_us > shown_us);
    if (event === this.#event && this.model === model.members.size) return;
    this.#event = event;
    this.model = model.members.size;
    setText(this.#time, timeOf(event.t_us));
    setAttribute(this.#mark, 'class', GROUP_OF.get(event.kind));
    const name = event.kind === 'client' || event.kind === 'fault'
      ? '' : nameOf(model, event.member);
    setText(this.#name, middle(name, NAME_CHARS_MAX));
    this.#name.title = name;
    setText(this.#text, describe(event, model));
  }
}

const DAY_US = 86_400_000_000;

/** `12:04:31.250`; in a trace the seconds since its beginning. */
export function timeOf(t_us) {
  if (t_us < 1000 * DAY_US) return `${(t_us / 1e6).toFixed(3)} s`;
  const date = new Date(t_us / 1000);
  const two = (value) => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
    + `.${String(date.getMilliseconds()).padStart(3, '0')}`;
}
