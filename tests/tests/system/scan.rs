//! Every door of a member, tried by strangers: whatever they ask for, in whatever way, they are
//! told nothing that was planted in keys, values, users, roles and leases, nothing is done for
//! them, and nothing has changed when they go. What is open to them stands in [`OPEN`], with its
//! reason.
//!
//! The routes, the paths of `/v3/` and the calls of gRPC are read out of the sources: a new one is
//! tried, or the test says that it does not know what to send there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use system_tests::member::Member;
use system_tests::ports::Ports;
use system_tests::program;
use system_tests::scratch::Scratch;
use system_tests::stranger::{Stranger, Told};
use system_tests::wait;
use system_tests::{h2, http};

/// What is planted. Of letters that [`Told::says`] finds however they are written.
const KEY: &str = "coastiestoat";
const VALUE: &str = "cacaotaciest";
const USER: &str = "socioatesist";
const ROLE: &str = "otiosestacco";
const LEASE: &str = "102102212011";

const PLANTED: [&str; 5] = [KEY, VALUE, USER, ROLE, LEASE];

/// `root:secret`, and a password that is wrong.
const ROOT: &str = "Authorization: Basic cm9vdDpzZWNyZXQ=\r\n";
const WRONG: &str = "Authorization: Basic cm9vdDpndWVzcw==\r\n";

/// What strangers are answered, by route, and why. docs/security.md has the same table.
const OPEN: [(&str, &str); 14] = [
    ("GET /", "the dashboard's page: a login is asked for there"),
    ("GET /page/{*file}", "its files, the same for everybody"),
    (
        "GET /cluster/status",
        "members, health and numbers: supervisors and clients look for a leader",
    ),
    ("GET /cluster/leader", "whom to ask"),
    ("GET /cluster/members", "whom to ask"),
    ("GET /health", "probes"),
    ("GET /livez", "probes"),
    ("GET /livez/{check}", "probes"),
    ("GET /readyz", "probes"),
    ("GET /readyz/{check}", "probes"),
    ("GET /version", "clients look what they speak to"),
    ("GET /metrics", "scrapers; numbers alone"),
    ("/grpc.health.v1.Health/Check", "probes"),
    ("/grpc.health.v1.Health/Watch", "probes"),
];

/// The same of members' paths, where no TLS tells members from others.
const OPEN_TO_PEERS: [(&str, &str); 4] = [
    ("GET /raft/hello", "members find each other before there is a cluster"),
    ("GET /raft/append", "a stream, whose handshake then asks for ids that nobody else has"),
    ("GET /raft/snapshot", "the same"),
    ("GET /raft/events", "of members to each other; it has no keys"),
];

const METHODS: [&str; 10] =
    ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "LINK"];

/// A member in which something is planted, and a way to it for strangers.
struct Scanned {
    stranger: Stranger,
    has_tls: bool,
    member_id: String,
    _member: Member,
    _ports: Ports,
    _scratch: Scratch,
}

impl Scanned {
    fn start(has_tls: bool, has_users: bool) -> Scanned {
        let (scratch, ports) = (Scratch::new(), Ports::in_a_row(1));
        let port = ports.numbers()[0];
        let file = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
        let (cert, key) = (file("node-1.crt"), file("node-1.key"));
        let mut settings = vec!["--wal-segment-bytes", "4MiB"];
        if has_tls {
            for words in [&["ca"][..], &["member", "node-1"]] {
                let line =
                    [&["cert"], words, &["--dir", scratch.path().to_str().unwrap()]].concat();
                assert_eq!(program::run(scratch.path(), &line).code, Some(0));
            }
            settings.extend(["--cert-file", &cert, "--key-file", &key]);
        }
        let mut member = Member::new("node-1".to_owned(), port, scratch.path(), &settings);
        member.start();
        let stranger = match has_tls {
            true => Stranger::by_tls(port, Path::new(&file("ca.crt"))),
            false => Stranger::plain(port),
        };
        wait::until_true("it listens", || http::connect(port).is_ok());
        wait::until_true("it serves", || stranger.ask("GET /readyz", "", "").status() == Some(200));
        wait::until_true("its cluster has its settings", || {
            stranger.ask("GET /cluster/settings", "", "").json()["changed_index"].as_u64() > Some(0)
        });
        let status = stranger.ask("GET /cluster/status", "", "").json();
        let member_id = status["id"].as_str().unwrap_or_default().to_owned();
        let scanned = Scanned {
            stranger,
            has_tls,
            member_id,
            _member: member,
            _ports: ports,
            _scratch: scratch,
        };
        scanned.plant(has_users);
        scanned
    }

    fn plant(&self, has_users: bool) {
        let lease: u64 = LEASE.parse().unwrap();
        let value = json!({ "value": VALUE, "lease": lease });
        let named = |name: &str| json!({ "name": name, "password": name });
        for (line, body) in [
            ("POST /leases", json!({ "ttl": 360_000, "id": lease })),
            (&format!("PUT /kv/{KEY}"), value.clone()),
            (&format!("PUT /kv/{KEY}%2ffield"), value),
        ] {
            self.done(line, &body);
        }
        if !has_users {
            return;
        }
        let granted = format!("PUT /users/{USER}/roles/{ROLE}");
        for (line, body) in [
            ("POST /roles", json!({ "name": ROLE })),
            ("POST /users", named(USER)),
            (&granted, Value::Null),
            ("POST /users", json!({ "name": "root", "password": "secret" })),
            ("PUT /users/root/roles/root", Value::Null),
            ("POST /auth/enable", Value::Null),
        ] {
            self.done(line, &body);
        }
    }

    fn done(&self, line: &str, body: &Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let told = self.stranger.ask(line, "", &body);
        assert!(told.status().is_some_and(|status| status < 300), "{line}: {}", told.text());
    }

    /// All that root can see of the state.
    fn state(&self) -> Vec<Value> {
        let status = || self.stranger.ask("GET /cluster/status", "", "").json();
        // The page is made anew now and then: what was done before it was asked for is in the next.
        let made = status()["uptime_ms"].take();
        let mut status = wait::until("the page is made anew", || {
            Some(status()).filter(|status| status["uptime_ms"] != made)
        });
        let kept = ["revision", "compact_revision", "state_hash", "keys", "sessions"];
        let mut state: Vec<Value> = kept.iter().map(|name| status[*name].take()).collect();
        assert!(state.iter().all(|value| !value.is_null()), "{state:?}");
        for page in ["/users", "/roles", "/kv?limit=1000", "/cluster/members", "/cluster/settings"]
        {
            let told = self.stranger.ask(&format!("GET {page}"), ROOT, "");
            assert_eq!(told.status(), Some(200), "{page}: {}", told.text());
            state.push(told.json());
        }
        state
    }

    /// A route as it is asked for.
    fn filled(&self, route: &str) -> String {
        let who = if route.starts_with("/roles") { ROLE } else { USER };
        let filled = [
            ("{*key}", KEY),
            ("{*file}", "main.js"),
            ("{check}", "serializable_read"),
            ("{id}", LEASE),
            ("{member}", &self.member_id),
            ("{name}", who),
            ("{role}", ROLE),
        ];
        let path =
            filled.iter().fold(route.to_owned(), |path, (name, with)| path.replace(name, with));
        assert!(!path.contains('{'), "what is to be sent to {route}?");
        path
    }

    fn is_open(&self, method: &str, route: &str) -> bool {
        // What is shown to one who looks is told to one who looks whether it is there.
        let method = if method == "HEAD" { "GET" } else { method };
        let about = format!("{method} {route}");
        let peers: &[_] = if self.has_tls { &[] } else { &OPEN_TO_PEERS };
        OPEN.iter().chain(peers).any(|(open, _)| *open == about)
    }

    /// Says it, and looks at what the stranger is told.
    fn tries(&self, what: &str, said: &str, told: &Told, is_open: bool) {
        self.told_nothing(what, said, told);
        let is_served = told.status().is_none_or(|status| status < 400) && !is_refused_within(told);
        assert!(!is_served || is_open, "{what} is served: {}", told.text());
        let goes_on = told.goes_on && !is_refused_within(told);
        assert!(!goes_on || is_open, "{what} goes on: {}", told.text());
    }

    /// Whoever says something hears nothing new when it hears that.
    fn told_nothing(&self, what: &str, said: &str, told: &Told) {
        for planted in PLANTED.iter().filter(|planted| !said.contains(**planted)) {
            assert!(!told.says(planted), "{what} tells {planted}: {}", told.text());
        }
    }

    fn asks(&self, line: &str, headers: &str, body: &str, is_open: bool) {
        let told = self.stranger.ask(line, headers, body);
        self.tries(
            &format!("{line} {headers:?}"),
            &format!("{line}{headers}{body}"),
            &told,
            is_open,
        );
    }
}

/// What is wrong with a stream is told within it, as etcd does.
fn is_refused_within(told: &Told) -> bool {
    let text = told.text();
    let refusals = ["\r\n{\"error\":{\"code\":", "rpc error: code = "];
    refusals.iter().any(|refusal| text.contains(refusal)) && !text.contains("\"events\":")
}

fn source(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The texts in quotes that begin so, in a source.
fn quoted(path: &str, start: &str) -> BTreeSet<String> {
    let source = source(path);
    let texts = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let texts = texts.flat_map(|line| line.split('"').skip(1).step_by(2));
    texts.filter(|text| text.starts_with(start)).map(str::to_owned).collect()
}

/// Every route of HTTP but the gateway's.
fn routes() -> Vec<String> {
    let mut routes = quoted("crates/server/src/http/mod.rs", "/");
    for peers in ["crates/server/src/peer/mod.rs", "crates/server/src/events/mod.rs"] {
        routes.extend(quoted(peers, "/raft/"));
    }
    assert!(routes.len() > 45, "{routes:?}");
    for known in ["/kv/{*key}", "/users/{name}/roles/{role}", "/raft/append", "/raft/events"] {
        assert!(routes.contains(known), "{known} of {routes:?}");
    }
    routes.into_iter().collect()
}

fn gateway_paths() -> Vec<String> {
    let paths = quoted("crates/server/src/grpc/gateway.rs", "/v3/");
    assert!(paths.len() > 45 && paths.contains("/v3/watch"), "{paths:?}");
    paths.into_iter().collect()
}

/// Every call that the .proto files have, and of health.
fn calls() -> Vec<String> {
    let mut calls = Vec::from(["Check", "Watch"].map(|it| format!("/grpc.health.v1.Health/{it}")));
    for place in ["crates/proto/proto/etcd", "crates/proto/proto/raftkv"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(place);
        for file in fs::read_dir(root).unwrap() {
            calls.extend(calls_of(&fs::read_to_string(file.unwrap().path()).unwrap()));
        }
    }
    assert!(calls.len() > 45, "{calls:?}");
    calls
}

fn calls_of(proto: &str) -> Vec<String> {
    let (mut package, mut service, mut calls) = ("", "", Vec::new());
    for line in proto.lines() {
        let words: Vec<&str> =
            line.split([' ', '(', ';', '{']).filter(|it| !it.is_empty()).collect();
        match words[..] {
            ["package", name, ..] => package = name,
            ["service", name, ..] => service = name,
            ["rpc", name, ..] => calls.push(format!("/{package}.{service}/{name}")),
            _ => {}
        }
    }
    calls
}

/// What would do something at a path, if it were let in.
fn body_for(path: &str) -> String {
    let base64 = |text: &str| BASE64_STANDARD.encode(text);
    let body = match path {
        _ if path.starts_with("/kv/") => json!({ "value": "x" }),
        "/kv-store" => json!({ "type": "set", "key": "k", "field": "f", "value": "v" }),
        "/txn" => json!({ "then": [{ "get": { "key": KEY } }, { "delete": { "key": KEY } }] }),
        "/compact" => json!({ "revision": 1 }),
        "/leases" => json!({ "ttl": 60 }),
        "/cluster/members" => json!({ "address": "localhost:1", "incarnation": "ab", "name": "n" }),
        "/cluster/settings" => json!({ "history_age_ms": 5 }),
        "/auth/login" => json!({ "user": "root", "password": "guess" }),
        "/users" => json!({ "name": "new", "password": "p" }),
        "/roles" => json!({ "name": "new" }),
        _ if path.starts_with("/users/") => json!({ "password": "p" }),
        "/v3/kv/put" => json!({ "key": base64(KEY), "value": base64("x") }),
        "/v3/kv/txn" => {
            let range = json!({ "request_range": { "key": base64(KEY) } });
            json!({ "success": [range, { "request_delete_range": { "key": base64(KEY) } }] })
        }
        "/v3/kv/compaction" => json!({ "revision": "1" }),
        "/v3/lease/grant" => json!({ "TTL": "60" }),
        "/v3/watch" => json!({ "create_request": { "key": base64(KEY), "start_revision": "1" } }),
        "/v3/cluster/member/add" => json!({ "peerURLs": ["http://localhost:1"] }),
        "/v3/auth/authenticate" => json!({ "name": "root", "password": "guess" }),
        _ if path.starts_with("/v3/kv/range") || path.starts_with("/v3/kv/delete") => {
            json!({ "key": base64(KEY), "range_end": base64("\0") })
        }
        _ if path.contains("/lease/") => json!({ "ID": LEASE }),
        _ if path.starts_with("/v3/auth/user/") => json!({ "name": USER }),
        _ if path.starts_with("/v3/auth/role/") => json!({ "role": ROLE }),
        _ => json!({}),
    };
    body.to_string()
}

/// Messages of gRPC, of which each call takes one for what it could do: nothing, a name or key with
/// a value, an id, and a watch that is to begin.
fn messages() -> [Vec<u8>; 4] {
    let key = [&[0x0a, KEY.len() as u8], KEY.as_bytes()].concat();
    let put = [&key[..], b"\x12\x01v"].concat();
    let watch = [&[0x0a, key.len() as u8 + 2], &key[..], b"\x18\x01"].concat();
    [Vec::new(), put, b"\x08\x07\x10\x01".to_vec(), watch]
}

/// Paths that mean one that is closed, if whoever reads them is careless.
fn disguises(path: &str) -> Vec<String> {
    let bare = &path[1..];
    let (first, rest) = bare.split_once('/').unwrap_or((bare, ""));
    vec![
        format!("/{path}"),
        format!("{path}/"),
        format!("/.{path}"),
        format!("/health/..{path}"),
        format!("/page/..{path}"),
        format!("/page/..%2f{bare}"),
        format!("/page/%2e%2e/{bare}"),
        format!("/metrics/..;{path}"),
        format!("/%2f{bare}"),
        format!("/%{:02x}{}", bare.as_bytes()[0], &bare[1..]),
        format!("/{}/{rest}", first.to_uppercase()),
        format!("/{first}%2f{rest}"),
        format!("/{first};x=1/{rest}"),
        format!("/{first}//{rest}"),
        format!("/health?x={path}"),
        format!("http://localhost{path}"),
        format!("http://root:secret@localhost{path}"),
        format!("\\{bare}"),
    ]
}

/// Paths that are closed, with the method that opens them.
const CLOSED: [(&str, &str); 8] = [
    ("GET", "/kv/coastiestoat"),
    ("PUT", "/kv/coastiestoat"),
    ("DELETE", "/kv/coastiestoat"),
    ("GET", "/users"),
    ("GET", "/history/coastiestoat"),
    ("GET", "/snapshot"),
    ("POST", "/compact"),
    ("POST", "/v3/kv/range"),
];

/// Headers by which somebody else's word is taken for who comes, from where, or for what.
const PRETENCES: [&str; 18] = [
    "X-Forwarded-For: 127.0.0.1\r\n",
    "X-Real-IP: 127.0.0.1\r\n",
    "Forwarded: for=127.0.0.1;host=localhost\r\n",
    "X-Forwarded-Host: localhost\r\nX-Forwarded-Proto: https\r\n",
    "X-Original-URL: /health\r\nX-Rewrite-URL: /health\r\n",
    "X-HTTP-Method-Override: GET\r\n",
    "X-Remote-User: root\r\nRemote-User: root\r\nX-User: root\r\n",
    "Authorization: Basic cm9vdDo=\r\n",
    WRONG,
    "Authorization: Bearer root.1\r\n",
    "Authorization: root\r\n",
    "Authorization: \r\n",
    "Token: root.1\r\nX-Auth-Token: root\r\nCookie: token=root.1\r\n",
    "Grpc-Metadata-Token: root.1\r\nGrpc-Metadata-Authorization: root\r\n",
    "Raftkv-Forward: never\r\nRaftkv-User: root\r\n",
    "Raftkv-Session: 1-9f3c01aa; seq=1\r\nIdempotency-Key: k\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: Bearer, root.1\r\n",
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
];

fn http_is_tried(scanned: &Scanned) {
    for route in routes() {
        let path = scanned.filled(&route);
        for method in METHODS {
            let is_open = scanned.is_open(method, &route);
            scanned.asks(&format!("{method} {path}"), "", &body_for(&path), is_open);
        }
        let websocket = PRETENCES[16];
        scanned.asks(&format!("GET {path}"), websocket, "", scanned.is_open("GET", &route));
    }
    for (method, path) in CLOSED {
        let body = if method == "GET" { String::new() } else { body_for(path) };
        for disguise in disguises(path) {
            scanned.asks(&format!("{method} {disguise}"), "", &body, false);
        }
        for pretence in PRETENCES {
            scanned.asks(&format!("{method} {path}"), pretence, &body, false);
        }
    }
    for nothing in
        ["/debug", "/debug/pprof/", "/debug/vars", "/admin", "/.env", "/v2/keys", "/raft"]
    {
        scanned.asks(&format!("GET {nothing}"), "", "", false);
    }
}

fn the_gateway_is_tried(scanned: &Scanned) {
    for path in gateway_paths() {
        for method in METHODS {
            scanned.asks(&format!("{method} {path}"), "", &body_for(&path), false);
        }
        for pretence in PRETENCES {
            scanned.asks(&format!("POST {path}"), pretence, &body_for(&path), false);
        }
    }
}

fn grpc_is_tried(scanned: &Scanned) {
    for call in calls() {
        let is_open = OPEN.iter().any(|(open, _)| *open == call);
        // One that is open may go on, and then takes its time.
        let messages = if is_open { vec![Vec::new()] } else { messages().to_vec() };
        for message in messages {
            for shown in [None, Some(("authorization", "root.1")), Some(("token", "root.1"))] {
                let told = scanned.stranger.call(&block(&call, shown), &message);
                scanned.told_nothing(&call, &String::from_utf8_lossy(&message), &told);
                // A stream may wait for more to be asked; only what it tells counts.
                let is_served = told.has_message() && !is_refused_within(&told);
                assert!(!is_served || is_open, "{call} {message:x?} is served: {}", told.text());
            }
        }
        // The same over HTTP/1.1, as a page or a proxy would send it.
        let headers = "Content-Type: application/grpc\r\nTE: trailers\r\n";
        let told = scanned.stranger.ask(&format!("POST {call}"), headers, "\0\0\0\0\0");
        scanned.told_nothing(&call, "", &told);
    }
}

/// The headers of a call, of one who shows this.
fn block(call: &str, shown: Option<(&str, &str)>) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", call),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    h2::block(&fields.into_iter().chain(shown).collect::<Vec<_>>())
}

fn all_is_tried(has_tls: bool) {
    let scanned = Scanned::start(has_tls, true);
    let before = scanned.state();
    http_is_tried(&scanned);
    the_gateway_is_tried(&scanned);
    grpc_is_tried(&scanned);
    assert_eq!(scanned.state(), before);
}

#[test]
fn strangers_read_and_change_nothing() {
    all_is_tried(false);
}

#[test]
fn strangers_read_and_change_nothing_by_tls() {
    all_is_tried(true);
}

/// Origins and hosts of pages that are not the member's, as browsers send them.
const PAGES: [&str; 6] = [
    "Origin: http://example.org\r\n",
    "Origin: null\r\n",
    "Origin: http://localhost.example.org\r\n",
    "Origin: file://\r\n",
    "Host: example.org\r\n",
    "Host: example.org\r\nOrigin: http://example.org\r\n",
];

/// Without users anybody may do anything, but not by the browser of somebody who looks at a page.
#[test]
fn pages_of_others_read_and_change_nothing() {
    let scanned = Scanned::start(false, false);
    let before = scanned.state();
    let tried = |line: String, headers: String, body: &str| {
        let told = scanned.stranger.ask(&line, &headers, body);
        assert_eq!(told.status(), Some(403), "{line} {headers:?}: {}", told.text());
        scanned.told_nothing(&line, &line, &told);
    };
    for page in PAGES {
        for route in routes() {
            let path = scanned.filled(&route);
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                tried(format!("{method} {path}"), page.to_owned(), &body_for(&path));
            }
            tried(format!("GET {path}"), [page, PRETENCES[16]].concat(), "");
        }
        for path in gateway_paths() {
            // What a form can send needs no leave of the member's.
            let form = format!("{page}Content-Type: text/plain\r\n");
            tried(format!("POST {path}"), form, &body_for(&path));
        }
        for call in calls() {
            let headers = format!("{page}Content-Type: application/grpc\r\n");
            tried(format!("POST {call}"), headers, "\0\0\0\0\0");
        }
    }
    assert_eq!(scanned.state(), before);
}

/// A page can have pictures of anywhere, and says nothing of itself then: looking changes nothing.
#[test]
fn looking_changes_nothing() {
    let scanned = Scanned::start(false, false);
    let before = scanned.state();
    let paths: Vec<String> = routes().iter().map(|route| scanned.filled(route)).collect();
    for path in paths.into_iter().chain(gateway_paths()).chain(calls()) {
        for method in ["GET", "HEAD", "OPTIONS"] {
            scanned.stranger.ask(&format!("{method} {path}"), "", "");
        }
    }
    assert_eq!(scanned.state(), before);
}
