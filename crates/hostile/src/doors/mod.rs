//! The doors of a member: what clients send over the network, and what must not come of it.
//!
//! ```text
//! input ─▶ what a client sends ─▶ a real member in this process, over loopback ─▶ what it answers
//!                                     │ auth off: anybody may do anything
//!                                     │ auth on: whoever comes is nobody
//!                                     └─▶ judge, on a connection of its own
//! ```
//!
//! After each input the judge demands:
//!
//! - nothing panicked, in no thread of the process;
//! - connections whose clients have gone are given back: few descriptors stay open;
//! - on another connection the member answers a sound request, with what its store has;
//! - whoever is nobody has changed nothing, by revision, state hash and members, and was told
//!   nothing that was planted in keys, values, users, roles and leases;
//! - where anybody may do anything, what was refused as a whole has changed nothing either;
//! - the process has grown by no more than `GROWTH_BYTES_MAX`.
//!
//! What an input finds may depend on those before it, for the members live on: each is replaced by
//! a fresh one after `INPUTS_MAX` inputs.

mod judge;
mod member;
mod panics;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Verdict;
use crate::input::Input;
use judge::Room;
use member::Access;
pub(crate) use wire::Heard;

/// A member that has not done in this time what it should at once, hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Inputs that one member is given.
const INPUTS_MAX: u32 = 1_000;

/// The members of one target, which its inputs share.
pub(crate) struct Doors {
    rooms: Mutex<[Option<Room>; 2]>,
}

/// What a client sends and hears, at the member that listens there; the first decision chose who
/// it is to whom.
pub(crate) type Client = fn(SocketAddr, &mut Input<'_>) -> Heard;

impl Doors {
    pub(crate) const fn new() -> Doors {
        Doors { rooms: Mutex::new([None, None]) }
    }

    /// Runs one input, whose first byte chooses the member.
    pub(crate) fn run(&self, bytes: &[u8], client: Client) -> Verdict {
        panics::watch();
        let mut input = Input::new(bytes);
        let access = if input.chance(2) { Access::Nobody } else { Access::Anybody };
        // A finding in another thread has been told there.
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut rooms[access as usize];
        // Taken out while it is in use: after a finding there is none.
        let room = place.take().filter(|room| room.inputs() < INPUTS_MAX);
        let mut room = room.unwrap_or_else(|| Room::open(access));
        match room.tried(bytes, &mut input, client) {
            Ok(verdict) => {
                *place = Some(room);
                verdict
            }
            Err(suspects) => {
                suspects.iter().for_each(|bytes| alone(bytes, access, client));
                // A lease that ended, perhaps, or a write whose client did not wait for it.
                assert!(access == Access::Anybody, "nobody changed something, and none of these");
                Verdict::Refused
            }
        }
    }
}

/// Something changed that should not have, and it may be due to this input: with a fresh member
/// there is none but it.
fn alone(bytes: &[u8], access: Access, client: Client) {
    let mut input = Input::new(bytes);
    let _access = input.byte();
    let changed = Room::open(access).tried_alone(&mut input, client);
    if let Some(changed) = changed {
        panic!("what was refused changed {changed}: {bytes:02x?}");
    }
}
