//! Those who watch while members die: each is told every event once and in order, as the history
//! of the store shows it in the end.

use std::fs;

use serde_json::Value;
use system_tests::cluster::{Cluster, Contents};
use system_tests::load::Load;
use system_tests::program::Running;
use system_tests::wait;
use system_tests::watch::{Stream, Told, Watcher, put};

/// All that ever happened to the keys with a prefix: every write sets a key of its own, once.
fn history(contents: &Contents, prefix: &str) -> Vec<Told> {
    let keys = contents.keys.iter().filter(|(key, _)| key.starts_with(prefix));
    let mut all: Vec<Told> =
        keys.map(|(key, kept)| (kept.mod_revision, key.clone(), kept.value.clone())).collect();
    all.sort();
    all
}

/// `raftkv watch` of everything, through all members.
fn command_line(cluster: &Cluster, from_revision: &str) -> Running {
    let directory = cluster.directory().join("watching");
    fs::create_dir(&directory).unwrap();
    let endpoints: Vec<String> =
        cluster.ports().iter().map(|port| format!("http://localhost:{port}")).collect();
    let endpoints = endpoints.join(",");
    let arguments = ["watch", "--prefix", "", "--from-revision", from_revision];
    let arguments = [&arguments[..], &["-o", "json", "--endpoints", &endpoints]].concat();
    Running::start(&directory, &arguments).unwrap()
}

/// What it has printed, in whole lines.
fn printed(running: &Running) -> Vec<Told> {
    let text = running.stdout();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let line = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        put(event["revision"].as_u64().unwrap(), &event)
    };
    whole.lines().map(line).collect()
}

#[test]
fn each_watcher_is_told_everything_once_and_in_order_while_leaders_are_killed() {
    let mut cluster = Cluster::start(3);
    let everything: Vec<Watcher> =
        cluster.numbers().map(|number| Watcher::start(&cluster, number, "prefix=")).collect();
    let some: Vec<Watcher> =
        cluster.numbers().map(|number| Watcher::start(&cluster, number, "prefix=1/")).collect();
    let of_command_line = command_line(&cluster, "1");
    let load = Load::start(&cluster);
    for _ in 0..3 {
        let leader = cluster.leader();
        cluster.kill([leader]);
        load.go_on();
        cluster.start_all();
        load.go_on();
    }
    load.stop().check(&cluster);

    let contents = cluster.contents(0, None);
    let (all, ones) = (history(&contents, ""), history(&contents, "1/"));
    let newest = contents.revision;
    let mut streams = 0;
    for watcher in everything {
        let (told, opened) = watcher.stop_at(newest);
        assert!(told == all, "{}", difference(&told, &all));
        streams += opened;
    }
    for watcher in some {
        let (told, opened) = watcher.stop_at(newest);
        assert!(told == ones, "{}", difference(&told, &ones));
        streams += opened;
    }
    assert!(streams >= 6 + 3, "every leader that was killed had somebody who watched it");
    wait::until_true("the command line has printed all", || {
        printed(&of_command_line).last().is_some_and(|(revision, ..)| *revision >= newest)
    });
    let told = printed(&of_command_line);
    assert!(told == all, "{}", difference(&told, &all));
    println!("{} events to 6 watchers over {streams} streams, and to the command line", all.len());
}

/// Where two tellings part.
fn difference(told: &[Told], all: &[Told]) -> String {
    let at = told.iter().zip(all).take_while(|(one, other)| one == other).count();
    let (lengths, pair) = ((told.len(), all.len()), (told.get(at), all.get(at)));
    format!("of {lengths:?} events, number {at} is told as against what it was: {pair:?}")
}

#[test]
fn a_member_that_is_stopped_says_so_to_its_watchers_and_does_not_wait_for_them() {
    let mut cluster = Cluster::start(3);
    let follower = cluster.others(cluster.leader())[0];
    let mut stream = Stream::open(cluster.ports()[follower], "prefix=", None).unwrap();
    assert!(stream.message().unwrap().unwrap().contains("event: open"));
    cluster.stop(follower);
    let mut last = String::new();
    while let Some(message) = stream.message().unwrap() {
        last = message;
    }
    assert!(last.starts_with("event: error\n"), "{last}");
    assert!(last.contains("\"stopped\""), "{last}");
}
