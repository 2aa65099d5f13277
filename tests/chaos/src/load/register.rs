//! Clients of a few keys that all of them share.

use client::{Condition, Revision, WriteOptions};

use super::{Hand, of_error, of_write, seen};
use crate::history::{Op, Outcome, Seen, What};

/// How many keys, so that clients meet.
const KEYS: u64 = 6;

pub(super) async fn work(mut hand: Hand, number: u64) -> Vec<Op> {
    let mut last: Option<(String, Option<Seen>)> = None;
    for count in 0_u64.. {
        if !hand.goes_on() {
            break;
        }
        let value = format!("{number}/{count}");
        let op = match (hand.random.u32(..100), last.take()) {
            // Whoever has looked swaps, and is often too late.
            (0..50, Some((key, expected))) => swap(&mut hand, key, expected, value).await,
            (0..55, _) => {
                let op = read(&mut hand).await;
                if let Outcome::Found(found) = &op.outcome {
                    last = Some((op.key.clone(), found.clone()));
                }
                op
            }
            (55..93, _) => put(&mut hand, value).await,
            _ => delete(&mut hand).await,
        };
        hand.note(op);
        hand.rest().await;
    }
    hand.ops
}

fn some_key(hand: &mut Hand) -> String {
    format!("register/{}", hand.random.u64(..KEYS))
}

async fn read(hand: &mut Hand) -> Op {
    let (key, door, called) = (some_key(hand), hand.door(), hand.now());
    let outcome = match door.get(&key).await {
        Ok(found) => Outcome::Found(found.as_ref().map(seen)),
        Err(_) => Outcome::Refused,
    };
    Op { key, called, returned: hand.now(), what: What::Read, outcome }
}

async fn put(hand: &mut Hand, value: String) -> Op {
    let (key, door, called) = (some_key(hand), hand.door(), hand.now());
    let outcome = of_write(door.put(&key, value.clone()).await);
    Op { key, called, returned: hand.now(), what: What::Put(value), outcome }
}

async fn swap(hand: &mut Hand, key: String, expected: Option<Seen>, value: String) -> Op {
    let condition = match &expected {
        Some(seen) => Condition::Revision(Revision(seen.revision)),
        None => Condition::Absent,
    };
    let options = WriteOptions { condition: Some(condition), ..WriteOptions::default() };
    let (door, called) = (hand.door(), hand.now());
    let outcome = of_write(door.put_with(&key, value.clone(), options).await);
    let what = What::Swap { expected: expected.map(|seen| seen.value), value };
    Op { key, called, returned: hand.now(), what, outcome }
}

async fn delete(hand: &mut Hand) -> Op {
    let (key, door, called) = (some_key(hand), hand.door(), hand.now());
    let outcome = match door.delete(&key).await {
        Ok(deleted) => Outcome::Removed(deleted.deleted),
        Err(error) => of_error(error),
    };
    Op { key, called, returned: hand.now(), what: What::Delete, outcome }
}
