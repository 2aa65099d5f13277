//! How much is run.

use std::path::PathBuf;

use crate::failure::{Failure, Result};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::bench) struct Options {
    pub(super) scale: Scale,
    /// The directory of another etcd than the one that is fetched.
    pub(super) etcd: Option<PathBuf>,
}

/// How long and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Too short for a figure, long enough to fail if it has rotted.
    Smoke,
    /// Twelve minutes at most.
    Quick,
    /// All rows with all sizes of values.
    Full,
}

impl Options {
    pub(in crate::bench) fn parse(words: &[&str]) -> Result<Options> {
        let mut options = Options { scale: Scale::Full, etcd: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => options.scale = Scale::Quick,
                "--smoke" => options.scale = Scale::Smoke,
                "--etcd-bin" => match words.next() {
                    Some(directory) => options.etcd = Some((*directory).into()),
                    None => return Err(usage("--etcd-bin takes the directory of an etcd")),
                },
                _ => return Err(usage(&format!("no such option: {word}"))),
            }
        }
        Ok(options)
    }
}

fn usage(message: &str) -> Failure {
    Failure::Usage(message.to_owned())
}

/// The size of values that every row has, in bytes.
pub(super) const VALUE_BYTES: usize = 256;

impl Scale {
    fn pick<T>(self, smoke: T, quick: T, full: T) -> T {
        match self {
            Scale::Smoke => smoke,
            Scale::Quick => quick,
            Scale::Full => full,
        }
    }

    /// How long one load is measured, in seconds.
    pub(super) fn seconds(self) -> u64 {
        self.pick(1, 3, 10)
    }

    /// How long it runs before that.
    pub(super) fn warm_up(self) -> u64 {
        self.pick(0, 1, 2)
    }

    /// How often each load is run on each of the two.
    pub(super) fn rounds(self) -> usize {
        self.pick(1, 2, 3)
    }

    /// How many keys there are, but where a row is about many.
    pub(super) fn keys(self) -> u64 {
        self.pick(500, 10_000, 10_000)
    }

    /// How many keys are many.
    pub(super) fn many_keys(self) -> u64 {
        self.pick(5_000, 1_000_000, 1_000_000)
    }

    /// How many puts fill the past, and how many revisions of it are kept.
    pub(super) fn past(self) -> (u64, u64) {
        self.pick((5_000, 500), (1_000_000, 100_000), (1_000_000, 100_000))
    }

    /// Sizes of values beside the one that every row has, and whether all rows have them.
    pub(super) fn other_sizes(self) -> (&'static [usize], bool) {
        let sizes: &[usize] = &[64, 4_096];
        self.pick((&[], false), (sizes, false), (sizes, true))
    }

    /// How many clients there are at each point of the plot.
    pub(super) fn clients(self) -> &'static [u64] {
        let all: &[u64] = &[1, 4, 16, 64, 256, 1_000, 2_000];
        self.pick(&[1, 16], all, all)
    }

    /// How often each blow is dealt.
    pub(super) fn strikes(self) -> usize {
        self.pick(1, 5, 20)
    }

    /// How long members are watched that have nothing to do, in seconds.
    pub(super) fn idle_seconds(self) -> u64 {
        self.pick(1, 10, 60)
    }

    /// How long a full load runs in which no leader may change, in seconds.
    pub(super) fn steady_seconds(self) -> Option<u64> {
        self.pick(None, None, Some(600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_run_unless_told_otherwise() {
        let parse = |words: &[&str]| Options::parse(words).unwrap();
        assert_eq!(parse(&[]), Options { scale: Scale::Full, etcd: None });
        let options = parse(&["--quick", "--etcd-bin", "d"]);
        assert_eq!(options, Options { scale: Scale::Quick, etcd: Some("d".into()) });
        assert_eq!(parse(&["--smoke"]).scale, Scale::Smoke);
    }

    #[test]
    fn odd_options_are_refused() {
        for words in [&["--etcd-bin"][..], &["--fast"], &["quick"]] {
            assert!(matches!(Options::parse(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}
