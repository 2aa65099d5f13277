//! A reader that knows nothing but the lines, beside the members themselves: what it shows of them
//! is what they are, at any moment of lives with every fault.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use raft::Index;
use serde_json::Value;

use crate::life::Life;
use crate::member::Process;
use crate::trace::Trace;

/// Members are compared whenever so many events have happened.
const COMPARED_EVERY: u64 = 50;
/// A life is followed for so many events.
const EVENTS_MAX: u64 = 12_000;
const LIVES: u64 = 40;

/// What a reader shows of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    role: String,
    term: u64,
    vote: Option<String>,
    start: u64,
    /// The term of each entry after the start.
    terms: Vec<u64>,
    commit: u64,
    durable: u64,
    applied: u64,
}

impl Shown {
    fn of(process: &Process) -> Shown {
        let (status, raft) = (process.replica.status(), process.replica.raft());
        let log = raft.log();
        let indexes = log.first_index().0..=log.last().index.0;
        Shown {
            role: status.role.as_str().to_owned(),
            term: status.term.0,
            vote: status.vote.map(|vote| vote.to_string()),
            start: log.start().index.0,
            terms: indexes.map(|index| log.term_at(Index(index)).unwrap().0).collect(),
            commit: status.commit,
            durable: status.durable,
            applied: status.published.applied_index,
        }
    }

    fn started(event: &Value) -> Shown {
        let log = &event["log"];
        let (start, last) = (number(&log["start"]), number(&log["last_index"]));
        let mut shown = Shown {
            role: "follower".to_owned(),
            term: number(&event["term"]),
            vote: event["vote"].as_str().map(str::to_owned),
            start,
            terms: vec![0; (last - start) as usize],
            commit: number(&log["commit"]),
            durable: number(&log["durable"]),
            applied: number(&log["applied"]),
        };
        for run in event["runs"].as_array().unwrap() {
            shown.append(number(&run[0]), last, number(&run[1]));
        }
        shown
    }

    fn append(&mut self, first: u64, last: u64, term: u64) {
        self.terms.truncate((first - self.start - 1) as usize);
        self.terms.resize((last - self.start) as usize, term);
    }

    fn take_role(&mut self, id: &str, event: &Value) {
        self.role = event["role"].as_str().unwrap().to_owned();
        let term = number(&event["term"]);
        if term > self.term {
            (self.term, self.vote) = (term, None);
        }
        if self.role == "candidate" {
            self.vote = Some(id.to_owned());
        }
    }

    fn take(&mut self, id: &str, event: &Value) {
        let index = || number(&event["index"]);
        match event["kind"].as_str().unwrap() {
            "role" => self.take_role(id, event),
            "vote" if event["granted"] == true && event["pre"] == false => {
                self.vote = event["candidate"].as_str().map(str::to_owned);
            }
            "appended" => {
                self.append(
                    number(&event["first"]),
                    number(&event["last"]),
                    number(&event["term"]),
                );
            }
            "truncated" => self.terms.truncate((number(&event["from"]) - self.start - 1) as usize),
            "committed" => self.commit = index(),
            "durable" => self.durable = index(),
            "applied" => self.applied = index(),
            "log_cut" => {
                self.terms.drain(..(index() - self.start) as usize);
                self.start = index();
            }
            "snapshot_installed" => (self.start, self.terms) = (index(), Vec::new()),
            _ => {}
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is shown of each member that runs.
#[derive(Default)]
struct Page {
    members: BTreeMap<String, Shown>,
}

impl Page {
    fn read(&mut self, lines: &[u8]) {
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).expect("every line is JSON");
            let Some(id) = event["member"].as_str() else { continue };
            match event["kind"].as_str().unwrap() {
                "started" => drop(self.members.insert(id.to_owned(), Shown::started(&event))),
                "ended" => drop(self.members.remove(id)),
                // Its member is whoever has told the leader, which tells.
                "acknowledged" => {}
                _ => {
                    if let Some(member) = self.members.get_mut(id) {
                        member.take(id, &event);
                    }
                }
            }
        }
    }
}

fn compare(seed: u64, page: &Page, life: &Life) {
    for (id, member) in &life.members {
        let truth = member.process.as_ref().map(Shown::of);
        let shown = page.members.get(&id.to_string()).cloned();
        assert_eq!(shown, truth, "seed {seed}, event {}: member {id}", life.events);
    }
}

#[test]
fn a_reader_of_the_lines_alone_shows_every_member_as_it_is() {
    for seed in 0..LIVES {
        let buffer = Buffer::default();
        let mut life = Life::new(seed, None, Trace::to(buffer.clone()));
        let mut page = Page::default();
        while !life.is_over() && life.events < EVENTS_MAX {
            let happening = life.queue.next().expect("members tick for ever");
            life.events += 1;
            life.happen(happening);
            life.watch_the_time();
            if life.events.is_multiple_of(COMPARED_EVERY) {
                page.read(&std::mem::take(&mut *buffer.0.lock().unwrap()));
                compare(seed, &page, &life);
            }
        }
    }
}
