//! Whether this member has a place in its cluster, by what the other members say when it dials them
//! (rules 3.1, 4.3). Pure: a function of what was said.
//!
//! | said by | what | then |
//! |---|---|---|
//! | one member | "you were removed" | this member is no part of the cluster: it ends |
//! | a majority of the voters | "your data directory is another one" | so it is: it ends |
//! | fewer, or learners | the same | it goes on trying: they may be the ones who are wrong |
//!
//! One word of a removal is enough because nobody says it before the removal is committed. Of
//! another data directory even an old configuration speaks: a member that still gets the leader's
//! log knows the members of long ago. This member counts among the voters, as one that does not
//! say so.

use std::collections::BTreeSet;
use std::fmt;

use raft::{MemberId, Membership};

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
    /// A member has answered a handshake of this member's; `membership` is the newest one known
    /// here.
    pub(crate) fn greeted(
        &mut self,
        by: MemberId,
        greeting: Greeting,
        membership: &Membership,
    ) -> Option<Expelled> {
        match greeting {
            Greeting::Welcome => {
                self.disowned_by.remove(&by);
                None
            }
            Greeting::Removed => Some(Expelled::Removed),
            Greeting::OtherIncarnation => {
                self.disowned_by.insert(by);
                self.is_disowned(membership).then_some(Expelled::OtherIncarnation)
            }
        }
    }
}

impl Reception {
    fn is_disowned(&self, membership: &Membership) -> bool {
        let by_majority = |voters: &BTreeSet<MemberId>| {
            voters.intersection(&self.disowned_by).count() > voters.len() / 2
        };
        let Membership { incoming, outgoing, .. } = membership;
        by_majority(incoming) && (outgoing.is_empty() || by_majority(outgoing))
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

    fn of_voters(count: u64) -> Membership {
        Membership::of_voters((1..=count).map(MemberId))
    }

    /// What comes of it that these tell member 1 of another data directory, one after the other.
    fn disowned(by: &[u64], membership: &Membership) -> Option<Expelled> {
        let mut reception = Reception::default();
        let greeting = Greeting::OtherIncarnation;
        let mut heard = by.iter().map(|by| reception.greeted(MemberId(*by), greeting, membership));
        heard.find_map(|expelled| expelled)
    }

    #[test]
    fn one_word_of_a_removal_is_enough() {
        let (mut reception, five) = (Reception::default(), of_voters(5));
        assert_eq!(reception.greeted(MemberId(1), Greeting::Welcome, &five), None);
        let expelled = reception.greeted(MemberId(2), Greeting::Removed, &five);
        assert_eq!(expelled, Some(Expelled::Removed));
    }

    #[test]
    fn another_data_directory_is_believed_of_a_majority_only() {
        let (mut reception, five) = (Reception::default(), of_voters(5));
        let mut say = |by, greeting| reception.greeted(MemberId(by), greeting, &five);
        for by in [2, 3, 2, 3] {
            assert_eq!(say(by, Greeting::OtherIncarnation), None);
        }
        assert_eq!(say(3, Greeting::Welcome), None, "it has changed its mind");
        assert_eq!(say(4, Greeting::OtherIncarnation), None);
        assert_eq!(say(5, Greeting::OtherIncarnation), Some(Expelled::OtherIncarnation));
    }

    #[test]
    fn learners_and_a_single_other_voter_end_nobody() {
        let mut alone = of_voters(1);
        alone.learners = [2, 3, 4].map(MemberId).into();
        assert_eq!(disowned(&[2, 3, 4], &alone), None);
        assert_eq!(disowned(&[2], &of_voters(2)), None);
        assert_eq!(disowned(&[2, 3], &Membership::default()), None, "it knows of no voter");
        assert_eq!(disowned(&[2, 3], &of_voters(3)), Some(Expelled::OtherIncarnation));
    }

    #[test]
    fn a_joint_configuration_takes_both_majorities() {
        let mut joint = of_voters(3);
        joint.outgoing = [1, 4, 5].map(MemberId).into();
        assert_eq!(disowned(&[2, 3], &joint), None);
        assert_eq!(disowned(&[2, 3, 4, 5], &joint), Some(Expelled::OtherIncarnation));
    }
}
