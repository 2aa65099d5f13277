//! What comes in from others, as `deny.toml` allows it: licences, sources, and one version of each.
//!
//! The lock files are the whole truth, what tests alone use included. They hold no licences: those
//! cargo knows, of the manifests of the crates themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use super::manifests::{LOCK, LOCKS, Locked, locked, packages};
use super::packages::REASON_CHARS_MIN;
use super::policy::{POLICY, Policy, Row};
use super::spdx;
use super::tree::{LICENCES, Tree};

/// Each crate's licence is one that we accept, and no licence is accepted in vain.
pub(crate) fn licences(tree: &Tree) -> Vec<Violation> {
    let policy = Policy::of(tree);
    let known = known_licences(tree);
    let locked = locked(tree.text(LOCK).unwrap_or_default());
    let broken = locked.iter().filter_map(|locked| {
        let message = unacceptable(&policy, &known, locked)?;
        Some(Violation::new("licence", LOCK, locked.line, message).about(locked.name))
    });
    let named: BTreeSet<&str> = known.values().flat_map(|licence| spdx::names(licence)).collect();
    let idle = policy.licences.iter().filter(|row| !named.contains(row.subject));
    let names: BTreeSet<&str> = locked.iter().map(|locked| locked.name).collect();
    let gone = policy.licence_exceptions.iter().filter(|row| !names.contains(row.subject));
    broken.chain(idle.chain(gone).map(|row| excuses_nothing("licence", row))).collect()
}

/// Every package's licence by name and version, as cargo tells them: one line each.
fn known_licences(tree: &Tree) -> BTreeMap<(&str, &str), &str> {
    let lines = tree.text(LICENCES).unwrap_or_default().lines();
    let known = lines.filter_map(|line| {
        let mut parts = line.splitn(3, '\t');
        Some(((parts.next()?, parts.next()?), parts.next()?))
    });
    known.collect()
}

fn unacceptable(
    policy: &Policy<'_>,
    known: &BTreeMap<(&str, &str), &str>,
    Locked { name, version, .. }: &Locked<'_>,
) -> Option<String> {
    let Some(licence) = known.get(&(*name, *version)).filter(|licence| !licence.is_empty()) else {
        return Some(format!("`{name}` {version} names no licence"));
    };
    let accepts = |licence: &str| {
        let here = |row: &Row<'_>| row.subject == *name && row.allows == licence;
        let everywhere = policy.licences.iter().any(|row| row.subject == licence);
        everywhere || policy.licence_exceptions.iter().any(here)
    };
    match spdx::satisfied(licence, &accepts) {
        Some(true) => None,
        Some(false) => Some(format!("`{name}` is under {licence}, which {POLICY} does not allow")),
        None => Some(format!("`{name}` has a licence that can not be read: {licence}")),
    }
}

fn excuses_nothing(rule: &'static str, row: &Row<'_>) -> Violation {
    let message = format!("the row `{}` excuses nothing any more: remove it", row.subject);
    Violation::new(rule, POLICY, row.line, message).about(row.subject)
}

/// What is not ours comes from a registry that we allow, and its content is pinned.
pub(crate) fn sources(tree: &Tree) -> Vec<Violation> {
    let policy = Policy::of(tree);
    let ours: BTreeSet<&str> = packages(tree).iter().map(|package| package.name).collect();
    let mut violations = Vec::new();
    for lock in LOCKS {
        for locked in locked(tree.text(lock).unwrap_or_default()) {
            violations.extend(stray(&policy, &ours, &locked).map(|message| {
                Violation::new("source", lock, locked.line, message).about(locked.name)
            }));
        }
    }
    violations
}

fn stray(policy: &Policy<'_>, ours: &BTreeSet<&str>, locked: &Locked<'_>) -> Option<String> {
    let Locked { name, source, has_checksum, .. } = locked;
    let Some(source) = source else {
        let elsewhere = format!("`{name}` is no package of ours, and comes from no registry");
        return (!ours.contains(name)).then_some(elsewhere);
    };
    let registry = source.strip_prefix("registry+").unwrap_or_default();
    let allowed = policy.registries.iter().any(|row| row.subject == registry);
    match (allowed, has_checksum) {
        (false, _) => Some(format!("`{name}` comes from {source}, which {POLICY} does not allow")),
        (true, false) => Some(format!("`{name}` has no checksum")),
        (true, true) => None,
    }
}

/// Two incompatible versions of one crate are two crates, in the binary and in the head.
pub(crate) fn duplicates(tree: &Tree) -> Vec<Violation> {
    let policy = Policy::of(tree);
    let skipped = &policy.skipped_versions;
    let mut needed = BTreeSet::new();
    let mut violations = Vec::new();
    for lock in LOCKS {
        for (name, versions) in several(tree.text(lock).unwrap_or_default()) {
            let excuse = |version: &&str| skipped.iter().find(|row| covers(row, name, version));
            needed.extend(versions.keys().filter_map(excuse).map(|row| row.line));
            let left: Vec<&str> =
                versions.keys().copied().filter(|version| excuse(version).is_none()).collect();
            if left.len() > 1 {
                let line = versions.values().copied().max().unwrap_or_default();
                let message = format!("`{name}` in versions {}", left.join(" and "));
                violations.push(Violation::new("duplicate", lock, line, message).about(name));
            }
        }
    }
    let idle = skipped.iter().filter(|row| !needed.contains(&row.line));
    violations.extend(idle.map(|row| excuses_nothing("duplicate", row)));
    violations
}

/// The crates that come in several incompatible versions: one of each, with its line.
fn several(lock: &str) -> impl Iterator<Item = (&str, BTreeMap<&str, usize>)> {
    let mut majors: BTreeMap<&str, BTreeMap<String, (&str, usize)>> = BTreeMap::new();
    for Locked { name, version, line, .. } in locked(lock) {
        majors.entry(name).or_default().insert(major(version), (version, line));
    }
    let several = majors.into_iter().filter(|(_, versions)| versions.len() > 1);
    several.map(|(name, versions)| (name, versions.into_values().collect()))
}

/// Whether a row `name@1.2` is about that version of that crate.
fn covers(row: &Row<'_>, name: &str, version: &str) -> bool {
    let Some((about, prefix)) = row.subject.split_once('@') else { return row.subject == name };
    let rest = version.strip_prefix(prefix);
    about == name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The part of a version that cargo takes for compatible: up to the first number that is not 0.
fn major(version: &str) -> String {
    let numbers: Vec<&str> = version.split('.').collect();
    let zeros = numbers.iter().take_while(|number| **number == "0").count();
    numbers[..numbers.len().min(zeros + 1)].join(".")
}

/// The rows of `deny.toml` that do not say why they are there.
pub(crate) fn silent_rows(tree: &Tree) -> Vec<Violation> {
    let policy = Policy::of(tree);
    let silent = policy.decisions().filter(|row| row.reason.chars().count() < REASON_CHARS_MIN);
    silent
        .map(|Row { subject, line, .. }| {
            let message = format!("say why the row `{subject}` is here");
            Violation::new("reason", POLICY, *line, message).about(*subject)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::manifests::ROOT;
    use super::*;

    const REGISTRY: &str = "https://example.org/index";

    /// One package of the lock file, with what stands below its version.
    fn package(name: &str, version: &str, more: &str) -> String {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{more}\n")
    }

    fn licensed(policy: &str, licence: &str) -> Vec<Violation> {
        let lock = package("x", "1.0.0", "");
        let known = format!("x\t1.0.0\t{licence}\n");
        licences(&Tree::of(&[(LOCK, &lock), (POLICY, policy), (LICENCES, &known)]))
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_found() {
        let policy = "[licenses]\nallow = [\"MIT\"]\n";
        assert_eq!(licensed(policy, "MIT OR GPL-3.0"), []);
        for bad in ["MIT AND GPL-3.0", "MIT OR"] {
            let found = licensed(policy, bad);
            assert_eq!((found.len(), found[0].line), (1, 3), "{bad}: {found:?}");
        }
    }

    #[test]
    fn a_crate_whose_licence_cargo_does_not_tell_is_found() {
        assert_eq!(licences(&Tree::of(&[(LOCK, &package("x", "1.0.0", ""))])).len(), 1);
        assert_eq!(licensed("", "").len(), 1, "it names none");
    }

    #[test]
    fn an_exception_is_for_its_crate_alone() {
        let exception = |name| {
            format!(
                "[licenses]\nexceptions = [\n{{ crate = \"{name}\", allow = [\"GPL-3.0\"] }},\n]"
            )
        };
        assert_eq!(licensed(&exception("x"), "GPL-3.0"), []);
        assert_eq!(licensed(&exception("x"), "GPL-2.0").len(), 1);
        assert_eq!(licensed(&exception("y"), "GPL-3.0").len(), 2, "and no crate is y");
    }

    #[test]
    fn a_licence_that_nobody_has_is_found() {
        let found = licensed("[licenses]\nallow = [\"MIT\", # a\n\"ISC\", # b\n]\n", "MIT");
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("`ISC` excuses nothing"), "{}", found[0]);
    }

    fn from(lock: &str) -> Vec<Violation> {
        let policy = format!("[sources]\nallow-registry = [\"{REGISTRY}\"]\n");
        let ours = "[package]\nname = \"wal\"\n";
        sources(&Tree::of(&[(POLICY, &policy), (LOCK, lock), ("crates/wal/Cargo.toml", ours)]))
    }

    #[test]
    fn crates_come_from_the_registry_with_a_checksum_or_are_ours() {
        let source = |source: &str| package("x", "1.0.0", &format!("source = \"{source}\""));
        let sound = source(&format!("registry+{REGISTRY}")) + "checksum = \"abc\"\n";
        assert_eq!(from(&sound), []);
        assert_eq!(from(&package("wal", "0.1.0", "")), []);
        let strangers = [
            source(&format!("registry+{REGISTRY}")),
            source("registry+https://example.com/index"),
            source("git+https://example.org/x#abc"),
            package("x", "1.0.0", ""),
        ];
        for stranger in strangers {
            assert_eq!(from(&stranger).len(), 1, "{stranger}");
        }
    }

    fn both(a: &str, b: &str, policy: &str) -> Vec<Violation> {
        let lock = package("x", a, "") + &package("x", b, "");
        duplicates(&Tree::of(&[(LOCK, &lock), (POLICY, policy)]))
    }

    #[test]
    fn two_majors_of_one_crate_are_found() {
        for (a, b) in [("1.0.0", "2.0.0"), ("0.1.0", "0.2.0"), ("0.0.1", "0.0.2")] {
            assert_eq!(both(a, b, "").len(), 1, "{a} {b}");
        }
        for (a, b) in [("1.0.0", "1.2.0"), ("0.1.0", "0.1.9")] {
            assert_eq!(both(a, b, ""), [], "{a} {b}");
        }
    }

    #[test]
    fn a_skipped_version_is_excused_and_no_other() {
        let skip = |subject| format!("[bans]\nskip = [{{ crate = \"{subject}\", reason = \"\" }}]");
        assert_eq!(both("1.0.0", "2.0.0", &skip("x@1")), []);
        assert_eq!(both("0.1.0", "0.12.0", &skip("x@0.1")), []);
        assert_eq!(both("1.0.0", "2.0.0", &skip("x@3")).len(), 2, "and the row is idle");
        assert_eq!(both("1.0.0", "1.2.0", &skip("x@1")).len(), 1, "the row is idle");
    }

    #[test]
    fn the_fuzz_targets_lock_file_is_looked_at_too() {
        let lock = package("x", "1.0.0", "") + &package("x", "2.0.0", "");
        let tree = Tree::of(&[("fuzz/Cargo.lock", &lock)]);
        assert_eq!(duplicates(&tree).len(), 1);
        assert_eq!(sources(&tree).len(), 2);
    }

    #[test]
    fn a_row_without_a_reason_is_found() {
        let policy = "[licenses]\nallow = [\n\"MIT\", # name the authors\n\"ISC\",\n]\n";
        let found = silent_rows(&Tree::of(&[(POLICY, policy), (ROOT, "")]));
        assert_eq!((found.len(), found[0].line), (1, 4));
    }
}
