// The last minute in curves: writes and reads a second, how long writes took, how far members lag.

/** How much of the past a curve shows, in µs. */
export const SERIES_US = 60_000_000;

/**
 * Curves up to `t_us` from `state` events: `{ writes, reads, p50_us, p99_us, lag }`, each a list of
 * `[seconds before t_us, value]`; `lag` is such a list for each member's id.
 */
export function seriesAt(states, t_us) {
  const series = { writes: [], reads: [], p50_us: [], p99_us: [], lag: new Map() };
  for (const state of states) {
    const ago_us = t_us - state.t_us;
    if (ago_us < 0) break;
    if (ago_us <= SERIES_US) addState(series, state, -ago_us / 1e6);
  }
  return series;
}

function addState(series, state, at) {
  let writes = 0;
  let reads = 0;
  let p50 = null;
  let p99 = null;
  for (const { rates } of state.members) {
    if (!rates) continue;
    writes += rates.writes;
    reads += rates.reads;
    p50 = largest(p50, rates.p50_us);
    p99 = largest(p99, rates.p99_us);
  }
  series.writes.push([at, writes]);
  series.reads.push([at, reads]);
  if (p50 !== null) series.p50_us.push([at, p50]);
  if (p99 !== null) series.p99_us.push([at, p99]);
  addLag(series.lag, state, at);
}

function addLag(lag, state, at) {
  const commit = Math.max(0, ...state.members.map((one) => one.log?.commit ?? 0));
  for (const one of state.members) {
    if (!one.log) continue;
    let curve = lag.get(one.id);
    if (!curve) lag.set(one.id, curve = []);
    curve.push([at, Math.max(0, commit - one.log.applied)]);
  }
}

function largest(known, value) {
  if (value === null || value === undefined) return known;
  return known === null ? value : Math.max(known, value);
}
