//! Load generators: `raftkv bench`, and two that cost less than a client of gRPC does: `h2load`,
//! which sends one request again and again, and `wrk` over HTTP/1.1.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::super::cluster::Cluster;
use super::super::http::{self, spread_threads};
use super::super::json::{base64, number};
use super::super::program::Program;
use crate::failure::{Doing, Failure, Result};

/// What every key begins with.
pub(in crate::bench) const PREFIX: &str = "bench/";

/// Connections of `h2load`, and requests at once on each.
const CONNECTIONS: &str = "32";
const STREAMS: &str = "32";

/// Connections of ever more clients of our own generator.
const CONNECTIONS_MAX: u64 = 32;

/// Connections of `wrk`.
const WRK_CONNECTIONS: usize = 256;

/// How long one answer may take.
const ANSWER_MAX: &str = "10s";

/// Settings of the command line that somebody's environment may hold.
const OVERRIDES: [&str; 3] = ["RAFTKV_ENDPOINTS", "RAFTKV_USER", "RAFTKV_TIMEOUT"];

/// To whom the load goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum At {
    Leader,
    Followers,
}

/// What `h2load` calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Call {
    Put,
    Range,
}

/// A load.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) enum Load {
    Bench {
        kind: &'static str,
        words: &'static [&'static str],
        at: At,
    },
    H2load(Call),
    /// Puts over HTTP/1.1 as JSON: our own door, and etcd's gateway.
    Wrk,
}

/// How large and how long.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) struct Size {
    pub(in crate::bench) keys: u64,
    pub(in crate::bench) value_bytes: usize,
    pub(in crate::bench) seconds: u64,
    pub(in crate::bench) warm_up: u64,
}

/// What a generator found. Latencies in µs; not every generator tells them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Figures {
    pub(in crate::bench) per_second: f64,
    pub(in crate::bench) p50: Option<f64>,
    pub(in crate::bench) p99: Option<f64>,
    pub(in crate::bench) p999: Option<f64>,
    pub(in crate::bench) max: Option<f64>,
    /// How many were done in the 100 ms in which the fewest were.
    pub(in crate::bench) quietest: Option<f64>,
}

impl Figures {
    /// Nothing is known but how many there were.
    pub(in crate::bench) fn of(per_second: f64) -> Figures {
        Figures { per_second, p50: None, p99: None, p999: None, max: None, quietest: None }
    }
}

/// Our own binary, as a load generator.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Generator(pub(in crate::bench) PathBuf);

impl Generator {
    pub(in crate::bench) fn run(
        &self,
        load: Load,
        cluster: &mut Cluster,
        size: &Size,
    ) -> Result<Figures> {
        let leader = cluster.settled()?;
        match load {
            Load::Bench { kind, words, at } => {
                let members: Vec<usize> = match at {
                    At::Leader => Vec::from([leader]),
                    At::Followers => cluster.others(leader).collect(),
                };
                let ports: Vec<u16> = members.iter().map(|member| cluster.port(*member)).collect();
                let seconds = [size.seconds, size.warm_up].map(|seconds| seconds.to_string());
                let mut all = Vec::from(["--seconds", &seconds[0], "--warm-up", &seconds[1]]);
                all.extend(words);
                self.bench(kind, &ports, size, &all)
            }
            Load::H2load(call) => h2load(call, cluster, leader, size),
            Load::Wrk => wrk(cluster, leader, size),
        }
    }

    /// A load of our own generator on the leader.
    pub(in crate::bench) fn at_leader(
        &self,
        kind: &str,
        cluster: &mut Cluster,
        size: &Size,
        words: &[&str],
    ) -> Result<Figures> {
        let port = cluster.settled().map(|leader| cluster.port(leader))?;
        let [seconds, warm_up] = [size.seconds, size.warm_up].map(|seconds| seconds.to_string());
        let times = ["--seconds", &seconds, "--warm-up", &warm_up];
        self.bench(kind, &[port], size, &[&times, words].concat())
    }

    /// Puts of so many clients.
    pub(in crate::bench) fn clients(
        &self,
        cluster: &mut Cluster,
        size: &Size,
        clients: u64,
    ) -> Result<Figures> {
        let port = cluster.settled().map(|leader| cluster.port(leader))?;
        let texts = [clients, clients.min(CONNECTIONS_MAX), size.seconds, size.warm_up];
        let [clients, connections, seconds, warm_up] = texts.map(|number| number.to_string());
        let words = ["--clients", &clients, "--connections", &connections];
        let times = ["--seconds", &seconds, "--warm-up", &warm_up];
        self.bench("put", &[port], size, &[words, times].concat())
    }

    /// So many puts, of each key in its turn or of any.
    pub(in crate::bench) fn puts(
        &self,
        cluster: &mut Cluster,
        size: &Size,
        count: u64,
        sequential: bool,
    ) -> Result<Figures> {
        let port = cluster.settled().map(|leader| cluster.port(leader))?;
        let count = count.to_string();
        let mut words = Vec::from(["--count", &count, "--warm-up", "0"]);
        words.extend(["--clients", "400", "--connections", "16"]);
        words.extend(sequential.then_some("--sequential"));
        self.bench("put", &[port], size, &words)
    }

    fn bench(&self, kind: &str, ports: &[u16], size: &Size, words: &[&str]) -> Result<Figures> {
        let endpoints: Vec<String> =
            ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let mut command = Command::new(&self.0);
        OVERRIDES.iter().for_each(|variable| {
            command.env_remove(variable);
        });
        command.args(["bench", kind, "--endpoints", &endpoints.join(","), "-o", "json"]);
        command.args(["--prefix", PREFIX, "--filled", "--timeout", ANSWER_MAX]);
        command.args(["--value-bytes", &size.value_bytes.to_string()]);
        if kind != "watch" {
            command.args(["--keys", &size.keys.to_string()]);
        }
        let report = heard(command.args(words))?;
        let figures = of_bench(&report);
        figures.ok_or_else(|| Failure::Unexpected(format!("there were errors: {report}")))
    }
}

/// Any error spoils the figures.
fn of_bench(json: &str) -> Option<Figures> {
    (number(json, &["errors_total"])? == 0.0).then_some(())?;
    let latency = |name| number(json, &["total", "latency_us", name]);
    Some(Figures {
        per_second: number(json, &["total", "operations_per_second"])?,
        p50: Some(latency("p50")?),
        p99: Some(latency("p99")?),
        p999: Some(latency("p999")?),
        max: Some(latency("max")?),
        quietest: number(json, &["quietest_100ms"]),
    })
}

/// What a command prints, if it succeeds.
fn heard(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().doing(format!("start {program}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Unexpected(format!("{program} failed: {said}{text}")))
}

fn h2load(call: Call, cluster: &Cluster, leader: usize, size: &Size) -> Result<Figures> {
    let (name, message) = match call {
        Call::Put => ("Put", put_message(size.value_bytes)),
        Call::Range => ("Range", field(1, &key(0))),
    };
    let path = cluster.directory().join("request");
    fs::write(&path, frame(&message)).doing(format!("write {}", path.display()))?;
    let mut command = Command::new("h2load");
    command.args(["-t", "1", "-c", CONNECTIONS, "-m", STREAMS, "-D", &size.seconds.to_string()]);
    command.arg(format!("--warm-up-time={}", size.warm_up));
    command.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-d"]).arg(path);
    let address = format!("http://127.0.0.1:{}", cluster.port(leader));
    let report = heard(command.arg(format!("{address}/etcdserverpb.KV/{name}")))?;
    let least = if call == Call::Range { size.value_bytes } else { 0 };
    let per_second = of_h2load(&report, least as f64);
    let odd = || Failure::Unexpected(format!("h2load met errors: {report}"));
    Ok(Figures::of(per_second.ok_or_else(odd)?))
}

/// Requests a second, if all succeeded with so many bytes of answer each at least: an error of gRPC
/// is a success of HTTP, but has no body.
fn of_h2load(report: &str, body_bytes_min: f64) -> Option<f64> {
    let line = |label: &str| report.lines().find(|line| line.starts_with(label));
    let before = |label: &str, unit: &str| -> Option<f64> {
        let (text, _) = line(label)?.split_once(unit)?;
        let number = text.rsplit([' ', '(']).next()?;
        number.parse().ok()
    };
    let per_second = before("finished in", " req/s")?;
    let good = before("requests:", " succeeded")?;
    let bad = [" failed", " errored", " timeout"].map(|what| before("requests:", what));
    let body_bytes = before("traffic:", ") data")?;
    let sound = bad.iter().all(|count| *count == Some(0.0));
    (sound && good > 0.0 && body_bytes >= good * body_bytes_min).then_some(per_second)
}

fn key(number: u64) -> Vec<u8> {
    format!("{PREFIX}{number:012}").into_bytes()
}

/// A message on a stream of gRPC: not compressed, its length, itself.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a value of ours is small");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

fn put_message(value_bytes: usize) -> Vec<u8> {
    [field(1, &key(0)), field(2, &vec![b'v'; value_bytes])].concat()
}

/// A field of bytes, as protobuf has it.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    /// Lengths are written in groups of seven bits, the lowest first.
    const GROUP: usize = 128;
    let mut encoded = Vec::from([number << 3 | 2]);
    let mut length = bytes.len();
    while length >= GROUP {
        encoded.push((length % GROUP + GROUP) as u8);
        length /= GROUP;
    }
    encoded.push(length as u8);
    encoded.extend(bytes);
    encoded
}

fn wrk(cluster: &Cluster, leader: usize, size: &Size) -> Result<Figures> {
    let script = match cluster.program() {
        Program::Raftkv(_) => http::put_script(size.value_bytes),
        Program::Etcd(_) => gateway_script(size.value_bytes),
    };
    let path = cluster.directory().join("put.lua");
    fs::write(&path, script).doing(format!("write {}", path.display()))?;
    let mut command = http::wrk(WRK_CONNECTIONS, size.seconds, cluster.port(leader));
    let report = heard(command.arg("--script").arg(path))?;
    let odd = || Failure::Unexpected(format!("wrk met errors: {report}"));
    let row = http::parse(&report).ok_or_else(odd)?;
    let (p50, p99) = (micros(&row.p50), micros(&row.p99));
    Ok(Figures { p50, p99, ..Figures::of(row.per_second) })
}

/// Sixteen digits are base64 of twelve bytes, whatever the digits: so the script need not encode.
fn gateway_script(value_bytes: usize) -> String {
    let value = base64(&vec![b'v'; value_bytes]);
    let keys = http::KEYS;
    format!(
        "local n = 0\n\
         local value = '{value}'\n\
         local headers = {{ ['Content-Type'] = 'application/json' }}\n\
         {}\
         function request()\n  n = (n + 1) % {keys}\n  \
         local body = string.format('{{\"key\":\"%016d\",\"value\":\"%s\"}}', n, value)\n  \
         return wrk.format('POST', '/v3/kv/put', headers, body)\nend\n",
        spread_threads(),
    )
}

/// `1.23ms` of `wrk`, in µs.
fn micros(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1_000.0), ("s", 1_000_000.0), ("m", 60_000_000.0)];
    let parse = |(unit, us): &(&str, f64)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * us)
    };
    units.iter().find_map(parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_our_own_generator_spoil_the_figures() {
        let json = |errors: u32| {
            format!(
                r#"{{"errors":{{}},"errors_total":{errors},"total":{{"latency_us":{{"max":9,
                "p50":1,"p90":2,"p99":3,"p999":4}},"operations":5,"operations_per_second":2.5}},
                "quietest_100ms":6}}"#
            )
        };
        let (p50, p99, p999) = (Some(1.0), Some(3.0), Some(4.0));
        let (max, quietest) = (Some(9.0), Some(6.0));
        let figures = Figures { per_second: 2.5, p50, p99, p999, max, quietest };
        assert_eq!(of_bench(&json(0)), Some(figures));
        assert_eq!(of_bench(&json(1)), None);
    }

    const REPORT: &str = "\
finished in 5.01s, 19255.20 req/s, 1.50MB/s
requests: 96276 total, 97300 started, 96276 done, 96276 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 96276 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 7.52MB (7880000) total, 188.05KB (192560) headers (saved 97.99%), 3.12MB (3273384) data
";

    #[test]
    fn the_report_of_h2load_is_read() {
        assert_eq!(of_h2load(REPORT, 34.0), Some(19_255.2));
    }

    #[test]
    fn failures_and_empty_answers_of_h2load_spoil_the_figure() {
        assert_eq!(of_h2load(REPORT, 35.0), None, "some answers were errors of gRPC");
        assert_eq!(of_h2load(&REPORT.replace("0 failed", "1 failed"), 0.0), None);
        assert_eq!(of_h2load(&REPORT.replace("96276 succeeded", "0 succeeded"), 0.0), None);
        assert_eq!(of_h2load("", 0.0), None);
    }

    #[test]
    fn messages_are_encoded_as_protobuf_has_them() {
        assert_eq!(frame(&field(1, b"ab")), [0, 0, 0, 0, 4, 10, 2, b'a', b'b']);
        let put = put_message(300);
        assert_eq!(&put[..2], [10, 18]);
        assert_eq!(&put[20..24], [18, 0xac, 0x02, b'v']);
        assert_eq!(put.len(), 2 + 18 + 3 + 300);
    }

    #[test]
    fn times_of_wrk_are_read_in_any_unit() {
        let times = ["950.00us", "1.25ms", "2.00s", "?"].map(micros);
        assert_eq!(times, [Some(950.0), Some(1_250.0), Some(2_000_000.0), None]);
    }

    #[test]
    fn the_script_for_the_gateway_addresses_as_many_keys_as_ours() {
        let script = gateway_script(4);
        assert!(
            script.contains("n = (n + 1) % 10000") && script.contains("'dnZ2dg=='"),
            "{script}"
        );
    }
}
