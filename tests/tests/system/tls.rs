//! TLS as a user meets it: certificates by `raftkv cert`, members that show them to each other and
//! to clients, and whoever has none, or another, kept out. Which handshake fails for which reason
//! is tested beside the code, in `crates/server/src/tls/tests/`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use system_tests::http::Http;
use system_tests::member::Member;
use system_tests::ports::Ports;
use system_tests::program::{self, Ended};
use system_tests::scratch::Scratch;
use system_tests::wait;

const DONE: Option<i32> = Some(0);
const NOT_DONE: Option<i32> = Some(1);
const WRONG_USAGE: Option<i32> = Some(2);
const UNAVAILABLE: Option<i32> = Some(3);

/// A directory of certificates, as `raftkv cert` makes it.
struct Certs {
    scratch: Scratch,
}

impl Certs {
    /// A CA.
    fn new() -> Certs {
        let certs = Certs { scratch: Scratch::new() };
        certs.make(&["ca"]);
        certs
    }

    fn make(&self, words: &[&str]) {
        let ended = self.try_make(words);
        assert_eq!(ended.code, DONE, "{words:?}: {}", ended.stderr);
    }

    fn try_make(&self, words: &[&str]) -> Ended {
        let dir = self.scratch.path().to_str().unwrap();
        run(&[&["cert"], words, &["--dir", dir]].concat())
    }

    fn file(&self, name: &str) -> String {
        self.scratch.path().join(name).to_str().unwrap().to_owned()
    }

    /// The settings of a member that shows `name`.
    fn member(&self, name: &str) -> Vec<String> {
        let (cert, key) = (self.file(&format!("{name}.crt")), self.file(&format!("{name}.key")));
        let ca = self.file("ca.crt");
        let words = ["--cert-file", &cert, "--key-file", &key, "--client-ca-file", &ca];
        words.map(str::to_owned).into()
    }

    /// What a client is given that shows `name`.
    fn client(&self, name: &str) -> Vec<String> {
        let (cert, key) = (self.file(&format!("{name}.crt")), self.file(&format!("{name}.key")));
        let ca = self.file("ca.crt");
        ["--cacert", &ca, "--cert", &cert, "--cert-key", &key].map(str::to_owned).into()
    }
}

/// The program, in a directory of this run's own.
fn run(words: &[&str]) -> Ended {
    program::run(Scratch::new().path(), words)
}

/// A command of a client at these ports, with these flags.
fn client(words: &[&str], ports: &[u16], flags: &[String]) -> Ended {
    let endpoints: Vec<String> =
        ports.iter().map(|port| format!("https://localhost:{port}")).collect();
    let endpoints = endpoints.join(",");
    let mut line: Vec<&str> = [words, &["--endpoints", &endpoints]].concat();
    line.extend(flags.iter().map(String::as_str));
    run(&line)
}

fn done(words: &[&str], ports: &[u16], flags: &[String]) -> String {
    let ended = client(words, ports, flags);
    assert_eq!(ended.code, DONE, "{words:?}: {}", ended.stderr);
    ended.stdout
}

/// The words of a command that must fail so.
fn refused(code: Option<i32>, words: &[&str], ports: &[u16], flags: &[String]) -> String {
    let ended = client(&[words, &["--timeout", "2s"]].concat(), ports, flags);
    assert_eq!(ended.code, code, "{words:?} {flags:?}: {}{}", ended.stdout, ended.stderr);
    ended.stderr
}

/// Members that show certificates, to each other and to clients, who must show some, too.
struct Secured {
    members: Vec<Member>,
    certs: Certs,
    ports: Ports,
    _scratch: Scratch,
}

impl Secured {
    /// Three, which run, and a port for one more.
    fn start() -> Secured {
        let (certs, ports, scratch) = (Certs::new(), Ports::in_a_row(4), Scratch::new());
        certs.make(&["client", "app"]);
        let peers: Vec<String> =
            ports.numbers()[..3].iter().map(|port| format!("localhost:{port}")).collect();
        let peers = ["--peers".to_owned(), peers.join(",")];
        let mut secured = Secured { members: Vec::new(), certs, ports, _scratch: scratch };
        for number in 0..3 {
            let name = format!("node-{}", number + 1);
            secured.certs.make(&["member", &name]);
            let arguments = secured.arguments(&name, &peers);
            secured.add(name, number, &arguments);
        }
        secured.members.iter_mut().for_each(Member::start);
        secured
    }

    fn arguments(&self, name: &str, more: &[String]) -> Vec<String> {
        let must = vec!["--client-cert-auth".to_owned()];
        [self.certs.member(name), must, more.to_vec()].concat()
    }

    fn add(&mut self, name: String, number: usize, arguments: &[String]) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let port = self.ports.numbers()[number];
        self.members.push(Member::new(name, port, self._scratch.path(), &arguments));
    }

    fn ports(&self) -> &[u16] {
        &self.ports.numbers()[..3]
    }

    fn app(&self) -> Vec<String> {
        self.certs.client("app")
    }

    /// The number of the leader, once there is one.
    fn leader(&self) -> usize {
        let name = wait::until("somebody leads", || {
            let words = ["leader", "-o", "json", "--timeout", "2s"];
            let ended = client(&words, self.ports(), &self.app());
            let answer: Value = serde_json::from_str(&ended.stdout).ok()?;
            answer["leader"]["name"].as_str().map(str::to_owned)
        });
        self.members.iter().position(|member| member.name() == name).unwrap()
    }

    fn wait_until_healthy(&self, ports: &[u16]) {
        wait::until_true("every member is healthy", || {
            client(&["health"], ports, &self.app()).code == DONE
        });
    }
}

#[test]
fn three_members_with_certificates_serve_fail_over_and_come_back() {
    let mut secured = Secured::start();
    let (ports, app) = (secured.ports().to_vec(), secured.app());
    secured.wait_until_healthy(&ports);
    done(&["put", "a", "1"], &ports, &app);
    for port in &ports {
        let value = done(&["get", "a", "-o", "plain"], &[*port], &app);
        assert_eq!(value.trim(), "1", "a follower hands on, to a leader with TLS");
    }
    let leader = secured.leader();
    secured.members[leader].kill();
    secured.members[leader].ended();
    done(&["put", "a", "2", "--timeout", "30s"], &ports, &app);
    let log = secured.members[leader].log();
    assert!(log.contains("CN=node-"), "it says what it shows: {log}");
    secured.members[leader].start();
    secured.wait_until_healthy(&ports);
    let value = done(&["get", "a", "-o", "plain"], &[ports[leader]], &app);
    assert_eq!(value.trim(), "2");
    let url = done(&["leader", "-o", "plain"], &ports, &app);
    assert!(url.starts_with("https://localhost:"), "{url}");
    for output in ["plain", "json", "table"] {
        done(&["status", "-o", output], &ports, &app);
    }
}

#[test]
fn a_member_joins_over_tls() {
    let mut secured = Secured::start();
    let (ports, app) = (secured.ports().to_vec(), secured.app());
    done(&["put", "a", "1", "--timeout", "30s"], &ports, &app);
    secured.certs.make(&["member", "node-4"]);
    let join = ["--join".to_owned(), format!("https://localhost:{}", ports[0])];
    let arguments = secured.arguments("node-4", &join);
    secured.add("node-4".to_owned(), 3, &arguments);
    secured.members[3].start();
    let port = secured.ports.numbers()[3];
    wait::until_true("it votes", || {
        let ended = client(&["member", "list", "-o", "json"], &ports, &app);
        let voters = ended.stdout.matches("\"voter\"").count();
        voters == 4
    });
    assert_eq!(done(&["get", "a", "-o", "plain"], &[port], &app).trim(), "1");
}

#[test]
fn clients_are_told_what_is_wrong_with_a_certificate() {
    let secured = Secured::start();
    let (ports, app) = (secured.ports().to_vec(), secured.app());
    secured.wait_until_healthy(&ports);
    let get = ["get", "a"];
    let ca = secured.certs.file("ca.crt");
    let none = refused(UNAVAILABLE, &get, &ports, &["--cacert".to_owned(), ca.clone()]);
    assert!(none.contains("no clients without a certificate (--cert"), "{none}");
    let put = ["put", "a", "1"];
    let none = refused(UNAVAILABLE, &put, &ports, &["--cacert".to_owned(), ca.clone()]);
    assert!(none.contains("no clients without a certificate"), "nothing was done: {none}");
    let untrusting = refused(UNAVAILABLE, &get, &ports, &[]);
    assert!(untrusting.contains("name its CA (--cacert)"), "{untrusting}");
    let others = Certs::new();
    others.make(&["client", "app"]);
    let mut foreign = others.client("app");
    foreign[1].clone_from(&ca);
    let foreign = refused(UNAVAILABLE, &get, &ports, &foreign);
    assert!(foreign.contains("does not take this client"), "{foreign}");
    let mut skipping = app[2..].to_vec();
    skipping.push("--insecure-skip-tls-verify".to_owned());
    let skipped = client(&["get", "none"], &ports, &skipping);
    assert_eq!(skipped.code, NOT_DONE, "it is not there: {}", skipped.stderr);
    assert!(skipped.stderr.contains("can read and change everything"), "{}", skipped.stderr);
    for (flags, words) in [
        (&["--cacert", "none.crt"][..], "none.crt: can not be read"),
        (&["--cert", &ca], "--cert-key"),
    ] {
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let told = refused(WRONG_USAGE, &get, &ports, &flags);
        assert!(told.contains(words), "{told}");
    }
    let plain = Http::new(ports[0]).get("/kv/a");
    assert_eq!((plain.status, plain.code().as_str()), (400, "tls_required"), "{}", plain.body);
}

#[test]
fn a_certificate_is_for_its_names_alone() {
    let certs = Certs::new();
    certs.make(&["member", "elsewhere", "--host", "kv.example"]);
    let (mut member, ports, _scratch) = alone(&certs.member("elsewhere"));
    let ca = ["--cacert".to_owned(), certs.file("ca.crt")];
    let told = wait::until("it answers", || {
        let told = client(&["get", "a", "--timeout", "1s"], ports.numbers(), &ca).stderr;
        (!told.contains("refused")).then_some(told)
    });
    assert!(told.contains("not for the name it was called by"), "{told}");
    wait::until_true("it asks itself, by whatever name", || {
        member.log().contains("clients are told to come there") || is_ready(&member)
    });
    member.terminate();
    assert!(member.ended().success());
}

/// One member by itself, with these settings, which runs.
fn alone(settings: &[String]) -> (Member, Ports, Scratch) {
    let (ports, scratch) = (Ports::in_a_row(1), Scratch::new());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let port = ports.numbers()[0];
    let mut member = Member::new("node-1".to_owned(), port, scratch.path(), &settings);
    member.start();
    (member, ports, scratch)
}

fn is_ready(member: &Member) -> bool {
    member.log().contains("ready to serve client requests")
}

#[test]
fn a_member_of_another_ca_is_kept_out() {
    let mut secured = Secured::start();
    let (ports, app) = (secured.ports().to_vec(), secured.app());
    secured.wait_until_healthy(&ports);
    let others = Certs::new();
    others.make(&["member", "node-3"]);
    let peers = format!("localhost:{},localhost:{}", ports[0], ports[1]);
    secured.members[2].kill();
    secured.members[2].ended();
    let (cert, key) = (others.file("node-3.crt"), others.file("node-3.key"));
    let ca = secured.certs.file("ca.crt");
    let foreign =
        ["--peers", &peers, "--cert-file", &cert, "--key-file", &key, "--client-ca-file", &ca];
    secured.members[2].give(&foreign);
    secured.members[2].start();
    wait::until_true("both others refuse it, and say so", || {
        let says = |member: &Member| member.log().contains("refused a peer");
        secured.members[..2].iter().all(says)
    });
    done(&["put", "a", "1"], &ports[..2], &app);
    secured.members[2].kill();
    secured.members[2].ended();
    let arguments = secured.arguments("node-3", &["--peers".to_owned(), peers]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    secured.members[2].give(&arguments);
    secured.members[2].start();
    secured.wait_until_healthy(&ports);
    assert_eq!(done(&["get", "a", "-o", "plain"], &ports[2..], &app).trim(), "1");
}

#[test]
fn certificates_are_replaced_while_a_member_runs() {
    let (certs, newer) = (Certs::new(), Certs::new());
    certs.make(&["member", "node-1"]);
    newer.make(&["member", "node-1"]);
    let (member, ports, _scratch) = alone(&certs.member("node-1"));
    let by = |certs: &Certs| {
        let ca = ["--cacert".to_owned(), certs.file("ca.crt")];
        client(&["put", "a", "1", "--timeout", "1s"], ports.numbers(), &ca).code == DONE
    };
    wait::until_true("it serves", || by(&certs));
    let replace = |ending: &str| {
        let name = format!("node-1.{ending}");
        fs::copy(newer.file(&name), certs.file(&name)).unwrap();
    };
    replace("crt");
    wait::until_true("the halfway state is told", || {
        member.log().contains("new certificates can not be used: those in use stay so")
    });
    assert!(by(&certs), "it goes on with what it had");
    replace("key");
    wait::until_true("the new one is shown", || by(&newer));
    assert!(!by(&certs), "and the old one no more");
}

#[test]
fn for_a_first_try_a_member_makes_its_own_certificate() {
    let (mut member, ports, _scratch) = alone(&["--auto-tls".to_owned()]);
    let own: PathBuf = member.data().join("tls").join("own.crt");
    let ca = ["--cacert".to_owned(), own.to_str().unwrap().to_owned()];
    let put = |value: &str| {
        wait::until_true("it serves", || {
            let words = ["put", "a", value, "--timeout", "1s"];
            own.exists() && client(&words, ports.numbers(), &ca).code == DONE
        });
    };
    put("1");
    let made = fs::read(&own).unwrap();
    member.kill();
    member.ended();
    member.start();
    put("2");
    assert_eq!(fs::read(&own).unwrap(), made, "whoever trusts it may go on");
}

#[test]
fn plain_text_stays_on_this_machine() {
    for arguments in [
        &["--listen", "0.0.0.0"][..],
        &["--advertise", "kv.example:8001"],
        &["--advertise", "kv.example:8001", "--join", "http://kv2.example:8001"],
    ] {
        let ended = run(&[&["start"], arguments].concat());
        assert_eq!(ended.code, WRONG_USAGE, "{arguments:?}: {}", ended.stderr);
        for word in ["unencrypted", "--cert-file", "raftkv cert", "--insecure"] {
            assert!(ended.stderr.contains(word), "{arguments:?}: {word}: {}", ended.stderr);
        }
    }
    let none = run(&["start", "--cert-file", "none.crt", "--key-file", "none.key"]);
    assert_eq!(none.code, NOT_DONE, "{}", none.stderr);
    assert!(none.stderr.contains("none.crt: can not be read"), "{}", none.stderr);
}

#[test]
fn certificates_are_never_written_over_and_keys_are_secret() {
    let certs = Certs::new();
    certs.make(&["member", "node-1", "--host", "kv.example,10.0.0.1"]);
    let mode = |name: &str| fs::metadata(certs.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ca.key"), mode("node-1.key")), (0o600, 0o600));
    let key = fs::read(certs.file("ca.key")).unwrap();
    for words in [&["ca"][..], &["member", "node-1"], &["client", "node-1"]] {
        let ended = certs.try_make(words);
        assert_eq!(ended.code, NOT_DONE, "{words:?}");
        assert!(ended.stderr.contains("is not written over"), "{}", ended.stderr);
    }
    assert_eq!(fs::read(certs.file("ca.key")).unwrap(), key);
    for (words, why) in [
        (&["client", "../a"][..], "files are called by it"),
        (&["client", "ca"], "files are called by it"),
        (&["member", "b", "--host", "no host"], "--host"),
    ] {
        let ended = certs.try_make(words);
        assert_eq!(ended.code, WRONG_USAGE, "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{words:?}: {}", ended.stderr);
    }
    let empty = Scratch::new();
    let without = ["cert", "client", "a", "--dir", path(empty.path())];
    let ended = run(&without);
    assert!(ended.stderr.contains("`raftkv cert ca` makes a CA"), "{}", ended.stderr);
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// As etcd's own tools start it: TLS for both sides, each with a CA of its own.
#[test]
fn etcds_flags_say_tls_too() {
    let (clients, peers) = (Certs::new(), Certs::new());
    clients.make(&["member", "server"]);
    clients.make(&["client", "app"]);
    peers.make(&["member", "peer"]);
    let (ports, scratch) = (Ports::in_a_row(6), Scratch::new());
    let numbers = ports.numbers();
    let all: Vec<String> =
        (0..3).map(|n| format!("m{n}=https://localhost:{}", numbers[n + 3])).collect();
    let mut members: Vec<Member> = Vec::new();
    for number in 0..3 {
        let name = format!("m{number}");
        let client_url = format!("https://localhost:{}", numbers[number]);
        let peer_url = format!("https://localhost:{}", numbers[number + 3]);
        let flags = [
            format!("--name={name}"),
            format!("--data-dir={}", scratch.path().join(&name).display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster={}", all.join(",")),
            format!("--cert-file={}", clients.file("server.crt")),
            format!("--key-file={}", clients.file("server.key")),
            format!("--trusted-ca-file={}", clients.file("ca.crt")),
            "--client-cert-auth".to_owned(),
            format!("--peer-cert-file={}", peers.file("peer.crt")),
            format!("--peer-key-file={}", peers.file("peer.key")),
            format!("--peer-trusted-ca-file={}", peers.file("ca.crt")),
            "--peer-client-cert-auth".to_owned(),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        members.push(Member::etcd(name, numbers[number], scratch.path(), &flags));
    }
    members.iter_mut().for_each(Member::start);
    let app = clients.client("app");
    done(&["put", "a", "1", "--timeout", "30s"], &numbers[..3], &app);
    for port in &numbers[..3] {
        assert_eq!(done(&["get", "a", "-o", "plain"], &[*port], &app).trim(), "1");
    }
    let peer = [
        "--cacert",
        &clients.file("ca.crt"),
        "--cert",
        &peers.file("peer.crt"),
        "--cert-key",
        &peers.file("peer.key"),
    ]
    .map(str::to_owned);
    let told = refused(UNAVAILABLE, &["get", "a"], &numbers[..3], &peer);
    assert!(told.contains("does not take this client"), "a peer is no client: {told}");
    let plain = Http::new(numbers[0]).get("/kv/a");
    assert_eq!(plain.code(), "tls_required");
}

/// A user root with a password, which is read from standard input.
fn add_root(ports: &[u16], flags: &[String]) {
    let scratch = Scratch::new();
    let endpoint = format!("https://localhost:{}", ports[0]);
    let words = ["user", "add", "root", "--password-stdin", "--endpoints", &endpoint];
    let mut command = program::command(scratch.path(), &words);
    let mut process = command.args(flags).stdin(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_client_is_the_user_whom_its_certificate_names() {
    let secured = Secured::start();
    let (ports, app) = (secured.ports().to_vec(), secured.app());
    secured.wait_until_healthy(&ports);
    secured.certs.make(&["client", "root"]);
    secured.certs.make(&["client", "stranger"]);
    let (root, stranger) = (secured.certs.client("root"), secured.certs.client("stranger"));
    // That root has a password, too, is asked for: who loses the CA loses the cluster otherwise.
    add_root(&ports, &app);
    for line in [
        "user grant root root",
        "user add app --no-password",
        "role add app",
        "role grant app readwrite --prefix app/",
        "user grant app app",
        "auth enable",
    ] {
        done(&line.split(' ').collect::<Vec<_>>(), &ports, &app);
    }
    // At each member alone: one that does not lead hands on what only a leader does.
    for port in &ports {
        let port = std::slice::from_ref(port);
        done(&["put", "app/1", "v"], port, &app);
        let told = refused(WRONG_USAGE, &["put", "other", "v"], port, &app);
        assert!(told.contains("permission"), "{told}");
        let told = refused(WRONG_USAGE, &["get", "app/1"], port, &stranger);
        assert!(told.contains("name a user"), "it is let in, and is nobody: {told}");
        done(&["put", "other", "v"], port, &root);
        done(&["transfer"], port, &root);
        let told = refused(WRONG_USAGE, &["transfer"], port, &app);
        assert!(told.contains("permission"), "{told}");
        let wrong = [&root[..], &["--user".to_owned(), "app:wrong".to_owned()]].concat();
        let told = refused(WRONG_USAGE, &["get", "other"], port, &wrong);
        assert!(!told.is_empty(), "what is shown besides comes first, also where it is wrong");
    }
    done(&["user", "delete", "app"], &ports, &root);
    for port in &ports {
        refused(WRONG_USAGE, &["get", "app/1"], std::slice::from_ref(port), &app);
    }
    done(&["auth", "disable"], &ports, &root);
    done(&["put", "other", "by anybody"], &ports, &stranger);
}

#[test]
fn metrics_and_probes_have_a_port_of_their_own_in_plain_text_or_not() {
    let (certs, more) = (Certs::new(), Ports::in_a_row(2));
    certs.make(&["member", "node-1"]);
    let (plain, tls) = (more.numbers()[0], more.numbers()[1]);
    let listen = format!("127.0.0.1:{plain},https://127.0.0.1:{tls}");
    let settings = [certs.member("node-1"), vec!["--metrics-listen".to_owned(), listen]].concat();
    let (mut member, ports, _scratch) = alone(&settings);
    wait::until_true("it is ready", || is_ready(&member));
    for path in ["/metrics", "/health", "/livez", "/readyz", "/readyz/linearizable_read"] {
        assert_eq!(Http::new(plain).get(path).status, 200, "{path}");
    }
    for path in
        ["/", "/kv", "/kv/a", "/cluster/status", "/v3/kv/range", "/metrics/../kv", "/raft/hello"]
    {
        let answer = Http::new(plain).get(path);
        assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_path"), "{path}");
    }
    let put = Http::new(plain).request("PUT", "/kv/a", r#"{"value":"v"}"#).unwrap();
    assert_eq!(put.status, 404, "{put:?}");
    // The command line's `health` asks for `/health`; whatever else it wants is not there.
    let ca = ["--cacert".to_owned(), certs.file("ca.crt")];
    done(&["health"], &[tls], &ca);
    assert_ne!(client(&["get", "a", "--timeout", "1s"], &[tls], &ca).code, DONE);
    assert_eq!(Http::new(tls).get("/metrics").code(), "tls_required");
    done(&["put", "a", "1"], ports.numbers(), &ca);
    member.terminate();
    assert!(member.ended().success());
}
