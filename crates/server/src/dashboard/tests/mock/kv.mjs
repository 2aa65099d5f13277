// The keys of the cluster that is played: as much of docs/http.md as the page asks for.

const VERSIONS_MAX = 60;

export class Keys {
  #versions = new Map();
  constructor() { this.revision = 1; }

  put(key, value, { ttl, now = Date.now() } = {}) {
    this.revision += 1;
    const before = this.live(key, now);
    return this.#write(key, { revision: this.revision, at: now, value,
      version: (before?.version ?? 0) + 1,
      create_revision: before?.create_revision ?? this.revision,
      expires: ttl ? now + ttl * 1000 : null });
  }

  delete(key, now = Date.now()) {
    if (!this.live(key, now)) return null;
    this.revision += 1;
    return this.#write(key, { revision: this.revision, at: now, deleted: true });
  }

  /** Keys whose time is over; they are deleted. */
  expire(now = Date.now()) {
    const over = [...this.#versions.keys()].filter((key) => {
      const newest = this.#versions.get(key).at(-1);
      return !newest.deleted && newest.expires !== null && newest.expires <= now;
    });
    return over.map((key) => {
      this.revision += 1;
      this.#write(key, { revision: this.revision, at: now, deleted: true });
      return key;
    });
  }

  get size() { return [...this.#versions.keys()].filter((key) => this.live(key)).length; }

  live(key, at = Date.now()) {
    const found = this.#versions.get(key)?.findLast((one) => one.at <= at);
    return found && !found.deleted ? found : null;
  }

  list({ prefix = '', after = '', limit = 100, at = Date.now() }) {
    const keys = [...this.#versions.keys()].sort()
      .filter((key) => key.startsWith(prefix) && key > after && this.live(key, at));
    const items = keys.slice(0, limit).map((key) => this.shown(key, at));
    return { items, ...(keys.length > limit ? { next: items.at(-1).key } : {}),
      revision: this.revision };
  }

  shown(key, at = Date.now()) {
    const one = this.live(key, at);
    return one && { key, ...valueOf(one), version: one.version,
      create_revision: one.create_revision, mod_revision: one.revision,
      ...(one.expires ? { ttl_ms: Math.max(0, one.expires - Date.now()) } : {}) };
  }

  history(key) {
    const versions = (this.#versions.get(key) ?? []).toReversed().map((one) => ({
      revision: one.revision, time: new Date(one.at).toISOString(), timestamp: one.at * 1000,
      ...(one.deleted ? { deleted: true }
        : { ...valueOf(one), version: one.version, create_revision: one.create_revision }) }));
    return { key, versions, revision: this.revision, oldest: 1 };
  }

  #write(key, version) {
    const versions = this.#versions.get(key) ?? [];
    versions.push(version);
    if (versions.length > VERSIONS_MAX) versions.shift();
    this.#versions.set(key, versions);
    return version;
  }
}

function valueOf(one) {
  return Buffer.isBuffer(one.value)
    ? { value_base64: one.value.toString('base64') } : { value: one.value };
}
