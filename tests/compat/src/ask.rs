//! What can be asked, and what was answered.

use std::fmt::Debug;

use proto::etcd::etcdserverpb::auth_client::AuthClient;
use proto::etcd::etcdserverpb::cluster_client::ClusterClient;
use proto::etcd::etcdserverpb::kv_client::KvClient;
use proto::etcd::etcdserverpb::lease_client::LeaseClient;
use proto::etcd::etcdserverpb::maintenance_client::MaintenanceClient;
use proto::etcd::etcdserverpb::{
    AlarmRequest, AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthRoleDeleteRequest,
    AuthRoleGetRequest, AuthRoleGrantPermissionRequest, AuthRoleListRequest,
    AuthRoleRevokePermissionRequest, AuthStatusRequest, AuthUserAddRequest,
    AuthUserChangePasswordRequest, AuthUserDeleteRequest, AuthUserGetRequest,
    AuthUserGrantRoleRequest, AuthUserListRequest, AuthUserRevokeRoleRequest, AuthenticateRequest,
    CompactionRequest, DefragmentRequest, DeleteRangeRequest, DowngradeRequest, HashKvRequest,
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseLeasesRequest, LeaseRevokeRequest,
    LeaseTimeToLiveRequest, Member, MemberAddRequest, MemberListRequest, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest, MoveLeaderRequest, PutRequest, RangeRequest,
    ResponseHeader, TxnRequest,
};
use proto::etcd::v3electionpb::election_client::ElectionClient;
use proto::etcd::v3electionpb::{CampaignRequest, LeaderRequest, ProclaimRequest, ResignRequest};
use proto::etcd::v3lockpb::lock_client::LockClient;
use proto::etcd::v3lockpb::{LockRequest, UnlockRequest};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// One request that has one answer.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names of the calls")]
pub enum Ask {
    Range(RangeRequest),
    Put(PutRequest),
    Delete(DeleteRangeRequest),
    Txn(TxnRequest),
    Compact(CompactionRequest),
    Grant(LeaseGrantRequest),
    Revoke(LeaseRevokeRequest),
    KeepAlive(LeaseKeepAliveRequest),
    TimeToLive(LeaseTimeToLiveRequest),
    Leases(LeaseLeasesRequest),
    HashKv(HashKvRequest),
    Alarm(AlarmRequest),
    Defragment(DefragmentRequest),
    MoveLeader(MoveLeaderRequest),
    Downgrade(DowngradeRequest),
    MemberAdd(MemberAddRequest),
    MemberRemove(MemberRemoveRequest),
    MemberUpdate(MemberUpdateRequest),
    MemberPromote(MemberPromoteRequest),
    Lock(LockRequest),
    Unlock(UnlockRequest),
    Campaign(CampaignRequest),
    Proclaim(ProclaimRequest),
    Leader(LeaderRequest),
    Resign(ResignRequest),
    MemberList(MemberListRequest),
    AuthEnable(AuthEnableRequest),
    AuthDisable(AuthDisableRequest),
    AuthStatus(AuthStatusRequest),
    Authenticate(AuthenticateRequest),
    UserAdd(AuthUserAddRequest),
    UserGet(AuthUserGetRequest),
    UserList(AuthUserListRequest),
    UserDelete(AuthUserDeleteRequest),
    UserChangePassword(AuthUserChangePasswordRequest),
    UserGrantRole(AuthUserGrantRoleRequest),
    UserRevokeRole(AuthUserRevokeRoleRequest),
    RoleAdd(AuthRoleAddRequest),
    RoleGet(AuthRoleGetRequest),
    RoleList(AuthRoleListRequest),
    RoleDelete(AuthRoleDeleteRequest),
    RoleGrantPermission(AuthRoleGrantPermissionRequest),
    RoleRevokePermission(AuthRoleRevokePermissionRequest),
}

/// A connection to a server, and who is on it: each request carries the token, if there is one.
#[derive(Clone, Debug)]
pub struct Line {
    channel: Channel,
    token: Option<AsciiMetadataValue>,
}

/// What a client adds to each request.
#[derive(Clone, Debug)]
pub struct Showing(Option<AsciiMetadataValue>);

impl Interceptor for Showing {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(request)
    }
}

impl Line {
    /// Nobody's.
    pub fn new(channel: Channel) -> Line {
        Line { channel, token: None }
    }

    /// The same connection with a token.
    #[must_use]
    pub fn showing(&self, token: &str) -> Line {
        Line { token: Some(token.parse().unwrap()), ..self.clone() }
    }

    /// What clients are made of.
    pub(crate) fn service(&self) -> InterceptedService<Channel, Showing> {
        InterceptedService::new(self.channel.clone(), Showing(self.token.clone()))
    }

    /// A token for a password; the error as it came.
    pub async fn log_in(&self, name: &str, password: &str) -> Result<String, Status> {
        let request = AuthenticateRequest { name: name.into(), password: password.into() };
        let answer = AuthClient::new(self.service()).authenticate(request).await?;
        Ok(answer.into_inner().token)
    }
}

/// What a server said: the message without what differs between any two clusters, or the code and
/// the text of the error.
pub type Answer = Result<String, String>;

/// Something with a header.
trait Headed: Debug {
    fn header(&mut self) -> Option<&mut ResponseHeader>;
}

macro_rules! headed {
    ($($package:ident: $($message:ident)+;)+) => {$($(
        impl Headed for proto::etcd::$package::$message {
            fn header(&mut self) -> Option<&mut ResponseHeader> {
                self.header.as_mut()
            }
        }
    )+)+};
}

headed! {
    etcdserverpb: AlarmResponse AuthDisableResponse AuthEnableResponse AuthRoleAddResponse
        AuthRoleDeleteResponse AuthRoleGetResponse AuthRoleGrantPermissionResponse
        AuthRoleListResponse AuthRoleRevokePermissionResponse AuthStatusResponse
        AuthUserAddResponse AuthUserChangePasswordResponse AuthUserDeleteResponse
        AuthUserGetResponse AuthUserGrantRoleResponse AuthUserListResponse
        AuthUserRevokeRoleResponse AuthenticateResponse CompactionResponse DefragmentResponse
        DeleteRangeResponse DowngradeResponse HashKvResponse LeaseGrantResponse
        LeaseKeepAliveResponse LeaseLeasesResponse LeaseRevokeResponse LeaseTimeToLiveResponse
        MemberAddResponse MemberListResponse MemberPromoteResponse MemberRemoveResponse
        MemberUpdateResponse MoveLeaderResponse PutResponse RangeResponse TxnResponse
        WatchResponse;
    v3electionpb: CampaignResponse LeaderResponse ProclaimResponse ResignResponse;
    v3lockpb: LockResponse UnlockResponse;
}

/// Takes out of a header what differs between any two clusters.
pub(crate) fn mask(header: &mut ResponseHeader) {
    let ids = [header.cluster_id, header.member_id, header.raft_term];
    assert!(!ids.contains(&0), "{header:?}");
    *header = ResponseHeader { revision: header.revision, ..ResponseHeader::default() };
}

fn told<T: Headed>(result: Result<Response<T>, Status>) -> Answer {
    answer(result, |_| {})
}

fn answer<T: Headed>(
    result: Result<Response<T>, Status>,
    also_mask: impl FnOnce(&mut T),
) -> Answer {
    match result {
        Ok(response) => {
            let mut message = response.into_inner();
            if let Some(header) = message.header() {
                mask(header);
            }
            also_mask(&mut message);
            Ok(format!("{message:?}"))
        }
        Err(status) => Err(format!("{:?}: {}", status.code(), status.message())),
    }
}

/// Puts a request to the server behind a channel.
pub async fn ask(line: &Line, ask: Ask) -> Answer {
    let mut kv = KvClient::new(line.service());
    let mut lease = LeaseClient::new(line.service());
    let mut maintenance = MaintenanceClient::new(line.service());
    let mut cluster = ClusterClient::new(line.service());
    let mut locks = LockClient::new(line.service());
    let mut election = ElectionClient::new(line.service());
    match ask {
        Ask::Range(request) => told(kv.range(request).await),
        Ask::Put(request) => told(kv.put(request).await),
        Ask::Delete(request) => told(kv.delete_range(request).await),
        Ask::Txn(request) => told(kv.txn(request).await),
        Ask::Compact(request) => told(kv.compact(request).await),
        Ask::Grant(request) => told(lease.lease_grant(request).await),
        Ask::Revoke(request) => told(lease.lease_revoke(request).await),
        Ask::KeepAlive(request) => keep_alive(lease, request).await,
        Ask::TimeToLive(request) => answer(lease.lease_time_to_live(request).await, |told| {
            // What is left of it depends on when it is asked.
            told.ttl = told.ttl.signum();
            told.keys.sort();
        }),
        Ask::Leases(request) => answer(lease.lease_leases(request).await, |told| {
            told.leases.sort_by_key(|lease| lease.id);
        }),
        Ask::HashKv(request) => answer(maintenance.hash_kv(request).await, |told| told.hash = 0),
        Ask::Alarm(request) => told(maintenance.alarm(request).await),
        Ask::Defragment(request) => told(maintenance.defragment(request).await),
        Ask::MoveLeader(request) => told(maintenance.move_leader(request).await),
        Ask::Downgrade(request) => told(maintenance.downgrade(request).await),
        Ask::MemberAdd(request) => told(cluster.member_add(request).await),
        Ask::MemberRemove(request) => told(cluster.member_remove(request).await),
        Ask::MemberUpdate(request) => told(cluster.member_update(request).await),
        Ask::MemberPromote(request) => told(cluster.member_promote(request).await),
        Ask::Lock(request) => told(locks.lock(request).await),
        Ask::Unlock(request) => told(locks.unlock(request).await),
        Ask::Campaign(request) => told(election.campaign(request).await),
        Ask::Proclaim(request) => told(election.proclaim(request).await),
        Ask::Leader(request) => told(election.leader(request).await),
        Ask::Resign(request) => told(election.resign(request).await),
        Ask::MemberList(request) => answer(cluster.member_list(request).await, |told| {
            // Who they are is compared elsewhere: how many there are is enough here.
            told.members = vec![Member::default(); told.members.len()];
        }),
        users => ask_of_users(line, users).await,
    }
}

async fn ask_of_users(line: &Line, ask: Ask) -> Answer {
    let mut auth = AuthClient::new(line.service());
    match ask {
        Ask::AuthEnable(request) => told(auth.auth_enable(request).await),
        Ask::AuthDisable(request) => told(auth.auth_disable(request).await),
        Ask::AuthStatus(request) => told(auth.auth_status(request).await),
        Ask::Authenticate(request) => answer(auth.authenticate(request).await, |told| {
            assert!(told.token.contains('.'), "{told:?}");
            told.token.clear();
        }),
        Ask::UserAdd(request) => told(auth.user_add(request).await),
        Ask::UserGet(request) => told(auth.user_get(request).await),
        Ask::UserList(request) => told(auth.user_list(request).await),
        Ask::UserDelete(request) => told(auth.user_delete(request).await),
        Ask::UserChangePassword(request) => told(auth.user_change_password(request).await),
        Ask::UserGrantRole(request) => told(auth.user_grant_role(request).await),
        Ask::UserRevokeRole(request) => told(auth.user_revoke_role(request).await),
        Ask::RoleAdd(request) => told(auth.role_add(request).await),
        Ask::RoleGet(request) => told(auth.role_get(request).await),
        Ask::RoleList(request) => told(auth.role_list(request).await),
        Ask::RoleDelete(request) => told(auth.role_delete(request).await),
        Ask::RoleGrantPermission(request) => told(auth.role_grant_permission(request).await),
        Ask::RoleRevokePermission(request) => told(auth.role_revoke_permission(request).await),
        other => panic!("{other:?} is not asked of users"),
    }
}

async fn keep_alive(
    mut lease: LeaseClient<InterceptedService<Channel, Showing>>,
    request: LeaseKeepAliveRequest,
) -> Answer {
    match lease.lease_keep_alive(tokio_stream::once(request)).await {
        Ok(response) => {
            let first = response.into_inner().message().await;
            told(first.map(|message| Response::new(message.expect("a request has an answer"))))
        }
        Err(status) => told::<proto::etcd::etcdserverpb::LeaseKeepAliveResponse>(Err(status)),
    }
}
