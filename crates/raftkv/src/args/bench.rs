//! `raftkv bench`.

use clap::{Args, Subcommand};

use super::ConnectArgs;

/// Keys are written under --prefix, and stay there unless --clean is given. Latency at a fixed
/// --rate counts from when an operation was due, not from when it could begin.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Puts
    Put {
        /// Write the keys one after the other instead of any of them
        #[arg(long)]
        sequential: bool,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Gets of single keys, linearizable
    Get {
        /// Read what the member asked happens to have, perhaps not the newest
        #[arg(long)]
        stale: bool,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Reads of many keys in a row, linearizable
    Range {
        /// How many keys
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one())]
        limit: u64,
        /// Read what the member asked happens to have, perhaps not the newest
        #[arg(long)]
        stale: bool,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Gets, linearizable, and puts
    Mixed {
        /// How many of a hundred are gets
        #[arg(
            long,
            value_name = "N",
            default_value_t = 80,
            value_parser = clap::value_parser!(u8).range(0..=100)
        )]
        reads_percent: u8,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Transactions: a comparison, which holds, and a put
    Txn {
        #[command(flatten)]
        load: LoadArgs,
    },
    /// From the put of one key to each watcher's event
    Watch {
        /// How many watchers
        #[arg(
            long,
            value_name = "N",
            default_value_t = 100,
            value_parser = clap::value_parser!(u64).range(1..=WATCHERS_MAX)
        )]
        watchers: u64,
        #[command(flatten)]
        load: LoadArgs,
    },
}

/// More of them are no question of one machine.
const CLIENTS_MAX: u64 = 100_000;
const CONNECTIONS_MAX: u64 = 10_000;
const WATCHERS_MAX: u64 = 1_000_000;

/// An hour.
const WITHIN_MS_MAX: u64 = 3_600_000;

/// A day.
const SECONDS_MAX: u64 = 86_400;

/// What every load has.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// How many operations may be under way at once [default: 64, of watch 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CLIENTS_MAX))]
    pub(crate) clients: Option<u64>,
    /// Over how many connections, which go around the endpoints
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u64).range(1..=CONNECTIONS_MAX)
    )]
    pub(crate) connections: u64,
    /// How many keys there are [default: 10000, of watch 1]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(crate) keys: Option<u64>,
    /// How large a value is
    #[arg(long, value_name = "BYTES", default_value_t = 256)]
    pub(crate) value_bytes: u32,
    /// For how long it is measured
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX)
    )]
    pub(crate) seconds: u64,
    /// Instead: so many operations
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = at_least_one())]
    pub(crate) count: Option<u64>,
    /// So many operations a second, whether the answers come or not; as fast as the answers come
    /// if absent, but of watch 10
    #[arg(
        long,
        value_name = "PER-SECOND",
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub(crate) rate: Option<u64>,
    /// An operation is done only if its answer is there within this time of when it was due; it is
    /// given up then
    #[arg(
        long,
        value_name = "MS",
        requires = "rate",
        value_parser = clap::value_parser!(u64).range(1..=WITHIN_MS_MAX)
    )]
    pub(crate) within: Option<u64>,
    /// The same load before that, unmeasured; 0 is none
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(0..=SECONDS_MAX)
    )]
    pub(crate) warm_up: u64,
    /// What the keys begin with
    #[arg(long, value_name = "PREFIX", default_value = "raftkv-bench/")]
    pub(crate) prefix: String,
    /// The keys are there from an earlier run: do not write them before they are read
    #[arg(long)]
    pub(crate) filled: bool,
    /// Remove everything under the prefix in the end
    #[arg(long)]
    pub(crate) clean: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

fn at_least_one() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}
