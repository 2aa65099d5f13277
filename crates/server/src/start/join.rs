//! How a member comes to its cluster: out of its log, by founding one, or by being adopted.

use std::collections::BTreeSet;

use raft::MemberId;
use replica::{Configuration, LogOptions, LogWorker, Recovered, open_log};
use tracing::{info, warn};

use super::disk::MemberDisk;
use super::{Member, StartError, TAIL_BYTES_MAX, draw, draw_long};
use crate::config::Address;
use crate::peer::{Settled, settle};

/// Entry 1 is the same, to the byte, on every member: it carries no clock's time.
const FOUNDING_STAMP_MS: u64 = 0;

/// A member's log, with the cluster that is written in it.
pub(super) struct Joined {
    pub(super) worker: LogWorker<MemberDisk>,
    pub(super) recovered: Recovered,
    pub(super) configuration: Configuration,
}

impl Member {
    /// Recovers the log; without a cluster in it, finds one.
    pub(super) async fn join(&mut self) -> Result<Joined, StartError> {
        let (worker, recovered) = self.recover().await?;
        let joined = match recovered.configuration.clone() {
            Some(configuration) => {
                self.check_ours(&configuration)?;
                self.warn_of_differences(&configuration);
                Joined { worker, recovered, configuration }
            }
            None => self.bootstrap(worker, recovered).await?,
        };
        // Also after a crash between the founding entry and this.
        self.directory.set_cluster(joined.configuration.cluster_id)?;
        let cluster_id = joined.configuration.cluster_id;
        let members = joined.configuration.members.len();
        info!(cluster_id = format_args!("{cluster_id:032x}"), members, "in its cluster");
        Ok(joined)
    }

    async fn recover(&self) -> Result<(LogWorker<MemberDisk>, Recovered), StartError> {
        let disk = MemberDisk { flushes: !self.config.unsafe_no_fsync };
        let path = self.directory.log_path();
        let segment_bytes = self.config.wal_segment_bytes;
        let options = LogOptions { segment_bytes, salt: draw()?, ..LogOptions::default() };
        let opened = move || open_log(disk, &path, options, TAIL_BYTES_MAX);
        let (worker, recovered) = blocking(opened).await?.map_err(StartError::Log)?;
        if let Some(torn) = &recovered.log.torn_tail {
            warn!(?torn, "the last flush before the crash was cut short; nobody was told of it");
        }
        info!(last = %recovered.restored.log.last(), "recovered the log");
        Ok((worker, recovered))
    }

    /// The log was written by this member, in this life of its directory.
    fn check_ours(&self, configuration: &Configuration) -> Result<(), StartError> {
        let identity = self.directory.identity();
        let member = configuration.members.get(&MemberId(identity.member_id));
        match member {
            Some(member) if member.incarnation == identity.incarnation => Ok(()),
            _ => Err(StartError::LogForeign { path: self.config.data_dir.clone() }),
        }
    }

    /// The directory wins over the flags (rule 3.2).
    fn warn_of_differences(&self, configuration: &Configuration) {
        let own = MemberId(self.directory.identity().member_id);
        let known = configuration.members[&own].address.clone();
        let advertised = self.config.advertise.to_string();
        if known != advertised {
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

    /// Finds a cluster for a member that has none, and writes it into the empty log.
    async fn bootstrap(
        &mut self,
        mut worker: LogWorker<MemberDisk>,
        recovered: Recovered,
    ) -> Result<Joined, StartError> {
        if self.directory.identity().cluster_id.is_some() || recovered.log.last.is_some() {
            return Err(StartError::LogWiped { path: self.config.data_dir.clone() });
        }
        let me = self.hello();
        if me.peers.is_empty() {
            info!("no --peers: this member is a cluster of one");
        }
        self.door.hello.say(me.clone());
        let configuration = match settle(&me, &self.status).await.map_err(StartError::Refused)? {
            Settled::Found(members) => Configuration { cluster_id: draw_long()?, members },
            Settled::Adopt(configuration) => configuration,
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
        Ok(Joined { worker, recovered, configuration })
    }
}

/// Runs what waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panicked| StartError::System(std::io::Error::other(panicked)))
}
