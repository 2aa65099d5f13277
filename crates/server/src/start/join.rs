//! How a member comes to its cluster: out of its log, by founding one, or by being adopted.

use std::collections::BTreeSet;

use raft::MemberId;
use replica::{
    Configuration, FoundSnapshots, Identity, LogError, LogOptions, LogWorker, Recovered, open_log,
    open_snapshots,
};
use store::Store;
use tracing::{error, info, warn};

use super::disk::Storage;
use super::{Member, StartError, TAIL_BYTES_MAX, draw, draw_long};
use crate::config::Address;
use crate::node::Expelled;
use crate::peer::{Settled, settle};

/// Entry 1 is the same, to the byte, on every member: it carries no clock's time.
const FOUNDING_STAMP_MS: u64 = 0;

/// A member's log, with the cluster that is written in it.
pub(super) struct Joined {
    pub(super) worker: LogWorker<Storage>,
    pub(super) recovered: Recovered,
    pub(super) configuration: Configuration,
    /// Whether it puts its own settings in where nobody has (`settings.rs`).
    pub(super) seeds: bool,
}

impl Joined {
    /// A member that gets everything from the leader, its own place in the cluster too.
    fn with_nothing(worker: LogWorker<Storage>, recovered: Recovered, cluster_id: u128) -> Joined {
        let configuration = Configuration::founding(cluster_id, [].into());
        Joined { worker, recovered, configuration, seeds: false }
    }

    /// Whether the members are those that founded the cluster.
    pub(super) fn is_founding(&self) -> bool {
        let restored = &self.recovered.restored;
        let newest = restored.configurations.last().unwrap_or(&restored.base);
        newest.0.0 == 1
    }
}

impl Member {
    /// Recovers the log; without a cluster in it, finds one.
    pub(super) async fn join(&mut self) -> Result<Joined, StartError> {
        let (worker, recovered) = self.recover().await?;
        let joined = match recovered.configuration.clone() {
            Some(configuration) => {
                self.check_ours(&configuration)?;
                self.warn_of_differences(&configuration);
                Joined { worker, recovered, configuration, seeds: true }
            }
            None if recovered.restored.log.start().index.0 > 0 => {
                self.go_on_without_a_state(worker, recovered)?
            }
            None => self.find_cluster(worker, recovered).await?,
        };
        if !joined.configuration.members.is_empty() {
            // Also after a crash between the founding entry and this.
            self.directory.set_cluster(joined.configuration.cluster_id)?;
        }
        let cluster_id = joined.configuration.cluster_id;
        let members = joined.configuration.members.len();
        info!(cluster_id = format_args!("{cluster_id:032x}"), members, "in its cluster");
        Ok(joined)
    }

    /// The log begins at a snapshot that can not be read: who else is in the cluster is not known
    /// either, until the leader has sent its state (rule 2.4).
    fn go_on_without_a_state(
        &self,
        worker: LogWorker<Storage>,
        recovered: Recovered,
    ) -> Result<Joined, StartError> {
        let path = self.config.data_dir.clone();
        let cluster_id = self.directory.identity().cluster_id;
        let cluster_id = cluster_id.ok_or(StartError::LogForeign { path })?;
        Ok(Joined::with_nothing(worker, recovered, cluster_id))
    }

    async fn recover(&mut self) -> Result<(LogWorker<Storage>, Recovered), StartError> {
        let disk = self.disk.clone();
        let path = self.directory.log_path();
        let segment_bytes = self.config.wal_segment_bytes;
        let options = LogOptions { segment_bytes, salt: draw()?, ..LogOptions::default() };
        let snapshots = self.directory.snapshots_path();
        let opened = move || open_log(&disk, &path, &snapshots, options, TAIL_BYTES_MAX);
        let (worker, mut recovered) = blocking(opened).await?.map_err(StartError::Log)?;
        if let Some(torn) = &recovered.log.torn_tail {
            warn!(?torn, "the last flush before the crash was cut short; nobody was told of it");
        }
        announce_repairs(&recovered);
        info!(last = %recovered.restored.log.last(), "recovered the log");
        let disk = self.disk.clone();
        let path = self.directory.snapshots_path();
        let opened = move || {
            let opened = open_snapshots(disk, &path, &mut recovered);
            opened.map(|(snapshots, found)| (recovered, snapshots, found))
        };
        let (recovered, snapshots, found) =
            blocking(opened).await?.map_err(StartError::Snapshots)?;
        if let Some(newer) = found.newer {
            return Err(StartError::Log(LogError::Configuration(newer)));
        }
        self.announce_snapshots(&recovered, &found);
        self.snapshots = Some((snapshots, found));
        Ok((worker, recovered))
    }

    fn announce_snapshots(&self, recovered: &Recovered, found: &FoundSnapshots) {
        for (path, reason) in &found.skipped {
            warn!(path = %path.display(), reason, "this snapshot can not be used; passed over");
        }
        let state = found.store.as_ref().map_or(0, Store::applied_index);
        let start = recovered.restored.log.start();
        if start.index.0 > state {
            warn!(%start, "no snapshot fits the log: the leader is asked for its state");
        } else if state > 0 {
            info!(index = state, "starts from a snapshot");
        }
    }

    /// The log was written by this member, in this life of its directory. One that has joined may
    /// have only what was written before it was added.
    fn check_ours(&self, configuration: &Configuration) -> Result<(), StartError> {
        let identity = self.directory.identity();
        let id = MemberId(identity.member_id);
        let ours = match configuration.members.get(&id) {
            Some(member) => member.incarnation == identity.incarnation,
            None if configuration.is_removed(id) => {
                return Err(StartError::Expelled(Expelled::Removed));
            }
            None => identity.cluster_id == Some(configuration.cluster_id),
        };
        let path = self.config.data_dir.clone();
        if ours { Ok(()) } else { Err(StartError::LogForeign { path }) }
    }

    /// The directory wins over the flags (rule 3.2).
    fn warn_of_differences(&self, configuration: &Configuration) {
        let own = MemberId(self.directory.identity().member_id);
        let known = configuration.members.get(&own).map(|member| member.address.clone());
        let advertised = self.config.advertise.to_string();
        if let Some(known) = known.filter(|known| *known != advertised) {
            warn!(
                known,
                advertised, "the cluster knows this member at another address: that counts"
            );
        }
        let others = configuration.members.iter().filter(|(id, _)| **id != own);
        let members: BTreeSet<String> = others.map(|(_, member)| member.address.clone()).collect();
        let listed: BTreeSet<String> = self.config.peers.iter().map(Address::to_string).collect();
        if !listed.is_empty() && listed != members {
            warn!(?listed, ?members, "--peers differs from the cluster's members: those count");
        }
    }

    /// Finds a cluster for a member whose log holds none.
    async fn find_cluster(
        &mut self,
        worker: LogWorker<Storage>,
        recovered: Recovered,
    ) -> Result<Joined, StartError> {
        let Identity { cluster_id, joining, .. } = *self.directory.identity();
        let wiped = recovered.log.last.is_some() || (cluster_id.is_some() && !joining);
        match cluster_id {
            _ if wiped => Err(StartError::LogWiped { path: self.config.data_dir.clone() }),
            Some(cluster_id) => {
                self.check_still_wanted().await?;
                Ok(Joined::with_nothing(worker, recovered, cluster_id))
            }
            None if !self.config.join.is_empty() => {
                if self.config.etcd.claims_place {
                    self.take_the_places_id().await?;
                }
                let cluster_id = self.ask_to_be_added().await?;
                self.directory.set_joining(cluster_id)?;
                Ok(Joined::with_nothing(worker, recovered, cluster_id))
            }
            None => self.bootstrap(worker, recovered).await,
        }
    }

    /// Random, and no other cluster's; the first half of it may be told.
    fn draw_cluster_id(&self) -> Result<u128, StartError> {
        match self.config.etcd.founding {
            Some(ids) => Ok(u128::from(ids.cluster_id) << 64 | u128::from(draw()?)),
            None => draw_long(),
        }
    }

    /// Founds a cluster together with the listed peers, and writes it into the empty log.
    async fn bootstrap(
        &mut self,
        mut worker: LogWorker<Storage>,
        recovered: Recovered,
    ) -> Result<Joined, StartError> {
        if let Some(ids) = self.config.etcd.founding {
            self.be_called(MemberId(ids.member_id))?;
        }
        let me = self.hello();
        if me.peers.is_empty() {
            info!("no --peers: this member is a cluster of one");
        }
        self.door.hello.say(me.clone());
        let (configuration, seeds) =
            match settle(&me, &self.way, &self.status).await.map_err(StartError::Refused)? {
                Settled::Found { members, feature_level } => {
                    let founding = Configuration::founding(self.draw_cluster_id()?, members);
                    (Configuration { feature_level, ..founding }, true)
                }
                Settled::Adopt(configuration) => (configuration, false),
                Settled::Join(Configuration { cluster_id, .. }) => {
                    self.directory.set_joining(cluster_id)?;
                    return Ok(Joined::with_nothing(worker, recovered, cluster_id));
                }
            };
        let founding = configuration.clone();
        let (worker, restored) = blocking(move || {
            let restored = worker.found(&founding, FOUNDING_STAMP_MS);
            restored.map(|restored| (worker, restored))
        })
        .await?
        .map_err(|error| StartError::Founding(error.to_string()))?;
        let configured = Some(configuration.clone());
        let recovered = Recovered { restored, configuration: configured, ..recovered };
        Ok(Joined { worker, recovered, configuration, seeds })
    }
}

fn announce_repairs(recovered: &Recovered) {
    for repaired in &recovered.log.repairs {
        error!(
            file = %repaired.corruption.path.display(),
            offset = repaired.corruption.offset,
            damage = %repaired.corruption.damage,
            kept_up_to = ?repaired.last,
            lost_up_to = ?repaired.lost_to,
            set_aside = ?repaired.set_aside,
            "REPAIRED a damaged log: check this disk; what was lost comes from the leader, and \
             until it is back this member neither campaigns nor votes as if it had never been"
        );
    }
    let members = recovered.configuration.as_ref().map_or(0, |known| known.members.len());
    if recovered.log.floor.is_some() && members == 1 {
        error!(
            "nobody can send this member what its log has lost, because it is the only one: bring \
             the lost files back, or let it go on without, by `raftkv recover`"
        );
    }
}

/// Runs what waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panicked| StartError::System(std::io::Error::other(panicked)))
}
