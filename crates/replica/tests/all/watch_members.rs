//! Watches on members that fall behind, lose their leader, their state or their place.

use bytes::Bytes;
use raft::{Entry, EntryKind, Index};
use replica::{
    CHECK_INTERVAL_MS, SnapshotOptions, Stop, Unserved, WatchEnd, WatchRefusal, WatchRequest,
    Watcher,
};
use store::{Budget, Command, KeyRange, LogEntry, Put, Store};

use crate::cluster::{Cluster, put};
use crate::watching::told;

/// Three members that make a snapshot every few writes, `1` leading.
fn led() -> Cluster {
    let every = SnapshotOptions { bytes_min: 1_000, of_last_percent: 0, ..Default::default() };
    Cluster::led_with(3, every)
}

/// All that happens to all keys from now on, for as long as there is a leader.
fn request() -> WatchRequest {
    WatchRequest { needs_leader: true, ..WatchRequest::new(KeyRange::all()) }
}

fn watch(cluster: &Cluster, id: u64) -> Watcher {
    cluster.replica(id).dispatcher().watch(&request()).unwrap()
}

fn refusal(cluster: &Cluster, id: u64) -> Option<WatchRefusal> {
    cluster.replica(id).dispatcher().watch(&request()).err()
}

/// The keys that were written, as far as it is told.
fn keys(cluster: &Cluster, id: u64, watcher: &mut Watcher) -> Result<Vec<String>, WatchEnd> {
    while cluster.replica(id).dispatcher().dispatch() {}
    let events = told(watcher)?.into_iter().flat_map(|batch| batch.events);
    Ok(events.map(|event| String::from_utf8_lossy(event.key()).into_owned()).collect())
}

fn write(cluster: &mut Cluster, numbers: std::ops::Range<u32>) -> Vec<String> {
    let keys: Vec<String> = numbers.map(|number| format!("key{number}")).collect();
    for key in &keys {
        let ticket = cluster.submit(1, put(key, "value"), 5_000);
        cluster.settle();
        assert!(cluster.is_done(ticket), "{key}");
    }
    keys
}

/// The state of a member whose memory made something else of every put in its log.
fn rotten(log: &raft::Log) -> Store {
    let entries = log.entries(Index(1), log.last().index, usize::MAX).expect("all in memory");
    let mut store = Store::new();
    for Entry { id, stamp_ms, age_ms, kind, payload } in entries {
        let command = (kind == EntryKind::Command).then(|| altered(payload));
        let (index, term) = (id.index.0, id.term.0);
        let entry = LogEntry { index, term, stamp_ms, age_ms, command };
        store.apply(&entry, &mut Budget::new(1 << 20)).unwrap();
    }
    store.publish();
    store
}

fn altered(payload: Bytes) -> Bytes {
    match Command::decode(payload.clone()).unwrap() {
        Command::Put { put, condition } => {
            let put = Put { value: "rotten".into(), ..put };
            Command::Put { put, condition }.encode()
        }
        _ => payload,
    }
}

#[test]
fn a_watch_on_any_member_is_told_all() {
    let mut cluster = led();
    let mut watchers = [1, 2, 3].map(|id| watch(&cluster, id));
    let written = write(&mut cluster, 0..50);
    // Followers hear of the last commit with the next heartbeat.
    cluster.pass(200);
    for (watcher, id) in watchers.iter_mut().zip([1, 2, 3]) {
        assert_eq!(keys(&cluster, id, watcher), Ok(written.clone()), "member {id}");
    }
}

#[test]
fn a_member_that_takes_a_snapshot_over_goes_on_telling() {
    let mut cluster = led();
    let mut watcher = watch(&cluster, 3);
    let mut written = write(&mut cluster, 0..10);
    cluster.pass(200);
    let mut heard = keys(&cluster, 3, &mut watcher).unwrap();
    cluster.kill(3);
    // Its watchers are gone with it; they go on from where they were.
    let next = cluster.replica(1).reader().published().revision.next();
    cluster.start(3);
    cluster.isolated = vec![3];
    let from = WatchRequest { from: Some(next), ..WatchRequest::new(KeyRange::all()) };
    let mut watcher = cluster.replica(3).dispatcher().watch(&from).unwrap();
    assert_eq!(keys(&cluster, 3, &mut watcher), Ok(vec![]));
    written.extend(write(&mut cluster, 10..300));
    cluster.isolated.clear();
    cluster.pass(5_000);
    let start = cluster.replica(3).raft().log().start().index;
    assert!(start > Index(50), "it took a snapshot: its log starts at {start}");
    heard.extend(keys(&cluster, 3, &mut watcher).unwrap());
    assert_eq!(heard, written);
}

#[test]
fn a_member_whose_state_is_wrong_ends_its_watches_until_it_has_another() {
    let mut cluster = led();
    write(&mut cluster, 0..3);
    cluster.pass(200);
    cluster.power_cut(3);
    cluster.start_with(3, rotten);
    let mut watcher = watch(&cluster, 3);
    write(&mut cluster, 3..6);
    let mut refused = None;
    for _ in 0..3 * CHECK_INTERVAL_MS / 10 {
        cluster.pass(10);
        refused = refused.or(refusal(&cluster, 3));
    }
    assert_eq!(refused, Some(WatchRefusal::Unserved(Unserved::WrongState)));
    let end = WatchEnd::Unserved(Unserved::WrongState);
    assert_eq!(keys(&cluster, 3, &mut watcher), Err(end));
    cluster.pass(5_000);
    assert_eq!(cluster.replica(3).status().agreement.diverged_at, None, "it has another state");
    assert_eq!(keys(&cluster, 3, &mut watcher), Err(end));
    let mut again = watch(&cluster, 3);
    let written = write(&mut cluster, 6..20);
    cluster.pass(200);
    assert_eq!(keys(&cluster, 3, &mut again), Ok(written));
}

#[test]
fn a_member_without_a_leader_ends_its_watches_until_it_has_one() {
    let mut cluster = led();
    let timeout_ms = cluster.replica(3).raft().config().election_timeout_ms;
    let mut watcher = watch(&cluster, 3);
    cluster.isolated = vec![3];
    cluster.pass(3 * timeout_ms);
    assert_eq!(keys(&cluster, 3, &mut watcher), Ok(vec![]), "an election may take that long");
    cluster.pass(4 * timeout_ms);
    let unserved = Unserved::NoLeader;
    assert_eq!(keys(&cluster, 3, &mut watcher), Err(WatchEnd::Unserved(unserved)));
    assert_eq!(refusal(&cluster, 3), Some(WatchRefusal::Unserved(unserved)));
    cluster.isolated.clear();
    cluster.pass(2 * timeout_ms);
    assert_eq!(refusal(&cluster, 3), None);
}

#[test]
fn a_member_that_stops_ends_its_watches() {
    let mut cluster = led();
    let mut watcher = watch(&cluster, 3);
    cluster.log_fails(3);
    cluster.settle();
    assert!(matches!(cluster.running(3).stop, Some(Stop::Log(_))));
    let end = WatchEnd::Unserved(Unserved::Stopped);
    assert_eq!(keys(&cluster, 3, &mut watcher), Err(end));
    assert_eq!(refusal(&cluster, 3), Some(WatchRefusal::Unserved(Unserved::Stopped)));
}
