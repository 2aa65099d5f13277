//! What the command line asks of `cargo xtask mutants`.

use crate::failure::{Failure, Result};

/// How many lives a planted bug is given.
const SEEDS: u64 = 500;

/// The first seed, unless another is named: far from those that the ordinary runs live, so that
/// the simulator was not made to find bugs with just these.
const FROM: u64 = 1_000_000;

/// How many bugs a rotation takes.
const ROTATED: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Which, by name; all if none is named.
    pub(crate) only: Vec<String>,
    /// Lives for each.
    pub(crate) seeds: u64,
    /// So many finds are enough: no more lives are lived then.
    pub(crate) enough: Option<u64>,
    /// The first seed.
    pub(crate) from: u64,
    /// See only whether every patch applies.
    pub(crate) check: bool,
    /// A few, chosen by the hash of a commit.
    pub(crate) rotate: Option<String>,
    /// How many these are.
    pub(crate) count: usize,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Options> {
        let mut options = Options {
            only: Vec::new(),
            seeds: SEEDS,
            enough: None,
            from: FROM,
            check: false,
            rotate: None,
            count: ROTATED,
        };
        let mut words = words.iter().copied().peekable();
        while let Some(word) = words.next() {
            let mut value = || words.next_if(|word| !is_option(word)).ok_or_else(|| lacks(word));
            match word {
                "--check" => options.check = true,
                "--seeds" => options.seeds = number(value()?)?,
                "--enough" => options.enough = Some(number(value()?)?),
                "--from" => options.from = number(value()?)?,
                "--count" => options.count = number(value()?)? as usize,
                "--rotate" => options.rotate = Some(value()?.to_owned()),
                "--only" => {
                    options.only.push(value()?.to_owned());
                    while let Some(name) = words.next_if(|word| !is_option(word)) {
                        options.only.push(name.to_owned());
                    }
                }
                _ => return Err(Failure::Usage(format!("no such option: {word}"))),
            }
        }
        if options.seeds == 0 || options.count == 0 {
            return Err(Failure::Usage("at least one life, and one bug".into()));
        }
        Ok(options)
    }
}

fn is_option(word: &str) -> bool {
    word.starts_with("--")
}

fn lacks(option: &str) -> Failure {
    Failure::Usage(format!("{option} needs a value"))
}

fn number(word: &str) -> Result<u64> {
    word.parse().map_err(|_| Failure::Usage(format!("{word} is no number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_up_to_the_next_option() {
        let options = Options::parse(&["--only", "a", "b", "--seeds", "9"]).unwrap();
        assert_eq!((options.only, options.seeds), (Vec::from(["a".into(), "b".into()]), 9));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["--seeds"][..],
            &["--enough", "x"],
            &["--only", "--check"],
            &["--seeds", "0"],
            &["x"],
        ] {
            assert!(matches!(Options::parse(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}
