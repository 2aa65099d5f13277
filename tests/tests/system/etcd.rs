//! Members that are started with etcd's own command line: they found, serve, come back and join as
//! an etcd would, and refuse what they could not keep.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use system_tests::etcd::{EtcdCluster, base64, post};
use system_tests::http::Http;
use system_tests::ports::Ports;
use system_tests::program;
use system_tests::scratch::Scratch;
use system_tests::wait;

const WRONG_USAGE: Option<i32> = Some(2);
const COULD_NOT_START: Option<i32> = Some(1);

/// `raftkv etcd` with these flags, until it ends.
fn etcd(flags: &[&str]) -> program::Ended {
    let words: Vec<&str> = ["etcd"].iter().chain(flags).copied().collect();
    program::run(Scratch::new().path(), &words)
}

#[test]
fn three_members_found_a_cluster_serve_and_come_back() {
    let mut cluster = EtcdCluster::start(3, &["--snapshot-count", "1000"]);
    assert_eq!(cluster.put(0, "k", "v").status, 200);
    for number in 0..3 {
        for port in [cluster.client_port(number), cluster.peer_port(number)] {
            assert_eq!(cluster.get(port, "k").as_deref(), Some("v"), "at {port}");
        }
        let log = cluster.member(number).log();
        assert!(log.contains("without meaning here, passed over: --snapshot-count"), "{log}");
    }
    let members = cluster.list(1);
    assert_eq!(members.len(), 3);
    for member in &members {
        let number = member["name"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(member["clientURLs"], json!([cluster.client_url(number)]), "as it was written");
        assert_eq!(member["peerURLs"], json!([cluster.peer_url(number)]));
    }

    for number in 0..3 {
        cluster.kill(number);
        // What it was founded with counts for nothing any more; where clients come does.
        let url = format!("http://localhost:{}", cluster.client_port(number));
        let flags = cluster.flags(number, &["--initial-cluster-token=other"]);
        let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let elsewhere = format!("--advertise-client-urls={url}");
        flags.extend(["--initial-cluster=x=http://localhost:1", &elsewhere]);
        cluster.member(number).give(&flags);
    }
    (0..3).for_each(|number| cluster.begin(number));
    for number in 0..3 {
        cluster.wait_until_ready(number);
        assert_eq!(cluster.get(cluster.client_port(number), "k").as_deref(), Some("v"));
        let log = cluster.member(number).log();
        assert!(log.contains("passed over, for the data directory counts"), "{log}");
    }
    wait::until_true("clients are told of the new URLs", || {
        let urls = |member: &Value| member["clientURLs"][0].as_str().unwrap_or_default().to_owned();
        cluster.list(0).iter().all(|member| urls(member).starts_with("http://localhost:"))
    });
    let ids = |members: &[Value]| -> Vec<Value> {
        members.iter().map(|member| member["ID"].clone()).collect()
    };
    assert_eq!(ids(&cluster.list(0)), ids(&members));
}

#[test]
fn clusters_that_are_founded_by_the_same_flags_do_not_mix() {
    let mut cluster = EtcdCluster::start(3, &[]);
    let ids = |cluster: &EtcdCluster| {
        let members = cluster.list(0);
        let list = post(cluster.client_port(0), "/v3/cluster/member/list", &json!({})).json();
        (list["header"]["cluster_id"].clone(), members.len())
    };
    let whole = |cluster: &EtcdCluster| {
        Http::new(cluster.client_port(0)).get("/cluster/members").json()["cluster_id"].clone()
    };
    let (seen, first) = (ids(&cluster), whole(&cluster));
    (0..3).for_each(|number| cluster.kill(number));
    // Two of three were wiped: they know that they are not who they were.
    for number in [1, 2] {
        fs::remove_dir_all(cluster.member(number).data()).unwrap();
    }
    (0..3).for_each(|number| cluster.begin(number));
    for number in [1, 2] {
        assert_eq!(cluster.member(number).ended().code(), COULD_NOT_START);
        let words = cluster.member(number).last_words();
        assert!(words.contains("it was wiped while the cluster lives"), "{words}");
    }
    cluster.kill(0);
    // All of them: it is another cluster, of whose id etcd's clients see the same half.
    for number in 0..3 {
        fs::remove_dir_all(cluster.member(number).data()).unwrap();
        cluster.begin(number);
    }
    (0..3).for_each(|number| cluster.wait_until_ready(number));
    assert_eq!(ids(&cluster), seen);
    let (first, second) = (first.as_str().unwrap(), whole(&cluster));
    let second = second.as_str().unwrap();
    assert_eq!(first[..16], second[..16]);
    assert_ne!(first[16..], second[16..]);
}

#[test]
fn a_member_takes_the_place_that_was_reserved_for_it() {
    let mut cluster = EtcdCluster::start(3, &[]);
    assert_eq!(cluster.put(0, "k", "v").status, 200);
    let all: Vec<String> = (0..4).map(|number| cluster.named_url(number)).collect();
    let all = format!("--initial-cluster={}", all.join(","));
    let flags = cluster.flags(3, &[&all, "--initial-cluster-state=existing"]);
    cluster.add(3, &flags);
    cluster.begin(3);
    wait::until_true("it waits for its place", || {
        cluster.member(3).log().contains("etcdctl member add m3 --peer-urls=")
    });
    assert_eq!(cluster.list(0).len(), 3, "nobody asked for it");

    let place = json!({ "peerURLs": [cluster.peer_url(3)] });
    let added = cluster.post(1, "/v3/cluster/member/add", &place).json();
    let id = added["member"]["ID"].as_str().unwrap().to_owned();
    cluster.wait_until_ready(3);
    let url = cluster.client_url(3);
    wait::until_true("it votes, under the id of its place", || {
        let members = cluster.list(0);
        let member = members.iter().find(|member| member["ID"] == *id);
        member.is_some_and(|member| {
            member["name"] == "m3"
                && member["clientURLs"] == json!([url])
                && member.get("isLearner").is_none()
        })
    });
    assert_eq!(cluster.get(cluster.client_port(3), "k").as_deref(), Some("v"));
    assert_eq!(cluster.list(3).len(), 4);

    // One that was wiped does not come back as who it was.
    cluster.kill(3);
    fs::remove_dir_all(cluster.member(3).data()).unwrap();
    cluster.begin(3);
    assert_eq!(cluster.member(3).ended().code(), COULD_NOT_START);
    let words = cluster.member(3).last_words();
    assert!(words.contains("with another data directory") && words.contains(&hex(&id)), "{words}");
}

#[test]
fn a_learner_stays_one_until_it_is_promoted() {
    let mut cluster = EtcdCluster::start(1, &[]);
    let place = json!({ "peerURLs": [cluster.peer_url(1)], "isLearner": true });
    let added = cluster.post(0, "/v3/cluster/member/add", &place).json();
    let id = added["member"]["ID"].clone();
    assert_eq!(added["member"]["isLearner"], true, "{added}");
    let all = format!("--initial-cluster={},{}", cluster.named_url(0), cluster.named_url(1));
    let flags = cluster.flags(1, &[&all, "--initial-cluster-state=existing"]);
    cluster.add(1, &flags);
    cluster.begin(1);
    cluster.wait_until_ready(1);
    let url = json!([cluster.client_url(1)]);
    wait::until_true("it has said all that it has to say", || {
        cluster.list(0).iter().any(|member| member["clientURLs"] == url)
    });
    let learns = |cluster: &EtcdCluster| {
        let members = cluster.list(0);
        members.iter().any(|member| member["ID"] == id && member["isLearner"] == true)
    };
    assert!(learns(&cluster), "it has not asked for its vote before that");
    wait::until_true("it is promoted", || {
        let promote = cluster.post(0, "/v3/cluster/member/promote", &json!({ "ID": id }));
        promote.status == 200
    });
    assert!(!learns(&cluster));
}

fn hex(id: &str) -> String {
    format!("{:x}", id.parse::<u64>().unwrap())
}

/// Whether a member names this alarm, as `etcdctl alarm list` and `endpoint status` show it.
fn shows_nospace(cluster: &EtcdCluster, number: usize) -> bool {
    let ask = json!({ "action": "GET" });
    let alarms = cluster.post(number, "/v3/maintenance/alarm", &ask).json();
    let listed = alarms["alarms"].as_array().cloned().unwrap_or_default();
    let listed = listed.iter().any(|alarm| alarm["alarm"] == "NOSPACE");
    let status = cluster.post(number, "/v3/maintenance/status", &json!({})).json();
    let told = status["errors"].to_string().contains("NOSPACE");
    listed && told
}

#[test]
fn a_full_quota_refuses_what_grows_and_lifts_by_itself() {
    let cluster = EtcdCluster::start(3, &["--quota-backend-bytes=12582912"]);
    let value = "x".repeat(32 << 10);
    let mut taken = Vec::new();
    let refused = loop {
        let key = format!("k{:04}", taken.len());
        let answer = cluster.put(taken.len() % 3, &key, &value);
        if answer.status != 200 {
            break answer.json();
        }
        assert!(taken.len() < 400, "400 keys of 32 KiB are more than 12 MiB");
        taken.push(key);
    };
    assert!(taken.len() > 250, "{} keys are 90 % of 12 MiB", taken.len());
    assert_eq!(refused["message"], "etcdserver: mvcc: database space exceeded");
    wait::until_true("an alarm is shown", || shows_nospace(&cluster, 0));
    let read = cluster.get(cluster.client_port(1), &taken[0]);
    assert_eq!(read.map(|value| value.len()), Some(32 << 10), "reads go on");

    let (from, to) = (base64("k0000"), base64("k0200"));
    let delete = json!({ "key": from, "range_end": to });
    let deleted = cluster.post(2, "/v3/kv/deleterange", &delete).json();
    assert_eq!(deleted["deleted"], "200", "deletes go on");
    wait::until_true("it is lifted", || cluster.put(0, "small", "v").status == 200);
    wait::until_true("no alarm is shown any more", || {
        (0..3).all(|number| !shows_nospace(&cluster, number))
    });
}

/// History is not what fills a quota: it goes before.
#[test]
fn history_gives_way_to_the_quota() {
    let quota = ["--quota-backend-bytes=16777216", "--unsafe-no-fsync"];
    let cluster = EtcdCluster::start(1, &quota);
    let put = json!({ "key": base64("k"), "value": base64(&"x".repeat(1 << 10)) }).to_string();
    let mut http = Http::new(cluster.client_port(0));
    for _ in 0..20_000 {
        // A tenth of the quota is written in 200 ms: where the member gets no processor for so
        // long, it learns a little late that there is something to give up, and refuses until then.
        wait::until_true("the past gives way", || {
            let answer = http.request("POST", "/v3/kv/put", &put).unwrap();
            assert!([200, 429].contains(&answer.status), "{}", answer.body);
            answer.status == 200
        });
    }
    let history = Http::new(cluster.client_port(0)).get("/cluster/status").json();
    assert!(history["history"]["oldest_revision"].as_u64().unwrap() > 1, "{history}");
}

/// A process that ends with its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_link_named_etcd_with_a_file_or_the_environment() {
    let (scratch, ports) = (Scratch::new(), Ports::in_a_row(3));
    let link = scratch.path().join("etcd");
    symlink(program::path(), &link).unwrap();
    let version = Command::new(&link).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert_eq!(version.lines().next(), Some("etcd Version: 3.6.0"));
    assert!(version.contains("raftkv Version: "), "{version}");

    let url = |port: usize| format!("http://localhost:{}", ports.numbers()[port]);
    let (client, peer, metrics) = (url(0), url(1), url(2));
    let settings = format!(
        "name: filed\ndata-dir: d\nlisten-client-urls: {client}\n\
         advertise-client-urls: {client},http://kv.example:2379\n\
         listen-peer-urls: {peer}\ninitial-advertise-peer-urls: {peer}\n\
         listen-metrics-urls: {metrics}\ninitial-cluster: filed={peer}\n\
         log-outputs: [stderr, log]\n"
    );
    fs::write(scratch.path().join("etcd.yml"), settings).unwrap();
    let socket = scratch.path().join("notify");
    let supervisor = UnixDatagram::bind(&socket).unwrap();
    supervisor.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    let mut command = Command::new(&link);
    command.current_dir(scratch.path()).env("ETCD_CONFIG_FILE", "etcd.yml");
    command.env("ETCD_NAME", "other").env("NOTIFY_SOCKET", &socket).arg("--name=another");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _process = Killed(command.spawn().unwrap());

    let mut told = [0; 32];
    let length = supervisor.recv(&mut told).unwrap();
    assert_eq!(&told[..length], b"READY=1\n");
    wait::until_true("the log says so too", || {
        let log = fs::read_to_string(scratch.path().join("log")).unwrap();
        log.contains("ready to serve client requests") && log.contains("\"filed\"")
    });
    let mut probes = Http::new(ports.numbers()[2]);
    for (path, status) in [("/health", 200), ("/metrics", 200), ("/kv", 404)] {
        assert_eq!(probes.get(path).status, status, "{path}");
    }
    for (host, status) in [("kv.example:2379", 200), ("evil.example:2379", 403)] {
        let request = format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = Http::new(ports.numbers()[0]).send(request.as_bytes()).unwrap();
        assert_eq!(answer.status, status, "as {host}");
    }
    let put = json!({ "key": base64("k"), "value": base64("v") });
    assert_eq!(post(ports.numbers()[2], "/v3/kv/put", &put).status, 404);
    assert_eq!(post(ports.numbers()[0], "/v3/kv/put", &put).status, 200);
}

#[test]
fn what_could_not_be_kept_is_refused_with_what_to_do() {
    for (flags, words) in [
        (&["--listen-peer-urls=https://localhost:2380"][..], "give all of them https://, or none"),
        (
            &[
                "--listen-client-urls=https://localhost:2379",
                "--advertise-client-urls=https://localhost:2379",
            ],
            "cannot listen on TLS for clients: --cert-file and --key-file",
        ),
        (&["--peer-crl-file=revoked.pem"], "--peer-crl-file: raftkv reads no lists"),
        (&["--auth-token=jwt,pub-key=a"], "--auth-token: raftkv makes no JWT"),
        (&["--force-new-cluster"], "raftkv recover DIR"),
        (&["--nosuch"], "flag provided but not defined: -nosuch"),
        (&["--name", "a", "--initial-cluster=b=http://localhost:1"], "couldn't find local name"),
    ] {
        let ended = etcd(flags);
        assert_eq!(ended.code, WRONG_USAGE, "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{flags:?}: {}", ended.stderr);
    }
}
