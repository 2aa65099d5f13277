// The stream of events of one member; of another one when that is lost.

import { readEnvelope } from '../core/schema.js';
import { userToken } from './session.js';
import { Standby } from './standby.js';
import { Stream } from './stream.js';

const BACKOFF_MS = [150, 300, 600, 1200, 2400, 5000];
const ASK_TIMEOUT_MS = 3000;
const BASES_MAX = 64;

/** Calls `onEvents(events, lost)`, `onBegin()` before those of another teller, `onState(state)`. */
export class Live {
  #bases = [];
  #at = 0;
  #failures = 0;
  #sought = 0;
  #stream = null;
  #timer = null;
  #stopped = false;
  #begun = false;
  #lost_name = null;
  #standby = new Standby();

  constructor({ onEvents, onBegin, onState }) {
    Object.assign(this, { onEvents, onBegin, onState });
    this.state = 'closed';
    this.name = '';
  }

  /** The member that is listened to, `{ url, name }`. */
  get base() { return this.#bases[this.#at] ?? null; }

  /** The members that may be asked, `{ url, name }`, best first. */
  setMembers(members) {
    const current = this.base;
    this.#bases = unique([...(current ? [current] : []), ...members]).slice(0, BASES_MAX);
    this.#at = 0;
    if (this.#stream === null && this.#timer === null && !this.#stopped) this.#open();
  }

  /** Adds members that were not known yet. */
  learnMembers(members) {
    for (const one of members) {
      const known = this.#bases.find((base) => base.url === one.url);
      if (known) known.name = one.name;
    }
    this.#bases = unique([...this.#bases, ...members]).slice(0, BASES_MAX);
  }

  /** Another one is listened to as well, at this URL; or with `null` no other one. */
  hearAlso(url) {
    const base = url === null ? null : this.#bases.find((one) => one.url === originOf(url));
    this.#standby.listen(this.state === 'open' ? base ?? null : null);
  }

  /**
   * The member that is listened to hears only so many, no majority: it may be cut off from all that
   * happens. The others are tried one by one, and who hears more is listened to instead.
   */
  seekCompany(heard) {
    if (this.state !== 'open') return;
    if (!this.#standby.base) {
      this.#sought += 1;
      const other = this.#bases[this.#sought % this.#bases.length];
      if (other !== this.base) this.#standby.listen(other);
    } else if (this.#standby.heard > heard) {
      this.#lost_name = this.base.name;
      this.#close();
      this.#takeOver();
    } else if (this.#standby.ready) {
      this.#standby.end();
    }
  }

  /** Begins again at once: somebody has logged in. */
  retry() {
    this.#stopped = false;
    this.#failures = 0;
    this.#close();
    this.#open();
  }

  #open() {
    this.#timer = null;
    const { base } = this;
    if (!base) return;
    this.#report('connecting', { lost: this.#lost_name });
    this.#stream = new Stream(base.url, {});
    this.#use(this.#stream);
  }

  #use(stream) {
    this.#begun = false;
    stream.onText = (text) => this.#take(text);
    stream.onEnd = () => this.#fail(stream);
  }

  #take(text) {
    const { events, lost, problem } = readEnvelope(text);
    if (problem === 'schema') this.#stop('schema');
    if (problem) return;
    if (!this.#begun) this.#begin(events);
    this.onEvents(events, lost);
  }

  #begin(events) {
    this.#begun = true;
    this.#failures = 0;
    const hello = events.find((event) => event.kind === 'hello');
    if (hello) this.base.name = hello.name;
    this.onBegin();
    this.#report('open', { lost: this.#lost_name === this.base.name ? null : this.#lost_name });
    this.#lost_name = null;
  }

  async #fail(stream) {
    const { base } = this;
    if (stream !== this.#stream) return;
    if (this.#begun) this.#lost_name = base.name;
    this.#close();
    if (this.#standby.ready) {
      this.#takeOver();
      return;
    }
    if (!stream.heard && await needsUser(base)) {
      this.#stop('login');
      return;
    }
    if (!this.#stopped && this.#stream === null && this.#timer === null) this.#tryNext();
  }

  #tryNext() {
    this.#at = (this.#at + 1) % this.#bases.length;
    // All were asked before any is asked twice without a pause.
    const round = Math.floor(this.#failures / this.#bases.length);
    const wait_ms = BACKOFF_MS[Math.min(round, BACKOFF_MS.length - 1)];
    this.#failures += 1;
    this.#report(round > 0 ? 'waiting' : 'connecting', { wait_ms, lost: this.#lost_name });
    this.#timer = setTimeout(() => this.#open(), wait_ms);
  }

  #takeOver() {
    const { stream, texts, base } = this.#standby.takeOver();
    this.#at = this.#bases.findIndex(({ url }) => url === base.url);
    this.#stream = stream;
    this.#use(stream);
    for (const text of texts) this.#take(text);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#stream?.close();
    this.#stream = null;
  }

  #stop(state) {
    this.#close();
    this.#standby.end();
    this.#stopped = true;
    this.#report(state);
  }

  #report(state, more = {}) {
    this.state = state;
    this.name = this.base?.name ?? this.base?.url ?? '';
    this.onState({ state, name: this.name, ...more });
  }
}

/** Whether the member refuses those who do not say who they are. */
async function needsUser(base) {
  try {
    const token = userToken();
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(new URL('auth', base.url),
      { headers, signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    return answer.status === 401;
  } catch {
    return false;
  }
}

const originOf = (url) => new URL('/', url).href;

function unique(members) {
  const seen = new Set();
  return members.map(({ url, name }) => ({ url: originOf(url), name }))
    .filter(({ url }) => !seen.has(url) && seen.add(url));
}
