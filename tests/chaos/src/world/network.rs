//! What is between members: the kernel's networks where the machine has them to give, else links of
//! our own.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::net::Net;
use super::wires::Wires;

/// One of the two.
#[derive(Debug)]
pub(crate) enum Network {
    /// Each machine has a namespace.
    Kernel(Net),
    /// All are on loopback.
    Links(Wires),
}

impl Network {
    /// The words that start a program on a machine.
    pub(crate) fn launcher(&self, machine: usize) -> Vec<OsString> {
        match self {
            Network::Kernel(_) => Net::launcher(machine),
            Network::Links(_) => Vec::new(),
        }
    }

    /// Somebody of this name is on a machine from now on.
    pub(crate) fn moves_in(&mut self, machine: usize, name: &str) {
        match self {
            Network::Kernel(_) => {}
            Network::Links(wires) => wires.moves_in(machine, name),
        }
    }

    /// What is sent from the first of a pair does not arrive at the second; nothing else is cut.
    pub(crate) fn cut(&mut self, cuts: BTreeSet<(usize, usize)>) {
        match self {
            Network::Kernel(net) => net.cut(cuts),
            Network::Links(wires) => wires.cut(cuts),
        }
    }

    /// So many of a thousand packets between machines are lost from now on.
    pub(crate) fn lose(&mut self, per_mille: u64) {
        match self {
            Network::Kernel(net) => net.lose(per_mille),
            Network::Links(wires) => wires.lose(per_mille),
        }
    }

    /// The machine's link is slow from now on, or as fast as it can be.
    pub(crate) fn slow(&mut self, machine: usize, is_slow: bool) {
        match self {
            Network::Kernel(_) => Net::slow(machine, is_slow),
            Network::Links(wires) => wires.slow(machine, is_slow),
        }
    }
}
