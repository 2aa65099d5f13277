// One member on the ring.

import { electionLeft, isReached } from '../core/member.js';
import { isUnheard } from '../core/reach.js';
import { nameOf } from '../core/words.js';
import { middle, setAttribute, setText, svg } from './dom.js';
import { CROWN } from './shapes.js';

const LATE_BELOW = 0.35;
// How wide a name may be in radii, and a letter of it in font sizes.
const NAME_SHARE = 1.72;
const CHAR_SHARE = 0.66;
// A note may be wider than its member, but not as wide as to meet its neighbours'.
const NOTE_CHARS = 13;
const NOTE_CHARS_WIDE = 24;
const WIDE_RADIUS = 44;

export class RingNode {
  #radius = 0;
  #drawn = '';
  #left = null;
  #name_chars = 12;
  #hint = svg('title');
  #disc = svg('circle', { class: 'node-disc' });
  #focus = svg('circle', { class: 'node-focus' });
  #wait = svg('circle', { class: 'node-wait' });
  #countdown = svg('circle', { class: 'node-left', pathLength: 100, transform: 'rotate(-90)' });
  #crown = svg('path', { class: 'node-crown', d: CROWN });
  #name = svg('text', { class: 'node-name' });
  #role = svg('text', { class: 'node-role' });
  #term = svg('text', { class: 'node-term' });
  #note = svg('text', { class: 'node-note' });

  constructor(id, onChosen) {
    this.element = svg('g', { class: 'node', tabindex: 0, role: 'button', 'data-member': id,
      'aria-haspopup': 'dialog',
      onclick: () => onChosen(this.element),
      onkeydown: (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        onChosen(this.element);
      } },
    this.#hint, this.#focus, this.#wait, this.#countdown, this.#disc, this.#crown, this.#name,
    this.#role, this.#term, this.#note);
  }

  place({ x, y }, radius) {
    this.#radius = radius;
    this.#drawn = '';
    this.element.setAttribute('transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    this.#disc.setAttribute('r', radius);
    this.#focus.setAttribute('r', radius + 13);
    this.#wait.setAttribute('r', radius + 6);
    this.#countdown.setAttribute('r', radius + 6);
    this.#crown.setAttribute('transform', `translate(0 ${-radius - 10})`);
    const size = sizeOf(radius);
    this.#name_chars = Math.floor((NAME_SHARE * radius) / (size * CHAR_SHARE));
    this.#text(this.#name, -radius * 0.26, size);
    this.#text(this.#role, radius * 0.1, size - 2.5);
    this.#text(this.#term, radius * 0.46, size - 2.5);
    this.#note.setAttribute('y', radius + 25);
  }

  draw(model, member, extra) {
    this.#drawCountdown(electionLeft(member, model.t_us));
    const look = lookOf(model, member, extra);
    const drawn = [look.classes, look.crowned, member.name, look.role, member.term, look.note]
      .join('|');
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.element.setAttribute('class', `node ${look.classes}`);
    this.element.setAttribute('aria-label',
      [member.name, look.role, `term ${member.term}`, look.note].filter(Boolean).join(', '));
    setText(this.#hint, member.name);
    setText(this.#name, middle(member.name, this.#name_chars));
    setText(this.#role, look.role);
    setText(this.#term, `term ${member.term}`);
    const chars = this.#radius > WIDE_RADIUS ? NOTE_CHARS_WIDE : NOTE_CHARS;
    setText(this.#note, middle(look.note, chars));
    this.#crown.setAttribute('display', look.crowned ? 'inline' : 'none');
  }

  #drawCountdown(left) {
    const shown = left === null ? -1 : Math.round(left * 200) / 2;
    if (shown === this.#left) return;
    this.#left = shown;
    setAttribute(this.#countdown, 'display', shown < 0 ? 'none' : 'inline');
    if (shown < 0) return;
    this.#countdown.setAttribute('stroke-dasharray', `${shown} 100`);
    setAttribute(this.#countdown, 'class', left < LATE_BELOW ? 'node-left late' : 'node-left');
  }

  #text(element, y, size) {
    element.setAttribute('y', y.toFixed(1));
    element.style.fontSize = `${size}px`;
  }
}

/** How a member looks, in classes and in words. */
export function lookOf(model, member, extra = {}) {
  const state = stateOf(model, member, extra);
  const crashed = state === 'crashed';
  const leads = model.leader === member.id;
  const stale = member.role === 'leader' && !leads;
  const classes = [state !== '' || stale ? '' : member.role, member.standing, state,
    member.diverged === null ? '' : 'diverged'].filter(Boolean).join(' ');
  return { classes, crowned: leads && !crashed,
    role: stale && state === '' ? 'old leader' : roleWord(state, member),
    note: noteOf(model, member, state) };
}

/** What keeps it from its work, if anything does. */
function stateOf(model, member, extra) {
  if (member.awaited) return 'unreached';
  if (!member.running || extra.crashed?.has(member.name)) return 'crashed';
  if (member.paused || extra.paused?.has(member.name)) return 'paused';
  // A trace shows what happens at a member, whoever hears of it.
  if (model.told && isUnheard(model, member)) return 'unreached';
  return isReached(member, model.t_us) ? '' : 'unreached';
}

function roleWord(state, member) {
  if (member.awaited) return 'not started';
  if (state === 'crashed') return 'not running';
  if (state === 'paused') return 'paused';
  if (state === 'unreached') return 'not reached';
  return member.standing === 'learner' ? 'learner' : member.role;
}

function noteOf(model, member, state) {
  if (state === 'crashed' || state === 'unreached') return '';
  if (member.diverged !== null) return 'differs from the majority';
  if (member.alarms.length > 0) return member.alarms.join(', ');
  if (member.standing === 'joining' || member.standing === 'leaving') return member.standing;
  if (member.standing === 'learner') return 'has no vote';
  if (member.vote === null) return '';
  return member.vote === member.id ? 'own vote'
    : `voted ${nameOf(model, member.vote)}`;
}

function sizeOf(radius) {
  if (radius > 50) return 15.5;
  return radius > 38 ? 13.5 : 11.5;
}
