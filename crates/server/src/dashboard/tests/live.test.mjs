// The stream: which member is listened to, and what happens when it goes.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Live } from '../assets/page/net/live.js';

const A = { url: 'http://a:1/', name: 'a' };
const B = { url: 'http://b:1/', name: 'b' };

let sockets;
let status;

class FakeSocket {
  constructor(url, protocols) {
    Object.assign(this, { url, protocols, closed: false });
    sockets.push(this);
  }

  tell(...events) {
    this.onmessage({ data: JSON.stringify({ schema: 1, lost: 0, events }) });
  }

  close() { this.closed = true; }

  /** The other end is gone. */
  die() { this.onclose(); }
}

beforeEach(() => {
  sockets = [];
  status = 404;
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  globalThis.WebSocket = FakeSocket;
  globalThis.fetch = async () => ({ status });
});

const hello = (name) => ({ kind: 'hello', t_us: 1, member: name, name });
const started = (t_us) => ({ kind: 'started', t_us, member: 'x' });

/** What is under way besides timers has ended. */
const settled = () => new Promise(setImmediate);

async function passed(ms) {
  await settled();
  mock.timers.tick(ms);
  await settled();
}

function listen(...members) {
  const seen = { states: [], events: [], begun: 0 };
  const live = new Live({ onEvents: (events) => seen.events.push(...events),
    onBegin: () => { seen.begun += 1; }, onState: (state) => seen.states.push(state) });
  live.setMembers(members);
  return { live, seen };
}

test('a member is listened to under the name of the protocol', () => {
  const { live, seen } = listen(A);
  assert.deepEqual([sockets[0].url, sockets[0].protocols], ['ws://a:1/ws', ['raftkv.events.1']]);
  sockets[0].tell(hello('node-a'), started(2));
  assert.deepEqual([live.state, live.name, seen.events.length], ['open', 'node-a', 2]);
});

test('when it is lost the next one is asked, and the loss is said', async () => {
  const { seen } = listen(A, B);
  sockets[0].tell(hello('a'));
  sockets[0].die();
  await passed(200);
  assert.equal(sockets[1].url, 'ws://b:1/ws');
  sockets[1].tell(hello('b'));
  assert.deepEqual(seen.states.at(-1), { state: 'open', name: 'b', lost: 'a' });
  assert.equal(seen.begun, 2);
});

test('a member that is silent is as good as gone', async () => {
  listen(A, B);
  sockets[0].tell(hello('a'));
  mock.timers.tick(3_000);
  assert.ok(sockets[0].closed);
  await passed(200);
  assert.equal(sockets.length, 2);
});

test('nobody is asked again and again without a pause', async () => {
  const { seen } = listen(A, B);
  for (let i = 0; i < 4; i += 1) {
    sockets[i].die();
    await passed(600);
  }
  assert.equal(seen.states.filter(({ state }) => state === 'waiting')[0].wait_ms, 300);
  sockets[4].die();
  await passed(500);
  assert.equal(sockets.length, 5);
  await passed(200);
  assert.equal(sockets.length, 6);
});

test('whoever asks for a user is not asked without one', async () => {
  status = 401;
  const { live } = listen(A, B);
  sockets[0].die();
  await passed(10_000);
  assert.deepEqual([live.state, sockets.length], ['login', 1]);
  live.retry();
  assert.equal(sockets.length, 2);
});

test('another schema ends it', async () => {
  const { live, seen } = listen(A, B);
  sockets[0].onmessage({ data: '{"schema":2,"events":[]}' });
  await passed(10_000);
  assert.deepEqual([live.state, sockets.length, seen.events.length], ['schema', 1, 0]);
});

test('the other ear takes over at once, with what it has heard', async () => {
  const { live, seen } = listen(A, B);
  sockets[0].tell(hello('a'));
  live.hearAlso(B.url);
  sockets[1].tell(hello('b'));
  sockets[1].tell(started(7));
  assert.deepEqual(seen.events.map(({ kind }) => kind), ['hello']);
  sockets[0].die();
  await settled();
  assert.deepEqual([live.state, live.name], ['open', 'b']);
  assert.deepEqual(seen.events.map(({ t_us }) => t_us), [1, 1, 7]);
  sockets[1].tell(started(8));
  assert.equal(seen.events.at(-1).t_us, 8);
});

test('the other ear is closed when it is not needed', () => {
  const { live } = listen(A, B);
  sockets[0].tell(hello('a'));
  live.hearAlso(B.url);
  live.hearAlso(null);
  assert.ok(sockets[1].closed && !sockets[0].closed);
});

const state = (member, ...heard_ms) => ({ kind: 'state', t_us: 1, member, leader: null, term: 1,
  joint: false, members: heard_ms.map((ms, i) => ({ id: `${i}`, name: `${i}`, standing: 'voter',
    heard_ms: ms })) });

/** B is sought because A hears only itself; B hears so many of three. */
function seek(...heard_ms) {
  const { live } = listen(A, B);
  sockets[0].tell(hello('a'));
  live.seekCompany(1);
  sockets[1].tell(hello('b'));
  sockets[1].tell(state('b', ...heard_ms));
  live.seekCompany(1);
  return live;
}

test('whoever hears more is listened to instead of one that is cut off', async () => {
  const live = seek(5000, 0, 20);
  await settled();
  assert.deepEqual([live.state, live.name], ['open', 'b']);
  assert.equal(sockets[0].closed, true);
});

test('whoever hears no more is let go', () => {
  const live = seek(5000, 0, null);
  assert.deepEqual([live.state, live.name], ['open', 'a']);
  assert.equal(sockets[1].closed, true);
});
