// One key: its value, the form that changes it, and what it was before.

import { readField } from '../core/bytes.js';
import { bytes, lifetime, number } from '../core/words.js';
import { h, setText } from './dom.js';
import { KeyForm } from './key-form.js';
import { KeyVersions } from './key-versions.js';
import { valueBox } from './value-box.js';

const REFRESH_MS = 400;

export class KeyDetail {
  #root;
  #kv;
  #key = null;
  #item = null;
  #at_us = null;
  #over_ms = null;
  #ttl = null;
  #stale = false;
  #fetched_ms = 0;

  /** `onWritten()` is called after a write was done. */
  constructor(root, kv, onWritten) {
    this.#root = root;
    this.#kv = kv;
    this.onWritten = onWritten;
    this.#rest();
  }

  /** The key that is shown, as text; or null. */
  get shown() { return this.#key?.text ?? null; }

  /** Shows a key as a listing has it, now or as it was. */
  open(key, item, at_us) {
    Object.assign(this, { form: null });
    this.#key = key;
    this.#at_us = at_us;
    this.#show(item);
  }

  /** A form for a key that is not there yet. */
  add(prefix) {
    this.#key = null;
    this.#item = null;
    this.#over_ms = null;
    this.form = new KeyForm(this.#kv, { prefix, done: (key) => this.#written(key),
      cancel: () => this.#rest() });
    this.#root.replaceChildren(h('h3', {}, 'A new key'), this.form.element);
    this.form.focus();
  }

  /** The key may have changed. */
  note(key) {
    if (this.#at_us === null && key === this.shown) this.#stale = true;
  }

  tick(now_ms) {
    if (this.#over_ms !== null) {
      setText(this.#ttl, lifetime(Math.max(0, this.#over_ms - now_ms)));
    }
    if (this.#stale && now_ms - this.#fetched_ms > REFRESH_MS) {
      this.#stale = false;
      this.#fetched_ms = now_ms;
      this.#fetch();
    }
  }

  async #fetch() {
    const key = this.#key;
    if (!key) return;
    try {
      const item = await this.#kv.get(key);
      if (key !== this.#key) return;
      // A form that is open keeps what was typed, and what its writer has seen.
      if (this.form) this.form.changed(item);
      else if (item) this.#show(item);
      else this.#gone();
    } catch {
      // The list beside it says why the member does not answer.
    }
  }

  #show(item) {
    this.#item = item;
    const value = readField(item, 'value');
    this.#ttl = h('dd');
    this.#over_ms = item.ttl_ms !== undefined && this.#at_us === null
      ? performance.now() + item.ttl_ms : null;
    const facts = h('dl', { class: 'facts' },
      h('dt', {}, 'Version'), h('dd', {}, number(item.version)),
      h('dt', {}, 'Written at revision'), h('dd', {}, number(item.mod_revision)),
      h('dt', {}, 'Created at revision'), h('dd', {}, number(item.create_revision)),
      h('dt', {}, 'Size'), h('dd', {}, bytes(value.bytes.length)));
    if (this.#over_ms !== null) facts.append(h('dt', {}, 'Lives for'), this.#ttl);
    if (item.lease) facts.append(h('dt', {}, 'Lease'), h('dd', {}, String(item.lease)));
    this.versions = new KeyVersions(this.#kv, this.#key);
    this.#root.replaceChildren(this.#title(), facts, valueBox(value), this.#deeds(),
      this.versions.element);
    this.tick(performance.now());
  }

  #title() { return h('h3', { class: 'title' }, this.#key.text); }

  #deeds() {
    if (this.#at_us !== null) return h('p', { class: 'quiet' }, 'This is how it was.');
    const problem = h('p', { class: 'problem', role: 'alert' });
    return h('div', { class: 'form' }, h('div', { class: 'row' },
      h('button', { type: 'button', onclick: () => this.#edit() }, 'Edit'),
      h('button', { type: 'button', class: 'danger', onclick: () => this.#delete(problem) },
        'Delete')), problem);
  }

  #edit() {
    this.form = new KeyForm(this.#kv, { key: this.#key, item: this.#item,
      done: (key) => this.#written(key),
      cancel: () => { this.form = null; this.#show(this.#item); } });
    this.#root.replaceChildren(this.#title(), this.form.element);
    this.form.focus();
  }

  async #delete(problem) {
    const key = this.#key;
    try {
      await this.#kv.delete(key, this.#item.mod_revision);
      this.onWritten();
      // Another one may be shown by now.
      if (key === this.#key) this.#gone();
    } catch (refusal) {
      setText(problem, refusal.code === 'condition_failed'
        ? 'Somebody changed it meanwhile: look again, then delete.' : refusal.message);
      this.#stale = refusal.code === 'condition_failed';
    }
  }

  async #written(key) {
    this.form = null;
    this.#key = key;
    this.#at_us = null;
    await this.#fetch();
    this.onWritten();
  }

  #gone() {
    this.#over_ms = null;
    this.versions = new KeyVersions(this.#kv, this.#key);
    this.#root.replaceChildren(this.#title(),
      h('p', { class: 'quiet' }, 'This key is gone.'), this.versions.element);
  }

  #rest() {
    this.#key = null;
    this.form = null;
    this.#over_ms = null;
    this.#root.replaceChildren(h('p', { class: 'quiet' },
      'Choose a key to see its value, its versions, and how long it lives.'));
  }
}
