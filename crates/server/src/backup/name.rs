//! What backups in a directory are called: `MAKER-20260804T120000.123Z.raftkv-backup`.

use std::fmt;

use crate::http::{format_time, parse_time};

/// Behind the name of a file that is a backup.
const SUFFIX: &str = ".raftkv-backup";

/// Behind that, while it is not whole.
const PARTIAL: &str = ".partial";

/// A maker's name is at most this long: a member's name, and what tells its cluster.
const MAKER_BYTES_MAX: usize = 96;

/// Where the separators of RFC 3339 stand that a name leaves out: `2026-08-04T12:00:00.123Z`.
const SEPARATORS: [(usize, char); 4] = [(4, '-'), (7, '-'), (13, ':'), (16, ':')];

/// Who makes backups: its files are told from all others by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker(String);

impl Maker {
    /// A name of letters, digits, `-`, `_` and `.` that begins with a letter or digit; none of any
    /// other text.
    pub fn new(name: &str) -> Option<Maker> {
        let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let holds_only = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = name.len() <= MAKER_BYTES_MAX && name.bytes().all(holds_only);
        (begins_well && fits).then(|| Maker(name.to_owned()))
    }

    /// A member of a cluster: two clusters may call their members alike.
    pub(super) fn of_member(cluster_id: u128, name: &str) -> Maker {
        let maker = Maker::new(&format!("{:08x}-{name}", cluster_id >> 96));
        maker.expect("a member's name is made of the same characters, and is shorter")
    }

    /// What a backup of this time is called.
    pub(super) fn name_at(&self, time_ms: u64) -> String {
        let time: String =
            format_time(time_ms).chars().filter(|sign| !"-:".contains(*sign)).collect();
        format!("{self}-{time}{SUFFIX}")
    }

    /// When the backup of this name was made, if it is one of this maker's.
    pub(super) fn time_ms(&self, name: &str) -> Option<u64> {
        let time = name.strip_prefix(&self.0)?.strip_prefix('-')?.strip_suffix(SUFFIX)?;
        if !time.is_ascii() {
            return None;
        }
        let mut text = time.to_owned();
        for (at, separator) in SEPARATORS {
            if text.len() <= at {
                return None;
            }
            text.insert(at, separator);
        }
        // Only what it would call one itself: nobody else's file may be taken for its own.
        parse_time(text.as_bytes()).filter(|time_ms| self.name_at(*time_ms) == name)
    }

    /// Whether a file of this name is one of its own that is not whole.
    pub(super) fn is_draft(&self, name: &str) -> bool {
        name.strip_suffix(PARTIAL).is_some_and(|whole| self.time_ms(whole).is_some())
    }

    /// The file whose lock this maker holds while it is at work.
    pub(super) fn lock_name(&self) -> String {
        format!(".{self}.lock")
    }
}

/// What a backup is called while it is not whole.
pub(super) fn draft_name(name: &str) -> String {
    format!("{name}{PARTIAL}")
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-08-04T12:00:00.123Z.
    const NOON_MS: u64 = 1_785_844_800_123;

    fn maker(name: &str) -> Maker {
        Maker::new(name).unwrap()
    }

    #[test]
    fn a_name_says_who_made_it_and_when() {
        let name = maker("node-1").name_at(NOON_MS);
        assert_eq!(name, "node-1-20260804T120000.123Z.raftkv-backup");
        assert_eq!(maker("node-1").time_ms(&name), Some(NOON_MS));
        assert!(maker("node-1").is_draft(&draft_name(&name)));
        let member = Maker::of_member(0xc0ffee00 << 96 | 7, "node-1");
        assert_eq!(member.to_string(), "c0ffee00-node-1");
    }

    #[test]
    fn nobody_takes_anothers_file_for_its_own() {
        let maker = maker("node-1");
        for name in [
            "node-11-20260804T120000.123Z.raftkv-backup",
            "node-20260804T120000.123Z.raftkv-backup",
            "node-1-20260804T120000.123Z.raftkv-backup.partial",
            "node-1-20260804T120000.123Z",
            "node-1-20260804T120000Z.raftkv-backup",
            "node-1-2026-08-04T12:00:00.123Z.raftkv-backup",
            "node-1-x20260804T120000.123Z.raftkv-backup",
            "node-1-20260231T120000.123Z.raftkv-backup",
            "node-1-.raftkv-backup",
            "node-1-２0260804T120000.123Z.raftkv-backup",
            "node-1-monday.raftkv-backup",
            "raftkv-backup",
            "",
        ] {
            assert_eq!(maker.time_ms(name), None, "{name}");
        }
        assert!(!maker.is_draft("node-2-20260804T120000.123Z.raftkv-backup.partial"));
        assert!(!maker.is_draft("node-1-20260804T120000.123Z.raftkv-backup"));
    }

    #[test]
    fn a_maker_is_part_of_a_file_name() {
        for name in ["", "-a", ".a", "a/b", "a b", "ä", "a\0", &"a".repeat(97)] {
            assert_eq!(Maker::new(name), None, "{name:?}");
        }
    }
}
