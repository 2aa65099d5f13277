//! Clients: what they ask, and what comes of it.

use raft::MemberId;
use replica::{Done, Failure, Request, Ticket};
use store::{Command, KeyRange};

use crate::life::Life;
use crate::oracle::Asked;
use crate::trace::Fields;

/// What a client has asked.
#[derive(Debug)]
pub(crate) struct Question {
    member: MemberId,
    op: &'static str,
    key: Option<String>,
}

impl Question {
    fn write(&self, line: &mut Fields<'_>, ticket: Ticket, outcome: Option<&str>) {
        line.id("member", self.member).text("op", self.op);
        line.text_or_null("key", self.key.as_deref()).text_or_null("outcome", outcome);
        line.number("ticket", ticket.0);
    }
}

impl Life {
    /// A client, or an operator, asks.
    pub(crate) fn tell_asked(&mut self, ticket: Ticket, member: MemberId, request: &Request) {
        if self.trace.is_off() {
            return;
        }
        let (op, key) = self.words_of(ticket, request);
        let question = Question { member, op, key };
        let for_eyes = self.trace.is_for_eyes();
        self.trace.event(self.queue.now(), "client", |line| {
            question.write(line, ticket, None);
            if !for_eyes {
                line.text("what", &format!("{request:?}"));
            }
        });
        self.telling.asked.insert(ticket, question);
    }

    /// ... and is answered.
    pub(crate) fn tell_answered(&mut self, ticket: Ticket, result: &Result<Done, Failure>) {
        let Some(question) = self.telling.asked.remove(&ticket) else { return };
        let outcome = match result {
            Ok(_) => "done",
            Err(Failure::Unknown | Failure::TransferFailed) => "unknown",
            Err(_) => "failed",
        };
        let for_eyes = self.trace.is_for_eyes();
        self.trace.event(self.queue.now(), "client", |line| {
            question.write(line, ticket, Some(outcome));
            if !for_eyes {
                line.text("result", &format!("{result:?}"));
            }
        });
    }

    fn words_of(&self, ticket: Ticket, request: &Request) -> (&'static str, Option<String>) {
        match request {
            Request::Write { command, .. } => {
                let command = Command::decode(command.clone());
                words_of_command(&command.expect("clients ask for what they have encoded"))
            }
            Request::ReadBarrier => match self.oracle.question(ticket) {
                Asked::Read(range) => ("get", key_of(range)),
                _ => ("txn", None),
            },
            Request::Lease { lease, .. } => ("lease", Some(lease.to_string())),
            Request::Transfer { .. } => ("transfer", None),
            Request::Change(_) | Request::Drain { .. } | Request::RaiseLevel => ("change", None),
        }
    }
}

fn words_of_command(command: &Command) -> (&'static str, Option<String>) {
    match command {
        Command::Put { put, .. } => ("put", Some(text_of(&put.key))),
        Command::Delete { range, .. } => ("delete", key_of(range)),
        Command::DeleteRecord { record } => ("delete", Some(text_of(record))),
        Command::Txn(_) => ("txn", None),
        Command::Once { command, .. } | Command::As { command, .. } => words_of_command(command),
        Command::LeaseGrant { lease, .. } | Command::LeaseRevoke { lease } => {
            ("lease", Some(lease.to_string()))
        }
        _ => ("other", None),
    }
}

fn key_of(range: &KeyRange) -> Option<String> {
    match range {
        KeyRange::Single(key) | KeyRange::Prefix(key) => Some(text_of(key)),
        KeyRange::From(_) | KeyRange::Between { .. } => None,
    }
}

fn text_of(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
