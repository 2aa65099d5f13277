//! What stories wait for.

use std::collections::BTreeMap;

use raft::{Index, MemberId, Raft, Term};

use super::script::Sign;
use crate::life::Life;

fn sign(words: String, holds: impl Fn(&Life) -> bool + 'static) -> Sign {
    Sign { words, holds: Box::new(holds) }
}

/// The core of a member, if it runs.
fn core(life: &Life, member: u64) -> Option<&Raft> {
    let process = life.members[&MemberId(member)].process.as_ref();
    process.map(|process| process.replica.raft())
}

fn cores(life: &Life) -> impl Iterator<Item = &Raft> {
    life.members.values().filter_map(|member| Some(member.process.as_ref()?.replica.raft()))
}

/// That member leads that term.
pub(super) fn leads(member: u64, term: u64) -> Sign {
    sign(format!("{member} leads term {term}"), move |life| {
        core(life, member).is_some_and(|raft| raft.is_leader() && raft.term() == Term(term))
    })
}

/// It does not lead any more.
pub(super) fn steps_down(member: u64) -> Sign {
    sign(format!("{member} steps down"), move |life| {
        core(life, member).is_some_and(|raft| !raft.is_leader())
    })
}

/// All that run follow this leader.
pub(super) fn all_follow(leader: u64) -> Sign {
    sign(format!("all follow {leader}"), move |life| {
        cores(life).all(|raft| raft.leader() == Some(MemberId(leader)))
    })
}

/// Everybody who runs has given its vote in that term, and two members have so many each.
pub(super) fn tie(term: u64, votes_each: usize) -> Sign {
    sign(format!("votes are split in term {term}"), move |life| {
        let mut votes: BTreeMap<MemberId, usize> = BTreeMap::new();
        for raft in cores(life) {
            match raft.hard_state().vote.filter(|_| raft.term() == Term(term)) {
                Some(vote) => *votes.entry(vote).or_default() += 1,
                None => return false,
            }
        }
        votes.len() == 2 && votes.values().all(|&count| count == votes_each)
    })
}

/// The log of that member goes so far.
pub(super) fn has(member: u64, index: u64) -> Sign {
    sign(format!("{member} has entry {index}"), move |life| {
        core(life, member).is_some_and(|raft| raft.log().last().index >= Index(index))
    })
}

/// A leader knows that the other member has all up to there on its disk.
pub(super) fn counts(leader: u64, member: u64, index: u64) -> Sign {
    sign(format!("{leader} counts {member} up to {index}"), move |life| {
        let status = core(life, leader).map(Raft::follower_status).unwrap_or_default();
        status.iter().any(|peer| peer.id == MemberId(member) && peer.matched >= Index(index))
    })
}

/// That member knows that all up to there is committed.
pub(super) fn commits(member: u64, index: u64) -> Sign {
    sign(format!("{member} commits up to {index}"), move |life| {
        core(life, member).is_some_and(|raft| raft.commit() >= Index(index))
    })
}

/// Everybody who runs shows all up to there.
pub(super) fn all_show(index: u64) -> Sign {
    sign(format!("all show entry {index}"), move |life| {
        let mut processes = life.members.values().filter_map(|member| member.process.as_ref());
        processes.all(|p| p.replica.reader().published().applied_index >= index)
    })
}

/// All logs end alike, and everything in them is committed, and shown, everywhere.
pub(super) fn all_alike() -> Sign {
    sign("all logs are alike".to_owned(), move |life| {
        let processes = life.members.values().filter_map(|member| member.process.as_ref());
        let states = processes.map(|process| {
            let (raft, shows) = (process.replica.raft(), process.replica.reader().published());
            (raft.log().last(), raft.commit(), shows.applied_index)
        });
        let states: Vec<_> = states.collect();
        let whole = |&(last, commit, applied): &(raft::LogId, Index, u64)| {
            last.index == commit && commit.0 == applied
        };
        states.iter().all(|state| *state == states[0] && whole(state))
    })
}

/// The log of that member begins after that entry, or a later one.
pub(super) fn has_cut(member: u64, index: u64) -> Sign {
    sign(format!("{member} has cut its log at {index}"), move |life| {
        core(life, member).is_some_and(|raft| raft.log().start().index >= Index(index))
    })
}
