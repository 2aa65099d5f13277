//! What a set of flags comes to: a configuration, or the reason why not.

use store::SettingsChange;

use super::*;

/// Reads `setting = value` lines as the file does.
fn raw(settings: &str) -> Raw {
    Raw::from_toml(Path::new("raftkv.toml"), settings).unwrap()
}

fn resolve(settings: &str) -> Result<Config, ConfigError> {
    raw(settings).resolve()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn nothing_written_is_a_cluster_of_one_on_loopback() {
    let expected = Config {
        name: "node-8001".into(),
        listen: "127.0.0.1:8001".parse().unwrap(),
        listen_peer: None,
        metrics_listen: Vec::new(),
        advertise: address("localhost:8001"),
        client_urls: Vec::new(),
        peers: Vec::new(),
        data_dir: "raftkv-data/node-8001".into(),
        heartbeat_ms: 100,
        election_timeout_ms: 1_000,
        join: Vec::new(),
        join_user: None,
        replace: None,
        learner: false,
        snapshot_bytes: 64 << 20,
        wal_segment_bytes: 64 << 20,
        seed: SettingsChange { seed: true, ..SettingsChange::default() },
        memory_limit_bytes: None,
        requests_per_second_max: None,
        backups: None,
        log_format: LogFormat::Text,
        allow_origin: Vec::new(),
        raft_http: false,
        unsafe_no_fsync: false,
        tls: TlsWays::default(),
        etcd: EtcdWays::default(),
    };
    assert_eq!(resolve(""), Ok(expected));
}

#[test]
fn the_readme_line_for_three_terminals() {
    let config = resolve(
        r#"node_id = "node-1"
           port = 8001
           peers = "localhost:8002,localhost:8003""#,
    )
    .unwrap();
    assert_eq!(config.advertise, address("localhost:8001"));
    assert_eq!(config.peers, [address("localhost:8002"), address("localhost:8003")]);
    assert_eq!(config.data_dir, Path::new("raftkv-data/node-1"));
}

#[test]
fn a_member_may_be_listed_among_its_own_peers() {
    let same_list = r#"peers = ["127.0.0.1:8001", "localhost:8002", "[::1]:8003"]"#;
    let config = resolve(same_list).unwrap();
    assert_eq!(config.peers, [address("localhost:8002"), address("localhost:8003")]);
}

#[test]
fn listen_may_carry_the_port() {
    for (written, bound) in [
        (r#"listen = "127.0.0.1""#, "127.0.0.1:8001"),
        (r#"listen = "localhost:9000""#, "127.0.0.1:9000"),
        (r#"listen = "[::1]:9000""#, "[::1]:9000"),
        (r#"listen = "::1""#, "[::1]:8001"),
        ("listen = \"127.0.0.1:9000\"\nport = 9000", "127.0.0.1:9000"),
    ] {
        assert_eq!(resolve(written).unwrap().listen, bound.parse().unwrap(), "{written}");
    }
}

#[test]
fn contradictions_are_refused() {
    use ConfigError as E;
    let two_ports = "listen = \"127.0.0.1:9000\"\nport = 9001";
    let far = "insecure = true\nlisten = \"0.0.0.0\"\npeers = \"10.0.0.2:8001\"";
    let far_advertised = format!("{far}\nadvertise = \"localhost:8001\"");
    let many: Vec<String> = (1..=MEMBERS_MAX).map(|i| format!("'localhost:{i}'")).collect();
    let many = format!("peers = [{}]", many.join(","));
    for (written, error) in [
        (two_ports, E::TwoPorts { listen: 9000, port: 9001 }),
        ("listen = \"example.org\"", E::Listen("example.org".into())),
        ("listen = \"localhost8001\"", E::Listen("localhost8001".into())),
        ("listen = \"\"", E::Listen(String::new())),
        (far, E::AdvertiseMissing),
        (
            &far_advertised,
            E::AdvertiseLoopback {
                advertise: address("localhost:8001"),
                peer: address("10.0.0.2:8001"),
            },
        ),
        ("advertise = \"localhost:0\"", E::AdvertisePortZero),
        (
            "advertise = \"http://localhost:1\"",
            E::Advertise { written: "http://localhost:1".into(), reason: AddressError::Scheme },
        ),
        ("peers = \"localhost:8002,127.0.0.1:8002\"", E::DuplicatePeer(address("localhost:8002"))),
        ("peers = \"localhost:0\"", E::PeerPortZero),
        ("port = 0\npeers = \"localhost:8002\"", E::PeerPortZero),
        (
            "peers = \"localhost\"",
            E::Peer { written: "localhost".into(), reason: AddressError::NoPort },
        ),
        (&many, E::TooManyMembers(MEMBERS_MAX + 1)),
        ("data_dir = \"\"", E::DataDirEmpty),
        ("allow_origin = \"*\"", E::AllowOrigin("*".into())),
    ] {
        assert_eq!(resolve(written), Err(error), "{written}");
    }
}

#[test]
fn a_name_is_a_plain_word() {
    let long = "n".repeat(NODE_ID_BYTES_MAX + 1);
    for name in ["", "..", "-a", "a/b", "a b", "näme", &long] {
        let error = Raw { node_id: Some(name.into()), ..Raw::default() }.resolve().unwrap_err();
        assert_eq!(error, ConfigError::NodeId(name.into()));
    }
    for name in ["a", "node-1", "etcd_0.example", &long[1..]] {
        assert!(Raw { node_id: Some(name.into()), ..Raw::default() }.resolve().is_ok(), "{name}");
    }
}

#[test]
fn plaintext_stays_on_this_machine_unless_allowed() {
    let listen = r#"listen = "0.0.0.0""#;
    let advertise = r#"advertise = "kv.example:8001""#;
    let peers = "advertise = \"kv.example:8001\"\npeers = \"kv2.example:8001\"";
    for (written, setting) in [(listen, "--listen"), (advertise, "--advertise"), (peers, "--adv")] {
        let error = resolve(written).unwrap_err();
        assert!(matches!(error, ConfigError::Plaintext { .. }), "{error:?}");
        assert!(error.to_string().starts_with(setting), "{error}");
        assert!(error.to_string().contains("--insecure"), "{error}");
        assert!(resolve(&format!("{written}\ninsecure = true")).is_ok());
    }
}

#[test]
fn timers_and_sizes_have_bounds() {
    for (written, valid) in [
        ("heartbeat_ms = 9", false),
        ("heartbeat_ms = 10", true),
        ("heartbeat_ms = 500", true),
        ("heartbeat_ms = 501", false),
        ("election_timeout_ms = 199", false),
        ("election_timeout_ms = 200", true),
        ("election_timeout_ms = 600001", false),
        ("heartbeat_ms = 9223372036854775807", false),
        ("wal_segment_bytes = 4194303", false),
        ("wal_segment_bytes = 4194304", true),
        ("wal_segment_bytes = 4194305", false),
        ("wal_segment_bytes = \"1GiB\"", true),
        ("wal_segment_bytes = \"2GiB\"", false),
        ("history_age = \"0\"", true),
        ("history_age = \"400000d\"", false),
        ("history_bytes = 4095", false),
        ("history_bytes = 4096", true),
        ("memory_limit = \"1MiB\"", true),
        ("memory_limit = 1000000", false),
    ] {
        assert_eq!(resolve(written).is_ok(), valid, "{written}");
    }
}

#[test]
fn a_chosen_port_is_known_after_binding() {
    let config = resolve("port = 0").unwrap().bound_to("127.0.0.1:40123".parse().unwrap());
    assert_eq!(config.advertise, address("localhost:40123"));
    let fixed = resolve("advertise = \"localhost:7\"\nport = 0").unwrap();
    assert_eq!(fixed.bound_to("127.0.0.1:40123".parse().unwrap()).advertise.port(), 7);
}

#[test]
fn flags_win_over_the_environment_and_both_over_the_file() {
    let directory = std::env::temp_dir().join(format!("raftkv-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("raftkv.toml");
    std::fs::write(&path, "port = 1\nheartbeat_ms = 11\nelection_timeout_ms = 999").unwrap();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = [
        variable("RAFTKV_CONFIG", path.to_str().unwrap()),
        variable("RAFTKV_PORT", "2"),
        variable("RAFTKV_HEARTBEAT_MS", "22"),
    ];
    let flags = Raw { port: Some(3), ..Raw::default() };
    let config = load(flags, None, environment.clone()).unwrap();
    assert_eq!(
        (config.listen.port(), config.heartbeat_ms, config.election_timeout_ms),
        (3, 22, 999)
    );

    // A flag names another file, and that one does not exist.
    let missing = directory.join("missing.toml");
    let error = load(Raw::default(), Some(&missing), environment).unwrap_err();
    let kind = std::io::ErrorKind::NotFound;
    assert_eq!(error, ConfigError::FileUnreadable { path: missing, kind });
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_user_to_join_as_has_a_name_and_a_password_and_is_not_repeated() {
    let join = r#"join = "http://localhost:8001""#;
    let config = resolve(&format!("{join}\njoin_user = \"root:a:b\"")).unwrap();
    assert!(!format!("{config:?}").contains("a:b"), "{config:?}");
    assert_eq!(config.join_user.unwrap().parts(), Some(("root", "a:b")));
    for wrong in ["sesame", "root:", ":sesame"] {
        let error = resolve(&format!("{join}\njoin_user = {wrong:?}")).unwrap_err();
        assert_eq!(error, ConfigError::JoinUser, "{wrong}");
        assert!(!error.to_string().contains("sesame"), "{error}");
    }
    let alone = resolve(r#"join_user = "root:a""#);
    assert_eq!(alone, Err(ConfigError::OnlyWithJoin("--join-user")));
}

#[test]
fn the_published_page_has_every_setting_and_its_example_holds() {
    let page = include_str!("../../../../docs/configuration.md");
    let unknown = toml::from_str::<Raw>("x = 1").unwrap_err().to_string();
    let settings = unknown.split('`').skip(3).step_by(2);
    assert_eq!(settings.clone().count(), 38, "{unknown}");
    for setting in settings {
        assert!(page.contains(&format!("| `{setting}` | ")), "{setting}");
    }
    let (_, example) = page.split_once("    # raftkv.toml\n").unwrap();
    assert_eq!(resolve(example).unwrap().peers.len(), 2);
}

#[test]
fn clients_may_be_told_to_come_elsewhere() {
    let of = |urls: &str| resolve(&format!("advertise_client = {urls:?}"));
    let config = of("http://127.0.0.1:9001/, http://localhost:9002").unwrap();
    assert_eq!(config.client_urls, ["http://localhost:9001", "http://localhost:9002"]);
    let many = ["http://localhost:1"; 9].join(",");
    for (wrong, why) in [
        ("localhost:9001", "write http://HOST:PORT"),
        ("https://localhost:9001", "write http://HOST:PORT"),
        ("http://localhost", "the port is missing"),
        ("http://localhost:9001/kv", "the port must be a number"),
        ("http://10.0.0.1:9001", "--insecure"),
        (many.as_str(), "at most 8 URLs"),
    ] {
        let error = of(wrong).unwrap_err().to_string();
        assert!(error.contains("--advertise-client") && error.contains(why), "{error}");
    }
}

#[test]
fn a_member_is_known_by_the_hosts_that_it_advertises() {
    let client_urls = vec!["http://kv.example:2379".to_owned(), "http://[fe80::1]:1".to_owned()];
    let config = Config { client_urls, ..resolve("").unwrap() };
    assert_eq!(config.own_hosts(), ["localhost", "kv.example", "[fe80::1]"]);
    let listen_also = vec!["10.0.0.1:2379".parse().unwrap()];
    let etcd = EtcdWays { listen_also, ..EtcdWays::default() };
    assert!(config.listens_on_loopback());
    assert!(!Config { etcd, ..config }.listens_on_loopback(), "any of its sockets counts");
}

#[test]
fn what_is_said_of_certificates_fits_together() {
    use PeerTrust as T;
    let pair = |name: &str| PairFiles {
        cert_file: format!("{name}.crt").into(),
        key_file: format!("{name}.key").into(),
    };
    let a = "cert_file = \"a.crt\"\nkey_file = \"a.key\"\n";
    let peers = |written: &str| resolve(&format!("{a}{written}")).unwrap().tls.peers.unwrap();
    assert_eq!(peers(""), PeerTls { pair: pair("a"), trust: T::Itself });
    let others = "peers = \"localhost:8002\"\nclient_ca_file = \"ca.crt\"";
    let signed = |file: &str| T::Signed { ca_file: file.into(), allowed_names: Vec::new() };
    assert_eq!(peers(others), PeerTls { pair: pair("a"), trust: signed("ca.crt") });
    let apart = "peer_cert_file = \"b.crt\"\npeer_key_file = \"b.key\"\npeer_ca_file = \"p.crt\"";
    assert_eq!(peers(apart), PeerTls { pair: pair("b"), trust: signed("p.crt") });
    let own = resolve("auto_tls = true\ndata_dir = \"d\"").unwrap().tls;
    assert_eq!(own.own_made.map(|pair| pair.cert_file), Some("d/tls/own.crt".into()));
    let anyone = "auto_tls = true\ninsecure = true\npeers = \"localhost:8002\"";
    assert_eq!(resolve(anyone).unwrap().tls.peers.unwrap().trust, T::Anyone);
    let beyond = "listen = \"0.0.0.0\"\nadvertise = \"kv.example:8001\"\npeer_ca_file = \"p.crt\"\n\
                  peers = \"kv2.example:8001\"\nadvertise_client = \"https://kv.example:8001\"";
    assert!(resolve(&format!("{a}{beyond}")).is_ok(), "TLS may leave this machine");
}

#[test]
fn what_is_said_of_certificates_and_would_be_passed_over_is_refused() {
    let a = "cert_file = \"a.crt\"\nkey_file = \"a.key\"\n";
    for (written, why) in [
        ("cert_file = \"a.crt\"", "--cert-file: only together with --key-file"),
        ("key_file = \"a.key\"", "--key-file: only together with --cert-file"),
        ("client_ca_file = \"a.crt\"", "--client-ca-file: only together with --cert-file"),
        ("client_cert_auth = true", "--client-cert-auth: only together with --cert-file"),
        ("peer_allowed_names = \"a\"", "--peer-allowed-names: only together with --cert-file"),
        (&format!("{a}client_cert_auth = true"), "together with --client-ca-file"),
        (&format!("{a}peer_key_file = \"b\""), "--peer-key-file: only together with --peer-cert"),
        (&format!("{a}peer_allowed_names = \"b\""), "together with --peer-ca-file"),
        (&format!("{a}peers = \"localhost:2\""), "--peer-ca-file FILE is missing"),
        (&format!("{a}auto_tls = true"), "drop one of the two"),
        ("auto_tls = true\npeers = \"localhost:2\"", "`raftkv cert`"),
        (&format!("{a}advertise_client = \"http://localhost:2\""), "write https://HOST:PORT"),
    ] {
        let error = resolve(written).unwrap_err().to_string();
        assert!(error.contains(why), "{written}: {error}");
    }
}

#[test]
fn clients_are_told_of_tls() {
    let config = resolve("auto_tls = true\nport = 0").unwrap();
    let config = config.bound_to("127.0.0.1:40123".parse().unwrap());
    assert_eq!(config.client_urls, ["https://localhost:40123"]);
}

#[test]
fn members_may_have_a_port_of_their_own() {
    let of = |more: &str| resolve(&format!("listen_peer = \"127.0.0.1:7001\"\n{more}"));
    let config = of("").unwrap().bound_to("127.0.0.1:8001".parse().unwrap());
    assert_eq!(config.advertise, Address::localhost(7001), "it is what others dial");
    assert_eq!(config.client_urls, ["http://localhost:8001"], "and clients come to the other");
    let elsewhere = of("advertise_client = \"http://localhost:9001\"").unwrap();
    let elsewhere = elsewhere.bound_to("127.0.0.1:8001".parse().unwrap());
    assert_eq!(elsewhere.client_urls, ["http://localhost:9001"]);
    for wrong in ["7001", "127.0.0.1", "kv.example:7001", "127.0.0.1:0", "127.0.0.1:8001"] {
        let refused = resolve(&format!("listen_peer = {wrong:?}"));
        assert_eq!(refused, Err(ConfigError::ListenPeer(wrong.to_owned())));
    }
    let beyond = resolve("listen_peer = \"0.0.0.0:7001\"").unwrap_err().to_string();
    assert!(beyond.contains("--listen-peer") && beyond.contains("--insecure"), "{beyond}");
}
