//! Every endpoint, HTTP and `/v3/`, asked by everybody: the one table of who may what, held against
//! the doors (BUGS 20). An endpoint that is not in it fails the test.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use store::{
    Access, AuthChange, Command, KeyRange, LeaseId, Permission, Principal, Put, PutLifetime,
    Revision,
};

use super::world::{Answer, World};
use crate::access::Token;
use crate::config::Raw;
use crate::http::cursor::Cursor;
use crate::http::{Limits, routes};
use crate::node::{Node, WriteOptions, testing};

/// Who asks: nobody, somebody with a token that is none, and users: one without roles, one who may
/// read `r/`, one who may write `w/`, one who may both at `b/`, and root.
const ASKING: &str = "ainrwbR";

/// All of them.
const ALL: &str = ASKING;

/// The same by certificate: one that names no user, and that is nobody; a reader's; root's.
pub(crate) const BY_CERTIFICATE: [(char, &str); 3] = [('a', "app"), ('r', "reader"), ('R', "root")];

/// Every user.
const USERS: &str = "nrwbR";

/// A request, and who may.
struct Row {
    method: &'static str,
    target: &'static str,
    headers: &'static [&'static str],
    body: Value,
    may: &'static str,
}

fn row(method: &'static str, target: &'static str, may: &'static str) -> Row {
    Row { method, target, headers: &[], body: Value::Null, may }
}

impl Row {
    fn with(self, body: Value) -> Row {
        Row { body, ..self }
    }

    fn under(self, headers: &'static [&'static str]) -> Row {
        Row { headers, ..self }
    }
}

fn post(target: &'static str, body: Value, may: &'static str) -> Row {
    row("POST", target, may).with(body)
}

fn put(target: &'static str, may: &'static str) -> Row {
    row("PUT", target, may).with(json!({ "value": "x" }))
}

fn keys() -> Vec<Row> {
    vec![
        row("GET", "/kv/r/1", "rR"),
        row("GET", "/kv/b/1", "bR"),
        row("GET", "/kv/w/1", "R"),
        row("GET", "/kv/r/1?consistency=stale", "rR"),
        row("GET", "/kv/r/1?revision=2", "rR"),
        row("GET", "/kv/o/1?revision=2", "R"),
        row("GET", "/kv?prefix=r/", "rR"),
        row("GET", "/kv?prefix=r/&count_only=true", "rR"),
        row("GET", "/kv?prefix=r", "R"),
        row("GET", "/kv?from=r/&to=r/zzz", "rR"),
        row("GET", "/kv?from=r/1", "R"),
        row("GET", "/kv", "R"),
        row("GET", "/history/r/1", "rR"),
        row("GET", "/history/o/1", "R"),
        put("/kv/w/1", "wR"),
        put("/kv/r/1", "R"),
        put("/kv/b/1", "bR"),
        put("/kv/w/1?prev=true", "R"),
        put("/kv/b/1?prev=true", "bR"),
        put("/kv/w/1", "R").under(&["If-Match: \"99\""]),
        put("/kv/b/1", "bR").under(&["If-Match: \"99\""]),
        put("/kv/w/1", "R").under(&["If-None-Match: *"]),
        put("/kv/w/1", "wR").under(&["Idempotency-Key: k"]),
        put("/kv/o/1", "R").under(&["Idempotency-Key: k"]),
        put("/kv/w/9?lease=7", "wR"),
        put("/kv/w/9?lease=8", "R"),
        put("/kv/w/9?lease=9", "wR"),
        row("DELETE", "/kv/w/1", "wR"),
        row("DELETE", "/kv/w/1?prev=true", "R"),
        row("DELETE", "/kv/r/1", "R"),
        row("GET", "/kv-store?key=b", "bR"),
        row("GET", "/kv-store?key=b&field=1", "bR"),
        row("GET", "/kv-store?key=o", "R"),
        post("/kv-store", json!({ "type": "set", "key": "b", "field": "f", "value": "v" }), "bR"),
        post("/kv-store", json!({ "type": "set", "key": "o", "field": "f", "value": "v" }), "R"),
        post("/kv-store", json!({ "type": "delete", "key": "b" }), "bR"),
        post("/kv-store", json!({ "type": "delete", "key": "o" }), "R"),
        row("DELETE", "/kv-store?key=b", "bR"),
        row("DELETE", "/kv-store?key=b&field=1", "bR"),
        row("DELETE", "/kv-store?key=o", "R"),
    ]
}

fn transactions() -> Vec<Row> {
    let get = |key: &str| json!({ "get": { "key": key } });
    let put = |key: &str| json!({ "put": { "key": key, "value": "x" } });
    let delete = |key: &str| json!({ "delete": { "key": key } });
    let exists = |key: &str| json!({ "key": key, "version": 0, "op": ">" });
    let txn = |compare: &[Value], then: &[Value], otherwise: &[Value]| {
        let mut txn = json!({ "compare": compare, "then": then });
        txn["else"] = otherwise.into();
        txn
    };
    let ask = |body: Value, may| post("/txn", body, may);
    let within = |inner: Value| txn(&[], &[json!({ "txn": inner })], &[]);
    vec![
        ask(txn(&[], &[get("r/1")], &[]), "rR"),
        ask(txn(&[exists("r/1")], &[get("r/1")], &[]), "rR"),
        ask(txn(&[exists("o/1")], &[get("r/1")], &[]), "R"),
        ask(txn(&[], &[get("r/1")], &[get("o/1")]), "R"),
        ask(within(txn(&[], &[], &[get("o/1")])), "R"),
        ask(within(txn(&[exists("r/1")], &[get("r/1")], &[])), "rR"),
        ask(txn(&[], &[put("w/1")], &[]), "wR"),
        ask(txn(&[], &[put("w/1"), get("w/1")], &[]), "R"),
        ask(txn(&[exists("b/1")], &[put("b/1"), get("b/1")], &[delete("b/1")]), "bR"),
        ask(txn(&[exists("b/1")], &[put("b/1")], &[delete("o/1")]), "R"),
        ask(within(within(txn(&[], &[put("b/1")], &[]))), "bR"),
        ask(within(within(txn(&[], &[put("b/1")], &[put("o/1")]))), "R"),
    ]
}

fn leases_and_sessions() -> Vec<Row> {
    vec![
        row("GET", "/leases", USERS),
        post("/leases", json!({ "ttl": 60 }), USERS),
        row("GET", "/leases/7", USERS),
        row("GET", "/leases/7?keys=true", "R"),
        row("GET", "/leases/10?keys=true", "rR"),
        row("GET", "/leases/9?keys=true", USERS),
        row("POST", "/leases/7/keepalive", USERS),
        row("DELETE", "/leases/7", "wR"),
        row("DELETE", "/leases/8", "R"),
        row("DELETE", "/leases/9", USERS),
        row("POST", "/session", USERS),
        row("DELETE", "/session/17-9f3c01aa", USERS),
    ]
}

fn cluster() -> Vec<Row> {
    let address = json!({ "address": "localhost:1" });
    vec![
        row("GET", "/cluster/status", ALL),
        row("GET", "/cluster/leader", ALL),
        row("GET", "/cluster/members", ALL),
        post("/cluster/members", address.clone(), "R"),
        row("DELETE", "/cluster/members/5157", "R"),
        row("PATCH", "/cluster/members/5157", "R").with(address),
        row("POST", "/cluster/members/5157/promote", "R"),
        post("/cluster/members/5157/replace", json!({ "with": "9" }), "R"),
        row("POST", "/cluster/members/5157/drain", "R"),
        row("DELETE", "/cluster/members/5157/drain", "R"),
        row("POST", "/cluster/level", "R"),
        row("GET", "/cluster/settings", USERS),
        row("PATCH", "/cluster/settings", "R").with(json!({ "history_age_ms": 5 })),
        row("POST", "/cluster/transfer", "R"),
        post("/raft/vote", json!({}), "R"),
        post("/raft/append", json!({}), "R"),
        post("/compact", json!({ "revision": 2 }), "R"),
        row("GET", "/snapshot", "R"),
        row("GET", "/health", ALL),
        row("GET", "/livez", ALL),
        row("GET", "/livez/serializable_read", ALL),
        row("GET", "/readyz", ALL),
        row("GET", "/readyz/linearizable_read", ALL),
        row("GET", "/version", ALL),
        row("GET", "/metrics", ALL),
        row("GET", "/", ALL),
        row("GET", "/page/main.js", ALL),
        // Whoever may look does not get every key; `events.rs` asks for that.
        row("GET", "/events", USERS),
        row("GET", "/ws", USERS),
    ]
}

fn users() -> Vec<Row> {
    vec![
        row("GET", "/auth", USERS),
        row("POST", "/auth/enable", "R"),
        row("POST", "/auth/disable", "R"),
        // Whoever shows nothing that could be looked at is told that.
        post("/auth/login", json!({ "user": "x" }), ALL),
        row("POST", "/auth/logout", USERS),
        row("GET", "/users", "R"),
        post("/users", json!({ "name": "new" }), "R"),
        row("GET", "/users/reader", "rR"),
        row("GET", "/users/root", "R"),
        row("DELETE", "/users/reader", "R"),
        row("PUT", "/users/reader/password", "R").with(json!({})),
        row("PUT", "/users/reader/roles/root", "R"),
        row("DELETE", "/users/reader/roles/reader", "R"),
        row("GET", "/roles", "R"),
        post("/roles", json!({ "name": "new" }), "R"),
        row("GET", "/roles/reader", "rR"),
        row("GET", "/roles/root", "R"),
        row("DELETE", "/roles/reader", "R"),
        row("PUT", "/roles/reader/permissions?access=read&prefix=", "R"),
        row("DELETE", "/roles/reader/permissions?prefix=r/", "R"),
    ]
}

fn b64(text: &str) -> Value {
    BASE64_STANDARD.encode(text).into()
}

/// The services as JSON. What is said of `/kv` above holds here in the same way: a call is no
/// other way to the store.
fn v3_keys() -> Vec<Row> {
    let key = |key: &str| json!({ "key": b64(key) });
    let range = |from: &str, to: &str| json!({ "key": b64(from), "range_end": b64(to) });
    let value = |key: &str| json!({ "key": b64(key), "value": b64("x") });
    let mut prev = value("w/1");
    prev["prev_kv"] = true.into();
    let leased = |lease: &str| json!({ "key": b64("w/9"), "lease": lease });
    let compared = |key: &str| {
        json!({ "compare": [{ "key": b64(key), "target": "VERSION", "version": "1" }],
                "success": [{ "request_range": { "key": b64("r/1") } }] })
    };
    let within = |op: Value| {
        let inner = json!({ "failure": [op] });
        let middle = json!({ "success": [{ "request_txn": inner }] });
        json!({ "success": [{ "request_txn": middle }] })
    };
    vec![
        post("/v3/kv/range", key("r/1"), "rR"),
        post("/v3/kv/range", range("r/", "r0"), "rR"),
        post("/v3/kv/range", range("r/1", "\0"), "R"),
        post("/v3/kv/range", range("q", "r0"), "R"),
        post("/v3/kv/put", value("w/1"), "wR"),
        post("/v3/kv/put", prev, "R"),
        post("/v3/kv/put", leased("7"), "wR"),
        post("/v3/kv/put", leased("8"), "R"),
        post("/v3/kv/deleterange", range("w/", "w0"), "wR"),
        post("/v3/kv/deleterange", range("w/", "x"), "R"),
        post("/v3/kv/txn", compared("r/1"), "rR"),
        post("/v3/kv/txn", compared("o/1"), "R"),
        post("/v3/kv/txn", within(json!({ "request_put": value("b/1") })), "bR"),
        post("/v3/kv/txn", within(json!({ "request_put": value("o/1") })), "R"),
        post("/v3/kv/txn", within(json!({ "request_range": key("b/1") })), "bR"),
        post("/v3/kv/txn", within(json!({ "request_delete_range": key("b/1") })), "bR"),
        post("/v3/kv/txn", within(json!({ "request_delete_range": range("b/", "c") })), "R"),
        post("/v3/kv/compaction", json!({ "revision": "2" }), "R"),
        post("/v3/kv/compaction", json!({}), "R"),
        post("/v3/lease/grant", json!({ "TTL": "60" }), USERS),
        post("/v3/lease/revoke", json!({ "ID": "7" }), "wR"),
        post("/v3/kv/lease/revoke", json!({ "ID": "8" }), "R"),
        post("/v3/lease/timetolive", json!({ "ID": "7" }), USERS),
        post("/v3/lease/timetolive", json!({ "ID": "7", "keys": true }), "R"),
        post("/v3/kv/lease/timetolive", json!({ "ID": "10", "keys": true }), "rR"),
        post("/v3/lease/leases", json!({}), USERS),
        post("/v3/kv/lease/leases", json!({}), USERS),
    ]
}

fn v3_cluster() -> Vec<Row> {
    let leader = |key: &str| json!({ "leader": { "key": b64(key), "rev": "1" } });
    let name = |name: &str| json!({ "name": b64(name) });
    // All with one lease: whoever comes later finds the place taken by itself, and does not wait.
    let lease = |name: &str| json!({ "name": b64(name), "lease": "9", "value": b64("x") });
    let urls = json!({ "ID": "1", "peerURLs": ["http://localhost:1"] });
    vec![
        post("/v3/cluster/member/add", urls.clone(), "R"),
        post("/v3/cluster/member/remove", json!({ "ID": "1" }), "R"),
        post("/v3/cluster/member/update", urls, "R"),
        post("/v3/cluster/member/promote", json!({ "ID": "1" }), "R"),
        post("/v3/cluster/member/list", json!({}), USERS),
        post("/v3/maintenance/alarm", json!({}), "R"),
        post("/v3/maintenance/status", json!({}), USERS),
        post("/v3/maintenance/defragment", json!({}), "R"),
        post("/v3/maintenance/hash", json!({}), "R"),
        post("/v3/maintenance/hashkv", json!({}), "R"),
        post("/v3/maintenance/transfer-leadership", json!({}), "R"),
        post("/v3/maintenance/downgrade", json!({}), "R"),
        post("/v3/election/campaign", lease("b/e"), "bR"),
        post("/v3/election/campaign", lease("o/e"), "R"),
        post("/v3/election/proclaim", leader("b/e/1"), "bR"),
        post("/v3/election/proclaim", leader("o/e"), "R"),
        post("/v3/election/leader", name("r"), "rR"),
        post("/v3/election/leader", name("o"), "R"),
        post("/v3/election/resign", leader("b/e/1"), "bR"),
        post("/v3/election/resign", leader("o/e"), "R"),
        post("/v3/lock/lock", lease("b/l"), "bR"),
        post("/v3/lock/lock", lease("o/e"), "R"),
        post("/v3/lock/unlock", json!({ "key": b64("w/1") }), "wR"),
        post("/v3/lock/unlock", json!({ "key": b64("o/1") }), "R"),
    ]
}

fn v3_users() -> Vec<Row> {
    let granted = json!({ "name": "reader", "perm": { "permType": "READ", "key": b64("x") } });
    let forbidden = json!({ "role": "reader", "key": b64("r/"), "range_end": b64("r0") });
    let pair = json!({ "name": "reader", "user": "reader", "role": "reader" });
    vec![
        post("/v3/auth/enable", json!({}), "R"),
        post("/v3/auth/disable", json!({}), "R"),
        post("/v3/auth/status", json!({}), "R"),
        post("/v3/auth/authenticate", json!({ "name": "nobody" }), ALL),
        post("/v3/auth/user/add", json!({ "name": "new", "password": "p" }), "R"),
        post("/v3/auth/user/get", json!({ "name": "reader" }), "rR"),
        post("/v3/auth/user/get", json!({ "name": "root" }), "R"),
        post("/v3/auth/user/list", json!({}), "R"),
        post("/v3/auth/user/delete", json!({ "name": "reader" }), "R"),
        post("/v3/auth/user/changepw", json!({ "name": "reader", "password": "p" }), "R"),
        post("/v3/auth/user/grant", pair.clone(), "R"),
        post("/v3/auth/user/revoke", pair, "R"),
        post("/v3/auth/role/add", json!({ "name": "new" }), "R"),
        post("/v3/auth/role/get", json!({ "role": "reader" }), "rR"),
        post("/v3/auth/role/get", json!({ "role": "root" }), "R"),
        post("/v3/auth/role/list", json!({}), "R"),
        post("/v3/auth/role/delete", json!({ "role": "reader" }), "R"),
        post("/v3/auth/role/grant", granted, "R"),
        post("/v3/auth/role/revoke", forbidden, "R"),
    ]
}

/// Streams, which do not end by themselves: `grpc/tests/roles.rs` and `watch.rs` ask them.
const STREAMS: [&str; 4] = ["/watch", "/v3/watch", "/v3/lease/keepalive", "/v3/election/observe"];

/// Does something with no door in between.
pub(crate) async fn done(node: &Node, command: Command) -> store::Outcome {
    let options = WriteOptions { timeout: super::world::DEADLINE, forward: true };
    node.write(command, options).await.unwrap().outcome
}

/// The users of [`ASKING`] with their roles, keys and leases, and authentication on. Answers the
/// tokens.
pub(crate) async fn populated(node: &Node) -> Vec<(char, Option<String>)> {
    for (lease, keys) in [(7, &["w/l"][..]), (8, &["w/l8", "o/l"]), (9, &[]), (10, &["r/l"])] {
        let lease = LeaseId(lease);
        done(node, Command::LeaseGrant { lease, ttl_s: 600 }).await;
        for key in keys {
            let lifetime = PutLifetime::Lease(lease);
            done(node, Put { lifetime, ..Put::new(*key, "v") }.into()).await;
        }
    }
    for key in ["r/1", "w/1", "b/1", "o/1"] {
        done(node, Put::new(key, "v").into()).await;
    }
    for name in ["root", "nobody", "reader", "writer", "both"] {
        let (name, password_hash) = (name.into(), Some("hash".into()));
        done(node, Command::Auth(AuthChange::AddUser { name, password_hash })).await;
    }
    let roles = [
        ("root", None),
        ("reader", Some((Access::Read, "r/"))),
        ("writer", Some((Access::Write, "w/"))),
        ("both", Some((Access::ReadWrite, "b/"))),
    ];
    for (role, _) in roles {
        done(node, Command::Auth(AuthChange::AddRole { name: role.into() })).await;
        let (user, role) = (role.into(), role.into());
        done(node, Command::Auth(AuthChange::GrantRole { user, role })).await;
    }
    for (role, granted) in roles {
        if let Some((access, prefix)) = granted {
            let permission = Permission::new(access, &KeyRange::Prefix(prefix.into()));
            let role = role.into();
            done(node, Command::Auth(AuthChange::GrantPermission { role, permission })).await;
        }
    }
    done(node, Command::Auth(AuthChange::Enable)).await;
    let mut tokens = vec![('a', None), ('i', Some("nothing.1".to_owned()))];
    let users = [('n', "nobody"), ('r', "reader"), ('w', "writer"), ('b', "both"), ('R', "root")];
    for (mark, user) in users {
        tokens.push((mark, Some(logged_in(node, user).await)));
    }
    tokens
}

async fn logged_in(node: &Node, user: &str) -> String {
    let credentials = node.store().auth().user(user).unwrap().credentials;
    let principal = Principal { user: user.into(), credentials };
    let token_hash = Token::hash_of(user);
    match done(node, Command::Auth(AuthChange::LogIn { principal, token_hash })).await {
        store::Outcome::LoggedIn { index, .. } => Token::new(user.to_owned(), index).to_string(),
        other => panic!("{other:?}"),
    }
}

/// Whether it was refused for who asks, and in which way.
fn refused(answer: &Answer) -> Option<&'static str> {
    match answer.status {
        401 => Some("unauthenticated"),
        403 => Some("forbidden"),
        // etcd has another code for one who shows nothing, and none for what a lock's own client
        // is refused.
        400 | 500 => match answer.json()["message"].as_str() {
            Some("etcdserver: user name is empty") => Some("unauthenticated"),
            Some("etcdserver: permission denied") => Some("forbidden"),
            _ => None,
        },
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_gets_what_is_theirs_and_nothing_else() {
    let tables = [
        keys(),
        transactions(),
        leases_and_sessions(),
        cluster(),
        users(),
        v3_keys(),
        v3_cluster(),
        v3_users(),
    ];
    let rows: Vec<Row> = tables.into_iter().flatten().collect();
    let mut wrong = Vec::new();
    for Row { method, target, headers, body, may } in &rows {
        let (mut world, mut tokens) = fresh().await;
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        for mark in ASKING.chars() {
            let token = tokens.remove(&mark).unwrap();
            let shown = token.map(|token| format!("Authorization: Bearer {token}"));
            let headers: Vec<&str> = headers.iter().copied().chain(shown.as_deref()).collect();
            let found = refused(&world.request(method, target, &headers, &body).await);
            let expected = match (may.contains(mark), mark) {
                (true, _) => None,
                (false, 'a' | 'i') => Some("unauthenticated"),
                (false, _) => Some("forbidden"),
            };
            if found != expected {
                let body = String::from_utf8_lossy(&body).into_owned();
                wrong.push(format!("{method} {target} {body} by {mark}: {found:?}"));
            }
            if found.is_none() && *method != "GET" {
                // It may have been done: whoever comes next finds everything as it was.
                (world, tokens) = fresh().await;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_shows_a_certificate_is_whom_it_names() {
    let tables = [
        keys(),
        transactions(),
        leases_and_sessions(),
        cluster(),
        users(),
        v3_keys(),
        v3_cluster(),
        v3_users(),
    ];
    let mut wrong = Vec::new();
    for Row { method, target, headers, body, may } in tables.into_iter().flatten() {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        for (mark, user) in BY_CERTIFICATE {
            let node = testing::single();
            populated(&node).await;
            let world = World::named(node, user).await;
            let found = refused(&world.request(method, target, headers, &body).await);
            let expected = match (may.contains(mark), mark) {
                (true, _) => None,
                (false, 'a') => Some("unauthenticated"),
                (false, _) => Some("forbidden"),
            };
            if found != expected {
                wrong.push(format!("{method} {target} by the certificate of {user}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_token_comes_before_a_certificate_and_nobody_names_themselves() {
    let node = testing::single();
    let tokens: BTreeMap<_, _> = populated(&node).await.into_iter().collect();
    let root = World::named(node.clone(), "root").await;
    let readers = format!("Authorization: Bearer {}", tokens[&'r'].as_ref().unwrap());
    assert_eq!(root.ask("GET", "/kv/o/1").await.status, 200);
    let answer = root.request("GET", "/kv/o/1", &[&readers], b"").await;
    answer.assert_refused(403, "permission_denied");
    let answer = root.request("GET", "/kv/o/1", &["Authorization: Bearer x.1"], b"").await;
    answer.assert_refused(401, "unauthenticated");

    let forged = ["Raftkv-Certificate-User: root"];
    let plain = World::with(node.clone(), Raw::default(), Limits::default()).await;
    plain.request("GET", "/kv/o/1", &forged, b"").await.assert_refused(401, "unauthenticated");
    let asked = json!({ "key": b64("o/1") }).to_string();
    for way in ["", "Grpc-Metadata-"] {
        let forged = format!("{way}Raftkv-Certificate-User: root");
        for (target, asked) in [("/v3/kv/range", asked.as_str()), ("/v3/lease/leases", "{}")] {
            let answer = plain.request("POST", target, &[&forged], asked.as_bytes()).await;
            assert_eq!(refused(&answer), Some("unauthenticated"), "{target} {forged}");
        }
    }
    let reader = World::named(node.clone(), "reader").await;
    reader.request("GET", "/kv/o/1", &forged, b"").await.assert_refused(403, "permission_denied");

    // One who is removed is nobody, at once and on the same connection.
    let mut client = reader.connect().await;
    let asked = super::world::request("GET", "/kv/r/1", &[], b"");
    client.send(&asked).await;
    assert_eq!(client.answer().await.status, 200);
    let credentials = node.store().auth().user("root").unwrap().credentials;
    let principal = Principal { user: "root".into(), credentials };
    let command = Box::new(Command::Auth(AuthChange::DeleteUser { name: "reader".into() }));
    done(&node, Command::As { principal, command }).await;
    client.send(&asked).await;
    client.answer().await.assert_refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_that_was_ended_is_nobodys() {
    let node = testing::single();
    let tokens: BTreeMap<_, _> = populated(&node).await.into_iter().collect();
    let world = World::with(node.clone(), Raw::default(), Limits::default()).await;
    let shown = |token: &str| format!("Authorization: Bearer {token}");
    let token = tokens[&'r'].as_deref().unwrap();
    let (reader, root) = (shown(token), shown(tokens[&'R'].as_deref().unwrap()));
    let another = shown(&logged_in(&node, "reader").await);
    let ask = async |header: &str, method: &str, target: &str| {
        world.request(method, target, &[header], b"").await
    };

    let early = ask(&reader, "POST", "/auth/logout").await;
    early.assert_refused(409, "feature_level");
    assert_eq!(early.json()["needed"], 3);
    assert_eq!(ask(&reader, "GET", "/kv/r/1").await.status, 200, "it goes on");
    assert_eq!(ask(&root, "POST", "/cluster/level").await.status, 200);

    // Of its own entry, and with another secret.
    let (_, index) = token.split_once('.').unwrap();
    let forged = ask(&shown(&format!("forged.{index}")), "POST", "/auth/logout").await;
    forged.assert_refused(401, "unauthenticated");
    let mut client = world.connect().await;
    let read = super::world::request("GET", "/kv/r/1", &[&reader], b"");
    client.send(&read).await;
    assert_eq!(client.answer().await.status, 200);

    let ended = ask(&reader, "POST", "/auth/logout").await;
    assert_eq!((ended.status, &ended.json()["status"]), (200, &json!("changed")));
    client.send(&read).await;
    client.answer().await.assert_refused(401, "unauthenticated");
    let etcds = format!("Token: {token}");
    for (method, target, header) in [
        ("GET", "/kv/r/1", &reader),
        ("GET", "/kv/r/1?consistency=stale", &reader),
        ("PUT", "/kv/r/1", &reader),
        ("GET", "/auth", &reader),
        ("GET", "/events", &reader),
        ("GET", "/kv/r/1", &etcds),
        ("POST", "/auth/logout", &reader),
    ] {
        ask(header, method, target).await.assert_refused(401, "unauthenticated");
    }
    let asked = json!({ "key": b64("r/1") }).to_string();
    let answer = world.request("POST", "/v3/kv/range", &[&reader], asked.as_bytes()).await;
    assert_eq!(refused(&answer), Some("unauthenticated"));
    assert_eq!(ask(&another, "GET", "/kv/r/1").await.status, 200, "of the same user");
    assert_eq!(ask(&root, "GET", "/kv/r/1").await.status, 200);
}

#[tokio::test]
async fn a_logout_needs_a_token_to_end() {
    let node = testing::single();
    let tokens: BTreeMap<_, _> = populated(&node).await.into_iter().collect();
    let world = World::with(node.clone(), Raw::default(), Limits::default()).await;
    let certified = World::named(node.clone(), "reader").await;
    let root = format!("Authorization: Bearer {}", tokens[&'R'].as_ref().unwrap());
    let log_out = async |world: &World, headers: &[&str]| {
        world.request("POST", "/auth/logout", headers, b"").await
    };
    assert_eq!(world.request("POST", "/cluster/level", &[&root], b"").await.status, 200);
    let password = br#"{"password":"p"}"#;
    let set = world.request("PUT", "/users/reader/password", &[&root], password).await;
    assert_eq!(set.status, 200);

    let basic = format!("Authorization: Basic {}", BASE64_STANDARD.encode("reader:p"));
    for refused in [log_out(&world, &[&basic]).await, log_out(&certified, &[]).await] {
        refused.assert_refused(400, "no_token");
        assert!(refused.text().contains("Authorization: Bearer"), "{}", refused.text());
    }
    log_out(&world, &[]).await.assert_refused(401, "unauthenticated");
    let token = format!("Authorization: Bearer {}", logged_in(&node, "reader").await);
    assert_eq!(log_out(&certified, &[&token]).await.status, 200, "a token comes first");
    log_out(&certified, &[&token]).await.assert_refused(401, "unauthenticated");

    assert_eq!(world.request("POST", "/auth/disable", &[&root], b"").await.status, 200);
    for headers in [&[][..], &[&*root]] {
        log_out(&world, headers).await.assert_refused(409, "auth_not_enabled");
    }
}

/// Anybody can make a cursor: it leads nowhere but on in its own listing.
#[tokio::test]
async fn a_forged_cursor_leads_out_of_no_listing() {
    let (world, tokens) = fresh().await;
    let shown = format!("Authorization: Bearer {}", tokens[&'r'].as_ref().unwrap());
    let revision = world.request("GET", "/kv?prefix=r/", &[&shown], b"").await.json();
    let revision = Revision(revision["revision"].as_u64().unwrap());
    // What `next` would be bound to, had it been given out for this listing.
    let scope = [&b"prefix="[..], &2_u64.to_be_bytes(), b"r/"].concat();
    for start in ["", "a", "o/1", "r/"] {
        let forged = Cursor { revision, start: start.into(), skip: 0 }.encode(&scope);
        let target = format!("/kv?prefix=r/&limit=1000&after={forged}");
        let page = world.request("GET", &target, &[&shown], b"").await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        let keys: Vec<&str> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["key"].as_str().unwrap())
            .collect();
        assert_eq!(keys, ["r/1", "r/l"], "from {start}");
    }
}

/// A member, and the tokens of those who ask it.
async fn fresh() -> (World, BTreeMap<char, Option<String>>) {
    let node = testing::single();
    let tokens = populated(&node).await.into_iter().collect();
    (World::with(node, Raw::default(), Limits::default()).await, tokens)
}

/// Which route a target is of.
fn route_of(target: &str, routes: &[&'static str]) -> &'static str {
    let path: Vec<&str> = target.split('?').next().unwrap_or_default().split('/').collect();
    let fits = |route: &str| {
        let parts: Vec<&str> = route.split('/').collect();
        let rest = parts.last().is_some_and(|last| last.starts_with("{*"));
        let known = if rest { parts.len() - 1 } else { parts.len() };
        let lengths = if rest { path.len() > known } else { path.len() == known };
        lengths
            && parts[..known]
                .iter()
                .zip(&path)
                .all(|(part, given)| part == given || (part.starts_with('{') && !given.is_empty()))
    };
    routes.iter().find(|route| fits(route)).copied().unwrap_or_default()
}

#[test]
fn every_endpoint_is_in_the_table() {
    let rows = [keys(), transactions(), leases_and_sessions(), cluster(), users()];
    let routes: Vec<&str> = routes().into_iter().map(|(route, _)| route).collect();
    let asked = rows.iter().flatten().map(|row| route_of(row.target, &routes));
    let asked: Vec<&str> = asked.collect();
    for route in routes {
        // A key without a name is none.
        let is_asked = asked.contains(&route) || STREAMS.contains(&route);
        assert!(is_asked || ["/kv/", "/history/"].contains(&route), "{route}");
    }
    let rows = [v3_keys(), v3_cluster(), v3_users()];
    let asked: Vec<&str> = rows.iter().flatten().map(|row| row.target).collect();
    let gateway = include_str!("../../grpc/gateway.rs");
    let paths = gateway.split('"').filter(|text| text.starts_with("/v3/"));
    for path in paths {
        assert!(asked.contains(&path) || STREAMS.contains(&path), "{path}");
    }
}
