// Who asks: a name and a password, once for as long as the tab is open.

import { keepUserToken } from '../net/session.js';
import { h, setText } from './dom.js';
import { actions, button, openDialog } from './dialog.js';

let opened = null;

/** Opens the form, if it is not open yet; `onDone()` is called when a token is there. */
export function openLogin(kv, onDone) {
  if (opened?.isConnected) return;
  opened = openDialog('Who are you?', (close) => {
    const user = h('input', { name: 'user', autocomplete: 'username', required: true });
    const password = h('input', { type: 'password', name: 'password',
      autocomplete: 'current-password', required: true });
    const problem = h('p', { class: 'problem', role: 'alert' });
    const submit = async (event) => {
      event.preventDefault();
      try {
        const { token } = await kv.login(user.value, password.value);
        keepUserToken(token);
        close();
        onDone();
      } catch (refusal) {
        setText(problem, refusal.message);
      }
    };
    return [h('p', {}, 'This cluster has users: it shows what yours may read.'),
      h('form', { class: 'form', onsubmit: submit }, h('label', {}, 'User', user),
        h('label', {}, 'Password', password), problem,
        actions(button('Not now', close, 'ghost'), h('button', { class: 'primary' }, 'Log in')))];
  });
}
