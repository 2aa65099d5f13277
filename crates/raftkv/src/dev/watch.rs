//! Tells what happens in the cluster of a run: who leads, who ended.

use std::time::Duration;

use client::{Client, Leader};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::banner::banner;
use super::child::{Child, Ended};
use super::cluster::{ASK_PATIENCE, Cluster};
use crate::failure::Failure;

/// A cluster that has no leader after this long is told of, and waited for all the same.
const READY_PATIENCE: Duration = Duration::from_secs(10);
/// How often the members are looked at until they have a leader.
const READY_POLL: Duration = Duration::from_millis(25);
/// How often they are looked at afterwards.
const WATCH_POLL: Duration = ASK_PATIENCE;

/// Tells what happens, until no member is left and nobody wants that.
pub(super) async fn watch(cluster: &Cluster, dashboard: &str) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut announced = false;
    let mut leader: Option<Leader> = None;
    let mut poll = interval(READY_POLL);
    let (mut known, mut client) = (cluster.endpoints(), cluster.client());
    loop {
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll.tick().await;
        for (name, ended) in cluster.take_ended()? {
            tell_end(cluster, &name, &ended)?;
        }
        let now = cluster.endpoints();
        if now != known {
            (known, client) = (now, cluster.client());
        }
        match client.leader().await {
            Ok(seen) if !announced => {
                (announced, leader) = (true, Some(seen));
                announce(cluster, leader.as_ref(), dashboard);
                poll = interval(WATCH_POLL);
            }
            Ok(seen) => leader = Some(tell_change(leader, seen)),
            Err(error) if !announced && begin.elapsed() > READY_PATIENCE => {
                announced = true;
                say!("no leader after {READY_PATIENCE:?}: {error}");
                announce(cluster, None, dashboard);
                poll = interval(WATCH_POLL);
            }
            Err(_) => {}
        }
        learn_ids(cluster, &client).await;
    }
}

/// What the members are called in the cluster is not known before there is one.
async fn learn_ids(cluster: &Cluster, client: &Client) {
    if cluster.lacks_ids()
        && let Ok(members) = client.cluster().await
    {
        cluster.note_ids(&members);
    }
}

/// Says how a member ended and what that means; fails when it was the last one.
fn tell_end(cluster: &Cluster, name: &str, ended: &Ended) -> Result<(), Failure> {
    let members = cluster.members.lock();
    let (left, all) = (members.running(), members.plan.member_count());
    let majority = all / 2 + 1;
    complain!("{ended}");
    if left == 0 && !members.seats.iter().any(|seat| seat.crashed) {
        return Err(Failure::Negative("no member is left".to_owned()));
    }
    let means = match left.checked_sub(majority) {
        None => "reads and writes wait for a majority".to_owned(),
        Some(0) => "reads and writes go on; one more failure stops them".to_owned(),
        Some(spare) => format!("reads and writes go on; {spare} more failures are survived"),
    };
    complain!("{left} of {all} members run: {means}. To start it again, in another terminal:");
    complain!("  {}", members.plan.command_line(name));
    Ok(())
}

fn announce(cluster: &Cluster, leader: Option<&Leader>, dashboard: &str) {
    let leader = leader.map(|leader| leader.member.name.as_str());
    let members = cluster.members.lock();
    let pids: Vec<Option<u32>> =
        members.seats.iter().map(|seat| seat.child.as_ref().and_then(Child::pid)).collect();
    say!("{}", banner(&members.plan, leader, &pids, dashboard));
}

/// Tells of a new leader. An answer of an older term comes from a member that has not heard yet.
fn tell_change(known: Option<Leader>, seen: Leader) -> Leader {
    match known {
        Some(known) if known.term >= seen.term => known,
        _ => {
            say!("{} leads now (term {})", seen.member.name, seen.term);
            seen
        }
    }
}
