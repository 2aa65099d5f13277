//! What each write was told, and whether the cluster kept its word.
//!
//! Every write sets a key that no other write sets, to a value that no other write has. So the end
//! shows what became of each:
//!
//! | the client was told | afterwards |
//! |---|---|
//! | done, at revision r | there, written once, at r |
//! | definitely not done | not there |
//! | nothing, or "unknown" | there, written once; or not there |
//!
//! And there is nothing else: the store's revision counts every write that took effect, so it
//! would tell of one that took effect twice.

use std::collections::BTreeMap;

use crate::cluster::{Cluster, Contents, check_converged, contents};
use crate::http::{Answer, Http, Lost};

/// The revision of an empty store.
const REVISION_EMPTY: u64 = 1;

/// How long a write may take unless it is said otherwise.
const TIMEOUT_MS: u64 = 5_000;

/// What a client knows of its write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, at this revision.
    Done(u64),
    /// Definitely not done: why.
    Refused(String),
    /// Perhaps done: why nobody knows.
    Unknown(String),
}

impl Outcome {
    /// What an answer to a write means, or its absence (docs/http.md, "Refusals").
    fn of(answer: &Result<Answer, Lost>) -> Outcome {
        match answer {
            Ok(answer) if answer.status < 300 => {
                Outcome::Done(answer.json()["revision"].as_u64().unwrap())
            }
            Ok(answer) if answer.status == 504 => Outcome::Unknown(answer.code()),
            Ok(answer) => Outcome::Refused(answer.code()),
            Err(Lost::Unsent(error)) => Outcome::Refused(error.to_string()),
            Err(Lost::Unanswered(error)) => Outcome::Unknown(error.to_string()),
        }
    }
}

/// A write, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The value.
    pub value: String,
    /// What its client was told.
    pub outcome: Outcome,
}

/// All writes, by their keys.
#[derive(Debug, Default)]
pub struct Ledger {
    writes: BTreeMap<String, Write>,
}

impl Ledger {
    /// Writes a key that was never written before, and notes what became of it.
    pub fn write(&mut self, http: &mut Http, key: &str, value: String) -> Outcome {
        self.write_within(http, key, value, TIMEOUT_MS)
    }

    /// The same, with the time that the member has for it.
    pub fn write_within(
        &mut self,
        http: &mut Http,
        key: &str,
        value: String,
        timeout_ms: u64,
    ) -> Outcome {
        let body = serde_json::json!({ "value": value }).to_string();
        let answer = http.request("PUT", &format!("/kv/{key}?timeout_ms={timeout_ms}"), &body);
        let outcome = Outcome::of(&answer);
        let write = Write { value, outcome: outcome.clone() };
        assert!(self.writes.insert(key.to_owned(), write).is_none(), "{key} was used before");
        outcome
    }

    /// Writes, and expects that it is done.
    pub fn write_done(&mut self, http: &mut Http, key: &str, value: &str) {
        let outcome = self.write(http, key, value.to_owned());
        assert!(matches!(outcome, Outcome::Done(_)), "{key}: {outcome:?}");
    }

    /// Notes a write that was sent otherwise, and was done at this revision.
    pub fn note(&mut self, key: &str, value: &str, revision: u64) {
        let write = Write { value: value.to_owned(), outcome: Outcome::Done(revision) };
        assert!(self.writes.insert(key.to_owned(), write).is_none(), "{key} was used before");
    }

    /// Takes over the writes of another client.
    pub fn append(&mut self, other: Ledger) {
        for (key, write) in other.writes {
            assert!(self.writes.insert(key.clone(), write).is_none(), "{key} was used twice");
        }
    }

    /// How many writes were done, definitely not done, and perhaps done.
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for write in self.writes.values() {
            counts[match write.outcome {
                Outcome::Done(_) => 0,
                Outcome::Refused(_) => 1,
                Outcome::Unknown(_) => 2,
            }] += 1;
        }
        counts
    }

    /// The check that ends every test of a failure: the members are equal, and each of them, by
    /// linearizable reads, shows what the clients were told. All members must run.
    pub fn check(&self, cluster: &Cluster) {
        self.check_at(&cluster.live_ports());
    }

    /// The same of members at these ports, wherever they run.
    pub fn check_at(&self, ports: &[u16]) {
        check_converged(ports);
        let first = *ports.first().expect("somebody is left");
        let told = contents(first, None);
        self.compare(&told);
        for port in &ports[1..] {
            let seen = contents(*port, Some(told.revision));
            assert_eq!(seen, told, "the members at {first} and {port} differ at one revision");
        }
        let [done, refused, unknown] = self.counts();
        println!("{done} writes done, {refused} refused, {unknown} unknown: all as told");
    }

    /// Compares what was told with what is there.
    fn compare(&self, contents: &Contents) {
        let keys = &contents.keys;
        for (key, Write { value, outcome }) in &self.writes {
            match (outcome, keys.get(key)) {
                (Outcome::Done(revision), Some(kept)) => {
                    assert_eq!(kept.mod_revision, *revision, "{key} is at another revision");
                }
                (Outcome::Done(revision), None) => panic!("{key} is lost: done at {revision}"),
                (Outcome::Refused(why), Some(_)) => panic!("{key} is there: refused ({why})"),
                (Outcome::Refused(_), None) | (Outcome::Unknown(_), _) => {}
            }
            if let Some(kept) = keys.get(key) {
                assert_eq!((&kept.value, kept.version), (value, 1), "{key} was written once");
            }
        }
        for key in keys.keys() {
            assert!(self.writes.contains_key(key), "nobody wrote {key}");
        }
        let took_effect = contents.revision - REVISION_EMPTY;
        assert_eq!(took_effect, keys.len() as u64, "each write took effect once");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;
    use crate::cluster::Kept;

    fn ledger(outcome: Outcome) -> Ledger {
        let write = Write { value: "v".into(), outcome };
        Ledger { writes: BTreeMap::from([("k".to_owned(), write)]) }
    }

    fn contents(keys: &[(&str, &str, u64, u64)], revision: u64) -> Contents {
        let keys = keys.iter().map(|&(key, value, version, mod_revision)| {
            (key.to_owned(), Kept { value: value.to_owned(), version, mod_revision })
        });
        Contents { revision, keys: keys.collect() }
    }

    fn holds(outcome: Outcome, keys: &[(&str, &str, u64, u64)], revision: u64) -> bool {
        let (ledger, contents) = (ledger(outcome), contents(keys, revision));
        catch_unwind(|| ledger.compare(&contents)).is_ok()
    }

    #[test]
    fn what_was_told_holds() {
        let there = [("k", "v", 1, 2)];
        assert!(holds(Outcome::Done(2), &there, 2));
        assert!(holds(Outcome::Refused("unavailable".into()), &[], 1));
        for (keys, revision) in [(&there[..], 2), (&[], 1)] {
            assert!(holds(Outcome::Unknown("outcome_unknown".into()), keys, revision));
        }
    }

    #[test]
    fn a_broken_word_is_found() {
        let done = || Outcome::Done(2);
        assert!(!holds(done(), &[], 1), "lost");
        assert!(!holds(done(), &[("k", "w", 1, 2)], 2), "another value");
        assert!(!holds(done(), &[("k", "v", 2, 3)], 3), "written twice");
        assert!(!holds(done(), &[("k", "v", 1, 3)], 2), "at another revision");
        assert!(!holds(done(), &[("k", "v", 1, 2)], 3), "a write that nobody sent");
        assert!(!holds(done(), &[("k", "v", 1, 2), ("l", "v", 1, 3)], 3), "a key that nobody sent");
        let refused = Outcome::Refused("superseded".into());
        assert!(!holds(refused, &[("k", "v", 1, 2)], 2), "a definite failure shows");
        let unknown = Outcome::Unknown("outcome_unknown".into());
        assert!(!holds(unknown, &[("k", "v", 2, 3)], 3), "an unknown write took effect twice");
    }
}
