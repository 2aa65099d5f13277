//! The replica thread: the only one that touches the replica.
//!
//! One turn: take what has gathered in the inbox; feed it to the replica, then the tick if one is
//! due (messages first, rule 5.1); hand out what the replica wants done; let it apply for a bounded
//! time (rule 6.2); hand out again; let it remove what compaction gave up, for a bounded time.
//! Nothing in a turn waits for anybody.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use raft::{Event, Now};
use replica::{
    Agreement, MemoryUse, PeerMessage, Replica, Request, Room, RoomStatus, Stop, Submission,
};
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use super::by_hand::{HandDesk, HandMade, HandSender};
use super::inbox::{Inbox, Input, Outcomes};
use super::log_thread::LogQueue;
use super::notices::Notices;
use super::reception::{Expelled, Reception};
use super::snapshot_thread::SnapshotQueue;
use super::spare_thread::RoomBoard;
use super::status::{Counters, StatusBoard};
use super::waiters::{Waiters, Waiting};
use crate::events::Recorder;
use crate::peer::{Peers, Roster};
use crate::watch::Watches;

/// From one tick to the next.
const TICK: Duration = Duration::from_millis(10);

/// The status board is refreshed at least this often, and on every change of role or leader.
const STATUS_INTERVAL: Duration = Duration::from_millis(100);

/// The machine's clocks, as the replica is told them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    /// Its monotonic half starts at 0.
    pub(crate) fn start() -> Clock {
        Clock { started: Instant::now() }
    }

    /// The moment at which the monotonic half showed so many ms.
    fn moment(&self, monotonic_ms: u64) -> Instant {
        self.started + Duration::from_millis(monotonic_ms)
    }

    /// What they say now.
    pub(crate) fn now(&self) -> Now {
        // A wall clock before 1970 is none; stamps never go back, whatever it says.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic_ms: self.started.elapsed().as_millis() as u64,
            wall_ms: wall.as_millis() as u64,
        }
    }
}

/// Everything the replica thread owns.
pub(crate) struct Driver {
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) log: Arc<LogQueue>,
    pub(crate) snapshots: Arc<SnapshotQueue>,
    pub(crate) room: Arc<RoomBoard>,
    pub(crate) peers: Peers,
    pub(crate) roster: Roster,
    pub(crate) status: Arc<StatusBoard>,
    pub(crate) watches: Arc<Watches>,
    pub(crate) recorder: Recorder,
    /// Where those run who wait for answers.
    pub(crate) runtime: Handle,
}

/// How a driver ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was told to.
    Told,
    /// The member can not go on.
    Stopped(Stop),
    /// The cluster goes on without it.
    Expelled(Expelled),
}

/// However the thread ends, by a panic too, nobody may go on waiting for it: neither the log thread
/// nor a request or a watch.
struct Closing {
    inbox: Arc<Inbox>,
    log: Arc<LogQueue>,
    snapshots: Arc<SnapshotQueue>,
    room: Arc<RoomBoard>,
    watches: Arc<Watches>,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.inbox.close();
        self.log.close();
        self.snapshots.close();
        self.room.close();
        self.watches.close();
    }
}

/// What a turn carries over to the next.
struct Turn {
    waiters: Waiters,
    reception: Reception,
    hands: HandDesk,
    notices: Notices,
    /// Requests answered since the inbox was told.
    answered: Outcomes,
    tick_due: Instant,
    status_due: Instant,
    /// Once this index is committed, so are the members as the roster knows them.
    settles_at: Option<u64>,
    /// The disk has too little room, by what was announced last.
    lacks_room: bool,
    /// The same of memory.
    lacks_memory: bool,
    ended: Option<Ended>,
}

impl Turn {
    /// When the next turn begins, if nothing comes before that.
    fn due(&self) -> Instant {
        self.notices.due().map_or(self.tick_due, |due| due.min(self.tick_due))
    }
}

impl Driver {
    /// Runs until it is told to stop, or can not go on. Requests that are not answered by then
    /// have an unknown outcome.
    pub(crate) fn run(mut self) -> Ended {
        let (inbox, log) = (Arc::clone(&self.inbox), Arc::clone(&self.log));
        let (snapshots, room) = (Arc::clone(&self.snapshots), Arc::clone(&self.room));
        let watches = Arc::clone(&self.watches);
        let _closing = Closing { inbox, log, snapshots, room, watches };
        let now = Instant::now();
        let mut turn = Turn {
            waiters: Waiters::default(),
            reception: Reception::default(),
            hands: HandDesk::default(),
            notices: Notices::default(),
            answered: Outcomes::default(),
            tick_due: now,
            status_due: now,
            settles_at: Some(self.replica.status().last.index.0),
            lacks_room: false,
            lacks_memory: false,
            ended: None,
        };
        let mut batch = Vec::new();
        let mut applying = true;
        loop {
            let wait_until = if applying { Instant::now() } else { turn.due() };
            self.inbox.take(&mut batch, wait_until, std::mem::take(&mut turn.answered));
            self.feed(&mut batch, &mut turn);
            self.hand_out(&mut turn);
            applying = self.replica.apply_turn();
            self.hand_out(&mut turn);
            applying |= self.replica.sweep_turn();
            self.show_status(&mut turn);
            if let Some(ended) = turn.ended.take() {
                return ended;
            }
        }
    }

    /// All inputs of the batch, then the tick if one is due. Late ticks count as one.
    fn feed(&mut self, batch: &mut Vec<Input>, turn: &mut Turn) {
        let now = self.clock.now();
        if !batch.is_empty() {
            Counters::add(&self.status.counters().batches, 1);
        }
        for input in batch.drain(..) {
            self.feed_one(now, input, turn);
        }
        self.take_back(now);
        let instant = Instant::now();
        if instant >= turn.tick_due {
            if let Some(room) = self.room.take() {
                self.measured(room, turn);
            }
            self.replica.tick(self.clock.now());
            turn.tick_due = instant + TICK;
        }
    }

    /// Tells the replica what never left.
    fn take_back(&mut self, now: Now) {
        for message in self.peers.take_unsent() {
            self.replica.unsent(now, &message);
        }
    }

    /// Whether there is room is nothing to be overlooked (rule 1.7).
    fn measured(&mut self, room: Room, turn: &mut Turn) {
        self.replica.measured(self.clock.now(), room);
        let RoomStatus { lacks, .. } = self.replica.status().room;
        if std::mem::replace(&mut turn.lacks_room, lacks) == lacks {
            return;
        }
        let free_bytes = room.free_bytes;
        turn.status_due = Instant::now();
        if lacks {
            warn!(
                free_bytes,
                "this member's disk is nearly full: free space there. While too few members have \
                 room, writes that grow are refused; see docs/operations.md"
            );
        } else {
            info!(free_bytes, "this member's disk has room again");
        }
    }

    fn feed_one(&mut self, now: Now, input: Input, turn: &mut Turn) {
        match input {
            Input::Submit { answer, .. } if answer.is_closed() => {
                // Whoever asked has gone: it has not begun, and never will.
                Counters::add(&self.status.counters().abandoned, 1);
                turn.answered.requests += 1;
            }
            Input::Submit { request, timeout, answer } => {
                Counters::add(&self.status.counters().requests, 1);
                let ticket = turn.waiters.admit(Waiting::One(answer));
                self.replica.submit(now, Submission { ticket, request, timeout });
            }
            Input::Read(round) => {
                Counters::add(&self.status.counters().requests, round.readers() as u64);
                let (timeout, request) = (round.timeout(), Request::ReadBarrier);
                let ticket = turn.waiters.admit(Waiting::Round(round));
                self.replica.submit(now, Submission { ticket, request, timeout });
            }
            Input::Messages(from, messages) => {
                let received = &self.status.counters().peer_messages_received;
                Counters::add(received, messages.len() as u64);
                turn.hands.heard(from, &messages);
                for message in messages {
                    self.replica.receive(now, from, message);
                }
            }
            Input::StreamOpened { peer, address } => {
                self.recorder.link(peer, true);
                self.peers.heard(peer, address);
                self.replica.stream_opened(now, peer);
            }
            Input::StreamClosed(peer) => {
                self.recorder.link(peer, false);
                self.peers.unheard(peer);
                self.replica.stream_closed(now, peer);
            }
            Input::StreamLost(peer) => {
                self.recorder.link(peer, false);
                self.peers.unheard(peer);
                self.replica.stream_broke(now, peer);
            }
            Input::OwnStreamBroke(peer) => {
                // What never left is known to be nowhere.
                self.take_back(now);
                self.replica.stream_broke(now, peer);
            }
            Input::Greeted { by, greeting } => {
                let membership = self.replica.configuration().membership();
                let expelled = turn.reception.greeted(by, greeting, &membership);
                turn.ended = turn.ended.take().or(expelled.map(Ended::Expelled));
            }
            Input::Log(reply) => self.replica.log_reply(now, reply),
            Input::Snapshot(reply) => self.replica.snapshot_reply(now, reply),
            Input::Backup(answer) => {
                // Whoever asked may have gone.
                if !answer.is_closed() {
                    let _ = answer.send(self.replica.backup());
                }
            }
            Input::ByHand(made, answer) => self.take_by_hand(now, &made, answer, turn),
            Input::AboutSnapshot(from, message) => {
                self.replica.receive_snapshot(now, from, message);
            }
            Input::Stop => turn.ended = Some(Ended::Told),
        }
    }

    /// Somebody speaks in a member's name. What others have caused is handed out before, so that
    /// what comes right after it comes of this message.
    fn take_by_hand(&mut self, now: Now, made: &HandMade, answer: HandSender, turn: &mut Turn) {
        self.hand_out(turn);
        let (configuration, raft) = (self.replica.configuration(), self.replica.raft());
        if let Err(not_taken) = turn.hands.admit(made, configuration, raft) {
            // Whoever asked may have gone.
            let _ = answer.send(Err(not_taken));
            return;
        }
        warn!(from = %made.from, term = %made.term, "takes a message that was made by hand");
        let stamp_ms = self.replica.reader().published().stamp_ms;
        let message = made.message(now, stamp_ms, raft.age_ms());
        self.replica.receive(now, made.from, PeerMessage::Raft(message));
        turn.hands.wait(made, answer);
        self.hand_out(turn);
        turn.hands.settle(made, self.replica.raft());
    }

    /// Does what the replica wants done.
    fn hand_out(&mut self, turn: &mut Turn) {
        let mut effects = self.replica.take_effects();
        turn.hands.take_answers(&mut effects);
        turn.notices.pass(&mut effects.send, Instant::now());
        let peers = &self.peers;
        self.recorder.hand_out(&self.replica, &effects, |peer| peers.is_open(peer));
        // Before anybody is answered: an answer is no newer than that.
        let as_of = self.replica.as_of_ms().map(|as_of_ms| self.clock.moment(as_of_ms));
        self.status.show_as_of(as_of);
        self.status.show_age(self.replica.raft().age_ms());
        self.log.put(effects.log);
        self.snapshots.put(effects.snapshot);
        self.peers.send(effects.send);
        self.peers.send_snapshots(effects.send_snapshot);
        if let Some(configuration) = effects.configuration {
            self.peers.follow(&configuration);
            self.roster.configure(configuration);
            turn.settles_at = Some(self.replica.status().last.index.0);
        }
        turn.answered.add(turn.waiters.answer(effects.answers, &self.runtime));
        if effects.published {
            self.watches.published();
        }
        for (peer, refusal) in effects.refused {
            warn!(%peer, ?refusal, "refused a message of a peer");
        }
        if let Some(agreement) = effects.agreement {
            announce_agreement(agreement);
            turn.status_due = Instant::now();
        }
        for event in effects.events {
            if matches!(event, Event::LeaderKnown { .. }) {
                Counters::add(&self.status.counters().leader_changes, 1);
            }
            if announce(event) {
                turn.status_due = Instant::now();
            }
        }
        if let Some(stop) = effects.stop {
            turn.ended = Some(match stop {
                Stop::Removed => Ended::Expelled(Expelled::Removed),
                stop => Ended::Stopped(stop),
            });
        }
    }

    fn show_status(&mut self, turn: &mut Turn) {
        let now = Instant::now();
        if now >= turn.status_due {
            let status = self.replica.status();
            self.settle(status.commit, turn);
            announce_memory(status.memory, &mut turn.lacks_memory);
            self.status.refresh(status);
            turn.status_due = now + STATUS_INTERVAL;
        }
    }

    /// Draws the consequences of a change of members once it is committed.
    fn settle(&mut self, commit: u64, turn: &mut Turn) {
        if turn.settles_at.take_if(|index| *index <= commit).is_some() {
            let expelled = self.roster.settle();
            turn.ended = turn.ended.take().or(expelled.map(Ended::Expelled));
        }
    }
}

/// Whether there is memory is nothing to be overlooked (rule 11.2).
fn announce_memory(memory: MemoryUse, announced: &mut bool) {
    let MemoryUse { used_bytes, limit_bytes, lacks } = memory;
    if std::mem::replace(announced, lacks) == lacks {
        return;
    }
    if lacks {
        warn!(
            used_bytes,
            limit_bytes,
            "this member's memory is nearly full: delete keys, or give it more. While too few \
             members have memory, writes that grow are refused; see docs/operations.md"
        );
    } else {
        info!(used_bytes, limit_bytes, "this member has memory again");
    }
}

/// Whether the members' states agree is nothing to be overlooked (rule 10.3).
fn announce_agreement(agreement: Agreement) {
    match agreement {
        Agreement { diverged_at: Some(index), .. } => error!(
            index,
            "this member's state differs from the majority's: it serves nothing until it has \
             another member's. Look for faulty memory or a faulty version; see docs/operations.md"
        ),
        Agreement { split_at: Some(index), .. } => error!(
            index,
            "the members hold different states and no majority agrees: writes are refused. See \
             docs/operations.md"
        ),
        Agreement { diverged_at: None, split_at: None } => {
            info!("this member's state is in order again");
        }
    }
}

/// Logs an event that people care about; answers whether it changes what the status shows.
fn announce(event: Event) -> bool {
    match event {
        Event::Role { role, term } => info!(role = role.as_str(), %term, "role"),
        Event::LeaderKnown { leader, term } => info!(%leader, %term, "leader"),
        Event::Transferring { to } => info!(%to, "handing over leadership"),
        Event::Truncated { from } => info!(%from, "dropped entries that were never committed"),
        Event::SnapshotWanted { member } => info!(%member, "a member needs a snapshot"),
        Event::SnapshotInstalled { last } => info!(%last, "a snapshot took the place of the log"),
        Event::LogCut { to } => info!(%to, "cut the log"),
        Event::Voted { candidate, term, pre: false, granted } => {
            info!(%candidate, %term, granted, "vote");
        }
        _ => return false,
    }
    true
}
