// A dialog that keeps the focus, and gives it back.

import { h } from './dom.js';

/** Opens a dialog; `build(close)` answers its content. */
export function openDialog(title, build) {
  const dialog = h('dialog', { class: 'dialog', 'aria-label': title });
  const close = () => dialog.close();
  dialog.append(h('h2', {}, title), ...build(close));
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => { if (event.target === dialog) close(); });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** The row of buttons at a dialog's end. */
export function actions(...buttons) {
  return h('div', { class: 'actions' }, ...buttons);
}

export function button(text, onclick, kind = '') {
  return h('button', { type: 'button', class: kind, onclick }, text);
}
