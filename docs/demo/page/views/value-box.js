// A value as text: whatever is in it, nothing of it is run, and a long one is cut at first.

import { bytes } from '../core/words.js';
import { h, setText } from './dom.js';

const CHARS_MAX = 2000;

/** The element that shows a value that `readField` has read. */
export function valueBox(value) {
  const box = h('pre', { class: 'value-box', tabindex: 0, 'aria-label': 'Value' });
  const note = value.is_text ? null
    : h('p', { class: 'quiet' }, `${bytes(value.bytes.length)} that are no text, in hexadecimal`);
  const whole = h('div', { class: 'form' }, note, box);
  if (value.text.length <= CHARS_MAX) {
    setText(box, value.text);
    return whole;
  }
  setText(box, `${value.text.slice(0, CHARS_MAX)}…`);
  const more = h('button', { type: 'button', class: 'ghost', onclick: () => {
    setText(box, value.text);
    more.remove();
  } }, `Show all (${bytes(value.bytes.length)})`);
  whole.append(h('div', { class: 'row' }, more));
  return whole;
}
