// What is kept, for how long, and how any moment of it is found again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock, LIVE_DELAY_US } from '../assets/page/core/clock.js';
import { flightsAt } from '../assets/page/core/flights.js';
import { History } from '../assets/page/core/history.js';
import { Playhead } from '../assets/page/core/playhead.js';
import { Reorder, WAIT_US } from '../assets/page/core/reorder.js';
import { newestElection, replayOf } from '../assets/page/elections.js';

const S = 1_000_000;

function append(t_us, index) {
  return { kind: 'appended', t_us, member: '1', first: index, last: index, term: 1 };
}

function filled(count, gap_us, options) {
  const history = new History(options);
  for (let i = 1; i <= count; i += 1) history.push([append(i * gap_us, i)]);
  return history;
}

const lastOf = (model) => model.members.get('1')?.last_index ?? 0;

test('every moment that is kept is found again as it was', () => {
  const history = filled(10_000, 5_000);
  for (const at of [1, 999, 1_000, 7_777, 10_000]) {
    assert.equal(lastOf(history.modelAt(at * 5_000).model), at);
  }
});

test('what is older than a minute goes, and what is left begins where that ended', () => {
  const history = filled(100_000, 2_000);
  assert.ok(history.last_us - history.first_us < 75 * S);
  const first = history.at(history.first);
  assert.equal(lastOf(history.modelAt(first.t_us).model), first.last);
});

test('a flood is bounded by its number', () => {
  const history = filled(60_000, 10, { events_max: 20_000 });
  assert.ok(history.end - history.first <= 20_001);
  assert.equal(lastOf(history.modelAt(history.last_us).model), 60_000);
});

test('an event that comes too late counts as just now', () => {
  const history = new History();
  history.push([append(5 * S, 1), append(4 * S, 2)]);
  assert.equal(history.last_us, 5 * S);
  assert.equal(lastOf(history.modelAt(5 * S).model), 2);
});

test('the playhead goes on, back and far without missing anything', () => {
  const history = filled(50_000, 1_000);
  const head = new Playhead(history);
  for (const ms of [10, 11, 5, 49_000, 49_001, 20_000, 50_000]) {
    assert.equal(lastOf(head.advance(ms * 1_000)), ms, `${ms}`);
  }
});

test('messages fly from when they were sent, until they are there', () => {
  const history = new History();
  history.push([{ kind: 'message', t_us: S, member: '1', to: '2', what: 'vote',
    flight_us: 4 * S }]);
  const flights = [];
  assert.equal(flightsAt(history, S - 1, 1, flights), 0);
  assert.equal(flightsAt(history, 3 * S, 1, flights), 1);
  assert.equal(flights[0].progress, 0.5);
  assert.equal(flightsAt(history, 5 * S + 1, 1, flights), 0);
});

test('a message that is said not to arrive is known from its beginning', () => {
  const history = new History({ told: false });
  const message = { kind: 'message', t_us: S, member: '1', to: '2', what: 'vote', flight_us: S };
  history.push([message, { ...message, to: '3' },
    { kind: 'undelivered', t_us: 2 * S, member: '3', from: '1', what: 'vote' }]);
  assert.deepEqual([0, 1].map((place) => history.at(place).undelivered), [undefined, true]);
});

test('of many messages few are drawn at full speed, and more in slow motion', () => {
  const history = new History();
  for (let i = 0; i < 2_000; i += 1) {
    history.push([{ kind: 'message', t_us: S + i * 100, member: '1', to: '2', what: 'append' }]);
  }
  const counts = [1, 0.1, 0.01].map((speed) => flightsAt(history, S + 200_000, speed, []));
  const density = counts.map((count, i) => count / [1, 0.1, 0.01][i]);
  assert.ok(counts[0] <= 8, `${counts}`);
  assert.ok(density[0] < density[1] && density[1] < density[2], `${density}`);
});

test('events wait for older ones, and leave in order', () => {
  const reorder = new Reorder();
  reorder.add([{ t_us: 30 * S }, { t_us: 10 * S }]);
  reorder.add([{ t_us: 20 * S }]);
  assert.deepEqual(reorder.take(0).map(({ t_us }) => t_us / S), [10, 20]);
  assert.deepEqual(reorder.take(30 * S + WAIT_US - 1), []);
  assert.deepEqual(reorder.take(30 * S + WAIT_US).map(({ t_us }) => t_us / S), [30]);
});

test('a live clock runs behind its teller and never back', () => {
  const clock = new Clock();
  clock.hear(100 * S, 1_000);
  assert.equal(clock.tick(1_000, 0, 100 * S), 100 * S - LIVE_DELAY_US);
  const before = clock.tick(1_200, 0, 100 * S);
  clock.hear(100 * S, 1_400);
  assert.ok(clock.tick(1_400, 0, 100 * S) >= before);
  assert.ok(clock.tick(60_000, 0, 100 * S) <= 100 * S + LIVE_DELAY_US);
});

test('a replay goes on at its speed, and stops at its end', () => {
  const clock = new Clock();
  clock.tick(0, 0, 10 * S);
  clock.replay(2 * S, { speed: 0.1, playing: true });
  assert.equal(clock.tick(1_000, 0, 10 * S), 2.1 * S);
  clock.replay(9.95 * S, { speed: 1 });
  assert.equal(clock.tick(2_000, 0, 10 * S), 10 * S);
  assert.equal(clock.playing, false);
});

test('an election is offered until it is long ago, from its first candidate on', () => {
  const history = new History();
  history.push([append(S, 1),
    { kind: 'role', t_us: 9 * S, member: '1', role: 'pre-candidate', term: 1 },
    { kind: 'leader', t_us: 9.1 * S, member: '1', leader: '1', term: 2 },
    { kind: 'leader', t_us: 9.2 * S, member: '2', leader: '1', term: 2 }, append(20 * S, 2)]);
  const election = newestElection(history, 20 * S);
  assert.equal(election.t_us, 9.1 * S);
  assert.deepEqual(replayOf(history, election), { t_us: 9 * S - 20_000, speed: 0.01 });
  assert.equal(newestElection(history, 9 * S), null);
  assert.equal(newestElection(history, 60 * S), null);
});
