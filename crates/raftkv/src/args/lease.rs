//! `raftkv lease`, and how long a key lives.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::ConnectArgs;

/// A lease goes with all keys that are attached to it (`put --lease ID`), unless it is kept alive.
#[derive(Debug, Subcommand)]
pub(crate) enum LeaseCommand {
    /// Grant a lease, and print its id
    Grant {
        /// For how long it lives if nobody keeps it alive: 30s, 5m, 1h; a bare number is seconds
        #[arg(value_parser = parse_lease_ttl)]
        ttl: Duration,
        /// Its id [default: chosen by the store]
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        id: Option<i64>,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// End a lease, with all its keys
    Revoke {
        #[command(flatten)]
        which: LeaseArgs,
    },
    /// Keep a lease alive, until this command is ended or the lease is gone
    KeepAlive {
        /// Only once
        #[arg(long)]
        once: bool,
        #[command(flatten)]
        which: LeaseArgs,
    },
    /// Print how long a lease has left
    Ttl {
        /// Print its keys, too
        #[arg(long)]
        keys: bool,
        #[command(flatten)]
        which: LeaseArgs,
    },
    /// Print all leases
    #[command(visible_alias = "ls")]
    List {
        /// Read what the member asked happens to have, perhaps not the newest
        #[arg(long)]
        stale: bool,
        #[command(flatten)]
        connect: ConnectArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LeaseArgs {
    /// Which lease
    #[arg(allow_negative_numbers = true)]
    pub(crate) id: i64,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

/// How long a put lets its key live.
#[derive(Debug, Args)]
pub(crate) struct LifetimeArgs {
    /// The key goes after this long: 30s, 500ms, 5m, 1h; a bare number is seconds
    #[arg(long, value_name = "TIME", value_parser = parse_ttl, conflicts_with = "lease")]
    pub(crate) ttl: Option<Duration>,
    /// The key goes with this lease
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) lease: Option<i64>,
}

/// As much as the store takes.
const TTL_S_MAX: u64 = 9_000_000_000;

/// `30s`, `500ms`, `5m`, `1h`, `7d`; a bare number is seconds.
pub(crate) fn parse_ttl(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let (number, unit_ms) = UNITS
        .into_iter()
        .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, ms)))
        .unwrap_or((text, 1_000));
    let number: u64 = number.parse().map_err(|_| "write it as 30s, 500ms, 5m or 1h".to_owned())?;
    match number.checked_mul(unit_ms) {
        Some(ms) if (1..=TTL_S_MAX * 1_000).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err(format!("it must be from 1ms to {TTL_S_MAX}s")),
    }
}

pub(super) fn parse_lease_ttl(text: &str) -> Result<Duration, String> {
    match parse_ttl(text)? {
        ttl if ttl.subsec_nanos() == 0 => Ok(ttl),
        _ => Err("a lease lives whole seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live() {
        for (text, ms) in
            [("30s", 30_000), ("500ms", 500), ("5m", 300_000), ("1h", 3_600_000), ("7", 7_000)]
        {
            assert_eq!(parse_ttl(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "0", "0ms", "-1s", "1.5s", "9000000001s", "1w"] {
            assert!(parse_ttl(text).is_err(), "{text}");
        }
        assert!(parse_lease_ttl("1500ms").is_err() && parse_lease_ttl("2000ms").is_ok());
    }
}
