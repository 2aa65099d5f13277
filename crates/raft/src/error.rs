//! Why an input was refused. All of these leave the core exactly as it was.

use std::fmt;

use crate::{Index, MemberId, Term};

/// Why a message from a peer was not taken. Well-behaved peers never cause one: count and log it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The sender is no member of this cluster, or claims to be this member.
    Stranger(MemberId),
    /// Entries of an `Append` are not contiguous after `previous`, their terms go back or are
    /// above the message's, or they differ from what the same leader sent before.
    Malformed,
    /// The message's term is above `Term::MAX`.
    AbsurdTerm(Term),
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
            Refusal::Stranger(member) => write!(f, "{member} is no peer of this member"),
            Refusal::Malformed => write!(f, "the entries of an append do not fit together"),
            Refusal::AbsurdTerm(term) => write!(f, "no sound cluster reaches term {term}"),
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
