//! Puts and gets by gRPC at a rate, or as fast as answers come, for so little that one processor
//! can ask for several times what the members on another one can do.
//!
//! A client library spends on a call as much as a member does, so it can not overload one from a
//! processor of its own. This is none: frames of HTTP/2 are written as they must be for these two
//! calls, once a millisecond for all connections together, and of an answer only its frames are
//! looked at. One that was done has a message in its answer, and one that was refused has none.
//!
//! Whoever waits longer than [`Plan::within`] gives up, as clients with a deadline do: its stream
//! is reset, and it counts as late.
//!
//! What this does *not* do: look into answers. `raftkv bench` does.

mod line;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use line::{Ended, Line};

use crate::failure::{Doing, Failure, Result};

/// How many connections there are.
const CONNECTIONS: usize = 32;

/// From one look at all connections to the next.
const TURN: Duration = Duration::from_millis(1);

/// The keys are written in a second or two; not in this time something is wrong.
const FILL_MAX: Duration = Duration::from_secs(60);

/// How many keys are put and got, and how large a value is.
pub(super) const KEYS: u64 = 10_000;
const VALUE_BYTES: usize = 256;

/// What every key begins with.
const PREFIX: &str = "bench/";

/// When calls begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// When others have ended: so many are under way.
    Closed(usize),
    /// So many a second, whatever becomes of them.
    Open(u64),
}

/// A load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) port: u16,
    /// How many of a hundred calls are gets.
    pub(super) gets_percent: u64,
    pub(super) pace: Pace,
    /// An answer counts only so long after its call was due.
    pub(super) within: Duration,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// What became of the calls that were due in the measured time.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// Their latencies, from when they were due.
    pub(super) done: Vec<Duration>,
    /// Answered with an error.
    pub(super) refused: u64,
    /// Not answered in time.
    pub(super) late: u64,
    /// Not sent in time: the member let no more come.
    pub(super) not_sent: u64,
    /// Sent, and not answered when the member ended the connection.
    pub(super) lost: u64,
    /// How many connections the member has ended.
    pub(super) connections_ended: u64,
}

/// Writes every key once, as fast as answers come.
pub(super) fn fill(port: u16) -> Result<()> {
    let calls = Calls::new(0);
    let mut line = Line::connect(port).doing("connect")?;
    let (begin, mut sent, mut answered) = (Instant::now(), 0, 0);
    while answered < KEYS {
        if begin.elapsed() > FILL_MAX {
            let message = format!("{answered} of {KEYS} keys were written in {FILL_MAX:?}");
            return Err(Failure::Unexpected(message));
        }
        while sent < KEYS && line.has_room() {
            line.begin(&calls.put(sent), Instant::now());
            sent += 1;
        }
        answered += line.turn().doing("fill the keys")?.len() as u64;
        thread::sleep(TURN);
    }
    Ok(())
}

/// Runs a load to its end.
pub(super) fn run(plan: &Plan) -> Result<Outcome> {
    let lines: io::Result<Vec<Line>> = (0..CONNECTIONS).map(|_| Line::connect(plan.port)).collect();
    let lines = lines.doing("connect")?;
    let begin = Instant::now();
    let mut load = Load {
        plan,
        lines,
        calls: Calls::new(plan.gets_percent),
        begin,
        due: 0,
        outcome: Outcome::default(),
    };
    let end = begin + plan.warm_up + plan.measured;
    loop {
        let now = Instant::now();
        if now < end {
            load.come_due(now);
        } else if now >= end + plan.within || load.is_over() {
            return Ok(load.outcome);
        }
        load.turn(now).doing("go on with a connection")?;
        thread::sleep(TURN);
    }
}

struct Load<'a> {
    plan: &'a Plan,
    lines: Vec<Line>,
    calls: Calls,
    begin: Instant,
    /// How many calls were due so far.
    due: u64,
    outcome: Outcome,
}

impl Load<'_> {
    /// Lets calls wait for their line that are due by now.
    fn come_due(&mut self, now: Instant) {
        match self.plan.pace {
            Pace::Closed(under_way) => {
                for line in &mut self.lines {
                    for _ in line.under_way()..under_way / CONNECTIONS {
                        line.wait(now);
                    }
                }
            }
            Pace::Open(per_second) => {
                let elapsed = now.duration_since(self.begin).as_secs_f64();
                let due = (elapsed * per_second as f64) as u64;
                for number in self.due..due {
                    let at = Duration::from_secs_f64(number as f64 / per_second as f64);
                    self.lines[number as usize % CONNECTIONS].wait(self.begin + at);
                }
                self.due = due;
            }
        }
    }

    fn turn(&mut self, now: Instant) -> io::Result<()> {
        for number in 0..self.lines.len() {
            let line = &mut self.lines[number];
            let mut ended = line.give_up(now - self.plan.within);
            while line.has_room() {
                let Some(due) = line.next() else { break };
                line.begin(&self.calls.any(), due);
            }
            match line.turn() {
                Ok(more) => ended.extend(more),
                Err(error) => {
                    if self.outcome.connections_ended == 0 {
                        eprintln!("a connection is begun anew: {error}");
                    }
                    self.outcome.connections_ended += 1;
                    let (new, lost) = line.renewed()?;
                    ended.extend(lost);
                    *line = new;
                }
            }
            ended.into_iter().for_each(|ended| self.note(ended));
        }
        Ok(())
    }

    fn note(&mut self, ended: Ended) {
        let Ended { due, fate, at } = ended;
        if due < self.begin + self.plan.warm_up {
            return;
        }
        match fate {
            line::Fate::Done => self.outcome.done.push(at.duration_since(due)),
            line::Fate::Refused => self.outcome.refused += 1,
            line::Fate::Late => self.outcome.late += 1,
            line::Fate::NotSent => self.outcome.not_sent += 1,
            line::Fate::Lost => self.outcome.lost += 1,
        }
    }

    fn is_over(&self) -> bool {
        self.lines.iter().all(|line| line.under_way() == 0)
    }
}

/// A call: its path, and its message with what stands before it.
#[derive(Debug)]
pub(super) struct Call {
    path: &'static str,
    body: Vec<u8>,
}

/// One call after the other, of any key.
struct Calls {
    gets_percent: u64,
    state: u64,
    value: Vec<u8>,
}

impl Calls {
    fn new(gets_percent: u64) -> Calls {
        Calls { gets_percent, state: 0x9e37_79b9_7f4a_7c15, value: vec![b'v'; VALUE_BYTES] }
    }

    fn any(&mut self) -> Call {
        let (key, kind) = (self.below(KEYS), self.below(100));
        if kind < self.gets_percent { Calls::get(key) } else { self.put(key) }
    }

    fn put(&self, key: u64) -> Call {
        let mut message = field(1, key_of(key).as_bytes());
        message.extend(field(2, &self.value));
        Call { path: "/etcdserverpb.KV/Put", body: with_prefix(&message) }
    }

    fn get(key: u64) -> Call {
        let body = with_prefix(&field(1, key_of(key).as_bytes()));
        Call { path: "/etcdserverpb.KV/Range", body }
    }

    /// A number below the bound, by xorshift.
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) % bound
    }
}

fn key_of(number: u64) -> String {
    format!("{PREFIX}{number:012}")
}

/// Bytes as a field of protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    const BITS: usize = 7;
    let mut written = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >> BITS > 0 {
        written.push((length & 0x7f) as u8 | 0x80);
        length >>= BITS;
    }
    written.push(length as u8);
    written.extend(bytes);
    written
}

/// A message as gRPC has it: not compressed, and how long.
fn with_prefix(message: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend(message);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_as_protobuf_and_grpc_have_them() {
        let Call { path, body } = Calls::get(7);
        assert_eq!(path, "/etcdserverpb.KV/Range");
        assert_eq!(body, b"\0\0\0\0\x14\x0a\x12bench/000000000007");
        let put = Calls::new(0).put(7).body;
        let value = [&[0x12, 0x80, 0x02][..], &[b'v'; VALUE_BYTES]].concat();
        assert!(put.ends_with(&value), "a length of 256 has two bytes");
        assert_eq!(put[..5], [0, 0, 0, 1, 0x17]);
    }

    #[test]
    fn shares_are_kept_and_every_key_may_come() {
        let mut calls = Calls::new(80);
        let gets = (0..10_000).filter(|_| calls.any().path.ends_with("Range")).count();
        assert!((7_700..8_300).contains(&gets), "{gets}");
        assert!((0..100).map(|_| calls.below(3)).all(|number| number < 3));
    }
}
