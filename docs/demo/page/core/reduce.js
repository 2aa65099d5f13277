// What each kind of event does to the model. Pure: no clock, no page.

import { newMember, takeLog, takeStanding } from './member.js';
import { appended, truncated } from './runs.js';

const BALLOTS_MAX = 64;
// So members stand in the order of their names: node-2 before node-10.
const NAMES = new Intl.Collator('en', { numeric: true });

/** One function a kind: it changes the model that it is given. */
export const REDUCERS = {
  hello(model, event) {
    model.teller = event.member ?? null;
    model.teller_us = event.t_us;
    model.hello = event;
  },

  state(model, event) {
    const before = model.members;
    model.members = new Map();
    const named = [...event.members].sort((a, b) => NAMES.compare(a.name, b.name));
    for (const told of named) {
      const member = before.get(told.id) ?? newMember(told.id, told.name);
      takeStanding(member, told, event.t_us);
      model.members.set(told.id, member);
    }
    model.teller = event.member ?? model.teller;
    model.joint = event.joint === true;
    takeTerm(model, event.term);
    setLeader(model, event.leader ?? null, event.t_us);
  },

  role(model, event) {
    const member = memberOf(model, event.member);
    member.role = event.role;
    takeOwnTerm(member, event.term);
    member.role_us = event.t_us;
    startWaiting(member, event.t_us);
    takeTerm(model, event.term);
    if (event.role === 'leader') crown(model, member, event);
    else if (model.leader === member.id) setLeader(model, null, event.t_us);
    if (event.role === 'candidate') member.vote = member.id;
  },

  leader(model, event) {
    const member = memberOf(model, event.member);
    takeOwnTerm(member, event.term);
    member.leader = event.leader ?? null;
    member.role_us = event.t_us;
    startWaiting(member, event.t_us);
    if (event.leader === member.id) crown(model, member, event);
  },

  vote(model, event) {
    const member = memberOf(model, event.member);
    model.ballots = [...model.ballots.slice(1 - BALLOTS_MAX), event];
    if (event.pre === true) return;
    takeOwnTerm(member, event.term);
    takeTerm(model, event.term);
    member.role_us = event.t_us;
    if (event.granted) {
      member.vote = event.candidate;
      startWaiting(member, event.t_us);
    }
  },

  appended(model, event) {
    const member = memberOf(model, event.member);
    member.runs = appended(member.runs, event.first, event.term);
    member.last_index = event.last;
    member.last_term = event.term;
    member.log_us = event.t_us;
  },

  truncated(model, event) {
    const member = memberOf(model, event.member);
    if (event.from > member.last_index) return;
    member.cut = { from: event.from, to: member.last_index, runs: member.runs, t_us: event.t_us };
    member.runs = truncated(member.runs, event.from);
    member.last_index = event.from - 1;
    member.last_term = member.runs.at(-1)?.[1] ?? 0;
    member.durable = Math.min(member.durable, member.last_index);
    member.log_us = event.t_us;
  },

  acknowledged(model, event) {
    const member = memberOf(model, event.member);
    member.matched = Math.max(member.matched ?? 0, event.index);
    // A trace tells that itself, and there it may have gone back meanwhile.
    if (model.told) member.durable = Math.max(member.durable, event.index);
  },

  durable(model, event) {
    memberOf(model, event.member).durable = event.index;
  },

  committed(model, event) {
    const member = memberOf(model, event.member);
    member.commit = Math.max(member.commit, event.index);
    member.log_us = event.t_us;
  },

  applied(model, event) {
    const member = memberOf(model, event.member);
    member.applied = Math.max(member.applied, event.index);
    member.commit = Math.max(member.commit, event.index);
    member.revision = event.revision ?? member.revision;
    member.log_us = event.t_us;
  },

  snapshot_installed(model, event) {
    const member = memberOf(model, event.member);
    member.last_index = event.index;
    member.last_term = event.term;
    member.runs = [[event.index, event.term]];
    member.start = event.index;
    member.commit = Math.max(member.commit, event.index);
    member.applied = Math.max(member.applied, event.index);
    member.durable = event.index;
    member.log_us = event.t_us;
    member.installed_us = event.t_us;
  },

  log_cut(model, event) {
    const member = memberOf(model, event.member);
    member.start = Math.max(member.start, event.index);
    member.log_us = event.t_us;
  },

  configured(model, event) {
    model.joint = event.joint === true;
  },

  transferring(model, event) {
    model.transfer = { from: event.member, to: event.to, t_us: event.t_us };
  },

  link(model, event) {
    setLink(model, event.peer, event.member, event.up);
  },

  diverged(model, event) {
    memberOf(model, event.member).diverged = event.over === true ? null : event.index;
  },

  started(model, event) {
    const member = memberOf(model, event.member);
    member.running = true;
    member.paused = false;
    member.heard_us = model.told ? event.t_us : Infinity;
    member.role = 'follower';
    member.name = event.name ?? member.name;
    member.term = event.term ?? member.term;
    if (event.vote !== undefined) member.vote = event.vote;
    takeLog(member, event);
    startWaiting(member, event.t_us);
  },

  ended(model, event) {
    stop(model, memberOf(model, event.member), event.t_us);
  },

  message(model, event) {
    const heard = event.what === 'heartbeat' || event.what === 'append';
    if (!heard || event.dropped === true) return;
    const follower = model.members.get(event.to);
    if (follower && follower.role === 'follower') {
      startWaiting(follower, event.t_us + (event.flight_us ?? 0));
    }
  },

  trace(model, event) {
    model.title = event.title ?? '';
    model.caption = event.text ? { title: event.title ?? '', text: event.text } : null;
    for (const [id, name] of Object.entries(event.names ?? {})) {
      const member = memberOf(model, id);
      member.name = name;
      member.awaited = true;
      member.running = false;
    }
  },

  caption(model, event) {
    model.caption = { title: event.title ?? '', text: event.text ?? '' };
  },

  fault(model, event) {
    const members = (event.members ?? []).map((id) => memberOf(model, id));
    FAULTS[event.fault]?.(model, members, event);
  },
};

const FAULTS = {
  crash: (model, members, event) => members.forEach((one) => stop(model, one, event.t_us)),
  pause: (model, members, event) => members.forEach((one) => {
    one.paused = event.over !== true;
  }),
  isolate: (model, members, event) => members.forEach((one) =>
    cutOff(model, [one.id], event.over === true)),
  split: (model, members, event) =>
    cutOff(model, members.map((one) => one.id), event.over === true),
  drop: (model, members, event) => lossy(model, members, event.over !== true),
  heal: (model) => { model.links = new Map(); },
};

/** The member of this id; one that was not named before is new. */
export function memberOf(model, id) {
  let member = model.members.get(id);
  if (!member) {
    member = newMember(id, id);
    // A trace says nothing of who hears whom: there a member is there until it is said to be not.
    member.heard_us = model.told ? null : Infinity;
    model.members.set(id, member);
  }
  return member;
}

/** The name under which two members' link is kept, in one direction. */
export function linkKey(from, to) {
  return `${from}>${to}`;
}

function setLink(model, from, to, up) {
  const links = new Map(model.links);
  if (up) links.delete(linkKey(from, to));
  else links.set(linkKey(from, to), 'down');
  model.links = links;
}

function cutOff(model, ids, over) {
  for (const inside of ids) {
    for (const outside of model.members.keys()) {
      if (ids.includes(outside)) continue;
      setLink(model, inside, outside, over);
      setLink(model, outside, inside, over);
    }
  }
}

function lossy(model, members, on) {
  const links = new Map(model.links);
  for (const a of members) {
    for (const b of members) {
      if (on && a !== b) links.set(linkKey(a.id, b.id), 'lossy');
      else links.delete(linkKey(a.id, b.id));
    }
  }
  model.links = links;
}

function stop(model, member, t_us) {
  member.running = false;
  member.paused = false;
  member.role = 'follower';
  member.role_us = t_us;
  if (model.leader === member.id) setLeader(model, null, t_us);
}

function crown(model, member, event) {
  if (event.term < model.term) return;
  member.role = 'leader';
  member.leader = member.id;
  takeTerm(model, event.term);
  setLeader(model, member.id, event.t_us);
}

function setLeader(model, leader, t_us) {
  if (model.leader === leader) return;
  model.leader = leader;
  model.leader_us = t_us;
}

function takeTerm(model, term) {
  model.term = Math.max(model.term, term);
}

function takeOwnTerm(member, term) {
  if (term > member.term) {
    member.term = term;
    member.vote = null;
    member.leader = null;
  }
}

function startWaiting(member, t_us) {
  member.election_us = t_us;
  member.election_elapsed_ms = 0;
}
