//! `/cluster/*`: who is in the cluster, who leads, how far each one is.
//!
//! All but the transfer are answered from the member's own status board, so they are cheap and
//! need no quorum: when a cluster stands still, these are the pages to look at.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use raft::{FollowerStatus, MemberId, RoleName};
use replica::Configuration;
use serde_json::{Map, Value, json};

use super::error::{Code, Refusal, unavailable};
use super::query::Query;
use super::{Doors, body, reply};
use crate::node::{NodeStatus, Phase};

/// A follower that has not answered for this long counts as silent, in ms.
const SILENT_MS_MAX: u64 = 2_000;

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
                "standing": member.standing.as_str(),
                "incarnation": member.is_claimed().then_some(incarnation),
            })
        })
        .collect();
    json!({
        "cluster_id": format!("{:032x}", configuration.cluster_id),
        "joint": configuration.is_joint(),
        "members": members,
    })
}

/// `GET /cluster/status`.
pub(super) async fn status(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    Query::parse(request.uri().query(), &[])?;
    Ok(reply::json(StatusCode::OK, &status_json(&doors.node.status())))
}

/// `POST /cluster/transfer`.
pub(super) async fn transfer(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let timeout = Query::parse(request.uri().query(), &["timeout_ms"])?.timeout()?;
    let body = body::read(request, doors.limits.body_timeout).await?;
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

/// A member's id, name and address, as far as they are known.
pub(super) fn member_json(id: MemberId, status: &NodeStatus) -> Value {
    let members = status.configuration.as_ref().map(|configuration| &configuration.members);
    let member = members.and_then(|members| members.get(&id));
    json!({
        "id": id.to_string(),
        "name": member.map(|member| &member.name),
        "address": member.map(|member| &member.address),
    })
}

fn status_json(status: &NodeStatus) -> Map<String, Value> {
    let about = &status.about;
    let mut shown = Map::new();
    let mut show = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    show("id", about.id.to_string().into());
    show("name", about.name.clone().into());
    show("address", about.address.clone().into());
    show("incarnation", format!("{:032x}", about.incarnation).into());
    show("version", about.version.into());
    show("unsafe_no_fsync", about.unsafe_no_fsync.into());
    show("uptime_ms", u64::try_from(status.uptime.as_millis()).unwrap_or(u64::MAX).into());
    show("phase", phase_json(&status.phase));
    let cluster_id =
        status.configuration.as_ref().map(|known| format!("{:032x}", known.cluster_id));
    show("cluster_id", cluster_id.into());
    if let Some(replica) = &status.replica {
        shown.extend(replica_json(replica, status));
    }
    shown.insert("members".to_owned(), members_json(status));
    shown.insert("health".to_owned(), health_in_words(status).into());
    shown
}

fn phase_json(phase: &Phase) -> Value {
    match phase {
        Phase::Waiting(_) => "waiting",
        Phase::Running => "running",
        Phase::Stopped(_) => "stopped",
    }
    .into()
}

fn replica_json(replica: &replica::Status, status: &NodeStatus) -> Map<String, Value> {
    let Value::Object(shown) = json!({
        "role": replica.role.as_str(),
        "term": replica.term.0,
        "vote": replica.vote.map(|vote| vote.to_string()),
        "leader": replica.leader.map(|leader| member_json(leader, status)),
        "log": {
            "last_index": replica.last.index.0,
            "last_term": replica.last.term.0,
            "durable": replica.durable,
            "commit": replica.commit,
            "applied": replica.published.applied_index,
        },
        "revision": replica.published.revision.0,
        "compact_revision": replica.published.compact_revision.0,
        "state_hash": format!("{:016x}", replica.published.state_hash),
        "keys": replica.published.keys,
        "live_bytes": replica.published.live_bytes,
        "age_ms": replica.age_ms,
        "pending": replica.pending,
    }) else {
        unreachable!("the literal above is an object")
    };
    shown
}

/// Every member; on the leader with how far its log is known to be.
fn members_json(status: &NodeStatus) -> Value {
    let members =
        status.configuration.iter().flat_map(|configuration| configuration.members.keys());
    members.map(|id| member_status_json(*id, status)).collect()
}

fn member_status_json(id: MemberId, status: &NodeStatus) -> Value {
    let mut shown = member_json(id, status);
    let Some(replica) = &status.replica else { return shown };
    if id == status.about.id {
        shown["role"] = replica.role.as_str().into();
    } else if replica.leader == Some(id) {
        shown["role"] = RoleName::Leader.as_str().into();
    }
    if let Some(peer) = replica.peers.iter().find(|peer| peer.id == id) {
        shown["matched"] = peer.matched.0.into();
        shown["lag"] = replica.last.index.0.saturating_sub(peer.matched.0).into();
        shown["silent_ms"] = peer.silent_ms.into();
    }
    shown
}

/// One sentence for people: is it well, and if not, who is missing.
fn health_in_words(status: &NodeStatus) -> String {
    let replica = match (&status.phase, &status.replica) {
        (Phase::Waiting(reason), _) => return format!("waiting: {reason}"),
        (Phase::Stopped(reason), _) => return format!("stopped: {reason}"),
        (Phase::Running, None) => return "starting".to_owned(),
        (Phase::Running, Some(replica)) => replica,
    };
    match replica.leader {
        None => "no leader: writes and linearizable reads wait until one is elected".to_owned(),
        Some(leader) if leader == status.about.id => quorum_in_words(&replica.peers, status),
        Some(leader) => {
            format!("follows {}, which knows how the other members are", name_of(leader, status))
        }
    }
}

fn quorum_in_words(peers: &[FollowerStatus], status: &NodeStatus) -> String {
    let silent: Vec<String> = peers
        .iter()
        .filter(|peer| peer.silent_ms > SILENT_MS_MAX)
        .map(|peer| format!("{} silent for {} s", name_of(peer.id, status), peer.silent_ms / 1_000))
        .collect();
    let total = peers.len() + 1;
    let answering = total - silent.len();
    match silent.is_empty() {
        true => format!("{answering} of {total} members answer"),
        false => format!("{answering} of {total} members answer: {}", silent.join(", ")),
    }
}

fn name_of(id: MemberId, status: &NodeStatus) -> String {
    let members = status.configuration.as_ref().map(|configuration| &configuration.members);
    members.and_then(|members| members.get(&id)).map_or(id.to_string(), |found| found.name.clone())
}
