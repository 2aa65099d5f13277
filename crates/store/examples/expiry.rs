//! How long a write waits in the state machine while very much expires at once.
//!
//!     cargo run --release -p store --example expiry
//!
//! 1,000,000 keys with a time to live, and 100,000 leases with a key each, are all due at the same
//! moment. As the leader does, each expiry names at most a thousand keys and a thousand leases, and
//! two of them stand in the log at a time. So a put that comes in finds two before it: its wait is
//! the time in which these two are found and applied, and then itself.

use std::time::{Duration, Instant};

use store::{
    Apply, Budget, Command, DueKey, EXPIRED_MAX, Lease, LeaseId, LogEntry, Put, PutLifetime, Store,
};

const KEYS: u64 = 1_000_000;
const LEASES: u64 = 100_000;
/// Expiries that stand in the log at a time.
const PROPOSALS: usize = 2;
const VALUE_BYTES: usize = 256;
const TTL_S: u64 = 3_600;
/// Everything is due.
const DUE_MS: u64 = TTL_S * 1_000;

fn main() {
    let mut bench = Bench { store: Store::new(), index: 0 };
    bench.fill();
    let (mut waits, mut turns, mut keys, mut leases) = (Vec::new(), Vec::new(), 0, 0);
    let start = Instant::now();
    loop {
        let arrived = Instant::now();
        let mut any = false;
        for _ in 0..PROPOSALS {
            let Some(expiry) = bench.due() else { break };
            if let Command::Expire { leases: of, keys: named } = &expiry {
                (keys, leases) = (keys + named.len(), leases + of.len());
            }
            bench.apply(&expiry, DUE_MS, &mut turns);
            any = true;
        }
        if !any {
            break;
        }
        bench.apply(&Put::new("written", "meanwhile").into(), DUE_MS, &mut turns);
        waits.push(arrived.elapsed());
    }
    let took = start.elapsed();
    assert_eq!((keys as u64, leases as u64), (KEYS, LEASES), "all of it was due");
    let published = bench.store.reader().published();
    assert_eq!((published.keys, published.leases), (1, 0), "all of it is gone");
    waits.sort_unstable();
    let rate = (KEYS + LEASES) as f64 / took.as_secs_f64();
    println!("expired                   {rate:>9.0} keys a second, all in {took:?}");
    println!("a put meanwhile waits     {:?} (median)", waits[waits.len() / 2]);
    println!("  at most                 {:?}", waits.last().copied().unwrap_or_default());
    println!("longest turn of apply     {:?}", turns.iter().max().copied().unwrap_or_default());
}

struct Bench {
    store: Store,
    index: u64,
}

impl Bench {
    fn fill(&mut self) {
        let value = vec![b'v'; VALUE_BYTES];
        let (mut turns, ttl_ms) = (Vec::new(), DUE_MS);
        for number in 0..KEYS {
            let lifetime = PutLifetime::TtlMs(ttl_ms);
            let put = Put { lifetime, ..Put::new(format!("key/{number:08}"), value.clone()) };
            self.apply(&put.into(), 0, &mut turns);
        }
        for number in 0..LEASES {
            let lease = LeaseId(1 + number.cast_signed());
            self.apply(&Command::LeaseGrant { lease, ttl_s: TTL_S }, 0, &mut turns);
            let lifetime = PutLifetime::Lease(lease);
            let put = Put { lifetime, ..Put::new(format!("leased/{number:08}"), value.clone()) };
            self.apply(&put.into(), 0, &mut turns);
        }
    }

    /// What the leader would propose next.
    fn due(&self) -> Option<Command> {
        let leases = self.store.leases_after(None).take(EXPIRED_MAX).map(Lease::grant).collect();
        let mut keys = Vec::new();
        self.store.due_keys(DUE_MS, |key, mod_revision| {
            keys.push(DueKey { key: key.to_vec().into(), mod_revision });
            keys.len() < EXPIRED_MAX
        });
        let expiry = Command::Expire { leases, keys };
        (expiry != Command::Expire { leases: Vec::new(), keys: Vec::new() }).then_some(expiry)
    }

    /// Applies a command, a turn at a time, and publishes it.
    fn apply(&mut self, command: &Command, age_ms: u64, turns: &mut Vec<Duration>) {
        self.index += 1;
        let (index, command) = (self.index, Some(command.encode()));
        let entry = LogEntry { index, term: 1, stamp_ms: index, age_ms, command };
        loop {
            let turn = Instant::now();
            let applied = self.store.apply(&entry, &mut Budget::new(Budget::TURN_UNITS));
            turns.push(turn.elapsed());
            if matches!(applied.expect("a known command"), Apply::Done(_)) {
                break;
            }
        }
        self.store.publish();
    }
}
