//! Changes of who is in the cluster: `POST`, `PATCH` and `DELETE` under `/cluster/members`.
//!
//! Only the leader makes changes, so a follower hands the request on to it as it is, once, and
//! gives its answer back. What the leader refuses has a code of its own in the table of `error.rs`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode, Uri};
use bytes::Bytes;
use hyper::Method;
use raft::MemberId;
use replica::{Change, Configuration, Failure, Request as Ask};
use serde_json::Value;
use tokio::time::timeout;

use store::Need;

use super::body::{self, TextFields};
use super::cluster::{configuration_json, member_of};
use super::error::{Code, Refusal, unavailable};
use super::query::{Query, may_forward};
use super::{Doors, reply};
use crate::access::Visit;
use crate::ask::{NoAnswer, Question, ask};
use crate::config::{Address, is_valid_node_id, split_list};
use crate::node::NodeStatus;
use crate::tls::Arrival;

/// The leader answers by the request's own deadline; the way there and back may take this long.
const FORWARD_GRACE: Duration = Duration::from_secs(1);

const ADD_FIELDS: [&str; 6] = ["address", "name", "id", "incarnation", "replaces", "standing"];

/// A request for a change, read whole.
struct Asked {
    method: Method,
    uri: Uri,
    body: Bytes,
    timeout: Duration,
    forward: bool,
    /// On whose behalf.
    visit: Visit,
}

impl Asked {
    async fn read(doors: &Doors, visit: Visit, request: Request<Body>) -> Result<Asked, Refusal> {
        let timeout = Query::parse(request.uri().query(), &["timeout_ms"])?.timeout()?;
        let forward = may_forward(request.headers())?;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let body = body::read(request, doors.limits.body_timeout).await?;
        // Last: between this and the change nothing is waited for.
        let now = visit.permit_now(Need::Root).await;
        now.map_err(|why| Refusal::of_not_done(why, &doors.node.status()))?;
        Ok(Asked { method, uri, body, timeout, forward, visit })
    }

    /// What says no more than which member it is about.
    async fn about(
        doors: &Doors,
        visit: Visit,
        member: &str,
        request: Request<Body>,
    ) -> Result<(Asked, MemberId), Refusal> {
        let asked = Asked::read(doors, visit, request).await?;
        asked.no_fields()?;
        let id = find(member, &doors.node.status())?;
        Ok((asked, id))
    }

    fn fields(&self, known: &[&'static str]) -> Result<TextFields, Refusal> {
        TextFields::read(&self.body, known)
    }

    fn no_fields(&self) -> Result<(), Refusal> {
        if self.body.is_empty() { Ok(()) } else { self.fields(&[]).map(drop) }
    }
}

/// `POST /cluster/members`.
pub(super) async fn add(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let arrival = request.extensions().get::<Arrival>().copied().unwrap_or(Arrival::NOBODY);
    let asked = Asked::read(&doors, visit, request).await?;
    let fields = asked.fields(&ADD_FIELDS)?;
    let address = address_of(&fields)?;
    let incarnation = fields.get("incarnation").map(read_incarnation).transpose()?;
    if incarnation.is_some() && !arrival.peer {
        let message = "a member claims its place itself, and shows its certificate";
        return Err(Refusal::new(Code::PeersOnly, message));
    }
    let id = match fields.get("id") {
        Some(written) => read_id(written)?,
        None if incarnation.is_some() => {
            return Err(Refusal::new(Code::BadMember, "an incarnation without an id says nothing"));
        }
        None => MemberId(getrandom::u64().map_err(|_| no_randomness())?.max(1)),
    };
    let name = fields.get("name").unwrap_or_default().to_owned();
    if !name.is_empty() && !is_valid_node_id(&name) {
        let message = "a name begins with a letter or a digit and holds those, -, _ and . only";
        return Err(Refusal::new(Code::BadMember, message).with("name", name));
    }
    let status = doors.node.status();
    // A member that is there already, or was, may speak of one whose place it has taken since.
    let is_new = status.configuration.as_ref().is_none_or(|known| known.is_new(id));
    let replaces = fields.get("replaces").filter(|_| is_new);
    let replaces = replaces.map(|old| find(old, &status)).transpose()?;
    let stays_learner = match fields.get("standing") {
        None => false,
        Some("learner") => true,
        Some(other) => {
            let message = "whoever is added is a learner; with this it does not ask for its vote";
            return Err(Refusal::new(Code::BadMember, message).with("standing", other));
        }
    };
    let change = Change::Add { id, incarnation, name, address, replaces, stays_learner };
    make(&doors, asked, change, Some(id)).await
}

/// `POST /cluster/members/{member}/promote`.
pub(super) async fn promote(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(member): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (asked, id) = Asked::about(&doors, visit, &member, request).await?;
    make(&doors, asked, Change::Promote { id }, Some(id)).await
}

/// `DELETE /cluster/members/{member}`.
pub(super) async fn remove(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(member): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (asked, id) = Asked::about(&doors, visit, &member, request).await?;
    make(&doors, asked, Change::Remove { id }, None).await
}

/// `POST /cluster/members/{member}/replace`.
pub(super) async fn replace(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(member): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::read(&doors, visit, request).await?;
    let status = doors.node.status();
    let old = find(&member, &status)?;
    let fields = asked.fields(&["with"])?;
    let with = fields.get("with").ok_or_else(|| missing("with"))?;
    let new = find(with, &status)?;
    make(&doors, asked, Change::Replace { old, new }, Some(new)).await
}

/// `PATCH /cluster/members/{member}`.
pub(super) async fn readdress(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(member): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::read(&doors, visit, request).await?;
    let id = find(&member, &doors.node.status())?;
    let fields = asked.fields(&["address", "client_urls"])?;
    let change = match (fields.get("address"), fields.get("client_urls")) {
        (Some(_), Some(_)) => {
            let message = "address and client_urls are two changes: send one of them";
            return Err(Refusal::new(Code::BadMember, message));
        }
        (None, Some(urls)) => Change::ClientUrls { id, urls: client_urls_of(urls)? },
        (_, None) => Change::Address { id, address: address_of(&fields)? },
    };
    make(&doors, asked, change, Some(id)).await
}

/// `POST /cluster/members/{member}/drain`.
pub(super) async fn drain(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(member): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (asked, id) = Asked::about(&doors, visit, &member, request).await?;
    match doors.node.change(Ask::Drain { id }, asked.timeout).await {
        Ok(configuration) => Ok(drained(&configuration, id, doors.node.status().about.id)),
        Err(failure) => not_made(&doors, asked, failure).await,
    }
}

/// `DELETE /cluster/members/{member}/drain`.
pub(super) async fn end_drain(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(member): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (asked, id) = Asked::about(&doors, visit, &member, request).await?;
    make(&doors, asked, Change::EndDrain { id }, Some(id)).await
}

/// `POST /cluster/level`.
pub(super) async fn raise_level(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::read(&doors, visit, request).await?;
    asked.no_fields()?;
    match doors.node.change(Ask::RaiseLevel, asked.timeout).await {
        Ok(configuration) => Ok(changed(&configuration, None)),
        Err(failure) => not_made(&doors, asked, failure).await,
    }
}

/// Has the change made, here or by the leader.
async fn make(
    doors: &Doors,
    asked: Asked,
    change: Change,
    member: Option<MemberId>,
) -> Result<Response<Body>, Refusal> {
    match doors.node.change(Ask::Change(change), asked.timeout).await {
        Ok(configuration) => Ok(changed(&configuration, member)),
        Err(failure) => not_made(doors, asked, failure).await,
    }
}

/// This member did not do it: perhaps the leader does.
async fn not_made(
    doors: &Doors,
    asked: Asked,
    failure: Failure,
) -> Result<Response<Body>, Refusal> {
    match failure {
        Failure::NotLeader { leader: Some(leader) } if asked.forward => {
            hand_on(doors, asked, leader).await
        }
        Failure::NotLeader { .. } if asked.forward => Err(unavailable(&doors.node.status())),
        failure => Err(Refusal::of_failure(failure, &doors.node.status())),
    }
}

/// The member is marked, and `leader` found that it may be restarted.
fn drained(configuration: &Configuration, id: MemberId, leader: MemberId) -> Response<Body> {
    let others = configuration.voters().filter(|voter| *voter != id).count();
    let voters = configuration.voters().count();
    let mut body = configuration_json(configuration);
    body["status"] = "drained".into();
    body["member"] = id.to_string().into();
    // A leader hands over first; the only voter has nobody to hand over to.
    body["safe_to_stop"] = (id != leader || others == 0).into();
    body["writes_go_on"] = (others > voters / 2).into();
    reply::json(StatusCode::OK, &body)
}

fn changed(configuration: &Configuration, member: Option<MemberId>) -> Response<Body> {
    let mut body = configuration_json(configuration);
    body["status"] = "changed".into();
    body["member"] = member.map(|member| member.to_string()).into();
    reply::json(StatusCode::OK, &body)
}

/// Puts the request to the leader, and its answer before the client.
async fn hand_on(doors: &Doors, asked: Asked, leader: MemberId) -> Result<Response<Body>, Refusal> {
    let status = &*doors.node.status();
    let address = &status.member(leader).ok_or_else(|| unavailable(status))?.address;
    let _turn = doors.ask_turns.take().ok_or_else(Refusal::overloaded)?;
    let path_and_query = asked.uri.path_and_query().map_or(asked.uri.path(), |both| both.as_str());
    let target = path_and_query.to_owned();
    let authorization = asked.visit.authorization().await;
    let Asked { method, body, .. } = asked;
    let question = Question { method, target, body, hand_on: false, authorization };
    match timeout(asked.timeout + FORWARD_GRACE, ask(&status.about.asker(), address, question))
        .await
    {
        Ok(Ok((StatusCode::NOT_FOUND, answer))) if is_unknown_path(&answer) => {
            let message = "the leader's version is older and does not know how; it was not done. \
                           Upgrade it, or hand leadership to an upgraded member";
            Err(Refusal::new(Code::FeatureLevel, message))
        }
        Ok(Ok((status, answer))) => {
            let json = axum::http::HeaderValue::from_static("application/json");
            Ok(reply::with_type(status, json, answer))
        }
        Ok(Err(NoAnswer::NotSent(_))) => Err(unavailable(status)),
        Ok(Err(NoAnswer::Broken(_))) | Err(_) => Err(Refusal::of_failure(Failure::Unknown, status)),
    }
}

fn is_unknown_path(answer: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(answer).unwrap_or_default();
    body["error"] == Code::UnknownPath.row().0
}

/// The member with this name or id; an id that is nobody's is for the leader to judge, who may
/// know more.
fn find(written: &str, status: &NodeStatus) -> Result<MemberId, Refusal> {
    match member_of(written, status) {
        Ok(id) => Ok(id),
        Err(refusal) => match u64::from_str_radix(written, 16) {
            Ok(id) if id != 0 => Ok(MemberId(id)),
            _ => Err(refusal),
        },
    }
}

fn address_of(fields: &TextFields) -> Result<String, Refusal> {
    let written = fields.get("address").ok_or_else(|| missing("address"))?;
    match Address::parse(written) {
        Ok(address) if address.port() != 0 => Ok(address.to_string()),
        _ => {
            let message = "an address is host:port, as other members reach it";
            Err(Refusal::new(Code::BadAddress, message).with("address", written))
        }
    }
}

/// None is a list too: then clients come to the member's address.
fn client_urls_of(written: &str) -> Result<Vec<String>, Refusal> {
    let urls = split_list(written);
    let is_url = |url: &String| {
        let authority = url.strip_prefix("http://").or(url.strip_prefix("https://"));
        authority.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic()))
    };
    match urls.iter().find(|url| !is_url(url)) {
        None => Ok(urls),
        Some(other) => {
            let message = "client_urls are URLs, separated by commas";
            Err(Refusal::new(Code::BadAddress, message).with("client_urls", other.as_str()))
        }
    }
}

fn read_id(written: &str) -> Result<MemberId, Refusal> {
    let id = u64::from_str_radix(written, 16).ok().filter(|id| *id != 0);
    id.map(MemberId).ok_or_else(|| {
        Refusal::new(Code::BadMember, "an id is up to 16 hexadecimal digits, not all 0")
            .with("id", written)
    })
}

fn read_incarnation(written: &str) -> Result<u128, Refusal> {
    let incarnation = u128::from_str_radix(written, 16).ok().filter(|number| *number != 0);
    incarnation.ok_or_else(|| {
        Refusal::new(Code::BadMember, "an incarnation is up to 32 hexadecimal digits, not all 0")
            .with("incarnation", written)
    })
}

fn missing(field: &'static str) -> Refusal {
    let message = format!("{field} is missing: send a JSON object with it");
    Refusal::new(Code::MissingField, message).with("field", field)
}

fn no_randomness() -> Refusal {
    Refusal::new(Code::Unavailable, "the system gives no randomness; it was not done. Try again")
}

/// One sentence of what to do about a change that can not be made, with what a program may want to
/// know: the table of all refusals of changes.
pub(super) fn refusal_of(refusal: replica::ChangeRefusal) -> Refusal {
    use replica::ChangeRefusal::*;
    let say = |code, todo: &str| Refusal::new(code, format!("{refusal}; it was not done. {todo}"));
    match refusal {
        InProgress => say(Code::ChangeInProgress, "Wait until that is over, and try again"),
        NotReady => say(Code::NotReady, "Try again in a moment"),
        UnknownMember(id) => with_id(say(Code::UnknownMember, "See /cluster/members"), id),
        Removed(id) => with_id(
            say(Code::MemberRemoved, "Its machine joins again with a fresh data directory"),
            id,
        ),
        IdTaken(id) => {
            with_id(say(Code::IdTaken, "A wiped member joins with `--join` and `--replace`"), id)
        }
        Invalid => say(Code::BadMember, "Name them within 255 bytes"),
        AddressTaken(id) => {
            with_id(say(Code::AddressTaken, "Remove that member, or replace it"), id)
        }
        NameTaken(id) => with_id(say(Code::NameTaken, "Choose another name"), id),
        TooManyMembers { max } => {
            say(Code::TooManyMembers, "Remove one first").with("members_max", max)
        }
        NotALearner(id) => {
            with_id(say(Code::NotALearner, "Only learners are promoted, and take places"), id)
        }
        NotAVoter(id) => with_id(say(Code::NotAVoter, "Only voters are replaced"), id),
        NotJoined(id) => with_id(say(Code::NotJoined, "Start it with --join, at its address"), id),
        LearnerBehind { matched, last } => {
            say(Code::LearnerBehind, "Wait until it has caught up: /cluster/status shows how far")
                .with("matched", matched.0)
                .with("last", last.0)
        }
        QuorumWouldBeLost { healthy, needed } => {
            say(Code::QuorumWouldBeLost, "Bring members back first, or add others")
                .with("healthy", healthy)
                .with("needed", needed)
        }
        BelowLevel { needed, level } => {
            let todo = "Once all members are upgraded, and none is to go back, raise the level: \
                        `raftkv member level --raise`";
            say(Code::FeatureLevel, todo).with("needed", needed).with("feature_level", level)
        }
        LevelHeld { by, level } => {
            let refusal = say(Code::FeatureLevel, "Upgrade that member first");
            with_id(refusal, by).with("feature_level", level)
        }
        Draining(id) => {
            let todo = "Wait until it is back, or give it up: `raftkv member drain --undo`";
            with_id(say(Code::MemberDraining, todo), id)
        }
        MemberDown(id) => {
            let todo = "Bring it back first, and let it catch up: /cluster/status shows how far";
            with_id(say(Code::MemberDown, todo), id)
        }
        MemberBehind { member, matched, last } => {
            let todo = "Wait until it has caught up: /cluster/status shows how far";
            let refusal = with_id(say(Code::MemberBehind, todo), member);
            refusal.with("matched", matched.0).with("last", last.0)
        }
        LastVoter => say(Code::LastVoter, "Add and promote another one first"),
    }
}

fn with_id(refusal: Refusal, id: MemberId) -> Refusal {
    refusal.with("member", id.to_string())
}
