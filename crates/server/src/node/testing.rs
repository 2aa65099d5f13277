//! A member without a cluster: a bare store behind the same handle, so that doors can be tested
//! alone. Writes are applied at once and in order; nothing is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use raft::{Index, LogId, MemberId, RoleName, SnapshotPoint, Term};
use replica::{
    Backup, Change, ChangeRefusal, Configuration, Dispatcher, Done, Draining, FEATURE_LEVEL,
    Failure, LeaseAsk, LeaseStanding, Member, Request, Status,
};
use store::{Apply, Budget, Command, LeaseId, LogEntry, Store};

use super::Node;
use super::inbox::{Inbox, Input, Outcomes};
use super::status::{About, NodeStatus, Phase, StatusBoard};
use crate::events::{Recorder, Sight};
use crate::tls::Way;
use crate::watch::Watches;

const ID: MemberId = MemberId(0x5157);

/// Serves a fresh store, as the leader of a cluster of one; the thread ends with the process.
pub fn single() -> Node {
    single_but_busy(Arc::default())
}

/// The same, but so many of its next requests find too many before them.
pub fn single_but_busy(busy: Arc<AtomicUsize>) -> Node {
    let mut store = Store::new();
    found(&mut store);
    let inbox = Inbox::new();
    let board = Arc::new(StatusBoard::new(about()));
    board.configured(Arc::new(configuration()));
    board.running();
    let node = Node::new(Arc::clone(&inbox), Arc::clone(&board), store.reader());
    let configuration = Arc::new(configuration());
    let watches = Arc::clone(node.watches());
    watches.serve(Dispatcher::new(store.reader()));
    let recorder = Recorder::new(Arc::clone(node.feed().desk()), ID);
    let mut single = Single { store, index: 1, configuration, watches, recorder, busy };
    board.refresh(single.status());
    board.show_as_of(Some(Instant::now()));
    std::thread::spawn(move || single.run(&inbox, &board));
    node
}

/// Entries are a millisecond apart, from the first second of 1970 on.
fn stamp_ms(index: u64) -> u64 {
    1_000 + index
}

/// Entry 1 of every log founds the cluster, and changes nothing in the store.
fn found(store: &mut Store) {
    let entry = LogEntry { index: 1, term: 1, stamp_ms: stamp_ms(1), age_ms: 1, command: None };
    store.apply(&entry, &mut Budget::default()).expect("it has no command that could be refused");
    store.publish();
}

/// A member that still waits for its peers: it refuses everything.
pub fn waiting() -> Node {
    let store = Store::new();
    let board = Arc::new(StatusBoard::new(about()));
    board.waiting("waiting for peers: localhost:8002".to_owned());
    Node::new(Inbox::new(), board, store.reader())
}

/// A member that only shows a status, as changed from that of a leader of a cluster of one:
/// nobody answers what is asked of it.
pub fn showing(change: impl FnOnce(&mut NodeStatus)) -> Node {
    let mut store = Store::new();
    found(&mut store);
    let reader = store.reader();
    let (configuration, watches) = (Arc::new(configuration()), Arc::default());
    let recorder = Recorder::new(Arc::default(), ID);
    let busy = Arc::default();
    let single = Single { store, index: 1, configuration, watches, recorder, busy };
    let mut status = NodeStatus {
        about: Arc::new(about()),
        phase: Phase::Running,
        configuration: Some(Arc::clone(&single.configuration)),
        replica: Some(single.status()),
        backups: None,
        uptime: Duration::ZERO,
    };
    change(&mut status);
    let board = StatusBoard::new(About::clone(&status.about));
    status.configuration.into_iter().for_each(|configuration| board.configured(configuration));
    status.replica.into_iter().for_each(|replica| board.refresh(replica));
    status.backups.into_iter().for_each(|backups| board.backed_up(backups));
    board.running();
    Node::new(Inbox::new(), Arc::new(board), reader)
}

/// A member that only shows a status, beside another member with URLs for its clients.
pub fn of_two() -> Node {
    showing(|status| {
        let configuration = status.configuration.take().expect("it has one");
        let mut members = configuration.members.clone();
        let mut other = Member::voter(2, "node-2".to_owned(), "localhost:8002".to_owned());
        other.client_urls = vec!["https://kv.example".to_owned()];
        members.insert(MemberId(2), other);
        let cluster_id = configuration.cluster_id;
        status.configuration = Some(Arc::new(Configuration::founding(cluster_id, members)));
    })
}

fn about() -> About {
    About {
        id: ID,
        name: "node-1".to_owned(),
        address: "localhost:8001".to_owned(),
        client_urls: Vec::new(),
        incarnation: 1,
        version: env!("CARGO_PKG_VERSION"),
        way: Way::default(),
        unsafe_no_fsync: false,
    }
}

fn configuration() -> Configuration {
    let about = about();
    let member = Member::voter(about.incarnation, about.name, about.address);
    Configuration::founding(2, [(ID, member)].into())
}

/// How many requests an input brings.
fn requests(input: &Input) -> usize {
    match input {
        Input::Submit { .. } => 1,
        Input::Read(round) => round.readers(),
        _ => 0,
    }
}

struct Single {
    store: Store,
    index: u64,
    configuration: Arc<Configuration>,
    watches: Arc<Watches>,
    recorder: Recorder,
    busy: Arc<AtomicUsize>,
}

impl Single {
    fn run(&mut self, inbox: &Inbox, board: &StatusBoard) {
        let mut batch = Vec::new();
        let mut answered = Outcomes::default();
        loop {
            let wait = if self.recorder.is_looked_at() { 10 } else { 100 };
            inbox.take(&mut batch, Instant::now() + Duration::from_millis(wait), answered);
            self.recorder.turn(|| self.sight());
            let requests = batch.iter().map(requests).sum();
            answered = Outcomes { requests, done: requests };
            for input in batch.drain(..) {
                let (request, answer) = match input {
                    Input::Submit { request, answer, .. } => (request, answer),
                    Input::Read(round) => {
                        let result = self.serve(Request::ReadBarrier);
                        self.show(board);
                        round.tell(result);
                        continue;
                    }
                    Input::Backup(answer) => {
                        let _ = answer.send(Some(self.backup()));
                        continue;
                    }
                    _ => continue,
                };
                let result = self.serve(request);
                self.show(board);
                // The client may have gone; then nobody wants the answer.
                let _ = answer.send(result);
            }
        }
    }

    fn show(&self, board: &StatusBoard) {
        board.configured(Arc::clone(&self.configuration));
        board.refresh(self.status());
        board.show_as_of(Some(Instant::now()));
        board.show_age(self.index);
    }

    fn backup(&self) -> Backup {
        let capture = self.store.capture();
        let state = capture.state();
        let point = SnapshotPoint {
            last: LogId::new(Term(state.applied_term), Index(state.applied_index)),
            stamp_ms: state.stamp_ms,
            age_ms: state.age_ms,
            configuration: (Index(1), self.configuration.encode()),
        };
        Backup::new(&point, self.configuration.cluster_id, capture)
    }

    fn serve(&mut self, request: Request) -> Result<Done, Failure> {
        let one_less = |left: usize| left.checked_sub(1);
        if self.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(Failure::Overloaded);
        }
        match request {
            Request::Write { command, .. } => {
                self.check_level(&command)?;
                Ok(self.apply(command))
            }
            Request::ReadBarrier => Ok(Done::ReadReady { settled_ms: stamp_ms(self.index + 1) }),
            Request::Lease { lease, ask, .. } => Ok(self.lease(lease, ask)),
            Request::Transfer { to: None | Some(ID) } => Ok(Done::Transferred { leader: ID }),
            Request::Transfer { .. } => Err(Failure::NoTransferTarget),
            Request::Change(change) => self.change(&change),
            // Alone, and of the newest version.
            Request::Drain { id } => {
                let mark = Draining { life: 1, until_age_ms: self.index + 1 };
                self.change(&Change::Drain { id, mark })
            }
            Request::RaiseLevel => self.change(&Change::RaiseLevel { to: FEATURE_LEVEL }),
        }
    }

    /// As a leader does.
    fn check_level(&self, command: &bytes::Bytes) -> Result<(), Failure> {
        let decoded = Command::decode(command.clone()).expect("a door let a bad command through");
        let (needed, level) = (decoded.feature_level(), self.configuration.feature_level);
        if needed > level {
            return Err(Failure::Refused(ChangeRefusal::BelowLevel { needed, level }));
        }
        Ok(())
    }

    /// Nothing expires here: the age of the cluster is the index of its last entry, in ms.
    fn lease(&self, lease: LeaseId, ask: LeaseAsk) -> Done {
        let standing = self.store.lease(lease).map(|lease| {
            let age_ms = self.index - lease.granted_age_ms();
            let used_ms = if ask == LeaseAsk::KeepAlive { 0 } else { age_ms };
            LeaseStanding {
                granted_index: lease.grant().index,
                ttl_s: lease.ttl_s(),
                left_ms: lease.ttl_ms() - used_ms,
            }
        });
        Done::Lease { standing }
    }

    /// Straight to the end of the change: nobody else has to agree.
    fn change(&mut self, change: &Change) -> Result<Done, Failure> {
        let next = self.configuration.apply(change).map_err(Failure::Refused)?;
        self.configuration = Arc::new(next.leave_joint().unwrap_or(next));
        Ok(Done::Changed { configuration: Arc::clone(&self.configuration) })
    }

    fn apply(&mut self, command: bytes::Bytes) -> Done {
        self.index += 1;
        let entry = LogEntry {
            index: self.index,
            term: 1,
            stamp_ms: stamp_ms(self.index),
            age_ms: self.index,
            command: Some(command),
        };
        let outcome = loop {
            match self.store.apply(&entry, &mut Budget::default()) {
                Ok(Apply::Done(outcome)) => break outcome,
                Ok(Apply::Unfinished) => {}
                Err(error) => panic!("a door let a bad command through: {error}"),
            }
        };
        self.store.publish();
        self.watches.published();
        self.recorder.applied(|| self.sight());
        let log_id = LogId::new(Term(1), Index(self.index));
        Done::Written { log_id, stamp_ms: entry.stamp_ms, outcome }
    }

    fn sight(&self) -> Sight {
        Sight { status: self.status(), runs: vec![(1, 1)], election: None }
    }

    fn status(&self) -> Status {
        let last = LogId::new(Term(1), Index(self.index));
        Status {
            configuration: Arc::clone(&self.configuration),
            agreement: replica::Agreement::default(),
            id: ID,
            role: RoleName::Leader,
            term: Term(1),
            vote: Some(ID),
            leader: Some(ID),
            last,
            durable: self.index,
            commit: self.index,
            published: self.store.reader().published(),
            age_ms: self.index,
            peers: Vec::new(),
            levels: [(ID, FEATURE_LEVEL)].into(),
            pending: 0,
            snapshots: replica::SnapshotStatus::default(),
            room: replica::RoomStatus::default(),
            memory: replica::MemoryUse::default(),
        }
    }
}
