//! What happened, a line each, in the words of the design.

use std::collections::BTreeMap;

use raft::{AppendResult, Body, Entry, Event, LogId, MemberId, Message, Persist, Term};

/// Longer runs of entries are shown by their ends.
const ENTRIES_SHOWN: usize = 4;

#[derive(Default)]
pub(crate) struct Trace {
    lines: Vec<String>,
    /// Lines are made only when they will be read.
    pub(crate) enabled: bool,
    /// Numbers of requests start anywhere: shown by their order instead.
    requests: BTreeMap<u64, usize>,
}

impl Trace {
    pub(crate) fn take(&mut self) -> String {
        self.lines.drain(..).fold(String::new(), |text, line| text + &line + "\n")
    }

    pub(crate) fn line(&mut self, line: impl Into<String>) {
        if self.enabled {
            self.lines.push(line.into());
        }
    }

    pub(crate) fn sent(&mut self, from: MemberId, to: MemberId, message: &Message) {
        if self.enabled {
            let line = self.message(from, to, message);
            self.lines.push(line);
        }
    }

    /// Struck through.
    pub(crate) fn lost(&mut self, from: MemberId, to: MemberId, message: &Message) {
        if self.enabled {
            let line = self.message(from, to, message);
            self.lines.push(line.chars().flat_map(|c| [c, '\u{336}']).collect());
        }
    }

    pub(crate) fn persist(&mut self, id: MemberId, persist: &Persist) {
        let Persist { number, hard_state, start, entries } = persist;
        let vote = hard_state.vote.map_or_else(|| "–".to_string(), |vote| vote.to_string());
        let (term, commit) = (hard_state.term, hard_state.commit);
        let start = start.map_or_else(String::new, |start| format!(" start={start}"));
        let entries = entries_text(entries);
        self.line(format!(
            "{id} writes #{} t{term} vote={vote} commit={commit}{start}{entries}",
            number.0
        ));
    }

    pub(crate) fn event(&mut self, id: MemberId, event: &Event) {
        match event {
            // What counts instead is shown with its text.
            Event::Configured { .. } => {}
            Event::LeaderKnown { leader, .. } if *leader == id => {}
            event => self.line(format!("{id} {}", event_text(event))),
        }
    }

    fn message(&mut self, from: MemberId, to: MemberId, message: &Message) -> String {
        let Message { term, body } = message;
        let name = body.name();
        format!("{from}→{to} {name} t{term}{}", self.body(body))
    }

    fn body(&mut self, body: &Body) -> String {
        match body {
            Body::PreVote { last } => format!(" last={last}"),
            Body::PreVoteAnswer { granted } | Body::VoteAnswer { granted } => {
                (if *granted { " granted" } else { " refused" }).to_string()
            }
            Body::Vote { last, transfer } => {
                format!(" last={last}{}", if *transfer { " transfer" } else { "" })
            }
            Body::Append { previous, entries, commit, round, .. } => {
                let entries = entries_text(entries);
                format!(" prev={previous}{entries} commit={commit} round={round}")
            }
            Body::AppendAnswer { round, result } => answer_text(*round, result),
            Body::ReadIndex { request } => format!(" #{}", self.request(*request)),
            Body::ReadIndexAnswer { request, point } => {
                let request = self.request(*request);
                point.map_or_else(
                    || format!(" #{request} no leader"),
                    |point| format!(" #{request} index={}", point.index),
                )
            }
            Body::TimeoutNow => String::new(),
        }
    }

    fn request(&mut self, request: u64) -> usize {
        let next = self.requests.len() + 1;
        *self.requests.entry(request).or_insert(next)
    }
}

fn answer_text(round: u64, result: &AppendResult) -> String {
    match result {
        AppendResult::Accepted { matched } => format!(" matched={matched} round={round}"),
        AppendResult::Rejected { previous, hint } => {
            format!(" rejects prev={previous} hint={hint} round={round}")
        }
    }
}

fn event_text(event: &Event) -> String {
    match event {
        Event::Role { role, term } => format!("is {} in t{term}", role.as_str()),
        Event::LeaderKnown { leader, term } => format!("follows {leader} in t{term}"),
        Event::Voted { candidate, term, pre, granted } => {
            voted_text(*candidate, *term, *pre, *granted)
        }
        Event::Appended { first, last } if *first == last.index => format!("appends {last}"),
        Event::Appended { first, last } => format!("appends {first}..{last}"),
        Event::Truncated { from } => format!("drops {from} and after"),
        Event::Committed { index } => format!("commits {index}"),
        Event::SnapshotWanted { member } => format!("must send {member} a snapshot"),
        Event::SnapshotInstalled { last } => format!("starts its log at {last}"),
        Event::LogCut { to } => format!("cuts its log at {to}"),
        Event::Configured { index, .. } => format!("counts by {index}"),
        Event::Transferring { to } => format!("hands over to {to}"),
    }
}

fn voted_text(candidate: MemberId, term: Term, pre: bool, granted: bool) -> String {
    let verb = if granted { "grants" } else { "refuses" };
    let what = if pre { "pre-vote" } else { "vote" };
    format!("{verb} {candidate} its {what} in t{term}")
}

/// ` [4@2 5@2]`; nothing for none.
fn entries_text(entries: &[Entry]) -> String {
    let ids: Vec<LogId> = entries.iter().map(|entry| entry.id).collect();
    match ids.as_slice() {
        [] => String::new(),
        [first, .., last] if ids.len() > ENTRIES_SHOWN => format!(" [{first} … {last}]"),
        ids => {
            let ids: Vec<String> = ids.iter().map(LogId::to_string).collect();
            format!(" [{}]", ids.join(" "))
        }
    }
}
