//! Every verb, with its help. Members are named by number.

use goldenscript::Command;
use raft::{Index, LogId, MemberId};

use super::Outcome;
use super::machines::Found;
use super::wires::{Injected, filter};
use crate::cluster::Cluster;

#[derive(Command)]
pub(super) enum Verb {
    /// `cluster nodes=3 [leader=1] [message_bytes=] [inflight_bytes=] [tail_bytes=]
    /// [uncommitted_bytes=]`: new members; with a leader, elected and at rest.
    Cluster(#[arg(optional)] Vec<(String, u64)>),

    /// `tick 1 [2 …] ms=50`: these clocks advance, a tick every 10 ms; messages stay in flight.
    Tick {
        ids: Vec<u64>,
        #[arg(key)]
        ms: u64,
    },
    /// `run ms=300`: every running member's clock advances, disks and network keep up.
    Run {
        #[arg(key)]
        ms: u64,
    },
    /// `late 1 ms=3000`: the process was paused for so long, and only then ticks.
    Late {
        id: u64,
        #[arg(key)]
        ms: u64,
    },
    /// `campaign 1`: its clock advances until it asks for pre-votes.
    Campaign(u64),
    /// `wall 1 ms=5000`: its wall clock is set.
    Wall {
        id: u64,
        #[arg(key)]
        ms: u64,
    },

    /// `deliver [from=] [to=] [kind=] [count=]`: those of the messages in flight, once.
    Deliver(#[arg(optional)] Vec<(String, String)>),
    /// `stabilize`: disks and network work until they are idle; no time passes.
    Stabilize,
    /// `drop [from=] [to=] [kind=] [count=]`: those messages are lost.
    Drop(#[arg(optional)] Vec<(String, String)>),
    /// `duplicate [from=] [to=] [kind=] [count=]`: those messages arrive twice.
    Duplicate(#[arg(optional)] Vec<(String, String)>),
    /// `delay [from=] [to=] [kind=] [count=]`: those messages are put aside until `release`.
    Delay(#[arg(optional)] Vec<(String, String)>),
    /// `release`: what was put aside is in flight again, behind everything else.
    Release,
    /// `partition 1 [2 …]`: these on one side, all others on the other.
    Partition(Vec<u64>),
    /// `cut from=1 to=2`: one direction of one link.
    Cut {
        #[arg(key)]
        from: u64,
        #[arg(key)]
        to: u64,
    },
    /// `heal`: every link works.
    Heal,
    /// `inject append to=1 from=2 term=3 [prev=2@1] [entries="3@1 4@2"]
    /// [bytes=] [configuration="1 2 3"] [commit=0]` or
    /// `inject append_answer to=1 from=2 term=3 [matched=9] [round=0]` or
    /// `inject vote to=1 from=2 term=3 [last=2@1]` or `inject timeout_now to=1 from=2 term=3`: a
    /// message made up.
    Inject {
        kind: String,
        #[arg(optional)]
        settings: Vec<(String, String)>,
    },

    /// `found 1 log="1 1 2" [term=2] [vote=3] [commit=0] [floor=3@2] [config="2: 1 2 3 + 4"]`: its
    /// process starts anew and finds this on disk: a term for each entry of the log, one of which
    /// may be a configuration; and what a damaged log once ended with.
    Found { id: u64, settings: Vec<(String, String)> },
    /// `join 4 [5 …]`: new processes start, with empty logs, knowing of nobody.
    Join(Vec<u64>),
    /// `crash 1 [2 …]`: these processes die; what is not durable is gone.
    Crash(Vec<u64>),
    /// `restart 1 [2 …]`: these processes start on what their disks hold.
    Restart(Vec<u64>),
    /// `pause 1`: its process stands still; messages to it wait.
    Pause(u64),
    /// `resume 1`: it goes on.
    Resume(u64),
    /// `disk 1 hold=true`: whether its disk waits for `persist`, also in `stabilize`.
    Disk {
        id: u64,
        #[arg(key)]
        hold: bool,
    },
    /// `persist 1 [count=1]`: its oldest batches become durable; all of them without a count.
    Persist {
        id: u64,
        #[arg(key)]
        count: Option<usize>,
    },
    /// `answer_read 1`: the older entries it asked for come back from its log.
    AnswerRead(u64),

    /// `propose 1 a [b …] [bytes=]`: these commands in one batch, each filled up to so many bytes.
    Propose {
        id: u64,
        texts: Vec<String>,
        #[arg(key)]
        bytes: Option<usize>,
    },
    /// `change 1 "1 2 3 + 4"`: another configuration; see `cluster/codec.rs`.
    Change { id: u64, to: String },
    /// `read 1`: a linearizable read is asked for.
    Read(u64),
    /// `transfer 1 [to=2]`: leadership is to be handed over.
    Transfer {
        id: u64,
        #[arg(key)]
        to: Option<u64>,
    },
    /// `stream_closed 2 peer=1`: the peer's process closed its stream to this member.
    StreamClosed {
        id: u64,
        #[arg(key)]
        peer: u64,
    },
    /// `stream_opened 2 peer=1`: the peer's process opened a new one.
    StreamOpened {
        id: u64,
        #[arg(key)]
        peer: u64,
    },

    /// `cut_log 1 [2 …] to=5`: these members' logs lose everything up to there.
    CutLog {
        ids: Vec<u64>,
        #[arg(key)]
        to: u64,
    },
    /// `send_snapshot 1 to=3 [at=5]`: its shell sends a snapshot, at its commit index or there.
    SendSnapshot {
        id: u64,
        #[arg(key)]
        to: u64,
        #[arg(key)]
        at: Option<u64>,
    },
    /// `deliver_snapshot 3`: the oldest one on its way there has arrived, complete.
    DeliverSnapshot(u64),
    /// `duplicate_snapshot 3`: the oldest one on its way there will arrive twice.
    DuplicateSnapshot(u64),
    /// `lose_snapshot 3`: the oldest one on its way there never arrives.
    LoseSnapshot(u64),
    /// `snapshot_sent 1 to=3 at=5`: its shell says that the follower has taken it.
    SnapshotSent {
        id: u64,
        #[arg(key)]
        to: u64,
        #[arg(key)]
        at: u64,
    },
    /// `snapshot_failed 1 to=3`: its shell could not send it.
    SnapshotFailed {
        id: u64,
        #[arg(key)]
        to: u64,
    },
    /// `may_campaign 1 may=false`: whether it may stand for election.
    MayCampaign {
        id: u64,
        #[arg(key)]
        may: bool,
    },

    /// `status [1 …]`: role, term, vote, leader, and how far log, disk and commit are.
    Status(#[arg(optional)] Vec<u64>),
    /// `log [1 …] [times=true]`: every entry; `|` after the last durable, `*` after the last
    /// committed one; with its stamp and age.
    Log {
        #[arg(optional)]
        ids: Vec<u64>,
        #[arg(key, optional)]
        times: bool,
    },
    /// `progress 1`: what a leader knows of its followers.
    Progress(u64),
    /// `members [1 …]`: the configuration that each of them goes by.
    Members(#[arg(optional)] Vec<u64>),
    /// `in_flight`: the messages in flight, oldest first.
    InFlight,
}

impl Verb {
    pub(super) fn act(&self, cluster: &mut Cluster) -> Outcome {
        match self {
            Verb::Cluster(_) => return Err("there is a cluster already".into()),
            Verb::Tick { ids, ms } => cluster.tick_some(&members(ids), *ms),
            Verb::Run { ms } => cluster.run(*ms),
            Verb::Late { id, ms } => cluster.tick_after(MemberId(*id), *ms),
            Verb::Campaign(id) => cluster.campaign(MemberId(*id)),
            Verb::Wall { id, ms } => cluster.member_mut(MemberId(*id)).now.wall_ms = *ms,
            Verb::Deliver(settings) => cluster.deliver_some(&filter(settings)?),
            Verb::Stabilize => cluster.stabilize(),
            Verb::Drop(settings) => cluster.drop_some(&filter(settings)?),
            Verb::Duplicate(settings) => cluster.duplicate_some(&filter(settings)?),
            Verb::Delay(settings) => cluster.network.delay(&filter(settings)?),
            Verb::Release => cluster.network.release(),
            Verb::Partition(ids) => cluster.partition(&members(ids)),
            Verb::Cut { from, to } => cluster.network.cut(MemberId(*from), MemberId(*to)),
            Verb::Heal => cluster.network.heal(),
            Verb::Inject { kind, settings } => {
                let Injected { from, to, message } = Injected::parse(kind, settings)?;
                // A refusal is in the trace.
                let _refused = cluster.step(from, to, message);
            }
            Verb::Found { id, settings } => cluster.find(MemberId(*id), Found::parse(settings)?),
            Verb::Join(ids) => ids.iter().for_each(|&id| cluster.join(MemberId(id))),
            Verb::Crash(ids) => ids.iter().for_each(|&id| cluster.crash(MemberId(id))),
            Verb::Restart(ids) => ids.iter().for_each(|&id| cluster.restart(MemberId(id))),
            Verb::Pause(id) => cluster.member_mut(MemberId(*id)).paused = true,
            Verb::Resume(id) => cluster.member_mut(MemberId(*id)).paused = false,
            Verb::Disk { id, hold } => cluster.member_mut(MemberId(*id)).disk.held = *hold,
            Verb::Persist { id, count } => cluster.persist_some(MemberId(*id), *count)?,
            Verb::AnswerRead(id) => cluster.answer_read(MemberId(*id))?,
            Verb::Propose { id, texts, bytes } => {
                cluster.propose_texts(MemberId(*id), texts, *bytes);
            }
            Verb::Change { id, to } => cluster.ask_change(MemberId(*id), to),
            Verb::Read(id) => cluster.ask_read(MemberId(*id)),
            Verb::Transfer { id, to } => cluster.ask_transfer(MemberId(*id), to.map(MemberId)),
            Verb::StreamClosed { id, peer } => {
                cluster.stream_closed(MemberId(*id), MemberId(*peer));
            }
            Verb::StreamOpened { id, peer } => {
                cluster.stream_opened(MemberId(*id), MemberId(*peer));
            }
            Verb::CutLog { ids, to } => cluster.cut_logs(&members(ids), Index(*to))?,
            Verb::SendSnapshot { id, to, at } => {
                cluster.send_snapshot(MemberId(*id), MemberId(*to), at.map(Index));
            }
            Verb::DeliverSnapshot(to) => cluster.deliver_oldest_snapshot(MemberId(*to))?,
            Verb::DuplicateSnapshot(to) => cluster.duplicate_snapshot(MemberId(*to))?,
            Verb::LoseSnapshot(to) => cluster.lose_snapshot(MemberId(*to))?,
            Verb::SnapshotSent { id, to, at } => {
                let last = LogId::new(raft::Term(0), Index(*at));
                cluster.snapshot_sent(MemberId(*id), MemberId(*to), last);
            }
            Verb::SnapshotFailed { id, to } => {
                cluster.snapshot_failed(MemberId(*id), MemberId(*to));
            }
            Verb::MayCampaign { id, may } => {
                cluster.input(MemberId(*id), |raft, _| raft.set_may_campaign(*may));
            }
            Verb::Status(ids) => cluster.show_status(&members(ids)),
            Verb::Log { ids, times } => cluster.show_log(&members(ids), *times),
            Verb::Progress(id) => cluster.show_progress(MemberId(*id)),
            Verb::Members(ids) => cluster.show_members(&members(ids)),
            Verb::InFlight => cluster.show_in_flight(),
        }
        Ok(())
    }
}

fn members(ids: &[u64]) -> Vec<MemberId> {
    ids.iter().copied().map(MemberId).collect()
}
