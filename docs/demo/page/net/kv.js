// The HTTP API of the member that is listened to: docs/http.md.

import { readField } from '../core/bytes.js';
import { userToken } from './session.js';

const TIMEOUT_MS = 8000;

/** A refusal, or no answer: `code` as the API has it, `data` the whole body. */
export class Refusal extends Error {
  constructor(status, code, message, data = {}) {
    super(message);
    Object.assign(this, { status, code, data });
  }
}

export class Kv {
  #base;

  /** `base()` answers the URL of the member to ask. */
  constructor(base) { this.#base = base; }

  /** A page of keys, with their values. */
  list({ prefix, after, limit, at_us }) {
    return this.#ask('GET', 'kv', { prefix: prefix || undefined, after, limit,
      at: at_us === null ? undefined : at_us });
  }

  /**
   * One key as a listing has it; null if it is not there. Of all keys that begin with it, it is the
   * first: asked for so, a key that is gone is no error that a browser would report.
   */
  async get(key) {
    const { items } = await this.#ask('GET', `kv?prefix=${escaped(key.bytes)}`, { limit: 1 });
    const [item] = items;
    if (item === undefined) return null;
    return escaped(readField(item, 'key').bytes) === escaped(key.bytes) ? item : null;
  }

  history(key, before) {
    return this.#ask('GET', `history/${pathOf(key)}`, { limit: 50, before });
  }

  /** `seen` is the revision that the writer has seen; null if the key must not be there yet. */
  put(key, body, seen) {
    return this.#ask('PUT', `kv/${pathOf(key)}`, {}, {
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', ...condition(seen) },
    });
  }

  delete(key, seen) {
    return this.#ask('DELETE', `kv/${pathOf(key)}`, {}, { headers: condition(seen) });
  }

  login(user, password) {
    return this.#ask('POST', 'auth/login', {}, { body: JSON.stringify({ user, password }),
      headers: { 'Content-Type': 'application/json' } });
  }

  /** What the member says of itself; `history` is how far back the past can be read. */
  status() { return this.#ask('GET', 'cluster/status', {}); }

  async #ask(method, path, parameters, { headers = {}, body } = {}) {
    const base = this.#base();
    if (!base) throw new Refusal(0, 'unreachable', 'No member is reached.');
    const url = new URL(path, base);
    // Bytes that are escaped in the path stay as they are: `searchParams` would write them anew.
    const given = Object.entries(parameters).filter(([, value]) => (value ?? null) !== null);
    const query = new URLSearchParams(given).toString();
    if (query) url.search = url.search ? `${url.search}&${query}` : query;
    const token = userToken();
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = await this.#fetch(url, { method, headers, body });
    const data = await answer.json().catch(() => ({}));
    if (answer.ok) return data;
    throw new Refusal(answer.status, data.error ?? 'unknown',
      data.message ?? `The member answers ${answer.status}.`, data);
  }

  async #fetch(url, request) {
    try {
      return await fetch(url, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch {
      throw new Refusal(0, 'unreachable', `${url.host} does not answer.`);
    }
  }
}

function condition(seen) {
  return seen === null ? { 'If-None-Match': '*' } : { 'If-Match': `"${seen}"` };
}

const pathOf = (key) => escaped(key.bytes);

/** Bytes in a URL: all but a few are escaped, whatever they are. */
function escaped(bytes) {
  return Array.from(bytes, (byte) => (isPlain(byte) ? String.fromCharCode(byte)
    : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)).join('');
}

// Dots are escaped too: `.` and `..` would be taken for steps of the path.
function isPlain(byte) {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a)
    || (byte >= 0x61 && byte <= 0x7a) || byte === 0x2d || byte === 0x5f || byte === 0x2f;
}
