//! Whether this member has a place in its cluster, by what the other members say when it dials them
//! (rules 3.1, 4.3). Pure: a function of what was said.
//!
//! | said by | what | then |
//! |---|---|---|
//! | one member | "you were removed" | this member is no part of the cluster: it ends |
//! | a majority of the others | "your data directory is another one" | so it is: it ends |
//! | fewer | the same | it goes on trying: they may be the ones who are wrong |
//!
//! One word of a removal is enough because nobody says it before the removal is committed.

use std::collections::BTreeSet;
use std::fmt;

use raft::MemberId;

/// What a peer thinks of this member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// It is one of the cluster.
    Welcome,
    /// It was removed.
    Removed,
    /// The cluster knows its id with another data directory.
    OtherIncarnation,
}

/// Why a member has no place in its cluster any more. It ends, and is not to be started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expelled {
    /// The cluster has removed it.
    Removed,
    /// The cluster knows it with another data directory.
    OtherIncarnation,
}

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    /// The members whose last word was that the data directory is another one.
    disowned_by: BTreeSet<MemberId>,
}

impl Reception {
    /// One of `others` other members has answered a handshake of this member's.
    pub(crate) fn greeted(
        &mut self,
        by: MemberId,
        greeting: Greeting,
        others: usize,
    ) -> Option<Expelled> {
        match greeting {
            Greeting::Welcome => {
                self.disowned_by.remove(&by);
                None
            }
            Greeting::Removed => Some(Expelled::Removed),
            Greeting::OtherIncarnation => {
                self.disowned_by.insert(by);
                let majority = others / 2 + 1;
                (self.disowned_by.len() >= majority).then_some(Expelled::OtherIncarnation)
            }
        }
    }
}

impl fmt::Display for Expelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expelled::Removed => write!(
                f,
                "this member was removed from its cluster: it has stopped for good; remove its \
                 data directory, or start it with --join and a fresh one"
            ),
            Expelled::OtherIncarnation => write!(
                f,
                "the cluster knows this member with another data directory: bring that one back, \
                 or let a fresh one take its place with --join and --replace"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_of_a_removal_is_enough() {
        let mut reception = Reception::default();
        assert_eq!(reception.greeted(MemberId(1), Greeting::Welcome, 4), None);
        let expelled = reception.greeted(MemberId(2), Greeting::Removed, 4);
        assert_eq!(expelled, Some(Expelled::Removed));
    }

    #[test]
    fn another_data_directory_is_believed_of_a_majority_only() {
        let mut reception = Reception::default();
        let mut say = |by, greeting| reception.greeted(MemberId(by), greeting, 4);
        for by in [1, 2, 1, 2] {
            assert_eq!(say(by, Greeting::OtherIncarnation), None);
        }
        assert_eq!(say(2, Greeting::Welcome), None, "it has changed its mind");
        assert_eq!(say(3, Greeting::OtherIncarnation), None);
        assert_eq!(say(4, Greeting::OtherIncarnation), Some(Expelled::OtherIncarnation));
    }
}
