// An election is over before anybody has seen it: this offers to look again.

// An election may have begun so long before the crown.
const BEFORE_US = 1_500_000;
const OFFER_US = 45_000_000;
// A replay begins so much of the watcher's time before the first candidate.
const LEAD_IN_US = 2_000_000;
// What is over sooner than this, in the cluster's time, is shown at a hundredth.
const SHORT_US = 300_000;

/** The newest election in a history up to `t_us`, as a leader's event; or null. */
export function newestElection(history, t_us) {
  const event = history.rare.findLast((one) => one.kind === 'leader'
    && one.leader === one.member && one.t_us <= t_us);
  return event && event.t_us >= history.first_us && t_us - event.t_us < OFFER_US ? event : null;
}

/** Where its replay begins, and how fast: `{ t_us, speed }`. */
export function replayOf(history, event) {
  const begin_us = beginOf(history, event);
  const speed = event.t_us - begin_us < SHORT_US ? 0.01 : 0.1;
  return { t_us: Math.max(history.first_us, begin_us - LEAD_IN_US * speed), speed };
}

/** When its first candidate stopped waiting; at most a moment before the crown. */
function beginOf(history, event) {
  const from_us = event.t_us - BEFORE_US;
  const first = history.rare.find((one) => one.kind === 'role' && one.role !== 'follower'
    && one.t_us >= from_us && one.t_us <= event.t_us);
  return first ? first.t_us : from_us;
}
