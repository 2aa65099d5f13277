//! `/cluster/settings`: what all members go by (rule 4.5).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use serde::Serialize;
use store::{Command, Need, Outcome, Settings, SettingsChange};

use super::error::{Code, Refusal};
use super::kv::{ready_to_read, write};
use super::query::{Query, may_forward};
use super::{Doors, body, once, reply};
use crate::access::Visit;
use crate::node::{WriteOptions, Written};

const EXAMPLE: &str = r#"{"history_age_ms": 3600000, "history_bytes": 268435456}"#;

#[derive(Serialize)]
struct Shown {
    /// 0 is without a limit.
    history_age_ms: u64,
    history_bytes: u64,
    /// The entry that changed them last; 0 while nobody has.
    changed_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<u64>,
}

impl From<Settings> for Shown {
    fn from(settings: Settings) -> Shown {
        let Settings { history_age_ms, history_bytes, changed_index } = settings;
        Shown { history_age_ms, history_bytes, changed_index, log_index: None, term: None }
    }
}

/// `GET /cluster/settings`.
pub(super) async fn get(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &["consistency", "timeout_ms"])?;
    ready_to_read(&visit, Need::Known, query.consistency()?, query.timeout()?).await?;
    let settings = doors.node.store().published().settings;
    Ok(reply::json(StatusCode::OK, &Shown::from(settings)))
}

/// `PATCH /cluster/settings`: sets what the body names.
pub(super) async fn patch(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &["timeout_ms"])?;
    let (timeout, forward) = (query.timeout()?, may_forward(request.headers())?);
    // A name would be refused: asked for again, it does no harm.
    let origin = once::origin(request.headers(), &doors.node)?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    let command = Command::ChangeSettings(change_of(&body)?);
    let options = WriteOptions { timeout, forward };
    let Written { log_id, outcome, .. } = write(&visit, command, options, origin.as_ref()).await?;
    let Outcome::SettingsChanged { settings } = outcome else {
        panic!("a change of the settings came to {outcome:?}");
    };
    let (log_index, term) = (Some(log_id.index.0), Some(log_id.term.0));
    Ok(reply::json(StatusCode::OK, &Shown { log_index, term, ..settings.into() }))
}

fn change_of(body: &[u8]) -> Result<SettingsChange, Refusal> {
    let mut change = SettingsChange::default();
    for (field, number) in body::numbers(body, EXAMPLE)? {
        match field.as_str() {
            "history_age_ms" => change.history_age_ms = Some(number),
            "history_bytes" => change.history_bytes = Some(number),
            _ => return Err(body::unexpected_field(&field, "history_age_ms and history_bytes")),
        }
    }
    if change == SettingsChange::default() {
        let message = format!("name what to change: write {EXAMPLE}");
        return Err(Refusal::new(Code::MissingField, message));
    }
    Ok(change)
}
