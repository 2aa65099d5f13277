//! The loads that both are put under, and what is to come of each.

use super::generate::{At, Call, Load};
use super::goal::Goal;

/// Which figure of a row is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    PerSecond,
    P50,
    P99,
}

/// One load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) load: Load,
    pub(super) figure: Figure,
    pub(super) goal: Goal,
    /// Whether it does nothing but write, so that what a write costs can be told.
    pub(super) writes: bool,
}

const fn bench(kind: &'static str, words: &'static [&'static str]) -> Load {
    Load::Bench { kind, words, at: At::Leader }
}

const fn read(what: &'static str, load: Load, goal: Goal) -> Row {
    Row { what, load, figure: Figure::PerSecond, goal, writes: false }
}

const fn write(what: &'static str, load: Load, figure: Figure, goal: Goal) -> Row {
    Row { what, load, figure, goal, writes: true }
}

const EIGHT: &[&str] = &["--clients", "64", "--connections", "8"];
const THOUSAND: &[&str] = &["--clients", "1000", "--connections", "32"];

/// The puts, which are run with values of all sizes.
pub(super) const PUTS: &[Row] = &[
    write(
        "put, 1 client",
        bench("put", &["--clients", "1", "--connections", "1"]),
        Figure::P50,
        Goal::share(0.4),
    ),
    write("put, 64 clients", bench("put", EIGHT), Figure::PerSecond, Goal::NONE),
    write("put, 1,000 clients", bench("put", THOUSAND), Figure::PerSecond, Goal::times(2.0)),
    write(
        "put, 1,024 in flight (h2load)",
        Load::H2load(Call::Put),
        Figure::PerSecond,
        Goal::times(3.0),
    ),
];

/// All others.
pub(super) const OTHERS: &[Row] = &[
    write(
        "put through followers, 256 clients",
        Load::Bench {
            kind: "put",
            words: &["--clients", "256", "--connections", "8"],
            at: At::Followers,
        },
        Figure::PerSecond,
        Goal::times(2.5),
    ),
    write(
        "put, 5,000 a second, open loop",
        bench("put", &["--clients", "512", "--connections", "8", "--rate", "5000"]),
        Figure::P99,
        Goal::share(0.5),
    ),
    write("put as JSON, 256 connections (wrk)", Load::Wrk, Figure::PerSecond, Goal::times(6.0)),
    write("compare and put, 64 clients", bench("txn", EIGHT), Figure::PerSecond, Goal::NONE),
    read("get, 64 clients", bench("get", EIGHT), Goal::NONE),
    read("get, 1,024 in flight (h2load)", Load::H2load(Call::Range), Goal::times(1.3)),
    read(
        "stale get, 64 clients",
        bench("get", &["--stale", "--clients", "64", "--connections", "8"]),
        Goal::NONE,
    ),
    read("range of 100, 64 clients", bench("range", EIGHT), Goal::times(2.3)),
    read("80 % get, 20 % put, 64 clients", bench("mixed", EIGHT), Goal::times(3.0)),
    Row {
        what: "put → event, 1,000 watchers",
        load: bench("watch", &["--watchers", "1000", "--connections", "8"]),
        figure: Figure::P99,
        goal: Goal::share(0.5),
        writes: false,
    },
];

/// Loads on many keys.
pub(super) const MANY: &[Row] = &[
    write("put, 1,000 clients", bench("put", THOUSAND), Figure::PerSecond, Goal::times(2.0)),
    read("get, 1,000 clients", bench("get", THOUSAND), Goal::times(1.2)),
];

/// In which no leader may change.
pub(super) const STEADY: Load = bench("put", EIGHT);
