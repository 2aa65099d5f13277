//! The one table of everything that can go wrong at a door, and what the client is told.
//!
//! A refusal is a [`Code`], a sentence that says what is wrong and what to do, and perhaps data.
//! The code decides the HTTP status; `docs/http.md` publishes the table. Errors of the layers
//! below are turned into refusals here and nowhere else, each `match` naming every variant, so
//! that a new way to fail does not compile until its answer is decided.

use std::borrow::Cow;

use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use replica::{Failure, Unserved, WatchEnd, WatchRefusal};
use serde_json::{Map, Value};
use store::{AuthRefused, CommandError, Origin, PinLifted, ReadError, Refused, Revision};

use super::alarms::serves_nothing;
use super::escape::BrokenEscape;
use super::reply;
use crate::access::{NotDone, Unknown};
use crate::node::{NodeStatus, Phase};
use crate::watch::{NotWatching, WATCHERS_PER_CONNECTION_MAX};

/// Says who leads, as `host:port`, with a `not_leader` refusal.
pub(super) const LEADER_HEADER: HeaderName = HeaderName::from_static("raftkv-leader");

/// A client that met a full queue waits this long before it comes again, in s.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// Browsers ask for a name and a password then.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"raftkv\", charset=\"UTF-8\"");

/// Writes the table down once, and makes of it the codes, their names and their statuses.
macro_rules! codes {
    ($($code:ident $name:literal $status:ident,)+) => {
        /// What is wrong, for programs. The names are published and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code {
            $($code,)+
        }

        impl Code {
            #[cfg(test)]
            pub(super) const ALL: &[Code] = &[$(Code::$code,)+];

            /// The code as clients read it, and the HTTP status that goes with it.
            pub(super) const fn row(self) -> (&'static str, StatusCode) {
                match self {
                    $(Code::$code => ($name, StatusCode::$status),)+
                }
            }
        }
    };
}

codes! {
    AddressTaken "address_taken" CONFLICT,
    AuthNotEnabled "auth_not_enabled" CONFLICT,
    BadAddress "bad_address" BAD_REQUEST,
    BadBase64 "bad_base64" BAD_REQUEST,
    BadCursor "bad_cursor" BAD_REQUEST,
    BadEscape "bad_escape" BAD_REQUEST,
    BadHeader "bad_header" BAD_REQUEST,
    BadParameter "bad_parameter" BAD_REQUEST,
    BadMember "bad_member" BAD_REQUEST,
    BadTtl "bad_ttl" BAD_REQUEST,
    ChangeInProgress "change_in_progress" CONFLICT,
    BeforeHistory "before_history" GONE,
    BodyTimeout "body_timeout" REQUEST_TIMEOUT,
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE,
    Compacted "compacted" GONE,
    ConditionFailed "condition_failed" PRECONDITION_FAILED,
    Corrupt "corrupt" SERVICE_UNAVAILABLE,
    DuplicateKey "duplicate_key" BAD_REQUEST,
    EmptyField "empty_field" BAD_REQUEST,
    EmptyKey "empty_key" BAD_REQUEST,
    ForbiddenHost "forbidden_host" FORBIDDEN,
    ForbiddenOrigin "forbidden_origin" FORBIDDEN,
    FeatureLevel "feature_level" CONFLICT,
    FutureRevision "future_revision" BAD_REQUEST,
    FutureTime "future_time" BAD_REQUEST,
    IdTaken "id_taken" CONFLICT,
    IncompleteBody "incomplete_body" BAD_REQUEST,
    KeyReused "key_reused" UNPROCESSABLE_ENTITY,
    KeyTooLarge "key_too_large" PAYLOAD_TOO_LARGE,
    LastVoter "last_voter" CONFLICT,
    LearnerBehind "learner_behind" CONFLICT,
    LeaseExists "lease_exists" CONFLICT,
    LeaseNotFound "lease_not_found" NOT_FOUND,
    MalformedJson "malformed_json" BAD_REQUEST,
    MemberBehind "member_behind" CONFLICT,
    MemberDown "member_down" CONFLICT,
    MemberDraining "member_draining" CONFLICT,
    MemberRemoved "member_removed" CONFLICT,
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED,
    MissingField "missing_field" BAD_REQUEST,
    MissingValue "missing_value" BAD_REQUEST,
    NameTaken "name_taken" CONFLICT,
    NoLeader "no_leader" SERVICE_UNAVAILABLE,
    NotALearner "not_a_learner" CONFLICT,
    NotAVoter "not_a_voter" CONFLICT,
    NoRoot "no_root" CONFLICT,
    NoSpace "no_space" INSUFFICIENT_STORAGE,
    NoTarget "no_target" CONFLICT,
    NoToken "no_token" BAD_REQUEST,
    NotFound "not_found" NOT_FOUND,
    NotJoined "not_joined" CONFLICT,
    NotLeader "not_leader" MISDIRECTED_REQUEST,
    NotTaken "not_taken" CONFLICT,
    NotReady "not_ready" SERVICE_UNAVAILABLE,
    OutcomeUnknown "outcome_unknown" GATEWAY_TIMEOUT,
    Overloaded "overloaded" SERVICE_UNAVAILABLE,
    PeersOnly "peers_only" FORBIDDEN,
    PermissionDenied "permission_denied" FORBIDDEN,
    PermissionNotGranted "permission_not_granted" CONFLICT,
    QuorumWouldBeLost "quorum_would_be_lost" CONFLICT,
    RaftHttpOff "raft_http_off" CONFLICT,
    RoleExists "role_exists" CONFLICT,
    RoleNotFound "role_not_found" NOT_FOUND,
    RoleNotGranted "role_not_granted" CONFLICT,
    RootStays "root_stays" CONFLICT,
    SessionExpired "session_expired" GONE,
    StaleRequest "stale_request" CONFLICT,
    Stopped "stopped" SERVICE_UNAVAILABLE,
    Superseded "superseded" SERVICE_UNAVAILABLE,
    TableFull "table_full" SERVICE_UNAVAILABLE,
    TooDeep "too_deep" BAD_REQUEST,
    TooManyWatches "too_many_watches" SERVICE_UNAVAILABLE,
    TooManyMembers "too_many_members" CONFLICT,
    TooManyOperations "too_many_operations" BAD_REQUEST,
    TooManyRequests "too_many_requests" TOO_MANY_REQUESTS,
    TransferFailed "transfer_failed" GATEWAY_TIMEOUT,
    Unauthenticated "unauthenticated" UNAUTHORIZED,
    Unavailable "unavailable" SERVICE_UNAVAILABLE,
    UnknownField "unknown_field" BAD_REQUEST,
    UnknownMember "unknown_member" NOT_FOUND,
    UnknownPath "unknown_path" NOT_FOUND,
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE,
    UpgradeRequired "upgrade_required" UPGRADE_REQUIRED,
    UserExists "user_exists" CONFLICT,
    UserNotFound "user_not_found" NOT_FOUND,
    ValueNotString "value_not_string" BAD_REQUEST,
    ValueTooLarge "value_too_large" PAYLOAD_TOO_LARGE,
}

/// An answer that is no. Boxed where it travels: it is rare, and results should stay small.
#[derive(Debug)]
pub(super) struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    message: Cow<'static, str>,
    data: Map<String, Value>,
    headers: HeaderMap,
}

impl Refusal {
    /// A refusal with a sentence that says what is wrong and what to do.
    pub(super) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Refusal {
        let (data, headers) = (Map::new(), HeaderMap::new());
        Refusal(Box::new(Parts { code, message: message.into(), data, headers }))
    }

    /// The same with one more thing that a program may want to know.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Refusal {
        self.0.data.insert(name.to_owned(), value.into());
        self
    }

    /// There is no room; the client should come again soon.
    pub(super) fn overloaded() -> Refusal {
        let message = "too many requests are waiting; it was not done. Try again after a moment";
        Refusal::new(Code::Overloaded, message).with_header(RETRY_AFTER, RETRY_AFTER_S)
    }

    /// The same for a client that asks for more than the others.
    pub(super) fn over_its_share() -> Refusal {
        let message = "many requests are waiting, and of this client more than of others; it was \
                       not done. Try again after a moment, or have fewer under way";
        Refusal::new(Code::Overloaded, message)
    }

    /// The client has asked more often than it may.
    pub(super) fn too_often() -> Refusal {
        let message = "this client asks more often than --max-requests-per-second lets it; it was \
                       not done. Retry-After says when to come again";
        Refusal::new(Code::TooManyRequests, message)
    }

    /// As many look at the events as may.
    pub(super) fn too_many_readers() -> Refusal {
        let message =
            "too many look at this member's events; look at another's, or try again later";
        Refusal::new(Code::Overloaded, message).with_header(RETRY_AFTER, RETRY_AFTER_S)
    }

    /// Nobody knows who asks, and it has to be known.
    pub(super) fn unauthenticated(message: &'static str) -> Refusal {
        Refusal::new(Code::Unauthenticated, message).with_header(WWW_AUTHENTICATE, CHALLENGE)
    }

    /// There is nothing to log out of: who asks showed something else.
    pub(super) fn no_token() -> Refusal {
        let message = "a logout ends the token that it comes with, and none is there: send it as \
                       Authorization: Bearer. A password goes when it is changed, and a \
                       certificate when its CA is";
        Refusal::new(Code::NoToken, message)
    }

    /// What is shown is neither a token nor a name and a password.
    pub(super) fn malformed_authorization() -> Refusal {
        Refusal::unauthenticated(
            "Authorization is `Basic` with base64 of name:password, or `Bearer` with a token",
        )
    }

    /// The write's condition did not hold; it was not done.
    pub(super) fn conflict(revision: Revision) -> Refusal {
        let message = "the condition does not hold; it was not done. Read the key and decide anew";
        Refusal::new(Code::ConditionFailed, message).with("revision", revision.0)
    }

    /// Nobody knows any more what was done in the session.
    pub(super) fn session_expired() -> Refusal {
        let message = "there is no such session (any more); it was not done now. If it was sent \
                       before, its outcome is unknown. Open a session with POST /session";
        Refusal::new(Code::SessionExpired, message)
    }

    /// The answer was acknowledged, and so is not kept.
    pub(super) fn stale_request() -> Refusal {
        let message = "the session has acknowledged the answer to this number; it was not done \
                       again. Take a higher number for another write";
        Refusal::new(Code::StaleRequest, message)
    }

    /// The key names another write.
    pub(super) fn key_reused() -> Refusal {
        let message = "this Idempotency-Key was used for another write; it was not done. Choose \
                       another key for each write";
        Refusal::new(Code::KeyReused, message)
    }

    /// No more sessions or keys can be remembered for now.
    pub(super) fn table_full() -> Refusal {
        let message = "too many sessions or keys are remembered, or 1,024 writes of the session \
                       are not acknowledged; it was not done. Acknowledge answers, with fewer \
                       writes at once in a session, or try again later";
        Refusal::new(Code::TableFull, message).with_header(RETRY_AFTER, RETRY_AFTER_S)
    }

    /// The outcome is unknown, and the way to learn it is to send the same again.
    pub(super) fn unknown_once(origin: &Origin) -> Refusal {
        let name = match origin {
            Origin::Key(key) => {
                format!("the same Idempotency-Key ({})", String::from_utf8_lossy(key))
            }
            Origin::Session { seq, .. } => {
                format!("the same number in the session (Raftkv-Session: …;{seq};…)")
            }
        };
        let message = format!(
            "it may have been done or may yet be: the answer did not come in time. Send it again \
             with {name}: it is done at most once"
        );
        Refusal::new(Code::OutcomeUnknown, message)
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Refusal {
        self.0.headers.insert(name, value);
        self
    }

    /// What the client is told when it may not have something done, or the member could not do it.
    pub(super) fn of_not_done(why: NotDone, status: &NodeStatus) -> Refusal {
        match why {
            NotDone::Refused(refused) => refused.into(),
            NotDone::Failed(failure) => Refusal::of_failure(failure, status),
        }
    }

    /// What the client is told when the member could not do what it asked.
    pub(super) fn of_failure(failure: Failure, status: &NodeStatus) -> Refusal {
        match failure {
            Failure::NotLeader { leader } => not_leader(leader, status),
            Failure::Unavailable => unavailable(status),
            Failure::Overloaded => Refusal::overloaded(),
            Failure::Corrupt => Refusal::new(
                Code::Corrupt,
                "the members hold different states and no majority agrees, so writes are refused; \
                 it was not done. See docs/operations.md, \"The members disagree\"",
            ),
            Failure::NoSpace => Refusal::new(
                Code::NoSpace,
                "too few members have room left on their disks, so writes that grow are refused; \
                 it was not done. Free space there or delete keys: /cluster/status of each member \
                 says how much it has. It goes on by itself then",
            ),
            Failure::NoMemory => Refusal::new(
                Code::NoSpace,
                "too few members have memory left, so writes that grow are refused; it was not \
                 done. Delete keys, or give the members more memory (--memory-limit): \
                 /cluster/status of each member says how much it uses. It goes on by itself then",
            ),
            Failure::Superseded => Refusal::new(
                Code::Superseded,
                "the leader changed and the write was dropped; it was not done. Send it again",
            ),
            Failure::Unknown => Refusal::new(
                Code::OutcomeUnknown,
                "it may have been done or may yet be: the answer did not come in time. Read the \
                 key before sending it again",
            ),
            Failure::NoTransferTarget => Refusal::new(
                Code::NoTarget,
                "there is no such other voter to hand leadership to; it has not moved",
            ),
            Failure::TransferFailed => Refusal::new(
                Code::TransferFailed,
                "leadership has not moved, but it may yet: see /cluster/leader, and \
                 /cluster/status for who is up to date",
            ),
            Failure::Refused(refusal) => super::membership::refusal_of(refusal),
        }
    }
}

fn not_leader(leader: Option<raft::MemberId>, status: &NodeStatus) -> Refusal {
    let refusal = Refusal::new(
        Code::NotLeader,
        "this member does not lead and was told not to forward; it was not done. Ask the leader",
    );
    let Some(leader) = leader else { return refusal.with("leader", Value::Null) };
    let member = super::cluster::member_json(leader, status);
    let told = status.member(leader).map(replica::Member::client_address);
    let address = told.and_then(|address| HeaderValue::from_str(address).ok());
    let refusal = refusal.with("leader", member);
    match address {
        Some(address) => refusal.with_header(LEADER_HEADER, address),
        None => refusal,
    }
}

/// Nobody could do it, and nobody will: says what this member knows of the reason.
pub(super) fn unavailable(status: &NodeStatus) -> Refusal {
    match &status.phase {
        Phase::Waiting(reason) => Refusal::new(
            Code::Unavailable,
            format!("this member has no cluster yet: {reason}. It was not done; try again"),
        ),
        Phase::Stopped(reason) => Refusal::new(
            Code::Stopped,
            format!("this member has stopped: {reason}. It was not done; ask another member"),
        ),
        Phase::Running => Refusal::new(
            Code::Unavailable,
            match serves_nothing(status) {
                Some(alarm) => {
                    Cow::from(format!("{}. It was not done; ask another member", alarm.message()))
                }
                None => Cow::from(
                    "no leader could be reached in time; it was not done. Try again, or see \
                     /cluster/status",
                ),
            },
        ),
    }
}

impl From<Unknown> for Refusal {
    fn from(unknown: Unknown) -> Refusal {
        match unknown {
            Unknown::WrongToken => Refusal::unauthenticated(
                "there is no such token, or it is over; it was not done. Log in again",
            ),
            Unknown::WrongPassword => {
                Refusal::unauthenticated("no user has this name and password; it was not done")
            }
            Unknown::Busy => Refusal::overloaded(),
        }
    }
}

impl From<AuthRefused> for Refusal {
    fn from(refused: AuthRefused) -> Refusal {
        let say =
            |code, todo: &str| Refusal::new(code, format!("{refused}; it was not done. {todo}"));
        match refused {
            AuthRefused::NoUser => Refusal::unauthenticated(
                "authentication is on, and nothing says who asks; it was not done. Send \
                 Authorization: Basic with a name and a password (raftkv --user), or a token",
            ),
            AuthRefused::StaleCredentials => Refusal::unauthenticated(
                "the user is gone, has another password now, or has logged out; it was not done",
            ),
            AuthRefused::Denied => say(Code::PermissionDenied, "Ask root for a role that may"),
            AuthRefused::NoRootUser | AuthRefused::NoRootRole => {
                say(Code::NoRoot, "Before: raftkv user add root; raftkv user grant root root")
            }
            AuthRefused::UserExists => say(Code::UserExists, "See raftkv user list"),
            AuthRefused::UserNotFound => say(Code::UserNotFound, "See raftkv user list"),
            AuthRefused::RoleExists => say(Code::RoleExists, "See raftkv role list"),
            AuthRefused::RoleNotFound => say(Code::RoleNotFound, "See raftkv role list"),
            AuthRefused::RoleNotGranted => say(Code::RoleNotGranted, "See raftkv user get"),
            AuthRefused::PermissionNotGranted => {
                say(Code::PermissionNotGranted, "See raftkv role get for those that it has")
            }
            AuthRefused::NotEnabled => {
                say(Code::AuthNotEnabled, "Everybody may do everything: no login is needed")
            }
            AuthRefused::RootStays => {
                say(Code::RootStays, "Turn authentication off before: raftkv auth disable")
            }
            AuthRefused::Full => say(Code::TableFull, "Delete some that are not needed"),
        }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Refusal {
        let sized = |code, bytes: usize, bytes_max: usize| {
            Refusal::new(code, error.to_string()).with("bytes", bytes).with("bytes_max", bytes_max)
        };
        match error {
            CommandError::EmptyKey => {
                Refusal::new(Code::EmptyKey, "the key is empty: name it after /kv/")
            }
            CommandError::KeyTooLarge { bytes, bytes_max } => {
                sized(Code::KeyTooLarge, bytes, bytes_max)
            }
            CommandError::RequestTooLarge { bytes, bytes_max } => {
                sized(Code::ValueTooLarge, bytes, bytes_max)
            }
            CommandError::ConditionOnRange
            | CommandError::NotOnce
            | CommandError::WrongSeq
            | CommandError::WrongOnceKey { .. } => Refusal::new(Code::BadHeader, error.to_string()),
            CommandError::TooManyOperations => {
                Refusal::new(Code::TooManyOperations, format!("{error}: make two of it"))
            }
            CommandError::TooDeep => Refusal::new(Code::TooDeep, error.to_string()),
            CommandError::DuplicateKey => Refusal::new(
                Code::DuplicateKey,
                format!("{error}: a key has one new value or none"),
            ),
            CommandError::WrongTtl => Refusal::new(Code::BadTtl, error.to_string()),
            CommandError::Setting(_)
            | CommandError::WrongName
            | CommandError::TooManyExpired
            | CommandError::ValueGiven => Refusal::new(Code::BadParameter, error.to_string()),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(reason: Refused) -> Refusal {
        match reason {
            Refused::KeyNotFound => Refusal::new(
                Code::NotFound,
                "a put that keeps the value needs a key that exists; nothing of it was done",
            ),
            Refused::LeaseNotFound => Refusal::new(
                Code::LeaseNotFound,
                "there is no such lease (any more), so it was not done. Grant one first",
            ),
            Refused::LeaseExists => Refusal::new(
                Code::LeaseExists,
                "there is a lease of this id; it was not done. Choose another id, or none",
            ),
            Refused::Unreadable(error) => error.into(),
            Refused::Auth(refused) => refused.into(),
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        let (code, bound, revision) = match error {
            ReadError::FutureRevision { newest, .. } => (Code::FutureRevision, "newest", newest),
            ReadError::Compacted { oldest, .. } => (Code::Compacted, "oldest", oldest),
        };
        Refusal::new(code, error.to_string()).with(bound, revision.0)
    }
}

impl From<PinLifted> for Refusal {
    fn from(lifted: PinLifted) -> Refusal {
        Refusal::new(Code::Compacted, lifted.to_string()).with("oldest", lifted.oldest.0)
    }
}

impl From<NotWatching> for Refusal {
    fn from(not_watching: NotWatching) -> Refusal {
        let too_many = |watchers_max: usize, who: &str| {
            let message = format!("{who} has {watchers_max} watches, which is all it may have");
            let refusal = Refusal::new(Code::TooManyWatches, message);
            refusal.with("watchers_max", watchers_max).with_header(RETRY_AFTER, RETRY_AFTER_S)
        };
        match not_watching {
            NotWatching::TooManyOnConnection => {
                too_many(WATCHERS_PER_CONNECTION_MAX, "this connection")
            }
            NotWatching::Refused(WatchRefusal::TooManyWatchers { watchers_max }) => {
                too_many(watchers_max, "this member")
            }
            NotWatching::Refused(WatchRefusal::EmptyRange) => {
                Refusal::new(Code::BadParameter, "no key can be in this range")
            }
            NotWatching::Refused(WatchRefusal::Compacted { requested, compact_revision }) => {
                WatchEnd::Compacted { requested, compact_revision }.into()
            }
            NotWatching::Refused(WatchRefusal::Unserved(why)) => WatchEnd::Unserved(why).into(),
        }
    }
}

impl From<WatchEnd> for Refusal {
    fn from(end: WatchEnd) -> Refusal {
        match end {
            WatchEnd::Compacted { requested, compact_revision: oldest } => {
                ReadError::Compacted { requested, oldest }.into()
            }
            WatchEnd::Unserved(why) => {
                let code = match why {
                    Unserved::NoState | Unserved::WrongState => Code::Unavailable,
                    Unserved::NoLeader => Code::NoLeader,
                    Unserved::Removed | Unserved::Stopped => Code::Stopped,
                };
                Refusal::new(code, format!("{why}: go on after the last revision at another one"))
            }
        }
    }
}

impl From<BrokenEscape> for Refusal {
    fn from(BrokenEscape { at }: BrokenEscape) -> Refusal {
        let message =
            "a % must be followed by two hexadecimal digits; write %25 for the sign itself";
        Refusal::new(Code::BadEscape, message).with("at", at)
    }
}

impl Refusal {
    /// What is wrong, in words.
    pub(super) fn message(&self) -> &str {
        &self.0.message
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        let (_, status) = self.0.code.row();
        status
    }

    /// The body of the answer.
    pub(super) fn into_body(self) -> Map<String, Value> {
        let Parts { code, message, data, .. } = *self.0;
        let (name, _) = code.row();
        let mut body = Map::new();
        body.insert("error".to_owned(), name.into());
        body.insert("message".to_owned(), message.into());
        body.extend(data);
        body
    }
}

impl IntoResponse for Refusal {
    fn into_response(mut self) -> Response {
        let (_, status) = self.0.code.row();
        let headers = std::mem::take(&mut self.0.headers);
        let mut response = reply::json(status, &self.into_body());
        response.headers_mut().extend(headers);
        response
    }
}
