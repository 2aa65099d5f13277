//! One of each, and a connection to both.

use std::collections::BTreeMap;
use std::time::Duration;

use system_tests::cluster::Cluster;
use tonic::transport::{Channel, Endpoint};

use crate::ask::{Answer, Ask, Line, ask};
use crate::etcd::Etcd;
use crate::gateway;
use crate::known::is_known;
use crate::watching::{Told, Watching, watch};

/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// An etcd and a raftkv, each a fresh cluster of one member.
#[derive(Debug)]
pub struct Pair {
    etcd: Line,
    raftkv: Line,
    /// Who is logged in, with the token of each of both.
    tokens: BTreeMap<&'static str, [String; 2]>,
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
            etcd: Line::new(connect(reference.port()).await),
            raftkv: Line::new(connect(port).await),
            tokens: BTreeMap::new(),
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

    /// Logs a user in at both.
    pub async fn log_in(&mut self, user: &'static str, password: &str) {
        let [theirs, ours] = [&self.etcd, &self.raftkv].map(|line| line.log_in(user, password));
        let tokens = [theirs.await.unwrap(), ours.await.unwrap()];
        self.tokens.insert(user, tokens);
    }

    /// Asks both as a user who is logged in, and notes where they differ.
    pub async fn ask_as(&mut self, user: &str, request: Ask) {
        let [theirs, ours] = self.lines_of(user);
        let (theirs, ours) =
            tokio::join!(one(&theirs, request.clone()), one(&ours, request.clone()));
        self.asked += 1;
        self.compare(&format!("{user}: {request:?}"), &theirs, &ours);
    }

    /// The connections to both, of a user who is logged in.
    fn lines_of(&self, user: &str) -> [Line; 2] {
        let [theirs, ours] = &self.tokens[user];
        [self.etcd.showing(theirs), self.raftkv.showing(ours)]
    }

    /// Asks both with a token that neither knows.
    pub async fn ask_with(&mut self, token: &str, request: Ask) {
        let (theirs, ours) = (self.etcd.showing(token), self.raftkv.showing(token));
        let (theirs, ours) =
            tokio::join!(one(&theirs, request.clone()), one(&ours, request.clone()));
        self.asked += 1;
        self.compare(&format!("token {token}: {request:?}"), &theirs, &ours);
    }

    /// Lets both be watched as a user who is logged in, or as nobody.
    pub async fn watch_as(&mut self, user: Option<&str>, watching: Watching) {
        let [theirs, ours] = match user {
            Some(user) => self.lines_of(user),
            None => [self.etcd.clone(), self.raftkv.clone()],
        };
        let (theirs, ours) =
            tokio::join!(watch(&theirs, watching.clone()), watch(&ours, watching.clone()));
        self.asked += watching.requests();
        self.compare_told(&format!("{user:?}: {watching:?}"), &theirs, &ours);
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

async fn one(line: &Line, request: Ask) -> Answer {
    let asked = tokio::time::timeout(PATIENCE, ask(line, request)).await;
    asked.unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}")))
}

async fn connect(port: u16) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    endpoint.connect().await.unwrap()
}
