//! `raftkv dev`: a real cluster on this machine, one process a member.
//!
//! ```text
//! raftkv dev ──┬─ raftkv start --node-id node-1 …   standard input: a pipe from the parent
//!              ├─ raftkv start --node-id node-2 …   output: raftkv-dev/node-2.log
//!              └─ raftkv start --node-id node-3 …
//! ```
//!
//! The members are the same program that runs anywhere else; the parent only starts them, watches
//! them and tells what it sees. They run until the pipe ends, so they stop in good order when the
//! parent does, however that comes about, and none ever outlives it. They do not see the
//! terminal's Ctrl-C: the parent alone does, and lets go of all of them.
//!
//! What a run leaves in its directory is resumed by the next one; `plan.rs` decides whether it can
//! be. A member that dies is not started again: it says why, and the parent says what to do.

mod child;
mod plan;

use std::net::TcpListener;
use std::time::Duration;

use client::{Client, Leader, Options};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::args::DevArgs;
use crate::failure::Failure;
use crate::signals::Signals;
use child::{Child, Ended};
use plan::{Directory, Plan};

/// A cluster that has no leader after this long is told of, and waited for all the same.
const READY_PATIENCE: Duration = Duration::from_secs(10);
/// How often the members are looked at until they have a leader.
const READY_POLL: Duration = Duration::from_millis(25);
/// How often they are looked at afterwards.
const WATCH_POLL: Duration = Duration::from_millis(500);
/// Members get so long to stop in good order.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: DevArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let directory = Directory::open(&args.data_dir)?;
    let earlier = if args.fresh { None } else { directory.saved()? };
    let plan = Plan::new(&args, earlier)?;
    check_ports(&plan)?;
    if args.fresh {
        directory.clear()?;
    }
    directory.save(&plan)?;
    let mut cluster = Cluster::start(plan)?;
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        ended = cluster.watch() => ended,
    };
    println!("\nstopping; the data stays in {}", args.data_dir.display());
    tokio::select! {
        // A second Ctrl-C is impatience: dropping the children kills them.
        () = signals.next() => {}
        () = cluster.stop() => {}
    }
    ended
}

/// Says which port is taken before any member is started; a member would say it too, in its log.
fn check_ports(plan: &Plan) -> Result<(), Failure> {
    for member in plan.members() {
        if let Err(error) = TcpListener::bind(("127.0.0.1", member.port)) {
            let port = member.port;
            return Err(Failure::Negative(format!(
                "port {port} can not be used ({}). Stop the program that has it (`ss -ltnp \
                 'sport = :{port}'` names it; perhaps another `raftkv dev`), or choose other ports \
                 with --port 9001 and another --data-dir",
                error.kind()
            )));
        }
    }
    Ok(())
}

/// The children and a client of theirs.
struct Cluster {
    plan: Plan,
    children: Vec<Child>,
    client: Client,
}

impl Cluster {
    fn start(plan: Plan) -> Result<Cluster, Failure> {
        let mut children = Vec::new();
        for member in plan.members() {
            children.push(Child::start(
                member.name.clone(),
                &member.log,
                &plan.arguments(&member),
            )?);
        }
        let endpoints = plan.members().map(|member| member.endpoint()).collect();
        let attempts_max = u32::from(plan.member_count());
        let options = Options { timeout: WATCH_POLL, attempts_max, ..Options::default() };
        Ok(Cluster { plan, children, client: Client::new(endpoints, options) })
    }

    /// Tells what happens, until no member is left.
    async fn watch(&mut self) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut announced = false;
        let mut leader: Option<Leader> = None;
        let mut poll = interval(READY_POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            poll.tick().await;
            for ended in self.take_ended()? {
                self.tell_end(&ended)?;
            }
            match self.client.leader().await {
                Ok(seen) if !announced => {
                    (announced, leader) = (true, Some(seen));
                    self.announce(leader.as_ref());
                    poll = interval(WATCH_POLL);
                }
                Ok(seen) => leader = Some(tell_change(leader, seen)),
                Err(error) if !announced && begin.elapsed() > READY_PATIENCE => {
                    announced = true;
                    println!("no leader after {READY_PATIENCE:?}: {error}");
                    self.announce(None);
                    poll = interval(WATCH_POLL);
                }
                Err(_) => {}
            }
        }
    }

    fn take_ended(&mut self) -> Result<Vec<Ended>, Failure> {
        let mut ended = Vec::new();
        for child in std::mem::take(&mut self.children) {
            match child.poll()? {
                Ok(running) => self.children.push(running),
                Err(end) => ended.push(end),
            }
        }
        Ok(ended)
    }

    /// Says how a member ended and what that means; fails when it was the last one.
    fn tell_end(&self, ended: &Ended) -> Result<(), Failure> {
        let (left, all) = (self.children.len(), usize::from(self.plan.member_count()));
        let majority = all / 2 + 1;
        eprintln!("{ended}");
        if left == 0 {
            return Err(Failure::Negative("no member is left".to_owned()));
        }
        let means = match left.checked_sub(majority) {
            None => "reads and writes wait for a majority".to_owned(),
            Some(0) => "reads and writes go on; one more failure stops them".to_owned(),
            Some(spare) => format!("reads and writes go on; {spare} more failures are survived"),
        };
        eprintln!("{left} of {all} members run: {means}. To start it again, in another terminal:");
        eprintln!("  {}", self.plan.command_line(&ended.name));
        Ok(())
    }

    fn announce(&self, leader: Option<&Leader>) {
        let leader = leader.map(|leader| leader.member.name.as_str());
        let pid_of = |member: plan::PlannedMember| {
            self.children.iter().find(|child| child.name() == member.name).and_then(Child::pid)
        };
        let pids: Vec<Option<u32>> = self.plan.members().map(pid_of).collect();
        println!("{}", self.plan.banner(leader, &pids));
    }

    /// Lets go of all members and waits until they have stopped.
    async fn stop(&mut self) {
        let stopping = self.children.drain(..).map(Child::stop);
        let stopping: Vec<_> = stopping.map(tokio::spawn).collect();
        let all = async {
            for child in stopping {
                child.await.ok();
            }
        };
        if timeout(STOP_PATIENCE, all).await.is_err() {
            eprintln!("not all members stopped within {STOP_PATIENCE:?}; they are killed");
        }
    }
}

/// Tells of a new leader. An answer of an older term comes from a member that has not heard yet.
fn tell_change(known: Option<Leader>, seen: Leader) -> Leader {
    match known {
        Some(known) if known.term >= seen.term => known,
        _ => {
            println!("{} leads now (term {})", seen.member.name, seen.term);
            seen
        }
    }
}
