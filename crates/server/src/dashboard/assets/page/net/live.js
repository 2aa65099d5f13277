// The stream of events of one member; of another one when that is lost.

import { readEnvelope } from '../core/schema.js';
import { asSubprotocol, userToken } from './session.js';

const PROTOCOL = 'raftkv.events.1';
const BACKOFF_MS = [150, 300, 600, 1200, 2400, 5000];
const OPEN_TIMEOUT_MS = 4000;
// A member that says nothing for so long is as good as gone: `state` comes four times a second.
const SILENCE_MS = 3000;
const ASK_TIMEOUT_MS = 3000;
const BASES_MAX = 64;

/** Calls `onEvents(events, lost)`, `onBegin()` before those of another teller, `onState(state)`. */
export class Live {
  #bases = [];
  #at = 0;
  #failures = 0;
  #socket = null;
  #timer = null;
  #stopped = false;
  #heard = false;
  #lost_name = null;

  constructor({ onEvents, onBegin, onState }) {
    Object.assign(this, { onEvents, onBegin, onState });
    this.state = 'closed';
    this.name = '';
  }

  /** Where the API of the member is that is listened to. */
  get base() { return this.#bases[this.#at] ?? null; }

  /** The members that may be asked, `{ url, name }`, best first. */
  setMembers(members) {
    const current = this.base;
    this.#bases = unique([...(current ? [current] : []), ...members]).slice(0, BASES_MAX);
    this.#at = 0;
    if (this.#socket === null && this.#timer === null && !this.#stopped) this.#open();
  }

  /** Adds members that were not known yet. */
  learnMembers(members) {
    for (const one of members) {
      const known = this.#bases.find((base) => base.url === one.url);
      if (known) known.name = one.name;
    }
    this.#bases = unique([...this.#bases, ...members]).slice(0, BASES_MAX);
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
    const base = this.base;
    if (!base) return;
    const token = userToken();
    const protocols = token ? [PROTOCOL, asSubprotocol(token)] : [PROTOCOL];
    this.#heard = false;
    this.#report('connecting');
    let socket;
    try {
      socket = new WebSocket(new URL('ws', base.url).href.replace(/^http/, 'ws'), protocols);
    } catch {
      this.#fail();
      return;
    }
    this.#socket = socket;
    this.#watch(OPEN_TIMEOUT_MS);
    socket.onmessage = (message) => this.#take(socket, message.data);
    socket.onclose = () => { if (socket === this.#socket) this.#fail(); };
  }

  #take(socket, data) {
    if (socket !== this.#socket) return;
    const { events, lost, problem } = readEnvelope(data);
    if (problem === 'schema') {
      this.#stop('schema');
      return;
    }
    if (problem) return;
    if (!this.#heard) this.#begin(events);
    this.#watch(SILENCE_MS);
    this.onEvents(events, lost);
  }

  #begin(events) {
    this.#heard = true;
    this.#failures = 0;
    const hello = events.find((event) => event.kind === 'hello');
    if (hello) this.base.name = hello.name;
    this.onBegin();
    this.#report('open', { lost: this.#lost_name === this.base.name ? null : this.#lost_name });
    this.#lost_name = null;
  }

  #watch(ms) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.#fail(), ms);
  }

  async #fail() {
    const { base } = this;
    if (this.#heard) this.#lost_name = base.name;
    const heard = this.#heard;
    this.#close();
    if (!heard && await needsUser(base)) {
      this.#stop('login');
      return;
    }
    if (this.#stopped || this.#socket !== null || this.#timer !== null) return;
    this.#at = (this.#at + 1) % this.#bases.length;
    // All were asked before any is asked twice without a pause.
    const round = Math.floor(this.#failures / this.#bases.length);
    const wait_ms = BACKOFF_MS[Math.min(round, BACKOFF_MS.length - 1)];
    this.#failures += 1;
    this.#report(round > 0 ? 'waiting' : 'connecting', { wait_ms, lost: this.#lost_name });
    this.#timer = setTimeout(() => this.#open(), wait_ms);
  }

  #close() {
    clearTimeout(this.silence);
    clearTimeout(this.#timer);
    this.#timer = null;
    const socket = this.#socket;
    this.#socket = null;
    this.#heard = false;
    socket?.close();
  }

  #stop(state) {
    this.#close();
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

function unique(members) {
  const seen = new Set();
  return members.map(({ url, name }) => ({ url: new URL('/', url).href, name }))
    .filter(({ url }) => !seen.has(url) && seen.add(url));
}
