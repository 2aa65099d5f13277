//! The replica's part in snapshots: what of it happens when. What must be durable first is told in
//! `order.rs`.

use bytes::Bytes;
use raft::{Index, Installed, LogId, MemberId, Now, PersistNumber, SnapshotPoint, Term};
use store::{Capture, Store};

use super::aside::Aside;
use super::backup::Backup;
use super::receiving::{Receiving, Step};
use super::sending::{Offer, Sending, SnapshotSent};
use super::shelf::{KeptSnapshot, Shelf, SnapshotOptions};
use super::trouble::{SnapshotFailure, SnapshotWork, Trouble};
use super::{SnapshotId, SnapshotMessage, SnapshotOutcome, SnapshotReply, SnapshotRequest};
use crate::configuration::Configuration;
use crate::log_worker::LogRequest;
use crate::replica::Replica;

/// A member without a state asks the leader for a snapshot this often, in ms.
const WANT_AGAIN_MS: u64 = 1_000;

/// What a replica knows of snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots {
    /// None are made or taken until it is told where they are kept.
    pub(super) enabled: bool,
    /// Tells this run of the process from all others.
    life: u64,
    pub(super) shelf: Shelf,
    pub(super) sending: Sending,
    pub(super) receiving: Option<Receiving>,
    installing: Option<Installing>,
    /// A follower needs one that goes further than any there is.
    wanted_now: bool,
    /// The log begins after the state does: there is no state to serve (rule 2.4).
    pub(super) stateless: bool,
    pub(super) want_sent_ms: u64,
    pub(super) aside: Aside,
    pub(super) trouble: Trouble,
}

/// A snapshot that the log has been told of, and whose state is not taken over yet.
struct Installing {
    point: SnapshotPoint,
    bytes: u64,
    store: Store,
    awaits: Awaits,
}

/// What must happen before its state is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    /// The batch that says where the log starts is to be handed out.
    Batch,
    /// That batch is to be durable.
    Durable(PersistNumber),
    /// The log holds the snapshot's last entry, which is to be committed here.
    Commit,
}

impl std::fmt::Debug for Installing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Installing {} ({:?})", self.point.last, self.awaits)
    }
}

/// Snapshots in numbers, for status pages.
#[derive(Clone, Debug, Default)]
pub struct SnapshotStatus {
    /// The newest one on this member's disk.
    pub newest: Option<KeptSnapshot>,
    /// The entry after which its log begins.
    pub log_start: LogId,
    /// Those on their way to followers.
    pub sending: Vec<SnapshotSent>,
    /// Who sends this member one: bytes received, and bytes in all.
    pub receiving: Option<(MemberId, u64, u64)>,
    /// This member has no state to serve, and waits for a snapshot (rule 2.4).
    pub stateless: bool,
    /// What failed, and was not made good for since.
    pub failures: Vec<SnapshotFailure>,
}

impl Snapshots {
    pub(crate) fn new(life: u64, stateless: bool) -> Snapshots {
        let options = SnapshotOptions::default();
        Snapshots {
            enabled: false,
            life,
            shelf: Shelf::new(options, Vec::new()),
            sending: Sending::new(options.bytes_per_second_max, options.chunk_bytes),
            receiving: None,
            installing: None,
            wanted_now: false,
            stateless,
            want_sent_ms: 0,
            aside: Aside::default(),
            trouble: Trouble::default(),
        }
    }

    fn keep(&mut self, options: SnapshotOptions, kept: Vec<KeptSnapshot>) {
        assert!(options.chunk_bytes <= super::SNAPSHOT_CHUNK_BYTES_MAX, "peers refuse longer ones");
        self.enabled = true;
        self.shelf = Shelf::new(options, kept);
        self.sending = Sending::new(options.bytes_per_second_max, options.chunk_bytes);
    }

    /// Entries of so many bytes were applied.
    pub(crate) fn applied(&mut self, bytes: u64) {
        self.shelf.applied(bytes);
    }

    /// How large the newest snapshot is; 0 if there is none.
    pub(crate) fn newest_bytes(&self) -> u64 {
        self.shelf.newest().map_or(0, |newest| newest.bytes)
    }

    /// Whether this member has no state to serve.
    pub(crate) fn is_stateless(&self) -> bool {
        self.stateless
    }

    fn status(&self, now_ms: u64, log_start: LogId, applied: Index) -> SnapshotStatus {
        SnapshotStatus {
            newest: self.shelf.newest(),
            log_start,
            sending: self.sending.sent(),
            receiving: self.receiving.as_ref().map(Receiving::status),
            stateless: self.stateless,
            failures: self.trouble.standing(now_ms, applied),
        }
    }
}

impl Replica {
    /// Makes, sends and takes snapshots from now on. `kept` are those on this member's disk that
    /// the log vouches for; `configuration` is the one in force at the state that the store has,
    /// with its place in the log. To be called once, before any input.
    pub fn keep_snapshots(
        &mut self,
        options: SnapshotOptions,
        kept: Vec<KeptSnapshot>,
        configuration: (Index, Bytes),
    ) {
        self.snapshots.keep(options, kept);
        self.applier.start_with(configuration);
    }

    /// A peer speaks of snapshots.
    pub fn receive_snapshot(&mut self, now: Now, from: MemberId, message: SnapshotMessage) {
        if self.stopped || !self.snapshots.enabled {
            return;
        }
        self.now = now;
        let now_ms = now.monotonic_ms;
        match message {
            SnapshotMessage::Offer { term, id, bytes_total } => {
                self.snapshot_offered(from, term, id, bytes_total);
            }
            SnapshotMessage::Next { id, offset } => {
                self.snapshots.sending.asked(now_ms, from, id, offset);
                self.read_snapshots();
            }
            SnapshotMessage::Chunk { id, offset, bytes } => {
                let receiving = self.snapshots.receiving.as_mut();
                let receiving = receiving.filter(|receiving| receiving.is(from, id));
                let step = receiving.and_then(|receiving| receiving.chunk(now_ms, offset, bytes));
                self.go_on_receiving(step);
            }
            SnapshotMessage::Done { id, outcome } => self.snapshot_done(from, id, outcome),
            SnapshotMessage::Want { term, at_least } => {
                self.snapshot_asked_for(from, term, at_least);
            }
        }
    }

    /// The snapshot thread answers.
    pub fn snapshot_reply(&mut self, now: Now, reply: SnapshotReply) {
        if self.stopped {
            return;
        }
        self.now = now;
        let now_ms = now.monotonic_ms;
        match reply {
            SnapshotReply::Written { last, bytes, stamp_ms } => {
                if self.snapshots.shelf.written(KeptSnapshot { last, bytes, stamp_ms }) {
                    self.snapshots.aside.replaced(last);
                }
                self.snapshots.trouble.over(SnapshotWork::Write);
                self.tidy_snapshots();
            }
            SnapshotReply::WriteFailed { last, reason } => {
                self.snapshots.shelf.write_failed(now_ms);
                self.snapshot_failed(SnapshotWork::Write, last, reason);
            }
            SnapshotReply::Read { member, id, offset, bytes } => {
                if self.snapshots.sending.read(member, id) {
                    self.say_of_snapshot(member, SnapshotMessage::Chunk { id, offset, bytes });
                }
            }
            SnapshotReply::ReadFailed { member, id, reason } => {
                self.snapshot_failed(SnapshotWork::Send, id.last, reason);
                self.snapshot_done(member, id, SnapshotOutcome::Failed);
            }
            SnapshotReply::Receiving { from, id, offset } => {
                let receiving = self.snapshots.receiving.as_mut();
                let receiving = receiving.filter(|receiving| receiving.is(from, id));
                let step = receiving.map(|receiving| receiving.written(now_ms, offset));
                self.go_on_receiving(step);
            }
            SnapshotReply::Received { from, id, bytes, point, store } => {
                self.snapshot_received(from, id, bytes, point, *store);
            }
            SnapshotReply::SetAside => {
                self.snapshots.aside.done();
                self.snapshots.trouble.over(SnapshotWork::SetAside);
            }
            SnapshotReply::SetAsideFailed { reason } => {
                let applied = LogId::new(Term(0), self.applier.applied());
                self.snapshot_failed(SnapshotWork::SetAside, applied, reason);
            }
            SnapshotReply::ReceiveFailed { from, id, reason } => {
                self.snapshot_failed(SnapshotWork::Receive, id.last, reason);
                let is_this = |receiving: &mut Receiving| receiving.is(from, id);
                if self.snapshots.receiving.take_if(is_this).is_some() {
                    self.snapshot_ends(from, id, SnapshotOutcome::Failed);
                }
            }
        }
    }

    pub(crate) fn tick_snapshots(&mut self) {
        let now_ms = self.now.monotonic_ms;
        if !self.raft.is_leader() {
            self.snapshots.sending.abandon();
            self.snapshots.trouble.over(SnapshotWork::Send);
        }
        let Snapshots { sending, shelf, .. } = &mut self.snapshots;
        let due =
            sending.tick(now_ms, self.raft.term(), |last, bytes| shelf.is_replaced(last, bytes));
        if sending.under_way().any(|(last, bytes)| shelf.is_pinned_too_long(last, bytes)) {
            self.snapshots.wanted_now = true;
        }
        self.end_trails();
        for offer in due.offers {
            self.offer(offer);
        }
        for member in due.failed {
            self.raft.snapshot_failed(member);
        }
        self.read_snapshots();
        self.snapshots.receiving.take_if(|receiving| receiving.is_forgotten(now_ms));
        let step = self.snapshots.receiving.as_mut().and_then(|receiving| receiving.tick(now_ms));
        self.go_on_receiving(step);
        self.want_snapshot();
        self.set_aside_again();
        self.write_snapshot_if_due();
    }

    // Writing.

    /// Captures the state as it is now, if a snapshot is due. It covers at most what is durable
    /// here (rule 2.1).
    pub(crate) fn write_snapshot_if_due(&mut self) {
        let (snapshots, now_ms) = (&mut self.snapshots, self.now.monotonic_ms);
        let wanted = snapshots.wanted_now && snapshots.shelf.may_begin(now_ms);
        let due = wanted || snapshots.shelf.is_due(now_ms);
        let rests = snapshots.enabled && !snapshots.stateless && snapshots.installing.is_none();
        let applied = self.applier.applied();
        let newest = snapshots.shelf.newest().map_or(0, |newest| newest.last.index.0);
        let covers = newest < applied.0 && applied <= self.raft.durable();
        if !due || !rests || !covers {
            return;
        }
        snapshots.wanted_now = false;
        let (point, cluster_id, capture) = self.capture_applied();
        self.snapshots.shelf.begin(point.last);
        let capture = Box::new(capture);
        self.effects.snapshot.push(SnapshotRequest::Write { point, cluster_id, capture });
    }

    /// The state as it is now, for a client to keep; `None` if this member has none that counts.
    /// After a linearizable read it holds everything that was acknowledged before that.
    pub fn backup(&self) -> Option<Backup> {
        let doubtful = self.snapshots.stateless
            || self.snapshots.installing.is_some()
            || self.watch.has_diverged();
        if doubtful || self.applier.applied() == Index(0) {
            return None;
        }
        let (point, cluster_id, capture) = self.capture_applied();
        Some(Backup::new(&point, cluster_id, capture))
    }

    /// The state after the last entry that is applied, and what it stands for.
    fn capture_applied(&self) -> (SnapshotPoint, u128, Capture) {
        let capture = self.applier.store().capture();
        let state = capture.state();
        let point = SnapshotPoint {
            last: LogId::new(Term(state.applied_term), self.applier.applied()),
            stamp_ms: state.stamp_ms,
            age_ms: state.age_ms,
            configuration: self.applier.configuration().clone(),
        };
        // The state's, not that of the log's end: a member that went on alone has both in its log.
        let applied = Configuration::decode(point.configuration.1.clone());
        let cluster_id = applied.as_ref().unwrap_or(self.configuration()).cluster_id;
        (point, cluster_id, capture)
    }

    /// A snapshot came or went: the log is cut as far as is now possible, and files that nobody
    /// needs are removed.
    fn tidy_snapshots(&mut self) {
        let Snapshots { shelf, sending, receiving, installing, .. } = &mut self.snapshots;
        if installing.is_some() {
            return;
        }
        let cut = shelf.cut();
        let received = receiving.as_ref().map(|receiving| receiving.id.last);
        let keep = shelf.retain(sending.pinned().chain(received), sending.trails());
        let pinned = sending.pinned().chain(sending.trails()).min_by_key(|last| last.index);
        let to = match (cut, pinned) {
            (Some(cut), Some(pinned)) if pinned.index < cut.index => Some(pinned),
            (cut, _) => cut,
        };
        self.effects.snapshot.push(SnapshotRequest::Retain { keep });
        let start = self.raft.log().start();
        if let Some(to) = to.filter(|to| to.index > start.index) {
            self.raft.log_cut(to);
            self.effects.log.push(LogRequest::Cut { to });
        }
    }

    // Sending.

    /// Raft has nothing else for this follower.
    pub(crate) fn send_snapshot(&mut self, to: MemberId) {
        // A member whose state was wrong does not know what of it is right (rule 10.3).
        let gives = !self.snapshots.stateless;
        let Some(newest) = self.snapshots.shelf.newest().filter(|_| gives) else {
            // The log is cut only where there are two; that of a member without a snapshot was
            // cut by nobody.
            self.raft.snapshot_failed(to);
            return;
        };
        let id = SnapshotId { last: newest.last, life: self.snapshots.life };
        let offer = Offer { to, term: self.raft.term(), id, bytes_total: newest.bytes };
        self.snapshots.sending.begin(self.now.monotonic_ms, offer);
        self.offer(offer);
    }

    fn offer(&mut self, Offer { to, term, id, bytes_total }: Offer) {
        self.say_of_snapshot(to, SnapshotMessage::Offer { term, id, bytes_total });
    }

    fn read_snapshots(&mut self) {
        let reads = self.snapshots.sending.reads(self.now.monotonic_ms);
        self.effects.snapshot.extend(reads);
    }

    /// The log may be cut behind followers that have what it would be cut at, or need too much of
    /// it, or are members no more.
    fn end_trails(&mut self) {
        let Snapshots { sending, shelf, .. } = &mut self.snapshots;
        if sending.trails().next().is_none() {
            return;
        }
        let followers = self.raft.follower_status();
        let cut = shelf.cut().map_or(Index(0), |cut| cut.index);
        let ended = sending.end_trails(self.now.monotonic_ms, |to, last, bytes| {
            let matched = followers.iter().find(|follower| follower.id == to)?.matched;
            (matched < cut && !shelf.is_pinned_too_long(last, bytes)).then_some(matched)
        });
        if ended {
            self.tidy_snapshots();
        }
    }

    /// A follower says that it is done with a snapshot, or this member can not go on sending it.
    fn snapshot_done(&mut self, member: MemberId, id: SnapshotId, outcome: SnapshotOutcome) {
        let (sending, now_ms) = (&mut self.snapshots.sending, self.now.monotonic_ms);
        let was_sent = match outcome {
            SnapshotOutcome::Taken => sending.taken(now_ms, member, id),
            SnapshotOutcome::Failed => sending.end(member, id),
        };
        if !was_sent {
            return;
        }
        match outcome {
            SnapshotOutcome::Taken => {
                self.snapshots.trouble.over(SnapshotWork::Send);
                self.raft.snapshot_sent(member, id.last);
            }
            SnapshotOutcome::Failed => self.raft.snapshot_failed(member),
        }
        self.tidy_snapshots();
    }

    /// A member without a state asks for one.
    fn snapshot_asked_for(&mut self, from: MemberId, term: Term, at_least: LogId) {
        let leads = self.raft.is_leader() && term == self.raft.term();
        if !leads || self.snapshots.sending.is_sending_to(from) {
            return;
        }
        let newest = self.snapshots.shelf.newest();
        if newest.is_some_and(|newest| newest.last.index >= at_least.index) {
            // (A leader without a state of its own has nothing to give, and says so to raft.)
            self.send_snapshot(from);
        } else {
            self.snapshots.wanted_now = true;
            self.write_snapshot_if_due();
        }
    }

    // Receiving.

    fn snapshot_offered(&mut self, from: MemberId, term: Term, id: SnapshotId, bytes_total: u64) {
        let leads = term == self.raft.term() && self.raft.leader() == Some(from);
        if !leads || self.snapshots.installing.is_some() {
            return;
        }
        if !self.snapshots.stateless && id.last.index <= self.raft.commit() {
            self.snapshot_ends(from, id, SnapshotOutcome::Taken);
            return;
        }
        let now_ms = self.now.monotonic_ms;
        match &mut self.snapshots.receiving {
            Some(receiving) if receiving.is(from, id) => {
                let step = receiving.offered(now_ms, term);
                self.go_on_receiving(step);
            }
            receiving => match Receiving::begin(now_ms, from, term, id, bytes_total) {
                Some((begun, request)) => {
                    *receiving = Some(begun);
                    self.effects.snapshot.push(request);
                }
                None => self.snapshot_ends(from, id, SnapshotOutcome::Failed),
            },
        }
    }

    fn go_on_receiving(&mut self, step: Option<Step>) {
        let Some(receiving) = &self.snapshots.receiving else { return };
        let (from, id) = (receiving.from, receiving.id);
        match step {
            None => {}
            Some(Step::Ask(offset)) => {
                self.say_of_snapshot(from, SnapshotMessage::Next { id, offset });
            }
            Some(Step::Work(request)) => self.effects.snapshot.push(request),
            Some(Step::Finish) => {
                let cluster_id = self.configuration().cluster_id;
                self.effects.snapshot.push(SnapshotRequest::Finish { from, id, cluster_id });
            }
            Some(Step::Fail) => {
                self.snapshots.receiving = None;
                self.snapshot_ends(from, id, SnapshotOutcome::Failed);
            }
        }
    }

    /// A whole snapshot is there: the log is told, and decides.
    fn snapshot_received(
        &mut self,
        from: MemberId,
        id: SnapshotId,
        bytes: u64,
        point: SnapshotPoint,
        store: Store,
    ) {
        self.snapshots.trouble.over(SnapshotWork::Receive);
        let is_this = |receiving: &mut Receiving| receiving.is(from, id);
        let Some(receiving) = self.snapshots.receiving.take_if(is_this) else {
            // Another took its place meanwhile.
            self.without_use(store);
            return;
        };
        let now = self.now;
        let awaits = match self.raft.install_snapshot(now, from, receiving.term, &point) {
            Ok(Installed::Replaced) => Some(Awaits::Batch),
            Ok(Installed::Held) => {
                let of_use = self.snapshots.stateless && self.raft.log().holds(point.last);
                of_use.then_some(Awaits::Commit)
            }
            Ok(Installed::Stale) => {
                self.without_use(store);
                return;
            }
            Err(refusal) => {
                self.effects.refused.push((from, refusal));
                self.snapshot_ends(from, id, SnapshotOutcome::Failed);
                self.without_use(store);
                return;
            }
        };
        self.snapshot_ends(from, id, SnapshotOutcome::Taken);
        match awaits {
            Some(awaits) => {
                self.applier.pause();
                let installing = Installing { point, bytes, store, awaits };
                self.snapshots.installing = Some(installing);
                self.take_over_if_ready(PersistNumber(0));
            }
            None => self.without_use(store),
        }
    }

    /// A snapshot that was received is not taken. Its state may be large: it is not this thread
    /// that frees it (rule 6.2).
    fn without_use(&mut self, store: Store) {
        self.effects.snapshot.push(SnapshotRequest::Free(store.retire()));
        self.tidy_snapshots();
    }

    /// Tells the sender that no more of it is wanted.
    fn snapshot_ends(&mut self, to: MemberId, id: SnapshotId, outcome: SnapshotOutcome) {
        self.say_of_snapshot(to, SnapshotMessage::Done { id, outcome });
    }

    /// The batch that says where the log starts was handed to the log.
    pub(crate) fn start_is_in(&mut self, number: PersistNumber) {
        let installing = self.snapshots.installing.as_mut();
        let installing = installing.expect("raft starts its log anew only when told to");
        assert_eq!(installing.awaits, Awaits::Batch, "it does so once");
        installing.awaits = Awaits::Durable(number);
    }

    /// Everything up to batch `durable` is durable: a snapshot whose turn has come takes the
    /// place of the whole state, for all readers at once.
    pub(crate) fn take_over_if_ready(&mut self, durable: PersistNumber) {
        let commit = self.raft.commit();
        let is_ready = |installing: &mut Installing| match installing.awaits {
            Awaits::Batch => false,
            Awaits::Durable(number) => number <= durable,
            Awaits::Commit => installing.point.last.index <= commit,
        };
        let Some(installing) = self.snapshots.installing.take_if(is_ready) else { return };
        let Installing { point, bytes, store, .. } = installing;
        assert_eq!(
            store.applied_index(),
            point.last.index.0,
            "its state is that of its last entry"
        );
        let retired = self.applier.take_over(store, point.configuration.clone());
        self.effects.snapshot.push(SnapshotRequest::Free(retired));
        self.effects.published = true;
        self.pending.jumped_to(point.last.index);
        self.dispatcher.reopen();
        self.snapshots.stateless = false;
        self.raft.set_may_campaign(true);
        if self.watch.has_diverged() {
            self.watch.rebuilt();
            self.effects.agreement = Some(self.watch.agreement());
        }
        let SnapshotPoint { last, stamp_ms, .. } = point;
        self.snapshots.aside.replaced(last);
        self.snapshots.shelf.installed(KeptSnapshot { last, bytes, stamp_ms });
        self.tidy_snapshots();
    }

    /// Without a state, the leader is asked for one, again and again; also where one was on its way
    /// and no more of it comes. A leader that is still sending it knows better.
    fn want_snapshot(&mut self) {
        let now_ms = self.now.monotonic_ms;
        let Snapshots { enabled, stateless, receiving, installing, want_sent_ms, .. } =
            &mut self.snapshots;
        let comes = receiving.as_ref().is_some_and(|receiving| !receiving.is_silent(now_ms));
        let busy = comes || installing.is_some();
        let waited = now_ms >= *want_sent_ms + WANT_AGAIN_MS;
        let Some(leader) = self.raft.leader().filter(|_| *enabled && *stateless) else { return };
        if !busy && waited {
            *want_sent_ms = now_ms;
            let (term, at_least) = (self.raft.term(), self.raft.log().start());
            self.say_of_snapshot(leader, SnapshotMessage::Want { term, at_least });
        }
    }

    fn snapshot_failed(&mut self, work: SnapshotWork, last: LogId, reason: String) {
        self.snapshots.trouble.failed(work, self.now.monotonic_ms, last.index, reason);
    }

    fn say_of_snapshot(&mut self, to: MemberId, message: SnapshotMessage) {
        self.effects.send_snapshot.push((to, message));
    }

    pub(crate) fn snapshot_status(&self) -> SnapshotStatus {
        let (now_ms, log_start) = (self.now.monotonic_ms, self.raft.log().start());
        self.snapshots.status(now_ms, log_start, self.applier.applied())
    }
}
