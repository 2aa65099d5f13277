//! The cluster that is broken: machines, the members on them, and what can be done to each.
//!
//! | file | what it holds |
//! |---|---|
//! | `network.rs` | the network between machines: one of the next two |
//! | `net.rs` | the kernel's, in namespaces |
//! | `wires.rs` | links of our own, on loopback |
//! | `home.rs` | the directory of a run |
//! | `shim.rs`, `shim.c` | a clock that can be set, a disk that can fail |
//! | `rot.rs` | a bit of a file at rest |
//!
//! A *machine* is a place: an address, a disk, a clock. A *member* runs on it until it is removed
//! or replaced; then the machine may get another. Whoever does something to a member's process
//! *holds* it meanwhile, so that two lanes never do at once.

pub(crate) mod home;
pub(crate) mod net;
pub(crate) mod network;
pub(crate) mod rot;
pub(crate) mod shim;
pub(crate) mod wires;

use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;

use system_tests::disk::SmallDisk;
use system_tests::member::Member;
use system_tests::ports::Ports;

use crate::enter::Ground;
use home::Home;
use network::Network;
use shim::{Dials, Shim};

/// Where members listen, each on a machine of its own.
const PORT: u16 = 8001;

/// Machines beyond the founders', for members that join later.
pub(crate) const SPARE_MACHINES: usize = 1;

/// A disk in memory has so many MiB: room for the log, its spares and two snapshots of a life.
const DISK_MIB: u64 = 96;

/// Settings of every member: small files, so that a life sees many segments and snapshots.
const SETTINGS: [&str; 4] = ["--wal-segment-bytes", "4194304", "--snapshot-bytes", "256KiB"];

/// What became of a member's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It runs.
    Up,
    /// It is stopped (SIGSTOP).
    Paused,
    /// It was ended.
    Down,
    /// It was removed or replaced: nothing is expected of it any more.
    Gone,
}

/// One member, and how it is.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) member: Member,
    pub(crate) machine: usize,
    pub(crate) state: State,
    /// Somebody is doing something to its process.
    pub(crate) held: bool,
    /// It may end by itself, because of what was done to it.
    pub(crate) may_end: bool,
}

/// A machine's own things.
#[derive(Debug)]
struct Machine {
    /// `host:port`, for clients.
    address: String,
    /// The same, for peers.
    advertised: String,
    port: u16,
    directory: PathBuf,
    disk: Option<SmallDisk>,
    dials: Dials,
}

/// All of it. Members end before their disks and directories go.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seats: Vec<Seat>,
    machines: Vec<Machine>,
    net: Network,
    shim: Option<Shim>,
    /// What can not be done here, and why.
    pub(crate) missing: Vec<String>,
    founders: usize,
    home: Home,
    _ports: Option<Ports>,
}

impl World {
    /// So many fresh members, running.
    pub(crate) fn found(ground: &Ground, mut net: Network, members: usize) -> World {
        let home = Home::new();
        let (mut missing, count) = (Vec::new(), members + SPARE_MACHINES);
        let shim = Shim::build(home.path());
        let shim =
            shim.map_err(|why| missing.push(format!("clock jumps, disk errors: {why}"))).ok();
        let ports = match ground {
            Ground::Namespaces => None,
            Ground::Loopback(why) => {
                missing.push(format!("full disks: {why}"));
                // Of each machine, for clients; and then of each, for peers.
                Some(Ports::in_a_row(2 * count as u16))
            }
        };
        let mut machine = |number: usize| {
            let directory = home.path().join(format!("machine-{number}"));
            fs::create_dir_all(&directory).expect("the directory is this run's own");
            let at = |place: usize| ports.as_ref().map(|ports| ports.numbers()[place]);
            let (own, for_peers) = (at(number), at(count + number));
            let address = |port: Option<u16>| match port {
                None => format!("{}:{PORT}", net::address(number)),
                Some(port) => format!("localhost:{port}"),
            };
            let (address, advertised) = (address(own), address(for_peers));
            if let (Network::Links(wires), Some(own), Some(port)) = (&mut net, own, for_peers) {
                wires.stand(port, own);
            }
            // The first has the machine's real disk; the others' are small, and can be full.
            let is_small = own.is_none() && number > 0;
            let disk = is_small.then(|| SmallDisk::mount(&directory, DISK_MIB)).flatten();
            let dials = Dials::at(home.path().join(format!("dials-{number}")));
            let port = own.unwrap_or(PORT);
            Machine { address, advertised, port, directory, disk, dials }
        };
        let machines = (0..count).map(&mut machine).collect();
        let (seats, _ports) = (Vec::new(), ports);
        let mut world =
            World { seats, machines, net, shim, missing, founders: members, home, _ports };
        world.found_all();
        world
    }

    fn found_all(&mut self) {
        let peers = self.machines[..self.founders].iter().map(|it| it.advertised.clone());
        let peers = peers.collect::<Vec<_>>().join(",");
        for machine in 0..self.founders {
            let seat = self.seat(machine, &format!("node-{}", machine + 1), &["--peers", &peers]);
            self.start(seat);
        }
    }

    /// A new member on a machine; it does not run yet.
    fn seat(&mut self, machine: usize, name: &str, arguments: &[&str]) -> usize {
        let number = self.seats.len();
        let Machine { address, advertised, port, directory, dials, .. } = &self.machines[machine];
        let mut all = SETTINGS.to_vec();
        all.extend(arguments);
        all.extend(["--advertise", advertised]);
        let client_url = format!("http://{address}");
        match self.net {
            Network::Kernel(_) => all.extend(["--listen", "0.0.0.0", "--insecure"]),
            Network::Links(_) => all.extend(["--advertise-client", &client_url]),
        }
        // A directory of its own, whatever it is called.
        let directory = directory.join(format!("member-{number}"));
        fs::create_dir_all(&directory).expect("the directory is this run's own");
        let mut member = Member::new(name.to_owned(), *port, &directory, &all);
        let mut launcher = self.net.launcher(machine);
        if let Some(shim) = &self.shim {
            launcher.extend(shim.launcher(dials));
        }
        member.launch_through(launcher);
        self.net.moves_in(machine, name);
        let (state, held, may_end) = (State::Down, false, false);
        self.seats.push(Seat { member, machine, state, held, may_end });
        number
    }

    /// A member that joins on a machine that nobody is on; `None` if there is no such machine.
    pub(crate) fn join(&mut self) -> Option<usize> {
        let taken = |machine: usize| {
            self.seats.iter().any(|seat| seat.machine == machine && seat.state != State::Gone)
        };
        let machine = (0..self.machines.len()).find(|machine| !taken(*machine))?;
        let join = self.urls_without(None);
        let name = format!("later-{}", self.seats.len() + 1);
        Some(self.seat(machine, &name, &["--join", &join]))
    }

    /// Somebody new in the place of a member that was ended, whose directory is gone with it.
    pub(crate) fn replace(&mut self, old: usize) -> usize {
        let (machine, name) = (self.seats[old].machine, self.seats[old].member.name().to_owned());
        let join = self.urls_without(Some(old));
        fs::remove_dir_all(self.seats[old].member.data()).ok();
        self.seats[old].state = State::Gone;
        self.seat(machine, &name, &["--join", &join, "--replace", &name])
    }

    /// By whom somebody may join: by anybody but this one.
    fn urls_without(&self, but: Option<usize>) -> String {
        let others = self.present().into_iter().filter(|seat| Some(*seat) != but);
        let urls = others.map(|seat| format!("http://{}", self.address_of(seat)));
        urls.collect::<Vec<_>>().join(",")
    }

    /// `host:port` of a member.
    pub(crate) fn address_of(&self, seat: usize) -> &str {
        &self.machines[self.seats[seat].machine].address
    }

    /// Where clients look for members: on every machine.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.machines.iter().map(|machine| machine.address.clone()).collect()
    }

    /// Those of whom something is expected.
    pub(crate) fn present(&self) -> Vec<usize> {
        let here = |seat: &usize| self.seats[*seat].state != State::Gone;
        (0..self.seats.len()).filter(here).collect()
    }

    pub(crate) fn start(&mut self, seat: usize) {
        let seat = &mut self.seats[seat];
        seat.member.start();
        (seat.state, seat.may_end) = (State::Up, false);
    }

    /// `kill -9` to all of these at once.
    pub(crate) fn kill(&mut self, seats: &[usize]) {
        for number in seats {
            let seat = &mut self.seats[*number];
            // It may just have ended by itself.
            if seat.member.try_ended().is_none() && seat.member.runs() {
                seat.member.kill();
            }
        }
        for number in seats {
            let seat = &mut self.seats[*number];
            if seat.member.runs() {
                seat.member.ended();
            }
            seat.state = State::Down;
        }
    }

    /// Whether a member's clock and disk can be broken here.
    pub(crate) fn has_dials(&self) -> bool {
        self.shim.is_some()
    }

    pub(crate) fn net(&mut self) -> &mut Network {
        &mut self.net
    }

    /// The small disk of a member, if its machine has one.
    pub(crate) fn disk_of(&self, seat: usize) -> Option<&SmallDisk> {
        self.machines[self.seats[seat].machine].disk.as_ref()
    }

    pub(crate) fn dials_of(&self, seat: usize) -> &Dials {
        &self.machines[self.seats[seat].machine].dials
    }

    /// Members that have ended by themselves since the last look, and how.
    pub(crate) fn ended(&mut self) -> Vec<(usize, ExitStatus)> {
        let up = |seat: &Seat| seat.state == State::Up && !seat.held;
        let seats = self.seats.iter_mut().enumerate().filter(|(_, seat)| up(seat));
        let ended: Vec<(usize, ExitStatus)> =
            seats.filter_map(|(number, seat)| Some((number, seat.member.try_ended()?))).collect();
        for (number, _) in &ended {
            self.seats[*number].state = State::Down;
        }
        ended
    }

    /// All dials at rest, all links and disks well, everybody runs.
    pub(crate) fn heal(&mut self) {
        self.net.cut(Default::default());
        self.net.lose(0);
        (0..self.machines.len()).for_each(|machine| self.net.slow(machine, false));
        for machine in &self.machines {
            machine.dials.set_failing(false);
            machine.dials.set_clock(0);
        }
        for number in self.present() {
            match self.seats[number].state {
                State::Paused => {
                    self.seats[number].member.resume();
                    self.seats[number].state = State::Up;
                }
                State::Down => self.start(number),
                State::Up | State::Gone => {}
            }
        }
    }

    /// The run has failed: what the members left is to stay; says where.
    pub(crate) fn keep(mut self, why: &str) -> String {
        let running: Vec<usize> = self.present();
        for seat in running.iter().filter(|seat| self.seats[**seat].state == State::Paused) {
            self.seats[*seat].member.resume();
        }
        self.kill(&running);
        self.home.keep(why)
    }
}
