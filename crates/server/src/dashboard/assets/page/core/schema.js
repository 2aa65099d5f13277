// What may come in: events as docs/events.md has them, checked field by field.
//
// A page that draws from other people's bytes looks at them once, here. Kinds and fields that are
// not known are passed over; a known field with an impossible value makes the event a bad one.

export const SCHEMA = 1;

const ID_CHARS_MAX = 64;
const NAME_CHARS_MAX = 256;
const KEY_CHARS_MAX = 4096;
const TEXT_CHARS_MAX = 8192;
export const MEMBERS_MAX = 64;
const RUNS_MAX = 64;
const INDEX_MAX = 2 ** 50;

const text = (max) => (value) => typeof value === 'string' && value.length <= max;
const id = text(ID_CHARS_MAX);
const name = text(NAME_CHARS_MAX);
const number = (value) => typeof value === 'number' && value >= 0 && value < Infinity;
// Terms, indexes and revisions are counted with: what is larger does not grow by adding one.
const index = (value) => Number.isInteger(value) && value >= 0 && value <= INDEX_MAX;
const flag = (value) => typeof value === 'boolean';
const maybe = (check) => (value) => value === undefined || value === null || check(value);
const oneOf = (...words) => (value) => words.includes(value);
const list = (check, max) => (value) =>
  Array.isArray(value) && value.length <= max && value.every(check);
const shape = (fields) => (value) => isObject(value) && holds(value, Object.entries(fields));
const textsById = (value) =>
  isObject(value) && Object.keys(value).length <= MEMBERS_MAX && Object.values(value).every(name);

const role = oneOf('follower', 'pre-candidate', 'candidate', 'leader');
const run = (value) => Array.isArray(value) && value.length === 2 && value.every(index);
const runs = list(run, RUNS_MAX);
const log = shape({
  start: index, applied: index, commit: index, durable: index,
  last_index: index, last_term: index,
});

const member = shape({
  id, name, url: maybe(text(TEXT_CHARS_MAX)),
  standing: oneOf('voter', 'learner', 'joining', 'leaving'),
  heard_ms: maybe(number), role: maybe(role), term: maybe(index), vote: maybe(id),
  leader: maybe(id),
  log: maybe(log), runs: maybe(runs),
  election: maybe(shape({ elapsed_ms: number, timeout_ms: number })),
  matched: maybe(index), revision: maybe(index), compact_revision: maybe(index),
  keys: maybe(number), pending: maybe(number),
  rates: maybe(shape({
    writes: number, reads: number, p50_us: maybe(number), p99_us: maybe(number),
  })),
  alarms: maybe(list(text(NAME_CHARS_MAX), MEMBERS_MAX)),
});

const KINDS = {
  hello: { name, cluster_id: maybe(text(NAME_CHARS_MAX)), version: maybe(name),
    auth: maybe(flag), user: maybe(name) },
  state: { members: list(member, MEMBERS_MAX), leader: maybe(id), term: index,
    joint: maybe(flag) },
  role: { role, term: index },
  leader: { leader: maybe(id), term: index },
  vote: { candidate: id, term: index, pre: maybe(flag), granted: flag },
  appended: { first: index, last: index, term: index },
  truncated: { from: index },
  acknowledged: { index: index, leader: maybe(id) },
  durable: { index: index },
  committed: { index: index },
  applied: { index: index, revision: maybe(index) },
  configured: { index: index, joint: maybe(flag) },
  snapshot_wanted: { for: id },
  snapshot_installed: { index: index, term: index },
  log_cut: { index: index, term: maybe(index) },
  transferring: { to: id },
  link: { peer: id, up: flag },
  diverged: { index: maybe(index), over: maybe(flag) },
  started: { term: maybe(index), vote: maybe(id), log: maybe(log), runs: maybe(runs),
    revision: maybe(index), name: maybe(name) },
  ended: { power_cut: maybe(flag) },
  undelivered: { from: id, what: text(ID_CHARS_MAX) },
  message: { to: id, what: text(ID_CHARS_MAX), term: maybe(index), granted: maybe(flag),
    first: maybe(index), last: maybe(index), last_term: maybe(index), commit: maybe(index),
    matched: maybe(index), rejected: maybe(index), bytes: maybe(number),
    bytes_total: maybe(number), flight_us: maybe(number), dropped: maybe(flag) },
  key: { op: oneOf('put', 'delete', 'expire'), key: maybe(text(KEY_CHARS_MAX)),
    key_base64: maybe(text(KEY_CHARS_MAX)), key_bytes: maybe(number), revision: index,
    bytes: maybe(number), version: maybe(number), expires_us: maybe(number), lease: maybe(name) },
  trace: { title: maybe(text(TEXT_CHARS_MAX)), text: maybe(text(TEXT_CHARS_MAX)),
    names: maybe(textsById) },
  caption: { title: maybe(text(TEXT_CHARS_MAX)), text: maybe(text(TEXT_CHARS_MAX)) },
  fault: { fault: text(ID_CHARS_MAX), members: maybe(list(id, MEMBERS_MAX)),
    name: maybe(name), over: maybe(flag) },
  client: { op: text(NAME_CHARS_MAX), key: maybe(text(KEY_CHARS_MAX)), outcome: maybe(name) },
};

// These happen at no member, or it does not matter at which.
const ANYWHERE = new Set(['hello', 'state', 'trace', 'caption', 'fault', 'client']);

const FIELDS = new Map(Object.entries(KINDS).map(([kind, fields]) => [kind, Object.entries({
  t_us: number, member: ANYWHERE.has(kind) ? maybe(id) : id, count: maybe(number), ...fields })]));

/** The kinds that are never folded: what a timeline shows unless it is asked for more. */
export const RARE = new Set(['role', 'leader', 'vote', 'truncated', 'configured',
  'snapshot_wanted', 'snapshot_installed', 'log_cut', 'transferring', 'link', 'diverged',
  'started', 'ended', 'fault']);

/** Kinds that tell of the stream or of the story, not of a member. */
export const TOLD = new Set(['hello', 'state', 'trace', 'caption']);

/** `'good'`, `'bad'`, or `'unknown'`: a kind that this page does not know. */
export function checkEvent(event) {
  if (!isObject(event) || typeof event.kind !== 'string') return 'bad';
  const fields = FIELDS.get(event.kind);
  if (!fields) return 'unknown';
  return holds(event, fields) ? 'good' : 'bad';
}

/** One message of the socket: `{ events, lost }`, or `{ problem: 'schema' | 'malformed' }`. */
export function readEnvelope(body) {
  let envelope;
  try {
    envelope = JSON.parse(body);
  } catch {
    return { problem: 'malformed' };
  }
  if (!isObject(envelope)) return { problem: 'malformed' };
  if (envelope.schema !== SCHEMA) return { problem: 'schema' };
  if (!Array.isArray(envelope.events)) return { problem: 'malformed' };
  const events = envelope.events.filter((event) => checkEvent(event) === 'good');
  return { events, lost: number(envelope.lost) ? envelope.lost : 0 };
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function holds(value, fields) {
  for (const [field, check] of fields) {
    if (!check(value[field])) return false;
  }
  return true;
}
