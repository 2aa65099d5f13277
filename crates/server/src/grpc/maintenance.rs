//! `etcdserverpb.Maintenance`: what operators ask a member.

use std::sync::Arc;

use proto::etcd::etcdserverpb::alarm_request::AlarmAction;
use proto::etcd::etcdserverpb::downgrade_request::DowngradeAction;
use proto::etcd::etcdserverpb::{
    AlarmMember, AlarmRequest, AlarmResponse, AlarmType, DefragmentRequest, DefragmentResponse,
    DowngradeRequest, DowngradeResponse, HashKvRequest, HashKvResponse, HashRequest, HashResponse,
    MoveLeaderRequest, MoveLeaderResponse, SnapshotRequest, SnapshotResponse, StatusRequest,
    StatusResponse, maintenance_server,
};
use raft::{MemberId, RoleName};
use store::{KeyRange, KeyValue, Need, Published, RangeRequest, Reader, Revision};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::gate::{Asks, Gate, REQUEST_TIMEOUT, header, number, on_own_thread};
use super::refusal::Refusal;
use super::snapshot::wrap;
use crate::http::{Alarm, alarms};
use crate::node::{NodeStatus, pieces};

/// The version of etcd whose API this is: clients read from it what they may ask for.
pub const API_VERSION: &str = "3.6.0";

/// So many keys are hashed before others get at the store.
const HASH_PAGE_KEYS: usize = 1_000;

/// So many blobs of a snapshot wait for the client.
const BLOBS_MAX: usize = 4;

/// The service.
pub(super) struct Maintenance {
    gate: Arc<Gate>,
}

impl Maintenance {
    pub(super) fn new(gate: Arc<Gate>) -> Maintenance {
        Maintenance { gate }
    }
}

#[tonic::async_trait]
impl maintenance_server::Maintenance for Maintenance {
    async fn alarm(
        &self,
        request: Request<AlarmRequest>,
    ) -> Result<Response<AlarmResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit(Need::Root).await?;
        let header = Some(guest.header_now());
        match AlarmAction::try_from(request.get_ref().action) {
            Ok(AlarmAction::Get) => {
                let alarms = alarms_of(&guest.node().status());
                let asked = request.get_ref().alarm;
                let wanted = |alarm: &AlarmMember| asked == 0 || alarm.alarm == asked;
                let alarms = alarms.into_iter().filter(wanted).collect();
                Ok(Response::new(AlarmResponse { header, alarms }))
            }
            // What raised an alarm here ends it, as soon as it is over: there is nothing to lift.
            Ok(AlarmAction::Deactivate) => {
                Ok(Response::new(AlarmResponse { header, alarms: Vec::new() }))
            }
            Ok(AlarmAction::Activate) | Err(_) => Err(Status::unimplemented(
                "raftkv: members raise alarms themselves, and end them when their reason is over",
            )),
        }
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Anybody).await?;
        guest.permit(Need::Known).await?;
        let published = guest.published();
        Ok(Response::new(status_of(&guest.node().status(), &published)))
    }

    async fn defragment(
        &self,
        request: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit(Need::Root).await?;
        // There is nothing that could be in pieces.
        Ok(Response::new(DefragmentResponse { header: None }))
    }

    async fn hash(&self, request: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit(Need::Root).await?;
        let published = guest.published();
        let header = Some(guest.header(published.revision));
        Ok(Response::new(HashResponse { header, hash: folded(published.state_hash) }))
    }

    async fn hash_kv(
        &self,
        request: Request<HashKvRequest>,
    ) -> Result<Response<HashKvResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit(Need::Root).await?;
        let at = u64::try_from(request.get_ref().revision).map_err(|_| Refusal::Compacted)?;
        let at = Some(Revision(at)).filter(|at| at.0 > 0);
        guest.shows_a_state()?;
        let reader = guest.reader(Need::Root)?.clone();
        let published = reader.published();
        let (hash, hash_revision) = on_own_thread(move || hash_of(&reader, at)).await?;
        Ok(Response::new(HashKvResponse {
            header: Some(guest.header(published.revision)),
            hash,
            compact_revision: match published.compact_revision.0 {
                // As etcd has it while nothing was compacted.
                0 => -1,
                compacted => number(compacted),
            },
            hash_revision: number(hash_revision.0),
        }))
    }

    type SnapshotStream = ReceiverStream<Result<SnapshotResponse, Status>>;

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Anybody).await?;
        guest.permit_now(Need::Root).await?;
        let node = guest.node();
        let permit = node.admit_backup().ok_or(Refusal::TooManyRequests)?;
        guest.shows_a_state()?;
        let backup = node.backup(REQUEST_TIMEOUT).await.map_err(Refusal::from)?;
        // A learner may have been given a state, and users with it, only now.
        guest.reader(Need::Root)?;
        let (sender, responses) = mpsc::channel(BLOBS_MAX);
        tokio::spawn(wrap(pieces(backup, permit), sender));
        Ok(Response::new(ReceiverStream::new(responses)))
    }

    async fn move_leader(
        &self,
        request: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit_now(Need::Root).await?;
        let status = guest.node().status();
        let leads = status.replica.as_ref().is_some_and(|me| me.role == RoleName::Leader);
        if !leads {
            return Err(Refusal::NotLeader.into());
        }
        let to = MemberId(request.get_ref().target_id);
        if to != status.about.id {
            let moved = guest.node().transfer(Some(to), REQUEST_TIMEOUT).await;
            moved.map_err(Refusal::from)?;
        }
        Ok(Response::new(MoveLeaderResponse { header: None }))
    }

    async fn downgrade(
        &self,
        request: Request<DowngradeRequest>,
    ) -> Result<Response<DowngradeResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit(Need::Root).await?;
        let DowngradeRequest { action, version } = request.into_inner();
        // There is no older version of this API's store to go back to.
        Err(match DowngradeAction::try_from(action) {
            Ok(DowngradeAction::Cancel) => Refusal::NoDowngrade.into(),
            Ok(_) if !is_version(&version) => Refusal::BadDowngradeVersion.into(),
            Ok(_) => Refusal::BadDowngradeTarget.into(),
            Err(_) => Status::unknown("etcdserver: unknown downgrade action"),
        })
    }
}

/// `3.6` or `3.6.0`.
fn is_version(written: &str) -> bool {
    let parts: Vec<&str> = written.split('.').collect();
    (2..=3).contains(&parts.len()) && parts.iter().all(|part| part.parse::<u32>().is_ok())
}

/// The store's numbers are of now; the rest is as old as the board.
fn status_of(status: &NodeStatus, published: &Published) -> StatusResponse {
    let Some(replica) = &status.replica else { return StatusResponse::default() };
    let stored_bytes = number(published.live_bytes + published.history_bytes);
    let no_leader = replica.leader.is_none().then(|| Refusal::NoLeader.row().1.to_owned());
    let alarms = alarms_of(status).into_iter().map(|alarm| {
        let kind = alarm.alarm().as_str_name();
        format!("memberID:{} alarm:{kind} ", alarm.member_id)
    });
    StatusResponse {
        header: Some(header(status, published.revision)),
        version: API_VERSION.to_owned(),
        db_size: stored_bytes,
        leader: replica.leader.map_or(0, |leader| leader.0),
        raft_index: replica.commit.max(published.applied_index),
        raft_term: replica.term.0,
        raft_applied_index: published.applied_index,
        errors: no_leader.into_iter().chain(alarms).collect(),
        db_size_in_use: stored_bytes,
        is_learner: status.is_learner(),
        storage_version: API_VERSION.to_owned(),
        db_size_quota: number(replica.memory.limit_bytes),
        downgrade_info: None,
    }
}

/// What is wrong with this member, as far as etcd has a word for it.
fn alarms_of(status: &NodeStatus) -> Vec<AlarmMember> {
    let mut kinds: Vec<AlarmType> = alarms(status)
        .iter()
        .filter_map(|alarm| match alarm {
            Alarm::NoRoom { .. } | Alarm::NoMemory { .. } => Some(AlarmType::Nospace),
            Alarm::Quarantined { .. } | Alarm::Corrupt { .. } => Some(AlarmType::Corrupt),
            Alarm::NoState | Alarm::SnapshotFailed(_) | Alarm::BackupFailed { .. } => None,
        })
        .collect();
    kinds.dedup();
    let member_id = status.about.id.0;
    kinds.into_iter().map(|kind| AlarmMember { member_id, alarm: kind.into() }).collect()
}

fn folded(hash: u64) -> u32 {
    let [high, low] = [hash >> 32, hash & u64::from(u32::MAX)];
    u32::try_from(high ^ low).expect("both halves have 32 bits")
}

/// CRC-32C of all keys as they were at a revision, and which one that was. Members that agree have
/// the same; etcd's is another, over its own records.
fn hash_of(reader: &Reader, at: Option<Revision>) -> Result<(u32, Revision), Refusal> {
    let pinned = reader.pin(at)?;
    let mut hash = 0;
    let mut range = KeyRange::all();
    loop {
        let page = RangeRequest { limit: Some(HASH_PAGE_KEYS), ..RangeRequest::new(range) };
        let found = pinned.page(&page).map_err(|_| Refusal::Compacted)?;
        hash = found.items.iter().fold(hash, hash_on);
        match found.items.last().filter(|_| found.more) {
            None => return Ok((hash, pinned.revision())),
            Some(last) => range = KeyRange::From([&last.key[..], &[0]].concat().into()),
        }
    }
}

fn hash_on(hash: u32, key_value: &KeyValue) -> u32 {
    let KeyValue { key, value, create_revision, mod_revision, version, lifetime } = key_value;
    let mut numbers = Vec::with_capacity(48);
    for number in [key.len() as u64, create_revision.0, mod_revision.0, *version] {
        numbers.extend_from_slice(&number.to_be_bytes());
    }
    numbers.extend_from_slice(&lifetime.lease().0.to_be_bytes());
    let hash = crc32c::crc32c_append(hash, &numbers);
    crc32c::crc32c_append(crc32c::crc32c_append(hash, key), value)
}
