// What a link does to what goes over it: nothing passes, some is lost, all is late.

import { h, setText } from './dom.js';
import { actions, button, openDialog } from './dialog.js';

const DELAY_MS_MAX = 10_000;

/** Opens it for the dev parent's state; `from` and `to` are names, or null. */
export function openLinks(state, from, to, act) {
  const names = state?.members.map(({ name }) => name) ?? [];
  if (names.length < 2) return;
  openDialog('Links', (close) => {
    const fields = makeFields(names, from ?? names[0], to ?? names[1]);
    const problem = h('p', { class: 'problem', role: 'alert' });
    const show = () => showLink(state, fields);
    fields.from.addEventListener('change', show);
    fields.to.addEventListener('change', show);
    show();
    const apply = async () => {
      const refused = fields.from.value === fields.to.value
        ? 'A link is between two members.' : await act(deedOf(fields));
      if (refused) setText(problem, refused);
      else close();
    };
    return [h('div', { class: 'form' },
      h('label', {}, 'From', fields.from), h('label', {}, 'To', fields.to),
      inline(fields.both, 'and back'), inline(fields.cut, 'cut: nothing passes'),
      h('label', {}, 'Loses, in percent', fields.drop),
      h('label', {}, 'Delays, in milliseconds', fields.delay)),
    problem, actions(button('Cancel', close, 'ghost'), button('Apply', apply, 'primary'))];
  });
}

function makeFields(names, from, to) {
  const select = (value) => {
    const element = h('select', {}, ...names.map((name) => h('option', { value: name }, name)));
    element.value = value;
    return element;
  };
  return { from: select(from), to: select(to),
    both: h('input', { type: 'checkbox', checked: true }), cut: h('input', { type: 'checkbox' }),
    drop: h('input', { type: 'number', min: 0, max: 100, value: 0 }),
    delay: h('input', { type: 'number', min: 0, max: DELAY_MS_MAX, value: 0 }) };
}

function showLink(state, fields) {
  const link = (state.links ?? []).find((one) =>
    one.from === fields.from.value && one.to === fields.to.value);
  fields.cut.checked = link?.cut === true;
  fields.drop.value = link?.drop_percent ?? 0;
  fields.delay.value = link?.delay_ms ?? 0;
}

function deedOf(fields) {
  return { do: 'link', from: fields.from.value, to: fields.to.value, both: fields.both.checked,
    cut: fields.cut.checked, drop_percent: Number(fields.drop.value),
    delay_ms: Number(fields.delay.value) };
}

function inline(input, text) {
  return h('label', { class: 'inline' }, input, text);
}
