//! What may break a rule, and why. Every row is a decision; a row that excuses nothing any more is
//! a violation itself, so the list only holds what is needed.

use super::Violation;

/// One thing that may break one rule.
pub(crate) struct Exception {
    pub(crate) rule: &'static str,
    /// The path, `path::function`, or the name of a package: what the rule reports on.
    pub(crate) subject: &'static str,
    pub(crate) why: &'static str,
}

/// Where this list lies, for its own violations.
const HERE: &str = "xtask/src/tidy/exceptions.rs";

pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: "banned-call",
        subject: "tests/src/wait.rs::thread::sleep",
        why: "the one place that polls: a condition of another process can only be asked for again",
    },
    Exception {
        rule: "fault-hook",
        subject: "crates/server/src/start/ready.rs::env::var_os",
        why: "NOTIFY_SOCKET: a supervisor says where it wants to be told, and nothing else changes",
    },
];

/// Takes away what is excused, and adds the rows that excuse nothing or say no reason.
pub(crate) fn apply(exceptions: &[Exception], found: Vec<Violation>) -> Vec<Violation> {
    let complaints: Vec<Violation> = exceptions
        .iter()
        .filter_map(|exception| {
            let used = found.iter().any(|violation| excuses(exception, violation));
            let problem = match (used, exception.why.is_empty()) {
                (_, true) => "says no reason",
                (false, _) => "excuses nothing any more: remove it",
                (true, false) => return None,
            };
            let Exception { rule, subject, .. } = exception;
            let message = format!("the row `{rule}`, `{subject}` {problem}");
            Some(Violation::new("exception", HERE, 0, message))
        })
        .collect();
    let kept = found
        .into_iter()
        .filter(|violation| !exceptions.iter().any(|exception| excuses(exception, violation)));
    kept.chain(complaints).collect()
}

fn excuses(exception: &Exception, violation: &Violation) -> bool {
    exception.rule == violation.rule && exception.subject == violation.subject
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(subject: &'static str, why: &'static str) -> Exception {
        Exception { rule: "columns", subject, why }
    }

    fn found() -> Vec<Violation> {
        Vec::from([Violation::new("columns", "a.rs", 1, "101 columns")])
    }

    #[test]
    fn an_excused_violation_is_gone() {
        assert_eq!(apply(&[row("a.rs", "a table")], found()), []);
    }

    #[test]
    fn other_violations_stay() {
        assert_eq!(apply(&[], found()), found());
    }

    #[test]
    fn a_row_that_excuses_nothing_is_a_violation() {
        let left = apply(&[row("b.rs", "a table")], found());
        assert_eq!(left.len(), 2);
        assert!(left[1].message.contains("excuses nothing"), "{}", left[1]);
    }

    #[test]
    fn a_row_without_a_reason_is_a_violation() {
        let left = apply(&[row("a.rs", "")], found());
        assert!(left[0].message.contains("says no reason"), "{}", left[0]);
    }
}
