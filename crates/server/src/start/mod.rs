//! A member's life: from its data directory to its last answer.
//!
//! 1. Claim descriptors, lock the data directory, read the certificates, bind the port. Everything
//!    an operator can have got wrong on this machine shows here, before anybody is told anything.
//! 2. Answer HTTP: probes and status work from now on; reads and writes are refused.
//! 3. Recover the log. A log with a cluster in it says all that matters; flags that differ from it
//!    are warned about (rule 3.2).
//! 4. Without a cluster: found one or be adopted into one (`peer::settle`, rules 3.2–3.4). The
//!    founding entry is durable before anybody hears of the cluster.
//! 5. Start the threads, dial the peers, admit their streams.
//! 6. Where the cluster has no settings yet, put in those of the flags (`settings.rs`, rule 4.5).
//! 7. Say that it serves, once it does (`ready.rs`).
//! 8. Make backups, if it is to (`crate::backup`).
//! 9. A member that is joining asks for its vote once it has caught up (`joining.rs`).
//! 10. When told to stop: hand over leadership, finish what is being answered, close the streams.
//!     When the member can not go on: stop at once, and say why.

mod descriptors;
mod disk;
mod doors;
mod error;
mod join;
mod joining;
mod place;
mod ready;
mod revisions;
mod settings;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use ::disk::Patience;
use raft::{MemberId, RoleName};
use replica::{
    DataDirectory, FEATURE_LEVEL, FoundSnapshots, Replica, SnapshotOptions, SnapshotWorker,
};
use store::Store;
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use crate::ask::Asker;
use crate::backup;
use crate::config::{Config, MEMORY_LIMIT_PERCENT_DEFAULT};
use crate::events::{self, Recorder};
use crate::grpc;
use crate::http::{self, Limits, OtherDoors};
use crate::node::{
    About, Clock, Driver, Hung, Inbox, LogQueue, Node, RoomBoard, SnapshotQueue, StatusBoard,
    Threads, available_bytes, start,
};
use crate::peer::{Dialler, Hello, HelloBoard, Inbound, Introduction, PeerDoor, Peers, Roster};
use crate::tls::{self, Keeper, Way};
use descriptors::Waiting;
use disk::{MemberDisk, Storage};
use doors::{Doors, Sockets};
pub use error::StartError;
use join::Joined;

/// A leader that is told to stop gives its office away within this time, or leaves without.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(1);

/// A disk that has not done what is queued within this time is not waited for any longer.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of the newest log is kept in memory, in bytes (rule 12.1).
const TAIL_BYTES_MAX: usize = 16 << 20;

/// Runs a member until `shutdown` is done or it can not go on.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    Server::open(config).await?.run(shutdown).await
}

/// A member with its data directory locked and its port bound.
pub struct Server {
    config: Config,
    sockets: Sockets,
    directory: DataDirectory<Storage>,
    disk: Storage,
    waiting: Arc<Waiting>,
    /// Of certificates; none of a member that speaks plain text.
    keeper: Option<Arc<Keeper>>,
    /// Connections that clients may have.
    for_clients: usize,
}

impl Server {
    /// Claims as many open files as this user may have, locks the data directory, creating it if
    /// there is none, and binds the port.
    pub async fn open(config: Config) -> Result<Server, StartError> {
        let for_clients = descriptors::claim()?;
        let (member_id, incarnation) = (draw()?.max(1), draw_long()?);
        let waiting = Arc::new(Waiting::default());
        let disk = MemberDisk { flushes: !config.unsafe_no_fsync };
        let disk = Storage::new(disk, Arc::clone(&waiting) as Arc<dyn Patience>);
        let fresh = || (member_id, incarnation);
        let directory = DataDirectory::open(disk.clone(), &config.data_dir, &config.name, fresh)?;
        tls::make_unless_good(&config)?;
        let keeper = Keeper::open(&config.tls)?;
        let (sockets, config) = Sockets::bind(config, keeper.as_ref()).await?;
        let for_clients = sockets.affordable(for_clients);
        Ok(Server { config, sockets, directory, disk, waiting, keeper, for_clients })
    }

    /// Where it listens: the port is the one the system chose, if it was to choose.
    pub fn address(&self) -> SocketAddr {
        self.config.listen
    }

    /// Runs until `shutdown` is done or the member can not go on.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        let shutdown = pin!(shutdown);
        let Server { config, sockets, directory, disk, waiting, keeper, for_clients } = self;
        let way = match &keeper {
            Some(keeper) if config.tls.peers.is_some() => Way::Tls(Arc::clone(keeper)),
            _ => Way::Plain,
        };
        // Until the process ends: new certificates are taken at every age of a member.
        let keeping = keeper.map(|keeper| tokio::spawn(keeper.keep()));
        let ended =
            Server::live(config, way, (sockets, for_clients), (directory, disk, waiting), shutdown);
        let ended = ended.await;
        if let Some(keeping) = keeping {
            keeping.abort();
        }
        ended
    }

    async fn live(
        config: Config,
        way: Way,
        (sockets, for_clients): (Sockets, usize),
        (directory, disk, waiting): (DataDirectory<Storage>, Storage, Arc<Waiting>),
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), StartError> {
        let mut member = Member::new(config, way, directory, disk);
        member.announce();
        let doors = member.open_doors(sockets, Limits::affording(for_clients));
        let joined = tokio::select! {
            joined = member.join() => joined?,
            () = &mut shutdown => {
                doors.close().await;
                return Ok(());
            }
        };
        waiting.begin();
        let seeds = joined.seeds;
        let mut running = member.start(joined)?;
        let settings = settings::settle(member.node.clone(), member.config.seed, seeds);
        let ready = ready::tell(member.node.clone());
        let revisions = revisions::keep(member.node.clone(), member.config.etcd.revisions_kept);
        let backups = backup::keep(
            member.node.clone(),
            member.config.backups.clone(),
            member.config.data_dir.clone(),
            member.config.wal_segment_bytes,
        );
        let outcome: Result<(), StartError> = tokio::select! {
            failed = running.threads.failed() => Err(failed.into()),
            settled = member.settle_in() => settled,
            never = settings => match never {},
            never = ready => match never {},
            never = revisions => match never {},
            never = backups => match never {},
            () = &mut shutdown => Ok(()),
        };
        let inbound = Arc::clone(&member.door.inbound);
        if let Err(reason) = &outcome {
            error!("{reason}");
            member.status.stopped(reason.to_string());
            // First of all, so that the peers notice at once.
            waiting.end();
            let stopped = running.stop(&inbound).await;
            member.close_streams();
            doors.close().await;
            info!("stopped");
            // What ended it says more than what came of that.
            stopped.unwrap_or_else(|error| error!("{error}"));
            return outcome;
        }
        member.hand_over().await;
        member.close_streams();
        doors.close().await;
        // With the doors closed there are descriptors again, if clients had them.
        waiting.end();
        running.stop(&inbound).await?;
        info!("stopped");
        Ok(())
    }
}

/// What a member is made of, whether it runs yet or not.
struct Member {
    config: Config,
    directory: DataDirectory<Storage>,
    disk: Storage,
    /// How it reaches others.
    way: Way,
    status: Arc<StatusBoard>,
    inbox: Arc<Inbox>,
    node: Node,
    /// Until the replica takes it.
    store: Option<Store>,
    /// Opened after the log; until the threads take them.
    snapshots: Option<(SnapshotWorker<Storage>, FoundSnapshots)>,
    door: PeerDoor,
}

/// What runs once the member has its cluster.
struct Running {
    threads: Threads,
}

impl Member {
    fn new(config: Config, way: Way, directory: DataDirectory<Storage>, disk: Storage) -> Member {
        let identity = directory.identity();
        let status = Arc::new(StatusBoard::new(About {
            id: MemberId(identity.member_id),
            name: config.name.clone(),
            address: config.advertise.to_string(),
            client_urls: config.client_urls.clone(),
            incarnation: identity.incarnation,
            version: env!("CARGO_PKG_VERSION"),
            way: way.clone(),
            unsafe_no_fsync: config.unsafe_no_fsync,
        }));
        let inbox = Inbox::new();
        let store = Store::new();
        let node = Node::new(Arc::clone(&inbox), Arc::clone(&status), store.reader());
        let inbound = Inbound::new(Arc::clone(&inbox));
        let door = PeerDoor { inbound, hello: Arc::new(HelloBoard::default()) };
        let (store, snapshots) = (Some(store), None);
        Member { config, directory, disk, way, status, inbox, node, store, snapshots, door }
    }

    fn announce(&self) {
        let Config { name, listen, advertise, data_dir, .. } = &self.config;
        let data_dir = data_dir.display();
        let version = env!("CARGO_PKG_VERSION");
        info!(%name, %listen, %advertise, %data_dir, version, "starting");
        if self.config.unsafe_no_fsync {
            warn!("--unsafe-no-fsync: a power cut loses acknowledged writes");
        }
    }

    fn open_doors(&self, sockets: Sockets, limits: Limits) -> Doors {
        let peers = self.door.clone().routes().merge(events::routes(self.node.clone()));
        let others = OtherDoors { peers, grpc: grpc::routes(self.node.clone()) };
        let site = http::site(self.node.clone(), &self.config, limits, others);
        Doors::open(sockets, site, limits)
    }

    /// This member, as one who asks others.
    fn asker(&self) -> Asker {
        Asker { name: self.config.name.clone(), way: self.way.clone() }
    }

    /// What this member says of itself to peers that look for a cluster.
    fn hello(&self) -> Hello {
        let identity = self.directory.identity();
        Hello {
            name: self.config.name.clone(),
            id: MemberId(identity.member_id),
            incarnation: identity.incarnation,
            address: self.config.advertise.clone(),
            peers: self.config.peers.iter().cloned().collect(),
            client_urls: self.config.client_urls.clone(),
            founding_id: self.config.etcd.founding.map(|ids| ids.cluster_id),
            cluster: None,
            changed: false,
            feature_level: FEATURE_LEVEL,
        }
    }

    /// Starts the threads and the streams; the peers may come.
    fn start(&mut self, joined: Joined) -> Result<Running, StartError> {
        let changed = !joined.is_founding();
        let Joined { worker, recovered, configuration, .. } = joined;
        let (snapshots, found) = self.snapshots.take().expect("they are opened with the log");
        let mut store = self.store.take().expect("a member starts once");
        if let Some(state) = found.store {
            // The old state is empty.
            let _nothing = store.replace(state);
        }
        let clock = Clock::start();
        let raft = self.raft_config()?;
        let id = raft.id;
        let mut replica = Replica::new(raft, configuration.clone(), recovered, store, clock.now());
        let options =
            SnapshotOptions { bytes_min: self.config.snapshot_bytes, ..SnapshotOptions::default() };
        replica.limit_memory(clock.now(), self.memory_limit_bytes());
        replica.keep_snapshots(options, found.kept, found.configuration);
        self.node.watches().serve(Arc::clone(replica.dispatcher()));
        let me = self.introduce(configuration.cluster_id);
        let mut peers = Peers::new(self.dialler(&me));
        peers.follow(&configuration);
        let roster = Roster::new(
            me,
            Arc::new(configuration),
            self.door.clone(),
            Hello { changed, ..self.hello() },
            Arc::clone(&self.status),
        );
        let driver = Driver {
            replica,
            clock,
            inbox: Arc::clone(&self.inbox),
            log: Arc::new(LogQueue::default()),
            snapshots: Arc::new(SnapshotQueue::default()),
            room: Arc::new(RoomBoard::default()),
            peers,
            roster,
            status: Arc::clone(&self.status),
            watches: Arc::clone(self.node.watches()),
            recorder: Recorder::new(Arc::clone(self.node.feed().desk()), id),
            runtime: Handle::current(),
        };
        let threads = start(driver, worker, snapshots).map_err(StartError::System)?;
        self.status.running();
        Ok(Running { threads })
    }

    /// As it was set, or a part of what there is, and no more than the quota; 0 where the system
    /// does not say how much there is.
    fn memory_limit_bytes(&self) -> u64 {
        let part = |bytes: u64| bytes / 100 * MEMORY_LIMIT_PERCENT_DEFAULT;
        let limit_bytes = self.config.memory_limit_bytes.or_else(|| available_bytes().map(part));
        let quota_bytes = self.config.etcd.quota_bytes;
        let limit_bytes = limit_bytes.into_iter().chain(quota_bytes).min();
        match limit_bytes {
            Some(limit_bytes) => info!(limit_bytes, "the state may take so much memory"),
            None => warn!("how much memory there is can not be told: set --memory-limit"),
        }
        limit_bytes.unwrap_or(0)
    }

    /// What this member says of itself to the others of its cluster.
    fn introduce(&self, cluster_id: u128) -> Arc<Introduction> {
        let identity = self.directory.identity();
        Arc::new(Introduction {
            id: MemberId(identity.member_id),
            name: self.config.name.clone(),
            incarnation: identity.incarnation,
            cluster_id,
            address: self.config.advertise.to_string(),
        })
    }

    fn dialler(&self, me: &Arc<Introduction>) -> Dialler {
        Dialler {
            me: Arc::clone(me),
            inbox: Arc::clone(&self.inbox),
            status: Arc::clone(&self.status),
            way: self.way.clone(),
            runtime: Handle::current(),
        }
    }

    fn raft_config(&self) -> Result<raft::Config, StartError> {
        let id = MemberId(self.directory.identity().member_id);
        let (heartbeat_ms, election_timeout_ms) =
            (self.config.heartbeat_ms, self.config.election_timeout_ms);
        let defaults = raft::Config::new(id, replica::CODEC, draw()?);
        let tail_bytes_max = TAIL_BYTES_MAX;
        Ok(raft::Config { heartbeat_ms, election_timeout_ms, tail_bytes_max, ..defaults })
    }

    /// Whoever watches or looks is told that it is over; connections that go on would hold up the
    /// end.
    fn close_streams(&self) {
        self.node.watches().close();
        self.node.feed().close();
    }

    /// A leader among others gives its office away, so that they need not notice its absence.
    async fn hand_over(&self) {
        let status = self.node.status();
        let leads = status.replica.as_ref().is_some_and(|replica| replica.role == RoleName::Leader);
        let alone = status.configuration.as_ref().is_none_or(|cluster| cluster.members.len() == 1);
        if !leads || alone {
            return;
        }
        match self.node.transfer(None, HAND_OVER_TIMEOUT).await {
            Ok(leader) => info!(%leader, "handed over leadership"),
            Err(failure) => warn!(?failure, "could not hand over leadership"),
        }
    }
}

impl Running {
    /// Closes the streams and ends the threads; what is queued for the log is still written.
    async fn stop(self, inbound: &Inbound) -> Result<(), StartError> {
        inbound.stop();
        let threads = self.threads;
        let stopped = tokio::task::spawn_blocking(move || threads.stop(STOP_TIMEOUT)).await;
        match stopped {
            Ok(Err(hung)) if hung.holds_up_the_log() => {
                error!(threads = ?hung.threads, "the disk hangs");
                Err(StartError::DiskHangs { patience: STOP_TIMEOUT })
            }
            Ok(Err(Hung { threads })) => {
                info!(?threads, "left a snapshot or a spare segment unfinished");
                Ok(())
            }
            // A join that fails was a panic, which has spoken for itself.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

fn draw() -> Result<u64, StartError> {
    getrandom::u64().map_err(|error| StartError::System(error.into()))
}

fn draw_long() -> Result<u128, StartError> {
    Ok(u128::from(draw()?) << 64 | u128::from(draw()?))
}
