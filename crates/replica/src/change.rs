//! Changes of who is in the cluster: from one configuration to the next, as a pure function.
//!
//! A change that moves voters leads to a joint configuration first, and the leader appends the
//! final one by itself once that is committed (Raft §6, rule 4.1). Every other change leads
//! straight to its end. What depends on how members are doing (whether a learner has caught up,
//! whether a majority would be left) is the leader's to check, before it proposes the change.

use std::fmt;

use raft::{Index, MemberId};

use crate::configuration::{
    Configuration, Draining, MEMBERS_MAX, Member, REMOVED_MAX, Standing, UNCLAIMED, are_valid_urls,
};
use crate::level::DRAIN_LEVEL;

/// A learner has caught up when it is at most so many entries behind.
pub const CAUGHT_UP_ENTRIES: u64 = 5_000;

/// A name or an address has at most so many bytes.
const TEXT_BYTES_MAX: usize = 255;

/// A change of the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a learner. Without an incarnation it is a reserved place, which the process that joins
    /// at that address claims: it adds itself, and its own incarnation takes the place's, and its
    /// own id unless it has taken that of the place. Adding what is there already changes nothing.
    Add {
        /// Who. Never an id that was used before.
        id: MemberId,
        /// Of its data directory; None reserves a place.
        incarnation: Option<u128>,
        /// What people call it; no other member's, except that of `replaces`. Empty: the reserved
        /// place's, or else the address.
        name: String,
        /// `host:port`; no other member's, except that of `replaces`.
        address: String,
        /// The voter whose name and address it may share, because it is to replace it.
        replaces: Option<MemberId>,
        /// It is not to ask for its vote; of a place, whoever claims it is not to.
        stays_learner: bool,
    },
    /// Makes a learner that has caught up a voter.
    Promote {
        /// Which.
        id: MemberId,
    },
    /// Removes a voter, a learner or a reserved place, for good.
    Remove {
        /// Which.
        id: MemberId,
    },
    /// Makes the learner `new` a voter and removes `old`, in one step.
    Replace {
        /// Which voter goes.
        old: MemberId,
        /// Which learner takes its place.
        new: MemberId,
    },
    /// A member is reached elsewhere from now on.
    Address {
        /// Which member.
        id: MemberId,
        /// `host:port`.
        address: String,
    },
    /// A member tells clients to come there from now on.
    ClientUrls {
        /// Which member.
        id: MemberId,
        /// URLs; none if it is at its address.
        urls: Vec<String>,
    },
    /// A member is about to be restarted, and no other may be until it is back.
    Drain {
        /// Which member.
        id: MemberId,
        /// What becomes of the mark.
        mark: Draining,
    },
    /// That is over, or was not meant.
    EndDrain {
        /// Which member.
        id: MemberId,
    },
    /// The members may use what their programs know up to this level; it never goes back.
    RaiseLevel {
        /// The level.
        to: u32,
    },
}

/// Why a change was not made. It certainly was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// An earlier change is still under way.
    InProgress,
    /// The leader has not committed anything in its own term yet, or is handing over: try again
    /// in a moment.
    NotReady,
    /// There is no such member.
    UnknownMember(MemberId),
    /// The id was removed: a member that comes back needs a new data directory.
    Removed(MemberId),
    /// The id belongs to a member with another data directory.
    IdTaken(MemberId),
    /// The id is 0, or the name or the address is empty or too long.
    Invalid,
    /// That member has the address.
    AddressTaken(MemberId),
    /// That member has the name.
    NameTaken(MemberId),
    /// The cluster has as many members as it can have.
    TooManyMembers {
        /// So many.
        max: usize,
    },
    /// It is a voter already, or about to be.
    NotALearner(MemberId),
    /// It is no voter.
    NotAVoter(MemberId),
    /// The place is reserved, and no process has joined there yet.
    NotJoined(MemberId),
    /// The learner has not caught up, or was not heard lately.
    LearnerBehind {
        /// Its log equals the leader's up to here.
        matched: Index,
        /// The leader's last index.
        last: Index,
    },
    /// Too few of the voters that there would be are well: the cluster would stand still.
    QuorumWouldBeLost {
        /// Voters after the change that were heard lately.
        healthy: usize,
        /// So many make a majority of them.
        needed: usize,
    },
    /// It is the only voter.
    LastVoter,
    /// The cluster's feature level does not have it yet.
    BelowLevel {
        /// The level that has it.
        needed: u32,
        /// The cluster's.
        level: u32,
    },
    /// A member's program does not know more than the cluster uses already.
    LevelHeld {
        /// Which member.
        by: MemberId,
        /// What its program knows.
        level: u32,
    },
    /// That member is about to be restarted, or has not come back from it.
    Draining(MemberId),
    /// That member was not heard lately.
    MemberDown(MemberId),
    /// That member's log is behind.
    MemberBehind {
        /// Which member.
        member: MemberId,
        /// Its log equals the leader's up to here.
        matched: Index,
        /// The leader's last index.
        last: Index,
    },
}

impl fmt::Display for ChangeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeRefusal::InProgress => write!(f, "an earlier change of members is under way"),
            ChangeRefusal::NotReady => write!(f, "the leader is not ready for it yet"),
            ChangeRefusal::UnknownMember(id) => write!(f, "there is no member {id}"),
            ChangeRefusal::Removed(id) => write!(f, "member {id} was removed, for good"),
            ChangeRefusal::IdTaken(id) => write!(f, "member {id} has another data directory"),
            ChangeRefusal::Invalid => write!(f, "the id, the name or the address is no good"),
            ChangeRefusal::AddressTaken(id) => write!(f, "member {id} has that address"),
            ChangeRefusal::NameTaken(id) => write!(f, "member {id} has that name"),
            ChangeRefusal::TooManyMembers { max } => write!(f, "there are {max} members already"),
            ChangeRefusal::NotALearner(id) => write!(f, "member {id} is no learner"),
            ChangeRefusal::NotAVoter(id) => write!(f, "member {id} is no voter"),
            ChangeRefusal::NotJoined(id) => {
                write!(f, "the place {id} is reserved, but nobody has joined there yet")
            }
            ChangeRefusal::LearnerBehind { matched, last } => {
                write!(f, "the learner has not caught up: it has {matched} of {last} entries")
            }
            ChangeRefusal::QuorumWouldBeLost { healthy, needed } => write!(
                f,
                "{healthy} of the voters that would be left are well, and {needed} are needed"
            ),
            ChangeRefusal::LastVoter => write!(f, "it is the only voter"),
            ChangeRefusal::BelowLevel { needed, level } => {
                write!(f, "it needs feature level {needed}, and the cluster's is {level}")
            }
            ChangeRefusal::LevelHeld { by, level } => {
                write!(f, "the version of member {by} knows feature levels up to {level} only")
            }
            ChangeRefusal::Draining(id) => {
                write!(f, "member {id} is being restarted, and only one may be at a time")
            }
            ChangeRefusal::MemberDown(id) => {
                write!(f, "member {id} is down, or was not heard lately")
            }
            ChangeRefusal::MemberBehind { member, matched, last } => {
                write!(f, "member {member} is behind: it has {matched} of {last} entries")
            }
        }
    }
}

impl std::error::Error for ChangeRefusal {}

impl Configuration {
    /// The configuration to append for `change`: a joint one where voters move. Equal to this one
    /// if there is nothing to do.
    pub fn apply(&self, change: &Change) -> Result<Configuration, ChangeRefusal> {
        if self.is_joint() {
            return Err(ChangeRefusal::InProgress);
        }
        match change {
            Change::Add { id, incarnation, name, address, replaces, stays_learner } => {
                let incarnation = incarnation.unwrap_or(UNCLAIMED);
                let member = Member::voter(incarnation, name.clone(), address.clone());
                let (standing, stays_learner) = (Standing::Learner, *stays_learner);
                self.add(*id, Member { standing, stays_learner, ..member }, *replaces)
            }
            Change::Promote { id } => self.promote(*id),
            Change::Remove { id } => self.remove(*id),
            Change::Replace { old, new } => self.replace(*old, *new),
            Change::Address { id, address } => self.move_to(*id, address),
            Change::ClientUrls { id, urls } => self.tell_clients(*id, urls),
            Change::Drain { id, mark } => self.drain(*id, *mark),
            Change::EndDrain { id } => self.end_drain(*id),
            Change::RaiseLevel { to } => Ok(self.raised_to(*to)),
        }
    }

    /// What follows a joint configuration; None if this is none.
    pub fn leave_joint(&self) -> Option<Configuration> {
        if !self.is_joint() {
            return None;
        }
        let mut next = self.clone();
        for (&id, member) in &self.members {
            match member.standing {
                Standing::Leaving => next.forget(id),
                Standing::Joining => next.at_mut(id).standing = Standing::Voter,
                Standing::Voter | Standing::Learner => {}
            }
        }
        Some(next)
    }

    fn add(
        &self,
        id: MemberId,
        mut member: Member,
        replaces: Option<MemberId>,
    ) -> Result<Configuration, ChangeRefusal> {
        if self.is_removed(id) {
            return Err(ChangeRefusal::Removed(id));
        }
        let claims = |known: &Member| {
            member.is_claimed() && !known.is_claimed() && known.address == member.address
        };
        if let Some(known) = self.members.get(&id).filter(|known| !claims(known)) {
            let same = known.incarnation == member.incarnation && known.address == member.address;
            return if same { Ok(self.clone()) } else { Err(ChangeRefusal::IdTaken(id)) };
        }
        if let Some(old) = replaces {
            self.voter(old)?;
        }
        let mut next = self.clone();
        if let Some((place, reserved)) = self.reserved_at(&member.address, member.incarnation) {
            // Nobody was ever there, so nothing is to be remembered.
            next.members.remove(&place);
            member.stays_learner |= reserved.stays_learner;
            if member.name.is_empty() {
                member.name = reserved.name.clone();
            }
        }
        if member.name.is_empty() {
            member.name = member.address.clone();
        }
        next.check_new(id, &member, replaces)?;
        next.members.insert(id, member);
        Ok(next)
    }

    /// The place that a process at `address` claims.
    fn reserved_at(&self, address: &str, incarnation: u128) -> Option<(MemberId, &Member)> {
        let reserved = |member: &Member| !member.is_claimed() && member.address == address;
        let mut places = self.members.iter().filter(|(_, member)| reserved(member));
        places.next().filter(|_| incarnation != UNCLAIMED).map(|(&id, member)| (id, member))
    }

    fn check_new(
        &self,
        id: MemberId,
        member: &Member,
        replaces: Option<MemberId>,
    ) -> Result<(), ChangeRefusal> {
        let valid = |text: &str| !text.is_empty() && text.len() <= TEXT_BYTES_MAX;
        if id.0 == 0 || !valid(&member.name) || !valid(&member.address) {
            return Err(ChangeRefusal::Invalid);
        }
        if self.members.len() >= MEMBERS_MAX {
            return Err(ChangeRefusal::TooManyMembers { max: MEMBERS_MAX });
        }
        let other = |other: &MemberId| Some(*other) != replaces;
        self.check_free(&member.address, |member| &member.address, other)
            .map_err(ChangeRefusal::AddressTaken)?;
        self.check_free(&member.name, |member| &member.name, other)
            .map_err(ChangeRefusal::NameTaken)
    }

    /// Whether none of the `others` has that text; else who has.
    fn check_free(
        &self,
        text: &str,
        field: impl Fn(&Member) -> &str,
        others: impl Fn(&MemberId) -> bool,
    ) -> Result<(), MemberId> {
        let taken = self.members.iter().find(|(id, member)| others(id) && field(member) == text);
        taken.map_or(Ok(()), |(&id, _)| Err(id))
    }

    fn promote(&self, id: MemberId) -> Result<Configuration, ChangeRefusal> {
        let learner = self.learner(id)?;
        // It was added to replace the other one, which is still there.
        self.check_free(&learner.address, |member| &member.address, |other| *other != id)
            .map_err(ChangeRefusal::AddressTaken)?;
        self.check_free(&learner.name, |member| &member.name, |other| *other != id)
            .map_err(ChangeRefusal::NameTaken)?;
        let mut next = self.clone();
        next.join(id);
        Ok(next)
    }

    fn remove(&self, id: MemberId) -> Result<Configuration, ChangeRefusal> {
        let mut next = self.clone();
        match self.member(id)?.standing {
            Standing::Voter if self.voters().count() == 1 => return Err(ChangeRefusal::LastVoter),
            Standing::Voter => next.at_mut(id).standing = Standing::Leaving,
            _ => next.forget(id),
        }
        Ok(next)
    }

    fn replace(&self, old: MemberId, new: MemberId) -> Result<Configuration, ChangeRefusal> {
        self.voter(old)?;
        self.learner(new)?;
        let mut next = self.clone();
        next.at_mut(old).standing = Standing::Leaving;
        next.join(new);
        Ok(next)
    }

    fn join(&mut self, id: MemberId) {
        let member = self.at_mut(id);
        (member.standing, member.stays_learner) = (Standing::Joining, false);
    }

    fn move_to(&self, id: MemberId, address: &str) -> Result<Configuration, ChangeRefusal> {
        self.member(id)?;
        if address.is_empty() || address.len() > TEXT_BYTES_MAX {
            return Err(ChangeRefusal::Invalid);
        }
        self.check_free(address, |member| &member.address, |other| *other != id)
            .map_err(ChangeRefusal::AddressTaken)?;
        let mut next = self.clone();
        next.at_mut(id).address = address.to_owned();
        Ok(next)
    }

    fn tell_clients(&self, id: MemberId, urls: &[String]) -> Result<Configuration, ChangeRefusal> {
        self.member(id)?;
        if !are_valid_urls(urls) {
            return Err(ChangeRefusal::Invalid);
        }
        let mut next = self.clone();
        next.at_mut(id).client_urls = urls.to_vec();
        Ok(next)
    }

    fn drain(&self, id: MemberId, mark: Draining) -> Result<Configuration, ChangeRefusal> {
        let (needed, level) = (DRAIN_LEVEL, self.feature_level);
        if level < needed {
            return Err(ChangeRefusal::BelowLevel { needed, level });
        }
        if !self.member(id)?.is_claimed() {
            return Err(ChangeRefusal::NotJoined(id));
        }
        if let Some((other, _)) = self.draining().filter(|(other, _)| *other != id) {
            return Err(ChangeRefusal::Draining(other));
        }
        let mut next = self.clone();
        next.at_mut(id).draining = Some(mark);
        Ok(next)
    }

    fn end_drain(&self, id: MemberId) -> Result<Configuration, ChangeRefusal> {
        self.member(id)?;
        let mut next = self.clone();
        next.at_mut(id).draining = None;
        Ok(next)
    }

    fn raised_to(&self, level: u32) -> Configuration {
        Configuration { feature_level: self.feature_level.max(level), ..self.clone() }
    }

    /// Takes a member out. A reserved place was nobody; everybody else is remembered.
    fn forget(&mut self, id: MemberId) {
        let member = self.members.remove(&id).expect("only who is there is removed");
        if member.is_claimed() {
            self.removed.push(id);
            let surplus = self.removed.len().saturating_sub(REMOVED_MAX);
            self.removed.drain(..surplus);
        }
    }

    fn member(&self, id: MemberId) -> Result<&Member, ChangeRefusal> {
        match self.members.get(&id) {
            Some(member) => Ok(member),
            None if self.is_removed(id) => Err(ChangeRefusal::Removed(id)),
            None => Err(ChangeRefusal::UnknownMember(id)),
        }
    }

    fn voter(&self, id: MemberId) -> Result<&Member, ChangeRefusal> {
        let member = self.member(id)?;
        let is_voter = member.standing == Standing::Voter;
        if is_voter { Ok(member) } else { Err(ChangeRefusal::NotAVoter(id)) }
    }

    fn learner(&self, id: MemberId) -> Result<&Member, ChangeRefusal> {
        let member = self.member(id)?;
        if member.standing != Standing::Learner {
            return Err(ChangeRefusal::NotALearner(id));
        }
        if member.is_claimed() { Ok(member) } else { Err(ChangeRefusal::NotJoined(id)) }
    }

    fn at_mut(&mut self, id: MemberId) -> &mut Member {
        self.members.get_mut(&id).expect("the member was found before")
    }

    /// The voters; in a joint configuration those after it.
    pub fn voters(&self) -> impl Iterator<Item = MemberId> {
        let counts = |(_, member): &(&MemberId, &Member)| member.standing.counts_after();
        self.members.iter().filter(counts).map(|(&id, _)| id)
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
