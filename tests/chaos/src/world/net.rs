//! The network between machines: a namespace each, a bridge, and rules for what does not arrive.
//!
//! ```text
//!            bridge 10.77.0.254 (the clients)
//!           ┌──────────┼──────────┐
//!        10.77.0.1  10.77.0.2  10.77.0.3      each in a namespace: what it drops is its own rule
//! ```
//!
//! A cut is a rule of the one who does not hear, so each direction is cut by itself; connections
//! stay open and time out as they do when a switch dies. Loss is a rule of the same kind, by
//! chance. A slow link is a queue of the kernel's that lets so many bits a second out (`tbf`), so
//! delay grows with what is sent. There is no constant delay here: it would take `netem`, which not
//! every kernel has; on loopback there is one (`wires.rs`).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

const BRIDGE: &str = "bridge";
const PREFIX: &str = "10.77.0.";
const CLIENTS: u8 = 254;

/// What a slow link lets out in a second, in kbit; what waits longer than the latency is lost.
const SLOW_KBIT: u32 = 400;
const SLOW_LATENCY_MS: u32 = 400;

/// Machines, and what is wrong between them.
#[derive(Debug)]
pub(crate) struct Net {
    machines: usize,
    /// Who does not arrive at whom.
    cuts: BTreeSet<(usize, usize)>,
    /// So many of a thousand packets from other machines do not arrive.
    loss_per_mille: u64,
}

impl Net {
    /// So many machines that reach each other: once in a run, which is in namespaces of its own.
    pub(crate) fn build(machines: usize) {
        // Names of namespaces are files: in a place of our own.
        run("mount", "-t tmpfs run /run");
        run("ip", "link set lo up");
        run("ip", &format!("link add {BRIDGE} type bridge"));
        run("ip", &format!("addr add {PREFIX}{CLIENTS}/24 dev {BRIDGE}"));
        run("ip", &format!("link set {BRIDGE} up"));
        for machine in 0..machines {
            let name = name(machine);
            run("ip", &format!("netns add {name}"));
            run("ip", &format!("link add v{machine} type veth peer name eth0 netns {name}"));
            run("ip", &format!("link set v{machine} master {BRIDGE} up"));
            inside(machine, "ip", &format!("addr add {}/24 dev eth0", address(machine)));
            inside(machine, "ip", "link set eth0 up");
            inside(machine, "ip", "link set lo up");
        }
    }

    /// The first so many of the machines that were built, all of them well.
    pub(crate) fn of(machines: usize) -> Net {
        let net = Net { machines, cuts: BTreeSet::new(), loss_per_mille: 0 };
        net.apply();
        (0..machines).for_each(|machine| Net::slow(machine, false));
        net
    }

    /// The words that start a program on a machine.
    pub(crate) fn launcher(machine: usize) -> Vec<OsString> {
        vec!["nsenter".into(), format!("--net=/run/netns/{}", name(machine)).into()]
    }

    /// What is sent from the first of a pair does not arrive at the second; nothing else is cut.
    pub(crate) fn cut(&mut self, cuts: BTreeSet<(usize, usize)>) {
        self.cuts = cuts;
        self.apply();
    }

    /// So many of a thousand packets between machines are lost from now on.
    pub(crate) fn lose(&mut self, per_mille: u64) {
        self.loss_per_mille = per_mille;
        self.apply();
    }

    /// The machine's link lets little out from now on, or all.
    pub(crate) fn slow(machine: usize, is_slow: bool) {
        // Also where it is slow already, or is not.
        let off = "qdisc del dev eth0 root";
        let mut command = command_inside(machine, "tc", off);
        command.stderr(Stdio::null()).status().ok();
        if is_slow {
            let queue = format!("rate {SLOW_KBIT}kbit burst 3000 latency {SLOW_LATENCY_MS}ms");
            inside(machine, "tc", &format!("qdisc add dev eth0 root tbf {queue}"));
        }
    }

    fn apply(&self) {
        for machine in 0..self.machines {
            let mut restore = command_inside(machine, "iptables-restore", "");
            let mut child = restore.stdin(Stdio::piped()).spawn().expect("it was there before");
            let mut rules = child.stdin.take().expect("it was asked for");
            rules.write_all(self.rules(machine).as_bytes()).expect("it reads to the end");
            drop(rules);
            let status = child.wait().expect("it was started");
            assert!(status.success(), "iptables-restore: {status}");
        }
    }

    /// What a machine does not let in, as `iptables-restore` reads it: all rules at once.
    fn rules(&self, machine: usize) -> String {
        let mut rules = String::from("*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n");
        for (from, _) in self.cuts.iter().filter(|(_, to)| *to == machine) {
            rules += &format!("-A INPUT -s {} -j DROP\n", address(*from));
        }
        if self.loss_per_mille > 0 {
            // Machines alone: they have the lower half of the addresses.
            let chance = format!("--mode random --probability 0.{:03}", self.loss_per_mille);
            rules += &format!("-A INPUT -s {PREFIX}0/25 -m statistic {chance} -j DROP\n");
        }
        rules + "COMMIT\n"
    }
}

/// The address of a machine.
pub(crate) fn address(machine: usize) -> String {
    format!("{PREFIX}{}", machine + 1)
}

fn name(machine: usize) -> String {
    format!("machine-{machine}")
}

fn run(program: &str, words: &str) {
    must(Command::new(program).args(words.split_whitespace()));
}

fn inside(machine: usize, program: &str, words: &str) {
    must(&mut command_inside(machine, program, words));
}

fn command_inside(machine: usize, program: &str, words: &str) -> Command {
    let launcher = Net::launcher(machine);
    let mut command = Command::new(&launcher[0]);
    command.args(&launcher[1..]).arg(program).args(words.split_whitespace());
    command
}

fn must(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the trial has run it");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_a_rule_of_the_one_who_does_not_hear() {
        let net = Net { machines: 3, cuts: [(0, 1)].into(), loss_per_mille: 50 };
        assert!(net.rules(1).contains("-s 10.77.0.1 -j DROP"));
        assert!(!net.rules(0).contains("-j DROP\n-A INPUT -s 10.77.0.2"), "one way alone");
        assert!(net.rules(2).contains("--probability 0.050"));
        assert!(!net.rules(2).contains("-s 10.77.0.1 -j"));
    }
}
