//! What members tell each other of themselves, in lines of JSON (`GET /raft/events`).
//!
//! ```text
//! {"schema":1,"cluster_id":"…","member":"3f"}           the first
//! {"now_us":…,"number":0,"events":[{…}],"state":{…},"matched":[["41",7]]}
//! ```
//!
//! A peer's bytes are read into our own types, with bounds, and what is passed on is made of those:
//! so a browser gets nothing that a peer has written, but numbers and names of our own.

use std::fmt;

use raft::MemberId;
use serde::{Deserialize, Serialize};

use super::event::{Event, What};
use super::id::Id;
use super::member_state::MemberState;

/// Of what is told here.
pub(crate) const SCHEMA: u64 = 1;

/// A line has at most so many bytes, with its end; a full window has about a third of that.
pub(crate) const LINE_BYTES_MAX: usize = 256 << 10;

/// A line has at most so many events; a window has no more.
const LINE_EVENTS_MAX: usize = 512;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    pub(crate) schema: u64,
    /// In hexadecimal.
    pub(crate) cluster_id: String,
    pub(crate) member: Id,
}

/// What has happened at a member, and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When it was written, by the clock of the events.
    pub(crate) now_us: u64,
    /// So many events were told, or left out, before.
    pub(crate) number: u64,
    pub(crate) events: Vec<Event>,
    /// So many there were of them, with those that are not known here.
    #[serde(skip)]
    pub(crate) told: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<MemberState>,
    /// On a leader, what it knows to be on each member's disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) matched: Vec<(Id, u64)>,
}

/// Why a peer is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// No line is so long.
    TooLong,
    /// It is not what it should be.
    Shape,
    /// A line has no so many events.
    TooManyEvents,
    /// It tells of other members than itself.
    OfOthers,
    /// It speaks of things that this member does not know.
    Schema,
    /// Somebody else is there.
    Stranger,
}

impl Greeting {
    /// Of a member of this cluster.
    pub(crate) fn of(cluster_id: u128, member: MemberId) -> Greeting {
        let cluster_id = format!("{cluster_id:032x}");
        Greeting { schema: SCHEMA, cluster_id, member: Id(member) }
    }

    /// Reads the first line of the member that is expected.
    pub(super) fn check(bytes: &[u8], expected: &Greeting) -> Result<(), Malformed> {
        let told: Greeting = serde_json::from_slice(bytes).map_err(|_| Malformed::Shape)?;
        match told {
            told if told == *expected => Ok(()),
            told if told.schema != expected.schema => Err(Malformed::Schema),
            _ => Err(Malformed::Stranger),
        }
    }
}

impl Line {
    /// Reads a line of `peer`. Kinds that are not known here are left out.
    pub(super) fn check(bytes: &[u8], peer: MemberId) -> Result<Line, Malformed> {
        if bytes.len() > LINE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let mut line: Line = serde_json::from_slice(bytes).map_err(|_| Malformed::Shape)?;
        if line.events.len() > LINE_EVENTS_MAX || line.matched.len() > replica::MEMBERS_MAX {
            return Err(Malformed::TooManyEvents);
        }
        line.told = line.events.len() as u64;
        line.events.retain(|event| event.what != What::Unknown);
        // A leader tells who has acknowledged; everything else is of whoever speaks.
        let is_own = |event: &Event| {
            event.member.0 == peer || matches!(event.what, What::Acknowledged { .. })
        };
        match line.events.iter().all(is_own) {
            true => Ok(line),
            false => Err(Malformed::OfOthers),
        }
    }
}

/// As it is sent.
pub(crate) fn written(line: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("our shapes have text keys and plain values");
    bytes.push(b'\n');
    bytes
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::TooLong => "a line is too long",
            Malformed::Shape => "a line is not the JSON it should be",
            Malformed::TooManyEvents => "a line has too many events",
            Malformed::OfOthers => "it tells of other members than itself",
            Malformed::Schema => "it speaks another schema of events",
            Malformed::Stranger => "another member answers there",
        })
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: MemberId = MemberId(0x3f);

    fn read(text: &str) -> Result<Line, Malformed> {
        Line::check(text.as_bytes(), PEER)
    }

    fn with(events: &str) -> String {
        format!(r#"{{"now_us":5,"number":0,"events":[{events}]}}"#)
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let event = Event::new(3, PEER, What::Committed { index: 7 });
        let matched = vec![(Id(MemberId(2)), 7)];
        let (told, events) = (1, vec![event]);
        let line = Line { now_us: 5, number: 9, events, told, state: None, matched };
        let bytes = written(&line);
        assert_eq!(Line::check(&bytes, PEER), Ok(line));
        assert!(bytes.ends_with(b"\n") && !bytes[..bytes.len() - 1].contains(&b'\n'));
    }

    #[test]
    fn a_peer_speaks_of_itself_and_of_what_it_was_told_as_a_leader() {
        let of = |member: &str, what: &str| {
            with(&format!(r#"{{"kind":{what},"t_us":1,"member":"{member}","index":1}}"#))
        };
        assert!(read(&of("3f", r#""committed""#)).is_ok());
        assert_eq!(read(&of("40", r#""committed""#)), Err(Malformed::OfOthers));
        assert!(read(&of("40", r#""acknowledged""#)).is_ok());
    }

    #[test]
    fn what_is_not_known_is_left_out_and_what_is_wrong_is_refused() {
        let newer = with(r#"{"kind":"newer","t_us":1,"member":"3f","html":"<b>"}"#);
        assert_eq!(read(&newer).unwrap().events, []);
        for wrong in [
            "",
            "[]",
            "{",
            r#"{"now_us":5,"number":0}"#,
            r#"{"now_us":-5,"number":0,"events":[]}"#,
            r#"{"now_us":5,"number":0,"events":[],"state":{"role":"leader"}}"#,
            r#"{"now_us":5,"number":0,"events":[],"matched":[["x",1]]}"#,
            &with(r#"{"kind":"role","t_us":1,"member":"3f","role":"<b>","term":1}"#),
        ] {
            assert_eq!(read(wrong), Err(Malformed::Shape), "{wrong}");
        }
        let many = vec![r#"{"kind":"started","t_us":1,"member":"3f"}"#; LINE_EVENTS_MAX + 1];
        assert_eq!(read(&with(&many.join(","))), Err(Malformed::TooManyEvents));
        let long = with(&format!(r#"{{"kind":"{}"}}"#, "x".repeat(LINE_BYTES_MAX)));
        assert_eq!(read(&long), Err(Malformed::TooLong));
    }

    #[test]
    fn terms_and_alarms_of_a_peer_are_bounded_and_plain() {
        let state = |runs: &str, alarms: &str| {
            format!(
                r#"{{"now_us":5,"number":0,"events":[],"state":{{"role":"leader","term":1,
                "vote":null,"leader":"3f","log":{{"start":0,"applied":1,"commit":1,
                "durable":1,"last_index":1,"last_term":1}},"runs":[{runs}],"election":null,
                "revision":1,"compact_revision":0,"keys":1,"rates":{{"writes":0,"reads":0,
                "p50_us":null,"p99_us":null}},"pending":0,"alarms":[{alarms}]}}}}"#
            )
        };
        assert!(read(&state("[1,1]", r#""no_room""#)).unwrap().state.unwrap().leads());
        for (runs, alarms) in [
            (&vec!["[1,1]"; 33].join(",")[..], ""),
            ("", r#""<script>""#),
            ("", &format!("\"{}\"", "x".repeat(33))),
            ("", &vec!["\"x\""; 17].join(",")),
            ("[1]", ""),
        ] {
            assert_eq!(read(&state(runs, alarms)), Err(Malformed::Shape), "{runs} {alarms}");
        }
    }

    #[test]
    fn only_the_member_that_is_expected_is_listened_to() {
        let expected = Greeting::of(7, PEER);
        let check = |greeting: &Greeting| Greeting::check(&written(greeting), &expected);
        assert_eq!(check(&expected), Ok(()));
        assert_eq!(check(&Greeting::of(8, PEER)), Err(Malformed::Stranger));
        assert_eq!(check(&Greeting::of(7, MemberId(1))), Err(Malformed::Stranger));
        let newer = Greeting { schema: 2, ..expected.clone() };
        assert_eq!(check(&newer), Err(Malformed::Schema));
    }
}
