//! The network between members where the machine gives no networks away: all of them are on
//! loopback, and a port stands before each, for its peers (`crates/links`).
//!
//! ```text
//!   node-1 ──dials──▶ port before machine 2 ── cut, lossy or late? ──▶ node-2
//! ```
//!
//! What is lost is lost to TCP: it comes again, later. A slow link has a delay here that does not
//! depend on what is sent. Clients go to the members' own ports, and nothing is wrong with those.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener as StdListener};

use links::{Ends, Fault, Links, Proxy};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

/// What leaves a machine with a slow link is so much later, in ms: there and back, less than half
/// of what followers wait for a leader.
const SLOW_DELAY_MS: u16 = 200;

/// Ports before machines, and what is wrong between them.
#[derive(Debug)]
pub(crate) struct Wires {
    runtime: Handle,
    links: Links,
    proxies: Vec<Proxy>,
    /// The names of those who are, or were, on each machine: so they name themselves.
    names: Vec<Vec<String>>,
    cuts: BTreeSet<(usize, usize)>,
    drop_percent: u8,
    slow: BTreeSet<usize>,
}

impl Wires {
    /// None yet; their tasks run there.
    pub(crate) fn new(runtime: Handle) -> Wires {
        Wires {
            runtime,
            links: Links::default(),
            proxies: Vec::new(),
            names: Vec::new(),
            cuts: BTreeSet::new(),
            drop_percent: 0,
            slow: BTreeSet::new(),
        }
    }

    /// The next machine's members listen at `own`, and their peers come to `port`.
    pub(crate) fn stand(&mut self, port: u16, own: u16) {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is reserved");
        listener.set_nonblocking(true).expect("a socket can be");
        let _entered = self.runtime.enter();
        let listener = TcpListener::from_std(listener).expect("the runtime takes it");
        let place = place(self.proxies.len());
        self.proxies.push(Proxy::start(listener, &place, own, &self.links));
        self.names.push(Vec::new());
    }

    /// Somebody of this name is on a machine from now on.
    pub(crate) fn moves_in(&mut self, machine: usize, name: &str) {
        self.names[machine].push(name.to_owned());
        self.apply();
    }

    /// As `Net::cut`.
    pub(crate) fn cut(&mut self, cuts: BTreeSet<(usize, usize)>) {
        self.cuts = cuts;
        self.apply();
    }

    /// As `Net::lose`.
    pub(crate) fn lose(&mut self, per_mille: u64) {
        self.drop_percent = u8::try_from(per_mille.div_ceil(10)).unwrap_or(100);
        self.apply();
    }

    /// As `Net::slow`.
    pub(crate) fn slow(&mut self, machine: usize, is_slow: bool) {
        match is_slow {
            true => self.slow.insert(machine),
            false => self.slow.remove(&machine),
        };
        self.apply();
    }

    fn apply(&self) {
        let machines = 0..self.names.len();
        for (from, to) in machines.clone().flat_map(|a| machines.clone().map(move |b| (a, b))) {
            if from != to {
                self.links.set(self.ends(from, to), self.fault(from, to));
            }
        }
    }

    fn fault(&self, from: usize, to: usize) -> Fault {
        Fault {
            cut: self.cuts.contains(&(from, to)),
            drop_percent: self.drop_percent,
            delay_ms: if self.slow.contains(&from) { SLOW_DELAY_MS } else { 0 },
        }
    }

    /// A connection has a name at one end alone: that of whoever dialled.
    fn ends(&self, from: usize, to: usize) -> Vec<Ends> {
        let asked = self.names[from].iter().map(|name| (name.clone(), place(to)));
        let answered = self.names[to].iter().map(|name| (place(from), name.clone()));
        asked.chain(answered).collect()
    }
}

/// What a machine is called behind its port.
fn place(machine: usize) -> String {
    format!("machine {}", machine + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two machines with a member on each; nobody listens.
    fn two() -> Wires {
        let mut wires = Wires::new(tokio::runtime::Handle::current());
        for (machine, name) in ["a", "b"].into_iter().enumerate() {
            wires.stand(0, 0);
            wires.moves_in(machine, name);
        }
        wires
    }

    fn broken(wires: &Wires) -> Vec<(Ends, Fault)> {
        wires.links.faults()
    }

    fn ends(from: &str, to: &str) -> Ends {
        (from.to_owned(), to.to_owned())
    }

    #[tokio::test]
    async fn one_way_is_whatever_goes_that_way_whoever_dialled() {
        let mut wires = two();
        wires.cut([(0, 1)].into());
        let cut: Vec<Ends> = broken(&wires).into_iter().map(|(ends, _)| ends).collect();
        assert_eq!(cut, [ends("a", "machine 2"), ends("machine 1", "b")]);
        assert!(broken(&wires).iter().all(|(_, fault)| fault.cut));
        wires.moves_in(1, "later");
        assert!(broken(&wires).iter().any(|(it, _)| *it == ends("machine 1", "later")));
        wires.cut(BTreeSet::new());
        assert_eq!(broken(&wires), []);
    }

    #[tokio::test]
    async fn faults_add_up_and_go_one_by_one() {
        let mut wires = two();
        wires.slow(0, true);
        wires.lose(21);
        let faults = broken(&wires);
        assert_eq!(faults.len(), 4);
        for ((from, to), fault) in faults {
            let leaves_first = from == "a" || to == "b";
            let delay_ms = if leaves_first { SLOW_DELAY_MS } else { 0 };
            assert_eq!(fault, Fault { cut: false, drop_percent: 3, delay_ms }, "{from} {to}");
        }
        wires.slow(0, false);
        wires.lose(0);
        assert_eq!(broken(&wires), []);
    }
}
