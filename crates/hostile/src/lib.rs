//! What every reader of bytes must withstand: the bodies of the fuzz targets.
//!
//! A [`Target`] is a function over bytes that must never panic, never hang and never believe what
//! is not so. Its demands are assertions; what it answers says only which way the bytes went, so
//! that a test can tell that both ways are taken.
//!
//! - `wal_recovery`: files, damage to a sound log, or forged frames whose checksums are right.
//!   Damage must be refused by type, or leave what lies before it; what opens can be used, and
//!   opens again.
//! - `peer_frame`: a stream between members, or bodies in sound frames. However a stream is cut, it
//!   says the same; what is read says the same when written anew.
//! - `command_decode`: commands and configurations of the log. What is read says the same when
//!   written anew; the store takes it the same in turns of any length.
//! - `snapshot_decode`: the store's part of a snapshot, damaged, or forged with digest and state
//!   hash that are right. A changed stream must be refused; what is restored goes on as any store
//!   and can be given on.
//! - `snapshot_file`: snapshot files, damaged, forged, or received in pieces from a peer that lies.
//!   Those that are damaged are skipped and no others; what is believed can be read to its end.
//! - `http_door`, `json_gateway`, `grpc_door`, `websocket`: what clients send to a member's port.
//!   What they must not do, and what comes of it must not be, is told in `doors`.
//!
//! Three runners use them: cargo-fuzz (`fuzz/fuzz_targets`, with coverage, on a nightly toolchain),
//! the plain tests of this crate (every finding there ever was, and some thousand inputs drawn from
//! seeds), and the program: `cargo run -p hostile -- <target> FILE…` runs files, and
//! `cargo run -p hostile -- seeds DIRECTORY` writes the corpora to begin with.
//!
//! What this does *not* do: it finds no lies told with valid checksums between honest members, and
//! nothing that needs time. The simulator is for these.

mod command_decode;
mod doors;
mod grpc_door;
mod http_door;
mod input;
mod json_gateway;
mod peer_frame;
mod random;
mod snapshot_decode;
mod snapshot_file;
mod wal_recovery;
mod websocket;

use random::Random;

/// Which way the bytes went. Neither is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// They were refused, by a type.
    Refused,
    /// They were believed, in whole or up to where they are sound.
    Accepted,
}

/// A reader of bytes, with what it must withstand.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, here and in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Runs one input.
    ///
    /// # Panics
    ///
    /// If the reader breaks what it promises: a finding.
    pub run: fn(&[u8]) -> Verdict,
    /// Inputs to begin with: each goes deep.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "command_decode", run: command_decode::run, seeds: command_decode::seeds },
    Target { name: "grpc_door", run: grpc_door::run, seeds: grpc_door::seeds },
    Target { name: "http_door", run: http_door::run, seeds: http_door::seeds },
    Target { name: "json_gateway", run: json_gateway::run, seeds: json_gateway::seeds },
    Target { name: "peer_frame", run: peer_frame::run, seeds: peer_frame::seeds },
    Target { name: "snapshot_decode", run: snapshot_decode::run, seeds: snapshot_decode::seeds },
    Target { name: "snapshot_file", run: snapshot_file::run, seeds: snapshot_file::seeds },
    Target { name: "wal_recovery", run: wal_recovery::run, seeds: wal_recovery::seeds },
    Target { name: "websocket", run: websocket::run, seeds: websocket::seeds },
];

/// Runs one input through the target of that name.
///
/// # Panics
///
/// If there is no such target, and as [`Target::run`] does.
pub fn run(name: &str, bytes: &[u8]) -> Verdict {
    let target = Target::named(name).expect("each fuzz target has its row in the table");
    (target.run)(bytes)
}

impl Target {
    /// The target of that name.
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Any number of inputs, of which a number decides each: one of [`Target::seeds`] with some
    /// bytes changed, or random bytes.
    pub fn inputs(&self) -> impl Fn(u64) -> Vec<u8> {
        let seeds = (self.seeds)();
        move |number| input(&seeds, number)
    }
}

fn input(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut bytes = random.pick(seeds).clone();
    if random.chance(4) {
        let length = random.below(2_000);
        bytes = (0..length).map(|_| random.next() as u8).collect();
    }
    for _ in 0..random.below(6) {
        random::mangle(&mut random, &mut bytes);
    }
    bytes
}
