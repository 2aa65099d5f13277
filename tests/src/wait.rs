//! Waiting for a condition. The one place of the tests that sleeps: a condition of another process
//! can only be asked for again.

use std::thread;
use std::time::{Duration, Instant};

/// Nothing that will happen at all takes this long, on any machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `probe` has something, and returns it. Panics, naming `what`, when patience ends.
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "in {PATIENCE:?} it did not happen: {what}");
        pause();
    }
}

/// Waits until `holds` does.
pub fn until_true(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || holds().then_some(()));
}

/// For whoever tries again what failed just now.
pub fn pause() {
    thread::sleep(PAUSE);
}
