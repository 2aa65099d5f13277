//! Why an input was refused. All of these leave the core exactly as it was.

use std::fmt;

use crate::{Index, MemberId, Term};

/// Why a message from a peer was not taken. Well-behaved peers never cause one: count and log it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The sender claims to be this member.
    Stranger(MemberId),
    /// Entries of an `Append` are not contiguous after `previous`, their terms go back or are
    /// above the message's, or they differ from what the same leader sent before; so does a
    /// snapshot.
    Malformed,
    /// An entry is a configuration that this member can not read.
    UnknownConfiguration(Index),
    /// The payload of an entry is longer than `PAYLOAD_BYTES_MAX`.
    PayloadTooLong(Index),
    /// The message's term is above `Term::MAX`.
    AbsurdTerm(Term),
    /// The message's term is more than `Term::AHEAD_MAX` above the receiver's.
    TermFarAhead {
        /// The message's.
        term: Term,
        /// The receiver's.
        own: Term,
    },
    /// Two members claim to lead in one term.
    TwoLeaders {
        /// The term.
        term: Term,
        /// The one that was known before.
        known: MemberId,
        /// The sender.
        other: MemberId,
    },
    /// An `Append` contradicts an entry that is committed here.
    ConflictsWithCommitted(Index),
    /// An answer acknowledges more than was ever sent.
    AcknowledgesUnsent(Index),
    /// An answer repeats a read round that has not begun.
    AnswersUnaskedRound(u64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Stranger(member) => write!(f, "{member} is this member itself"),
            Refusal::Malformed => write!(f, "what a leader sends does not fit together"),
            Refusal::UnknownConfiguration(index) => {
                write!(f, "entry {index} is a configuration that can not be read")
            }
            Refusal::PayloadTooLong(index) => {
                write!(f, "entry {index} is longer than any that is taken")
            }
            Refusal::AbsurdTerm(term) => write!(f, "no sound cluster reaches term {term}"),
            Refusal::TermFarAhead { term, own } => {
                write!(f, "term {term} is too far ahead of {own}")
            }
            Refusal::TwoLeaders { term, known, other } => {
                write!(f, "both {known} and {other} claim to lead in term {term}")
            }
            Refusal::ConflictsWithCommitted(index) => {
                write!(f, "an append contradicts the committed entry {index}")
            }
            Refusal::AcknowledgesUnsent(index) => {
                write!(f, "an answer acknowledges entry {index}, which was never sent")
            }
            Refusal::AnswersUnaskedRound(round) => {
                write!(f, "an answer repeats read round {round}, which was never begun")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Why a proposal was not appended. It certainly has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposeError {
    /// This member does not lead.
    NotLeader,
    /// This member leads, but is handing over.
    Transferring,
    /// Too many bytes wait for their commit.
    Overloaded,
}

impl fmt::Display for ProposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProposeError::NotLeader => "this member does not lead",
            ProposeError::Transferring => "leadership is being handed over",
            ProposeError::Overloaded => "too many proposals wait for their commit",
        })
    }
}

impl std::error::Error for ProposeError {}

/// Why leadership is not being handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// This member does not lead.
    NotLeader,
    /// The target is no other voter, or there is none.
    NoTarget,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransferError::NotLeader => "this member does not lead",
            TransferError::NoTarget => "there is no such other voter",
        })
    }
}

impl std::error::Error for TransferError {}

/// Why a change of the members was not appended. It certainly has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// This member does not lead.
    NotLeader,
    /// This member leads, but is handing over.
    Transferring,
    /// It has not committed an entry of its own term yet (thesis errata, rule 4.4).
    NotReady,
    /// The last change is not committed to its end yet.
    InProgress,
    /// It is no configuration, or none that may follow the present one.
    Invalid,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeError::NotLeader => "this member does not lead",
            ChangeError::Transferring => "leadership is being handed over",
            ChangeError::NotReady => "nothing is committed in this term yet",
            ChangeError::InProgress => "the last change of members is under way",
            ChangeError::Invalid => "no configuration that may follow the present one",
        })
    }
}

impl std::error::Error for ChangeError {}
