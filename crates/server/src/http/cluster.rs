//! `/cluster/*`: who is in the cluster, and who leads. How far each one is: `status.rs`.
//!
//! All but the transfer are answered from the member's own status board, so they are cheap and
//! need no quorum: when a cluster stands still, these are the pages to look at.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use raft::MemberId;
use replica::Configuration;
use serde_json::{Value, json};

use store::Need;

use super::error::{Code, Refusal, unavailable};
use super::query::Query;
use super::{Doors, body, reply};
use crate::access::Visit;
use crate::node::{NodeStatus, Phase};

/// `GET /cluster/leader`.
pub(super) async fn leader(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    Query::parse(request.uri().query(), &[])?;
    let status = doors.node.status();
    let known = status.replica.as_ref().and_then(|replica| Some((replica.leader?, replica.term)));
    let Some((leader, term)) = known else {
        return Err(match status.phase {
            Phase::Running => Refusal::new(
                Code::NoLeader,
                "this member knows no leader: one is being elected, or too few members are up",
            ),
            Phase::Waiting(_) | Phase::Stopped(_) => unavailable(&status),
        });
    };
    let body = json!({ "leader": member_json(leader, &status), "term": term.0 });
    Ok(reply::json(StatusCode::OK, &body))
}

/// `GET /cluster/members`.
pub(super) async fn members(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    Query::parse(request.uri().query(), &[])?;
    let status = doors.node.status();
    let configuration = status.configuration.as_ref().ok_or_else(|| unavailable(&status))?;
    Ok(reply::json(StatusCode::OK, &configuration_json(configuration)))
}

/// The cluster and its members, as every answer about them shows it.
pub(super) fn configuration_json(configuration: &Configuration) -> Value {
    let members: Vec<Value> = configuration
        .members
        .iter()
        .map(|(id, member)| {
            let incarnation = format!("{:032x}", member.incarnation);
            json!({
                "id": id.to_string(),
                "name": member.name,
                "address": member.address,
                "client_urls": member.client_urls,
                "standing": member.standing.as_str(),
                "stays_learner": member.stays_learner,
                "incarnation": member.is_claimed().then_some(incarnation),
                "draining": member.draining.is_some(),
            })
        })
        .collect();
    json!({
        "cluster_id": format!("{:032x}", configuration.cluster_id),
        "joint": configuration.is_joint(),
        "feature_level": configuration.feature_level,
        "members": members,
    })
}

/// `POST /cluster/transfer`.
pub(super) async fn transfer(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let timeout = Query::parse(request.uri().query(), &["timeout_ms"])?.timeout()?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    let now = visit.permit_now(Need::Root).await;
    now.map_err(|why| Refusal::of_not_done(why, &doors.node.status()))?;
    let status = doors.node.status();
    let to = body::transfer_target(&body)?.map(|to| member_of(&to, &status)).transpose()?;
    let moved = doors.node.transfer(to, timeout).await;
    let status = doors.node.status();
    let leader = moved.map_err(|failure| Refusal::of_failure(failure, &status))?;
    let body = json!({ "status": "transferred", "leader": member_json(leader, &status) });
    Ok(reply::json(StatusCode::OK, &body))
}

/// Finds a member by its id or its name.
pub(super) fn member_of(written: &str, status: &NodeStatus) -> Result<MemberId, Refusal> {
    let members = status.configuration.iter().flat_map(|configuration| &configuration.members);
    let mut named =
        members.filter(|(id, member)| member.name == written || id.to_string() == written);
    match (named.next(), named.next()) {
        (Some((id, _)), None) => Ok(*id),
        (Some(_), Some(_)) => {
            Err(Refusal::new(Code::BadMember, "two members have this name: use the id"))
        }
        (None, _) => Err(Refusal::new(
            Code::UnknownMember,
            "no member has this id or name: see /cluster/members",
        )),
    }
    .map_err(|refusal| refusal.with("member", written))
}

/// A member's id, name, address and URLs for clients, as far as they are known.
pub(super) fn member_json(id: MemberId, status: &NodeStatus) -> Value {
    let member = status.member(id);
    json!({
        "id": id.to_string(),
        "name": member.map(|member| &member.name),
        "address": member.map(|member| &member.address),
        "client_urls": member.map(|member| member.client_urls.as_slice()).unwrap_or_default(),
    })
}
