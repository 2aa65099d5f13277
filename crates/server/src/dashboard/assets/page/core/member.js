// One member, as the model has it: flat, so that a copy is cheap.

/** A member of which nothing is known but its id and its name. */
export function newMember(id, name) {
  return {
    id, name: name ?? id, url: null, standing: 'voter',
    // When the teller last heard of it, by the teller's clock; null if it never did.
    heard_us: null,
    role: 'follower', term: 0, vote: null, leader: null,
    start: 0, applied: 0, commit: 0, durable: 0, last_index: 0, last_term: 0, runs: [],
    // It had waited `election_elapsed_ms` for its leader at `election_us`.
    election_us: 0, election_elapsed_ms: 0, election_timeout_ms: null,
    matched: null, revision: 0, compact_revision: 0, keys: 0, pending: 0,
    rates: null, alarms: [],
    // What its own events told, and when: newer than what a `state` has heard.
    log_us: 0, role_us: 0,
    // Named, but nothing is known of its process yet: so it begins in a trace.
    awaited: false,
    running: true, paused: false, diverged: null,
    // The entries that were truncated last, to be shown as they go.
    cut: null,
    installed_us: 0,
  };
}

export const HEARD_MS_MAX = 1500;

/** Whether the teller hears of it, and so whether what is known of it still counts. */
export function isReached(member, t_us) {
  if (!member.running) return false;
  return member.heard_us !== null && t_us - member.heard_us <= HEARD_MS_MAX * 1000;
}

/** Whether it does a member's work: it is there, and nobody stopped it. */
export function isWorking(member, t_us) {
  return isReached(member, t_us) && !member.paused;
}

/** What is left of its wait for a leader, from 1 (just heard) to 0 (it campaigns). */
export function electionLeft(member, t_us) {
  if (member.election_timeout_ms === null || member.role === 'leader') return null;
  const waited_ms = member.election_elapsed_ms + (t_us - member.election_us) / 1000;
  return Math.min(1, Math.max(0, 1 - waited_ms / member.election_timeout_ms));
}

/** Takes over what a `state` says of it, as of `t_us`. */
export function takeStanding(member, told, t_us) {
  member.name = told.name;
  member.url = told.url ?? null;
  member.standing = told.standing;
  const known = told.heard_ms !== null && told.heard_ms !== undefined;
  // Another teller may not have listened yet: then what the one before heard counts for a while.
  if (!known) return;
  member.heard_us = t_us - told.heard_ms * 1000;
  if (told.heard_ms <= HEARD_MS_MAX) member.running = true;
  takeNumbers(member, told);
  if (member.role_us <= member.heard_us) takeRole(member, told);
  if (member.log_us <= member.heard_us) takeLog(member, told);
  takeElection(member, told);
}

function takeNumbers(member, told) {
  member.matched = told.matched ?? null;
  member.compact_revision = told.compact_revision ?? member.compact_revision;
  member.keys = told.keys ?? member.keys;
  member.pending = told.pending ?? 0;
  member.rates = told.rates ?? null;
  member.alarms = told.alarms ?? [];
}

function takeRole(member, told) {
  member.role = told.role ?? member.role;
  member.term = told.term ?? member.term;
  member.vote = told.vote ?? null;
  member.leader = told.leader ?? null;
}

/** Takes over the pointers and terms of a log. */
export function takeLog(member, told) {
  if (told.log) {
    member.start = told.log.start;
    member.applied = told.log.applied;
    member.commit = told.log.commit;
    member.durable = told.log.durable;
    member.last_index = told.log.last_index;
    member.last_term = told.log.last_term;
  }
  member.runs = told.runs ?? member.runs;
  member.revision = told.revision ?? member.revision;
}

function takeElection(member, told) {
  if (!told.election) {
    member.election_timeout_ms = null;
    return;
  }
  member.election_us = member.heard_us;
  member.election_elapsed_ms = told.election.elapsed_ms;
  member.election_timeout_ms = told.election.timeout_ms;
}
