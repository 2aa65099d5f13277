//! What a room may never call. The compiler can not see that the core is pure; this can.
//!
//! The core (`raft`, `wal`, `store`, `replica`) gets time, randomness and threads as arguments, or
//! the simulator could not replay a run from its seed.

use super::Violation;
use super::source::{Source, occurrences};
use super::tree::Tree;

/// Which code a ban is for.
#[derive(Clone, Copy)]
enum Scope {
    /// The rooms that get everything as an argument, their tests apart.
    Core,
    /// The core and the simulator: whatever a seed must repeat.
    Seeded,
    /// All code that ships, tests apart.
    Product,
    /// All code.
    Everywhere,
    /// Tests alone.
    Tests,
}

struct Ban {
    scope: Scope,
    call: &'static str,
    why: &'static str,
}

const CORE: &[&str] = &["crates/raft", "crates/wal", "crates/store", "crates/replica"];
const SIMULATOR: &str = "crates/sim";

const fn ban(scope: Scope, call: &'static str, why: &'static str) -> Ban {
    Ban { scope, call, why }
}

const TIME: &str = "time is an argument here";
const CHANCE: &str = "chance comes from a seed that is an argument here";
const THREADS: &str = "threads belong to the shells";
const ORDER: &str = "its order changes from run to run: take the B-tree";
const PRINTS: &str = "the core prints nothing: it returns events";
const LIMIT: &str = "every queue has a limit";
const UNFINISHED: &str = "finish it";
const SLEEPS: &str = "wait for the condition, with a deadline";

const BANS: &[Ban] = &[
    ban(Scope::Core, "Instant::now", TIME),
    ban(Scope::Core, "std::time::Instant", TIME),
    ban(Scope::Seeded, "SystemTime", TIME),
    ban(Scope::Seeded, "thread_rng", CHANCE),
    ban(Scope::Core, "rand::", CHANCE),
    ban(Scope::Seeded, "getrandom", CHANCE),
    ban(Scope::Core, "std::thread", THREADS),
    ban(Scope::Core, "thread::spawn", THREADS),
    ban(Scope::Core, "tokio", "the core has no runtime"),
    ban(Scope::Core, "std::env", "the core has no environment"),
    ban(Scope::Core, "std::net", "the core has no network"),
    ban(Scope::Core, "std::fs", "files are reached through `disk`"),
    ban(Scope::Seeded, "HashMap", ORDER),
    ban(Scope::Seeded, "HashSet", ORDER),
    ban(Scope::Core, "println!", PRINTS),
    ban(Scope::Core, "eprintln!", PRINTS),
    ban(Scope::Everywhere, "unbounded", LIMIT),
    ban(Scope::Everywhere, "unbounded_channel", LIMIT),
    ban(Scope::Everywhere, "mpsc::channel()", LIMIT),
    ban(Scope::Product, ".unwrap()", "handle it, or `expect` with the proof"),
    ban(Scope::Everywhere, "todo!", UNFINISHED),
    ban(Scope::Everywhere, "unimplemented!", UNFINISHED),
    ban(Scope::Everywhere, "dbg!", UNFINISHED),
    ban(Scope::Everywhere, "#[ignore", "a test runs, or it goes"),
    ban(Scope::Tests, "thread::sleep", SLEEPS),
    ban(Scope::Tests, "time::sleep", SLEEPS),
];

impl Scope {
    fn holds(self, source: &Source, is_test: bool) -> bool {
        let package = source.package();
        let core = CORE.contains(&package);
        match self {
            Scope::Core => core && !is_test && !source.path.contains("/examples/"),
            Scope::Seeded => (core || package == SIMULATOR) && !is_test,
            Scope::Product => !is_test && source.path.contains("/src/"),
            Scope::Everywhere => true,
            Scope::Tests => is_test,
        }
    }
}

pub(crate) fn banned(tree: &Tree) -> Vec<Violation> {
    let lines = tree.sources().flat_map(|source| source.lines().map(move |line| (source, line)));
    lines
        .flat_map(|(source, (number, line, is_test))| {
            let bans = BANS.iter().filter(move |ban| {
                ban.scope.holds(source, is_test) && occurrences(line, ban.call).next().is_some()
            });
            bans.map(move |Ban { call, why, .. }| {
                let message = format!("`{call}`: {why}");
                let subject = format!("{}::{call}", source.path);
                Violation::new("banned-call", &source.path, number, message).about(subject)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<Violation> {
        banned(&Tree::of(&[(path, text)]))
    }

    fn in_tests(text: &str) -> String {
        format!("#[cfg(test)]\nmod tests {{\n{text}\n}}\n")
    }

    #[test]
    fn every_ban_is_found_where_it_holds() {
        for ban in BANS {
            let line = format!("    {} x", ban.call);
            let sample = match ban.scope {
                Scope::Tests => in_tests(&line),
                _ => line,
            };
            let found = found("crates/raft/src/log.rs", &sample);
            assert!(found.iter().any(|v| v.message.contains(ban.call)), "{}", ban.call);
        }
    }

    #[test]
    fn the_shells_may_do_what_the_core_may_not() {
        let text = "use std::time::Instant;\nuse std::collections::HashMap;\nrand::random();\n";
        assert_eq!(found("crates/server/src/lib.rs", text), []);
    }

    #[test]
    fn the_simulator_may_time_itself_but_not_hash() {
        assert_eq!(found("crates/sim/src/main.rs", "let t = Instant::now();\n"), []);
        assert_eq!(found("crates/sim/src/main.rs", "use x::HashMap;\n").len(), 1);
    }

    #[test]
    fn tests_may_unwrap_but_not_sleep() {
        let text = in_tests("fn a() { b().unwrap(); }");
        assert_eq!(found("crates/wal/src/lib.rs", &text), []);
        let text = in_tests("fn a() { thread::sleep(x); }");
        assert_eq!(found("crates/wal/src/lib.rs", &text).len(), 1);
        assert_eq!(found("tests/tests/a.rs", "tokio::time::sleep(x)").len(), 1);
    }

    #[test]
    fn comments_and_texts_may_speak_of_anything() {
        let text = "// never Instant::now\nlet a = \"todo! .unwrap()\";\n";
        assert_eq!(found("crates/raft/src/log.rs", text), []);
    }

    #[test]
    fn limits_are_asked_of_tests_too() {
        assert_eq!(found("crates/client/tests/a.rs", "mpsc::unbounded_channel()").len(), 1);
        assert_eq!(found("crates/client/tests/a.rs", "mpsc::channel(8)"), []);
    }
}
