//! `cargo xtask tidy`: our own rules of style and layout, as a test over the sources.
//!
//! Each check is a pure function from the texts of the tree to what breaks it, so each has unit
//! tests that show it failing on a bad sample. A violation prints as `path:line: rule: message`.
//!
//! | room | rules |
//! |---|---|
//! | `source` | none: what is code, comment, string, test, and where functions begin and end |
//! | `style` | line and file length, function length, essays, stray marks, machine paths |
//! | `calls` | what a room may never call |
//! | `hooks` | that nothing in the server can be made to lose anything |
//! | `manifests`, `packages` | edges between our rooms, third parties, their reasons |
//! | `outsiders`, `policy`, `spdx` | licences, sources and duplicates, as `deny.toml` allows them |
//! | `documents` | links, named paths, the map of the rooms, golden scripts, Figure 2 |
//! | `demo` | the scenes of docs/demo |
//! | `exceptions` | what may break a rule, and why; a row that excuses nothing fails |
//!
//! What this does *not* do: judge. Names, comments and design are for review.

mod calls;
mod demo;
mod documents;
mod exceptions;
mod hooks;
mod manifests;
mod outsiders;
mod packages;
mod policy;
mod source;
mod spdx;
mod style;
mod tree;

use std::fmt;

use crate::failure::Result;
use crate::lanes::Count;
use crate::shell::root;
use tree::Tree;

/// One broken rule, at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    /// Counted from 1; 0 is the file as a whole.
    line: usize,
    rule: &'static str,
    message: String,
    /// What an exception has to name: the path, or something smaller within it.
    subject: String,
}

impl Violation {
    fn new(rule: &'static str, path: &str, line: usize, message: impl Into<String>) -> Violation {
        let (path, subject) = (path.to_string(), path.to_string());
        Violation { path, line, rule, message: message.into(), subject }
    }

    /// Names what exactly breaks the rule, where the path says too little.
    fn about(mut self, subject: impl Into<String>) -> Violation {
        self.subject = subject.into();
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.message)
    }
}

type Check = fn(&Tree) -> Vec<Violation>;

/// Every rule that is checked, by name.
const CHECKS: &[(&str, Check)] = &[
    ("columns", style::columns),
    ("file-length", style::file_length),
    ("function-length", style::function_length),
    ("function-shape", style::function_shape),
    ("essay", style::essay),
    ("stray-mark", style::stray_marks),
    ("machine-path", style::machine_paths),
    ("banned-call", calls::banned),
    ("fault-hook", hooks::fault_hooks),
    ("edge", packages::edges),
    ("third-party", packages::third_parties),
    ("inherited", packages::inherited),
    ("reason", packages::reasons),
    ("unused", packages::unused),
    ("duplicate", outsiders::duplicates),
    ("licence", outsiders::licences),
    ("source", outsiders::sources),
    ("link", documents::links),
    ("named-path", documents::named_paths),
    ("map", documents::map),
    ("script-title", documents::script_titles),
    ("figure-2", documents::figure_2),
    ("demo", demo::scenes),
];

/// The task: prints every violation and a summary; answers whether there was none.
pub(crate) fn run() -> Result<bool> {
    lane().map(|count| count.failed == 0)
}

/// The same as a lane: one test a rule.
pub(crate) fn lane() -> Result<Count> {
    let tree = Tree::read(&root())?;
    let violations = check(&tree);
    for violation in &violations {
        println!("{violation}");
    }
    let broken = broken_rules(&violations);
    let rules = CHECKS.len() + 1; // the exceptions are checked, too
    println!("{}", style::summary(&tree));
    println!("tidy: {rules} rules, {} files, {} violations", tree.len(), violations.len());
    let passed = (rules - broken.len()) as u64;
    Ok(Count { passed, failed: broken.len() as u64, notes: Vec::from_iter(note(&broken)) })
}

fn check(tree: &Tree) -> Vec<Violation> {
    let found = CHECKS.iter().flat_map(|(_, check)| check(tree)).collect();
    let mut violations = exceptions::apply(exceptions::EXCEPTIONS, found);
    violations.sort();
    violations
}

fn broken_rules(violations: &[Violation]) -> Vec<&'static str> {
    let mut rules: Vec<&str> = violations.iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn note(broken: &[&str]) -> Option<String> {
    (!broken.is_empty()).then(|| format!("broken rules: {}", broken.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_print_as_compilers_print_them() {
        let violation = Violation::new("columns", "crates/raft/src/lib.rs", 7, "101 columns");
        assert_eq!(violation.to_string(), "crates/raft/src/lib.rs:7: columns: 101 columns");
    }

    #[test]
    fn a_rule_broken_twice_is_one_broken_rule() {
        let twice = [Violation::new("edge", "a", 1, ""), Violation::new("edge", "b", 1, "")];
        assert_eq!(broken_rules(&twice), ["edge"]);
    }

    #[test]
    fn every_check_reports_under_its_own_name() {
        let tree = Tree::of(&[]);
        for (name, check) in CHECKS {
            for violation in check(&tree) {
                assert_eq!(violation.rule, *name);
            }
        }
    }
}
