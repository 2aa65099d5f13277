//! Every target on every finding there ever was, on its seeds, and on thousands of inputs drawn
//! from seeds. The findings lie in `findings/<target>/`, one a file, named after what they broke.

// Tests may unwrap.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use hostile::{TARGETS, Target, Verdict};

/// Inputs that are drawn for each target; fewer of those that go through sockets.
const DRAWN: u64 = 4_000;
const DRAWN_AT_DOORS: u64 = 250;

/// Runs an input and says which one broke the promise, if it does.
fn verdict(target: &Target, what: &str, bytes: &[u8]) -> Verdict {
    let run = AssertUnwindSafe(|| (target.run)(bytes));
    panic::catch_unwind(run).unwrap_or_else(|_| panic!("{} fails on {what}", target.name))
}

fn findings(target: &Target) -> Vec<(String, Vec<u8>)> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings").join(target.name);
    let Ok(files) = fs::read_dir(place) else { return Vec::new() };
    let paths = files.map(|file| file.unwrap().path());
    paths.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn what_was_found_once_stays_fixed() {
    for target in TARGETS {
        for (path, bytes) in findings(target) {
            verdict(target, &path, &bytes);
        }
    }
}

#[test]
fn every_folder_of_findings_has_its_target() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings");
    for folder in fs::read_dir(place).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(name.ends_with(".md") || Target::named(&name).is_some(), "{name}");
    }
}

/// Both ways must be taken often, or the inputs test one side only.
fn drawn_inputs_go_both_ways(name: &str) {
    so_many_go_both_ways(name, DRAWN);
}

fn so_many_go_both_ways(name: &str, drawn: u64) {
    let target = Target::named(name).unwrap();
    let mut verdicts: BTreeMap<Verdict, u64> = BTreeMap::new();
    for (number, bytes) in (target.seeds)().iter().enumerate() {
        *verdicts.entry(verdict(target, &format!("seed {number}"), bytes)).or_default() += 1;
    }
    let input = target.inputs();
    for number in 0..drawn {
        let verdict = verdict(target, &format!("input {number}"), &input(number));
        *verdicts.entry(verdict).or_default() += 1;
    }
    println!("{name}: {verdicts:?}");
    for way in [Verdict::Refused, Verdict::Accepted] {
        let count = verdicts.get(&way).copied().unwrap_or_default();
        assert!(count >= drawn / 20, "{name}: {way:?} {count} times of {drawn}");
    }
}

#[test]
fn payloads_of_the_log_are_refused_or_understood() {
    drawn_inputs_go_both_ways("command_decode");
}

#[test]
fn peer_streams_are_refused_or_understood() {
    drawn_inputs_go_both_ways("peer_frame");
}

#[test]
fn snapshots_are_refused_or_restored() {
    drawn_inputs_go_both_ways("snapshot_decode");
}

#[test]
fn snapshot_files_are_skipped_or_read() {
    drawn_inputs_go_both_ways("snapshot_file");
}

#[test]
fn log_files_are_refused_or_understood() {
    drawn_inputs_go_both_ways("wal_recovery");
}

#[test]
fn requests_of_http_are_refused_or_served() {
    so_many_go_both_ways("http_door", DRAWN_AT_DOORS);
}

#[test]
fn json_of_the_gateway_is_refused_or_served() {
    so_many_go_both_ways("json_gateway", DRAWN_AT_DOORS);
}

#[test]
fn calls_of_grpc_are_refused_or_served() {
    so_many_go_both_ways("grpc_door", DRAWN_AT_DOORS);
}

#[test]
fn frames_of_websockets_are_refused_or_heard() {
    so_many_go_both_ways("websocket", DRAWN_AT_DOORS);
}

#[test]
fn a_number_is_always_the_same_input() {
    for target in TARGETS {
        let (input, again) = (target.inputs(), target.inputs());
        for number in 0..100 {
            assert_eq!(input(number), again(number), "{}: {number}", target.name);
        }
    }
}
