// A log of which only the terms are kept: `[[first index, term], …]` and where it ends.

export class Log {
  constructor() {
    this.runs = [];
    Object.assign(this, { start: 0, applied: 0, commit: 0, durable: 0, last: 0 });
  }

  get lastTerm() { return this.runs.at(-1)?.[1] ?? 0; }

  termAt(index) {
    if (index > this.last) return null;
    return this.runs.findLast(([first]) => first <= index)?.[1] ?? 0;
  }

  append(count, term) {
    const first = this.last + 1;
    if (this.lastTerm !== term || this.runs.length === 0) this.runs.push([first, term]);
    if (this.runs.length > 32) this.runs.shift();
    this.last += count;
    return first;
  }

  truncate(from) {
    this.runs = this.runs.filter(([first]) => first < from);
    this.last = from - 1;
    this.durable = Math.min(this.durable, this.last);
  }

  /** Where this log and `other` stop being the same. */
  conflictWith(other) {
    const end = Math.min(this.last, other.last);
    for (let index = this.commit + 1; index <= end; index += 1) {
      if (this.termAt(index) !== other.termAt(index)) return index;
    }
    return end + 1;
  }

  copyFrom(other) {
    this.runs = other.runs.map((run) => [...run]);
    this.last = other.last;
  }

  pointers() {
    const { start, applied, commit, durable, last } = this;
    return { start, applied, commit, durable, last_index: last, last_term: this.lastTerm };
  }
}
