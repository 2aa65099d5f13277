//! Disks that damage what members wrote: each comes back by itself, says what was damaged, and
//! nothing that was acknowledged is lost (`Ledger::check`).

use std::fs;
use std::path::{Path, PathBuf};

use system_tests::cluster::Cluster;
use system_tests::ledger::Ledger;
use system_tests::wait;

/// Small enough that a test's writes make several snapshots.
const SNAPSHOT_BYTES: &str = "1MiB";

/// Together with their values, these writes are several times that.
const WRITES: usize = 400;
const VALUE_BYTES: usize = 20_000;

#[test]
fn a_log_that_is_damaged_in_the_middle_is_repaired_and_filled_by_the_peers() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let mut ledger = Ledger::default();
    write_much(&cluster, leader, &mut ledger);
    let victim = cluster.others(leader)[0];
    let data = cluster.member(victim).data();
    cluster.stop(victim);
    let oldest = files(&data.join("wal"), "wal").remove(0);
    damage(&oldest);
    cluster.member(victim).start();
    ledger.write_done(&mut cluster.http(leader), "afterwards", "it is back");
    ledger.check(&cluster);
    check_named(&mut cluster, victim, &oldest);
}

#[test]
fn a_damaged_snapshot_is_skipped_for_the_one_before() {
    let mut cluster = Cluster::prepare_with(3, 0, &["--snapshot-bytes", SNAPSHOT_BYTES]);
    cluster.start_all();
    let leader = cluster.leader();
    let mut ledger = Ledger::default();
    write_much(&cluster, leader, &mut ledger);
    let victim = cluster.others(leader)[0];
    let data = cluster.member(victim).data();
    wait::until_true("two snapshots are kept", || snapshots(&data).len() >= 2);
    cluster.stop(victim);
    let newest = snapshots(&data).pop().unwrap();
    damage(&newest);
    cluster.member(victim).start();
    ledger.write_done(&mut cluster.http(leader), "afterwards", "it is back");
    ledger.check(&cluster);
    check_named(&mut cluster, victim, &newest);
}

/// The member has said which file was damaged.
fn check_named(cluster: &mut Cluster, victim: usize, file: &Path) {
    let log = cluster.member(victim).log();
    let name = file.file_name().unwrap().to_str().unwrap();
    let loud = |line: &str| line.contains(" WARN ") || line.contains(" ERROR ");
    assert!(log.lines().any(|line| loud(line) && line.contains(name)), "{name}:\n{log}");
}

fn write_much(cluster: &Cluster, through: usize, ledger: &mut Ledger) {
    let mut http = cluster.http(through);
    for count in 0..WRITES {
        let value = format!("{count} {}", "x".repeat(VALUE_BYTES));
        ledger.write_done(&mut http, &format!("key/{count}"), &value);
    }
}

fn snapshots(data: &Path) -> Vec<PathBuf> {
    files(&data.join("snapshots"), "snapshot")
}

/// The files of a directory that end so, oldest first.
fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|found| found == end)).collect();
    found.sort();
    found
}

/// Flips a bit in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}
