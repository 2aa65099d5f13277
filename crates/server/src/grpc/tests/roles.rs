//! Who may what, where JSON does not reach: streams, and the calls that have no path under `/v3/`.
//! The rest is in `http/tests/roles.rs`; that nothing is in neither is tested here.

use proto::etcd::etcdserverpb::kv_client::KvClient as EtcdKvClient;
use proto::etcd::etcdserverpb::lease_client::LeaseClient;
use proto::etcd::etcdserverpb::maintenance_client::MaintenanceClient;
use proto::etcd::etcdserverpb::watch_client::WatchClient;
use proto::etcd::etcdserverpb::watch_request::RequestUnion;
use proto::etcd::etcdserverpb::{
    LeaseKeepAliveRequest, RangeRequest, SnapshotRequest, WatchCreateRequest, WatchRequest,
    WatchResponse,
};
use proto::etcd::v3electionpb::LeaderRequest;
use proto::etcd::v3electionpb::election_client::ElectionClient;
use proto::raftkv::kv_client::KvClient;
use proto::raftkv::{DeleteRequest, GetRequest, SetRequest};
use store::{AuthChange, Command, Put};
use tokio::time::{Duration, timeout};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::world::{connected, connected_as};
use crate::access::Token;
use crate::http::tests::roles::{BY_CERTIFICATE, done, populated};
use crate::node::{Node, testing};

/// Nothing in these tests takes this long.
const DEADLINE: Duration = Duration::from_secs(20);

/// What tells nothing for so long tells nothing: one who may observe has nothing to see here.
const QUIET: Duration = Duration::from_millis(100);

type Shown = Option<String>;

fn with<T>(message: T, token: &Shown) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("token", token.parse().unwrap());
    }
    request
}

/// Whether a call was refused for who made it, by its code.
fn refused<T>(answer: Result<T, Status>) -> Option<Code> {
    let status = answer.err()?;
    let is_about_users = [
        "etcdserver: user name is empty",
        "etcdserver: invalid auth token",
        "etcdserver: permission denied",
    ];
    is_about_users.contains(&status.message()).then(|| status.code())
}

/// The first message of a stream, or how it ends; nothing to tell is well too.
async fn first<T>(answer: Result<tonic::Response<Streaming<T>>, Status>) -> Result<(), Status> {
    let mut stream = answer?.into_inner();
    match timeout(QUIET, stream.message()).await {
        Ok(told) => told.map(drop),
        Err(_) => Ok(()),
    }
}

async fn range(channel: Channel, token: Shown) -> Option<Code> {
    let asked = RangeRequest { key: "r/1".into(), ..RangeRequest::default() };
    refused(EtcdKvClient::new(channel).range(with(asked, &token)).await)
}

async fn keep_alive(channel: Channel, token: Shown) -> Option<Code> {
    let asked = tokio_stream::once(LeaseKeepAliveRequest { id: 7 });
    let answer = LeaseClient::new(channel).lease_keep_alive(with(asked, &token)).await;
    refused(first(answer).await)
}

async fn observe(channel: Channel, token: Shown) -> Option<Code> {
    let asked = LeaderRequest { name: "r".into() };
    refused(first(ElectionClient::new(channel).observe(with(asked, &token)).await).await)
}

async fn snapshot(channel: Channel, token: Shown) -> Option<Code> {
    let asked = with(SnapshotRequest {}, &token);
    refused(first(MaintenanceClient::new(channel).snapshot(asked).await).await)
}

async fn get(channel: Channel, token: Shown) -> Option<Code> {
    let asked = GetRequest { key: "r/1".into() };
    refused(KvClient::new(channel).get(with(asked, &token)).await)
}

async fn set(channel: Channel, token: Shown) -> Option<Code> {
    let asked = SetRequest { key: "w/1".into(), value: "x".into(), ttl_ms: 0 };
    refused(KvClient::new(channel).set(with(asked, &token)).await)
}

async fn delete(channel: Channel, token: Shown) -> Option<Code> {
    let asked = DeleteRequest { key: "w/1".into() };
    refused(KvClient::new(channel).delete(with(asked, &token)).await)
}

/// Asks as everybody of `populated`, and says who got something else than they should.
macro_rules! by_everybody {
    ($($call:ident $may:literal,)+) => {{
        let mut wrong = Vec::new();
        $(
            let node = testing::single();
            let tokens = populated(&node).await;
            let channel = connected(node.clone()).await;
            let mut asking = Vec::new();
            for (mark, token) in tokens {
                asking.push((mark, token, channel.clone()));
            }
            for (mark, user) in BY_CERTIFICATE {
                asking.push((mark, None, connected_as(user, node.clone()).await));
            }
            for (mark, token, channel) in asking {
                let found = timeout(DEADLINE, $call(channel, token)).await.unwrap();
                let expected = match (str::contains($may, mark), mark) {
                    (true, _) => None,
                    (false, 'a') => Some(Code::InvalidArgument),
                    (false, 'i') => Some(Code::Unauthenticated),
                    (false, _) => Some(Code::PermissionDenied),
                };
                if found != expected {
                    wrong.push(format!("{} by {mark}: {found:?}", stringify!($call)));
                }
            }
        )+
        assert!(wrong.is_empty(), "{wrong:#?}");
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_calls_gets_what_is_theirs_and_nothing_else() {
    by_everybody! {
        range "rR",
        keep_alive "nrwbR",
        observe "rR",
        snapshot "R",
        get "rR",
        set "wR",
        delete "wR",
    }
}

/// A watch of these keys, and its first response.
async fn watch(
    channel: Channel,
    token: &Shown,
    (key, range_end): (&'static str, &'static str),
) -> (WatchResponse, Streaming<WatchResponse>) {
    let create = WatchCreateRequest {
        key: key.into(),
        range_end: range_end.into(),
        ..WatchCreateRequest::default()
    };
    let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let requests = tokio_stream::iter([request]);
    let answer = WatchClient::new(channel).watch(with(requests, token)).await.unwrap();
    let mut stream = answer.into_inner();
    let told = timeout(DEADLINE, stream.message()).await.unwrap().unwrap().unwrap();
    (told, stream)
}

/// As etcd does it, that is said in a response and does not end the stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_sees_what_is_theirs_and_nothing_else() {
    let node = testing::single();
    let tokens = populated(&node).await;
    let channel = connected(node).await;
    for (range, may) in [
        (("r/1", ""), "rR"),
        (("r/", "r0"), "rR"),
        (("r/1", "\0"), "R"),
        (("r", "s"), "R"),
        (("b/1", ""), "bR"),
        (("w/1", ""), "R"),
        (("", "\0"), "R"),
    ] {
        for (mark, token) in &tokens {
            let (told, _stream) = watch(channel.clone(), token, range).await;
            let reason = match (may.contains(*mark), mark) {
                (true, _) => String::new(),
                (false, 'a') => full("InvalidArgument", "user name is empty"),
                (false, 'i') => full("Unauthenticated", "invalid auth token"),
                (false, _) => full("PermissionDenied", "permission denied"),
            };
            assert!(told.created);
            assert_eq!(told.canceled, !reason.is_empty(), "{range:?} by {mark}");
            assert_eq!(told.cancel_reason, reason, "{range:?} by {mark}");
            assert_eq!(told.watch_id, if reason.is_empty() { 0 } else { -1 });
        }
    }
}

fn full(code: &str, message: &str) -> String {
    format!("rpc error: code = {code} desc = etcdserver: {message}")
}

/// A reader and root, who watch the same keys.
struct Watching {
    node: Node,
    /// The reader's.
    token: String,
    reads: Streaming<WatchResponse>,
    roots: Streaming<WatchResponse>,
}

impl Watching {
    async fn begin() -> Watching {
        let node = testing::single();
        let tokens = populated(&node).await;
        let token = |wanted| tokens.iter().find(|(mark, _)| *mark == wanted).unwrap().1.clone();
        let channel = connected(node.clone()).await;
        let (_, reads) = watch(channel.clone(), &token('r'), ("r/", "r0")).await;
        let (_, roots) = watch(channel, &token('R'), ("r/", "r0")).await;
        Watching { node, token: token('r').unwrap(), reads, roots }
    }

    async fn done_by_root(&self, command: Command) {
        done(&self.node, as_root(&self.node, command)).await;
    }

    /// Of what happens next the reader is told nothing, but why.
    async fn reader_is_told_only(&mut self, reason: String) {
        self.done_by_root(Put::new("r/1", "unseen").into()).await;
        let told = next(&mut self.reads).await;
        assert!(told.canceled && told.events.is_empty());
        assert_eq!(told.cancel_reason, reason);
        assert_eq!(next(&mut self.roots).await.events.len(), 1, "others see it");
    }
}

async fn next(stream: &mut Streaming<WatchResponse>) -> WatchResponse {
    timeout(DEADLINE, stream.message()).await.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_when_its_user_may_not_watch_any_more() {
    let mut watching = Watching::begin().await;
    watching.done_by_root(Put::new("r/1", "seen").into()).await;
    for stream in [&mut watching.reads, &mut watching.roots] {
        assert_eq!(next(stream).await.events.len(), 1);
    }
    let (role, key, range_end) = ("reader".into(), "r/".into(), "r0".into());
    let forbid = AuthChange::RevokePermission { role, key, range_end };
    watching.done_by_root(Command::Auth(forbid)).await;
    watching.reader_is_told_only(full("PermissionDenied", "permission denied")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_with_the_login_that_it_came_in_by() {
    let mut watching = Watching::begin().await;
    watching.node.change(replica::Request::RaiseLevel, DEADLINE).await.unwrap();
    let (secret, index) = watching.token.split_once('.').unwrap();
    let (index, token_hash) = (index.parse().unwrap(), Token::hash_of(secret));
    watching.done_by_root(Command::Auth(AuthChange::LogOut { index, token_hash })).await;
    watching.reader_is_told_only(full("Unauthenticated", "invalid auth token")).await;
}

fn as_root(node: &crate::node::Node, command: Command) -> Command {
    let credentials = node.store().auth().user("root").unwrap().credentials;
    let principal = store::Principal { user: "root".into(), credentials };
    Command::As { principal, command: Box::new(command) }
}

/// What is asked above, by its name in the .proto files; and what answers nobody.
const HERE: [&str; 9] = [
    "Observe",
    "LeaseKeepAlive",
    "Snapshot",
    "Watch",
    "Get",
    "Set",
    "Delete",
    "RangeStream",
    "Authenticate",
];

#[test]
fn every_call_is_asked_by_everybody() {
    let gateway = include_str!("../gateway.rs");
    for proto::Call { method, .. } in proto::CALLS {
        // Paths of the gateway are all in the other table.
        let in_json = gateway.contains(&format!("=> {},", snake_case(method)));
        assert!(in_json || HERE.contains(method), "{method}");
    }
}

/// The method's name, of a call's.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut after_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = letter.is_ascii_lowercase();
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
