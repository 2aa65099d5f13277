//! Feature levels: what the members' programs know, and what the cluster uses of it (rule 4.5).
//!
//! ```text
//!   each program knows ...... FEATURE_LEVEL, told to the leader with every report
//!   the lowest of them ...... as far as the cluster's level can be raised
//!   the cluster's level ..... in the configuration: the same for everyone, never lowered
//!   an entry's level ........ is proposed only at or below the cluster's
//! ```
//!
//! The level goes up when an operator says so, not when the last member has been upgraded: until
//! then every member can go back to the version before. Afterwards a program that knows less is
//! refused at the handshake, and one that finds such a configuration in its directory, in its log
//! or in a snapshot does not go on. docs/decisions/012-feature-levels.md has the reasons.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::{Body, EntryKind, MemberId, Message, Term};
use store::{COMMAND_LEVEL_MAX, Command};

use crate::api::{Failure, Ticket};
use crate::change::{Change, ChangeRefusal};
use crate::pending::Patience;
use crate::replica::Replica;
use crate::{Configuration, ConfigurationError, Stop};

/// What this program knows.
///
/// | level | entries that it has beyond the one before |
/// |---|---|
/// | 1 | – |
/// | 2 | configurations with a level, and with the mark of a member that is drained |
/// | 3 | the end of a login |
pub const FEATURE_LEVEL: u32 = 3;

/// What every version knows, and a configuration has that does not say.
pub const FIRST_LEVEL: u32 = 1;

/// From this level on members can be drained.
pub(crate) const DRAIN_LEVEL: u32 = 2;

/// What a member tells the leader of the program that speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Random, chosen when it started; 0 from one that does not say.
    pub life: u64,
    /// The feature level that it knows.
    pub level: u32,
}

/// What the leader was told of the members' processes.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    told: BTreeMap<MemberId, Process>,
    /// In this term.
    term: Term,
}

impl Replica {
    /// This member's own.
    pub(crate) fn own_process(&self) -> Process {
        Process { life: self.life, level: FEATURE_LEVEL }
    }

    /// A member tells the leader, this one, who speaks for it.
    pub(crate) fn told_process(&mut self, from: MemberId, process: Process) {
        if !self.raft.is_leader() || !self.raft.membership().members().contains(&from) {
            return;
        }
        if self.processes.term != self.raft.term() {
            self.processes.term = self.raft.term();
            self.processes.told.clear();
        }
        self.processes.told.insert(from, process);
    }

    /// Whoever speaks for the member next may be another process.
    pub(crate) fn forget_process(&mut self, of: MemberId) {
        self.processes.told.remove(&of);
    }

    /// Who speaks for the member, as far as the leader, this one, was told in its term.
    pub(crate) fn process_of(&self, id: MemberId) -> Option<Process> {
        if id == self.raft.id() {
            return Some(self.own_process());
        }
        let known = self.processes.term == self.raft.term();
        self.processes.told.get(&id).copied().filter(|_| known)
    }

    /// The levels that the members know, for status pages: on a follower only its own.
    pub(crate) fn levels(&self) -> BTreeMap<MemberId, u32> {
        let leads = self.raft.is_leader();
        let members = self.configuration().members.keys().copied();
        let known = members.filter(|id| leads || *id == self.raft.id());
        known.filter_map(|id| Some((id, self.process_of(id)?.level))).collect()
    }

    /// Raises the cluster's level as far as all members know.
    pub(crate) fn raise_level(&mut self, ticket: Ticket, patience: Patience) {
        match self.highest_level() {
            Ok(to) => self.change(ticket, &Change::RaiseLevel { to }, patience),
            Err(failure) => self.pending.answer(ticket, Err(failure)),
        }
    }

    fn highest_level(&self) -> Result<u32, Failure> {
        if !self.raft.is_leader() {
            return Err(Failure::NotLeader { leader: self.raft.leader() });
        }
        let (mut lowest, mut by) = (FEATURE_LEVEL, self.raft.id());
        for (&id, member) in &self.configuration().members {
            if member.is_claimed() {
                let process = self.heard_process(id).map_err(Failure::Refused)?;
                if process.level < lowest {
                    (lowest, by) = (process.level, id);
                }
            }
        }
        let held = lowest <= self.configuration().feature_level && lowest < FEATURE_LEVEL;
        let refusal = ChangeRefusal::LevelHeld { by, level: lowest };
        if held { Err(Failure::Refused(refusal)) } else { Ok(lowest) }
    }

    /// Every member knows the level, at this moment.
    pub(crate) fn check_all_know(&self, next: &Configuration) -> Result<(), ChangeRefusal> {
        let claimed = next.members.iter().filter(|(_, member)| member.is_claimed());
        for (&by, _) in claimed {
            let level = self.heard_process(by)?.level;
            if level < next.feature_level {
                return Err(ChangeRefusal::LevelHeld { by, level });
            }
        }
        Ok(())
    }

    /// Who speaks for a member that is heard.
    pub(crate) fn heard_process(&self, id: MemberId) -> Result<Process, ChangeRefusal> {
        let followers = self.raft.follower_status();
        let heard = |follower: &raft::FollowerStatus| follower.id == id && self.is_well(follower);
        if id != self.raft.id() && !followers.iter().any(heard) {
            return Err(ChangeRefusal::MemberDown(id));
        }
        // It tells so within a second.
        self.process_of(id).ok_or(ChangeRefusal::NotReady)
    }

    /// Why the command may not be proposed yet, if it may not. To be asked of the leader.
    pub(crate) fn beyond_level(&self, command: &Bytes) -> Option<ChangeRefusal> {
        refusal_at(self.configuration().feature_level, command)
    }

    /// Stops before a configuration that this program does not know gets into its log. True if so.
    pub(crate) fn stops_before(&mut self, message: &Message) -> bool {
        let Body::Append { entries, .. } = &message.body else { return false };
        let of_configurations = entries.iter().filter(|e| e.kind == EntryKind::Configuration);
        for entry in of_configurations {
            let read = Configuration::decode(entry.payload.clone());
            if let Err(newer @ ConfigurationError::Newer { .. }) = read {
                self.stop(Stop::Newer(newer));
                return true;
            }
        }
        false
    }
}

/// Why the command may not be proposed in a cluster of this level, if it may not.
pub(crate) fn refusal_at(level: u32, command: &Bytes) -> Option<ChangeRefusal> {
    let needed = level_beyond(level, COMMAND_LEVEL_MAX, command)?;
    Some(ChangeRefusal::BelowLevel { needed, level })
}

/// The level that the command needs, if that is beyond `level`. No command needs one beyond `most`:
/// in a cluster that has it, none is looked at.
fn level_beyond(level: u32, most: u32, command: &Bytes) -> Option<u32> {
    if most <= level {
        return None;
    }
    // What can not be read is refused by others, and for another reason.
    let needed = Command::decode(command.clone()).ok()?.feature_level();
    (needed > level).then_some(needed)
}

#[cfg(test)]
mod tests {
    use store::{AuthChange, Principal};

    use super::*;

    #[test]
    fn a_command_waits_for_its_level() {
        let command = Command::Check.encode();
        assert_eq!(level_beyond(0, COMMAND_LEVEL_MAX, &command), Some(1));
        assert_eq!(level_beyond(1, COMMAND_LEVEL_MAX, &command), None);
        assert_eq!(level_beyond(1, 2, &command), None, "looked at, and of a level that is there");
    }

    #[test]
    fn a_login_is_ended_from_its_level_on_whoever_asks() {
        let log_out = Command::Auth(AuthChange::LogOut { index: 7, token_hash: [7; 32] });
        let principal = Principal { user: "u".into(), credentials: 2 };
        let by_user = Command::As { principal, command: Box::new(log_out.clone()) };
        for command in [log_out.encode(), by_user.encode()] {
            assert_eq!(level_beyond(2, COMMAND_LEVEL_MAX, &command), Some(3));
            assert_eq!(level_beyond(3, COMMAND_LEVEL_MAX, &command), None);
        }
    }
}
