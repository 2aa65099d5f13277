//! Members that are started with etcd's own flags, and asked as etcd's clients ask.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{Answer, Http};
use crate::member::Member;
use crate::ports::Ports;
use crate::scratch::Scratch;
use crate::wait;

/// Members with two ports each, one for clients and one for members.
#[derive(Debug)]
pub struct EtcdCluster {
    members: Vec<Member>,
    /// How long the log of each was when it was started last.
    said_before: Vec<usize>,
    count: usize,
    // The members end first, then their directory goes.
    scratch: Scratch,
    ports: Ports,
}

impl EtcdCluster {
    /// So many members, none of which runs yet, and ports for one more.
    pub fn prepare(count: usize, flags: &[&str]) -> EtcdCluster {
        let ports = Ports::in_a_row(u16::try_from(2 * (count + 1)).unwrap());
        let (members, said_before, scratch) = (Vec::new(), Vec::new(), Scratch::new());
        let mut cluster = EtcdCluster { members, said_before, count, scratch, ports };
        for number in 0..count {
            cluster.add(number, &cluster.flags(number, flags));
        }
        cluster
    }

    /// The same, each of them serving.
    pub fn start(count: usize, flags: &[&str]) -> EtcdCluster {
        let mut cluster = EtcdCluster::prepare(count, flags);
        (0..count).for_each(|number| cluster.begin(number));
        (0..count).for_each(|number| cluster.wait_until_ready(number));
        cluster
    }

    /// Another member, with these flags; it does not run yet.
    pub fn add(&mut self, number: usize, flags: &[String]) {
        assert_eq!(number, self.members.len(), "they are numbered");
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (name, port) = (name(number), self.client_port(number));
        self.members.push(Member::etcd(name, port, self.scratch.path(), &flags));
        self.said_before.push(0);
    }

    /// Starts a member, or starts it again on what it left.
    pub fn begin(&mut self, number: usize) {
        self.said_before[number] = self.members[number].log().len();
        self.members[number].start();
    }

    /// Kills a member, and waits until it is gone.
    pub fn kill(&mut self, number: usize) {
        self.members[number].kill();
        self.members[number].ended();
    }

    /// The flags of a member that founds the cluster, and `more`.
    pub fn flags(&self, number: usize, more: &[&str]) -> Vec<String> {
        let founders = (0..self.count).map(|number| self.named_url(number));
        let cluster = founders.collect::<Vec<_>>().join(",");
        let (client, peer) = (self.client_url(number), self.peer_url(number));
        let mut flags = vec![
            format!("--name={}", name(number)),
            format!("--data-dir={}", name(number)),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster={cluster}"),
        ];
        flags.extend(more.iter().map(|&flag| flag.to_owned()));
        flags
    }

    /// As `--initial-cluster` has it.
    pub fn named_url(&self, number: usize) -> String {
        format!("{}={}", name(number), self.peer_url(number))
    }

    /// Where clients come.
    pub fn client_url(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}", self.client_port(number))
    }

    /// Where members come.
    pub fn peer_url(&self, number: usize) -> String {
        format!("http://localhost:{}", self.peer_port(number))
    }

    /// The port of clients.
    pub fn client_port(&self, number: usize) -> u16 {
        self.ports.numbers()[2 * number]
    }

    /// The port of members.
    pub fn peer_port(&self, number: usize) -> u16 {
        self.ports.numbers()[2 * number + 1]
    }

    /// One member.
    pub fn member(&mut self, number: usize) -> &mut Member {
        &mut self.members[number]
    }

    /// Waits until a member has said, since it was started last, that it serves.
    pub fn wait_until_ready(&self, number: usize) {
        wait::until_true("it is ready to serve client requests", || {
            let log = self.members[number].log();
            log[self.said_before[number]..].contains("ready to serve client requests")
        });
    }

    /// Posts to a member as etcd's JSON clients do.
    pub fn post(&self, number: usize, path: &str, body: &Value) -> Answer {
        post(self.client_port(number), path, body)
    }

    /// Puts a key, and says what was answered.
    pub fn put(&self, number: usize, key: &str, value: &str) -> Answer {
        self.post(number, "/v3/kv/put", &json!({ "key": base64(key), "value": base64(value) }))
    }

    /// Reads a key, through a member's port.
    pub fn get(&self, port: u16, key: &str) -> Option<String> {
        let answer = post(port, "/v3/kv/range", &json!({ "key": base64(key) })).json();
        let value = answer["kvs"][0]["value"].as_str()?;
        Some(String::from_utf8(STANDARD.decode(value).unwrap()).unwrap())
    }

    /// Who is in the cluster, as a member knows it.
    pub fn list(&self, number: usize) -> Vec<Value> {
        let answer = self.post(number, "/v3/cluster/member/list", &json!({})).json();
        answer["members"].as_array().cloned().unwrap_or_default()
    }
}

/// Posts to any port.
pub fn post(port: u16, path: &str, body: &Value) -> Answer {
    Http::new(port).request("POST", path, &body.to_string()).unwrap()
}

/// As keys and values are in JSON.
pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn name(number: usize) -> String {
    format!("m{number}")
}
