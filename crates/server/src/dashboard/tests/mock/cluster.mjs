// A cluster that is played, not run: it tells the events that a real one would tell of elections,
// partitions and writes. All that happens in one step happens at once; the times are made up.

import { Keys } from './kv.mjs';
import { Log } from './log.mjs';

const HEARTBEAT_MS = 100;
const ELECTION_MS = 900;
const STATE_MS = 250;
const HOP_US = 700;
const ENTRIES_KEPT = 400;

export class Cluster {
  #tell;
  #at_us = 0;
  #owed = 0;
  #load_key = 0;

  /** `tell` is given each event. */
  constructor({ count, rate = 5, names = (i) => `node-${i}`, url, tell }) {
    this.#tell = tell;
    this.rate = rate;
    this.cut = new Set();
    this.keys = new Keys();
    this.members = [];
    this.written = 0;
    this.url = url;
    this.names = names;
    for (let i = 0; i < count; i += 1) this.add();
    this.members.forEach((one) => { one.standing = 'voter'; });
  }

  add() {
    const i = this.members.length + 1;
    const member = { id: (0x3e + i).toString(16), name: this.names(i), url: this.url(i),
      standing: 'learner', role: 'follower', term: 0, vote: null, leader: null, log: new Log(),
      waited_ms: 0, timeout_ms: 0, running: true, paused: false, silent_ms: 0, writes: 0 };
    this.members.push(member);
    this.#rest(member);
    return member;
  }

  find(name) { return this.members.find((one) => one.name === name); }
  get leader() {
    return this.members.filter((one) => works(one) && one.role === 'leader')
      .sort((a, b) => b.term - a.term)[0] ?? null;
  }

  /** Everything that happens in `ms`. */
  step(ms, now = Date.now()) {
    this.#at_us = now * 1000;
    const leader = this.leader;
    for (const one of this.members.filter(works)) this.#live(one, ms);
    for (const one of this.members.filter((m) => works(m) && m.role === 'leader')) {
      this.#lead(one, ms, one === leader);
    }
    for (const key of this.keys.expire(now)) this.#keyEvent('expire', key, null);
  }

  put(key, value, options) {
    const version = this.keys.put(key, value, options);
    this.#write(1);
    this.#keyEvent('put', key, version);
    return version;
  }

  delete(key) {
    const version = this.keys.delete(key);
    this.#write(1);
    if (version) this.#keyEvent('delete', key, null);
    return version;
  }

  setRunning(member, running) {
    if (member.running === running) return;
    member.running = running;
    member.paused = false;
    this.#event(member, 'ended', {}, !running);
    if (running) {
      this.#setRole(member, 'follower', member.term);
      this.#event(member, 'started', {});
      this.#rest(member);
    }
    for (const peer of this.members.filter((one) => one !== member && works(one))) {
      this.#event(peer, 'link', { peer: member.id, up: running });
    }
  }

  setCut(a, b, on) {
    for (const [from, to] of [[a, b], [b, a]]) {
      const key = `${from.id}>${to.id}`;
      if (on === this.cut.has(key)) continue;
      if (on) this.cut.add(key);
      else this.cut.delete(key);
      this.#event(to, 'link', { peer: from.id, up: !on });
    }
  }

  state(teller) {
    const leader = this.leader;
    return { kind: 'state', t_us: this.#now(), member: teller.id,
      members: this.members.map((one) => this.#told(teller, one)), leader: leader?.id ?? null,
      term: Math.max(...this.members.map((one) => one.term)), joint: false };
  }

  #told(teller, one) {
    const reached = one === teller || (works(one) && this.#hears(one, teller));
    one.silent_ms = reached ? 0 : one.silent_ms + STATE_MS;
    const leads = one === this.leader;
    return { id: one.id, name: one.name, url: one.url, standing: one.standing,
      heard_ms: one === teller ? 0 : one.silent_ms + (reached ? 40 : 0), role: one.role,
      term: one.term, vote: one.vote, leader: one.leader, log: one.log.pointers(),
      runs: one.log.runs.slice(-32), election: one.role === 'leader' ? null
        : { elapsed_ms: Math.round(one.waited_ms), timeout_ms: Math.round(one.timeout_ms) },
      matched: this.leader ? one.log.durable : null, revision: this.keys.revision,
      compact_revision: 0, keys: this.keys.size,
      rates: { writes: leads ? Math.round(this.rate * (0.9 + Math.random() * 0.2)) : 0,
        reads: Math.round(40 + Math.random() * 20), p50_us: leads ? 256 : null,
        p99_us: leads ? (Math.random() < 0.2 ? 2048 : 1024) : null },
      pending: 0, alarms: [] };
  }

  #live(one, ms) {
    if (one.role === 'leader') return;
    const leader = this.members.find((m) => m.id === one.leader);
    one.waited_ms += ms;
    if (leader && works(leader) && leader.role === 'leader' && leader.term === one.term
      && this.#hears(leader, one) && one.waited_ms > HEARTBEAT_MS) one.waited_ms = 0;
    if (one.waited_ms >= one.timeout_ms && one.standing === 'voter') this.#campaign(one);
  }

  #campaign(one) {
    this.#setRole(one, 'pre-candidate', one.term);
    if (!this.#ask(one, 'pre_vote', one.term + 1)) return this.#rest(one);
    one.term += 1;
    one.vote = one.id;
    this.#setRole(one, 'candidate', one.term);
    if (!this.#ask(one, 'vote', one.term)) return this.#rest(one);
    this.#setRole(one, 'leader', one.term);
    this.#event(one, 'leader', { leader: one.id, term: one.term });
    one.leader = one.id;
    this.#appendAt(one, 1);
    return this.#replicate(one, true);
  }

  #ask(one, what, term) {
    let votes = 1;
    const began = this.#at_us;
    for (const peer of this.#peers(one)) {
      this.#at_us = began + 50;
      this.#message(one, peer, what, { term, last: one.log.last, last_term: one.log.lastTerm });
      if (!works(peer) || !this.#hears(one, peer)) continue;
      this.#at_us += HOP_US + Math.random() * 400;
      const granted = this.#grants(peer, one, what, term);
      this.#event(peer, 'vote', { candidate: one.id, term, pre: what === 'pre_vote', granted });
      this.#message(peer, one, `${what}_answer`, { term, granted });
      if (granted) votes += 1;
    }
    this.#at_us = began + 3 * HOP_US;
    return votes > this.members.filter((m) => m.standing === 'voter').length / 2;
  }

  #grants(peer, one, what, term) {
    const fresh = one.log.lastTerm > peer.log.lastTerm
      || (one.log.lastTerm === peer.log.lastTerm && one.log.last >= peer.log.last);
    const led = peer.role === 'leader' || (peer.leader !== null && peer.waited_ms < 500);
    if (term <= peer.term && what === 'pre_vote') return false;
    if (what === 'pre_vote') return fresh && !led;
    peer.term = term;
    if (peer.role !== 'follower') this.#setRole(peer, 'follower', term);
    if (fresh) peer.vote = one.id;
    peer.leader = null;
    this.#rest(peer);
    return fresh;
  }

  #lead(leader, ms, first) {
    this.#stepDown(leader);
    if (leader.role !== 'leader') return;
    this.#owed += first ? (this.rate * ms) / 1000 : 0;
    const count = Math.floor(this.#owed);
    if (first && count > 0) this.#load(leader, count);
    else if (!first && Math.random() < ms / 900) this.#appendAt(leader, 1);
    leader.waited_ms += ms;
    if (leader.waited_ms >= HEARTBEAT_MS) {
      leader.waited_ms = 0;
      this.#replicate(leader, true);
    }
  }

  #stepDown(leader) {
    const newer = this.#peers(leader).find((peer) => works(peer) && peer.term > leader.term
      && this.#hears(peer, leader));
    if (!newer) return;
    leader.term = newer.term;
    leader.vote = null;
    this.#setRole(leader, 'follower', newer.term);
    this.#rest(leader);
  }

  #load(leader, count) {
    this.#owed -= count;
    this.#appendAt(leader, count);
    this.#replicate(leader, false);
    this.#load_key = (this.#load_key + 1) % 24;
    const key = `load/${String(this.#load_key).padStart(4, '0')}`;
    const version = this.keys.put(key, `value ${leader.log.last}`);
    this.#keyEvent('put', key, version, count);
  }

  #write(count) {
    const leader = this.leader;
    if (!leader) return;
    this.#appendAt(leader, count);
    this.#replicate(leader, false);
  }

  #appendAt(one, count) {
    const first = one.log.append(count, one.term);
    this.#event(one, 'appended', { first, last: one.log.last, term: one.term,
      ...(count > 1 ? { count } : {}) });
    one.log.durable = one.log.last;
    this.#at_us += 300;
    if (one.role === 'leader') this.#event(one, 'acknowledged', { index: one.log.last });
  }

  #replicate(leader, heartbeat) {
    let acknowledged = 1;
    const began = this.#at_us;
    for (const peer of this.#peers(leader)) {
      this.#at_us = began + 20;
      if (this.#replicateTo(leader, peer, heartbeat) && peer.standing === 'voter') {
        acknowledged += 1;
      }
    }
    this.#at_us = began + 2 * HOP_US + 600;
    if (acknowledged > this.members.filter((m) => m.standing === 'voter').length / 2) {
      this.#commit(leader, leader.log.last);
    }
    for (const peer of this.#peers(leader)) {
      if (works(peer) && this.#hears(leader, peer) && peer.log.last === leader.log.last) {
        this.#at_us += 100;
        this.#commit(peer, Math.min(peer.log.last, leader.log.commit));
      }
    }
    this.#at_us = began;
  }

  #replicateTo(leader, peer, heartbeat) {
    const behind = peer.log.last < leader.log.last || peer.log.lastTerm !== leader.log.lastTerm;
    const first = peer.log.last + 1;
    if (heartbeat || behind) {
      this.#message(leader, peer, behind ? 'append' : 'heartbeat', { term: leader.term,
        commit: leader.log.commit, ...(behind ? { first, last: leader.log.last } : {}) });
    }
    if (!works(peer) || !this.#hears(leader, peer)) return false;
    this.#at_us += HOP_US + Math.random() * 300;
    this.#follow(peer, leader);
    if (!behind) return true;
    this.#catchUp(peer, leader);
    if (this.#hears(peer, leader)) {
      this.#message(peer, leader, 'append_answer', { term: peer.term, matched: peer.log.last });
      this.#at_us += HOP_US;
      this.#event(peer, 'acknowledged', { index: peer.log.last });
    }
    return true;
  }

  #follow(peer, leader) {
    if (peer.leader !== leader.id || peer.term !== leader.term) {
      peer.term = leader.term;
      if (peer.role !== 'follower') this.#setRole(peer, 'follower', leader.term);
      peer.leader = leader.id;
      this.#event(peer, 'leader', { leader: leader.id, term: leader.term });
    }
    peer.waited_ms = 0;
  }

  #catchUp(peer, leader) {
    if (leader.log.start > peer.log.last) return this.#install(peer, leader);
    const conflict = peer.log.conflictWith(leader.log);
    if (conflict <= peer.log.last) {
      peer.log.truncate(conflict);
      this.#event(peer, 'truncated', { from: conflict });
    }
    const first = peer.log.last + 1;
    peer.log.copyFrom(leader.log);
    for (const [begin, term] of peer.log.runs) {
      const end = (peer.log.runs.find(([next]) => next > begin)?.[0] ?? peer.log.last + 1) - 1;
      if (end < first) continue;
      this.#at_us += 60;
      this.#event(peer, 'appended', { first: Math.max(first, begin), last: end, term });
    }
    peer.log.durable = peer.log.last;
    return undefined;
  }

  #install(peer, leader) {
    this.#event(leader, 'snapshot_wanted', { for: peer.id });
    this.#message(leader, peer, 'snapshot', { bytes: 81_920, bytes_total: 81_920 });
    peer.log.copyFrom(leader.log);
    Object.assign(peer.log, { start: leader.log.commit, commit: leader.log.commit,
      applied: leader.log.commit, durable: leader.log.last });
    this.#event(peer, 'snapshot_installed',
      { index: leader.log.commit, term: leader.log.lastTerm });
  }

  #commit(one, index) {
    if (index <= one.log.commit) return;
    one.log.commit = index;
    this.#event(one, 'committed', { index });
    one.log.applied = index;
    this.#at_us += 80;
    this.#event(one, 'applied', { index, revision: this.keys.revision });
    if (index - one.log.start > 2 * ENTRIES_KEPT && this.rate < 1000) {
      one.log.start = index - ENTRIES_KEPT;
      this.#event(one, 'log_cut', { index: one.log.start, term: one.term });
    }
  }

  #peers(one) { return this.members.filter((peer) => peer !== one); }
  #hears(from, to) { return !this.cut.has(`${from.id}>${to.id}`); }

  #rest(one) {
    one.waited_ms = 0;
    one.timeout_ms = ELECTION_MS * (1 + Math.random());
  }

  #setRole(one, role, term) {
    one.role = role;
    one.term = term;
    if (role !== 'follower') one.leader = null;
    this.#event(one, 'role', { role, term });
  }

  #keyEvent(op, key, version, count) {
    this.#event(this.members[0], 'key', { op, key, revision: this.keys.revision,
      bytes: version ? Buffer.byteLength(version.value) : 0, version: version?.version ?? 0,
      ...(version?.expires ? { expires_us: version.expires * 1000 } : {}),
      ...(count > 1 ? { count } : {}) });
  }

  #message(from, to, what, fields) {
    this.#event(from, 'message', { to: to.id, what, ...fields });
  }

  #now() { return Math.round(this.#at_us || Date.now() * 1000); }

  #event(member, kind, fields, anyway = false) {
    if (!member.running && !anyway) return;
    this.#tell({ kind, t_us: this.#now(), member: member.id, ...fields });
  }
}

function works(one) { return one.running && !one.paused; }
