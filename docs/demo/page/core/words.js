// What an event says, in a line.

/** The name of a member, or its id if it has none. */
export function nameOf(model, id) {
  if (id === null || id === undefined) return 'nobody';
  return model.members.get(id)?.name ?? id;
}

const span = (first, last) => (first === last ? `${first}` : `${first}–${last}`);
const times = (event) => (event.count > 1 ? ` (${number(event.count)}×)` : '');

const MESSAGES = {
  heartbeat: () => 'heartbeat',
  append: (e) => (e.first === undefined ? 'append' : `append ${span(e.first, e.last)}`),
  append_answer: (e) => (e.rejected === undefined || e.rejected === null
    ? `on disk up to ${e.matched ?? '?'}` : `does not match at ${e.rejected}`),
  pre_vote: (e) => `would you vote for me in term ${e.term}?`,
  pre_vote_answer: (e) => (e.granted ? 'I would' : 'I would not'),
  vote: (e) => `vote for me in term ${e.term}`,
  vote_answer: (e) => (e.granted ? 'you have my vote' : 'not my vote'),
  timeout_now: () => 'campaign now',
  read_index: () => 'how far is it committed?',
  read_index_answer: () => 'committed so far',
  forward: () => 'a request for the leader',
  forward_answer: () => 'its answer',
  snapshot: (e) => `snapshot, ${bytes(e.bytes ?? 0)}`
    + (e.bytes_total ? ` of ${bytes(e.bytes_total)}` : ''),
  snapshot_answer: () => 'has it',
};

const KINDS = {
  role: (e) => `is ${e.role} in term ${e.term}`,
  leader: (e, name) => {
    if (e.leader === null || e.leader === undefined) return 'knows no leader';
    if (e.leader === e.member) return `was elected leader of term ${e.term}`;
    return `follows ${name(e.leader)} in term ${e.term}`;
  },
  vote: (e, name) => {
    const whom = e.candidate === e.member ? 'itself' : name(e.candidate);
    if (e.pre) return `${e.granted ? 'would vote' : 'would not vote'} for ${whom}`;
    return `${e.granted ? 'votes' : 'does not vote'} for ${whom} in term ${e.term}`;
  },
  appended: (e) => `appended ${span(e.first, e.last)} of term ${e.term}`,
  truncated: (e) => `dropped its entries from ${e.from} on: they conflicted`,
  acknowledged: (e) => `has ${e.index} on its disk`,
  durable: (e) => `has ${e.index} on its disk`,
  undelivered: (e, name) => `does not get a message from ${name(e.from)}`,
  committed: (e) => `knows ${e.index} committed`,
  applied: (e) => `applied ${e.index}`,
  configured: (e) => (e.joint ? 'uses two majorities: members change' : 'uses new members'),
  snapshot_wanted: (e, name) => `has no longer what ${name(e.for)} needs: a snapshot`,
  snapshot_installed: (e) => `installed a snapshot up to ${e.index}`,
  log_cut: (e) => `cut its log up to ${e.index}`,
  transferring: (e, name) => `hands leadership to ${name(e.to)}`,
  link: (e, name) => `${e.up ? 'hears' : 'no longer hears'} ${name(e.peer)}`,
  diverged: (e) => (e.over ? 'is in order again' : `differs from the majority at ${e.index}`),
  started: () => 'started',
  ended: () => 'ended',
  message: (e, name) => `→ ${name(e.to)}: ${MESSAGES[e.what]?.(e) ?? e.what}`
    + (e.dropped ? ' (lost)' : ''),
  key: (e) => `${e.op} ${keyOf(e)}`,
  fault: (e, name) => `${e.over ? 'over: ' : ''}${e.fault} `
    + (e.members ?? []).map(name).join(', '),
  client: (e) => `a client: ${e.op}${e.key ? ` ${e.key}` : ''}`
    + (e.outcome ? `: ${e.outcome}` : ' …'),
  caption: (e) => e.title ?? e.text ?? '',
};

/** One line of what happened, without the name of whom it happened to. */
export function describe(event, model) {
  const say = KINDS[event.kind];
  return say ? say(event, (id) => nameOf(model, id)) + times(event) : event.kind;
}

/** The key that an event tells of, as text for people. */
export function keyOf(event) {
  return event.key ?? `base64:${event.key_base64 ?? ''}`;
}

// Made once: it is asked for many times a frame.
const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `12,345`. */
export function number(value) {
  return GROUPED.format(value);
}

/** A number that fits into little room: `950`, `12.3k`, `4.1M`. */
export function short(value) {
  if (value < 1000) return `${Math.round(value)}`;
  if (value < 1e6) return `${trim(value / 1e3)}k`;
  return `${trim(value / 1e6)}M`;
}

/** A span of time: `85 µs`, `1.2 ms`, `3.4 s`. */
export function duration(us) {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${trim(us / 1e3)} ms`;
  return `${trim(us / 1e6)} s`;
}

/** A time to live: `850 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function lifetime(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60) return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${number(Math.floor(s / 86_400))} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** `512 B`, `1.5 KiB`, `2 MiB`. */
export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${trim(count / 1024)} KiB`;
  return `${trim(count / 1024 / 1024)} MiB`;
}

function trim(value) {
  return value < 100 ? value.toFixed(1).replace(/\.0$/, '') : Math.round(value).toString();
}
