// What is known of one member, and under dev what can be done to it.

import { isReached } from '../core/member.js';
import { duration, nameOf, number } from '../core/words.js';
import { byId, h, setText } from './dom.js';
import { button } from './dialog.js';

const MARGIN_PX = 12;

export class MemberCard {
  #card = byId('member-card');
  #id = null;
  #values = new Map();
  #title = h('h3');
  #link = h('a', { target: '_blank', rel: 'noopener' });
  #facts = h('dl', { class: 'facts' });
  #deeds = h('div', { class: 'deeds' });
  #problem = h('p', { class: 'problem', role: 'alert' });

  /** `hands()` is the dev parent's hands, or null. */
  constructor(hands) {
    this.hands = hands;
    for (const name of FACTS.keys()) {
      const value = h('dd');
      this.#values.set(name, value);
      this.#facts.append(h('dt', {}, name), value);
    }
    this.#card.append(this.#title,
      h('button', { type: 'button', class: 'close icon', 'aria-label': 'Close',
        onclick: () => this.#card.hidePopover() }, '✕'),
      this.#link, this.#facts, this.#deeds, this.#problem);
    this.#card.addEventListener('toggle', (event) => {
      if (event.newState === 'closed') this.#id = null;
    });
  }

  /** Opens it beside an element of the ring. */
  open(id, model, beside) {
    this.#id = id;
    setText(this.#problem, '');
    this.#showDeeds(model.members.get(id));
    this.draw(model);
    this.#card.showPopover();
    this.#place(beside.getBoundingClientRect());
    this.#card.querySelector('button').focus({ preventScroll: true });
  }

  draw(model) {
    const member = this.#id === null ? null : model.members.get(this.#id);
    if (!member) return;
    setText(this.#title, member.name);
    this.#link.hidden = !isHttp(member.url);
    if (isHttp(member.url) && this.#link.href !== member.url) this.#link.href = member.url;
    setText(this.#link, member.url ?? '');
    for (const [name, say] of FACTS) setText(this.#values.get(name), say(member, model));
  }

  #place(anchor) {
    const { width, height } = this.#card.getBoundingClientRect();
    const right = anchor.right + MARGIN_PX;
    const left = right + width < innerWidth ? right
      : Math.max(MARGIN_PX, anchor.left - width - MARGIN_PX);
    const top = Math.min(Math.max(MARGIN_PX, anchor.top), innerHeight - height - MARGIN_PX);
    this.#card.style.left = `${Math.min(left, innerWidth - width - MARGIN_PX)}px`;
    this.#card.style.top = `${Math.max(MARGIN_PX, top)}px`;
  }

  #showDeeds(member) {
    const hands = this.hands();
    this.#deeds.hidden = hands === null;
    if (hands === null || !member) return;
    const stopped = hands.known.crashed.has(member.name);
    const paused = hands.known.paused.has(member.name);
    const act = (text, deed, kind) => button(text, async () => {
      const problem = await hands.act({ do: deed, member: member.name });
      if (problem) setText(this.#problem, problem);
      else this.#card.hidePopover();
    }, kind);
    this.#deeds.replaceChildren(
      stopped ? act('Restart', 'restart', 'primary') : act('Crash', 'crash', 'danger'),
      ...(stopped ? [] : [paused ? act('Resume', 'resume', 'primary') : act('Pause', 'pause')]),
      act('Isolate', 'isolate'), act('Remove', 'remove', 'danger'));
  }
}

const FACTS = new Map([
  ['Role', (m, model) => roleOf(m, model)],
  ['Term', (m) => number(m.term)],
  ['Voted for', (m, model) => nameOf(model, m.vote)],
  ['Follows', (m, model) => nameOf(model, m.leader)],
  ['Log', (m) => `${number(m.start + 1)} to ${number(m.last_index)}`],
  ['On disk', (m) => number(m.durable)],
  ['Committed', (m) => number(m.commit)],
  ['Applied', (m) => number(m.applied)],
  ['Revision', (m) => number(m.revision)],
  ['Keys', (m) => number(m.keys)],
  ['Answers', (m) => ratesOf(m.rates)],
  ['Waiting', (m) => `${number(m.pending)} requests`],
  ['Heard of', (m, model) => heardOf(m, model)],
  ['Alarms', (m) => (m.alarms.length > 0 ? m.alarms.join(', ') : 'none')],
  ['Id', (m) => m.id],
]);

function roleOf(member, model) {
  if (!member.running) return 'not running';
  if (!isReached(member, model.t_us)) return `${member.role}, when last heard`;
  return member.standing === 'voter' ? member.role : `${member.role} (${member.standing})`;
}

function ratesOf(rates) {
  if (!rates) return '–';
  const took = rates.p50_us === null || rates.p50_us === undefined ? ''
    : `, ${duration(rates.p50_us)}`;
  return `${number(rates.writes)} writes/s${took}, ${number(rates.reads)} reads/s`;
}

function heardOf(member, model) {
  if (member.heard_us === null) return 'never';
  if (member.heard_us === Infinity) return '–';
  const ago_us = model.t_us - member.heard_us;
  return ago_us < 1_000_000 ? 'just now' : `${Math.round(ago_us / 1e6)} s ago`;
}

/** A link is made of a member's address only if it is one of the web. */
function isHttp(url) {
  return typeof url === 'string' && /^https?:\/\//.test(url);
}
