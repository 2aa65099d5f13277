//! Disks that are full: writes that grow are refused for certain, everything else goes on, nobody
//! dies, and it lifts by itself. Each member has a small disk of its own in memory; where this user
//! may not mount one, the tests say so and end.

use std::fs;

use system_tests::cluster::{Cluster, WAL_SEGMENT_BYTES};
use system_tests::disk::SmallDisk;
use system_tests::ledger::{Ledger, Outcome};
use system_tests::wait;

/// Room for a dozen segments of the log.
const DISK_MIB: u64 = 48;

/// Keys that are written before anything is full.
const KEYS: usize = 50;

/// A cluster of three on small disks, with some keys, whose logs have all that they prepare.
fn on_small_disks() -> Option<(Cluster, Vec<SmallDisk>, Ledger)> {
    let mut cluster = Cluster::prepare(3);
    let mut disks = Vec::new();
    for number in cluster.numbers() {
        disks.push(SmallDisk::mount(&cluster.member(number).data(), DISK_MIB)?);
    }
    cluster.start_all();
    let leader = cluster.leader();
    let (mut ledger, mut http) = (Ledger::default(), cluster.http(leader));
    for number in 0..KEYS {
        ledger.write_done(&mut http, &format!("before-{number}"), "there");
    }
    for number in cluster.numbers() {
        wait::until_true("its segments are prepared", || is_prepared(&mut cluster, number));
    }
    Some((cluster, disks, ledger))
}

/// Two spares, and no file of the log that is still to grow.
fn is_prepared(cluster: &mut Cluster, number: usize) -> bool {
    let files = fs::read_dir(cluster.member(number).data().join("wal")).unwrap();
    let lengths = files.map(|file| file.unwrap().metadata().unwrap().len());
    let whole = lengths.filter(|length| length.to_string() == WAL_SEGMENT_BYTES).count();
    whole == 3 && cluster.status(number)["disk"]["spare_segments"] == 2
}

fn has_room(cluster: &Cluster, number: usize) -> bool {
    cluster.status(number)["disk"]["has_room"].as_bool().unwrap()
}

fn wait_until_full(cluster: &Cluster, number: usize) {
    wait::until_true("it sees that its disk is full", || !has_room(cluster, number));
}

/// Writes one key after the other through the member until one comes to what is wanted; each is
/// either done or refused for want of space.
fn write_until(
    cluster: &Cluster,
    number: usize,
    ledger: &mut Ledger,
    name: &str,
    wanted: impl Fn(&Outcome) -> bool,
) {
    let (mut http, mut count) = (cluster.http(number), 0);
    wait::until_true(name, || {
        count += 1;
        let outcome = ledger.write(&mut http, &format!("{name}-{number}-{count}"), "v".into());
        let expected = matches!(&outcome, Outcome::Done(_))
            || matches!(&outcome, Outcome::Refused(code) if code == "no_space");
        assert!(expected, "{outcome:?}");
        wanted(&outcome)
    });
}

#[test]
fn full_disks_refuse_what_grows_and_everything_else_goes_on() {
    let Some((mut cluster, disks, mut ledger)) = on_small_disks() else { return };
    let leader = cluster.leader();
    disks.iter().for_each(SmallDisk::fill);
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
    for number in cluster.numbers() {
        wait_until_full(&cluster, number);
        write_until(&cluster, number, &mut ledger, "full", refused);
        let mut http = cluster.http(number);
        let answer = http.request("PUT", "/kv/refused", "{\"value\":\"v\"}").unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (507, "no_space"));
        assert_eq!(http.get("/kv/before-1").json()["value"], "there");
        let answer = http.request("DELETE", "/kv/never-was", "").unwrap();
        assert_eq!((answer.status, &answer.json()["deleted"]), (200, &0.into()));
    }

    // Even a start finds what it needs, and then serves.
    let victim = cluster.others(leader)[0];
    cluster.restart(victim);
    let read = wait::until("it serves again", || {
        cluster.http(victim).request("GET", "/kv/before-2", "").ok().filter(|a| a.status == 200)
    });
    assert_eq!(read.json()["value"], "there");
    for number in cluster.numbers() {
        assert_eq!(cluster.http(number).get("/livez").status, 200, "nobody died");
    }

    disks.iter().for_each(SmallDisk::empty);
    let done = |outcome: &Outcome| matches!(outcome, Outcome::Done(_));
    for number in cluster.numbers() {
        wait::until_true("it sees that there is room", || has_room(&cluster, number));
        write_until(&cluster, number, &mut ledger, "freed", done);
    }
    ledger.check(&cluster);
}

#[test]
fn one_full_disk_keeps_nobody_from_writing() {
    let Some((cluster, disks, mut ledger)) = on_small_disks() else { return };
    for full in cluster.numbers() {
        disks[full].fill();
        wait_until_full(&cluster, full);
        for through in cluster.numbers() {
            let key = format!("full-{full}-{through}");
            ledger.write_done(&mut cluster.http(through), &key, "done all the same");
        }
        disks[full].empty();
        wait::until_true("it sees that there is room", || has_room(&cluster, full));
    }
    ledger.check(&cluster);
}
