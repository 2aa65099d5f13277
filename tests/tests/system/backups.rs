//! Backups that are made again and again, by members themselves and by `raftkv snapshot save DIR`:
//! so many are kept, targets are full or away, and no old one is ever lost.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use system_tests::cluster::Cluster;
use system_tests::disk::SmallDisk;
use system_tests::program::{self, Ended, Running};
use system_tests::scratch::Scratch;
use system_tests::wait;

const SUFFIX: &str = ".raftkv-backup";

/// Values of so many bytes fill a small disk soon.
const VALUE_BYTES: usize = 100_000;

/// Members that make backups of their own in `directory`, every second.
fn with_backups(count: u16, directory: &Path, keep: &str) -> Cluster {
    let directory = directory.to_str().unwrap();
    let settings = ["--backup-dir", directory, "--backup-every", "1s", "--backup-keep", keep];
    let mut cluster = Cluster::prepare_with(count, 0, &settings);
    cluster.start_all();
    cluster.leader();
    cluster
}

/// Whole backups in a directory, in the order of their names.
fn backups(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.to_str().unwrap().ends_with(SUFFIX)).collect();
    paths.sort();
    paths
}

fn put(cluster: &Cluster, number: usize, key: &str, value: &str) -> u64 {
    let body = serde_json::json!({ "value": value }).to_string();
    let answer = cluster.http(number).request("PUT", &format!("/kv/{key}"), &body).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["revision"].as_u64().unwrap()
}

fn alarms(cluster: &Cluster, number: usize) -> Vec<Value> {
    cluster.status(number)["alarms"].as_array().unwrap().clone()
}

fn backup_alarm(cluster: &Cluster, number: usize) -> Option<String> {
    let alarm =
        alarms(cluster, number).into_iter().find(|raised| raised["alarm"] == "backup_failed");
    alarm.map(|alarm| alarm["message"].as_str().unwrap().to_owned())
}

/// What is in a backup, every byte of it read.
fn inspected(file: &Path) -> Value {
    let shown = run(&["snapshot", "status", file.to_str().unwrap(), "-o", "json"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    serde_json::from_str(&shown.stdout).unwrap()
}

/// The program, with its output in a directory of its own.
fn run(arguments: &[&str]) -> Ended {
    let scratch = Scratch::new();
    program::run(scratch.path(), arguments)
}

fn save(cluster: &Cluster, directory: &Path, more: &[&str]) -> Ended {
    let endpoint = format!("localhost:{}", cluster.ports()[0]);
    let directory = directory.to_str().unwrap();
    let line = ["snapshot", "save", directory, "--endpoints", &endpoint, "--timeout", "30s"];
    run(&[&line[..], more].concat())
}

#[test]
fn members_make_backups_of_their_own_into_one_directory_and_keep_so_many() {
    let target = Scratch::new();
    fs::write(target.path().join("somebody-elses"), "file").unwrap();
    let mut cluster = with_backups(3, target.path(), "2");
    let revision = put(&cluster, 0, "a", "1");
    // Two of each, all made after the write; what came before is gone again.
    let whole = |path: &PathBuf| inspected(path)["revision"].as_u64().unwrap() >= revision;
    wait::until_true("each member has two that are new enough", || {
        let paths = backups(target.path());
        paths.len() == 6
            && cluster
                .numbers()
                .all(|number| cluster.status(number)["backups"]["made"].as_u64() >= Some(4))
    });
    for number in cluster.numbers() {
        cluster.stop(number);
    }
    let left = backups(target.path());
    assert_eq!(left.len(), 6, "{left:?}");
    assert!(left.iter().all(whole));
    let names = ["node-1-", "node-2-", "node-3-"];
    for name in names {
        let of = left.iter().filter(|path| path.to_str().unwrap().contains(name)).count();
        assert_eq!(of, 2, "{name}: {left:?}");
    }
    assert!(target.path().join("somebody-elses").exists());

    // Any of them begins a cluster that has it all.
    let mut new = Cluster::prepare(1);
    let (data, port) = (new.member(0).data(), new.member(0).port());
    let (file, address) = (left[0].to_str().unwrap(), format!("localhost:{port}"));
    let data = data.to_str().unwrap();
    let line = ["snapshot", "restore", file, "--data", data, "--advertise", &address];
    let restored = run(&line);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    new.start_all();
    new.leader();
    assert_eq!(new.http(0).get("/kv/a").json()["value"], "1");
}

#[test]
fn a_start_finds_what_is_there_and_makes_none_that_is_not_due() {
    let target = Scratch::new();
    let directory = target.path().to_str().unwrap();
    let settings = ["--backup-dir", directory, "--backup-every", "1h"];
    let mut cluster = Cluster::prepare_with(1, 0, &settings);
    cluster.start_all();
    cluster.leader();
    let made = wait::until("the first is made", || backups(target.path()).pop());
    let name = made.file_name().unwrap().to_str().unwrap();
    // What an earlier life left unfinished, and what is not its own.
    let stale = target.path().join(format!("{name}.partial"));
    let foreign = target.path().join("x-20260804T120000.000Z.raftkv-backup.partial");
    cluster.kill([0]);
    for path in [&stale, &foreign] {
        fs::write(path, "half").unwrap();
    }
    cluster.start_all();
    cluster.leader();
    let shown = wait::until("it has looked", || {
        Some(cluster.status(0)["backups"].clone()).filter(|shown| shown["kept"] == 1)
    });
    assert_eq!(shown["newest"]["file"], made.to_str().unwrap());
    assert_eq!((&shown["made"], &shown["failed"]), (&0.into(), &0.into()));
    assert!(!stale.exists() && foreign.exists());
    assert_eq!(backups(target.path()), [made]);
    let told = run(&["status", "--endpoints", &format!("localhost:{}", cluster.ports()[0])]);
    assert!(told.stdout.contains("node-1: 1 backups in "), "{told:?}");
    let metrics = cluster.http(0).get("/metrics").body;
    for line in
        ["raftkv_backups_kept 1\n", "raftkv_backups_made_total 0\n", "raftkv_backup_age_seconds "]
    {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn a_target_that_is_away_is_told_and_found_again() {
    let target = Scratch::new();
    let directory = target.path().join("share");
    let cluster = with_backups(1, &directory, "3");
    let alarm = wait::until("it says so", || backup_alarm(&cluster, 0));
    assert!(alarm.contains("can not be used") && alarm.contains("There is none"), "{alarm}");
    assert!(!directory.exists(), "what is not mounted is not made");
    put(&cluster, 0, "a", "1");
    assert_eq!(cluster.http(0).get("/readyz").status, 200, "it serves all the same");
    fs::create_dir(&directory).unwrap();
    wait::until_true("it is made good for", || backup_alarm(&cluster, 0).is_none());
    let made =
        wait::until("one is made", || Some(backups(&directory)).filter(|made| !made.is_empty()));
    // And away again: what there was is where it was.
    let away = target.path().join("away");
    fs::rename(&directory, &away).unwrap();
    let alarm = wait::until("it says so again", || backup_alarm(&cluster, 0));
    assert!(alarm.contains("The newest backup is "), "{alarm}");
    assert!(made.iter().any(|path| away.join(path.file_name().unwrap()).exists()));
    assert!(
        cluster.http(0).get("/metrics").body.contains("raftkv_alarm{alarm=\"backup_failed\"} 1\n")
    );
}

#[test]
fn a_target_that_is_full_loses_no_old_backup() {
    let target = Scratch::new();
    let Some(disk) = SmallDisk::mount(&target.path().join("small"), 8) else { return };
    let directory = target.path().join("small");
    let cluster = with_backups(1, &directory, "2");
    for number in 0..10 {
        put(&cluster, 0, &format!("k{number}"), &"x".repeat(VALUE_BYTES));
    }
    let bytes = || cluster.status(0)["backups"]["newest"]["bytes"].as_u64();
    wait::until_true("one has it all", || bytes() > Some(10 * VALUE_BYTES as u64));
    disk.fill();
    let alarm = wait::until("it says so", || backup_alarm(&cluster, 0));
    assert!(alarm.contains("no room is left for"), "{alarm}");
    let left = backups(&directory);
    assert!(!left.is_empty());
    left.iter().for_each(|path| drop(inspected(path)));
    put(&cluster, 0, "later", "it serves all the same");
    // By the command line, too.
    let saved = save(&cluster, &directory, &["--keep", "1"]);
    assert_eq!(saved.code, Some(1), "{saved:?}");
    assert!(saved.stderr.contains("no room is left for"), "{saved:?}");
    assert!(left.iter().all(|path| path.exists()));
    let file = directory.join("file");
    let saved = save(&cluster, &file, &[]);
    assert_eq!(saved.code, Some(1), "{saved:?}");
    assert!(!file.exists() && !directory.join("file.partial").exists());
    disk.empty();
    wait::until_true("it is made good for", || backup_alarm(&cluster, 0).is_none());
}

#[test]
fn the_command_line_saves_into_a_directory_once_and_again_and_again() {
    let target = Scratch::new();
    let cluster = Cluster::start(1);
    put(&cluster, 0, "a", "1");
    for number in 1..=3 {
        let saved = save(&cluster, target.path(), &["--keep", "2", "--verify"]);
        assert_eq!(saved.code, Some(0), "{saved:?}");
        assert!(saved.stdout.contains("; verified, 1 keys"), "{saved:?}");
        assert_eq!(backups(target.path()).len(), number.min(2));
    }
    let other = save(&cluster, target.path(), &["--name", "other"]);
    assert_eq!(other.code, Some(0), "{other:?}");
    assert_eq!(backups(target.path()).len(), 3, "another name's stay");

    // One at a time under a name.
    let lock = fs::File::options().write(true).open(target.path().join(".raftkv.lock")).unwrap();
    lock.lock().unwrap();
    let refused = save(&cluster, target.path(), &[]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("another process makes backups as raftkv"), "{refused:?}");
    assert_eq!(backups(target.path()).len(), 3);
    drop(lock);

    let scratch = Scratch::new();
    let endpoint = format!("localhost:{}", cluster.ports()[0]);
    let directory = target.path().to_str().unwrap();
    let line = ["snapshot", "save", directory, "--endpoints", &endpoint, "--every", "1s"];
    let mut running =
        Running::start(scratch.path(), &[&line[..], &["--keep", "1"]].concat()).unwrap();
    wait::until_true("it saves again and again", || running.stdout().lines().count() >= 2);
    running.terminate();
    assert_eq!(running.wait(), Some(0));
    let other =
        backups(target.path()).into_iter().filter(|path| path.to_str().unwrap().contains("other"));
    assert_eq!(other.count(), 1);
}

#[test]
fn what_makes_no_sense_is_refused_by_the_command_line() {
    let target = Scratch::new();
    let cluster = Cluster::start(1);
    let file = target.path().join("file");
    for (more, said) in [
        (["--every", "1h"], "is no directory"),
        (["--keep", "3"], "is no directory"),
        (["--keep", "0"], "0 is not in 1..=10000"),
        (["--every", "10ms"], "must be from 1s"),
        (["--name", "a/b"], "letters, digits"),
    ] {
        let ended = save(&cluster, &file, &more);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
    assert!(!file.exists());
    for (more, said) in
        [(["--backup-every", "1h"], "--backup-dir"), (["--backup-keep", "1"], "--backup-dir")]
    {
        let ended = run(&[&["start", "--check-config"][..], &more].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
}
