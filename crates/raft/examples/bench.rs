//! What consensus costs by itself: from a proposal to its commit, three members in one process,
//! with no disk, no network and no encoding.
//!
//!     cargo run --release -p raft --example bench [-- --smoke]
//!
//! Proposals of 256 bytes come in batches, as many at once as a busy member finds waiting. Each
//! round carries out every output at once, until nothing is left to do: what is handed to a disk is
//! durable at once, and what is sent arrives. One processor does the work of all three.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft::{
    Config, ConfigurationCodec, EntryKind, Index, MemberId, Membership, Now, Raft, Restored,
};

const MEMBERS: u64 = 3;
const PAYLOAD_BYTES: usize = 256;
const BATCHES: [usize; 4] = [1, 10, 100, 1_000];

/// Entries that a member keeps at hand; the oldest give way.
const KEPT_BYTES: usize = 8 << 20;

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let length = Duration::from_millis(if smoke { 100 } else { 2_000 });
    println!("proposals at once    committed a second    each");
    for batch in BATCHES {
        let mut cluster = Cluster::elected();
        let (committed, took) = cluster.run(batch, length);
        let each_ns = took.as_nanos() as f64 / committed as f64;
        println!("{batch:>17}    {:>18.0}    {each_ns:.0} ns", 1e9 / each_ns);
    }
}

/// All members, by their ids less one.
struct Cluster {
    members: Vec<Raft>,
    now: Now,
}

/// Everybody votes, whatever the payload says.
const CODEC: ConfigurationCodec = ConfigurationCodec {
    decode: |_| {
        let incoming: BTreeSet<MemberId> = (1..=MEMBERS).map(MemberId).collect();
        Some(Membership { incoming, ..Membership::default() })
    },
    leave_joint: |_| None,
};

impl Cluster {
    /// With a leader.
    fn elected() -> Cluster {
        let now = Now { monotonic_ms: 0, wall_ms: 0 };
        let member = |id| {
            let config =
                Config { tail_bytes_max: KEPT_BYTES, ..Config::new(MemberId(id), CODEC, id) };
            let base = (Index(0), Bytes::from_static(b"founding"));
            Raft::new(config, Restored { base, ..Restored::default() }, now)
        };
        let mut cluster = Cluster { members: (1..=MEMBERS).map(member).collect(), now };
        while cluster.leader().is_none() {
            cluster.now.monotonic_ms += 10;
            for member in &mut cluster.members {
                member.tick(cluster.now);
            }
            cluster.rest();
        }
        cluster
    }

    fn leader(&self) -> Option<usize> {
        self.members.iter().position(Raft::is_leader)
    }

    /// How many were committed, and in what time.
    fn run(&mut self, batch: usize, length: Duration) -> (u64, Duration) {
        let leader = self.leader().expect("one was elected");
        let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
        let (before, began) = (self.members[leader].commit().0, Instant::now());
        while began.elapsed() < length {
            self.now.wall_ms += 1;
            for _ in 0..batch {
                let proposed =
                    self.members[leader].propose(self.now, EntryKind::Command, payload.clone());
                proposed.expect("it leads, and all before was committed");
            }
            self.rest();
        }
        let committed = self.members[leader].commit().0 - before;
        assert_eq!(self.members[leader].log().last().index.0, before + committed, "all of it");
        (committed, began.elapsed())
    }

    /// Disks and wires work until nothing is left to do.
    fn rest(&mut self) {
        while (0..self.members.len())
            .map(|at| self.carry_out(at))
            .fold(false, |any, busy| any | busy)
        {}
    }

    /// Carries out what one member wants; answers whether it wanted anything.
    fn carry_out(&mut self, at: usize) -> bool {
        let output = self.members[at].take_output();
        if output.is_empty() {
            return false;
        }
        let from = self.members[at].id();
        if let Some(persist) = output.persist {
            self.members[at].persisted(self.now, persist.number);
        }
        let later = output.send_after_persist.into_iter().map(|(_, envelope)| envelope);
        for envelope in output.send.into_iter().chain(later) {
            let to = &mut self.members[(envelope.to.0 - 1) as usize];
            to.step(self.now, from, envelope.message).expect("members send what is right");
        }
        true
    }
}
