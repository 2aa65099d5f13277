// Which members still hear which: two or three groups, one choice a member.

import { h, setText } from './dom.js';
import { actions, button, openDialog } from './dialog.js';

const GROUPS = ['A', 'B'];

/** Opens it for members by name; `act(deed)` answers a problem or null. */
export function openSplit(members, act) {
  openDialog('Split the cluster', (close) => {
    const group = new Map(members.map((name, i) => [name, i < members.length / 2 ? 1 : 0]));
    const problem = h('p', { class: 'problem', role: 'alert' });
    const rows = members.flatMap((name, i) => [h('span', { title: name }, name),
      ...GROUPS.map((_, g) => choice(name, i, g, group))]);
    const split = async () => {
      const groups = GROUPS.map((_, g) => members.filter((name) => group.get(name) === g))
        .filter((names) => names.length > 0);
      const refused = groups.length < 2 ? 'Each side needs a member.'
        : await act({ do: 'split', groups });
      if (refused) setText(problem, refused);
      else close();
    };
    return [h('p', {}, 'Members of different groups do not hear each other until you heal.'),
      h('div', { class: 'grid' }, h('span', { class: 'head' }, 'Member'),
        ...GROUPS.map((name) => h('span', { class: 'head' }, name)), ...rows),
      problem, actions(button('Cancel', close, 'ghost'), button('Split', split, 'primary'))];
  });
}

function choice(name, i, g, group) {
  return h('input', { type: 'radio', name: `split-${i}`, checked: group.get(name) === g,
    'aria-label': `${name} in group ${GROUPS[g]}`, onchange: () => group.set(name, g) });
}
