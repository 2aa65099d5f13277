//! What may be done by hand: `POST dev/do`.

use std::collections::BTreeSet;
use std::fmt;

use links::{DELAY_MS_MAX, Ends, Fault};
use serde::Deserialize;

use super::load::PER_SECOND_MAX;

/// One thing to do. Members are named by their names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Action {
    /// `kill -9`.
    Crash { member: String },
    /// Starts one that does not run, with the flags that it had.
    Restart { member: String },
    /// SIGSTOP: it stands still, and its sockets stay open.
    Pause { member: String },
    /// SIGCONT.
    Resume { member: String },
    /// Cuts every link from and to a member.
    Isolate { member: String },
    /// Cuts every link between these groups, and none within one. Whoever is in none of them is in
    /// one more.
    Split { groups: Vec<Vec<String>> },
    /// Something is wrong with one link, or nothing any more.
    Link(LinkAction),
    /// All links are well, and nobody stands still.
    Heal {},
    /// One more member, which joins.
    Add {},
    /// A member is removed from the cluster, for good.
    Remove { member: String },
    /// Writes, so many a second.
    Load {
        on: bool,
        #[serde(default)]
        per_second: Option<u32>,
    },
}

/// What is wrong with a link; what is not said is well.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkAction {
    pub(super) from: String,
    pub(super) to: String,
    /// The other direction, too.
    #[serde(default)]
    both: bool,
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    drop_percent: u8,
    #[serde(default)]
    delay_ms: u16,
}

/// Why something is not done: what to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) code: String,
    /// What is wrong, and what to do about it.
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Refused {
        Refused { status, code: code.to_owned(), message: message.into() }
    }

    /// The action itself can not be meant.
    pub(super) fn bad(message: impl Into<String>) -> Refused {
        Refused::new(400, "bad_action", message)
    }
}

impl Action {
    /// Reads what was sent.
    pub(super) fn read(json: &[u8]) -> Result<Action, Refused> {
        let action: Action = serde_json::from_slice(json)
            .map_err(|error| Refused::bad(format!("{error}; docs/cli.md, \"By hand\"")))?;
        match &action {
            Action::Link(link) => link.check()?,
            Action::Load { on: true, per_second } => {
                let asked = per_second.unwrap_or(0);
                if !(1..=PER_SECOND_MAX).contains(&asked) {
                    let message = format!("per_second is from 1 to {PER_SECOND_MAX}");
                    return Err(Refused::bad(message));
                }
            }
            _ => {}
        }
        Ok(action)
    }
}

impl LinkAction {
    fn check(&self) -> Result<(), Refused> {
        if self.from == self.to {
            return Err(Refused::bad("a link is between two members"));
        }
        if self.drop_percent > 100 || self.delay_ms > DELAY_MS_MAX {
            let message =
                format!("drop_percent is from 0 to 100, delay_ms from 0 to {DELAY_MS_MAX}");
            return Err(Refused::bad(message));
        }
        Ok(())
    }

    pub(super) fn fault(&self) -> Fault {
        let LinkAction { cut, drop_percent, delay_ms, .. } = *self;
        Fault { cut, drop_percent, delay_ms }
    }

    pub(super) fn links(&self) -> Vec<Ends> {
        let (from, to) = (&self.from, &self.to);
        let back = self.both.then(|| (to.clone(), from.clone()));
        [(from.clone(), to.clone())].into_iter().chain(back).collect()
    }
}

impl fmt::Display for LinkAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LinkAction { from, to, both, cut, drop_percent, delay_ms } = self;
        write!(f, "{from} {} {to}: ", if *both { "<->" } else { "->" })?;
        let mut wrong = Vec::new();
        if *cut {
            wrong.push("cut".to_owned());
        }
        if *drop_percent > 0 {
            wrong.push(format!("{drop_percent} % lost"));
        }
        if *delay_ms > 0 {
            wrong.push(format!("{delay_ms} ms later"));
        }
        f.write_str(&if wrong.is_empty() { "well".to_owned() } else { wrong.join(", ") })
    }
}

/// Every link between two of these, in both directions.
pub(super) fn between(one: &[String], other: &[String]) -> Vec<Ends> {
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
    let distinct = pairs.filter(|(one, other)| one != other);
    distinct
        .flat_map(|(one, other)| [(one.clone(), other.clone()), (other.clone(), one.clone())])
        .collect()
}

/// The groups, and one more of whoever is in none of them.
pub(super) fn complete(
    groups: &[Vec<String>],
    everybody: &[String],
) -> Result<Vec<Vec<String>>, Refused> {
    let mut placed = BTreeSet::new();
    for name in groups.iter().flatten() {
        if !everybody.contains(name) {
            return Err(unknown(name));
        }
        if !placed.insert(name) {
            return Err(Refused::bad(format!("{name} is in two groups")));
        }
    }
    let rest = everybody.iter().filter(|name| !placed.contains(name)).cloned().collect();
    let all = groups.iter().cloned().chain([rest]).filter(|group: &Vec<String>| !group.is_empty());
    let all: Vec<Vec<String>> = all.collect();
    match all.len() {
        0 | 1 => Err(Refused::bad("name at least two groups of members, or one of some of them")),
        _ => Ok(all),
    }
}

pub(super) fn unknown(name: &str) -> Refused {
    Refused::new(404, "unknown_member", format!("no member is called {name:?}: see dev/state"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn read(text: &str) -> Result<Action, Refused> {
        Action::read(text.as_bytes())
    }

    #[test]
    fn every_action_is_read() {
        for text in [
            r#"{"do":"crash","member":"node-1"}"#,
            r#"{"do":"restart","member":"node-1"}"#,
            r#"{"do":"pause","member":"node-1"}"#,
            r#"{"do":"resume","member":"node-1"}"#,
            r#"{"do":"isolate","member":"node-1"}"#,
            r#"{"do":"split","groups":[["node-1"],["node-2","node-3"]]}"#,
            r#"{"do":"link","from":"a","to":"b","both":true,"cut":true}"#,
            r#"{"do":"link","from":"a","to":"b","drop_percent":100,"delay_ms":10000}"#,
            r#"{"do":"heal"}"#,
            r#"{"do":"add"}"#,
            r#"{"do":"remove","member":"node-1"}"#,
            r#"{"do":"load","on":true,"per_second":2000}"#,
            r#"{"do":"load","on":false}"#,
        ] {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"do":"explode"}"#,
            r#"{"do":"crash"}"#,
            r#"{"do":"crash","member":"a","x":1}"#,
            r#"{"do":"heal","member":"a"}"#,
            r#"{"do":"link","from":"a","to":"a","cut":true}"#,
            r#"{"do":"link","from":"a","to":"b","drop_percent":101}"#,
            r#"{"do":"link","from":"a","to":"b","drop_percent":-1}"#,
            r#"{"do":"link","from":"a","to":"b","delay_ms":10001}"#,
            r#"{"do":"link","from":"a","to":"b","late":1}"#,
            r#"{"do":"load","on":true}"#,
            r#"{"do":"load","on":true,"per_second":0}"#,
            r#"{"do":"load","on":true,"per_second":2001}"#,
        ] {
            let refused = read(text).unwrap_err();
            assert_eq!((refused.status, refused.code.as_str()), (400, "bad_action"), "{text}");
        }
    }

    #[test]
    fn a_link_in_words() {
        let words = |text: &str| match read(text) {
            Ok(Action::Link(link)) => link.to_string(),
            other => panic!("{other:?}"),
        };
        let all = r#"{"do":"link","from":"a","to":"b","cut":true,"drop_percent":5,"delay_ms":50}"#;
        assert_eq!(words(all), "a -> b: cut, 5 % lost, 50 ms later");
        assert_eq!(words(r#"{"do":"link","from":"a","to":"b","both":true}"#), "a <-> b: well");
    }

    #[test]
    fn whoever_is_in_no_group_is_in_one_more() {
        let (all, one) = (names("a b c d e"), vec![names("a b")]);
        assert_eq!(complete(&one, &all).unwrap(), [names("a b"), names("c d e")]);
        let two = vec![names("a"), names("b c d e")];
        assert_eq!(complete(&two, &all).unwrap(), two);
        for wrong in [vec![], vec![all.clone()], vec![names("a"), names("a b")]] {
            assert_eq!(complete(&wrong, &all).unwrap_err().status, 400, "{wrong:?}");
        }
        assert_eq!(complete(&[names("x")], &all).unwrap_err().status, 404);
    }

    #[test]
    fn groups_are_cut_off_in_both_directions() {
        let links = between(&names("a"), &names("a b c"));
        let ends = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(links, [ends("a", "b"), ends("b", "a"), ends("a", "c"), ends("c", "a")]);
    }
}
