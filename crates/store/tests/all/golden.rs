//! Golden scripts: one scenario a file in `tests/scripts`, each with its expected output.
//! `UPDATE_GOLDENFILES=1` rewrites them; the diff is the review.
//!
//! A write is applied and published at once, unless it says `publish=false`. Keys and values are
//! Latin-1, so that `"\xff"` is one byte. Ranges are one key, `prefix=`, `from=`, or two keys.

use std::error::Error;
use std::path::PathBuf;

use bytes::Bytes;
use store::{
    Apply, BeforeHistory, Budget, Command, CompactionCause, DueKey, EventPosition, EventsRequest,
    FieldsRequest, Filter, Grant, HistoryRequest, LeaseId, Limits, LogEntry, Need, OnceLimits,
    Origin, Pinned, Principal, Put, PutLifetime, RangeRequest, Reader, Record, Restore, Revision,
    SessionId, SettingsChange, Sort, Store,
};

use crate::support::args::{bytes, condition, key_range, named, origin, unhex};
use crate::support::show::{
    show, show_events, show_fields, show_history, show_lease, show_outcome, show_published,
    show_range, show_txn,
};
use crate::support::{auth_text, txn_text};

#[test]
fn scripts() {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&scripts)
        .unwrap_or_else(|error| panic!("{}: {error}", scripts.display()))
        .map(|entry| entry.expect("a directory lists its entries").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 130, "scripts are missing from {}", scripts.display());
    for path in paths {
        goldenscript::run(&mut World::new(), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[derive(goldenscript::Command)]
enum Verb {
    /// Gives a key a value, which goes with `lease`, or after `ttl` ms; with `as_before` its
    /// lifetime stays, with `keep` its value. With `revision` (0: it must not be there) or `exists`
    /// under a condition; with `session`, `seq` and `acked`, or with `once`, at most once.
    Put {
        key: String,
        value: String,
        #[arg(key, optional)]
        prev_kv: bool,
        #[arg(key)]
        publish: Option<bool>,
        #[arg(key)]
        revision: Option<u64>,
        #[arg(key, optional)]
        exists: bool,
        #[arg(key)]
        session: Option<u64>,
        #[arg(key)]
        seq: Option<u64>,
        #[arg(key)]
        acked: Option<u64>,
        #[arg(key)]
        once: Option<String>,
        #[arg(key)]
        lease: Option<i64>,
        #[arg(key)]
        ttl: Option<u64>,
        #[arg(key, optional)]
        as_before: bool,
        #[arg(key, optional)]
        keep: bool,
    },
    /// Grants a lease of so many seconds, of this id or of the store's choice.
    Grant {
        ttl_s: u64,
        #[arg(key)]
        id: Option<i64>,
        #[arg(key)]
        once: Option<String>,
    },
    /// Revokes a lease; with `units`, as far as a turn of that budget goes.
    Revoke {
        id: i64,
        #[arg(key)]
        units: Option<u64>,
        #[arg(key)]
        once: Option<String>,
    },
    /// Expires leases, each `id@index of its grant`, and keys, each `key@mod_revision`; with
    /// `units`, as far as a turn of that budget goes.
    Expire {
        #[arg(key)]
        leases: Option<String>,
        #[arg(key)]
        keys: Option<String>,
        #[arg(key)]
        units: Option<u64>,
    },
    /// The keys whose time is over, and when the next is due.
    Due,
    /// A lease with its keys.
    Lease { id: i64 },
    /// All leases; with `after` those after that one.
    Leases {
        #[arg(key)]
        after: Option<i64>,
        #[arg(key)]
        limit: Option<usize>,
    },
    /// Gives `count` keys, `{prefix}000` and so on, the value `x`.
    Fill { prefix: String, count: u64 },
    /// Removes keys; with `units`, as far as a turn of that budget goes.
    Delete {
        start: Option<String>,
        end: Option<String>,
        #[arg(key)]
        prefix: Option<String>,
        #[arg(key)]
        from: Option<String>,
        #[arg(key, optional)]
        prev_kv: bool,
        #[arg(key)]
        units: Option<u64>,
        #[arg(key)]
        publish: Option<bool>,
        #[arg(key)]
        revision: Option<u64>,
        #[arg(key, optional)]
        exists: bool,
        #[arg(key)]
        session: Option<u64>,
        #[arg(key)]
        seq: Option<u64>,
        #[arg(key)]
        acked: Option<u64>,
        #[arg(key)]
        once: Option<String>,
    },
    /// Removes the fields of a record; with `units`, as far as a turn of that budget goes.
    DeleteRecord {
        record: String,
        #[arg(key)]
        units: Option<u64>,
        #[arg(key)]
        once: Option<String>,
    },
    /// Reads the fields of a record.
    Fields {
        record: String,
        #[arg(key)]
        prefix: Option<String>,
        #[arg(key)]
        from: Option<String>,
        #[arg(key)]
        limit: Option<usize>,
        #[arg(key)]
        at: Option<u64>,
    },
    /// Does a transaction, in the text of `support/txn_text.rs`; with `units`, as far as a turn of
    /// that budget goes. One that only reads is asked of a reader.
    Txn {
        text: String,
        #[arg(key)]
        units: Option<u64>,
        #[arg(key)]
        session: Option<u64>,
        #[arg(key)]
        seq: Option<u64>,
        #[arg(key)]
        acked: Option<u64>,
        #[arg(key)]
        once: Option<String>,
    },
    /// Gives up what only revisions before this one need.
    Compact {
        revision: u64,
        /// `age`, `bytes` or `memory`; nothing if somebody asked for it.
        #[arg(key)]
        cause: Option<String>,
        #[arg(key)]
        publish: Option<bool>,
    },
    /// Changes the settings.
    Settings {
        #[arg(key)]
        age: Option<u64>,
        #[arg(key)]
        bytes: Option<u64>,
        #[arg(key, optional)]
        seed: bool,
    },
    /// How much of the past is kept, and since when; and to which revision it would be compacted to
    /// leave so many bytes, or what was there at an age.
    Window {
        #[arg(key)]
        leaving: Option<u64>,
        #[arg(key)]
        at_age: Option<u64>,
    },
    /// Lifts the pins that were there the last time.
    Lift,
    /// Removes what was given up; with `units`, as far as a turn of that budget goes.
    Sweep {
        #[arg(key)]
        units: Option<u64>,
    },
    /// Holds on to a revision, or with `drop` lets go of it, or with `get` reads a key there.
    Pin {
        #[arg(key)]
        at: Option<u64>,
        #[arg(key, optional)]
        drop: bool,
        #[arg(key)]
        get: Option<String>,
    },
    /// Reads events from a revision on, `skip` of its events left out.
    Events {
        from_revision: u64,
        start: Option<String>,
        end: Option<String>,
        #[arg(key)]
        prefix: Option<String>,
        #[arg(key)]
        skip: Option<u64>,
        #[arg(key)]
        max: Option<usize>,
        #[arg(key)]
        bytes: Option<usize>,
        #[arg(key, optional)]
        prev_kv: bool,
    },
    /// What is kept of a key's past, the newest first.
    History {
        key: String,
        #[arg(key)]
        before: Option<u64>,
        #[arg(key)]
        max: Option<usize>,
        #[arg(key)]
        bytes: Option<usize>,
    },
    /// The revision of a time.
    When { stamp_ms: u64 },
    /// When a key was last written.
    Written {
        key: String,
        #[arg(key)]
        at: Option<u64>,
    },
    /// Opens a session; its id is the entry's index.
    Open,
    /// Closes a session.
    Close { session: u64 },
    /// Tells the state hash at its entry.
    Check,
    /// Lets time pass for the log.
    Age { ms: u64 },
    /// Begins anew, with an empty store of such bounds.
    Limits {
        #[arg(key)]
        leases: Option<usize>,
        #[arg(key)]
        sessions: Option<usize>,
        #[arg(key)]
        keys: Option<usize>,
        #[arg(key)]
        unacknowledged: Option<u64>,
        #[arg(key)]
        replies: Option<usize>,
        #[arg(key)]
        told_bytes: Option<usize>,
        #[arg(key)]
        reply_bytes: Option<u64>,
    },
    /// Puts a copy in the store's place that went through a snapshot.
    Restore,
    /// Goes on with the unfinished entry.
    Turn {
        #[arg(key)]
        units: u64,
    },
    /// Applies an entry without a command.
    Noop {
        #[arg(key)]
        term: u64,
    },
    /// Applies an entry of the given bytes, in hexadecimal.
    Raw { hex: String },
    /// Publishes what is applied.
    Publish,
    /// Reads a key.
    Get {
        key: String,
        #[arg(key)]
        at: Option<u64>,
    },
    /// Reads a range.
    Range {
        start: Option<String>,
        end: Option<String>,
        #[arg(key)]
        prefix: Option<String>,
        #[arg(key)]
        from: Option<String>,
        #[arg(key)]
        limit: Option<usize>,
        #[arg(key)]
        at: Option<u64>,
        #[arg(key, optional)]
        keys_only: bool,
        #[arg(key, optional)]
        count_only: bool,
        /// `key`, `version`, `create`, `mod` or `value`.
        #[arg(key)]
        sort: Option<String>,
        #[arg(key, optional)]
        descending: bool,
        #[arg(key)]
        min_mod: Option<u64>,
        #[arg(key)]
        max_mod: Option<u64>,
        #[arg(key)]
        min_create: Option<u64>,
        #[arg(key)]
        max_create: Option<u64>,
    },
    /// What follows is asked by this user, or by nobody.
    As { user: Option<String> },
    /// Changes who may do what; `auth` alone shows all of it.
    Auth { change: Option<String> },
    /// Whether the asking user may read keys, or with `lease=` be told those of a lease; with
    /// `root`, what only root may.
    May {
        start: Option<String>,
        end: Option<String>,
        #[arg(key)]
        prefix: Option<String>,
        #[arg(key)]
        from: Option<String>,
        #[arg(key)]
        lease: Option<i64>,
        #[arg(key, optional)]
        root: bool,
    },
    /// The login that an entry made.
    Login { index: u64 },
    /// What readers see in numbers.
    Published,
    /// What is applied, published or not.
    Applied,
}

/// A store and its log, of which the last entry may be unfinished.
struct World {
    store: Store,
    reader: Reader,
    next: LogEntry,
    pinned: Option<Pinned>,
    who: Option<Principal>,
}

impl World {
    fn new() -> World {
        World::with_limits(OnceLimits::default())
    }

    fn with_limits(limits: OnceLimits) -> World {
        let store = Store::with_limits(limits);
        let reader = store.reader();
        let next = LogEntry { index: 1, term: 1, stamp_ms: 1_000, age_ms: 0, command: None };
        World { store, reader, next, pinned: None, who: None }
    }

    /// Applies a command as the next entry, within one turn of `units`.
    fn write(&mut self, command: &Command, units: Option<u64>) -> Result<String, Box<dyn Error>> {
        self.next.command = Some(command.encode());
        self.turn(units.unwrap_or(u64::MAX))
    }

    fn turn(&mut self, units: u64) -> Result<String, Box<dyn Error>> {
        let applied = self.store.apply(&self.next, &mut Budget::new(units))?;
        let Apply::Done(outcome) = applied else { return Ok("unfinished\n".into()) };
        self.next.index += 1;
        self.next.stamp_ms += 10;
        self.next.age_ms += 10;
        Ok(show_outcome(&outcome))
    }

    /// Applies a put or delete, at most once if it has a name.
    fn change(
        &mut self,
        change: Command,
        origin: Option<Origin>,
        units: Option<u64>,
        publish: Option<bool>,
    ) -> Result<String, Box<dyn Error>> {
        let command = match origin {
            Some(origin) => Command::Once { origin, command: Box::new(change) },
            None => change,
        };
        let command = match self.who.clone() {
            Some(principal) => Command::As { principal, command: Box::new(command) },
            None => command,
        };
        let outcome = self.write(&command, units)?;
        self.publish_unless(publish);
        Ok(outcome)
    }

    fn publish_unless(&mut self, publish: Option<bool>) {
        if publish != Some(false) {
            self.store.publish();
        }
    }

    fn fill(&mut self, prefix: &str, count: u64) -> Result<String, Box<dyn Error>> {
        for number in 0..count {
            let key = bytes(&format!("{prefix}{number:03}"))?;
            self.write(&Put::new(key, "x").into(), None)?;
        }
        self.store.publish();
        Ok(format!("{count} keys, revision {}\n", self.store.revision()))
    }

    fn window(&self, leaving: Option<u64>, at_age: Option<u64>) -> String {
        let store = &self.store;
        let compact_revision = store.compact_revision();
        let shown = |number: Option<u64>| number.map_or("none".into(), |number| number.to_string());
        match (leaving, at_age) {
            (Some(bytes), _) => format!("compact to {}\n", store.revision_leaving(bytes)),
            (None, Some(age_ms)) => {
                let found = store.revision_at_age(age_ms).map(|revision| revision.0);
                format!("at that age: {}\n", shown(found))
            }
            (None, None) => format!(
                "from {compact_revision} ({:?}), next age {}, {} bytes\n",
                self.reader.published().compacted_for,
                shown(store.oldest_change_age_ms()),
                store.kept_history_bytes(),
            ),
        }
    }

    fn published(&self) -> String {
        show_published(&self.reader.published())
    }
}

impl goldenscript::Runner for World {
    type Command = Verb;

    fn run(&mut self, verb: &Verb, _: &goldenscript::Context) -> Result<String, Box<dyn Error>> {
        match verb {
            Verb::Put {
                key,
                value,
                prev_kv,
                publish,
                revision,
                exists,
                session,
                seq,
                acked,
                once,
                lease,
                ttl,
                as_before,
                keep,
            } => {
                let (key, value) = (bytes(key)?, bytes(value)?);
                let condition = condition(*revision, *exists);
                let lifetime = match (lease, ttl, as_before) {
                    (None, None, false) => PutLifetime::Unbounded,
                    (Some(lease), None, false) => PutLifetime::Lease(LeaseId(*lease)),
                    (None, Some(ttl_ms), false) => PutLifetime::TtlMs(*ttl_ms),
                    (None, None, true) => PutLifetime::AsBefore,
                    _ => return Err("a put has lease= or ttl= or as_before=, or none".into()),
                };
                let put = Put { key, value, prev_kv: *prev_kv, ignore_value: *keep, lifetime };
                let put = Command::Put { put, condition };
                self.change(put, origin(*session, *seq, *acked, once)?, None, *publish)
            }
            Verb::Grant { ttl_s, id, once } => {
                let (lease, ttl_s) = (LeaseId(id.unwrap_or(0)), *ttl_s);
                let grant = Command::LeaseGrant { lease, ttl_s };
                self.change(grant, origin(None, None, None, once)?, None, None)
            }
            Verb::Revoke { id, units, once } => {
                let revoke = Command::LeaseRevoke { lease: LeaseId(*id) };
                self.change(revoke, origin(None, None, None, once)?, *units, None)
            }
            Verb::Expire { leases, keys, units } => {
                let leases = named(leases)?
                    .map(|(id, index)| Ok(Grant { lease: LeaseId(id.parse()?), index }));
                let keys = named(keys)?.map(|(key, revision)| {
                    Ok(DueKey { key: bytes(&key)?, mod_revision: Revision(revision) })
                });
                let leases = leases.collect::<Result<_, Box<dyn Error>>>()?;
                let keys = keys.collect::<Result<_, Box<dyn Error>>>()?;
                self.change(Command::Expire { leases, keys }, None, *units, None)
            }
            Verb::Due => {
                let mut due = String::new();
                self.store.due_keys(self.next.age_ms, |key, revision| {
                    due += &format!("{}@{revision}\n", key.escape_ascii());
                    true
                });
                let next = self.store.next_due_ms();
                Ok(next.map_or(due.clone(), |next| format!("{due}next at {next} ms\n")))
            }
            Verb::Lease { id } => {
                let lease = self.reader.lease(LeaseId(*id));
                Ok(lease.map_or("not there\n".into(), |lease| show_lease(&lease)))
            }
            Verb::Leases { after, limit } => {
                let limit = limit.unwrap_or(usize::MAX);
                let leases = self.reader.leases(after.map(LeaseId), limit);
                Ok(leases.iter().map(|lease| show_lease(lease)).collect())
            }
            Verb::Fill { prefix, count } => self.fill(prefix, *count),
            Verb::Delete {
                start,
                end,
                prefix,
                from,
                prev_kv,
                units,
                publish,
                revision,
                exists,
                session,
                seq,
                acked,
                once,
            } => {
                let range = key_range(start, end, prefix, from)?;
                let condition = condition(*revision, *exists);
                let delete = Command::Delete { range, prev_kv: *prev_kv, condition };
                self.change(delete, origin(*session, *seq, *acked, once)?, *units, *publish)
            }
            Verb::DeleteRecord { record, units, once } => {
                let delete = Command::DeleteRecord { record: bytes(record)? };
                self.change(delete, origin(None, None, None, once)?, *units, None)
            }
            Verb::Fields { record, prefix, from, limit, at } => {
                let given = |text: &Option<String>| text.as_deref().map_or(Ok(Bytes::new()), bytes);
                let request = FieldsRequest {
                    prefix: given(prefix)?,
                    from: given(from)?,
                    skip: 0,
                    limit: limit.unwrap_or(usize::MAX),
                    told_bytes_max: usize::MAX,
                    work_bytes_max: usize::MAX,
                };
                let record = Record::named(&bytes(record)?).ok_or("a record has a name")?;
                Ok(show_fields(&self.reader.pin(at.map(Revision))?.fields(&record, &request)?))
            }
            Verb::Txn { text, units, session, seq, acked, once } => {
                let txn = txn_text::read(text)?;
                if let Err(refused) = txn.validate(&Limits::default()) {
                    return Ok(format!("refused: {refused}\n"));
                }
                if txn.is_read_only() {
                    if let Err(refused) = self.reader.check(self.who.as_ref(), Need::ReadTxn(&txn))
                    {
                        return Ok(format!("no: {refused}\n"));
                    }
                    return Ok(format!("read: {}", show_txn(&self.reader.txn(&txn)?)));
                }
                let origin = origin(*session, *seq, *acked, once)?;
                self.change(Command::Txn(txn), origin, *units, None)
            }
            Verb::Settings { age, bytes, seed } => {
                let change =
                    SettingsChange { history_age_ms: *age, history_bytes: *bytes, seed: *seed };
                self.change(Command::ChangeSettings(change), None, None, None)
            }
            Verb::As { user } => {
                let auth = self.reader.auth();
                self.who = user.as_deref().map(|user| auth_text::principal(user, &auth));
                Ok(String::new())
            }
            Verb::Auth { change: None } => Ok(auth_text::show(&self.reader.auth())),
            Verb::Auth { change: Some(text) } => {
                let change = auth_text::read(text, &self.reader.auth())?;
                self.change(Command::Auth(change), None, None, None)
            }
            Verb::May { start, end, prefix, from, lease, root } => {
                let found = lease.map(|lease| self.reader.lease(LeaseId(lease)));
                let found = found.map(|found| found.ok_or("there is no such lease")).transpose()?;
                let range = match (&found, root) {
                    (None, false) => Some(key_range(start, end, prefix, from)?),
                    _ => None,
                };
                let need = match (&found, &range) {
                    (Some(lease), _) => Need::KeysOf(lease),
                    (None, Some(range)) => Need::Read(range),
                    (None, None) => Need::Root,
                };
                let may = self.reader.check(self.who.as_ref(), need);
                Ok(may.map_or_else(|refused| format!("no: {refused}\n"), |()| "yes\n".into()))
            }
            Verb::Login { index } => {
                let auth = self.reader.auth();
                let login = auth.login(*index).map(|login| login.principal.user.to_string());
                Ok(login.map_or("none\n".into(), |user| format!("{user}\n")))
            }
            Verb::Window { leaving, at_age } => Ok(self.window(*leaving, *at_age)),
            Verb::Lift => {
                self.store.lift_old_pins();
                Ok(String::new())
            }
            Verb::Compact { revision, cause, publish } => {
                let cause = match cause.as_deref() {
                    None => CompactionCause::Asked,
                    Some("age") => CompactionCause::Age,
                    Some("bytes") => CompactionCause::Bytes,
                    Some("memory") => CompactionCause::Memory,
                    Some(_) => return Err("cause=age, bytes or memory".into()),
                };
                let compact = Command::Compact { revision: Revision(*revision), cause };
                self.change(compact, None, None, *publish)
            }
            Verb::Sweep { units } => {
                let over = self.store.sweep(&mut Budget::new(units.unwrap_or(u64::MAX)));
                self.store.publish();
                let history = self.reader.published().history_bytes;
                let left = if over { "nothing left" } else { "more" };
                Ok(format!("{left}, history of {history} bytes\n"))
            }
            Verb::Pin { drop: true, .. } => {
                self.pinned = None;
                Ok(String::new())
            }
            Verb::Pin { get: Some(key), .. } => {
                let pinned = self.pinned.as_ref().ok_or("nothing is pinned")?;
                let found = pinned.get(&bytes(key)?)?;
                let found = found.map_or("not found\n".into(), |found| show(&found));
                Ok(format!("at {}: {found}", pinned.revision()))
            }
            Verb::Pin { at, .. } => {
                let pinned = self.reader.pin(at.map(Revision))?;
                let revision = pinned.revision();
                self.pinned = Some(pinned);
                Ok(format!("pinned at {revision}\n"))
            }
            Verb::Events { from_revision, start, end, prefix, skip, max, bytes, prev_kv } => {
                let request = EventsRequest {
                    from: EventPosition {
                        revision: Revision(*from_revision),
                        offset: skip.unwrap_or(0),
                    },
                    range: key_range(start, end, prefix, &None)?,
                    prev_kv: *prev_kv,
                    events_max: max.unwrap_or(usize::MAX),
                    told_bytes_max: bytes.unwrap_or(usize::MAX),
                };
                Ok(show_events(&self.reader.events(&request)?))
            }
            Verb::History { key, before, max, bytes: told } => {
                Ok(show_history(&self.reader.history(&HistoryRequest {
                    key: bytes(key)?,
                    before: before.map(Revision),
                    versions_max: max.unwrap_or(usize::MAX),
                    told_bytes_max: told.unwrap_or(usize::MAX),
                })))
            }
            Verb::When { stamp_ms } => Ok(match self.reader.revision_at(*stamp_ms) {
                Ok(revision) => format!("revision {revision}\n"),
                Err(BeforeHistory { oldest }) => format!("before history, oldest {oldest}\n"),
            }),
            Verb::Written { key, at } => {
                let found = self.reader.pin(at.map(Revision))?.stamped(&bytes(key)?)?;
                let stamp = |(_, stamp_ms)| format!("written at {stamp_ms} ms\n");
                Ok(found.map_or("not found\n".into(), stamp))
            }
            Verb::Open => self.change(Command::OpenSession, None, None, None),
            Verb::Close { session } => {
                let close = Command::CloseSession { session: SessionId(*session) };
                self.change(close, None, None, None)
            }
            Verb::Check => self.change(Command::Check, None, None, None),
            Verb::Age { ms } => {
                self.next.age_ms += ms;
                self.next.stamp_ms += ms;
                Ok(String::new())
            }
            Verb::Limits {
                leases,
                sessions,
                keys,
                unacknowledged,
                replies,
                told_bytes,
                reply_bytes,
            } => {
                let default = OnceLimits::default();
                *self = World::with_limits(OnceLimits {
                    leases_max: leases.unwrap_or(default.leases_max),
                    sessions_max: sessions.unwrap_or(default.sessions_max),
                    keys_max: keys.unwrap_or(default.keys_max),
                    unacknowledged_max: unacknowledged.unwrap_or(default.unacknowledged_max),
                    replies_max: replies.unwrap_or(default.replies_max),
                    told_bytes_max: told_bytes.unwrap_or(default.told_bytes_max),
                    reply_bytes_max: reply_bytes.unwrap_or(default.reply_bytes_max),
                    ..default
                });
                Ok(String::new())
            }
            Verb::Restore => {
                let (mut capture, mut restore) = (self.store.capture(), Restore::new());
                while let Some(chunk) = capture.next_chunk(1_000) {
                    restore.chunk(&chunk)?;
                }
                drop(self.store.replace(restore.finish()?));
                Ok(self.published())
            }
            Verb::Turn { units } => self.turn(*units),
            Verb::Noop { term } => {
                (self.next.term, self.next.command) = (*term, None);
                let outcome = self.turn(u64::MAX)?;
                self.store.publish();
                Ok(outcome)
            }
            Verb::Raw { hex } => {
                self.next.command = Some(unhex(hex)?);
                self.turn(u64::MAX)
            }
            Verb::Publish => {
                self.store.publish();
                Ok(self.published())
            }
            Verb::Get { key, at } => {
                let (found, revision) = self.reader.get(&bytes(key)?, at.map(Revision))?;
                let found = found.map_or("not found\n".into(), |found| show(&found));
                Ok(format!("at {revision}: {found}"))
            }
            Verb::Range {
                start,
                end,
                prefix,
                from,
                limit,
                at,
                keys_only,
                count_only,
                sort,
                descending,
                min_mod,
                max_mod,
                min_create,
                max_create,
            } => {
                let request = RangeRequest {
                    range: key_range(start, end, prefix, from)?,
                    limit: *limit,
                    at: at.map(Revision),
                    keys_only: *keys_only,
                    count_only: *count_only,
                    sort: Sort {
                        by: txn_text::sort_by(sort.as_deref().unwrap_or("key"))?,
                        descending: *descending,
                    },
                    filter: Filter {
                        min_mod_revision: Revision(min_mod.unwrap_or(0)),
                        max_mod_revision: Revision(max_mod.unwrap_or(0)),
                        min_create_revision: Revision(min_create.unwrap_or(0)),
                        max_create_revision: Revision(max_create.unwrap_or(0)),
                    },
                };
                Ok(show_range(&self.reader.range(&request)?))
            }
            Verb::Published => Ok(self.published()),
            Verb::Applied => Ok(format!(
                "index {} revision {} hash {:016x}\n",
                self.store.applied_index(),
                self.store.revision(),
                self.store.state_hash()
            )),
        }
    }
}
