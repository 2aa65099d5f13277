// The form that writes a key. It never overwrites what its writer has not seen: each write carries
// the revision that was on the screen.

import { readField } from '../core/bytes.js';
import { h, setText } from './dom.js';

// A value that is longer is not put into a text field.
const EDIT_CHARS_MAX = 65_536;

export class KeyForm {
  #kv;
  #key;
  #seen;
  #done;
  #name = h('input', { class: 'mono', required: true, spellcheck: 'false', autocomplete: 'off',
    maxlength: 4096 });
  #value = h('textarea', { spellcheck: 'false', 'aria-label': 'Value' });
  #ttl = h('input', { type: 'number', min: '0.001', step: 'any', placeholder: 'forever' });
  #problem = h('div', { class: 'problem', role: 'alert' });
  #save = h('button', { class: 'primary' }, 'Save');

  /** `key` and `item` of one that is there; `prefix` to begin the name of a new one with. */
  constructor(kv, { key = null, item = null, prefix = '', done, cancel }) {
    this.#kv = kv;
    this.#key = key;
    this.#seen = item?.mod_revision ?? null;
    this.#done = done;
    this.#name.value = prefix;
    if (item) this.#fill(item);
    const fields = [key ? null : h('label', {}, 'Key', this.#name),
      h('label', {}, 'Value', this.#value), h('label', {}, 'Lives for, in seconds', this.#ttl)];
    this.element = h('form', { class: 'form', onsubmit: (event) => {
      event.preventDefault();
      this.#submit();
    } }, ...fields, this.#problem, h('div', { class: 'row' }, this.#save,
      h('button', { type: 'button', class: 'ghost', onclick: cancel }, 'Cancel')));
  }

  focus() { (this.#key ? this.#value : this.#name).focus(); }

  /** The key was changed by somebody else while it is edited; `item` is null if it is gone. */
  changed(item) {
    const revision = item?.mod_revision ?? null;
    if (revision === this.#seen) return;
    this.#conflict(item);
  }

  #fill(item) {
    const value = readField(item, 'value');
    const fits = value.is_text && value.text.length <= EDIT_CHARS_MAX;
    this.#value.value = fits ? value.text : '';
    if (!fits) this.#value.placeholder = 'What is saved here takes the place of the whole value.';
    if (item.ttl_ms !== undefined) this.#ttl.value = Math.max(1, Math.round(item.ttl_ms / 1000));
  }

  async #submit() {
    const key = this.#key ?? readField({ key: this.#name.value }, 'key');
    const body = { value: this.#value.value };
    if (this.#ttl.value !== '') body.ttl = Number(this.#ttl.value);
    this.#save.disabled = true;
    try {
      await this.#kv.put(key, body, this.#seen);
      this.#done(key);
    } catch (refusal) {
      if (refusal.code === 'condition_failed') this.#conflict(refusal.data.current ?? null);
      else setText(this.#problem, refusal.message);
    } finally {
      this.#save.disabled = false;
    }
  }

  #conflict(item) {
    const found = item ? readField(item, 'value').text.slice(0, 200) : null;
    const says = found === null ? 'Somebody deleted it meanwhile.'
      : this.#seen === null ? 'This key is there already. Its value is:'
        : 'Somebody changed it meanwhile. Its value is now:';
    const seen = h('button', { type: 'button', onclick: () => {
      this.#seen = item?.mod_revision ?? null;
      this.#problem.replaceChildren();
    } }, 'I have seen it');
    this.#problem.replaceChildren(h('p', {}, says),
      found === null ? '' : h('pre', { class: 'value-box' }, found),
      h('div', { class: 'row' }, seen));
  }
}
