use server::config::{Address, ClientTls, LogFormat, PairFiles, PeerTls, PeerTrust, TlsWays};
use tracing_subscriber::filter::LevelFilter;

use super::*;
use crate::etcd::flags::Asked;
use crate::log::Output;

fn make_in(line: &str, begun: bool) -> Result<Plan, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    match Flags::settle(&words, &[]).unwrap() {
        Asked::Run(flags) => make(flags, |_| begun),
        other => panic!("{line}: {other:?}"),
    }
}

fn plan(line: &str) -> Plan {
    make_in(line, false).unwrap_or_else(|why| panic!("{line}: {why}"))
}

fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().map(|text| Address::parse(text).unwrap()).collect()
}

/// Of three, as in etcd's own guide.
const THREE: &str = "--name b --listen-peer-urls http://10.0.0.2:2380 \
     --initial-advertise-peer-urls http://10.0.0.2:2380 \
     --listen-client-urls http://10.0.0.2:2379,http://127.0.0.1:2379 \
     --advertise-client-urls http://10.0.0.2:2379 --initial-cluster-token etcd-cluster-1 \
     --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380";

#[test]
fn without_flags_it_is_etcds_member_of_one() {
    let Plan { config, log, notes } = plan("");
    assert_eq!((config.name.as_str(), config.data_dir), ("default", "default.etcd".into()));
    assert_eq!(config.listen, "127.0.0.1:2380".parse().unwrap());
    assert_eq!(config.advertise, Address::localhost(2380));
    assert_eq!((config.heartbeat_ms, config.election_timeout_ms), (100, 1_000));
    assert!(config.peers.is_empty() && config.join.is_empty());
    assert_eq!(config.seed.history_age_ms, Some(0), "no age limit");
    assert_eq!(config.seed.history_bytes, Some(HISTORY_BYTES_MAX), "none but the quota");
    let expected = EtcdWays {
        plain_clients: true,
        listen_also: vec!["127.0.0.1:2379".parse().unwrap()],
        founding: Some(FoundingIds {
            member_id: 0x8e9e_05c5_2164_694d,
            cluster_id: 0xcdf8_1819_4e3a_8c32,
        }),
        quota_bytes: Some(2 << 30),
        ..EtcdWays::default()
    };
    assert_eq!(config.etcd, expected);
    let outputs = vec![Output::Stderr];
    assert_eq!(log, LogPlan { format: LogFormat::Json, level: LevelFilter::INFO, outputs });
    assert!(notes.is_empty());
}

#[test]
fn one_of_three_that_found_a_cluster() {
    let Plan { config, .. } = plan(THREE);
    assert_eq!(config.peers, addresses(&["10.0.0.1:2380", "10.0.0.3:2380"]));
    assert_eq!(config.listen, "10.0.0.2:2380".parse().unwrap());
    let also = ["10.0.0.2:2379", "127.0.0.1:2379"].map(|place| place.parse().unwrap());
    assert_eq!(config.etcd.listen_also, also);
    assert_eq!(config.client_urls, ["http://10.0.0.2:2379"]);
    assert!(!config.etcd.claims_place && config.etcd.founding.is_some());
    let other = plan(&format!("{THREE} --initial-cluster-token other")).config;
    let cluster = |config: &Config| config.etcd.founding.map(|ids| ids.cluster_id);
    assert_ne!(cluster(&config), cluster(&other), "the token goes into the ids");
}

#[test]
fn one_that_joins_claims_its_place() {
    let Plan { config, .. } = plan(&format!("{THREE} --initial-cluster-state=existing"));
    assert_eq!(config.join, addresses(&["10.0.0.1:2380", "10.0.0.3:2380"]));
    assert!(config.peers.is_empty() && config.etcd.claims_place);
    assert_eq!(config.etcd.founding, None, "the cluster has its id");
}

#[test]
fn what_contradicts_itself_is_refused_in_etcds_words() {
    for (line, words) in [
        ("--name a --initial-cluster b=http://a:1", "couldn't find local name \"a\""),
        ("--name a --initial-cluster a=http://localhost:1", "give both the same"),
        ("--initial-cluster-state=existing", "name the members that are there"),
        ("--initial-cluster-state=old", "unexpected clusterState \"old\""),
        ("--initial-advertise-peer-urls http://a:1,http://a:2", "exactly one"),
        ("--initial-advertise-peer-urls=", "exactly one"),
        ("--listen-client-urls http://localhost:1", "--advertise-client-urls is required when"),
        (
            "--listen-client-urls= --advertise-client-urls=",
            "--listen-client-urls: a member needs a URL",
        ),
        ("--listen-peer-urls=", "--listen-peer-urls: a member needs a URL"),
        ("--listen-peer-urls https://localhost:1", "give all of them https://, or none"),
        ("--listen-peer-urls http://a:1", "--listen-peer-urls: expected IP in URL for binding"),
        ("--advertise-client-urls http://:1", "--advertise-client-urls: "),
        ("--listen-metrics-urls http://localhost:2379", "served at 127.0.0.1:2379 already"),
        ("--heartbeat-interval 0", "--heartbeat-interval must be >0"),
        ("--heartbeat-interval 300", "at least as 5 times as --heartbeat-interval[300ms]"),
        ("--election-timeout 60000", "is too long"),
        ("--auto-compaction-mode=sometimes", "unknown auto-compaction-mode \"sometimes\""),
        ("--auto-compaction-retention=often", "\"often\" is no such time"),
        ("--auto-compaction-retention=-1h", "\"-1h\" is no such time"),
        ("--auto-compaction-mode revision --auto-compaction-retention 1h", "\"1h\" is no such"),
        ("--name a/b", "--name: "),
        ("--logger capnslog", "unknown logger option \"capnslog\""),
        ("--log-level loud", "unrecognized level: \"loud\""),
        ("--log-format xml", "unknown log format"),
        ("--log-outputs=", "--log-outputs"),
        ("--cors nonsense", "--cors: "),
        (
            "--initial-cluster default=http://localhost:2380,b=http://10.0.0.2:2380",
            "another machine",
        ),
        (&clients_by("https"), "cannot listen on TLS for clients: --cert-file and --key-file"),
        (&format!("{} --cert-file a", clients_by("https")), "--key-file"),
        (&format!("{} --auto-tls --client-cert-auth", clients_by("https")), "--trusted-ca-file"),
        (&peers_by("https"), "cannot listen on TLS for peers: --peer-cert-file"),
        (&format!("{} --peer-cert-file a --peer-key-file b", peers_by("https")), "--peer-trusted"),
        (
            &format!("{THREE} --initial-cluster b=http://10.0.0.2:2380,a=https://a:1"),
            "a=https://a:1",
        ),
    ] {
        let error = make_in(line, false).expect_err(line);
        assert!(error.contains(words), "{line}: {error}");
    }
}

fn clients_by(scheme: &str) -> String {
    let url = format!("{scheme}://127.0.0.1:2379");
    format!("--listen-client-urls {url} --advertise-client-urls {url}")
}

fn peers_by(scheme: &str) -> String {
    let url = format!("{scheme}://127.0.0.1:2380");
    format!(
        "--listen-peer-urls {url} --initial-advertise-peer-urls {url} \
         --initial-cluster default={url}"
    )
}

#[test]
fn urls_say_where_tls_is_spoken_and_flags_with_what() {
    let plain = plan("--cert-file a --key-file b --peer-auto-tls");
    assert_eq!(plain.config.tls, TlsWays::default(), "as in etcd, the URLs count");
    assert_eq!(plain.notes.len(), 2, "{:?}", plain.notes);
    let pair = |cert: &str, key: &str| PairFiles { cert_file: cert.into(), key_file: key.into() };
    let line = format!("{} --cert-file a --key-file b", clients_by("https"));
    let clients = plan(&line).config;
    let expected = ClientTls { pair: pair("a", "b"), ca_file: None, must_show: false };
    assert_eq!((clients.tls.clients, &clients.tls.peers), (Some(expected), &None));
    assert_eq!(clients.client_urls, ["https://127.0.0.1:2379"]);
    assert_eq!(clients.etcd.listen_plain, ["127.0.0.1:2380".parse().unwrap()]);
    assert!(!clients.etcd.plain_clients, "no client comes by the peers' way");
    let asked = plan(&format!("{line} --trusted-ca-file ca")).config.tls.clients.unwrap();
    assert!(asked.must_show && asked.ca_file == Some("ca".into()), "as in etcd");
    let peers = format!("{} --peer-cert-file a --peer-key-file b", peers_by("https"));
    let peers = plan(&format!("{peers} --peer-trusted-ca-file ca")).config;
    let trust = PeerTrust::Signed { ca_file: "ca".into(), allowed_names: Vec::new() };
    assert_eq!(peers.tls.peers, Some(PeerTls { pair: pair("a", "b"), trust }));
    assert!(peers.tls.clients.is_none() && peers.etcd.plain_clients);
    let auto = format!("{} --peer-auto-tls", peers_by("https"));
    let auto = plan(&auto).config.tls;
    assert_eq!(auto.peers.map(|peers| peers.trust), Some(PeerTrust::Anyone));
    assert_eq!(auto.own_made.map(|pair| pair.cert_file), Some("default.etcd/tls/own.crt".into()));
}

#[test]
fn plain_text_beyond_this_machine_is_said_once() {
    let notes = plan(THREE).notes;
    let said = "http:// URLs: nothing is encrypted at 10.0.0.2:2380, 10.0.0.2:2379";
    assert_eq!(notes, [said]);
}

#[test]
fn once_it_has_begun_flags_about_the_beginning_count_for_nothing() {
    for line in ["--initial-cluster b=http://a:1", "--initial-cluster-state=existing"] {
        let Plan { config, notes, .. } = make_in(line, true).unwrap();
        assert!(config.peers.is_empty() && config.etcd.founding.is_none());
        assert!(notes.iter().any(|note| note.contains("data directory counts")), "{notes:?}");
    }
    assert!(make_in("--heartbeat-interval 0", true).is_err(), "the others do");
}

#[test]
fn how_much_is_kept() {
    for (line, history_age_ms, revisions) in [
        ("--auto-compaction-retention=5", 5 * MS_PER_HOUR, 0),
        ("--auto-compaction-retention=30m", 1_800_000, 0),
        ("--auto-compaction-mode=periodic", 0, 0),
        ("--auto-compaction-mode=revision --auto-compaction-retention=1000", 0, 1_000),
    ] {
        let Plan { config, .. } = plan(line);
        assert_eq!(config.seed.history_age_ms, Some(history_age_ms), "{line}");
        assert_eq!(config.etcd.revisions_kept, revisions, "{line}");
    }
    for (bytes, quota) in [("0", Some(2 << 30)), ("-1", None), ("16777216", Some(16 << 20))] {
        let Plan { config, .. } = plan(&format!("--quota-backend-bytes={bytes}"));
        assert_eq!(config.etcd.quota_bytes, quota);
    }
}

#[test]
fn how_it_logs_and_who_may_use_it() {
    let line = "--log-level=debug --log-format=console --log-outputs=/tmp/a,stdout,stdout \
                --cors=https://a.example,* --listen-metrics-urls=http://127.0.0.1:2381 \
                --unsafe-no-fsync --max-snapshots 5";
    let Plan { config, log, notes } = plan(line);
    let outputs = vec![Output::Stdout, Output::File("/tmp/a".into())];
    assert_eq!(log, LogPlan { format: LogFormat::Text, level: LevelFilter::DEBUG, outputs });
    assert_eq!(config.allow_origin.len(), 1);
    assert_eq!(config.etcd.listen_metrics, ["127.0.0.1:2381".parse().unwrap()]);
    assert!(config.unsafe_no_fsync);
    assert_eq!(notes, ["without meaning here, passed over: --max-snapshots"]);
}

#[test]
fn a_directory_has_begun_once_it_belongs_to_a_cluster() {
    let directory = std::env::temp_dir().join(format!("raftkv-begun-{}", std::process::id()));
    assert!(!has_begun(&directory));
    fs::create_dir_all(&directory).unwrap();
    for (cluster, begun) in [("none", false), ("000000000000000000000000000000c1", true)] {
        let identity = format!("raftkv data directory, format 1\ncluster_id = {cluster}\n");
        fs::write(directory.join("IDENTITY"), identity).unwrap();
        assert_eq!(has_begun(&directory), begun);
    }
    assert_eq!(refuse_an_etcds(&directory), Ok(()));
    fs::create_dir(directory.join("member")).unwrap();
    let refused = refuse_an_etcds(&directory).unwrap_err();
    assert!(refused.contains("make-mirror"), "{refused}");
    fs::remove_dir_all(&directory).unwrap();
}
