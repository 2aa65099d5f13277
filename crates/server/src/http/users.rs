//! `/auth`, `/users` and `/roles`: who may do what.
//!
//! | | |
//! |---|---|
//! | `GET /auth`, `POST /auth/enable`, `/auth/disable` | whether requests need a user |
//! | `POST /auth/login`, `/auth/logout` | a password for a token; its end |
//! | `/users`, `/users/{name}`, `…/password`, `…/roles/{role}` | users |
//! | `/roles`, `/roles/{name}`, `…/permissions` | roles |

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use store::{Access, Auth, AuthChange, AuthRefused, Command, KeyRange, Need, Outcome, Permission};

use super::body::TextFields;
use super::error::{Code, Refusal};
use super::escape::text_or_base64;
use super::kv::{ready_to_read, write};
use super::query::{Consistency, Query, bad, may_forward};
use super::selection::range_of;
use super::{Doors, body, reply};
use crate::access::{NotLoggedIn, Unknown, Visit, can_be_set, log_in};
use crate::node::{WriteOptions, Written};

const READ_PARAMETERS: [&str; 2] = ["consistency", "timeout_ms"];
const WRITE_PARAMETERS: [&str; 1] = ["timeout_ms"];
const PERMISSION_PARAMETERS: [&str; 6] = ["access", "key", "prefix", "from", "to", "timeout_ms"];

type Answer = Result<Response<Body>, Refusal>;

/// What `Query` and headers say of how a change is to be made.
fn options(query: &Query, request: &Request<Body>) -> Result<WriteOptions, Refusal> {
    Ok(WriteOptions { timeout: query.timeout()?, forward: may_forward(request.headers())? })
}

/// Makes a change, as whoever asks.
async fn make(visit: &Visit, change: AuthChange, options: WriteOptions) -> Answer {
    let Written { log_id, outcome, .. } =
        write(visit, Command::Auth(change), options, None).await?;
    match outcome {
        Outcome::AuthChanged { .. } => {
            let (log_index, term) = (log_id.index.0, log_id.term.0);
            let body = json!({ "status": "changed", "log_index": log_index, "term": term });
            Ok(reply::json(StatusCode::OK, &body))
        }
        other => panic!("a change of who may do what came to {other:?}"),
    }
}

/// A change that needs no more than its path.
async fn simply(visit: &Visit, request: Request<Body>, change: AuthChange) -> Answer {
    let query = Query::parse(request.uri().query(), &WRITE_PARAMETERS)?;
    make(visit, change, options(&query, &request)?).await
}

/// What a change says of itself in its body: a JSON object of these texts.
async fn described(
    doors: &Doors,
    request: Request<Body>,
    names: &'static [&'static str],
) -> Result<(TextFields, WriteOptions), Refusal> {
    let query = Query::parse(request.uri().query(), &WRITE_PARAMETERS)?;
    let options = options(&query, &request)?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    Ok((TextFields::read(&body, names)?, options))
}

/// The tables for whoever may see this of them.
async fn tables(
    visit: &Visit,
    request: Request<Body>,
    need: Need<'_>,
) -> Result<Arc<Auth>, Refusal> {
    let query = Query::parse(request.uri().query(), &READ_PARAMETERS)?;
    ready_to_read(visit, need, query.consistency()?, query.timeout()?).await?;
    Ok(visit.node().store().auth())
}

/// `GET /auth`.
pub(super) async fn auth(visit: Visit, request: Request<Body>) -> Answer {
    let auth = tables(&visit, request, Need::Known).await?;
    let body = json!({
        "enabled": auth.is_enabled(),
        "revision": auth.revision(),
        "user": visit.user(),
    });
    Ok(reply::json(StatusCode::OK, &body))
}

/// `POST /auth/enable`.
pub(super) async fn enable(visit: Visit, request: Request<Body>) -> Answer {
    simply(&visit, request, AuthChange::Enable).await
}

/// `POST /auth/disable`.
pub(super) async fn disable(visit: Visit, request: Request<Body>) -> Answer {
    simply(&visit, request, AuthChange::Disable).await
}

/// `POST /auth/login`.
pub(super) async fn login(State(doors): State<Arc<Doors>>, request: Request<Body>) -> Answer {
    let query = Query::parse(request.uri().query(), &WRITE_PARAMETERS)?;
    let timeout = query.timeout()?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    let fields = TextFields::read(&body, &["user", "password"])?;
    let (user, password) = (field(&fields, "user")?, field(&fields, "password")?);
    let (token, _) =
        log_in(&doors.node, user, password, timeout).await.map_err(|why| match why {
            NotLoggedIn::NoPassword => Unknown::WrongPassword.into(),
            NotLoggedIn::Unknown(unknown) => unknown.into(),
            NotLoggedIn::NotDone(why) => Refusal::of_not_done(why, &doors.node.status()),
        })?;
    Ok(reply::json(StatusCode::OK, &json!({ "token": token.to_string() })))
}

/// `POST /auth/logout`: ends the token that it shows.
pub(super) async fn logout(visit: Visit, request: Request<Body>) -> Answer {
    let query = Query::parse(request.uri().query(), &WRITE_PARAMETERS)?;
    let options = options(&query, &request)?;
    // One that another member has ended is over here too.
    let newest = Consistency::Linearizable;
    ready_to_read(&visit, Need::Known, newest, options.timeout).await?;
    if !visit.node().store().auth().is_enabled() {
        return Err(AuthRefused::NotEnabled.into());
    }
    let change = visit.log_out().ok_or_else(Refusal::no_token)?;
    make(&visit, change, options).await
}

/// `GET /users`.
pub(super) async fn users(visit: Visit, request: Request<Body>) -> Answer {
    let auth = tables(&visit, request, Need::Root).await?;
    let users: Vec<Value> = auth.users().map(|(name, user)| user_json(name, user)).collect();
    Ok(reply::json(StatusCode::OK, &json!({ "users": users })))
}

/// `POST /users`: adds one.
pub(super) async fn add_user(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Answer {
    let (fields, options) = described(&doors, request, &["name", "password"]).await?;
    let name = field(&fields, "name")?.into();
    let password_hash = hash(&visit, fields.get("password")).await?;
    make(&visit, AuthChange::AddUser { name, password_hash }, options).await
}

/// `GET /users/{name}`.
pub(super) async fn user(visit: Visit, Path(name): Path<String>, request: Request<Body>) -> Answer {
    let auth = tables(&visit, request, Need::User(&name)).await?;
    let user = auth.user(&name).ok_or(AuthRefused::UserNotFound)?;
    Ok(reply::json(StatusCode::OK, &user_json(&name, user)))
}

/// `DELETE /users/{name}`.
pub(super) async fn delete_user(
    visit: Visit,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Answer {
    simply(&visit, request, AuthChange::DeleteUser { name: name.into() }).await
}

/// `PUT /users/{name}/password`.
pub(super) async fn set_password(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Answer {
    let (fields, options) = described(&doors, request, &["password"]).await?;
    let password_hash = hash(&visit, fields.get("password")).await?;
    make(&visit, AuthChange::SetPassword { name: name.into(), password_hash }, options).await
}

/// `PUT /users/{name}/roles/{role}`.
pub(super) async fn grant_role(
    visit: Visit,
    Path((user, role)): Path<(String, String)>,
    request: Request<Body>,
) -> Answer {
    let change = AuthChange::GrantRole { user: user.into(), role: role.into() };
    simply(&visit, request, change).await
}

/// `DELETE /users/{name}/roles/{role}`.
pub(super) async fn revoke_role(
    visit: Visit,
    Path((user, role)): Path<(String, String)>,
    request: Request<Body>,
) -> Answer {
    let change = AuthChange::RevokeRole { user: user.into(), role: role.into() };
    simply(&visit, request, change).await
}

/// `GET /roles`.
pub(super) async fn roles(visit: Visit, request: Request<Body>) -> Answer {
    let auth = tables(&visit, request, Need::Root).await?;
    let roles: Vec<Value> = auth.roles().map(|(name, role)| role_json(name, role)).collect();
    Ok(reply::json(StatusCode::OK, &json!({ "roles": roles })))
}

/// `POST /roles`: adds one.
pub(super) async fn add_role(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Answer {
    let (fields, options) = described(&doors, request, &["name"]).await?;
    let name = field(&fields, "name")?.into();
    make(&visit, AuthChange::AddRole { name }, options).await
}

/// `GET /roles/{name}`.
pub(super) async fn role(visit: Visit, Path(name): Path<String>, request: Request<Body>) -> Answer {
    let auth = tables(&visit, request, Need::Role(&name)).await?;
    let role = auth.role(&name).ok_or(AuthRefused::RoleNotFound)?;
    Ok(reply::json(StatusCode::OK, &role_json(&name, role)))
}

/// `DELETE /roles/{name}`.
pub(super) async fn delete_role(
    visit: Visit,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Answer {
    simply(&visit, request, AuthChange::DeleteRole { name: name.into() }).await
}

/// `PUT /roles/{name}/permissions?access=…`.
pub(super) async fn grant(
    visit: Visit,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Answer {
    let query = Query::parse(request.uri().query(), &PERMISSION_PARAMETERS)?;
    let access = match query.bytes("access").as_deref() {
        Some(b"read") => Access::Read,
        Some(b"write") => Access::Write,
        Some(b"readwrite") => Access::ReadWrite,
        _ => return Err(bad("access", "is read, write or readwrite")),
    };
    let permission = Permission::new(access, &keys(&query)?);
    let change = AuthChange::GrantPermission { role: name.into(), permission };
    make(&visit, change, options(&query, &request)?).await
}

/// `DELETE /roles/{name}/permissions`.
pub(super) async fn revoke(
    visit: Visit,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Answer {
    let query = Query::parse(request.uri().query(), &PERMISSION_PARAMETERS[1..])?;
    let Permission { key, range_end, .. } = Permission::new(Access::Read, &keys(&query)?);
    let change = AuthChange::RevokePermission { role: name.into(), key, range_end };
    make(&visit, change, options(&query, &request)?).await
}

/// Which keys; all of them only if that is said.
fn keys(query: &Query) -> Result<KeyRange, Refusal> {
    let (prefix, from, to) = (query.bytes("prefix"), query.bytes("from"), query.bytes("to"));
    match query.bytes("key") {
        Some(key) if prefix.is_none() && from.is_none() && to.is_none() => match key.is_empty() {
            true => Err(bad("key", "is not empty; all keys are prefix=")),
            false => Ok(KeyRange::Single(key)),
        },
        Some(_) => Err(bad("key", "and prefix, from and to exclude each other")),
        None if prefix.is_none() && from.is_none() && to.is_none() => {
            Err(bad("key", "or prefix, or from and to, must be there; all keys are prefix="))
        }
        None => range_of(prefix, from, to),
    }
}

fn field<'a>(fields: &'a TextFields, name: &'static str) -> Result<&'a str, Refusal> {
    fields.get(name).ok_or_else(|| {
        let message = format!("{name} is missing: send a JSON object with it");
        Refusal::new(Code::MissingField, message).with("field", name)
    })
}

/// What is kept of a password; none for no password.
async fn hash(visit: &Visit, password: Option<&str>) -> Result<Option<Arc<str>>, Refusal> {
    // Whoever may not set one does not have it looked at.
    visit.permit(Need::Root).await?;
    let Some(password) = password else { return Ok(None) };
    if password.is_empty() || !can_be_set(password) {
        let message = "a password has 1 to 1,024 bytes; leave it out for a user who has none";
        return Err(Refusal::new(Code::BadParameter, message).with("field", "password"));
    }
    Ok(Some(visit.node().access().hash(password).await?))
}

fn user_json(name: &str, user: &store::User) -> Value {
    let roles: Vec<&str> = user.roles.iter().map(|role| &**role).collect();
    json!({ "name": name, "has_password": user.password_hash.is_some(), "roles": roles })
}

fn role_json(name: &str, role: &store::Role) -> Value {
    let permissions: Vec<Value> = role.permissions().map(|granted| shown(&granted)).collect();
    json!({ "name": name, "permissions": permissions })
}

fn shown(permission: &Permission) -> Value {
    let access = match permission.access {
        Access::Read => "read",
        Access::Write => "write",
        Access::ReadWrite => "readwrite",
    };
    let mut shown = json!({ "access": access });
    let mut tell = |name: &str, bytes: &[u8]| match text_or_base64(bytes) {
        (Some(text), _) => shown[name] = text.into(),
        (None, base64) => shown[format!("{name}_base64")] = base64.into(),
    };
    let range = permission.range();
    let prefix = KeyRange::Prefix(permission.key.clone());
    let all = Permission::new(permission.access, &KeyRange::all());
    match &range {
        _ if *permission == all => tell("prefix", b""),
        KeyRange::Single(key) => tell("key", key),
        _ if Permission::new(permission.access, &prefix) == *permission => {
            tell("prefix", &permission.key);
        }
        KeyRange::Between { start, end } => {
            tell("from", start);
            tell("to", end);
        }
        KeyRange::From(from) | KeyRange::Prefix(from) => tell("from", from),
    }
    shown
}
