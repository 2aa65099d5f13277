//! The store's part of a snapshot, restored from a stream of bytes.
//!
//! The first byte chooses the stream: the input as it is; that of a store that was told what the
//! input says, damaged afterwards; or forged records (`forged.rs`), with a digest and a state hash
//! that are right.

mod forged;

use bytes::Bytes;
use store::{
    Access, Apply, AuthChange, Budget, Capture, Command, DueKey, Grant, KeyRange, LeaseId,
    LogEntry, Origin, Permission, Principal, Published, Put, PutLifetime, Restore, Revision,
    SessionId, SnapshotError, Store,
};

use crate::Verdict;
use crate::input::Input;

/// At most so many commands make the state.
const COMMANDS_MAX: usize = 40;

/// Nothing counts that far.
const COUNTER_MAX: u64 = 1 << 48;

/// At most so many strikes of damage.
const STRIKES_MAX: usize = 3;

pub(crate) fn run(bytes: &[u8]) -> Verdict {
    let mut input = Input::new(bytes);
    match input.below(3) {
        0 => {
            let step = 1 + input.below(300);
            judge(restore_in_steps(input.rest(), step))
        }
        1 => damaged(&mut input),
        _ => judge(forged::restore(&mut input)),
    }
}

/// A restored store must go on as any other.
fn judge(restored: Result<Store, SnapshotError>) -> Verdict {
    match restored {
        Ok(mut store) => {
            give_on(&store);
            go_on(&mut store);
            Verdict::Accepted
        }
        Err(refused) => {
            assert!(!refused.to_string().is_empty(), "a refusal says what is wrong");
            Verdict::Refused
        }
    }
}

/// The same stream cut in two ways gives the same answer.
fn restore_in_steps(stream: &[u8], step: usize) -> Result<Store, SnapshotError> {
    let restored = restore(stream, step);
    let whole = restore(stream, stream.len().max(1));
    let answer = |restored: &Result<Store, SnapshotError>| {
        restored.as_ref().map(|store| store.capture().state()).map_err(|error| *error)
    };
    assert_eq!(answer(&restored), answer(&whole), "in steps of {step} bytes");
    restored
}

fn restore(stream: &[u8], step: usize) -> Result<Store, SnapshotError> {
    let mut restore = Restore::new();
    for chunk in stream.chunks(step) {
        restore.chunk(chunk)?;
    }
    restore.finish()
}

/// What was restored can be given on, and is restored again.
fn give_on(store: &Store) {
    let again = restore(&stream_of(store.capture()), 1_000).expect("what it gives out is sound");
    assert_eq!(again.capture().state(), store.capture().state());
}

/// The next entries of the log find their place, also those that look into the tables of what was
/// done before, and those that come after all of these tables have expired.
fn go_on(store: &mut Store) {
    let Published { applied_index, applied_term, age_ms, revision, .. } = store.capture().state();
    let first = applied_index + 1;
    for (index, command) in (first..).zip(next_commands()) {
        let late = (index - first) * 150_000;
        apply(store, &entry(index, applied_term, age_ms + late, &command));
    }
    // Beyond the numbers that a snapshot may have, it could not be given on.
    if first.max(revision.0).max(age_ms) < COUNTER_MAX {
        give_on(store);
    }
    store.publish();
}

fn next_commands() -> [Command; 12] {
    let put = Command::from(Put { prev_kv: true, ..Put::new("k", "v") });
    let range = KeyRange::From("".into());
    let delete = Command::Delete { range, prev_kv: true, condition: None };
    let once = |origin| Command::Once { origin, command: Box::new(put.clone()) };
    let in_session = |session, seq| {
        once(Origin::Session { session: SessionId(session), seq, acked_below: seq / 2 })
    };
    [
        in_session(1, 1),
        in_session(2, 7),
        once(Origin::Key("a".into())),
        Command::CloseSession { session: SessionId(1) },
        Command::OpenSession,
        put,
        Put { lifetime: PutLifetime::Lease(LeaseId(1)), ..Put::new("l", "v") }.into(),
        Command::LeaseGrant { lease: LeaseId::NONE, ttl_s: 5 },
        any_expiry(),
        Command::LeaseRevoke { lease: LeaseId(1) },
        delete,
        Command::Check,
    ]
}

fn entry(index: u64, term: u64, age_ms: u64, command: &Command) -> LogEntry {
    LogEntry { index, term, stamp_ms: 7, age_ms, command: Some(command.encode()) }
}

fn apply(store: &mut Store, entry: &LogEntry) {
    let applied = store.apply(entry, &mut Budget::new(u64::MAX));
    assert!(matches!(applied, Ok(Apply::Done(_))), "{applied:?}");
}

fn stream_of(mut capture: Capture) -> Vec<u8> {
    let chunks = std::iter::from_fn(|| capture.next_chunk(1_000));
    chunks.collect::<Vec<Bytes>>().concat()
}

/// A sound stream, and what happens to it: any change must be noticed.
fn damaged(input: &mut Input<'_>) -> Verdict {
    let store = written_store(input);
    let sound = stream_of(store.capture());
    let mut stream = sound.clone();
    let strikes = input.below(STRIKES_MAX + 1);
    (0..strikes).for_each(|_| strike(input, &mut stream));
    let step = 1 + input.below(300);
    let restored = restore_in_steps(&stream, step);
    if let Ok(restored) = &restored {
        assert_eq!(stream, sound, "a changed stream was believed");
        assert_eq!(restored.capture().state(), store.capture().state());
    } else {
        assert_ne!(stream, sound, "a sound stream was refused");
    }
    judge(restored)
}

fn written_store(input: &mut Input<'_>) -> Store {
    let mut store = Store::new();
    for index in 1..=input.below(COMMANDS_MAX) as u64 {
        let command = any_command(input);
        apply(&mut store, &entry(index, 1, index * 20_000, &command));
    }
    store
}

fn any_command(input: &mut Input<'_>) -> Command {
    let key = Bytes::from(vec![b'a' + input.byte() % 6; 1 + input.below(2)]);
    let delete = |range| Command::Delete { range, prev_kv: true, condition: None };
    match input.below(15) {
        0 => delete(KeyRange::Single(key)),
        1 => delete(KeyRange::Prefix(key)),
        2 => Command::OpenSession,
        3 => Command::CloseSession { session: SessionId(1 + u64::from(input.byte() % 9)) },
        4 => any_once(input, Origin::Key(key)),
        5 => {
            let session = SessionId(1 + u64::from(input.byte() % 9));
            let seq = u64::from(input.byte() % 16);
            any_once(input, Origin::Session { session, seq, acked_below: seq.min(3) })
        }
        6 | 7 => Command::LeaseGrant { lease: any_lease(input), ttl_s: 1 + input.below(90) as u64 },
        8 => Command::LeaseRevoke { lease: any_lease(input) },
        9 => any_expiry(),
        10 => Command::Auth(any_auth_change(input)),
        11 => Command::As {
            principal: any_principal(input),
            command: Box::new(Command::Auth(any_auth_change(input))),
        },
        _ => any_put(input, key),
    }
}

/// One that a grant may have had, or 0: the store names leases after their entries.
fn any_lease(input: &mut Input<'_>) -> LeaseId {
    LeaseId(i64::from(input.byte() % 10))
}

/// Names whatever may be there, if only few things happened before.
fn any_expiry() -> Command {
    let names = (b'a'..=b'f').flat_map(|letter| [vec![letter], vec![letter; 2]]);
    let key = |name: Vec<u8>| {
        (2..12).map(move |revision| DueKey {
            key: name.clone().into(),
            mod_revision: Revision(revision),
        })
    };
    let leases = (1..10).map(|number| Grant { lease: LeaseId(number), index: number as u64 });
    Command::Expire { leases: leases.collect(), keys: names.flat_map(key).collect() }
}

/// Users and roles of one letter. Authentication stays off: else nothing would be done any more.
fn any_auth_change(input: &mut Input<'_>) -> AuthChange {
    let [user, role] = [(); 2].map(|()| char::from(b'a' + input.byte() % 3).to_string());
    let (user, role) = (user.as_str(), role.as_str());
    let bytes = |input: &mut Input<'_>| Bytes::from(vec![b'a' + input.byte() % 3; input.below(3)]);
    match input.below(8) {
        0 => AuthChange::AddUser { name: user.into(), password_hash: None },
        1 => AuthChange::AddUser { name: user.into(), password_hash: Some("hash".into()) },
        2 => AuthChange::AddRole { name: role.into() },
        3 | 4 => AuthChange::GrantRole { user: user.into(), role: role.into() },
        5 => AuthChange::DeleteRole { name: role.into() },
        6 => AuthChange::DeleteUser { name: user.into() },
        _ => AuthChange::GrantPermission {
            role: role.into(),
            permission: Permission {
                access: Access::ReadWrite,
                key: bytes(input),
                range_end: bytes(input),
            },
        },
    }
}

fn any_principal(input: &mut Input<'_>) -> Principal {
    Principal { user: "a".into(), credentials: u64::from(input.byte() % 9) }
}

fn any_once(input: &mut Input<'_>, origin: Origin) -> Command {
    let key = Bytes::from(vec![b'a' + input.byte() % 6]);
    Command::Once { origin, command: Box::new(any_put(input, key)) }
}

fn any_put(input: &mut Input<'_>, key: Bytes) -> Command {
    let value = vec![input.byte(); input.below(200)];
    let lifetime = match input.byte() % 6 {
        0 => PutLifetime::Lease(any_lease(input)),
        1 => PutLifetime::TtlMs(1 + input.below(50_000) as u64),
        2 => PutLifetime::AsBefore,
        _ => PutLifetime::Unbounded,
    };
    Put { prev_kv: true, lifetime, ..Put::new(key, value) }.into()
}

fn strike(input: &mut Input<'_>, stream: &mut Vec<u8>) {
    let start = input.below(stream.len().clamp(1, 65_536));
    let end = (start + input.below(400)).min(stream.len());
    match input.below(6) {
        0 | 1 if start < end => stream[start] ^= 1 << input.below(8),
        2 if start < end => stream[start] = input.byte(),
        3 => stream.truncate(start),
        4 => drop(stream.drain(start..end)),
        _ => stream.extend_from_within(start..end),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let plan = |mode: u8, seed: u64| {
        let mut random = crate::Random::new(seed);
        // Every other forged plan makes nothing up, since small bytes are never one in so many.
        let small = mode == 2 && seed.is_multiple_of(2);
        let limit = if small { u64::from(forged::MADE_UP_ONE_IN) - 1 } else { 256 };
        let bytes = (0..200).map(|_| random.below(limit) as u8);
        [mode].into_iter().chain(bytes).collect()
    };
    let plans = (0..24).map(|seed| plan(1 + (seed % 2) as u8, seed / 2));
    let store = written_store(&mut Input::new(&[9; 100]));
    let given = [&[0, 77, 0][..], &stream_of(store.capture())].concat();
    plans.chain([given]).collect()
}
