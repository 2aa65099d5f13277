//! Which ports a run takes.
//!
//! | ports | whose |
//! |---|---|
//! | `--port`, and those after it | the members' own |
//! | 100 above `--port` | the dashboard's; any other one if it is taken, or `--dashboard-port` |
//! | 10,000 above a member's own, or below | where its peers reach it: the next that is free |
//!
//! A member's own port and the one for its peers are written down with it, so they stay what they
//! are from run to run. They are looked for where no system hands out ports by itself, as far as
//! that goes: what is free while a cluster rests should be free again when it goes on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};

use tokio::net::TcpListener;

use super::plan::{Plan, PlannedMember};
use crate::failure::Failure;

/// From the first member's port on so many are for members, and the next is the dashboard's.
pub(super) const ROW: u16 = 100;

/// How far a port for peers is from the member's own.
const PEER_OFFSET: u16 = 10_000;

/// Systems hand out ports from here on by themselves (Linux; others later).
const HANDED_OUT_FROM: u16 = 32_768;

/// Ports below are for the administrator.
const FIRST_FOR_ALL: u16 = 1_024;

/// So many are looked at.
const LOOKS_MAX: usize = 1_000;

/// Whether nobody listens there.
pub(super) fn is_free(port: u16) -> bool {
    StdListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port for the peers of the member at `own`, in a cluster whose first member is at `first`; none
/// of `taken`.
pub(super) fn for_peers(
    first: u16,
    own: u16,
    taken: &[u16],
    is_free: impl Fn(u16) -> bool,
) -> Option<u16> {
    let row = first..=first.saturating_add(ROW);
    let above = own.checked_add(PEER_OFFSET).filter(|port| *port < HANDED_OUT_FROM - ROW);
    let below = own.checked_sub(PEER_OFFSET).filter(|port| *port >= FIRST_FOR_ALL);
    let begin = above.or(below).or(own.checked_add(PEER_OFFSET))?;
    let mut candidates = (begin..=u16::MAX).take(LOOKS_MAX);
    candidates.find(|port| !row.contains(port) && !taken.contains(port) && is_free(*port))
}

/// Says which port is taken before any member is started; a member would say it too, in its log.
pub(super) fn check(plan: &Plan) -> Result<(), Failure> {
    for member in plan.members() {
        if let Err(error) = StdListener::bind((Ipv4Addr::LOCALHOST, member.port)) {
            return Err(taken(member.port, &error, OTHER_PORTS));
        }
    }
    Ok(())
}

const OTHER_PORTS: &str = "choose other ports with --port 9001 and another --data-dir";

fn taken(port: u16, error: &io::Error, instead: &str) -> Failure {
    Failure::Negative(format!(
        "port {port} can not be used ({}). Stop the program that has it (`ss -ltnp 'sport = \
         :{port}'` names it; perhaps another `raftkv dev`), or {instead}",
        error.kind()
    ))
}

/// The port for the peers of a member, if it has one.
pub(super) async fn bind_for_peers(member: &PlannedMember) -> Result<Option<TcpListener>, Failure> {
    let Some(port) = member.peer_port else { return Ok(None) };
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound.map(Some).map_err(|error| taken(port, &error, OTHER_PORTS))
}

/// The port of the dashboard: the one that was asked for, or the usual one, or any.
pub(super) async fn bind_dashboard(
    asked: Option<u16>,
    plan: &Plan,
) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = match asked {
        Some(port) => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
            taken(port, &error, "choose another one with --dashboard-port, or none")
        })?,
        None => bind_usual(plan).await?,
    };
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn bind_usual(plan: &Plan) -> Result<TcpListener, Failure> {
    let ours = plan.ports();
    let usual = plan.first_port().checked_add(ROW).filter(|port| !ours.contains(port));
    if let Some(port) = usual
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
    {
        return Ok(listener);
    }
    // More tries than there are ports of ours, each of them another one while it is held.
    let mut others = Vec::new();
    while others.len() <= ours.len() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match ours.contains(&listener.local_addr()?.port()) {
            true => others.push(listener),
            false => return Ok(listener),
        }
    }
    Err(Failure::Negative("no port is free for the dashboard: name one by --dashboard-port".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_for_peers_are_far_from_the_members_and_not_handed_out() {
        let free = |_| true;
        for (first, expected) in
            [(8_001, 18_001), (9_001, 19_001), (23_000, 13_000), (60_000, 50_000), (1, 10_001)]
        {
            assert_eq!(for_peers(first, first, &[], free), Some(expected));
        }
    }

    #[test]
    fn ports_that_are_taken_or_the_members_own_are_passed_over() {
        assert_eq!(for_peers(8_001, 8_001, &[18_001], |port| port != 18_002), Some(18_003));
        // A member that was added at a port from elsewhere.
        assert_eq!(for_peers(18_000, 8_001, &[], |_| true), Some(18_101));
        assert_eq!(for_peers(8_001, 8_001, &[], |_| false), None);
    }
}
