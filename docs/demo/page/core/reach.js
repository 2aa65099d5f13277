// Who works together: members that are there, and hear each other.

import { HEARD_MS_MAX, isWorking } from './member.js';
import { linkKey } from './reduce.js';

/** The largest group of working members that hear each other; the leader's, if two are as large. */
export function workingGroup(model) {
  const left = new Set([...model.members.values()]
    .filter((member) => isWorking(member, model.t_us)).map(({ id }) => id));
  let best = new Set();
  for (const id of [...left]) {
    if (!left.has(id)) continue;
    const group = groupOf(model, id, left);
    for (const one of group) left.delete(one);
    const leads = group.size === best.size && group.has(model.leader);
    if (group.size > best.size || leads) best = group;
  }
  return best;
}

function groupOf(model, begin, among) {
  const group = new Set([begin]);
  for (const id of group) {
    for (const other of among) if (hearEachOther(model, id, other)) group.add(other);
  }
  return group;
}

function hearEachOther(model, a, b) {
  return model.links.get(linkKey(a, b)) !== 'down' && model.links.get(linkKey(b, a)) !== 'down';
}

/** Whether no other member hears this one, as far as they have told. */
export function isUnheard(model, member) {
  const others = [...model.members.keys()].filter((id) => id !== member.id);
  return others.length > 0
    && others.every((id) => model.links.get(linkKey(member.id, id)) === 'down');
}

/** How many members whoever tells this state hears, itself among them. */
export function heardBy(state) {
  return state.members.filter(({ heard_ms }) => (heard_ms ?? Infinity) <= HEARD_MS_MAX).length;
}
