//! Events in words.

use client::{Event, Happened, KeyChange, MessageSent};

use crate::text;

/// One sentence; `name` tells a member's name by its id.
pub(super) fn sentence(event: &Event, name: impl Fn(&str) -> String) -> String {
    let who = name(&event.member);
    let words = match &event.happened {
        Happened::Message(message) => sent(&who, &name(&message.to), message),
        Happened::Key(change) => key(change),
        happened => of_member(&who, happened, &name),
    };
    let words = text::line(words.as_bytes());
    match event.count {
        0 | 1 => words,
        count => format!("{words} ({count} times)"),
    }
}

fn of_member(who: &str, happened: &Happened, name: &impl Fn(&str) -> String) -> String {
    match happened {
        Happened::Role { role, term } => took_role(who, role, *term),
        Happened::Leader { leader, term } => knows_leader(who, leader.as_deref(), *term, name),
        Happened::Vote { candidate, term, pre, granted } => {
            let verb = match (pre, granted) {
                (false, true) => "votes",
                (false, false) => "does not vote",
                (true, true) => "would vote",
                (true, false) => "would not vote",
            };
            format!("{who} {verb} for {} in term {term}", name(candidate))
        }
        Happened::Link { peer, up: true } => format!("{who} hears {} now", name(peer)),
        Happened::Link { peer, up: false } => format!("{who} hears {} no more", name(peer)),
        Happened::Transferring { to } => format!("{who} hands leadership to {}", name(to)),
        Happened::SnapshotWanted { follower } => {
            format!("{who} must send {} a snapshot", name(follower))
        }
        Happened::Started => format!("{who} has started"),
        Happened::Ended => format!("{who} ends"),
        Happened::Diverged { over: true, .. } => format!("{who} agrees with the majority again"),
        Happened::Diverged { index, .. } => {
            let place = index.map(|index| format!(" at entry {index}")).unwrap_or_default();
            format!("{who} differs from the majority{place}")
        }
        happened => of_log(who, happened),
    }
}

fn of_log(who: &str, happened: &Happened) -> String {
    match happened {
        Happened::Appended { first, last, term } if first == last => {
            format!("{who} appends entry {last} of term {term}")
        }
        Happened::Appended { first, last, term } => {
            format!("{who} appends entries {first} to {last}, the last of term {term}")
        }
        Happened::Truncated { from } => format!("{who} gives up its entries from {from} on"),
        Happened::Acknowledged { index } => format!("{who} has entries up to {index} on its disk"),
        Happened::Committed { index } => format!("{who} knows that {index} is committed"),
        Happened::Applied { index, revision } => {
            format!("{who} has applied entry {index}, which makes revision {revision}")
        }
        Happened::Configured { index, joint } => {
            let how = if *joint { ": two majorities are needed" } else { "" };
            format!("{who} goes by the members of entry {index}{how}")
        }
        Happened::SnapshotInstalled { index, term } => {
            format!("{who} has a snapshot in place of its log up to {index} of term {term}")
        }
        Happened::LogCut { index, .. } => {
            format!("{who} keeps its log from after entry {index} on")
        }
        // Neither of these is told as something that happened.
        _ => format!("{who} tells how it is"),
    }
}

fn took_role(who: &str, role: &str, term: u64) -> String {
    match role {
        "follower" => format!("{who} follows in term {term}"),
        "pre-candidate" => format!("{who} asks who would vote for it after term {term}"),
        "candidate" => format!("{who} stands for election in term {term}"),
        "leader" => format!("{who} leads in term {term}"),
        other => format!("{who} is {other} in term {term}"),
    }
}

fn knows_leader(
    who: &str,
    leader: Option<&str>,
    term: u64,
    name: &impl Fn(&str) -> String,
) -> String {
    match leader.map(name) {
        Some(leader) if leader == who => format!("{who} is elected in term {term}"),
        Some(leader) => format!("{who} knows that {leader} leads in term {term}"),
        None => format!("{who} knows no leader in term {term}"),
    }
}

fn sent(who: &str, to: &str, message: &MessageSent) -> String {
    let what = message.what.replace('_', " ");
    let mut numbers = Vec::new();
    let mut tell = |what: &str, number: Option<u64>| {
        numbers.extend(number.map(|number| format!("{what} {number}")));
    };
    match (message.first, message.last) {
        (Some(first), Some(last)) if first != last => {
            tell("entries", Some(first));
            tell("to", Some(last));
        }
        (first, last) => tell(if first.is_some() { "entry" } else { "last" }, last),
    }
    tell("term", message.term);
    tell("commit", message.commit);
    tell("matched", message.matched);
    tell("rejected at", message.rejected);
    tell("bytes", message.bytes);
    tell("of", message.bytes_total);
    let granted = message.granted.map(|granted| if granted { "granted" } else { "refused" });
    numbers.extend(granted.map(str::to_owned));
    format!("{who} to {to}: {what}, {}", numbers.join(" ")).trim_end_matches([',', ' ']).to_owned()
}

fn key(change: &KeyChange) -> String {
    let key = text::cell(&change.key());
    let KeyChange { op, revision, bytes, version, .. } = change;
    match op.as_str() {
        "put" => format!("put {key}: {bytes} bytes, version {version}, revision {revision}"),
        "expire" => format!("{key} expires, revision {revision}"),
        op => format!("{op} {key}, revision {revision}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(event: &str) -> String {
        let event = format!(r#"{{"t_us":1,"member":"2",{event}}}"#);
        sentence(&serde_json::from_str(&event).unwrap(), |id| format!("node-{id}"))
    }

    #[test]
    fn elections() {
        for (event, words) in [
            (
                r#""kind":"role","role":"candidate","term":7"#,
                "node-2 stands for election in term 7",
            ),
            (r#""kind":"leader","leader":"2","term":7"#, "node-2 is elected in term 7"),
            (
                r#""kind":"leader","leader":"3","term":7"#,
                "node-2 knows that node-3 leads in term 7",
            ),
            (
                r#""kind":"vote","candidate":"3","term":7,"pre":false,"granted":true"#,
                "node-2 votes for node-3 in term 7",
            ),
            (
                r#""kind":"vote","candidate":"3","term":7,"pre":true,"granted":false"#,
                "node-2 would not vote for node-3 in term 7",
            ),
            (r#""kind":"transferring","to":"1""#, "node-2 hands leadership to node-1"),
            (r#""kind":"link","peer":"1","up":false"#, "node-2 hears node-1 no more"),
        ] {
            assert_eq!(told(event), words);
        }
    }

    #[test]
    fn the_log_and_the_store() {
        for (event, words) in [
            (
                r#""kind":"appended","first":3,"last":9,"term":4,"count":7"#,
                "node-2 appends entries 3 to 9, the last of term 4 (7 times)",
            ),
            (r#""kind":"truncated","from":8"#, "node-2 gives up its entries from 8 on"),
            (
                r#""kind":"diverged","index":9,"over":false"#,
                "node-2 differs from the majority at entry 9",
            ),
            (r#""kind":"snapshot_wanted","for":"3""#, "node-2 must send node-3 a snapshot"),
            (
                r#""kind":"key","op":"put","key":"a\u001b[2J","revision":9,"bytes":5,"version":2"#,
                "put a\\u{1b}[2J: 5 bytes, version 2, revision 9",
            ),
            (r#""kind":"key","op":"expire","key":"a","revision":9"#, "a expires, revision 9"),
        ] {
            assert_eq!(told(event), words);
        }
    }

    #[test]
    fn messages() {
        for (event, words) in [
            (r#""what":"heartbeat","term":4,"commit":9"#, "heartbeat, term 4 commit 9"),
            (
                r#""what":"append","term":4,"first":3,"last":9,"commit":2"#,
                "append, entries 3 to 9 term 4 commit 2",
            ),
            (r#""what":"append","term":4,"first":3,"last":3"#, "append, entry 3 term 4"),
            (r#""what":"vote_answer","term":4,"granted":false"#, "vote answer, term 4 refused"),
            (r#""what":"snapshot","bytes":5,"bytes_total":9"#, "snapshot, bytes 5 of 9"),
            (r#""what":"timeout_now""#, "timeout now"),
        ] {
            let event = format!(r#""kind":"message","to":"3",{event}"#);
            assert_eq!(told(&event), format!("node-2 to node-3: {words}"));
        }
    }

    #[test]
    fn names_that_speak_to_the_terminal_are_escaped() {
        let event = serde_json::from_str(r#"{"t_us":1,"member":"2","kind":"started"}"#).unwrap();
        let words = sentence(&event, |_| "\x1b]0;x\x07\n".to_owned());
        assert!(!words.contains(char::is_control), "{words:?}");
    }
}
