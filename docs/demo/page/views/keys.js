// The key browser: a page of keys as they are, or as they were.

import { readField } from '../core/bytes.js';
import { keyOf, number } from '../core/words.js';
import { byId, setText } from './dom.js';
import { KeyDetail } from './key-detail.js';
import { KeyRow } from './key-row.js';
import { Past } from './past.js';

const PAGE_KEYS = 20;
const SEARCH_DELAY_MS = 200;
// While keys change all the time the page is fetched this often, or less if that takes long.
const REFRESH_MS = 300;
const REFRESH_PER_FETCH = 8;
const CHANGED_KEYS_MAX = 512;

export class Keys {
  #kv;
  #rows = new Map();
  #cursor = null;
  #next = null;
  #changed = new Set();
  #fetched_ms = 0;
  #cost_ms = 0;
  #fetching = 0;
  #base = null;
  #body = byId('keys-rows');
  #prefix = byId('keys-prefix');

  /** `onLogin()` is called when the member wants to know who asks. */
  constructor(kv, { onLogin }) {
    this.#kv = kv;
    this.onLogin = onLogin;
    this.detail = new KeyDetail(byId('key-detail'), kv, () => this.refresh());
    this.past = new Past(kv, () => this.#open(null));
    this.#prefix.addEventListener('input', () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#open(null), SEARCH_DELAY_MS);
    });
    byId('keys-search').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#open(null);
    });
    byId('keys-add').addEventListener('click', () => this.detail.add(this.#prefix.value));
    byId('keys-first').addEventListener('click', () => this.#open(null));
    byId('keys-next').addEventListener('click', () => this.#open(this.#next));
  }

  /** Another member is asked from now on, or none. */
  set base(base) {
    if (base === this.#base) return;
    this.#base = base;
    if (base) {
      this.past.learn();
      this.refresh();
    }
  }

  /** A key changed: what is seen of it is fetched again. */
  note(event) {
    if (this.past.at_us !== null) return;
    const key = keyOf(event);
    this.detail.note(key);
    // One event may stand for others, of whatever keys.
    const listed = event.count > 1 || this.#rows.has(key) || key.startsWith(this.#prefix.value);
    if (listed && this.#changed.size < CHANGED_KEYS_MAX) this.#changed.add(key);
  }

  /** Called often: counts down, and fetches what changed. */
  tick(now_ms) {
    for (const row of this.#rows.values()) row.tick(now_ms);
    this.detail.tick(now_ms);
    const pause_ms = Math.max(REFRESH_MS, this.#cost_ms * REFRESH_PER_FETCH);
    if (this.#changed.size === 0 || this.#fetching > 0) return;
    if (now_ms - this.#fetched_ms < pause_ms || document.hidden) return;
    this.#changed.clear();
    this.refresh();
  }

  /** Fetches the page that is seen once more. */
  refresh() { return this.#open(this.#cursor, true); }

  async #open(cursor, again = false) {
    const turn = this.turn = (this.turn ?? 0) + 1;
    this.#fetching += 1;
    const began_ms = performance.now();
    try {
      const page = await this.#kv.list({ prefix: this.#prefix.value, after: cursor ?? undefined,
        limit: PAGE_KEYS, at_us: this.past.at_us });
      if (turn === this.turn) this.#show(page, cursor, again);
    } catch (refusal) {
      if (turn === this.turn) this.#refused(refusal, cursor);
    } finally {
      this.#fetching -= 1;
      this.#fetched_ms = performance.now();
      this.#cost_ms = this.#fetched_ms - began_ms;
    }
  }

  #show(page, cursor, again) {
    this.#cursor = cursor;
    this.#next = page.next ?? null;
    const before = this.#rows;
    this.#rows = new Map();
    const past = this.past.at_us !== null;
    for (const item of page.items) {
      const key = readField(item, 'key');
      const id = key.is_text ? key.text : `base64:${item.key_base64}`;
      const row = before.get(id) ?? new KeyRow(key, (chosen) => this.#choose(chosen));
      row.show(item, again && !past, past);
      this.#rows.set(id, row);
    }
    this.#place([...this.#rows.values()].map((row) => row.element));
    byId('keys-first').disabled = cursor === null;
    byId('keys-next').disabled = this.#next === null;
    byId('keys-empty').hidden = page.items.length > 0;
    setText(byId('keys-empty'), this.#prefix.value
      ? 'No key begins like that.' : 'There is no key yet. Add one, or put one from a shell.');
    setText(byId('keys-note'), past ? `as of revision ${number(page.revision)}`
      : `revision ${number(page.revision)}`);
    byId('keys-panel').classList.toggle('past-shown', past);
    byId('keys-add').disabled = past;
    this.#mark();
  }

  /** Puts rows in order without moving those that stand right: the focus stays where it is. */
  #place(elements) {
    elements.forEach((element, i) => {
      if (this.#body.children[i] !== element) {
        this.#body.insertBefore(element, this.#body.children[i] ?? null);
      }
    });
    while (this.#body.children.length > elements.length) this.#body.lastChild.remove();
  }

  #choose(row) {
    this.detail.open(row.key, row.item, this.past.at_us);
    this.#mark();
    if (matchMedia('(max-width: 800px)').matches) {
      byId('key-detail').scrollIntoView({ block: 'nearest' });
    }
  }

  #mark() {
    for (const row of this.#rows.values()) {
      row.element.setAttribute('aria-current', row.key.text === this.detail.shown);
    }
  }

  #refused(refusal, cursor) {
    if (refusal.status === 401) this.onLogin();
    if (this.past.refused(refusal)) return;
    // A cursor may be too old; the first page is never.
    if (cursor !== null && (refusal.code === 'compacted' || refusal.code === 'bad_cursor')) {
      this.#open(null);
      return;
    }
    setText(byId('keys-note'), refusal.message);
  }
}
