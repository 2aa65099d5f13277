// One WebSocket to one member: it opens in time and is not silent for long, or it ends.

import { asSubprotocol, userToken } from './session.js';

const PROTOCOL = 'raftkv.events.1';
const OPEN_TIMEOUT_MS = 4000;
// A member that says nothing for so long is as good as gone: `state` comes four times a second.
const SILENCE_MS = 3000;

export class Stream {
  #socket = null;
  #timer = null;

  /** Calls `onText(text)` for each message, and `onEnd()` once. */
  constructor(url, { onText, onEnd }) {
    Object.assign(this, { onText, onEnd });
    /** Whether it has told anything. */
    this.heard = false;
    const token = userToken();
    const protocols = token ? [PROTOCOL, asSubprotocol(token)] : [PROTOCOL];
    try {
      this.#socket = new WebSocket(new URL('ws', url).href.replace(/^http/, 'ws'), protocols);
    } catch {
      setTimeout(() => this.#end(), 0);
      return;
    }
    this.#watch(OPEN_TIMEOUT_MS);
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onclose = () => this.#end();
  }

  /** Ends it, and says nothing more. */
  close() {
    this.onEnd = () => {};
    this.#end();
  }

  #take(data) {
    if (this.#socket === null) return;
    this.heard = true;
    this.#watch(SILENCE_MS);
    this.onText(data);
  }

  #watch(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), ms);
  }

  #end() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    const { onEnd } = this;
    this.#socket = null;
    this.onEnd = () => {};
    socket?.close();
    onEnd();
  }
}
