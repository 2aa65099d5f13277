//! The log's side of a replica: what it refuses to open, what it gives back, and what it goes on
//! after.

use std::path::Path;

use bytes::Bytes;
use disk::{Disk, Fault, SimDisk};
use raft::{Entry, EntryKind, HardState, Index, LogId, MemberId, Persist, PersistNumber, Term};
use replica::{
    Configuration, LogError, LogReply, LogRequest, LogWorker, Member, Purpose, Recovered, open_log,
};
use wal::{Batch, Options, Wal};

const LOG: &str = "/member/wal";

/// Small segments, so that a few entries fill one.
const OPTIONS: Options = Options { segment_bytes: 16 << 10, spares: 1, salt: 1 };

fn open(disk: &SimDisk) -> Result<(LogWorker<SimDisk>, Recovered), LogError> {
    let snapshots = Path::new("/member/snapshots");
    open_log(disk, Path::new(LOG), snapshots, OPTIONS, 1 << 20)
}

fn entry(index: u64, payload: Bytes) -> Entry {
    let id = LogId::new(Term(1), Index(index));
    Entry { id, kind: EntryKind::Command, stamp_ms: 0, age_ms: 0, payload }
}

fn persist(number: u64, entries: Vec<Entry>) -> LogRequest {
    let hard_state = HardState { term: Term(1), vote: None, commit: Index(0) };
    LogRequest::Persist(Persist { number: PersistNumber(number), hard_state, start: None, entries })
}

/// A log with `count` entries, each persisted with a flush of its own.
fn written(disk: &SimDisk, count: u64, payload: &Bytes) -> LogWorker<SimDisk> {
    let (mut worker, _) = open(disk).expect("a new log");
    for index in 1..=count {
        let replies = worker.handle(vec![persist(index, vec![entry(index, payload.clone())])]);
        assert!(matches!(replies[..], [LogReply::Persisted(PersistNumber(n))] if n == index));
    }
    worker
}

fn read(worker: &mut LogWorker<SimDisk>, from: u64, to: u64, bytes_max: usize) -> Vec<Entry> {
    let purpose = Purpose::Replicate(MemberId(2));
    let request = LogRequest::Read { purpose, from: Index(from), to: Index(to), bytes_max };
    match worker.handle(vec![request]).pop() {
        Some(LogReply::Entries { entries, .. }) => entries,
        other => panic!("entries: {other:?}"),
    }
}

/// A log with one record that the caller makes up.
fn with_record(kind: u8, payload: &'static [u8]) -> SimDisk {
    let disk = SimDisk::new();
    let (mut wal, _) =
        Wal::open(disk.clone(), Path::new(LOG), OPTIONS, &mut |_| {}).expect("a new log");
    let payload = Bytes::from_static(payload);
    let entries = vec![wal::Entry { kind, term: 1, index: 1, stamp_ms: 0, age_ms: 0, payload }];
    let hard_state = wal::HardState { term: 1, vote: None, commit: 0 };
    wal.append(&[Batch::new(hard_state, entries)]).expect("a sound disk");
    disk.crash_process();
    disk
}

#[test]
fn a_log_without_its_beginning_is_refused() {
    let disk = SimDisk::new();
    drop(written(&disk, 8, &Bytes::from(vec![1; 3_000])));
    disk.crash_process();
    disk.remove(&Path::new(LOG).join("00000000000000000001.wal")).expect("it is there");
    let error = open(&disk).err().expect("entries are missing");
    let message = error.to_string();
    assert!(message.contains("segment 1, which comes before it, is missing"), "{message}");
}

#[test]
fn a_log_of_which_only_the_place_is_left_is_refused() {
    let disk = SimDisk::new();
    let mut worker = written(&disk, 3, &Bytes::from(vec![1; 3_000]));
    worker.idle().expect("a closing frame goes to the next segment");
    drop(worker);
    disk.crash_process();
    disk.remove(&Path::new(LOG).join("00000000000000000001.wal")).expect("it is there");
    let error = open(&disk).err().expect("entries are missing");
    let message = error.to_string();
    assert!(message.contains("segment 1, which comes before it, is missing"), "{message}");
}

#[test]
fn an_entry_of_a_kind_from_the_future_is_refused() {
    let error = open(&with_record(77, b"")).err().expect("nobody knows kind 77");
    assert!(matches!(error, LogError::UnknownKind { index: 1, kind: 77 }), "{error}");
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let error = open(&with_record(3, b"\xff\xff")).err().expect("it is no configuration");
    assert!(matches!(error, LogError::Configuration(_)), "{error}");
}

#[test]
fn a_configuration_that_a_later_leader_overwrote_counts_no_more() {
    let disk = SimDisk::new();
    let configured = |members: u64| {
        let member = |id| Member::voter(1, format!("node-{id}"), format!("localhost:800{id}"));
        let members = (1..=members).map(|id| (MemberId(id), member(id))).collect();
        Configuration::founding(7, members)
    };
    let configuration = |index, members| {
        let payload = configured(members).encode();
        Entry { kind: EntryKind::Configuration, ..entry(index, payload) }
    };
    let (mut worker, _) = open(&disk).expect("a new log");
    worker.handle(vec![persist(1, vec![configuration(1, 3), configuration(2, 4)])]);
    worker.handle(vec![persist(2, vec![entry(2, Bytes::new())])]);
    drop(worker);
    disk.crash_process();
    let (_, recovered) = open(&disk).expect("a sound log");
    assert_eq!(recovered.configuration, Some(configured(3)));
    assert_eq!(recovered.restored.configurations, [(Index(1), configured(3).encode())]);
}

#[test]
fn what_is_read_is_bounded_as_raft_counts_it_whatever_the_payloads() {
    let (disk, bytes_max) = (SimDisk::new(), 1_000);
    let mut worker = written(&disk, 50, &Bytes::new());
    let entries = read(&mut worker, 1, 50, bytes_max);
    let bytes: usize = entries.iter().map(Entry::size_bytes).sum();
    assert!(bytes <= bytes_max && bytes + entries[0].size_bytes() > bytes_max, "{bytes} bytes");
}

#[test]
fn what_was_truncated_meanwhile_is_not_read() {
    let disk = SimDisk::new();
    let mut worker = written(&disk, 5, &Bytes::from_static(b"old"));
    worker.handle(vec![persist(6, vec![entry(3, Bytes::from_static(b"new"))])]);
    let read_back = read(&mut worker, 2, 5, usize::MAX);
    let payloads: Vec<&[u8]> = read_back.iter().map(|entry| &entry.payload[..]).collect();
    assert_eq!(payloads, [b"old", b"new"]);
    assert_eq!(read(&mut worker, 4, 5, usize::MAX), []);
}

#[test]
fn a_full_disk_in_idle_moments_ends_no_member() {
    let disk = SimDisk::new();
    let mut worker = written(&disk, 1, &Bytes::from_static(b"a"));
    // The first is the closing frame's write, the second its flush; then come zeros.
    disk.fail_at(3, Fault::Full);
    let more = worker.idle().expect("unwritten zeros are no reason to stop");
    assert!(!more, "it is not tried again before the next idle moment");
    assert_eq!(disk.counts().faults, 1);
    assert_eq!(worker.stats().failed_preparations, 1);
    let replies = worker.handle(vec![persist(2, vec![entry(2, Bytes::from_static(b"b"))])]);
    assert!(matches!(replies[..], [LogReply::Persisted(PersistNumber(2))]), "{replies:?}");
}

#[test]
fn a_closing_frame_that_fails_ends_the_log() {
    let disk = SimDisk::new();
    let mut worker = written(&disk, 1, &Bytes::from_static(b"a"));
    disk.fail_at(1, Fault::Error);
    assert!(worker.idle().is_err());
    let replies = worker.handle(vec![persist(2, vec![entry(2, Bytes::from_static(b"b"))])]);
    assert!(matches!(replies[..], [LogReply::Failed(_)]), "{replies:?}");
}
