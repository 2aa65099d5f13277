//! How many files and connections this process may have open, and who may have them.
//!
//! Every open file, connection and stream is a descriptor, and the operating system lets a process
//! have so many and no more. If clients took them all, the log could begin no segment and the peers
//! could open no stream: so what a member needs for itself is counted out of the limit first, and
//! clients share the rest.
//!
//! ```text
//!   limit of open files = RESERVED + connections of clients (those over the limit included)
//! ```
//!
//! Other processes can use up what the machine has (ENFILE), whatever is reserved here: then the
//! disk's threads wait ([`Waiting`]), and the member is slow until there is something to be had.

use std::time::{Duration, Instant};

use disk::Patience;
use parking_lot::{Condvar, Mutex};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use super::StartError;
use crate::{ask, events, peer};

/// For the log and its spares, snapshots, the data directory's lock, the port, standard streams,
/// the runtime, the resolver and a question to the leader: two or three dozen in fact.
const OWN_MAX: usize = 64;

/// What clients can not use up.
const RESERVED: usize = OWN_MAX + peer::DESCRIPTORS_MAX + events::DESCRIPTORS_MAX + ask::ASKS_MAX;

/// A member that can not serve so many connections is not worth starting.
const CLIENTS_MIN: usize = 64;

/// Asked for where the operating system sets no limit of its own.
const UNLIMITED: u64 = 1 << 20;

/// Between two attempts to open something while there is no descriptor.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two lines in the log about it.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// Raises the limit of open files as far as this user may, and answers how many connections clients
/// may have.
pub(super) fn claim() -> Result<usize, StartError> {
    let limit = raise();
    let for_clients = for_clients(limit)?;
    info!(limit, reserved = RESERVED, for_clients, "open files and connections");
    Ok(for_clients)
}

fn for_clients(limit: u64) -> Result<usize, StartError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let needed = RESERVED + CLIENTS_MIN;
    if limit < needed {
        return Err(StartError::FewDescriptors { limit, needed });
    }
    Ok(limit - RESERVED)
}

/// The limit that holds from now on.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current else { return u64::MAX };
    let wanted = maximum.unwrap_or(UNLIMITED);
    if wanted <= current {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(error) => {
            warn!(%error, current, wanted, "the limit of open files can not be raised");
            current
        }
    }
}

/// Whoever finds no descriptor while the member runs waits for one; before and after that, it is
/// told.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    runs: bool,
    warned: Option<Instant>,
}

impl Waiting {
    /// The member runs.
    pub(super) fn begin(&self) {
        self.state.lock().runs = true;
    }

    /// The member stops: nobody waits any longer.
    pub(super) fn end(&self) {
        self.state.lock().runs = false;
        self.ended.notify_all();
    }
}

impl Patience for Waiting {
    fn wait(&self, error: &disk::Error) -> bool {
        let mut state = self.state.lock();
        if !state.runs {
            return false;
        }
        if state.warned.is_none_or(|warned| warned.elapsed() >= WARN_INTERVAL) {
            state.warned = Some(Instant::now());
            warn!(%error, "too many files are open; the disk waits until one can be opened");
        }
        // Waking early costs an attempt.
        let _timed_out = self.ended.wait_for(&mut state, PAUSE);
        state.runs
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use disk::{Disk, Mode, Patient, SimDisk};

    use super::*;
    use crate::http::Limits;

    #[test]
    fn clients_get_what_is_left_over_the_reserve() {
        assert_eq!(for_clients(1_024).unwrap(), 1_024 - RESERVED);
        assert_eq!(for_clients((RESERVED + CLIENTS_MIN) as u64).unwrap(), CLIENTS_MIN);
        assert!(for_clients(u64::MAX).unwrap() > 1 << 20);
    }

    #[test]
    fn what_is_reserved_is_published() {
        let page = include_str!("../../../../docs/operations.md");
        let (limit, needed) = (1_024, RESERVED + CLIENTS_MIN);
        let for_clients = limit - RESERVED;
        for words in [
            format!("limit={limit} reserved={RESERVED} for_clients={for_clients}"),
            format!("**Reserved** are {RESERVED},"),
            format!("Below {needed} a member does not start"),
        ] {
            assert!(page.contains(&words), "{words}");
        }
        let Limits { connections_max, connections_spare, .. } = Limits::default();
        let enough = RESERVED + connections_max + connections_spare;
        assert_eq!(Limits::affording(enough - RESERVED).connections_max, connections_max);
        assert!(Limits::affording(enough - RESERVED - 1).connections_max < connections_max);
        let words = format!("is below {},{:03}", enough / 1_000, enough % 1_000);
        assert!(include_str!("../../../../docs/http.md").contains(&words), "{words}");
    }

    #[test]
    fn clients_have_what_they_are_afforded_and_no_more() {
        for connections in [CLIENTS_MIN, 576, 8_448, 1 << 20] {
            let Limits { connections_max, connections_spare, .. } = Limits::affording(connections);
            assert!(connections_max + connections_spare <= connections);
            assert!(connections_max >= 3 * connections_spare && connections_spare > 0);
        }
    }

    #[test]
    fn a_limit_that_is_too_low_is_named_with_what_to_do() {
        let error = for_clients(256).unwrap_err().to_string();
        let needed = (RESERVED + CLIENTS_MIN).to_string();
        for words in ["256", &needed, "ulimit -n"] {
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_disk_waits_for_descriptors_only_while_the_member_runs() {
        let (disk, waiting) = (SimDisk::new(), Arc::new(Waiting::default()));
        let patient = Patient::new(disk.clone(), Arc::clone(&waiting) as Arc<dyn Patience>);
        let open = |name| patient.open(Path::new(name), Mode::CreateNew);
        disk.lack_descriptors(1);
        assert!(open("/a").unwrap_err().is_out_of_descriptors());
        waiting.begin();
        disk.lack_descriptors(2);
        assert!(open("/a").is_ok());
        waiting.end();
        disk.lack_descriptors(1);
        assert!(open("/b").unwrap_err().is_out_of_descriptors());
    }

    #[test]
    fn the_end_is_not_kept_waiting() {
        let (disk, waiting) = (SimDisk::new(), Arc::new(Waiting::default()));
        let patient = Patient::new(disk.clone(), Arc::clone(&waiting) as Arc<dyn Patience>);
        waiting.begin();
        disk.lack_descriptors(u64::MAX);
        let opening = std::thread::spawn(move || patient.open(Path::new("/a"), Mode::CreateNew));
        while disk.counts().unopened == 0 {
            std::thread::yield_now();
        }
        waiting.end();
        assert!(opening.join().unwrap().unwrap_err().is_out_of_descriptors());
    }
}
