//! `etcdserverpb.Cluster`: who is in the cluster, and changes of that.
//!
//! A member here has one address for peers and clients alike, so both lists of URLs show it, unless
//! it was started with etcd's flags and told clients other ones. Only
//! the leader changes anything: another member asks it over its HTTP door, as it would for a client
//! of that door, and reads what it says.

use std::sync::Arc;

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use proto::etcd::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse, ResponseHeader, cluster_server,
};
use raft::MemberId;
use replica::{Change, Configuration, Failure, Request as Ask, Standing};
use serde_json::{Value, json};
use store::{Need, Revision};
use tonic::{Request, Response, Status};

use super::gate::{Asks, Gate, Guest, REQUEST_TIMEOUT};
use super::refusal::Refusal;
use crate::ask::{NoAnswer, Question, Turns, ask};
use crate::config::Address;

/// The service.
pub(super) struct Cluster {
    gate: Arc<Gate>,
    turns: Turns,
}

impl Cluster {
    pub(super) fn new(gate: Arc<Gate>) -> Cluster {
        Cluster { gate, turns: Turns::default() }
    }

    /// Answers about members tell no revision.
    fn header(&self) -> Option<ResponseHeader> {
        Some(self.gate.header(Revision(0)))
    }

    /// Has the change made, here or by the leader; answers who is in the cluster then.
    async fn change(&self, guest: &Guest, change: Change) -> Result<Vec<Member>, Refusal> {
        match self.gate.node().change(Ask::Change(change.clone()), REQUEST_TIMEOUT).await {
            Ok(configuration) => Ok(members_of(&configuration, self.scheme())),
            Err(Failure::NotLeader { leader: Some(leader) }) => {
                self.ask_leader(guest, leader, &change).await
            }
            Err(Failure::NotLeader { leader: None }) => Err(Refusal::NoLeader),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn ask_leader(
        &self,
        guest: &Guest,
        leader: MemberId,
        change: &Change,
    ) -> Result<Vec<Member>, Refusal> {
        let status = self.gate.node().status();
        let leader = status.member(leader).ok_or(Refusal::NoLeader)?;
        let asker = status.about.asker();
        let _turn = self.turns.take().ok_or(Refusal::TooManyRequests)?;
        let question = question_of(change, guest.visit().authorization().await);
        let asked = ask(&asker, &leader.address, question);
        match tokio::time::timeout(REQUEST_TIMEOUT, asked).await {
            // It is made. Whoever it removes hears nothing more of the others.
            Ok(Ok((StatusCode::OK, _))) => match self.members_now().await {
                Ok(members) => Ok(members),
                Err(_) => self.members(),
            },
            Ok(Ok((_, body))) => Err(refusal_of(&body)),
            Ok(Err(NoAnswer::NotSent(_))) => Err(Refusal::NoLeader),
            Ok(Err(NoAnswer::Broken(_))) | Err(_) => Err(Refusal::Timeout),
        }
    }

    /// Who is in the cluster, everything counted that was acknowledged before.
    async fn members_now(&self) -> Result<Vec<Member>, Refusal> {
        self.gate.node().read_barrier(REQUEST_TIMEOUT).await?;
        self.members()
    }

    /// One that is there, as far as anybody knows.
    async fn known(&self, id: u64) -> Result<MemberId, Refusal> {
        let is_there = |members: &[Member]| members.iter().any(|member| member.id == id);
        // This member may not have heard of it yet.
        let found = is_there(&self.members()?) || is_there(&self.members_now().await?);
        if found { Ok(MemberId(id)) } else { Err(Refusal::MemberNotFound) }
    }

    /// What stands before the address of a member, for its peers, in a URL.
    fn scheme(&self) -> &'static str {
        self.gate.node().status().about.way.scheme()
    }

    /// As this member knows it.
    fn members(&self) -> Result<Vec<Member>, Refusal> {
        let status = self.gate.node().status();
        let known = status.configuration.as_deref();
        known.map(|known| members_of(known, self.scheme())).ok_or(Refusal::NoLeader)
    }
}

#[tonic::async_trait]
impl cluster_server::Cluster for Cluster {
    async fn member_add(
        &self,
        request: Request<MemberAddRequest>,
    ) -> Result<Response<MemberAddResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit_now(Need::Root).await?;
        let address = address_of(&request.get_ref().peer_ur_ls, self.scheme())?;
        let id = MemberId(getrandom::u64().map_err(|_| Refusal::Unhealthy)?.max(1));
        let place = address.clone();
        // Whoever joins begins as a learner, and asks for its vote once it has caught up, unless it
        // is to stay one.
        let (name, stays_learner) = (String::new(), request.get_ref().is_learner);
        let (incarnation, replaces) = (None, None);
        let change = Change::Add { id, incarnation, name, address, replaces, stays_learner };
        let members = self.change(&guest, change).await?;
        let added = members.iter().find(|member| member.id == id.0).cloned();
        let added = added.unwrap_or_else(|| Member { id: id.0, ..shown_at(&place, self.scheme()) });
        let header = self.header();
        Ok(Response::new(MemberAddResponse { header, member: Some(added), members }))
    }

    async fn member_remove(
        &self,
        request: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit_now(Need::Root).await?;
        let id = self.known(request.get_ref().id).await?;
        let members = self.change(&guest, Change::Remove { id }).await?;
        Ok(Response::new(MemberRemoveResponse { header: self.header(), members }))
    }

    async fn member_update(
        &self,
        request: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit_now(Need::Root).await?;
        let id = self.known(request.get_ref().id).await?;
        let address = address_of(&request.get_ref().peer_ur_ls, self.scheme())?;
        let members = self.change(&guest, Change::Address { id, address }).await?;
        Ok(Response::new(MemberUpdateResponse { header: self.header(), members }))
    }

    async fn member_list(
        &self,
        request: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit(Need::Known).await?;
        let members = match request.get_ref().linearizable {
            true => self.members_now().await?,
            false => self.members()?,
        };
        Ok(Response::new(MemberListResponse { header: self.header(), members }))
    }

    async fn member_promote(
        &self,
        request: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.permit_now(Need::Root).await?;
        let id = self.known(request.get_ref().id).await?;
        let members = self.change(&guest, Change::Promote { id }).await?;
        Ok(Response::new(MemberPromoteResponse { header: self.header(), members }))
    }
}

fn members_of(configuration: &Configuration, scheme: &str) -> Vec<Member> {
    let member = |(id, member): (&MemberId, &replica::Member)| Member {
        id: id.0,
        name: member.name.clone(),
        is_learner: member.standing == Standing::Learner,
        // Who has not started yet serves no clients.
        client_ur_ls: match (member.is_claimed(), member.client_urls.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => vec![format!("{scheme}{}", member.address)],
            (true, false) => member.client_urls.clone(),
        },
        ..shown_at(&member.address, scheme)
    };
    configuration.members.iter().map(member).collect()
}

fn shown_at(address: &str, scheme: &str) -> Member {
    Member { peer_ur_ls: vec![format!("{scheme}{address}")], ..Member::default() }
}

/// The one address of a member, out of the URLs for its peers.
fn address_of(urls: &[String], scheme: &str) -> Result<String, Refusal> {
    let [url] = urls else { return Err(Refusal::BadMemberUrls) };
    let address = url.strip_prefix(scheme).ok_or(Refusal::BadMemberUrls)?;
    match Address::parse(address.trim_end_matches('/')) {
        Ok(address) if address.port() != 0 => Ok(address.to_string()),
        _ => Err(Refusal::BadMemberUrls),
    }
}

/// The change as the leader's HTTP door takes it.
fn question_of(change: &Change, authorization: Option<HeaderValue>) -> Question {
    let path = |id: &MemberId, rest: &str| format!("/cluster/members/{id}{rest}");
    let nothing = json!({});
    let (method, target, body) = match change {
        Change::Add { id, address, stays_learner, .. } => {
            let mut body = json!({ "id": id.to_string(), "address": address });
            if *stays_learner {
                body["standing"] = "learner".into();
            }
            (Method::POST, "/cluster/members".to_owned(), body)
        }
        Change::Promote { id } => (Method::POST, path(id, "/promote"), nothing),
        Change::Remove { id } => (Method::DELETE, path(id, ""), nothing),
        Change::Address { id, address } => {
            (Method::PATCH, path(id, ""), json!({ "address": address }))
        }
        Change::ClientUrls { id, urls } => {
            (Method::PATCH, path(id, ""), json!({ "client_urls": urls.join(",") }))
        }
        Change::Replace { old, new } => {
            (Method::POST, path(old, "/replace"), json!({ "with": new.to_string() }))
        }
        Change::EndDrain { id } => (Method::DELETE, path(id, "/drain"), nothing),
        Change::Drain { .. } | Change::RaiseLevel { .. } => {
            unreachable!("no call of etcd's API asks for it, and a leader decides on both itself")
        }
    };
    Question { method, hand_on: false, authorization, ..Question::post(target, &body) }
}

/// What the leader's HTTP door refused, in this door's words.
fn refusal_of(body: &[u8]) -> Refusal {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match body["error"].as_str().unwrap_or_default() {
        "unknown_member" | "member_removed" => Refusal::MemberNotFound,
        "address_taken" => Refusal::PeerUrlExists,
        "id_taken" | "name_taken" => Refusal::MemberExists,
        "bad_address" | "bad_member" => Refusal::BadMemberUrls,
        "not_a_learner" | "not_a_voter" => Refusal::NotALearner,
        "learner_behind" | "not_joined" => Refusal::LearnerNotReady,
        "too_many_members" => Refusal::TooManyLearners,
        "quorum_would_be_lost" | "last_voter" => Refusal::NotEnoughStarted,
        "unauthenticated" => Refusal::InvalidToken,
        "permission_denied" => Refusal::PermissionDenied,
        "outcome_unknown" => Refusal::Timeout,
        "change_in_progress" | "not_ready" | "member_draining" | "member_down"
        | "member_behind" | "feature_level" => Refusal::Unhealthy,
        "superseded" => Refusal::LeaderChanged,
        _ => Refusal::NoLeader,
    }
}
