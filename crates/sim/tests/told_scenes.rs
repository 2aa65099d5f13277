//! The told scenes show what they say, and the files that are handed out are what they play.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sim::{STORIES, Trace, try_tell};

/// A scene is to be looked at: so long at least and at most, in seconds, and no larger than this.
const SECONDS: std::ops::RangeInclusive<u64> = 10..=60;
const BYTES_MAX: usize = 400_000;
/// A caption is on the screen for so long at least, in ms, and has so many characters at most.
const CAPTION_MS_MIN: u64 = 1_900;
const CAPTION_CHARS_MAX: usize = 320;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Scene {
    bytes: Vec<u8>,
    us: u64,
    events: Vec<Value>,
}

fn told(name: &str) -> Scene {
    let story = STORIES.iter().find(|story| story.name == name).expect("there is such a story");
    let buffer = Buffer::default();
    let us = try_tell(story, None, Trace::to(buffer.clone())).expect("the story comes to its end");
    let bytes = std::mem::take(&mut *buffer.0.lock().expect("one thread"));
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let events = lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
    Scene { bytes, us, events }
}

impl Scene {
    /// The events of a kind, in order.
    fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |event| event["kind"] == kind)
    }

    /// Who was elected, and for which term.
    fn leaders(&self) -> Vec<(&str, u64)> {
        let leads = self.of("role").filter(|event| event["role"] == "leader");
        leads.map(|event| (text(event, "member"), number(event, "term"))).collect()
    }

    /// When a member first did this.
    fn first(&self, kind: &str, holds: impl Fn(&Value) -> bool) -> u64 {
        let found = self.of(kind).find(|event| holds(event));
        number(found.unwrap_or_else(|| panic!("no such {kind}")), "t_us")
    }
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_else(|| panic!("{event} has no {field}"))
}

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("{event} has no {field}"))
}

fn is(event: &Value, member: &str, index: u64) -> bool {
    event["member"] == member && event["index"] == index
}

fn handed_out() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/demo/traces")
}

#[test]
fn the_files_that_are_handed_out_are_what_the_members_play() {
    let index = fs::read(handed_out().join("index.json")).expect("there is an index");
    let index: Vec<Value> = serde_json::from_slice(&index).expect("JSON");
    assert_eq!(index.len(), STORIES.len());
    for (row, story) in index.iter().zip(&STORIES) {
        let scene = told(story.name);
        let file = text(row, "file");
        let handed_out = fs::read(handed_out().join(file)).expect("the file is there");
        assert!(handed_out == scene.bytes, "{file} is not what is played now: cargo xtask demo");
        assert_eq!((text(row, "title"), text(row, "text")), (story.title, story.text));
        assert_eq!(number(row, "members"), story.members);
        assert_eq!(number(row, "seconds"), scene.us.div_ceil(1_000_000));
    }
}

#[test]
fn scenes_are_for_eyes() {
    for story in &STORIES {
        let scene = told(story.name);
        assert!(SECONDS.contains(&(scene.us / 1_000_000)), "{}: {} µs", story.name, scene.us);
        assert!(scene.bytes.len() < BYTES_MAX, "{}: {} bytes", story.name, scene.bytes.len());
        assert_eq!(scene.events[0]["kind"], "trace");
        assert_eq!(scene.events[0]["names"].as_object().unwrap().len() as u64, story.members);
        let captions: Vec<&Value> = scene.of("caption").collect();
        let begins = |caption: &&Value| number(caption, "t_us");
        let ends = captions.iter().skip(1).map(begins).chain([scene.us]);
        for (caption, end) in captions.iter().zip(ends) {
            let shown_ms = (end - begins(caption)) / 1_000;
            let title = text(caption, "title");
            assert!(shown_ms >= CAPTION_MS_MIN, "{}: {title}: {shown_ms} ms", story.name);
            assert!(text(caption, "text").chars().count() <= CAPTION_CHARS_MAX, "{title}");
        }
    }
}

#[test]
fn no_scene_breaks_election_safety_in_what_it_shows() {
    for story in &STORIES {
        let mut of_term = BTreeMap::new();
        for (leader, term) in told(story.name).leaders() {
            assert_eq!(*of_term.entry(term).or_insert(leader.to_owned()), leader);
        }
    }
}

#[test]
fn an_election_loses_its_leader_and_finds_another() {
    let scene = told("election");
    assert_eq!(scene.leaders(), [("2", 2), ("3", 3)]);
    let ended = scene.first("ended", |event| event["member"] == "2");
    let elected = scene.first("role", |event| event["role"] == "leader" && event["term"] == 3);
    assert!(ended < elected);
    let follows = |event: &Value| event["member"] == "2" && event["leader"] == "3";
    assert!(elected < scene.first("leader", follows));
}

#[test]
fn a_split_vote_is_a_term_that_nobody_leads() {
    let scene = told("split-vote");
    assert_eq!(scene.leaders(), [("1", 2), ("3", 4)]);
    let in_term_3 = |event: &&Value| event["term"] == 3;
    let candidates: BTreeSet<&str> = scene
        .of("role")
        .filter(in_term_3)
        .filter(|event| event["role"] == "candidate")
        .map(|event| text(event, "member"))
        .collect();
    let given = scene.of("vote").filter(in_term_3);
    let given = given.filter(|event| event["granted"] == true && event["pre"] == false);
    let mut votes: BTreeMap<&str, u64> = candidates.iter().map(|&id| (id, 1)).collect();
    given.for_each(|event| *votes.get_mut(text(event, "candidate")).unwrap() += 1);
    assert_eq!(votes.into_values().collect::<Vec<u64>>(), [2, 2]);
}

#[test]
fn figure_8_has_an_entry_of_an_old_term_on_a_majority_and_overwrites_it() {
    let scene = told("figure-8");
    assert_eq!(scene.leaders(), [("1", 2), ("5", 3), ("1", 4), ("5", 5)]);
    // Entry 3 of term 2 comes to three members.
    let appended = |event: &&Value| number(event, "first") <= 3 && number(event, "last") >= 3;
    let of_term = |term: u64| {
        let entries = scene.of("appended").filter(appended).filter(move |e| e["term"] == term);
        entries.map(|event| text(event, "member")).collect::<BTreeSet<&str>>()
    };
    assert_eq!(of_term(2), BTreeSet::from(["1", "2", "3"]));
    // The leader of term 4 knows of all three copies on disks, and commits nothing.
    let again = scene.first("role", |event| event["role"] == "leader" && event["term"] == 4);
    let gone = number(scene.of("ended").last().unwrap(), "t_us");
    let within = |event: &&Value| (again..=gone).contains(&number(event, "t_us"));
    let counted = scene.of("acknowledged").filter(within).filter(|e| number(e, "index") >= 3);
    let counted: BTreeSet<&str> = counted.map(|event| text(event, "member")).collect();
    assert_eq!(counted, BTreeSet::from(["1", "2", "3"]));
    assert!(!scene.of("committed").any(|e| number(e, "index") >= 3 && number(e, "t_us") <= gone));
    // It is removed on all three, and the other one is there in the end.
    let removed = scene.of("truncated").map(|event| (text(event, "member"), number(event, "from")));
    assert_eq!(removed.collect::<BTreeSet<_>>(), BTreeSet::from([("1", 3), ("2", 3), ("3", 3)]));
    assert_eq!(of_term(3), BTreeSet::from(["1", "2", "3", "4", "5"]));
    let committed = scene.of("committed").filter(|event| number(event, "index") >= 3);
    let committed: BTreeSet<&str> = committed.map(|event| text(event, "member")).collect();
    assert_eq!(committed.len(), 5);
}

#[test]
fn a_partition_that_heals_removes_what_a_minority_had() {
    let scene = told("partition");
    assert_eq!(scene.leaders(), [("1", 2), ("4", 3)]);
    let removed = scene.of("truncated").map(|event| (text(event, "member"), number(event, "from")));
    assert_eq!(removed.collect::<BTreeSet<_>>(), BTreeSet::from([("1", 4), ("2", 4)]));
    let outcomes = scene.of("client").filter_map(|event| event["outcome"].as_str());
    assert_eq!(outcomes.collect::<Vec<_>>(), ["done", "done", "failed", "failed"]);
}

#[test]
fn a_member_that_was_away_gets_a_snapshot_in_pieces() {
    let scene = told("snapshot");
    let installed = scene.of("snapshot_installed").collect::<Vec<_>>();
    assert_eq!(installed.iter().map(|e| text(e, "member")).collect::<Vec<_>>(), ["3"]);
    let pieces = scene.of("message").filter(|event| event["what"] == "snapshot");
    let sent: BTreeSet<u64> = pieces.map(|event| number(event, "bytes")).collect();
    assert!(sent.len() >= 3, "{sent:?}");
    let cut = scene.first("log_cut", |event| event["member"] == "1");
    assert!(cut < number(installed[0], "t_us"));
}

#[test]
fn one_write_is_appended_acknowledged_committed_and_applied_in_that_order() {
    let scene = told("one-write");
    let appended =
        |id: &'static str| move |event: &Value| event["member"] == id && number(event, "last") == 3;
    let at = |kind, id| scene.first(kind, |event| is(event, id, 3));
    let order = [
        scene.first("appended", appended("1")),
        scene.first("appended", appended("2")),
        at("durable", "2"),
        at("acknowledged", "2"),
        at("committed", "1"),
        at("applied", "1"),
        at("committed", "2"),
        at("applied", "2"),
    ];
    assert!(order.is_sorted(), "{order:?}");
    assert!(at("committed", "1") < at("committed", "2"));
    assert!(at("committed", "1") < at("committed", "3"));
}
