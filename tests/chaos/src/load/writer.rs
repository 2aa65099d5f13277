//! Clients that write and look at nothing: those who count, and those who keep a ledger.

use super::{Hand, of_write};
use crate::history::{Op, What};
use crate::judge::COUNTER_PREFIX;

/// A counter belongs to two clients.
const CLIENTS_PER_COUNTER: u64 = 2;

/// So many bytes an entry of the ledger has, at most.
const ENTRY_BYTES_MAX: usize = 8_000;

/// Counts a counter up: its version is the count.
pub(super) async fn count(hand: Hand, number: u64) -> Vec<Op> {
    let key = format!("{COUNTER_PREFIX}{}", number / CLIENTS_PER_COUNTER);
    write_on(hand, |_, count| (key.clone(), format!("{number}/{count}"))).await
}

/// Writes one entry after the other.
pub(super) async fn keep(hand: Hand, number: u64) -> Vec<Op> {
    write_on(hand, |hand, count| {
        let padding = "x".repeat(hand.random.usize(..ENTRY_BYTES_MAX));
        (format!("ledger/{number}/{count}"), format!("{number}/{count} {padding}"))
    })
    .await
}

async fn write_on(mut hand: Hand, next: impl Fn(&mut Hand, u64) -> (String, String)) -> Vec<Op> {
    for count in 0_u64.. {
        if !hand.goes_on() {
            break;
        }
        let (key, value) = next(&mut hand, count);
        let (door, called) = (hand.door(), hand.now());
        let outcome = of_write(door.put(&key, value.clone()).await);
        let op = Op { key, called, returned: hand.now(), what: What::Put(value), outcome };
        hand.note(op);
        hand.rest().await;
    }
    hand.ops
}
