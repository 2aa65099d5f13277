//! Questions about leases to bytes and back (docs/format/peer.md, section 4).

use proto::peer as wire;
use raft::{Index, Term};
use replica::{LeaseAsk, LeaseRefusal, LeaseStanding, LeaseTold, PeerMessage};
use store::LeaseId;
use wire::lease_answer::{NotLeader, Overloaded, Result as WireResult, Standing, Told};

use super::codec::number;
use super::malformed::Malformed;

pub(super) fn ask_to_wire(
    (life, number): (u64, u64),
    lease: LeaseId,
    ask: LeaseAsk,
) -> wire::LeaseAsk {
    let keep_alive = ask == LeaseAsk::KeepAlive;
    wire::LeaseAsk { life, number, lease: lease.0, keep_alive }
}

pub(super) fn read_ask(term: Term, ask: &wire::LeaseAsk) -> PeerMessage {
    let wire::LeaseAsk { life, number, lease, keep_alive } = *ask;
    let ask = if keep_alive { LeaseAsk::KeepAlive } else { LeaseAsk::TimeToLive };
    PeerMessage::LeaseAsk { term, life, number, lease: LeaseId(lease), ask }
}

pub(super) fn answer_to_wire(
    (life, number): (u64, u64),
    result: Result<LeaseTold, LeaseRefusal>,
) -> wire::LeaseAnswer {
    let result = match result {
        Ok(LeaseTold { index, standing }) => {
            let standing = standing.map(|standing| {
                let LeaseStanding { granted_index, ttl_s, left_ms } = standing;
                Standing { granted_index, ttl_s, left_ms }
            });
            WireResult::Told(Told { index: index.0, standing })
        }
        Err(LeaseRefusal::NotLeader) => WireResult::NotLeader(NotLeader {}),
        Err(LeaseRefusal::Overloaded) => WireResult::Overloaded(Overloaded {}),
    };
    wire::LeaseAnswer { life, number, result: Some(result) }
}

pub(super) fn read_answer(answer: wire::LeaseAnswer) -> Result<PeerMessage, Malformed> {
    let result = match answer.result.ok_or(Malformed::NoResult)? {
        WireResult::Told(Told { index, standing }) => {
            let standing = standing.map(read_standing).transpose()?;
            Ok(LeaseTold { index: Index(number(index)?), standing })
        }
        WireResult::NotLeader(_) => Err(LeaseRefusal::NotLeader),
        WireResult::Overloaded(_) => Err(LeaseRefusal::Overloaded),
    };
    let wire::LeaseAnswer { life, number, .. } = answer;
    Ok(PeerMessage::LeaseAnswer { life, number, result })
}

fn read_standing(standing: Standing) -> Result<LeaseStanding, Malformed> {
    Ok(LeaseStanding {
        granted_index: number(standing.granted_index)?,
        ttl_s: number(standing.ttl_s)?,
        left_ms: number(standing.left_ms)?,
    })
}
