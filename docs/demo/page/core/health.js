// How the cluster is, in words.

import { workingGroup } from './reach.js';

// An election takes a moment; longer without a leader is worth a number.
const ELECTION_US = 3_000_000;
// So long a teller may need until it has heard of everybody.
const LISTEN_US = 1_500_000;

const COUNTS = ['no', 'one', 'two', 'three', 'four', 'five', 'six'];

/** `{ level: 'good' | 'warn' | 'bad' | 'wait', text }` for a model. */
export function health(model) {
  const members = [...model.members.values()];
  if (members.length === 0) return { level: 'wait', text: 'Waiting for the first word.' };
  if (isListening(model, members)) {
    return { level: 'wait', text: 'Listening to the members …' };
  }
  const working = workingGroup(model);
  const tallies = quorums(members).map((voters) => tally(voters, working));
  const worst = tallies.reduce((a, b) => (b.spare < a.spare ? b : a));
  const verdict = judge(worst, model, working);
  const notes = remarks(members, model);
  if (notes.length > 0 && verdict.level === 'good') verdict.level = 'warn';
  return { level: verdict.level, text: [verdict.text, ...notes].join(' ') };
}

/** Whether the teller has only just begun to hear the others: they may well be there. */
function isListening(model, members) {
  return model.t_us - model.teller_us < LISTEN_US
    && members.some(({ heard_us }) => heard_us === null);
}

/** The groups of which each needs a majority: two while members change. */
function quorums(members) {
  const now = members.filter((one) => one.standing === 'voter' || one.standing === 'leaving');
  const next = members.filter((one) => one.standing === 'voter' || one.standing === 'joining');
  const joint = members.some((one) => one.standing === 'leaving' || one.standing === 'joining');
  return joint ? [now, next] : [now];
}

function tally(voters, group) {
  const working = voters.filter(({ id }) => group.has(id)).length;
  const needed = Math.floor(voters.length / 2) + 1;
  return { voters: voters.length, working, needed, spare: working - needed };
}

function judge({ voters, working, needed, spare }, model, group) {
  if (spare < 0) return noMajority(voters, working, needed);
  const share = `${working} of ${plural(voters, 'member')}`;
  if (!group.has(model.leader)) return noLeader(model, share);
  if (working < voters) return impaired(share, spare);
  if (voters === 1) return good('The only member works; nobody would take its place.');
  if (spare === 0) return warn(`${share} work; one failure stops writes.`);
  return good(`${share} work; ${failures(spare)} would be survived.`);
}

function noMajority(voters, working, needed) {
  const works = `${working} of ${plural(voters, 'member')} ${working === 1 ? 'works' : 'work'}`;
  const missing = needed - working === 1
    ? 'one more is back' : `${COUNTS[needed - working] ?? needed - working} more are back`;
  return { level: 'bad',
    text: `No majority: ${works}. Nothing can be written until ${missing}.` };
}

function noLeader(model, share) {
  const since_us = model.t_us - model.leader_us;
  if (model.leader === null && since_us > ELECTION_US) {
    const seconds = Math.round(since_us / 1e6);
    return { level: 'bad', text: `No leader for ${seconds} s, though ${share} work.` };
  }
  return { level: 'warn', text: `No leader: an election is on. ${share} work.` };
}

function impaired(share, spare) {
  if (spare === 0) return warn(`${share}: writes work, one more failure stops them.`);
  return warn(`${share}: writes work, ${failures(spare)} more would be survived.`);
}

function remarks(members, model) {
  const notes = [];
  if (model.joint) notes.push('Members change: two majorities are needed.');
  for (const one of members) {
    if (one.diverged !== null) notes.push(`${one.name} differs from the majority.`);
    if (one.alarms.length > 0) notes.push(`${one.name}: ${one.alarms.join(', ')}.`);
  }
  return notes;
}

const good = (text) => ({ level: 'good', text });
const warn = (text) => ({ level: 'warn', text });
const failures = (count) =>
  (count === 1 ? 'one failure' : `${COUNTS[count] ?? count} failures`);

/** `3 members`, `1 member`. */
export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
