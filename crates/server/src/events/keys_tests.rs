use store::{Apply, Budget, Command, LogEntry, Put, PutLifetime, Store};

use super::*;
use crate::events::event::Event;
use serde_json::Value;

/// A store that writes, and somebody who is told of it.
struct Desk {
    store: Store,
    keys: Keys,
    index: u64,
}

impl Desk {
    fn new() -> Desk {
        let mut desk = Desk { store: Store::new(), keys: Keys::default(), index: 0 };
        assert!(desk.told(&[]).is_empty(), "what was before is not told");
        desk
    }

    fn apply(&mut self, command: impl Into<Command>) {
        self.index += 1;
        let entry = LogEntry {
            index: self.index,
            term: 1,
            stamp_ms: self.index,
            age_ms: 1_000,
            command: Some(command.into().encode()),
        };
        while let Ok(Apply::Unfinished) = self.store.apply(&entry, &mut Budget::default()) {}
        self.store.publish();
    }

    fn moment(&self) -> Moment {
        Moment {
            member: Id(raft::MemberId(1)),
            now_us: 5_000_000,
            age_ms: 1_000,
            revision: self.store.reader().published().revision.0,
        }
    }

    /// A window in which keys have expired in these; at 7 and at 8, the store showed more.
    fn note(&mut self, expired: &[u64]) {
        let mut window = Window::default();
        for (t_us, revision) in [(7, 2), (8, 3)] {
            let applied = What::Applied { index: revision, revision };
            window.note(Event::new(t_us, raft::MemberId(1), applied));
        }
        expired.iter().for_each(|revision| window.expire(*revision));
        self.keys.note(&window);
    }

    fn told(&mut self, expired: &[u64]) -> Vec<Value> {
        self.note(expired);
        let moment = self.moment();
        let told = self.keys.take(&self.store.reader(), &moment);
        told.iter().map(|event| serde_json::from_str(&event.text).unwrap()).collect()
    }
}

fn delete(key: &str) -> Command {
    let range = KeyRange::Single(Bytes::copy_from_slice(key.as_bytes()));
    Command::Delete { range, prev_kv: false, condition: None }
}

#[test]
fn each_is_told_once_and_when_the_store_showed_it() {
    let mut desk = Desk::new();
    desk.apply(Put::new("a", "value"));
    desk.apply(Put::new("a", "longer value"));
    desk.apply(delete("a"));
    let told = desk.told(&[]);
    let of = |field: &str| told.iter().map(|key| key[field].clone()).collect::<Vec<Value>>();
    assert_eq!(of("op"), ["put", "put", "delete"]);
    assert_eq!(of("revision"), [2, 3, 4].map(Value::from));
    assert_eq!(of("bytes"), [5, 12, 0].map(Value::from));
    assert_eq!(of("version"), [1, 2, 0].map(Value::from));
    assert_eq!(of("t_us"), [7, 8, 5_000_000].map(Value::from));
    assert!(desk.told(&[]).is_empty());
}

#[test]
fn what_has_expired_is_told_apart() {
    let mut desk = Desk::new();
    let lifetime = PutLifetime::TtlMs(500);
    desk.apply(Put { lifetime, ..Put::new("a", "v") });
    desk.apply(delete("a"));
    let told = desk.told(&[3]);
    assert_eq!(told[0]["expires_us"], 5_500_000);
    let over = Lifetime::Until { age_ms: 900 };
    assert_eq!(desk.moment().expires_us(over), Some(4_900_000), "it was over before it was told");
    assert_eq!((&told[1]["op"], &told[1]["key"]), (&"expire".into(), &"a".into()));
}

/// Between the window that says what expired and the turn that tells of it there may be others.
#[test]
fn what_has_expired_is_known_until_it_is_told() {
    let mut desk = Desk::new();
    desk.apply(Put::new("a", "v"));
    desk.apply(delete("a"));
    desk.note(&[3]);
    let told = desk.told(&[]);
    assert_eq!((&told[1]["op"], &told[1]["t_us"]), (&"expire".into(), &8.into()));
    assert!(desk.keys.past.expired.is_empty(), "and no longer");
}

#[test]
fn of_what_is_known_the_newest_is_kept() {
    let mut desk = Desk::new();
    let revisions: Vec<u64> = (0..2 * EXPIRED_MAX as u64).collect();
    revisions.chunks(100).for_each(|some| desk.note(some));
    let known = &desk.keys.past;
    assert_eq!(known.expired, revisions[EXPIRED_MAX..]);
    (0..APPLIED_MAX).for_each(|_| desk.note(&[]));
    assert_eq!(desk.keys.past.applied.len(), APPLIED_MAX);
}

#[test]
fn of_many_the_newest_are_told_and_one_stands_for_the_rest() {
    let mut desk = Desk::new();
    for number in 0..100 {
        desk.apply(Put::new(format!("k{number}"), "v"));
    }
    let told = desk.told(&[]);
    assert_eq!(told.len(), KEYS_MAX);
    assert_eq!((&told[0]["key"], &told[0]["count"]), (&"k76".into(), &77.into()));
    assert_eq!((&told[23]["key"], told[23].get("count")), (&"k99".into(), None));
}

#[test]
fn of_a_revision_with_many_keys_the_last_are_told_and_all_are_counted() {
    let mut desk = Desk::new();
    for number in 10..60 {
        desk.apply(Put::new(format!("k{number}"), "v"));
    }
    desk.told(&[]);
    let range = KeyRange::all();
    desk.apply(Command::Delete { range, prev_kv: false, condition: None });
    desk.apply(Put::new("new", "v"));
    let told = desk.told(&[]);
    assert_eq!(told.len(), KEYS_MAX);
    assert_eq!((&told[0]["key"], &told[0]["count"]), (&"k37".into(), &28.into()));
    assert_eq!(told[23]["key"], "new", "the newest is among them");
}

#[test]
fn a_long_key_is_cut_where_a_letter_ends_and_bytes_are_in_base64() {
    let mut desk = Desk::new();
    let long = format!("x{}", "ä".repeat(200));
    desk.apply(Put::new(long.clone(), "v"));
    desk.apply(Put::new(Bytes::from_static(&[0xff; 300]), "v"));
    let told = desk.told(&[]);
    let key = told[0]["key"].as_str().unwrap();
    assert!(long.starts_with(key) && key.len() == 255, "{key}");
    assert_eq!(told[0]["key_bytes"], 401);
    assert_eq!(told[1]["key_base64"].as_str().unwrap().len(), 344);
    assert_eq!((&told[1]["key_bytes"], told[1].get("key")), (&300.into(), None));
}

#[test]
fn another_state_in_its_place_is_no_trouble() {
    let mut desk = Desk::new();
    (0..10).for_each(|_| desk.apply(Put::new("a", "v")));
    assert_eq!(desk.told(&[]).len(), 10);
    (desk.store, desk.index) = (Store::new(), 0);
    desk.apply(Put::new("b", "v"));
    assert!(desk.told(&[]).is_empty());
    desk.apply(Put::new("c", "v"));
    assert_eq!(desk.told(&[])[0]["key"], "c");
}
