// What may come in, and what may not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkEvent, readEnvelope } from '../assets/page/core/schema.js';
import { readTrace } from '../assets/page/core/tracefile.js';

const role = { kind: 'role', t_us: 5, member: '3f', role: 'leader', term: 2 };

test('an event is good if every field that is known is possible', () => {
  assert.equal(checkEvent(role), 'good');
  assert.equal(checkEvent({ ...role, since: 'a field of tomorrow' }), 'good');
});

test('an event with an impossible field is a bad one', () => {
  for (const wrong of [{ term: -1 }, { term: '2' }, { role: 'king' }, { t_us: NaN },
    { t_us: null }, { member: 5 }, { member: 'x'.repeat(65) }, { term: undefined }]) {
    assert.equal(checkEvent({ ...role, ...wrong }), 'bad', JSON.stringify(wrong));
  }
  for (const none of [null, 5, 'role', [], {}]) assert.equal(checkEvent(none), 'bad');
});

test('a kind that is not known is passed over', () => {
  assert.equal(checkEvent({ kind: 'of_tomorrow', t_us: 'x' }), 'unknown');
  assert.equal(checkEvent({ kind: 'constructor', t_us: 1 }), 'unknown');
});

test('a state with a member that is none is a bad one', () => {
  const state = { kind: 'state', t_us: 1, member: '1', leader: null, term: 0, joint: false };
  assert.equal(checkEvent({ ...state, members: [] }), 'good');
  assert.equal(checkEvent({ ...state, members: [{ id: '1' }] }), 'bad');
  assert.equal(checkEvent({ ...state, members: Array(65).fill({}) }), 'bad');
});

test('an envelope of another schema is not looked into', () => {
  assert.deepEqual(readEnvelope('{"schema":2,"lost":0,"events":[]}'), { problem: 'schema' });
  assert.deepEqual(readEnvelope('{"events":[]}'), { problem: 'schema' });
  assert.deepEqual(readEnvelope('[1'), { problem: 'malformed' });
  assert.deepEqual(readEnvelope('{"schema":1}'), { problem: 'malformed' });
});

test('an envelope keeps its good events', () => {
  const envelope = { schema: 1, lost: 3, events: [role, { kind: 'role' }, { kind: 'new' }] };
  assert.deepEqual(readEnvelope(JSON.stringify(envelope)), { events: [role], lost: 3 });
});

test('a file has one event a line, in any order', () => {
  const lines = [{ ...role, t_us: 9 }, role].map((event) => JSON.stringify(event));
  const { events, skipped } = readTrace(`${lines.join('\r\n')}\n\n{"kind":"new"}\n`);
  assert.deepEqual(events.map(({ t_us }) => t_us), [5, 9]);
  assert.equal(skipped, 1);
});

test('a file that is none says in which line', () => {
  assert.match(readTrace('PNG\u0000').problem, /^Line 1 is no JSON/);
  const broken = `${JSON.stringify(role)}\n{"kind":"role"}`;
  assert.match(readTrace(broken).problem, /^Line 2 is no event/);
  assert.match(readTrace(`"${'x'.repeat(70_000)}"`).problem, /^Line 1 is too long/);
  assert.match(readTrace('').problem, /no event/);
});

test('what is counted with must grow by adding one', () => {
  const appended = (first) => checkEvent({ kind: 'appended', t_us: 1, member: 'a', first, last: first,
    term: 1 });
  assert.equal(appended(7), 'good');
  for (const first of [1e300, 2 ** 53, 0.5, -1, NaN]) assert.equal(appended(first), 'bad', first);
});

test('what happens at a member says at which', () => {
  assert.equal(checkEvent({ kind: 'role', t_us: 1, role: 'leader', term: 1 }), 'bad');
  assert.equal(checkEvent({ kind: 'caption', t_us: 1, title: 'anywhere' }), 'good');
});

test('a file with more members than can be drawn is refused', () => {
  const lines = Array.from({ length: 65 }, (_, i) =>
    JSON.stringify({ kind: 'committed', t_us: i, member: `m${i}`, index: 1 }));
  assert.match(readTrace(lines.join('\n')).problem, /more than 64 members/);
  assert.equal(readTrace(lines.slice(1).join('\n')).events.length, 64);
});
