//! Several members on ports of their own, and what can be asked of them as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::http::Http;
use crate::member::Member;
use crate::ports::Ports;
use crate::scratch::Scratch;
use crate::wait;

/// Small files of the log, so that tests cross from one to the next.
pub const WAL_SEGMENT_BYTES: &str = "4194304";

/// A page of a listing, in items.
const PAGE: usize = 1_000;

/// A key's value, and what the store says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The value.
    pub value: String,
    /// How many writes made it, since the key was created.
    pub version: u64,
    /// The revision of the last of them.
    pub mod_revision: u64,
}

/// What a store held at one revision.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    /// The revision.
    pub revision: u64,
    /// Every key.
    pub keys: BTreeMap<String, Kept>,
}

/// A cluster. Members are numbered from 0.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    /// Those that were removed: they do not run, and nothing is expected of them.
    gone: BTreeSet<usize>,
    /// Settings of every member, later ones too.
    settings: Vec<String>,
    // The members end first, then their directory goes.
    scratch: Scratch,
    ports: Ports,
}

impl Cluster {
    /// So many fresh members, running, with a leader whom all of them know.
    pub fn start(count: u16) -> Cluster {
        let mut cluster = Cluster::prepare(count);
        cluster.start_all();
        cluster.leader();
        cluster
    }

    /// So many fresh members, none of which runs yet.
    pub fn prepare(count: u16) -> Cluster {
        Cluster::prepare_with(count, 0, &[])
    }

    /// So many fresh members, with these settings, and ports for so many that join later.
    pub fn prepare_with(count: u16, later: u16, settings: &[&str]) -> Cluster {
        let (scratch, ports) = (Scratch::new(), Ports::in_a_row(count + later));
        let founding = &ports.numbers()[..usize::from(count)];
        let addresses: Vec<String> =
            founding.iter().map(|port| format!("localhost:{port}")).collect();
        let members = founding.iter().zip(1..).map(|(port, number)| {
            let mut arguments = vec!["--wal-segment-bytes", WAL_SEGMENT_BYTES];
            arguments.extend(settings);
            let peers = addresses.join(",");
            if count > 1 {
                arguments.extend(["--peers", &peers]);
            }
            Member::new(format!("node-{number}"), *port, scratch.path(), &arguments)
        });
        let members = members.collect();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Cluster { members, gone: BTreeSet::new(), settings, scratch, ports }
    }

    /// Another member, that joins by the member `by`; it does not run yet. Answers its number.
    pub fn add(&mut self, by: usize, arguments: &[&str]) -> usize {
        let number = self.members.len();
        let port = self.ports.numbers()[number];
        self.add_as(&format!("node-{}", number + 1), port, by, arguments)
    }

    /// The same with a name and a port of another one, whose place it is to take.
    pub fn add_as(&mut self, name: &str, port: u16, by: usize, arguments: &[&str]) -> usize {
        let join = format!("http://localhost:{}", self.members[by].port());
        let mut all = vec!["--wal-segment-bytes", WAL_SEGMENT_BYTES, "--join", &join];
        all.extend(self.settings.iter().map(String::as_str));
        all.extend(arguments);
        // A directory of its own, whatever it is called.
        let directory = self.scratch.path().join(format!("later-{}", self.members.len()));
        std::fs::create_dir_all(&directory).unwrap();
        self.members.push(Member::new(name.to_owned(), port, &directory, &all));
        self.members.len() - 1
    }

    /// Nothing more is expected of a member that was removed, or that another one replaces.
    pub fn forget(&mut self, number: usize) {
        self.gone.insert(number);
    }

    /// Where the members' directories and logs are.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// The members' numbers.
    pub fn numbers(&self) -> std::vec::IntoIter<usize> {
        let here = (0..self.members.len()).filter(|number| !self.gone.contains(number));
        here.collect::<Vec<_>>().into_iter()
    }

    /// The numbers of all but one.
    pub fn others(&self, than: usize) -> Vec<usize> {
        self.numbers().filter(|number| *number != than).collect()
    }

    /// One member.
    pub fn member(&mut self, number: usize) -> &mut Member {
        &mut self.members[number]
    }

    /// Their ports, in order.
    pub fn ports(&self) -> Vec<u16> {
        self.members.iter().map(Member::port).collect()
    }

    /// A port that no member has.
    pub fn spare_port(&self) -> u16 {
        let taken = self.ports();
        let spare = self.ports.numbers().iter().find(|port| !taken.contains(port));
        *spare.expect("the cluster was prepared with ports for later")
    }

    /// A client of one member.
    pub fn http(&self, number: usize) -> Http {
        Http::new(self.members[number].port())
    }

    /// Starts every member that does not run.
    pub fn start_all(&mut self) {
        for number in self.numbers() {
            if !self.members[number].runs() {
                self.members[number].start();
            }
        }
    }

    /// `kill -9` to these at once, and waits until they are gone.
    pub fn kill(&mut self, numbers: impl IntoIterator<Item = usize>) {
        let numbers: Vec<usize> = numbers.into_iter().collect();
        numbers.iter().for_each(|number| self.members[*number].kill());
        for number in numbers {
            self.members[number].ended();
        }
    }

    /// Stops a member in good order.
    pub fn stop(&mut self, number: usize) {
        self.members[number].terminate();
        let status = self.members[number].ended();
        assert!(status.success(), "node-{}: {status}", number + 1);
    }

    /// Kills a member and starts it again on what it left.
    pub fn restart(&mut self, number: usize) {
        self.kill([number]);
        self.members[number].start();
    }

    /// The number of the leader, once every member that runs names the same one.
    pub fn leader(&self) -> usize {
        let running: Vec<usize> =
            self.numbers().filter(|number| self.members[*number].runs()).collect();
        self.leader_among(&running)
    }

    /// The number of the member that all of these name as their leader; it is one of them.
    pub fn leader_among(&self, members: &[usize]) -> usize {
        wait::until("the members agree on a leader", || {
            let named: Vec<usize> =
                members.iter().map(|number| self.leader_by(*number)).collect::<Option<_>>()?;
            let first = *named.first()?;
            let agreed = members.contains(&first) && named.iter().all(|leader| *leader == first);
            agreed.then_some(first)
        })
    }

    fn leader_by(&self, number: usize) -> Option<usize> {
        let leader = leader_named_by(&mut self.http(number))?;
        self.numbers().find(|number| self.members[*number].name() == leader)
    }

    /// `/cluster/status` of one member.
    pub fn status(&self, number: usize) -> Value {
        self.http(number).get("/cluster/status").json()
    }

    /// Waits until all members have applied the same log, and checks that this made them equal.
    pub fn check_converged(&self) {
        check_converged(&self.live_ports());
    }

    /// The ports of those of whom something is expected.
    pub fn live_ports(&self) -> Vec<u16> {
        self.numbers().map(|number| self.members[number].port()).collect()
    }

    /// Everything in the store, by linearizable reads through one member; at `revision`, or now.
    pub fn contents(&self, number: usize, revision: Option<u64>) -> Contents {
        contents(self.members[number].port(), revision)
    }
}

fn try_status(port: u16) -> Option<Value> {
    let answer = Http::new(port).request("GET", "/cluster/status", "").ok()?;
    (answer.status == 200).then(|| answer.json())
}

/// Waits until the members at these ports have applied the same log, and checks that this made them
/// equal.
pub fn check_converged(ports: &[u16]) {
    let statuses = wait::until("every member applies the same log", || {
        let statuses: Vec<Value> =
            ports.iter().map(|port| try_status(*port)).collect::<Option<_>>()?;
        let applied = |status: &Value| status["log"]["applied"].as_u64();
        let first = applied(statuses.first()?)?;
        let settled =
            |status: &Value| applied(status) == Some(first) && status["log"]["last_index"] == first;
        statuses.iter().all(settled).then_some(statuses)
    });
    for what in ["state_hash", "revision", "keys", "live_bytes", "cluster_id"] {
        let told: Vec<&Value> = statuses.iter().map(|status| &status[what]).collect();
        assert!(told.iter().all(|value| *value == told[0]), "{what} differs: {told:?}");
        assert!(!told[0].is_null(), "the members tell no {what}");
    }
}

/// Everything in the store, by linearizable reads at one port; at `revision`, or now.
pub fn contents(port: u16, revision: Option<u64>) -> Contents {
    let mut http = Http::new(port);
    let at = revision.map_or(String::new(), |revision| format!("&revision={revision}"));
    let (mut keys, mut after) = (BTreeMap::new(), String::new());
    loop {
        let target = format!("/kv?limit={PAGE}{at}{after}");
        let page = wait::until("a page is read", || {
            let answer = http.request("GET", &target, "").ok()?;
            (answer.status == 200).then(|| answer.json())
        });
        keys.extend(page["items"].as_array().unwrap().iter().map(kept));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Contents { revision: page["revision"].as_u64().unwrap(), keys },
        }
    }
}

/// The name of the leader, if a member answers and knows one.
pub fn leader_named_by(http: &mut Http) -> Option<String> {
    let answer = http.request("GET", "/cluster/leader", "").ok()?;
    Some(answer.json()["leader"]["name"].as_str()?.to_owned())
}

fn kept(item: &Value) -> (String, Kept) {
    let text = |name: &str| item[name].as_str().unwrap().to_owned();
    let number = |name: &str| item[name].as_u64().unwrap();
    let (version, mod_revision) = (number("version"), number("mod_revision"));
    (text("key"), Kept { value: text("value"), version, mod_revision })
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            for member in &self.members {
                eprintln!("--- the last words of {}\n{}", member.name(), member.last_words());
            }
        }
    }
}
