//! `/livez` and `/readyz`: a list of checks each, and the answer to all of them or to one.
//!
//! - `/livez`, for restarting it: `serializable_read`.
//! - `/readyz`, for sending it traffic: `data_corruption`, `serializable_read`,
//!   `linearizable_read`, `non_learner`.
//!
//! The names, and the text in which they are told, are etcd's. A probe that fails, and asks for no
//! more than yes or no, is refused as any request is.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode, Uri};

use super::alarms::{Alarm, alarms, shows_a_state};
use super::error::{Code, Refusal, unavailable};
use super::kv::await_store;
use super::query::{Consistency, Query};
use super::{Doors, reply};
use crate::node::{Node, Phase};

/// A member that is ready answers a read within this time, if the probe does not say.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

const EXCLUDE: &str = "exclude";

/// What can be asked of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// The process runs, and its log is sound: whatever the others do, and whatever its state is,
    /// of which another start would make nothing better.
    Alive,
    /// The members' states agree, and this one is not in quarantine.
    DataCorruption,
    /// There is a state here, and not one that is known to be wrong.
    SerializableRead,
    /// A read that sees every acknowledged write would succeed now.
    LinearizableRead,
    /// It has a vote, or has been given one: a learner refuses most of etcd's calls.
    NonLearner,
}

const LIVE: &[Check] = &[Check::Alive];
const READY: &[Check] =
    &[Check::DataCorruption, Check::SerializableRead, Check::LinearizableRead, Check::NonLearner];

impl Check {
    const fn name(self) -> &'static str {
        match self {
            Check::DataCorruption => "data_corruption",
            Check::Alive | Check::SerializableRead => "serializable_read",
            Check::LinearizableRead => "linearizable_read",
            Check::NonLearner => "non_learner",
        }
    }

    async fn run(self, node: &Node, timeout: Duration) -> Result<(), Refusal> {
        let status = node.status();
        match self {
            Check::Alive => match status.phase {
                Phase::Stopped(_) => Err(unavailable(&status)),
                Phase::Waiting(_) | Phase::Running => Ok(()),
            },
            Check::DataCorruption => match alarms(&status).into_iter().find(Alarm::is_corrupt) {
                Some(Alarm::Quarantined { .. }) => Err(unavailable(&status)),
                Some(alarm) => Err(Refusal::new(Code::Corrupt, alarm.message())),
                None => Ok(()),
            },
            Check::SerializableRead => match status.phase {
                Phase::Running if shows_a_state(&status) => Ok(()),
                _ => Err(unavailable(&status)),
            },
            Check::LinearizableRead => {
                await_store(node, Consistency::Linearizable, timeout).await.map(drop)
            }
            Check::NonLearner if status.is_learner() => Err(Refusal::new(
                Code::Unavailable,
                "this member is a learner: it refuses most of what clients of etcd ask",
            )),
            Check::NonLearner => Ok(()),
        }
    }
}

/// `GET /livez`.
pub(super) async fn live(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse_with_many(request.uri().query(), &["verbose"], EXCLUDE)?;
    all(LIVE, &doors.node, &query).await
}

/// `GET /readyz`.
pub(super) async fn ready(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let known = &["timeout_ms", "verbose"];
    let query = Query::parse_with_many(request.uri().query(), known, EXCLUDE)?;
    all(READY, &doors.node, &query).await
}

/// `GET /livez/{check}`.
pub(super) async fn live_check(
    State(doors): State<Arc<Doors>>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    one(LIVE, &name, &doors.node, request.uri()).await
}

/// `GET /readyz/{check}`.
pub(super) async fn ready_check(
    State(doors): State<Arc<Doors>>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    one(READY, &name, &doors.node, request.uri()).await
}

/// All checks but those that the probe leaves out. A name that is none leaves nothing out: checks
/// come and go between versions.
async fn all(checks: &[Check], node: &Node, query: &Query) -> Result<Response<Body>, Refusal> {
    let excluded: Vec<&[u8]> = query.all(EXCLUDE).collect();
    let wanted = |check: &&Check| !excluded.contains(&check.name().as_bytes());
    let report = Report::of(checks.iter().filter(wanted), node, timeout(query)?).await;
    let verbose = query.flag("verbose")?;
    match report.refusal {
        Some(refusal) if !verbose && excluded.is_empty() => Err(refusal),
        refusal => Ok(told(report.text, refusal.is_some(), verbose)),
    }
}

/// One check alone.
async fn one(
    checks: &[Check],
    name: &str,
    node: &Node,
    uri: &Uri,
) -> Result<Response<Body>, Refusal> {
    let Some(check) = checks.iter().find(|check| check.name() == name) else {
        let message = "there is no such check; ?verbose shows those that there are";
        return Err(Refusal::new(Code::UnknownPath, message).with("path", uri.path()));
    };
    let known = &["timeout_ms", "verbose"];
    let query = Query::parse_with_many(uri.query(), known, EXCLUDE)?;
    let report = Report::of([check].into_iter(), node, timeout(&query)?).await;
    Ok(told(report.text, report.refusal.is_some(), query.flag("verbose")?))
}

fn timeout(query: &Query) -> Result<Duration, Refusal> {
    match query.bytes("timeout_ms") {
        Some(_) => query.timeout(),
        None => Ok(READY_TIMEOUT),
    }
}

/// What came of several checks.
#[derive(Default)]
struct Report {
    /// A line for each.
    text: String,
    /// Of the first that failed.
    refusal: Option<Refusal>,
}

impl Report {
    async fn of(checks: impl Iterator<Item = &Check>, node: &Node, timeout: Duration) -> Report {
        let mut report = Report::default();
        for check in checks {
            let name = check.name();
            let written = match check.run(node, timeout).await {
                Ok(()) => writeln!(report.text, "[+]{name} ok"),
                Err(refusal) => {
                    let written = writeln!(report.text, "[-]{name} failed: {}", refusal.message());
                    report.refusal.get_or_insert(refusal);
                    written
                }
            };
            written.expect("a string takes what is written");
        }
        report
    }
}

/// In etcd's text: what failed is always told, what succeeded to those who want to know.
fn told(checks: String, failed: bool, verbose: bool) -> Response<Body> {
    match (failed, verbose) {
        (true, _) => reply::text(StatusCode::SERVICE_UNAVAILABLE, checks),
        (false, true) => reply::text(StatusCode::OK, checks + "ok\n"),
        (false, false) => reply::text(StatusCode::OK, "ok\n"),
    }
}
