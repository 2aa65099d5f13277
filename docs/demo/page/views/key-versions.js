// What a key was: the newest first.

import { readField } from '../core/bytes.js';
import { number } from '../core/words.js';
import { h, setText } from './dom.js';
import { timeOf } from './timeline.js';
import { valueBox } from './value-box.js';

const VALUE_CHARS_MAX = 80;

export class KeyVersions {
  #kv;
  #key;
  #list = h('ol', { class: 'versions', 'aria-label': 'Versions, the newest first' });
  #note = h('p', { class: 'quiet' });
  #chosen = h('div');

  constructor(kv, key) {
    this.#kv = kv;
    this.#key = key;
    this.element = h('div', { class: 'form' }, h('h3', {}, 'Versions'), this.#list, this.#chosen,
      this.#note);
    this.#fetch();
  }

  async #fetch(before) {
    try {
      const { versions, next } = await this.#kv.history(this.#key, before);
      this.#list.append(...versions.map((one) => this.#row(one)));
      this.#note.replaceChildren();
      if (next !== undefined) {
        this.#note.append(h('button', { type: 'button', class: 'ghost',
          onclick: () => this.#fetch(next) }, 'Older ones'));
      }
    } catch (refusal) {
      this.#list.hidden = true;
      setText(this.#note, refusal.code === 'not_found' ? 'Nothing is kept of it.'
        : refusal.message);
    }
  }

  #row(version) {
    const when = h('span', { class: 'quiet', title: version.time ?? '' },
      version.timestamp === undefined ? '' : timeOf(version.timestamp));
    const revision = number(version.revision);
    if (version.deleted) {
      return h('li', {}, h('span', {}, revision), when, h('span', { class: 'gone' }, 'gone'));
    }
    const value = readField(version, 'value');
    const button = h('button', { type: 'button', 'aria-label': `Show revision ${revision}`,
      onclick: () => this.#chosen.replaceChildren(
        h('p', { class: 'quiet' }, `At revision ${revision}:`), valueBox(value)) }, revision);
    return h('li', {}, button, when, h('code', {}, value.text.slice(0, VALUE_CHARS_MAX)));
  }
}
