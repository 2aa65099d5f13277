// The parent of `raftkv dev`: what it says of its members, and what it can do to them.

import { devToken } from './session.js';

const POLL_MS = 1000;
const TIMEOUT_MS = 10_000;

export class Dev {
  /** `onState(state)` is called with each answer. */
  constructor(onState) {
    this.onState = onState;
    this.state = null;
  }

  /** Whether this page is served by a dev parent; then it goes on asking. */
  async begin() {
    const state = await this.#read();
    if (!state) return false;
    this.#take(state);
    setInterval(() => this.#poll(), POLL_MS);
    return true;
  }

  /** Does something; answers a sentence if it was refused, else null. */
  async act(deed) {
    try {
      const answer = await fetch('dev/do', { method: 'POST', body: JSON.stringify(deed),
        headers: { 'Content-Type': 'application/json', 'Raftkv-Dev-Token': devToken() ?? '' },
        signal: AbortSignal.timeout(TIMEOUT_MS) });
      const body = await answer.json();
      if (!answer.ok) return body.message ?? `The dev parent answers ${answer.status}.`;
      if (isState(body)) this.#take(body);
      return null;
    } catch {
      return 'The dev parent does not answer.';
    }
  }

  async #poll() {
    if (document.hidden) return;
    const state = await this.#read();
    if (state) this.#take(state);
  }

  async #read() {
    try {
      const answer = await fetch('dev/state', { signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: devToken() ? { 'Raftkv-Dev-Token': devToken() } : {} });
      const state = answer.ok ? await answer.json() : null;
      return isState(state) ? state : null;
    } catch {
      return null;
    }
  }

  #take(state) {
    this.state = state;
    this.onState(state);
  }
}

function isState(state) {
  return Array.isArray(state?.members) && state.members.every((one) =>
    typeof one.name === 'string' && typeof one.url === 'string');
}
