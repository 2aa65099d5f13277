//! Golden scripts: one scenario a file in `tests/scripts`, each with its expected output.
//! `UPDATE_GOLDENFILES=1` rewrites them; the diff is the review.
//!
//! A write is applied and published at once, unless it says `publish=false`. Keys and values are
//! Latin-1, so that `"\xff"` is one byte. Ranges are one key, `prefix=`, `from=`, or two keys.

use std::error::Error;
use std::path::PathBuf;

use bytes::Bytes;
use store::{
    Apply, Budget, Command, KeyRange, KeyValue, LogEntry, Outcome, RangeRequest, Reader, Revision,
    Store,
};

#[test]
fn scripts() {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&scripts)
        .unwrap_or_else(|error| panic!("{}: {error}", scripts.display()))
        .map(|entry| entry.expect("a directory lists its entries").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 12, "scripts are missing from {}", scripts.display());
    for path in paths {
        goldenscript::run(&mut World::new(), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[derive(goldenscript::Command)]
enum Verb {
    /// Gives a key a value.
    Put {
        key: String,
        value: String,
        #[arg(key, optional)]
        prev_kv: bool,
        #[arg(key)]
        publish: Option<bool>,
    },
    /// Gives `count` keys, `{prefix}000` and so on, the value `x`.
    Fill { prefix: String, count: u64 },
    /// Removes keys; with `units`, as far as a turn of that budget goes.
    Delete {
        start: Option<String>,
        end: Option<String>,
        #[arg(key)]
        prefix: Option<String>,
        #[arg(key)]
        from: Option<String>,
        #[arg(key, optional)]
        prev_kv: bool,
        #[arg(key)]
        units: Option<u64>,
        #[arg(key)]
        publish: Option<bool>,
    },
    /// Goes on with the unfinished entry.
    Turn {
        #[arg(key)]
        units: u64,
    },
    /// Applies an entry without a command.
    Noop {
        #[arg(key)]
        term: u64,
    },
    /// Applies an entry of the given bytes, in hexadecimal.
    Raw { hex: String },
    /// Publishes what is applied.
    Publish,
    /// Reads a key.
    Get {
        key: String,
        #[arg(key)]
        at: Option<u64>,
    },
    /// Reads a range.
    Range {
        start: Option<String>,
        end: Option<String>,
        #[arg(key)]
        prefix: Option<String>,
        #[arg(key)]
        from: Option<String>,
        #[arg(key)]
        limit: Option<usize>,
        #[arg(key)]
        at: Option<u64>,
        #[arg(key, optional)]
        keys_only: bool,
        #[arg(key, optional)]
        count_only: bool,
    },
    /// What readers see in numbers.
    Published,
    /// What is applied, published or not.
    Applied,
}

/// A store and its log, of which the last entry may be unfinished.
struct World {
    store: Store,
    reader: Reader,
    next: LogEntry,
}

impl World {
    fn new() -> World {
        let store = Store::new();
        let reader = store.reader();
        let next = LogEntry { index: 1, term: 1, stamp_ms: 1_000, age_ms: 0, command: None };
        World { store, reader, next }
    }

    /// Applies a command as the next entry, within one turn of `units`.
    fn write(&mut self, command: &Command, units: Option<u64>) -> Result<String, Box<dyn Error>> {
        self.next.command = Some(command.encode());
        self.turn(units.unwrap_or(u64::MAX))
    }

    fn turn(&mut self, units: u64) -> Result<String, Box<dyn Error>> {
        let applied = self.store.apply(&self.next, &mut Budget::new(units))?;
        let Apply::Done(outcome) = applied else { return Ok("unfinished\n".into()) };
        self.next.index += 1;
        self.next.stamp_ms += 10;
        self.next.age_ms += 10;
        Ok(show_outcome(&outcome))
    }

    fn publish_unless(&mut self, publish: Option<bool>) {
        if publish != Some(false) {
            self.store.publish();
        }
    }

    fn fill(&mut self, prefix: &str, count: u64) -> Result<String, Box<dyn Error>> {
        for number in 0..count {
            let key = bytes(&format!("{prefix}{number:03}"))?;
            self.write(&Command::Put { key, value: "x".into(), prev_kv: false }, None)?;
        }
        self.store.publish();
        Ok(format!("{count} keys, revision {}\n", self.store.revision()))
    }

    fn published(&self) -> String {
        let published = self.reader.published();
        format!(
            "index {} term {} stamp {} age {} revision {} compacted {} \
             keys {} bytes {} hash {:016x}\n",
            published.applied_index,
            published.applied_term,
            published.stamp_ms,
            published.age_ms,
            published.revision,
            published.compact_revision,
            published.keys,
            published.live_bytes,
            published.state_hash,
        )
    }
}

impl goldenscript::Runner for World {
    type Command = Verb;

    fn run(&mut self, verb: &Verb, _: &goldenscript::Context) -> Result<String, Box<dyn Error>> {
        match verb {
            Verb::Put { key, value, prev_kv, publish } => {
                let (key, value) = (bytes(key)?, bytes(value)?);
                let outcome = self.write(&Command::Put { key, value, prev_kv: *prev_kv }, None)?;
                self.publish_unless(*publish);
                Ok(outcome)
            }
            Verb::Fill { prefix, count } => self.fill(prefix, *count),
            Verb::Delete { start, end, prefix, from, prev_kv, units, publish } => {
                let range = key_range(start, end, prefix, from)?;
                let outcome = self.write(&Command::Delete { range, prev_kv: *prev_kv }, *units)?;
                self.publish_unless(*publish);
                Ok(outcome)
            }
            Verb::Turn { units } => self.turn(*units),
            Verb::Noop { term } => {
                (self.next.term, self.next.command) = (*term, None);
                let outcome = self.turn(u64::MAX)?;
                self.store.publish();
                Ok(outcome)
            }
            Verb::Raw { hex } => {
                self.next.command = Some(unhex(hex)?);
                self.turn(u64::MAX)
            }
            Verb::Publish => {
                self.store.publish();
                Ok(self.published())
            }
            Verb::Get { key, at } => {
                let (found, revision) = self.reader.get(&bytes(key)?, at.map(Revision))?;
                let found = found.map_or("not found\n".into(), |found| show(&found));
                Ok(format!("at {revision}: {found}"))
            }
            Verb::Range { start, end, prefix, from, limit, at, keys_only, count_only } => {
                let request = RangeRequest {
                    range: key_range(start, end, prefix, from)?,
                    limit: *limit,
                    at: at.map(Revision),
                    keys_only: *keys_only,
                    count_only: *count_only,
                };
                let response = self.reader.range(&request)?;
                let items: String = response.items.iter().map(show).collect();
                let more = if response.more { ", more" } else { "" };
                Ok(format!("{items}at {}: {} in all{more}\n", response.revision, response.count))
            }
            Verb::Published => Ok(self.published()),
            Verb::Applied => Ok(format!(
                "index {} revision {} hash {:016x}\n",
                self.store.applied_index(),
                self.store.revision(),
                self.store.state_hash()
            )),
        }
    }
}

fn key_range(
    start: &Option<String>,
    end: &Option<String>,
    prefix: &Option<String>,
    from: &Option<String>,
) -> Result<KeyRange, Box<dyn Error>> {
    Ok(match (start, end, prefix, from) {
        (Some(key), None, None, None) => KeyRange::Single(bytes(key)?),
        (Some(start), Some(end), None, None) => {
            KeyRange::Between { start: bytes(start)?, end: bytes(end)? }
        }
        (None, None, Some(prefix), None) => KeyRange::Prefix(bytes(prefix)?),
        (None, None, None, Some(from)) => KeyRange::From(bytes(from)?),
        (None, None, None, None) => KeyRange::all(),
        _ => return Err("a range is one key, two keys, prefix= or from=".into()),
    })
}

fn show_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Nothing => "nothing\n".into(),
        Outcome::Put { revision, prev } => {
            let prev = prev.as_ref().map(|prev| format!("before: {}", show(prev)));
            format!("put at {revision}\n{}", prev.unwrap_or_default())
        }
        Outcome::Deleted { revision, count, prev } => {
            let prev: String = prev.iter().map(|prev| format!("before: {}", show(prev))).collect();
            format!("deleted {count} at {revision}\n{prev}")
        }
    }
}

fn show(found: &KeyValue) -> String {
    let KeyValue { key, value, create_revision, mod_revision, version } = found;
    let (key, value) = (key.escape_ascii(), value.escape_ascii());
    let revisions = format!("created {create_revision}, modified {mod_revision}");
    format!("{key} = \"{value}\" ({revisions}, version {version})\n")
}

fn bytes(text: &str) -> Result<Bytes, Box<dyn Error>> {
    let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    Ok(bytes?.into())
}

fn unhex(hex: &str) -> Result<Bytes, Box<dyn Error>> {
    let digits: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    Ok(digits.chunks(2).map(byte).collect::<Result<Vec<u8>, _>>()?.into())
}
