//! One of each, and a connection to both.

use std::time::Duration;

use system_tests::cluster::Cluster;
use tonic::transport::{Channel, Endpoint};

use crate::ask::{Answer, Ask, ask};
use crate::etcd::Etcd;
use crate::gateway;
use crate::known::is_known;
use crate::watching::{Told, Watching, watch};

/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// An etcd and a raftkv, each a fresh cluster of one member.
#[derive(Debug)]
pub struct Pair {
    etcd: Channel,
    raftkv: Channel,
    asked: usize,
    differences: Vec<String>,
    // The connections end first.
    reference: Etcd,
    cluster: Cluster,
}

impl Pair {
    /// Both of them, serving.
    pub async fn start() -> Pair {
        let (reference, cluster) = (Etcd::start(), Cluster::start(1));
        let port = cluster.ports()[0];
        Pair {
            etcd: connect(reference.port()).await,
            raftkv: connect(port).await,
            asked: 0,
            differences: Vec::new(),
            reference,
            cluster,
        }
    }

    /// Asks both, and notes where they differ.
    pub async fn ask(&mut self, request: Ask) {
        let (theirs, ours) =
            tokio::join!(one(&self.etcd, request.clone()), one(&self.raftkv, request.clone()),);
        self.asked += 1;
        self.compare(&format!("{request:?}"), &theirs, &ours);
    }

    /// Asks both one after another.
    pub async fn ask_all(&mut self, requests: impl IntoIterator<Item = Ask>) {
        for request in requests {
            self.ask(request).await;
        }
    }

    /// Lets both be watched, and notes where they differ.
    pub async fn watch(&mut self, watching: Watching) {
        let (theirs, ours) = tokio::join!(
            watch(&self.etcd, watching.clone()),
            watch(&self.raftkv, watching.clone()),
        );
        self.asked += watching.requests();
        self.compare_told(&format!("{watching:?}"), &theirs, &ours);
    }

    fn compare(&mut self, request: &str, theirs: &Answer, ours: &Answer) {
        if theirs != ours && !is_known(request, theirs, ours) {
            let number = self.asked;
            self.differences.push(format!(
                "request {number}: {request}\n     etcd: {theirs:?}\n   raftkv: {ours:?}"
            ));
        }
    }

    fn compare_told(&mut self, request: &str, theirs: &Told, ours: &Told) {
        let (theirs, ours) = (Ok(format!("{theirs:#?}")), Ok(format!("{ours:#?}")));
        self.compare(request, &theirs, &ours);
    }

    /// Posts both the same JSON, and notes where they differ.
    pub fn post(&mut self, path: &str, body: &str) {
        let [theirs, ours] = self.ports().map(|port| gateway::post(port, path, body));
        self.asked += 1;
        let told = |told: &gateway::Told| Ok(format!("{} {}", told.status, told.body));
        self.compare(&format!("{path} {body}"), &told(&theirs), &told(&ours));
    }

    /// Where both are reached, etcd first.
    pub fn ports(&self) -> [u16; 2] {
        [self.reference.port(), self.cluster.ports()[0]]
    }

    /// How many requests both were asked.
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// That they never differed.
    pub fn assert_equal(self) {
        let (count, asked) = (self.differences.len(), self.asked);
        let shown = self.differences.join("\n\n");
        assert!(self.differences.is_empty(), "{count} differences in {asked} requests\n\n{shown}");
    }
}

async fn one(channel: &Channel, request: Ask) -> Answer {
    let asked = tokio::time::timeout(PATIENCE, ask(channel, request)).await;
    asked.unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}")))
}

async fn connect(port: u16) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    endpoint.connect().await.unwrap()
}
