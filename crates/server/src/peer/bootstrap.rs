//! A fresh member's way to its cluster: asks the listed peers, again and again, until `decide`
//! knows what to do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use raft::MemberId;
use replica::{Configuration, Member};
use tokio::task::JoinSet;
use tracing::info;

use super::decide::{Answers, Decision, Refusal, decide};
use super::hello::{Hello, fetch};
use crate::ask::Asker;
use crate::node::StatusBoard;
use crate::tls::Way;

/// From one round of questions to the next.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// While it waits, a member says so this often.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// How the search ended.
#[derive(Debug)]
pub(crate) enum Settled {
    /// This member is to found a cluster of these members.
    Found {
        /// Their places.
        members: BTreeMap<MemberId, Member>,
        /// The feature level that all of them know.
        feature_level: u32,
    },
    /// This member is in this cluster, and writes its founding entry.
    Adopt(Configuration),
    /// This member is in this cluster, and gets everything from its leader.
    Join(Configuration),
}

/// Asks until it is settled; what is missing is logged and shown on `status`.
pub(crate) async fn settle(
    me: &Hello,
    way: &Way,
    status: &StatusBoard,
) -> Result<Settled, Refusal> {
    let mut said: Option<Instant> = None;
    loop {
        match decide(me, &ask(me, way).await) {
            Decision::Found { members, feature_level } => {
                return Ok(Settled::Found { members, feature_level });
            }
            Decision::Adopt(configuration) => return Ok(Settled::Adopt(configuration)),
            Decision::Join(configuration) => return Ok(Settled::Join(configuration)),
            Decision::Refuse(refusal) => return Err(refusal),
            Decision::Wait(missing) => {
                if said.is_none_or(|said| said.elapsed() >= LOG_INTERVAL) {
                    info!("{missing}");
                    said = Some(Instant::now());
                }
                status.waiting(missing);
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// One question to each peer, all at once; each has its own deadline.
async fn ask(me: &Hello, way: &Way) -> Answers {
    let mut questions = JoinSet::new();
    for peer in me.peers.clone() {
        let asker = Asker { name: me.name.clone(), way: way.clone() };
        questions.spawn(async move {
            let answer = fetch(&asker, &peer).await;
            (peer, answer)
        });
    }
    questions.join_all().await.into_iter().collect()
}
