//! The command line.

use std::time::Duration;

/// A life of one cluster takes so long, with what is done to it and until it is well again.
pub(crate) const LIFE: Duration = Duration::from_secs(150);

/// Hexadecimal digits of a commit that make a seed.
const SEED_DIGITS: usize = 16;

pub(crate) const USAGE: &str = "\
usage: chaos --minutes N [--seed S | --from-hash HEX] [--members 3|5]
       chaos --story NAME|all [--seed S]
       chaos --plan [--seed S] [--members 3|5]";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) minutes: u64,
    pub(crate) seed: u64,
    /// So many members in each life; three and five in turn if it is not said.
    pub(crate) members: Option<u16>,
    /// A story by its name, or all.
    pub(crate) story: Option<String>,
    /// Print what would be done, and do nothing.
    pub(crate) plan: bool,
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let (mut options, mut words) = (Options::default(), words.into_iter());
        while let Some(word) = words.next() {
            if word == "--plan" {
                options.plan = true;
                continue;
            }
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            let number = || value.parse().map_err(|_| format!("{value} is no number"));
            match word.as_str() {
                "--minutes" => options.minutes = number()?,
                "--seed" => options.seed = number()?,
                "--from-hash" => options.seed = seed_of_hash(&value)?,
                "--members" => options.members = Some(members(&value)?),
                "--story" => options.story = Some(value),
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        let tasks = [options.minutes > 0, options.story.is_some(), options.plan];
        match tasks.iter().filter(|asked| **asked).count() {
            1 => Ok(options),
            _ => Err("one of --minutes, --story and --plan".to_owned()),
        }
    }

    /// The lives of a run: a seed and a number of members each.
    pub(crate) fn lives(&self) -> Vec<(u64, u16)> {
        let whole = Duration::from_secs(60 * self.minutes);
        let count = whole.as_secs().div_ceil(LIFE.as_secs());
        let size =
            |number: u64| self.members.unwrap_or(if number.is_multiple_of(2) { 3 } else { 5 });
        (0..count).map(|number| (self.seed.wrapping_add(number), size(number))).collect()
    }
}

fn members(text: &str) -> Result<u16, String> {
    match text {
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err(format!("3 or 5 members, not {text}")),
    }
}

/// The first digits of a hash, or as many as there are.
fn seed_of_hash(hash: &str) -> Result<u64, String> {
    let digits = hash.get(..SEED_DIGITS).unwrap_or(hash);
    u64::from_str_radix(digits, 16).map_err(|_| format!("{hash} is no hexadecimal number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn minutes_are_lives_of_three_and_of_five_members_in_turn() {
        let lives = parse("--minutes 5 --seed 7").unwrap().lives();
        assert_eq!(lives, [(7, 3), (8, 5)]);
        assert_eq!(parse("--minutes 60").unwrap().lives().len(), 24);
        assert_eq!(parse("--minutes 1 --members 5").unwrap().lives(), [(0, 5)]);
    }

    #[test]
    fn a_commit_gives_a_seed() {
        let hash = "00000000000000ff0123456789abcdef01234567";
        assert_eq!(parse(&format!("--minutes 1 --from-hash {hash}")).unwrap().seed, 255);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in
            ["", "--minutes", "--minutes x", "--members 4", "--minutes 1 --story all", "--wings 2"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
