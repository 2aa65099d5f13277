//! What lies in `deploy/` fits the program: every metric that an alert or a panel asks for is told
//! by real members, every setting is one, and what belongs together agrees. That the files are what
//! Prometheus, Kubernetes and systemd take, their own tools say: `cargo xtask test deploy`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use system_tests::cluster::Cluster;
use system_tests::containers::SERVICES;
use system_tests::deployed::{
    bytes, items, json, kubernetes_environment, named, repository, text, word, yaml, yaml_document,
};
use system_tests::http::Http;
use system_tests::program;
use system_tests::promql::{Selector, samples, selectors};
use system_tests::scratch::Scratch;
use system_tests::wait;

const RULES: &str = "deploy/prometheus/rules.yml";
const DASHBOARD: &str = "deploy/grafana/raftkv.json";
const STATEFUL_SET: &str = "deploy/kubernetes/statefulset.yaml";
const CLIENTS_AND_PEERS: &str = "deploy/kubernetes/services.yaml";
const UNIT: &str = "deploy/systemd/raftkv.service";
const UNIT_SETTINGS: &str = "deploy/systemd/raftkv.toml";
const OPERATIONS: &str = "docs/operations.md";

/// How our metrics begin, ours and those under etcd's names.
const PREFIXES: [&str; 3] = ["raftkv_", "etcd_", "grpc_"];

/// Labels that Prometheus adds to every sample, by deploy/prometheus/prometheus.yml.
const ADDED: [&str; 3] = ["cluster", "instance", "job"];

/// Columns of Grafana.
const COLUMNS: u64 = 24;

/// What three members tell that have led, followed, served and taken a snapshot, and the values of
/// the label `alarm`.
fn told() -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let target = Scratch::new();
    let backups = ["--backup-dir", target.path().to_str().unwrap()];
    let cluster = {
        let settings = [&["--snapshot-bytes", "65536"][..], &backups].concat();
        let mut cluster = Cluster::prepare_with(3, 0, &settings);
        cluster.start_all();
        cluster
    };
    let leader = cluster.leader();
    let body = format!("{{\"value\":\"{}\"}}", "x".repeat(32 << 10));
    let page = wait::until("the leader takes a snapshot, and makes a backup", || {
        let mut http = cluster.http(leader);
        http.request("PUT", "/kv/a", &body).unwrap();
        let page = http.get("/metrics").body;
        let wanted = ["\nraftkv_snapshot_age_seconds", "\nraftkv_backup_age_seconds"];
        wanted.iter().all(|metric| page.contains(metric)).then_some(page)
    });
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Selector { metric, labels } in samples(&page) {
        told.entry(metric).or_default().extend(labels);
    }
    let alarm = |line: &str| {
        Some(line.strip_prefix("raftkv_alarm{alarm=\"")?.split_once('"')?.0.to_owned())
    };
    (told, page.lines().filter_map(alarm).collect())
}

/// Everything that is asked for in the alerts and in the dashboard.
fn asked() -> Vec<Selector> {
    let (rules, dashboard) = (yaml_document(RULES), json(DASHBOARD));
    let expressions = named(&rules, "expr").into_iter().chain(named(&dashboard, "expr"));
    let variables = named(&dashboard, "definition").into_iter();
    let all = expressions.chain(variables).flat_map(|text| selectors(word(text), &PREFIXES));
    let all: Vec<Selector> = all.collect();
    assert!(all.len() > 40, "alerts and panels ask for something: {all:?}");
    all
}

#[test]
fn members_tell_every_metric_and_label_that_alerts_and_panels_ask_for() {
    let (told, alarms) = told();
    for Selector { metric, labels } in asked() {
        let has = told.get(&metric).unwrap_or_else(|| panic!("no member tells {metric}"));
        for label in labels.iter().filter(|label| !ADDED.contains(&label.as_str())) {
            assert!(has.contains(label), "{metric} has no label {label}: {has:?}");
        }
    }
    let operations = text(OPERATIONS);
    assert!(!alarms.is_empty());
    for alarm in alarms {
        assert!(operations.contains(&format!("\n| `{alarm}` |")), "{OPERATIONS} explains {alarm}");
    }
}

#[test]
fn every_alert_says_how_grave_it_is_and_is_explained_and_tested() {
    let (operations, tests) = (text(OPERATIONS), text("deploy/prometheus/rules_test.yml"));
    let rules = yaml_document(RULES);
    let alerts: Vec<&Value> = rules["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| items(&group["rules"]))
        .collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let name = word(&alert["alert"]);
        let severity = word(&alert["labels"]["severity"]);
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        assert!(!word(&alert["annotations"]["summary"]).is_empty());
        assert!(operations.contains(&format!("\n| `{name}` |")), "{OPERATIONS} explains {name}");
        let fires = format!("alertname: {name}\n        exp_alerts:");
        assert!(tests.contains(&fires), "a test shows that {name} goes off");
    }
}

#[test]
fn panels_have_numbers_of_their_own_and_do_not_cover_each_other() {
    let dashboard = json(DASHBOARD);
    let (mut numbers, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in items(&dashboard["panels"]) {
        let title = word(&panel["title"]);
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(place("x") + place("w") <= COLUMNS, "{title} is too wide");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
        let references: BTreeSet<&str> =
            items(&panel["targets"]).iter().map(|target| word(&target["refId"])).collect();
        assert_eq!(references.len(), items(&panel["targets"]).len(), "{title}: a refId is taken");
    }
}

/// The program takes these settings, all of which it knows.
fn check_settings(arguments: &[&str], environment: &BTreeMap<String, String>) {
    let scratch = Scratch::new();
    let help = program::run(scratch.path(), &["start", "--help"]).stdout;
    let mut command = program::command(scratch.path(), arguments);
    command.arg("--check-config");
    for (name, value) in environment {
        command.env(name, value);
        let Some(setting) = name.strip_prefix("RAFTKV_") else { continue };
        let flag = format!("--{} ", setting.to_lowercase().replace('_', "-"));
        assert!(help.contains(&flag), "{name} is a setting: {flag}");
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} {environment:?}: {said}");
}

fn stateful_set() -> (Value, Value) {
    let set = yaml_document(STATEFUL_SET);
    let container = set["spec"]["template"]["spec"]["containers"][0].clone();
    (set, container)
}

#[test]
fn pods_are_started_with_settings_that_the_program_takes_and_name_each_other() {
    let (set, container) = stateful_set();
    let arguments: Vec<&str> = items(&container["args"]).iter().map(word).collect();
    let name = word(&set["metadata"]["name"]);
    let count = set["spec"]["replicas"].as_u64().unwrap();
    let mut addresses = BTreeSet::new();
    for number in 0..count {
        let environment = kubernetes_environment(&container, &format!("{name}-{number}"));
        check_settings(&arguments, &environment);
        let peers: BTreeSet<String> =
            environment["RAFTKV_PEERS"].split(',').map(str::to_owned).collect();
        assert_eq!(peers.len() as u64, count, "as many peers as replicas");
        assert!(peers.contains(&environment["RAFTKV_ADVERTISE"]), "{environment:?}");
        addresses.insert(environment["RAFTKV_ADVERTISE"].clone());
        let service = format!(".{}.", word(&set["spec"]["serviceName"]));
        assert!(peers.iter().all(|peer| peer.contains(&service)), "{peers:?} are below {service}");
    }
    assert_eq!(addresses.len() as u64, count);
}

#[test]
fn what_kubernetes_is_told_agrees_with_itself() {
    let (set, container) = stateful_set();
    let spec = &set["spec"];
    assert_eq!(spec["podManagementPolicy"], "Parallel");
    let labels = &spec["template"]["metadata"]["labels"];
    assert_eq!(spec["selector"]["matchLabels"], *labels);
    let services = yaml(CLIENTS_AND_PEERS);
    assert!(services.iter().all(|service| service["spec"]["selector"] == *labels));
    let peers = services.iter().find(|s| s["metadata"]["name"] == spec["serviceName"]).unwrap();
    assert_eq!(peers["spec"]["clusterIP"], "None");
    assert_eq!(peers["spec"]["publishNotReadyAddresses"], true);
    let budget = yaml_document("deploy/kubernetes/disruption-budget.yaml");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    assert_eq!(budget["spec"]["selector"]["matchLabels"], *labels);

    let environment = kubernetes_environment(&container, "raftkv-0");
    let limit = bytes(word(&container["resources"]["limits"]["memory"]));
    let state = bytes(&environment["RAFTKV_MEMORY_LIMIT"]);
    assert!(state * 10 <= limit * 6, "the state has at most 60 % of {limit}: {state}");
    assert!(state * 10 > limit * 5, "and not much less: {state}");
    let mount = word(&container["volumeMounts"][0]["mountPath"]);
    assert!(
        Path::new(&environment["RAFTKV_DATA_DIR"]).starts_with(mount),
        "data are on the volume"
    );
    assert_eq!(container["ports"][0]["containerPort"].to_string(), environment["RAFTKV_PORT"]);
    let (metrics, probes) = (&container["ports"][1], ["startup", "liveness", "readiness"]);
    assert_eq!(metrics["name"], "metrics");
    let listen = &environment["RAFTKV_METRICS_LISTEN"];
    assert!(listen.ends_with(&format!(":{}", metrics["containerPort"])), "{listen}");
    for probe in probes {
        assert_eq!(container[format!("{probe}Probe")]["httpGet"]["port"], "metrics", "{probe}");
    }
    // Prometheus finds them by the headless service's name for that port.
    let ports = items(&peers["spec"]["ports"]);
    assert!(ports.iter().any(|port| port["name"] == "metrics" && port["targetPort"] == "metrics"));
    let scraped = text("deploy/prometheus/prometheus.yml");
    let service = word(&peers["metadata"]["name"]);
    assert!(scraped.contains(&format!("_metrics._tcp.{service}.")), "{scraped}");
}

#[test]
fn the_hook_before_a_pod_is_stopped_drains_its_member_in_time() {
    let (set, container) = stateful_set();
    let command = container["lifecycle"]["preStop"]["exec"]["command"].as_array().unwrap();
    let command: Vec<&str> = command.iter().map(word).collect();
    assert_eq!(command[..3], ["raftkv", "member", "drain"]);
    let seconds = |word: &str| word.strip_prefix("--wait=")?.parse::<u64>().ok();
    let wait = command.iter().find_map(|word| seconds(word)).unwrap();
    let grace = set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(wait + 20 <= grace, "it has time to stop in good order after that");

    let own = format!("http://localhost:{}", kubernetes_environment(&container, "")["RAFTKV_PORT"]);

    // The program takes the line: nobody is there, which is another thing than wrong usage.
    let line = command[1..].iter().map(|word| match *word {
        word if word == own => "http://localhost:1",
        word if seconds(word).is_some() => "--wait=0",
        word => word,
    });
    let line: Vec<&str> = line.collect();
    assert!(line.contains(&"http://localhost:1"), "it asks its own member");
    let scratch = Scratch::new();
    let mut program = program::command(scratch.path(), &line);
    program.envs(kubernetes_environment(&container, "raftkv-0")).env("RAFTKV_TIMEOUT", "200ms");
    let output = program.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn a_member_without_a_majority_lives_and_is_not_ready() {
    let (_, container) = stateful_set();
    let path = |probe: &str| word(&container[probe]["httpGet"]["path"]).to_owned();
    let mut cluster = Cluster::prepare_with(3, 1, &[]);
    let port = cluster.spare_port();
    cluster.member(0).give_also(&["--metrics-listen", &format!("127.0.0.1:{port}")]);
    cluster.start_all();
    cluster.leader();
    let ask = |path: &str| Http::new(port).get(path);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let answer = wait::until("the member is ready", || {
            let answer = ask(&path(probe));
            (answer.status == 200).then_some(answer)
        });
        assert_eq!(answer.body, "ok\n", "{probe}");
    }
    cluster.kill([1, 2]);
    wait::until_true("it is not ready", || ask(&path("readinessProbe")).status == 503);
    for probe in ["startupProbe", "livenessProbe"] {
        assert_eq!(ask(&path(probe)).status, 200, "{probe} asks for no majority");
    }
}

#[test]
fn the_containers_are_started_with_settings_that_the_program_takes_and_name_each_other() {
    let file = yaml_document("compose.yaml");
    let mut first = None;
    for (name, number) in SERVICES.iter().zip(1..) {
        let service = &file["services"][name];
        let environment = service["environment"].as_object().unwrap();
        let environment: BTreeMap<String, String> = environment
            .iter()
            .map(|(name, value)| (name.clone(), word(value).to_owned()))
            .collect();
        let mut started = environment.clone();
        started.extend([("RAFTKV_LISTEN".to_owned(), "0.0.0.0".to_owned())]);
        check_settings(&[word(&service["command"])], &started);
        let peers: Vec<&str> = environment["RAFTKV_PEERS"].split(',').collect();
        assert_eq!(peers.len(), SERVICES.len());
        assert!(peers.contains(&environment["RAFTKV_ADVERTISE"].as_str()), "{peers:?}");
        assert!(environment["RAFTKV_ADVERTISE"].starts_with(name), "{environment:?}");
        let (_, peer_port) = environment["RAFTKV_LISTEN_PEER"].split_once(':').unwrap();
        assert!(peers.iter().all(|peer| peer.ends_with(&format!(":{peer_port}"))), "{peers:?}");
        let published = items(&service["ports"]);
        assert!(!published.is_empty());
        for port in published {
            assert!(!word(port).ends_with(peer_port), "the members' port is not published: {port}");
        }

        // They differ by their number alone.
        let spelled = |word: &str| word.replace("{}", &number.to_string());
        let one = ["node-{}", "raftkv-{}", "data-{}", "localhost:800{},", "127.0.0.1:800{}"]
            .iter()
            .fold(service.to_string(), |text, own| text.replace(&spelled(own), own));
        let one = one.replace(&environment["RAFTKV_PEERS"].replace(name, "raftkv-{}"), "PEERS");
        assert_eq!(first.get_or_insert_with(|| one.clone()), &one, "{name}");
        assert!(one.contains("PEERS") && one.contains("data-{}:/var/lib/raftkv"), "{one}");
    }
}

#[test]
fn the_service_starts_a_member_with_settings_that_the_program_takes() {
    let unit = text(UNIT);
    let setting = |name: &str| {
        unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap()
    };
    assert_eq!(setting("Type"), "notify");
    let removed = "4";
    assert_eq!(setting("RestartPreventExitStatus"), removed);
    let settings = repository().join(UNIT_SETTINGS);
    let line = setting("ExecStart").replace("/etc/raftkv/raftkv.toml", settings.to_str().unwrap());
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/raftkv"));
    check_settings(&words.collect::<Vec<_>>(), &BTreeMap::new());
    assert!(line.contains(&format!("/var/lib/{}/", setting("StateDirectory"))), "{line}");
}
