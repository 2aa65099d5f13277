// One key of the list.

import { readField } from '../core/bytes.js';
import { bytes, lifetime, number } from '../core/words.js';
import { h, setText } from './dom.js';

const VALUE_CHARS_MAX = 160;
const SOON_MS = 10_000;
const CALM_MS = 3000;

export class KeyRow {
  #value = h('span', { class: 'key-value' });
  #version = h('td', { class: 'end' });
  #ttl = h('span', { class: 'key-ttl' });
  #over_ms = null;
  #changed_ms = -Infinity;

  constructor(key, onChosen) {
    this.key = key;
    this.item = null;
    this.element = h('tr', { onclick: () => onChosen(this),
      onanimationend: () => this.element.classList.remove('flash') },
    h('td', {}, h('button', { type: 'button', class: 'key-name' }, key.text)),
    h('td', {}, this.#value), this.#version, h('td', { class: 'end' }, this.#ttl));
  }

  /** Shows what a listing says; a change is seen to be one. */
  show(item, live, past) {
    const changed = this.item?.mod_revision !== item.mod_revision;
    if (changed) this.#note(live);
    this.item = item;
    const value = readField(item, 'value');
    const shown = value.text.slice(0, VALUE_CHARS_MAX);
    setText(this.#value, value.is_text ? shown : `${bytes(value.bytes.length)}: ${shown}`);
    setText(this.#version, number(item.version));
    const lives = item.ttl_ms !== undefined && !past;
    this.#over_ms = lives ? performance.now() + item.ttl_ms : null;
    if (!lives) setText(this.#ttl, item.lease ? 'as its lease' : '');
    this.element.classList.remove('gone');
    this.tick(performance.now());
  }

  tick(now_ms) {
    if (this.#over_ms === null) return;
    const left_ms = Math.max(0, this.#over_ms - now_ms);
    setText(this.#ttl, lifetime(left_ms));
    this.#ttl.classList.toggle('soon', left_ms < SOON_MS);
    this.element.classList.toggle('gone', left_ms === 0);
  }

  /** A key that changes all the time does not flash all the time. */
  #note(live) {
    const now_ms = performance.now();
    const calm = now_ms - this.#changed_ms > CALM_MS;
    this.#changed_ms = now_ms;
    if (live && calm) this.#flash();
  }

  #flash() {
    this.element.classList.remove('flash');
    // The animation begins anew only if the browser has seen the row without it.
    requestAnimationFrame(() => this.element.classList.add('flash'));
  }
}
