//! The spare thread: has the log's next segments ready before the log needs them, so that no flush
//! pays for the growth of a file, and watches how much room is left.

use std::sync::Arc;
use std::time::Duration;

use disk::Disk;
use parking_lot::{Condvar, Mutex};
use replica::{Preparation, Room, SpareKeeper};
use tracing::{debug, warn};

/// From one look to the next while nothing is to be prepared.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// After a failure of the disk nothing is tried for so long.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// What the thread has measured last, and whether it is to end.
#[derive(Debug, Default)]
pub(crate) struct RoomBoard {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Shown {
    /// Not taken yet.
    room: Option<Room>,
    closed: bool,
}

impl RoomBoard {
    /// The newest measurement, if there is one since the last call.
    pub(crate) fn take(&self) -> Option<Room> {
        self.shown.lock().room.take()
    }

    /// The thread ends after the step that it is at.
    pub(crate) fn close(&self) {
        self.shown.lock().closed = true;
        self.changed.notify_one();
    }

    fn show(&self, room: Room) {
        self.shown.lock().room = Some(room);
    }

    /// Waits for so long, or until it is closed; answers whether it is.
    fn is_closed_within(&self, pause: Duration) -> bool {
        let mut shown = self.shown.lock();
        if !shown.closed {
            // Waking early costs a look.
            let _timed_out = self.changed.wait_for(&mut shown, pause);
        }
        shown.closed
    }
}

/// Runs until the board is closed.
pub(crate) fn run<D: Disk>(mut keeper: SpareKeeper<D>, board: &Arc<RoomBoard>) {
    let mut failing = false;
    loop {
        let pause = match look(&mut keeper, board) {
            Ok(pause) => {
                failing = false;
                pause
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    warn!(%error, "no segment could be prepared; the member goes on without");
                }
                FAILED_PAUSE
            }
        };
        if board.is_closed_within(pause) {
            return debug!("the spare thread has ended");
        }
    }
}

/// One step, and a measurement; answers how long there is nothing more to do.
fn look<D: Disk>(keeper: &mut SpareKeeper<D>, board: &RoomBoard) -> Result<Duration, disk::Error> {
    let made = keeper.step();
    board.show(keeper.room()?);
    Ok(match made? {
        Preparation::More => Duration::ZERO,
        Preparation::Done | Preparation::NoRoom => LOOK_INTERVAL,
    })
}
