//! `raftkv dev`: a real cluster on this machine, one process a member, to try things out and to
//! break by hand.
//!
//! ```text
//! raftkv dev ──┬─ raftkv start --node-id node-1 …   standard input: a pipe from the parent
//!    │         ├─ raftkv start --node-id node-2 …   output: raftkv-dev/node-2.log
//!    │         └─ raftkv start --node-id node-3 …
//!    ├─ a port before each member, for its peers: the links (`crates/links`)
//!    └─ a port for the dashboard and what is done by hand (`door/`)
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `plan.rs`, `ports.rs` | which members, where |
//! | `saved.rs`, `directory.rs` | what runs leave for each other |
//! | `cluster.rs`, `child.rs`, `pause.rs` | the members that run |
//! | `watch.rs`, `banner.rs` | what is told |
//! | `action.rs`, `hands.rs`, `load.rs`, `view.rs` | what is done by hand, and what is seen of it |
//!
//! The members are the same program that runs anywhere else; the parent only starts them, watches
//! them, tells what it sees, and breaks them from outside. They run until the pipe ends, so they
//! stop in good order when the parent does, however that comes about, and none ever outlives it.
//! They do not see the terminal's Ctrl-C: the parent alone does, and lets go of all of them.
//!
//! What a run leaves in its directory is resumed by the next one; `plan.rs` decides whether it can
//! be. A member that dies is not started again by itself: it says why, and the parent says what to
//! do.

mod action;
mod banner;
mod child;
mod cluster;
mod directory;
mod door;
mod hands;
mod load;
mod pause;
mod plan;
mod ports;
mod saved;
#[cfg(test)]
mod testing;
mod view;
mod watch;

use std::sync::Arc;

use crate::args::DevArgs;
use crate::failure::Failure;
use crate::signals::Signals;
use cluster::Cluster;
use directory::Directory;
use door::Token;
pub(crate) use pause::let_go;
use plan::Plan;

pub(crate) async fn run(args: DevArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let directory = Directory::open(&args.data_dir)?;
    let earlier = if args.fresh { None } else { directory.saved()? };
    let mut plan = Plan::new(&args, earlier, ports::is_free)?;
    ports::check(&plan)?;
    let (listener, address) = ports::bind_dashboard(args.dashboard_port, &plan).await?;
    if args.fresh {
        directory.clear()?;
    }
    directory.save(plan.saved())?;
    plan.allow([directory.allowed_origins(), vec![door::origin(address)]].concat());
    let token = Token::draw()?;
    let dashboard = door::url(address, &token);
    let cluster = Arc::new(Cluster::start(directory, plan).await?);
    let door = tokio::spawn(door::serve(listener, Arc::clone(&cluster), token));
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        ended = watch::watch(&cluster, &dashboard) => ended,
    };
    door.abort();
    say!("\nstopping; the data stays in {}", args.data_dir.display());
    tokio::select! {
        // A second Ctrl-C is impatience: dropping the children kills them.
        () = signals.next() => {}
        () = cluster.stop() => {}
    }
    ended
}
