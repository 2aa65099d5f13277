//! A member can not be made to lose anything through its own program (rule 15.3): it is broken
//! from outside, by signals and by the links of `raftkv dev`. A hook would need a name, a switch or
//! a way in; each of those is looked for.
//!
//! | what | where it is looked for |
//! |---|---|
//! | a name: words that only fault injection uses | all code of the server |
//! | a switch when it is built: features, `cfg` | the server's code and manifest |
//! | a switch when it runs: the environment | the server's code |
//! | a way in: a path below `/dev/` | the server's texts |
//! | somebody else's hook: the disk that fails | the manifests of what ships |
//!
//! Tests may have all of it: they do not ship.

use super::Violation;
use super::manifests::{Kind, entries_of, packages};
use super::source::{Source, is_word, occurrences};
use super::tree::Tree;

const RULE: &str = "fault-hook";

/// Where no hook may be.
const SERVER: &str = "crates/server";

/// What ships with it.
const SHIPPED: &[&str] = &[
    "crates/client",
    "crates/disk",
    "crates/raft",
    "crates/raftkv",
    "crates/replica",
    "crates/server",
    "crates/store",
    "crates/wal",
];

/// Words of fault injection.
const FAULT_WORDS: &[&str] = &[
    "blackhole",
    "chaos",
    "failpoint",
    "failpoints",
    "fault",
    "faults",
    "inject",
    "injected",
    "injection",
    "injector",
    "isolate",
    "kill",
    "nemesis",
    "netsplit",
    "proxy",
    "sabotage",
    "sigcont",
    "sigkill",
    "sigstop",
];

/// What turns code on or off.
const SWITCHES: &[(&str, &str)] = &[
    ("cfg(feature", "what ships is one program, whatever it is built with"),
    ("cfg(debug_assertions", "a debug build does what a release build does"),
    ("cfg!(", "what ships is one program, whatever it is built with"),
    ("option_env!", "what ships is one program, whatever it is built with"),
    ("env::var", "settings come from `config`, which documents each"),
    ("env::var_os", "settings come from `config`, which documents each"),
];

/// Paths of the door of `raftkv dev`.
const DOORS: &[&str] = &["\"/dev/", "\"dev/"];

/// A disk that fails on demand.
const FAILING_DISK: &str = "\"sim\"";

/// Everything of this rule.
pub(crate) fn fault_hooks(tree: &Tree) -> Vec<Violation> {
    let server = || tree.sources().filter(|source| source.package() == SERVER);
    let code = server().flat_map(in_code);
    let texts = server().flat_map(|source| in_texts(tree, source));
    code.chain(texts).chain(in_manifests(tree)).collect()
}

fn in_code(source: &Source) -> Vec<Violation> {
    let shipped = source.lines().filter(|(_, _, is_test)| !is_test);
    let found = shipped.flat_map(|(number, line, _)| {
        let word = words(line).find(|word| FAULT_WORDS.contains(&word.as_str()));
        let named = word.map(|word| {
            let message = format!("`{word}`: faults are injected from outside of the server");
            Violation::new(RULE, &source.path, number, message)
        });
        let switch = SWITCHES.iter().find(|(switch, _)| occurrences(line, switch).next().is_some());
        let switched = switch.map(|(switch, why)| {
            let subject = format!("{}::{switch}", source.path);
            Violation::new(RULE, &source.path, number, format!("`{switch}`: {why}")).about(subject)
        });
        named.into_iter().chain(switched)
    });
    found.collect()
}

/// Literals are not code: they are looked for in the text of the lines that ship.
fn in_texts(tree: &Tree, source: &Source) -> Vec<Violation> {
    let lines = tree.text(&source.path).unwrap_or_default().lines();
    let shipped = source.lines().zip(lines).filter(|((_, _, is_test), _)| !is_test);
    let found = shipped.filter(|(_, text)| DOORS.iter().any(|door| text.contains(door)));
    found
        .map(|((number, ..), _)| {
            let message = "what is done by hand is behind the door of `raftkv dev`, not here";
            Violation::new(RULE, &source.path, number, message)
        })
        .collect()
}

fn in_manifests(tree: &Tree) -> Vec<Violation> {
    let manifest = format!("{SERVER}/Cargo.toml");
    let text = tree.text(&manifest).unwrap_or_default();
    let features = entries_of(text, "features").map(|(line, feature)| {
        let message = format!("the feature `{feature}`: the server has none, nothing is left out");
        Violation::new(RULE, &manifest, line, message)
    });
    let shipped = packages(tree).into_iter().filter(|package| {
        SHIPPED.iter().any(|directory| package.path == format!("{directory}/Cargo.toml"))
    });
    let failing = shipped.flat_map(|package| {
        let dependencies = package.dependencies.into_iter();
        let found = dependencies.filter(|it| {
            it.kind == Kind::Normal && it.name == "disk" && it.value.contains(FAILING_DISK)
        });
        let message = "a disk that fails on demand is for tests alone: [dev-dependencies]";
        found.map(|it| Violation::new(RULE, package.path, it.line, message)).collect::<Vec<_>>()
    });
    features.chain(failing).collect()
}

/// The words that names are made of, in lower case: `inject_fault` and `FaultHook` hold `fault`,
/// `default` does not.
fn words(line: &str) -> impl Iterator<Item = String> {
    let names = line.split(|c: char| !is_word(c) || c == '_' || c.is_numeric());
    names.flat_map(|name| {
        let mut words = Vec::from([String::new()]);
        let mut after_lower = false;
        for c in name.chars() {
            if c.is_uppercase() && after_lower {
                words.push(String::new());
            }
            after_lower = c.is_lowercase();
            let word = words.last_mut().expect("it began with one word and only grows");
            word.extend(c.to_lowercase());
        }
        words
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "crates/server/src/http.rs";

    fn found(path: &str, text: &str) -> usize {
        fault_hooks(&Tree::of(&[(path, text)])).len()
    }

    fn in_tests(text: &str) -> String {
        format!("#[cfg(test)]\nmod tests {{\n{text}\n}}\n")
    }

    #[test]
    fn every_word_of_fault_injection_is_found_in_any_name() {
        for word in FAULT_WORDS {
            assert_eq!(found(FILE, &format!("fn {word}_it() {{}}")), 1, "{word}");
            assert_eq!(found(FILE, &in_tests(&format!("fn {word}() {{}}"))), 0, "{word}");
        }
        for hook in ["Signal::SIGSTOP", "inject_fault()", "FaultHook", "kill_process(pid)"] {
            assert_eq!(found(FILE, hook), 1, "{hook}");
        }
        assert_eq!(found(FILE, "impl Default for Skill {} // a fault"), 0);
    }

    #[test]
    fn every_switch_is_found() {
        for switch in [
            "#[cfg(feature = \"hooks\")]",
            "#[cfg(debug_assertions)]",
            "if cfg!(debug_assertions) {}",
            "option_env!(\"HOOKS\")",
            "std::env::var(\"HOOKS\")",
            "env::var_os(NAME)",
        ] {
            assert_eq!(found(FILE, switch), 1, "{switch}");
            assert_eq!(found(FILE, &in_tests(switch)), 0, "{switch}");
        }
        assert_eq!(found("crates/server/Cargo.toml", "[features]\nhooks = []\n"), 1);
        assert_eq!(found("crates/server/Cargo.toml", "[dependencies]\nhooks = \"1\"\n"), 0);
    }

    #[test]
    fn every_way_in_is_found() {
        assert_eq!(found(FILE, "(\"/dev/do\", post(act)),"), 1);
        assert_eq!(found(FILE, "path.starts_with(\"dev/\")"), 1);
        assert_eq!(found(FILE, &in_tests("get(\"/dev/do\")")), 0);
        assert_eq!(found(FILE, "(\"/devices\", get(list)),"), 0);
    }

    #[test]
    fn a_disk_that_fails_ships_with_nobody() {
        let manifest = |section: &str| {
            format!(
                "[package]\nname = \"server\"\n[{section}]\n\
                 disk = {{ workspace = true, features = [\"sim\"] }}\n"
            )
        };
        for package in SHIPPED {
            let path = format!("{package}/Cargo.toml");
            assert_eq!(found(&path, &manifest("dependencies")), 1, "{package}");
            assert_eq!(found(&path, &manifest("dev-dependencies")), 0, "{package}");
        }
        assert_eq!(found("crates/sim/Cargo.toml", &manifest("dependencies")), 0);
    }

    #[test]
    fn other_rooms_may_kill() {
        let hook = "fn kill() { std::env::var(\"/dev/do\") }";
        assert_eq!(found("crates/raftkv/src/dev/hands.rs", hook), 0);
    }
}
