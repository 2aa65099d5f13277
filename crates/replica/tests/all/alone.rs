//! A member goes on alone: whatever interrupts that, its directory is what it was, or the same
//! command goes on; and nothing of the old cluster is left for those who join.

use std::path::Path;

use bytes::Bytes;
use disk::{Disk, Fault, SimDisk};
use raft::{
    Entry, EntryKind, HardState, Index, LogId, MemberId, Now, Persist, PersistNumber,
    SnapshotPoint, Term,
};
use replica::{
    AloneError, CODEC, Configuration, DataDirectory, FoundSnapshots, FreshIdentity, LogReply,
    LogRequest, LogWorker, Member, Recovered, Replica, SnapshotOptions, SnapshotReply,
    SnapshotRequest, SnapshotWorker, forecast_alone, go_on_alone, open_log, open_snapshots,
};
use store::{Apply, Budget, Command, LogEntry, Put, Store};
use wal::Options;
use wal::snapshot::Snapshots;

const MEMBER: &str = "/member";
const OLD_CLUSTER: u128 = 7;
const INCARNATION: u128 = 1;

/// Entry 1 is the configuration; the others each write a key.
const LAST: u64 = 12;
const COMMIT: u64 = 9;

/// The log of a member that cut it starts after this entry.
const CUT: u64 = 5;

const FAULTS: [Fault; 4] = [Fault::Error, Fault::Short, Fault::Full, Fault::Halt];

/// A few entries fill a segment of this size.
const SEGMENT_BYTES: u64 = 16 << 10;

fn three_members() -> Configuration {
    let member = |id: u64| {
        let (name, address) = (format!("node-{id}"), format!("localhost:800{id}"));
        (MemberId(id), Member::voter(u128::from(id), name, address))
    };
    Configuration::founding(OLD_CLUSTER, (1..=3).map(member).collect())
}

fn key(index: u64) -> String {
    format!("key{index}")
}

fn entry(index: u64, value: &[u8]) -> Entry {
    let id = LogId::new(Term(1), Index(index));
    let payload = Command::from(Put::new(key(index), Bytes::copy_from_slice(value))).encode();
    Entry { id, kind: EntryKind::Command, stamp_ms: index, age_ms: index, payload }
}

type Opened = (LogWorker<SimDisk>, Recovered, SnapshotWorker<SimDisk>, FoundSnapshots);

fn open(disk: &SimDisk) -> Opened {
    open_with(disk, SEGMENT_BYTES)
}

fn open_with(disk: &SimDisk, segment_bytes: u64) -> Opened {
    let options = Options { segment_bytes, spares: 0, salt: 1 };
    let (log, snapshots) = (Path::new("/member/wal"), Path::new("/member/snapshots"));
    let (worker, mut recovered) =
        open_log(disk, log, snapshots, options, 1 << 20).expect("a sound log");
    let opened = open_snapshots(disk.clone(), snapshots, &mut recovered);
    let (files, found) = opened.expect("a sound disk");
    (worker, recovered, files, found)
}

fn persist(worker: &mut LogWorker<SimDisk>, number: u64, term: u64, entries: Vec<Entry>) {
    let hard_state = HardState { term: Term(term), vote: None, commit: Index(COMMIT) };
    let number = PersistNumber(number);
    let request = LogRequest::Persist(Persist { number, hard_state, start: None, entries });
    let reply = worker.handle(vec![request]).pop();
    assert!(matches!(reply, Some(LogReply::Persisted(_))), "{reply:?}");
}

/// The directory of the first of three members, stopped.
fn stopped(value: &[u8], segment_bytes: u64) -> SimDisk {
    let disk = SimDisk::new();
    let fresh = || (1, INCARNATION);
    let mut directory =
        DataDirectory::open(disk.clone(), Path::new(MEMBER), "node-1", fresh).expect("a new one");
    directory.set_cluster(OLD_CLUSTER).expect("a sound disk");
    let (mut worker, ..) = open_with(&disk, segment_bytes);
    worker.found(&three_members(), 0).expect("a sound disk");
    for index in 2..=LAST {
        persist(&mut worker, index, 1, vec![entry(index, value)]);
    }
    disk.crash_process();
    disk
}

/// The same; its log was cut at a snapshot.
fn stopped_and_cut() -> SimDisk {
    let disk = stopped(&[7; 2_000], SEGMENT_BYTES);
    let (mut worker, _, mut files, _) = open(&disk);
    let mut store = Store::new();
    for index in 1..=CUT {
        let Entry { payload, stamp_ms, age_ms, .. } = entry(index, &[7; 2_000]);
        let command = (index > 1).then_some(payload);
        let entry = LogEntry { index, term: 1, stamp_ms, age_ms, command };
        let applied = store.apply(&entry, &mut Budget::default()).expect("a known command");
        assert!(matches!(applied, Apply::Done(_)));
    }
    let last = LogId::new(Term(1), Index(CUT));
    let configuration = (Index(1), three_members().encode());
    let point = SnapshotPoint { last, stamp_ms: CUT, age_ms: CUT, configuration };
    let capture = Box::new(store.capture());
    let reply = files.handle(SnapshotRequest::Write { point, cluster_id: OLD_CLUSTER, capture });
    assert!(matches!(reply, Some(SnapshotReply::Written { .. })), "{reply:?}");
    let reply = worker.handle(vec![LogRequest::Cut { to: last }]).pop();
    assert!(matches!(reply, Some(LogReply::Cut { .. })), "{reply:?}");
    disk.crash_process();
    disk
}

fn go_on(disk: &SimDisk, draw: u128) -> Result<(), String> {
    let opened = DataDirectory::open_existing(disk.clone(), Path::new(MEMBER));
    let mut directory = opened.map_err(|error| error.to_string())?;
    let fresh = FreshIdentity { cluster_id: 100 + draw, incarnation: 200 + draw, salt: 3 };
    go_on_alone(disk, &mut directory, fresh).map_err(|error| error.to_string())
}

/// What the next process finds on a disk.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// The member as it was.
    Old,
    /// A directory that does not start.
    Between,
    /// A new cluster.
    New,
}

fn left(disk: &SimDisk) -> Left {
    // Looking must not help.
    let disk = disk.fork();
    let opened = DataDirectory::open_existing(disk.clone(), Path::new(MEMBER));
    let identity = opened.expect("its identity is never lost").identity().clone();
    let (_, recovered, ..) = open(&disk);
    let known = recovered.configuration.expect("it always has one");
    let me = &known.members[&MemberId(1)];
    if identity.incarnation != me.incarnation {
        return Left::Between;
    }
    assert_eq!(identity.cluster_id, Some(known.cluster_id), "identity and log agree");
    if known == three_members() {
        assert_eq!(recovered.restored.log.last().index, Index(LAST));
        return Left::Old;
    }
    check_beginning(&disk);
    Left::New
}

/// A new cluster of one member with everything that it had, and nothing that names the old one.
fn check_beginning(disk: &SimDisk) {
    let opened = DataDirectory::open_existing(disk.clone(), Path::new(MEMBER));
    let identity = opened.expect("a sound disk").identity().clone();
    let (_, recovered, _, found) = open(disk);
    let known = recovered.configuration.expect("the new one");
    let log = &recovered.restored.log;
    assert!(log.start() == log.last() && log.last().index > Index(LAST), "{}", log.start());
    assert_eq!(recovered.restored.hard_state.commit, log.last().index);

    let ids: Vec<MemberId> = known.members.keys().copied().collect();
    assert_eq!(ids, [MemberId(1)]);
    assert_eq!(known.members[&MemberId(1)].incarnation, identity.incarnation);
    assert_eq!(identity.cluster_id, Some(known.cluster_id));
    assert_ne!(known.cluster_id, OLD_CLUSTER);
    assert!([2, 3].map(MemberId).iter().all(|id| known.is_removed(*id)));

    let (good, damaged) =
        Snapshots::inspect(disk, Path::new("/member/snapshots")).expect("a sound disk");
    assert!(damaged.is_empty(), "{damaged:?}");
    let [only] = &good[..] else { panic!("one snapshot: {good:?}") };
    assert_eq!(only.meta.cluster_id, known.cluster_id);
    assert_eq!(only.meta.configuration, known.encode());
    let store = found.store.expect("it stands for everything");
    for index in 2..=LAST {
        let (found, _) = store.reader().get(key(index).as_bytes(), None).expect("readable");
        assert!(found.is_some(), "entry {index} counts");
    }
}

#[test]
fn the_new_cluster_begins_with_a_snapshot_and_nothing_before_it() {
    for disk in [stopped(b"value", SEGMENT_BYTES), stopped_and_cut()] {
        go_on(&disk, 1).expect("nothing is wrong");
        disk.crash_process();
        assert_eq!(left(&disk), Left::New);
    }
}

#[test]
fn an_error_or_a_crash_at_any_operation_leaves_what_was_or_what_can_be_done_again() {
    let before = stopped_and_cut();
    let calm = before.fork();
    go_on(&calm, 1).expect("nothing is wrong");
    let operations = calm.counts().operations;
    assert!(operations > 50, "it takes only {operations} operations");
    let mut seen = Vec::new();
    for operation in 1..=operations {
        for fault in FAULTS {
            for power_cut in [None, Some(operation), Some(operation + 1_000)] {
                seen.push(fail_one(&before, operation, fault, power_cut));
            }
        }
    }
    for state in [Left::Old, Left::Between, Left::New] {
        assert!(seen.contains(&state), "nothing was ever left as {state:?}");
    }
}

fn fail_one(before: &SimDisk, operation: u64, fault: Fault, power_cut: Option<u64>) -> Left {
    let disk = before.fork();
    disk.fail_at(operation, fault);
    let outcome = go_on(&disk, 1);
    match power_cut {
        Some(seed) => disk.power_cut(seed),
        None => disk.crash_process(),
    }
    let context = format!("operation {operation}, {fault:?}, {power_cut:?}: {outcome:?}");
    let state = left(&disk);
    assert!(outcome.is_err() || state == Left::New, "{context}: {state:?}");
    go_on(&disk, 2).unwrap_or_else(|error| panic!("{context}, then {error}"));
    disk.crash_process();
    check_beginning(&disk);
    state
}

#[test]
fn what_it_would_keep_is_told_without_a_change() {
    let disk = stopped_and_cut();
    let opened = DataDirectory::open_existing(disk.clone(), Path::new(MEMBER));
    let directory = opened.expect("a sound disk");
    disk.trace();
    let forecast = forecast_alone(&disk, &directory).expect("a sound directory");
    assert_eq!(disk.take_trace(), Vec::<String>::new());
    assert_eq!((forecast.last, forecast.commit), (LAST, COMMIT));
    assert_eq!((forecast.lost_to, forecast.others), (None, Some(2)));
}

#[test]
fn a_log_without_its_beginning_and_without_a_snapshot_is_refused() {
    let disk = stopped_and_cut();
    for name in disk.list(Path::new("/member/snapshots")).expect("a sound disk") {
        disk.remove(&Path::new("/member/snapshots").join(name)).expect("it is there");
    }
    let opened = DataDirectory::open_existing(disk.clone(), Path::new(MEMBER));
    let mut directory = opened.expect("a sound disk");
    let refused = forecast_alone(&disk, &directory).expect_err("nothing can be kept");
    assert!(matches!(refused, AloneError::NoState), "{refused}");
    let fresh = FreshIdentity { cluster_id: 100, incarnation: 200, salt: 3 };
    let refused = go_on_alone(&disk, &mut directory, fresh).expect_err("nothing can be kept");
    assert!(matches!(refused, AloneError::NoState), "{refused}");
    assert_eq!(directory.identity().cluster_id, Some(OLD_CLUSTER));
}

/// A log that goes over into another cluster: what was applied when a snapshot is made decides
/// which of the two it is of.
#[test]
fn a_snapshot_names_the_cluster_of_the_state_in_it() {
    let disk = stopped(&[7; 200_000], 4 << 20);
    let (mut worker, ..) = open(&disk);
    let mut alone = three_members();
    alone.cluster_id = 8;
    alone.members.retain(|id, _| *id == MemberId(1));
    let id = LogId::new(Term(2), Index(LAST + 1));
    let (kind, payload) = (EntryKind::Configuration, alone.encode());
    persist(&mut worker, 1, 2, vec![Entry { id, kind, payload, ..entry(LAST, b"") }]);
    disk.crash_process();

    let (mut worker, recovered, _, found) = open(&disk);
    let mut now = Now { monotonic_ms: 0, wall_ms: 0 };
    let config = raft::Config::new(MemberId(1), CODEC, 1);
    let mut replica = Replica::new(config, alone, recovered, Store::new(), now);
    let options = SnapshotOptions { bytes_min: 1, ..SnapshotOptions::default() };
    replica.keep_snapshots(options, found.kept, found.configuration);
    let (of_old, of_new) = loop {
        now.monotonic_ms += 10;
        assert!(now.monotonic_ms < 60_000, "it leads itself soon, and applies its log");
        replica.tick(now);
        let effects = replica.take_effects();
        for reply in worker.handle(effects.log) {
            replica.log_reply(now, reply);
        }
        replica.apply_turn();
        let written = effects.snapshot.into_iter().find_map(|request| match request {
            SnapshotRequest::Write { point, cluster_id, .. } => Some((point, cluster_id)),
            _ => None,
        });
        if let Some((point, cluster_id)) = written {
            let payload = point.configuration.1;
            let known = Configuration::decode(payload).expect("a configuration");
            break (known.cluster_id, cluster_id);
        }
    };
    assert_eq!((of_old, of_new), (OLD_CLUSTER, OLD_CLUSTER));
}
