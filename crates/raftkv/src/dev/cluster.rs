//! The members that run, and the links between them.
//!
//! Everything here is looked at by two: by the loop that tells what happens (`watch.rs`), and by
//! whoever does something by hand (`hands.rs`). Neither keeps the other waiting: the lock is never
//! held across a wait.

use std::io;
use std::time::Duration;

use client::{Client, Endpoint, Options};
use links::{Links, Proxy};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::child::{Child, Ended};
use super::directory::Directory;
use super::load::Load;
use super::plan::{Plan, PlannedMember};
use super::ports;
use crate::failure::Failure;

/// Members get so long to stop in good order.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A question of the parent's own takes so long at most.
pub(super) const ASK_PATIENCE: Duration = Duration::from_millis(500);

/// The cluster of a run.
pub(super) struct Cluster {
    pub(super) links: Links,
    pub(super) load: Load,
    pub(super) members: Mutex<Members>,
    /// Held by whoever starts or ends a process by hand.
    pub(super) processes: tokio::sync::Mutex<()>,
    /// Held by whoever changes who is in the cluster.
    pub(super) changing: tokio::sync::Mutex<()>,
    directory: Directory,
}

/// Who there is.
pub(super) struct Members {
    pub(super) plan: Plan,
    /// In the order in which they came.
    pub(super) seats: Vec<Seat>,
}

/// One member, whether it runs or not.
pub(super) struct Seat {
    pub(super) member: PlannedMember,
    /// In hex, once the cluster has said it.
    pub(super) id: Option<String>,
    /// None while it does not run.
    pub(super) child: Option<Child>,
    /// It was ended by hand: nobody is surprised.
    pub(super) crashed: bool,
    _proxy: Option<Proxy>,
}

impl Cluster {
    /// Starts all members, each behind its port for peers.
    pub(super) async fn start(directory: Directory, plan: Plan) -> Result<Cluster, Failure> {
        let links = Links::default();
        let mut seats = Vec::new();
        for member in plan.members() {
            seats.push(Seat::open(member, &links).await?);
        }
        let mut members = Members { plan, seats };
        for position in 0..members.seats.len() {
            members.start(position)?;
        }
        Ok(Cluster {
            links,
            load: Load::default(),
            members: Mutex::new(members),
            processes: tokio::sync::Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            directory,
        })
    }

    /// Where the members are, those first that run.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let members = self.members.lock();
        let (up, down): (Vec<&Seat>, Vec<&Seat>) =
            members.seats.iter().partition(|seat| seat.runs_on());
        up.into_iter().chain(down).map(|seat| seat.member.endpoint()).collect()
    }

    /// A client of the members as they are now, which looks at each of them once.
    pub(super) fn client(&self) -> Client {
        let endpoints = self.endpoints();
        let attempts_max = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let options = Options { timeout: ASK_PATIENCE, attempts_max, ..Options::default() };
        Client::new(endpoints, options)
    }

    /// Who has ended since the last look, though nobody asked them to.
    pub(super) fn take_ended(&self) -> io::Result<Vec<(String, Ended)>> {
        let mut ended = Vec::new();
        for seat in &mut self.members.lock().seats {
            let end = seat.child.as_mut().map(Child::poll).transpose()?.flatten();
            if let Some(end) = end {
                seat.child = None;
                ended.push((seat.member.name.clone(), end));
            }
        }
        Ok(ended)
    }

    /// Whether some member's id is not known yet.
    pub(super) fn lacks_ids(&self) -> bool {
        self.members.lock().seats.iter().any(|seat| seat.id.is_none())
    }

    /// Notes the members' ids, as the cluster says them.
    pub(super) fn note_ids(&self, cluster: &client::Cluster) {
        for seat in &mut self.members.lock().seats {
            let known = cluster.members.iter().find(|known| known.name == seat.member.name);
            if let Some(known) = known.filter(|known| known.incarnation.is_some()) {
                seat.id = Some(known.id.clone());
            }
        }
    }

    /// Leaves the members as they are now for the next run.
    pub(super) fn save(&self) -> Result<(), Failure> {
        self.directory.save(self.members.lock().plan.saved())
    }

    /// Lets go of all members and waits until they have stopped.
    pub(super) async fn stop(&self) {
        let children: Vec<Child> = {
            let mut members = self.members.lock();
            members.seats.iter_mut().filter_map(|seat| seat.child.take()).collect()
        };
        let stopping: Vec<_> = children.into_iter().map(Child::stop).map(tokio::spawn).collect();
        let aborts: Vec<_> = stopping.iter().map(tokio::task::JoinHandle::abort_handle).collect();
        let all = async {
            for child in stopping {
                child.await.ok();
            }
        };
        if timeout(STOP_PATIENCE, all).await.is_err() {
            complain!("not all members stopped within {STOP_PATIENCE:?}; they are killed");
            // Dropping them does it.
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}

impl Members {
    /// Starts the process of the member at `position`.
    pub(super) fn start(&mut self, position: usize) -> Result<(), Failure> {
        let seat = &mut self.seats[position];
        let member = &seat.member;
        let arguments = self.plan.arguments(member);
        seat.child = Some(Child::start(member.name.clone(), &member.log, &arguments)?);
        seat.crashed = false;
        Ok(())
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.seats.iter().position(|seat| seat.member.name == name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.seats.iter().map(|seat| seat.member.name.clone()).collect()
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.seats.iter().filter(|seat| seat.child.is_some()).count()
    }
}

impl Seat {
    /// The port for peers is open from now on; the process does not run yet.
    pub(super) async fn open(member: PlannedMember, links: &Links) -> Result<Seat, Failure> {
        let listener = ports::bind_for_peers(&member).await?;
        let _proxy =
            listener.map(|listener| Proxy::start(listener, &member.name, member.port, links));
        Ok(Seat { member, id: None, child: None, crashed: false, _proxy })
    }

    /// Its process is there, and does not stand still.
    fn runs_on(&self) -> bool {
        self.child.as_ref().is_some_and(|child| !child.is_paused())
    }
}
