//! `GET /cluster/status`: this member, and the others as far as anybody knows.
//!
//! How far each member has come is known to the leader alone. A follower asks it, for a short time,
//! and says who told; without a leader it says that nobody knows. What a member says of itself
//! never waits for anything but that.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use raft::{FollowerStatus, MemberId, RoleName};
use replica::{FEATURE_LEVEL, KeptSnapshot, MemoryUse};
use serde_json::{Map, Value, json};
use store::{Published, Revision, Settings};

use super::alarms::{Alarm, alarms};
use super::cluster::member_json;
use super::error::Refusal;
use super::kv::wall_ms;
use super::leaders_page::{LeadersDesk, LeadersPage, Progress, SentBytes};
use super::query::{Query, may_forward};
use super::{Doors, reply, time};
use crate::backup::BackupStatus;
use crate::node::{NodeStatus, Phase};

/// A follower that has not answered for this long counts as silent, in ms.
const SILENT_MS_MAX: u64 = 2_000;

/// Where the words about the other members come from.
enum Source {
    /// This member leads.
    Own,
    /// The leader has answered.
    Leader(MemberId, Arc<LeadersPage>),
    /// Nobody knows, and why.
    Nobody(String),
}

/// `GET /cluster/status`.
pub(super) async fn status(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    Query::parse(request.uri().query(), &[])?;
    let may_ask = may_forward(request.headers())?;
    let status = doors.node.status();
    let source = look_for_source(&doors.leaders_desk, &status, may_ask).await?;
    let mut shown = status_json(&status, &source);
    if let Some(replica) = &status.replica {
        let oldest_ms = doors.node.store().oldest_stamp_ms();
        shown.insert("history".to_owned(), history_json(&replica.published, oldest_ms));
    }
    Ok(reply::json(StatusCode::OK, &shown))
}

async fn look_for_source(
    desk: &LeadersDesk,
    status: &NodeStatus,
    may_ask: bool,
) -> Result<Source, Refusal> {
    let nobody = |why: &str| Ok(Source::Nobody(why.to_owned()));
    let Some(leader) = status.leader().filter(|_| status.phase == Phase::Running) else {
        return nobody("no leader is known, and only a leader knows how far the others are");
    };
    if leader == status.about.id {
        return Ok(Source::Own);
    }
    if !may_ask {
        return nobody("only the leader knows, and it was not to be asked");
    }
    let Some(member) = status.member(leader) else {
        return nobody("the leader's address is not known yet");
    };
    Ok(match desk.page(&status.about.asker(), leader, &member.address).await? {
        Some(page) => Source::Leader(leader, page),
        None => Source::Nobody(format!("the leader, {}, did not say in time", member.name)),
    })
}

fn status_json(status: &NodeStatus, source: &Source) -> Map<String, Value> {
    let about = &status.about;
    let mut shown = Map::new();
    let mut show = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    show("id", about.id.to_string().into());
    show("name", about.name.clone().into());
    show("address", about.address.clone().into());
    show("client_urls", about.client_urls.clone().into());
    show("incarnation", format!("{:032x}", about.incarnation).into());
    show("version", about.version.into());
    show("unsafe_no_fsync", about.unsafe_no_fsync.into());
    show("uptime_ms", u64::try_from(status.uptime.as_millis()).unwrap_or(u64::MAX).into());
    show("phase", phase_json(&status.phase));
    let configuration = status.configuration.as_ref();
    show("cluster_id", configuration.map(|known| format!("{:032x}", known.cluster_id)).into());
    show("joint", configuration.map(|known| known.is_joint()).into());
    show("feature_level", configuration.map(|known| known.feature_level).into());
    if let Some(replica) = &status.replica {
        shown.extend(replica_json(replica, status));
    }
    shown.insert("backups".to_owned(), status.backups.as_deref().map(backups_json).into());
    let alarms = known_alarms(status, source);
    shown.insert("alarms".to_owned(), alarms.iter().map(Alarm::json).collect());
    shown.insert("members".to_owned(), members_json(status, source));
    let (told_by, unknown) = match source {
        Source::Own => (member_json(about.id, status), Value::Null),
        Source::Leader(leader, _) => (member_json(*leader, status), Value::Null),
        Source::Nobody(why) => (Value::Null, why.clone().into()),
    };
    shown.insert("members_told_by".to_owned(), told_by);
    shown.insert("members_unknown".to_owned(), unknown);
    shown.insert("health".to_owned(), health_in_words(status, &alarms).into());
    shown
}

/// Its own, and what only the leader finds.
fn known_alarms(status: &NodeStatus, source: &Source) -> Vec<Alarm> {
    let mut alarms = alarms(status);
    if let Source::Leader(_, page) = source
        && let Some(index) = page.agreement.split_at
    {
        alarms.push(Alarm::Corrupt { index });
    }
    alarms
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
    let published = &replica.published;
    let Value::Object(shown) = json!({
        "role": replica.role.as_str(),
        "term": replica.term.0,
        "vote": replica.vote.map(|vote| vote.to_string()),
        "leader": replica.leader.map(|leader| member_json(leader, status)),
        "log": {
            "start": replica.snapshots.log_start.index.0,
            "last_index": replica.last.index.0,
            "last_term": replica.last.term.0,
            "durable": replica.durable,
            "commit": replica.commit,
            "applied": published.applied_index,
        },
        "snapshot": replica.snapshots.newest.map(snapshot_json),
        "receiving": replica.snapshots.receiving.map(|(from, bytes, bytes_total)| json!({
            "from": member_json(from, status), "bytes": bytes, "bytes_total": bytes_total,
        })),
        "agreement": {
            "diverged_at": replica.agreement.diverged_at,
            "split_at": replica.agreement.split_at,
        },
        "revision": published.revision.0,
        "compact_revision": published.compact_revision.0,
        "state_hash": format!("{:016x}", published.state_hash),
        "keys": published.keys,
        "live_bytes": published.live_bytes,
        "sessions": published.sessions,
        "idempotency_keys": published.once_keys,
        "age_ms": replica.age_ms,
        "pending": replica.pending,
        "disk": disk_json(&replica.room),
        "memory": memory_json(&replica.memory),
    }) else {
        unreachable!("the literal above is an object")
    };
    shown
}

/// The room that this member's log has; nulls until it was measured.
fn disk_json(room: &replica::RoomStatus) -> Value {
    json!({
        "has_room": !room.lacks,
        "free_bytes": room.measured.map(|room| room.free_bytes),
        "spare_segments": room.measured.map(|room| room.spares),
    })
}

/// What this member's state takes in memory, and may take; null without a limit.
fn memory_json(memory: &MemoryUse) -> Value {
    let limit_bytes = Some(memory.limit_bytes).filter(|bytes| *bytes > 0);
    json!({
        "has_memory": !memory.lacks,
        "used_bytes": memory.used_bytes,
        "limit_bytes": limit_bytes,
    })
}

/// How much of the past can be read, and what has ended it: a limit, or somebody who asked for it;
/// null while nothing did.
fn history_json(published: &Published, oldest_ms: Option<u64>) -> Value {
    let compacted = published.compact_revision > Revision(0);
    let Settings { history_age_ms, history_bytes, .. } = published.settings;
    json!({
        "oldest_revision": published.compact_revision.max(Revision::FIRST).0,
        "oldest_time": oldest_ms.map(time::format),
        "limited_by": compacted.then(|| published.compacted_for.as_str()),
        "bytes": published.history_bytes,
        "bytes_max": history_bytes,
        "age_ms_max": Some(history_age_ms).filter(|age_ms| *age_ms > 0),
    })
}

fn snapshot_json(newest: KeptSnapshot) -> Value {
    let KeptSnapshot { last, bytes, stamp_ms } = newest;
    let age_ms = wall_ms().saturating_sub(stamp_ms);
    json!({ "index": last.index.0, "term": last.term.0, "bytes": bytes, "age_ms": age_ms })
}

/// The backups that this member makes by itself.
fn backups_json(backups: &BackupStatus) -> Value {
    let BackupStatus { plan, newest, kept, unsound, made, failed, .. } = backups;
    let newest = newest.as_ref().map(|newest| {
        json!({
            "file": newest.path.display().to_string(),
            "time": time::format(newest.time_ms),
            "age_ms": backups.age_ms(wall_ms()),
            "index": newest.index,
            "term": newest.term,
            "bytes": newest.bytes,
        })
    });
    json!({
        "directory": plan.directory.display().to_string(),
        "every_ms": plan.every_ms,
        "keep": plan.keep,
        "newest": newest,
        "kept": kept,
        "unsound": unsound,
        "made": made,
        "failed": failed,
    })
}

/// Every member, with how far its log is known to be.
fn members_json(status: &NodeStatus, source: &Source) -> Value {
    let members = status.configuration.iter().flat_map(|configuration| &configuration.members);
    let shown = members.map(|(&id, member)| {
        let mut shown = member_json(id, status);
        shown["standing"] = member.standing.as_str().into();
        shown["draining"] = member.draining.is_some().into();
        if id == status.about.id {
            shown["feature_level"] = FEATURE_LEVEL.into();
        }
        if let Some(role) = role_of(id, status) {
            shown["role"] = role.as_str().into();
        }
        let progress = match source {
            Source::Own => own_progress(id, status),
            Source::Leader(_, page) => told_progress(id, page),
            Source::Nobody(_) => None,
        };
        let known = progress.and_then(|progress| serde_json::to_value(progress).ok());
        if let (Value::Object(shown), Some(Value::Object(known))) = (&mut shown, known) {
            shown.extend(known);
        }
        shown
    });
    shown.collect()
}

fn role_of(id: MemberId, status: &NodeStatus) -> Option<RoleName> {
    let replica = status.replica.as_ref()?;
    match id == status.about.id {
        true => Some(replica.role),
        false => (replica.leader == Some(id)).then_some(RoleName::Leader),
    }
}

fn own_progress(id: MemberId, status: &NodeStatus) -> Option<Progress> {
    let replica = status.replica.as_ref()?;
    let peer = replica.peers.iter().find(|peer| peer.id == id)?;
    let sent = replica.snapshots.sending.iter().find(|sent| sent.to == id);
    Some(Progress {
        matched: Some(peer.matched.0),
        lag: Some(replica.last.index.0.saturating_sub(peer.matched.0)),
        silent_ms: Some(peer.silent_ms),
        progress: Some(peer.replication.as_str().to_owned()),
        snapshot_sent: sent
            .map(|sent| SentBytes { bytes: sent.bytes, bytes_total: sent.bytes_total }),
        feature_level: replica.levels.get(&id).copied(),
    })
}

fn told_progress(id: MemberId, page: &LeadersPage) -> Option<Progress> {
    let id = id.to_string();
    page.members.iter().find(|member| member.id == id).map(|member| member.progress.clone())
}

/// One sentence for people: is it well, and if not, what is wrong or who is missing.
fn health_in_words(status: &NodeStatus, alarms: &[Alarm]) -> String {
    let replica = match (&status.phase, &status.replica) {
        (Phase::Waiting(reason), _) => return format!("waiting: {reason}"),
        (Phase::Stopped(reason), _) => return format!("stopped: {reason}"),
        (Phase::Running, None) => return "starting".to_owned(),
        (Phase::Running, Some(replica)) => replica,
    };
    if let Some(alarm) = alarms.first() {
        return alarm.message();
    }
    match replica.leader {
        None => "no leader: writes and linearizable reads wait until one is elected".to_owned(),
        Some(leader) if leader == status.about.id => quorum_in_words(&replica.peers, status),
        Some(leader) => format!("follows {}", name_of(leader, status)),
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

pub(super) fn name_of(id: MemberId, status: &NodeStatus) -> String {
    status.member(id).map_or(id.to_string(), |found| found.name.clone())
}
