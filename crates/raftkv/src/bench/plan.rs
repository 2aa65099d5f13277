//! What is to be run.

use std::time::Duration;

use super::fanout::STAMP_BYTES;
use super::keys::Keys;
use super::pace::Until;
use crate::args::{BenchCommand, ConnectArgs, LoadArgs};
use crate::failure::Failure;

/// More is no value of any store.
const VALUE_BYTES_MAX: usize = 64 << 20;

const CLIENTS_DEFAULT: u64 = 64;
const CLIENTS_OF_WATCH_DEFAULT: u64 = 16;
const KEYS_DEFAULT: u64 = 10_000;

/// In puts a second: so slow that every watcher has seen one before the next comes.
const RATE_OF_WATCH_DEFAULT: u64 = 10;

/// Which operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Put { sequential: bool },
    Get { stale: bool },
    Range { limit: u64, stale: bool },
    Mixed { reads_percent: u8 },
    Txn,
    Watch { watchers: usize },
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Put { .. } => "put",
            Kind::Get { .. } => "get",
            Kind::Range { .. } => "range",
            Kind::Mixed { .. } => "mixed",
            Kind::Txn => "txn",
            Kind::Watch { .. } => "watch",
        }
    }

    /// Whether keys must be there before.
    pub(super) fn reads_keys(self) -> bool {
        matches!(self, Kind::Get { .. } | Kind::Range { .. } | Kind::Mixed { .. })
    }
}

/// A load that can be run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    /// How many operations may be under way at once.
    pub(super) clients: usize,
    pub(super) connections: usize,
    pub(super) keys: Keys,
    pub(super) value_bytes: usize,
    pub(super) until: Until,
    /// In operations a second; as fast as answers come without one.
    pub(super) rate: Option<u64>,
    /// How long after it was due an operation may be answered.
    pub(super) within: Option<Duration>,
    pub(super) warm_up: Duration,
    pub(super) filled: bool,
    pub(super) clean: bool,
    pub(super) connect: ConnectArgs,
}

impl Plan {
    /// # Errors
    /// Usage: what each flag allows does not go together.
    pub(super) fn new(command: BenchCommand) -> Result<Plan, Failure> {
        let (kind, load) = of(command)?;
        check(kind, &load)?;
        let watch = matches!(kind, Kind::Watch { .. });
        let clients = if watch { CLIENTS_OF_WATCH_DEFAULT } else { CLIENTS_DEFAULT };
        let keys = load.keys.unwrap_or(if watch { 1 } else { KEYS_DEFAULT });
        if let Kind::Range { limit, .. } = kind
            && limit > keys
        {
            return Err(usage("--limit is more than --keys: no range would be full"));
        }
        Ok(Plan {
            kind,
            clients: size(load.clients.unwrap_or(clients))?,
            connections: size(load.connections)?,
            keys: Keys::new(load.prefix, keys),
            value_bytes: size(load.value_bytes.into())?,
            until: match load.count {
                Some(count) => Until::Count(count),
                None => Until::Elapsed(Duration::from_secs(load.seconds)),
            },
            rate: load.rate.or(watch.then_some(RATE_OF_WATCH_DEFAULT)),
            within: load.within.map(Duration::from_millis),
            warm_up: Duration::from_secs(load.warm_up),
            filled: load.filled,
            clean: load.clean,
            connect: load.connect,
        })
    }

    /// How long an answer may take.
    pub(super) fn timeout(&self) -> Duration {
        self.connect.timeout
    }
}

fn of(command: BenchCommand) -> Result<(Kind, LoadArgs), Failure> {
    Ok(match command {
        BenchCommand::Put { sequential, load } => (Kind::Put { sequential }, load),
        BenchCommand::Get { stale, load } => (Kind::Get { stale }, load),
        BenchCommand::Range { limit, stale, load } => (Kind::Range { limit, stale }, load),
        BenchCommand::Mixed { reads_percent, load } => (Kind::Mixed { reads_percent }, load),
        BenchCommand::Txn { load } => (Kind::Txn, load),
        BenchCommand::Watch { watchers, load } => (Kind::Watch { watchers: size(watchers)? }, load),
    })
}

fn check(kind: Kind, load: &LoadArgs) -> Result<(), Failure> {
    if load.prefix.is_empty() {
        return Err(usage("--prefix must not be empty: the keys of others are none of ours"));
    }
    if size(load.value_bytes.into())? > VALUE_BYTES_MAX {
        return Err(usage("--value-bytes is more than any store takes"));
    }
    if !matches!(kind, Kind::Watch { .. }) {
        return Ok(());
    }
    if load.within.is_some() {
        return Err(usage("`watch` waits for every event: leave out --within"));
    }
    if load.keys.is_some_and(|keys| keys != 1) {
        return Err(usage("`watch` is about one key: leave out --keys"));
    }
    if size(load.value_bytes.into())? < STAMP_BYTES {
        let message = format!("--value-bytes of `watch` is {STAMP_BYTES} at least: the put's time");
        return Err(usage(&message));
    }
    Ok(())
}

fn size(number: u64) -> Result<usize, Failure> {
    usize::try_from(number).map_err(|_| usage("a number is too large for this machine"))
}

fn usage(message: &str) -> Failure {
    Failure::Usage(message.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(line: &str) -> Result<BenchCommand, clap::Error> {
        let words = format!("raftkv bench {line}");
        let Command::Bench(command) = Cli::try_parse_from(words.split_whitespace())?.command else {
            panic!("`bench` is another command")
        };
        Ok(command)
    }

    fn plan(line: &str) -> Result<Plan, Failure> {
        Plan::new(parse(line).unwrap())
    }

    #[test]
    fn without_flags_it_is_ten_seconds_of_sixty_four_clients() {
        let plan = plan("put").unwrap();
        assert_eq!(plan.kind, Kind::Put { sequential: false });
        assert_eq!((plan.clients, plan.connections, plan.value_bytes), (64, 8, 256));
        assert_eq!((plan.keys.count(), plan.rate), (10_000, None));
        assert_eq!(plan.until, Until::Elapsed(Duration::from_secs(10)));
        assert_eq!((plan.warm_up, plan.filled, plan.clean), (Duration::from_secs(1), false, false));
    }

    #[test]
    fn a_count_takes_the_place_of_the_seconds() {
        let plan = plan("mixed --count 7 --reads-percent 0 --warm-up 0 --rate 5").unwrap();
        assert_eq!((plan.kind, plan.until), (Kind::Mixed { reads_percent: 0 }, Until::Count(7)));
        assert_eq!((plan.rate, plan.warm_up), (Some(5), Duration::ZERO));
        assert_eq!(plan.within, None);
    }

    #[test]
    fn an_answer_may_be_due_within_a_time() {
        let plan = plan("put --rate 5 --within 250").unwrap();
        assert_eq!((plan.rate, plan.within), (Some(5), Some(Duration::from_millis(250))));
    }

    #[test]
    fn watchers_watch_one_key_that_is_put_slowly() {
        let plan = plan("watch --watchers 3").unwrap();
        assert_eq!(plan.kind, Kind::Watch { watchers: 3 });
        assert_eq!((plan.clients, plan.keys.count(), plan.rate), (16, 1, Some(10)));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (line, said) in [
            ("put --prefix=", "--prefix"),
            ("put --value-bytes 67108865", "--value-bytes"),
            ("range --limit 11 --keys 10", "--limit"),
            ("watch --keys 2", "--keys"),
            ("watch --value-bytes 15", "--value-bytes"),
            ("watch --rate 5 --within 100", "--within"),
        ] {
            let Err(Failure::Usage(message)) = plan(line) else { panic!("accepted: {line}") };
            assert!(message.contains(said), "{line}: {message}");
        }
    }

    #[test]
    fn what_no_flag_allows_is_wrong_usage() {
        for line in [
            "",
            "frobnicate",
            "put --clients 0",
            "put --clients 100001",
            "put --connections 0",
            "put --keys 0",
            "put --seconds 0",
            "put --count 0",
            "put --count 5 --seconds 5",
            "put --rate 0",
            "put --within 100",
            "put --rate 5 --within 0",
            "put --stale",
            "range --limit 0",
            "mixed --reads-percent 101",
            "watch --watchers 0",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }
}
