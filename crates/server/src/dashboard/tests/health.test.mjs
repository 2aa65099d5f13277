// The banner's sentences, and the other words.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { health } from '../assets/page/core/health.js';
import { apply, newModel } from '../assets/page/core/model.js';
import { isUnheard } from '../assets/page/core/reach.js';
import { seriesAt } from '../assets/page/core/series.js';
import { GrowthRate, niceCeil, windowFor } from '../assets/page/core/window.js';
import { describe, duration, lifetime, short } from '../assets/page/core/words.js';

const S = 1_000_000;

function cluster(count, { away = 0, leader = '1', standing = () => 'voter', alarms = [],
  joint = false } = {}) {
  const members = Array.from({ length: count }, (_, i) => ({ id: `${i + 1}`, name: `node-${i + 1}`,
    standing: standing(i), heard_ms: i >= count - away ? 9_000 : 0, role: 'follower', term: 1,
    alarms: i === 0 ? alarms : [] }));
  const model = newModel();
  apply(model, { kind: 'state', t_us: 10 * S, member: '1', members, leader, term: 1, joint });
  return model;
}

const says = (model) => health(model).text;

test('a whole cluster says what it would survive', () => {
  assert.equal(says(cluster(1)), 'The only member works; nobody would take its place.');
  assert.equal(says(cluster(2)), '2 of 2 members work; one failure stops writes.');
  assert.equal(says(cluster(3)), '3 of 3 members work; one failure would be survived.');
  assert.equal(says(cluster(5)), '5 of 5 members work; two failures would be survived.');
  assert.equal(health(cluster(3)).level, 'good');
});

test('one that has lost members says what another failure would do', () => {
  assert.equal(says(cluster(3, { away: 1 })),
    '2 of 3 members: writes work, one more failure stops them.');
  assert.equal(says(cluster(5, { away: 1 })),
    '4 of 5 members: writes work, one failure more would be survived.');
});

test('without a majority nothing can be written', () => {
  const model = cluster(3, { away: 2, leader: null });
  assert.equal(says(model), 'No majority: 1 of 3 members works. '
    + 'Nothing can be written until one more is back.');
  assert.equal(health(model).level, 'bad');
  assert.match(says(cluster(5, { away: 4, leader: null })), /until two more are back/);
});

test('without a leader an election is on, and after a while that has a number', () => {
  const model = cluster(3, { leader: null });
  model.leader_us = 10 * S;
  assert.equal(says(model), 'No leader: an election is on. 3 of 3 members work.');
  model.leader_us = 5 * S;
  assert.equal(says(model), 'No leader for 5 s, though 3 of 3 members work.');
});

test('a leader that is not reached is none', () => {
  assert.match(says(cluster(3, { away: 1, leader: '3' })), /^No leader: an election is on/);
});

test('members that are cut off do not count, at once', () => {
  const model = cluster(5);
  const cut = (from, to) => apply(model, { kind: 'link', t_us: 10 * S, member: to, peer: from,
    up: false });
  for (const a of ['4', '5']) for (const b of ['1', '2', '3']) cut(a, b);
  assert.equal(says(model), '3 of 5 members: writes work, one more failure stops them.');
  assert.deepEqual([...model.members.values()].map((one) => isUnheard(model, one)),
    Array(5).fill(false));
  cut('4', '5');
  assert.ok(isUnheard(model, model.members.get('4')));
  for (const b of ['2', '3']) cut('1', b);
  assert.match(says(model), /^No majority: 2 of 5 members work/);
});

test('learners do not count', () => {
  const standing = (i) => (i === 3 ? 'learner' : 'voter');
  assert.match(says(cluster(4, { standing, away: 1 })), /^3 of 3 members work/);
});

test('while members change both majorities count', () => {
  const standing = (i) => ['voter', 'voter', 'leaving', 'joining'][i];
  const model = cluster(4, { standing, away: 2, joint: true });
  assert.match(says(model), /^2 of 3 members: writes work, one more failure stops them/);
  assert.match(says(model), /two majorities are needed/);
});

test('who has only just begun to listen says nothing of those it has not heard', () => {
  const model = newModel();
  const members = ['1', '2'].map((id) => ({ id, name: id, standing: 'voter',
    heard_ms: id === '1' ? 0 : null }));
  apply(model, { kind: 'hello', t_us: S, member: '1', name: '1' });
  apply(model, { kind: 'state', t_us: S, member: '1', members, leader: null, term: 1 });
  assert.equal(says(model), 'Listening to the members …');
  model.t_us = 3 * S;
  assert.match(says(model), /^No majority/);
});

test('an alarm is said', () => {
  const model = cluster(3, { alarms: ['no_room'] });
  assert.match(says(model), /node-1: no_room\.$/);
  assert.equal(health(model).level, 'warn');
});

test('events are told in words', () => {
  const model = cluster(3);
  const told = (event) => describe({ member: '1', t_us: 0, ...event }, model);
  assert.equal(told({ kind: 'leader', leader: '1', term: 3 }), 'was elected leader of term 3');
  assert.equal(told({ kind: 'leader', leader: '2', term: 3 }), 'follows node-2 in term 3');
  assert.equal(told({ kind: 'vote', candidate: '9', term: 3, granted: false }),
    'does not vote for 9 in term 3');
  assert.equal(told({ kind: 'appended', first: 4, last: 9, term: 3, count: 6 }),
    'appended 4–9 of term 3 (6×)');
  assert.equal(told({ kind: 'message', to: '2', what: 'of_tomorrow' }), '→ node-2: of_tomorrow');
});

test('numbers fit into little room', () => {
  assert.deepEqual([0, 950, 1_500, 12_340, 123_456, 2_000_000].map(short),
    ['0', '950', '1.5k', '12.3k', '123k', '2M']);
  assert.deepEqual([85, 1_200, 3_400_000].map(duration), ['85 µs', '1.2 ms', '3.4 s']);
  assert.deepEqual([850, 42_000, 185_000, 7_800_000, 356_400_000].map(lifetime),
    ['0.8 s', '42 s', '3 min 5 s', '2 h 10 min', '4 d 3 h']);
});

test('curves have what was told up to a moment, and nothing later', () => {
  const states = [1, 2, 3].map((at) => ({ t_us: at * S, members: [
    { id: '1', rates: { writes: at, reads: 0, p50_us: null, p99_us: 4 },
      log: { commit: 9, applied: 9 } },
    { id: '2', rates: null, log: { commit: 9, applied: 9 - at } }] }));
  const { writes, p50_us, p99_us, lag } = seriesAt(states, 2 * S);
  assert.deepEqual(writes, [[-1, 1], [-0, 2]]);
  assert.deepEqual(p50_us, []);
  assert.deepEqual(p99_us.map(([, us]) => us), [4, 4]);
  assert.deepEqual(lag.get('2').map(([, entries]) => entries), [1, 2]);
});

test('few entries are boxes, many are ranges, and the change is not back and forth', () => {
  const boxes = windowFor(5, 900, 1_000, { boxes: true, entries: 30 });
  assert.deepEqual([boxes.boxes, boxes.entries], [true, 30]);
  assert.equal(windowFor(20, 900, 1_000, boxes).boxes, true);
  const ranges = windowFor(20_000, 900, 1e6, boxes);
  assert.deepEqual([ranges.boxes, ranges.entries], [false, 200_000]);
  assert.equal(windowFor(15_000, 900, 1e6, ranges).entries, 200_000);
  assert.equal(windowFor(20, 900, 1e6, ranges).boxes, false);
  assert.deepEqual([3, 10, 11, 240].map(niceCeil), [5, 10, 20, 500]);
});

test('a log that becomes known has not grown', () => {
  const growth = new GrowthRate();
  [[0, 0], [0, 300], [9_000, 600], [9_002, 900]].forEach(([index, ms]) => growth.note(index, ms));
  assert.ok(growth.rate < 10, `${growth.rate}`);
});

test('a rate is measured over time, not over frames', () => {
  const growth = new GrowthRate();
  for (let ms = 0; ms <= 4_000; ms += 16) growth.note(ms * 20, ms);
  assert.ok(Math.abs(growth.rate - 20_000) < 500, `${growth.rate}`);
});
