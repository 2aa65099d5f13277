// The terms of a log, run by run: `[[first index, term], …]`, oldest first. The last run goes on
// to the end of the log. Values are never changed in place: keyframes share them.

const RUNS_MAX = 32;

/** The term of the entry at `index`, or `null` if the log is not known to hold it. */
export function termAt(runs, index, last_index) {
  if (index > last_index) return null;
  for (let i = runs.length - 1; i >= 0; i -= 1) {
    if (runs[i][0] <= index) return runs[i][1];
  }
  return null;
}

/** The runs after entries of `term` were appended from `first` on. */
export function appended(runs, first, term) {
  const newest = runs[runs.length - 1];
  if (newest && newest[1] === term && newest[0] <= first) return runs;
  return [...truncated(runs, first), [first, term]].slice(-RUNS_MAX);
}

/** The runs after everything from `from` on is gone. */
export function truncated(runs, from) {
  const newest = runs[runs.length - 1];
  if (!newest || newest[0] < from) return runs;
  return runs.filter(([first]) => first < from);
}

/** Calls `visit(first, last, term)` for what the runs have between two indexes, both included. */
export function eachRun(runs, last_index, from, to, visit) {
  for (let i = 0; i < runs.length; i += 1) {
    const first = Math.max(runs[i][0], from);
    const end = i + 1 < runs.length ? runs[i + 1][0] - 1 : last_index;
    const last = Math.min(end, to, last_index);
    if (first <= last) visit(first, last, runs[i][1]);
  }
}
