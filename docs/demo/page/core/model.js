// The cluster at one moment, and nothing of how it is drawn.
//
// An event changes it by the reducer of its kind; a copy is a keyframe, from which any later moment
// can be reached again.

import { REDUCERS } from './reduce.js';

/** A cluster of which nothing is known yet. */
export function newModel({ told = true } = {}) {
  return {
    t_us: 0,
    // Whether a member tells of the others; in a trace nobody does.
    told,
    teller: null, teller_us: 0, hello: null,
    members: new Map(),
    leader: null, leader_us: 0, term: 0, joint: false,
    // Directions that carry nothing (`down`) or lose some (`lossy`); all others are up.
    links: new Map(),
    ballots: [], transfer: null,
    title: '', caption: null,
  };
}

/** The model after `event`; it is changed in place. */
export function apply(model, event) {
  model.t_us = Math.max(model.t_us, event.t_us);
  // Whoever does something runs.
  const member = model.told ? null : model.members.get(event.member);
  if (member?.awaited) Object.assign(member, { awaited: false, running: true });
  REDUCERS[event.kind]?.(model, event);
}

/** A copy that shares nothing that is ever changed in place. */
export function copy(model) {
  const members = new Map();
  for (const [id, member] of model.members) members.set(id, { ...member });
  return { ...model, members };
}

/** The leader's entry at an index decides which of the others' are right. */
export function leaderOf(model) {
  return model.leader === null ? null : model.members.get(model.leader) ?? null;
}

/** The end of the longest log. */
export function lastIndex(model) {
  let last = 0;
  for (const member of model.members.values()) last = Math.max(last, member.last_index);
  return last;
}
