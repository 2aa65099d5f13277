//! A patch file of `mutants/`: a few lines that say what it plants, then what `git diff` printed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Doing, Failure, Result};

/// The last row of the list of bug classes.
const ROW_MAX: u32 = 20;

/// Bugs are planted in what ships and the simulator runs, never in the simulator itself.
const PLANTED_IN: &[&str] = &[
    "crates/disk/src/",
    "crates/raft/src/",
    "crates/replica/src/",
    "crates/store/src/",
    "crates/wal/src/",
];

/// One planted bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    /// What it is called, here and on the command line; the stem of its file.
    pub(crate) name: String,
    /// Its class: the row of the list of what has gone wrong in stores like this one.
    pub(crate) row: u32,
    /// What it does, in a sentence.
    pub(crate) plants: String,
    /// Which projects shipped the like.
    pub(crate) seen_in: String,
    /// Why the simulator finds it too rarely yet, if it does. A rotation passes over it.
    pub(crate) rare: Option<String>,
    /// The files it changes, from the root.
    pub(crate) files: Vec<PathBuf>,
    /// Where it lies.
    pub(crate) path: PathBuf,
}

impl Patch {
    /// All of a directory, by row and name.
    pub(crate) fn all(directory: &Path) -> Result<Vec<Patch>> {
        let listing = || format!("list {}", directory.display());
        let mut patches = Vec::new();
        for entry in fs::read_dir(directory).doing(listing())? {
            let path = entry.doing(listing())?.path();
            if path.extension().is_some_and(|extension| extension == "patch") {
                let text = fs::read_to_string(&path).doing(format!("read {}", path.display()))?;
                patches.push(Patch::parse(&path, &text)?);
            }
        }
        patches.sort_by(|a, b| (a.row, &a.name).cmp(&(b.row, &b.name)));
        Ok(patches)
    }

    /// Reads a patch. It refuses one whose header is not whole or that changes other files than
    /// those of the product.
    fn parse(path: &Path, text: &str) -> Result<Patch> {
        let complain = |what: String| Failure::Unexpected(format!("{}: {what}", path.display()));
        let field = |label: &str| {
            let mut lines = text.lines().take_while(|line| line.starts_with('#'));
            let value = lines.find_map(|line| line.strip_prefix(label)).map(str::trim);
            let value = value.filter(|value| !value.is_empty()).map(str::to_owned);
            value.ok_or_else(|| complain(format!("its header has no line `{label}`")))
        };
        let (name, row) = (field("# name:")?, field("# row:")?);
        let (plants, seen_in) = (field("# plants:")?, field("# seen in:")?);
        let rare = field("# rare:").ok();
        if path.file_stem().is_none_or(|stem| *stem != *name) {
            return Err(complain(format!("it is named {name} inside")));
        }
        let row = row.parse().ok().filter(|row| (1..=ROW_MAX).contains(row));
        let row = row.ok_or_else(|| complain(format!("rows are 1 to {ROW_MAX}")))?;
        let named = text.lines().filter_map(|line| line.strip_prefix("+++ b/"));
        let files: Vec<PathBuf> = named.map(PathBuf::from).collect();
        let is_planted = |file: &PathBuf| PLANTED_IN.iter().any(|place| file.starts_with(place));
        if files.is_empty() || !files.iter().all(is_planted) {
            return Err(complain("it must change the product's own crates, and only them".into()));
        }
        Ok(Patch { name, row, plants, seen_in, rare, files, path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
# name: early
# row: 1
# plants: it says so too early
# seen in: nowhere
diff --git a/crates/raft/src/log.rs b/crates/raft/src/log.rs
--- a/crates/raft/src/log.rs
+++ b/crates/raft/src/log.rs
@@ -1 +1 @@
-a
+b
";

    fn parse(stem: &str, text: &str) -> Result<Patch> {
        Patch::parse(Path::new(stem), text)
    }

    #[test]
    fn a_header_says_what_is_planted_where() {
        let patch = parse("mutants/early.patch", GOOD).unwrap();
        assert_eq!((patch.name.as_str(), patch.row), ("early", 1));
        assert_eq!((patch.plants.as_str(), patch.rare), ("it says so too early", None));
        assert_eq!(patch.files, [PathBuf::from("crates/raft/src/log.rs")]);
    }

    #[test]
    fn a_patch_under_another_name_is_refused() {
        let refused = parse("mutants/late.patch", GOOD).unwrap_err().to_string();
        assert!(refused.contains("named early"), "{refused}");
    }

    #[test]
    fn a_patch_without_a_row_is_refused() {
        for text in [GOOD.replace("# row: 1\n", ""), GOOD.replace("row: 1", "row: 21")] {
            let refused = parse("early.patch", &text).unwrap_err().to_string();
            assert!(refused.contains("row"), "{refused}");
        }
    }

    #[test]
    fn a_patch_of_the_simulator_is_refused() {
        let refused = parse("early.patch", &GOOD.replace("crates/raft", "crates/sim"));
        assert!(refused.unwrap_err().to_string().contains("product"));
    }
}
