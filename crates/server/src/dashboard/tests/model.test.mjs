// What each kind of event does to the cluster that is drawn.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { electionLeft, isReached } from '../assets/page/core/member.js';
import { apply, copy, newModel } from '../assets/page/core/model.js';
import { linkKey } from '../assets/page/core/reduce.js';
import { appended, eachRun, termAt, truncated } from '../assets/page/core/runs.js';

const LOG = { start: 0, applied: 4, commit: 4, durable: 5, last_index: 5, last_term: 1 };

function told(id, more = {}) {
  return { id, name: `node-${id}`, url: null, standing: 'voter', heard_ms: 0, role: 'follower',
    term: 1, vote: null, leader: null, log: LOG, runs: [[1, 1]], election: null, ...more };
}

function cluster(...events) {
  const model = newModel();
  const members = [told('1', { role: 'leader' }), told('2'), told('3')];
  apply(model, { kind: 'state', t_us: 1_000_000, member: '1', members, leader: '1', term: 1 });
  events.forEach((event, i) => apply(model, { t_us: 1_000_001 + i, ...event }));
  return model;
}

const member = (model, id) => model.members.get(id);

test('a member that was elected wears the crown, and nobody of an older term takes it', () => {
  const model = cluster({ kind: 'role', member: '2', role: 'leader', term: 2 },
    { kind: 'leader', member: '3', leader: '1', term: 1 },
    { kind: 'role', member: '1', role: 'leader', term: 1 });
  assert.equal(model.leader, '2');
  assert.equal(model.term, 2);
});

test('a leader that steps down leaves no crown behind', () => {
  const model = cluster({ kind: 'role', member: '1', role: 'follower', term: 1 });
  assert.equal(model.leader, null);
});

test('a vote is kept, and a new term takes it back', () => {
  const model = cluster({ kind: 'vote', member: '3', candidate: '2', term: 2, granted: true });
  assert.equal(member(model, '3').vote, '2');
  apply(model, { kind: 'vote', t_us: 2e6, member: '3', candidate: '1', term: 3, granted: false });
  assert.equal(member(model, '3').vote, null);
});

test('what only would be voted changes no vote', () => {
  const model = cluster({ kind: 'vote', member: '3', candidate: '2', term: 2, pre: true,
    granted: true });
  assert.equal(member(model, '3').vote, null);
  assert.equal(model.ballots.length, 1);
});

test('entries are appended, truncated and seen to go', () => {
  const model = cluster({ kind: 'appended', member: '2', first: 6, last: 8, term: 2 },
    { kind: 'truncated', member: '2', from: 7 });
  const two = member(model, '2');
  assert.deepEqual(two.runs, [[1, 1], [6, 2]]);
  assert.equal(two.last_index, 6);
  assert.deepEqual([two.cut.from, two.cut.to], [7, 8]);
  assert.equal(termAt(two.cut.runs, 8, two.cut.to), 2);
});

test('an older word on a log does not undo what the member itself told', () => {
  const model = cluster({ kind: 'appended', member: '2', first: 6, last: 9, term: 1 });
  const members = [told('1'), told('2', { heard_ms: 200 })];
  apply(model, { kind: 'state', t_us: 1_050_000, member: '1', members, leader: '1', term: 1 });
  assert.equal(member(model, '2').last_index, 9);
  apply(model, { kind: 'state', t_us: 1_900_000, member: '1', members, leader: '1', term: 1 });
  assert.equal(member(model, '2').last_index, 5);
});

test('a snapshot takes the place of a log', () => {
  const model = cluster({ kind: 'snapshot_installed', member: '2', index: 90, term: 3 });
  const { start, applied, last_index, runs } = member(model, '2');
  assert.deepEqual([start, applied, last_index, runs], [90, 90, 90, [[90, 3]]]);
});

test('members come and go with the configuration', () => {
  const model = cluster();
  apply(model, { kind: 'state', t_us: 2e6, member: '1', members: [told('1'), told('4')],
    leader: '1', term: 1 });
  assert.deepEqual([...model.members.keys()], ['1', '4']);
});

test('a member that is not heard of for a while is not reached', () => {
  const model = cluster();
  assert.ok(isReached(member(model, '2'), 1_000_000 + 1_500_000));
  assert.ok(!isReached(member(model, '2'), 1_000_000 + 1_500_001));
  const state = { kind: 'state', t_us: 2e6, member: '1', leader: null, term: 1,
    members: [told('2', { heard_ms: null }), told('4', { heard_ms: null })] };
  apply(model, state);
  assert.deepEqual(['2', '4'].map((id) => isReached(member(model, id), 2e6)), [true, false]);
  assert.ok(!isReached(member(model, '2'), 3e6));
});

test('a countdown runs on between two words of it', () => {
  const model = newModel();
  const election = { elapsed_ms: 100, timeout_ms: 1000 };
  apply(model, { kind: 'state', t_us: 5e6, member: '1', members: [told('2', { election })],
    leader: null, term: 1 });
  assert.equal(electionLeft(member(model, '2'), 5e6), 0.9);
  assert.equal(electionLeft(member(model, '2'), 5.4e6), 0.5);
  apply(model, { kind: 'message', t_us: 5.5e6, member: '1', to: '2', what: 'heartbeat' });
  assert.equal(electionLeft(member(model, '2'), 5.5e6), 1);
});

test('a link goes down in one direction and comes up again', () => {
  const model = cluster({ kind: 'link', member: '2', peer: '1', up: false });
  assert.equal(model.links.get(linkKey('1', '2')), 'down');
  assert.equal(model.links.get(linkKey('2', '1')), undefined);
  apply(model, { kind: 'link', t_us: 2e6, member: '2', peer: '1', up: true });
  assert.equal(model.links.size, 0);
});

test('a trace needs nobody who tells of the others', () => {
  const model = newModel({ told: false });
  apply(model, { kind: 'trace', t_us: 0, title: 'T', text: 'x', names: { 1: 'A', 2: 'B' } });
  assert.deepEqual([...model.members.values()].map(({ name }) => name), ['A', 'B']);
  assert.ok(!isReached(member(model, '1'), 1));
  apply(model, { kind: 'started', t_us: 1, member: '1', log: LOG, runs: [[1, 1]] });
  apply(model, { kind: 'role', t_us: 1, member: '2', role: 'candidate', term: 1 });
  apply(model, { kind: 'fault', t_us: 1, fault: 'isolate', members: ['1'] });
  assert.ok(isReached(member(model, '1'), 1e9) && isReached(member(model, '2'), 1e9));
  assert.equal(member(model, '1').last_index, 5);
  assert.equal(model.links.size, 2);
  apply(model, { kind: 'fault', t_us: 2, fault: 'heal', members: [] });
  assert.equal(model.links.size, 0);
});

test('a copy stays as it is', () => {
  const model = cluster();
  const before = copy(model);
  for (const event of [{ kind: 'appended', member: '2', first: 6, last: 6, term: 2 },
    { kind: 'link', member: '2', peer: '1', up: false }, { kind: 'ended', member: '1' },
    { kind: 'vote', member: '3', candidate: '2', term: 2, granted: true }]) {
    apply(model, { t_us: 3e6, ...event });
  }
  assert.deepEqual(before, cluster());
});

test('runs say the term of each entry', () => {
  const runs = [[3, 1], [6, 4]];
  assert.deepEqual([2, 3, 5, 6, 8, 9].map((index) => termAt(runs, index, 8)),
    [null, 1, 1, 4, 4, null]);
  assert.equal(appended(runs, 9, 4), runs);
  assert.deepEqual(appended(runs, 7, 5), [[3, 1], [6, 4], [7, 5]]);
  assert.deepEqual(appended(runs, 4, 5), [[3, 1], [4, 5]]);
  assert.deepEqual(truncated(runs, 6), [[3, 1]]);
  const seen = [];
  eachRun(runs, 8, 5, 20, (...run) => seen.push(run));
  assert.deepEqual(seen, [[5, 5, 1], [6, 8, 4]]);
});
