//! What ten thousand watchers cost. A test of its own, because it counts every allocation of its
//! process.

#![allow(unsafe_code, reason = "an allocator is unsafe to be one; this one counts and passes on")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "the other tests use the rest of it")]
#[path = "all/watching/mod.rs"]
mod watching;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::Waker;

use replica::{Step, Watcher};
use watching::{World, hears, prefix};

/// As the issue has it.
const WATCHERS: usize = 10_000;
const BYTES_MAX: isize = 20 << 20;

struct Counting;

static BYTES: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn ten_thousand_watchers_cost_less_than_20_mib_also_when_all_are_slow() {
    let mut world = World::new();
    let key = |number: usize| format!("user/{number:05}/name");
    let before = BYTES.load(Ordering::Relaxed);
    let mut watchers: Vec<Watcher> = Vec::with_capacity(WATCHERS);
    for number in 0..WATCHERS {
        let mut watcher = world.watch(prefix(&format!("user/{number:05}/")));
        while watcher.step(Some(Waker::noop())).unwrap() != Step::Idle {}
        watchers.push(watcher);
    }
    let idle = BYTES.load(Ordering::Relaxed) - before;
    println!("{} bytes a watcher that has nothing to take", idle / WATCHERS as isize);
    assert!(idle < BYTES_MAX / 2, "{idle} bytes");
    // What the store itself needs for these writes is there before.
    for number in 0..WATCHERS {
        world.put(&key(number), "v");
    }
    let full = BYTES.load(Ordering::Relaxed) - before;
    let mut unwatched = World::new();
    let before = BYTES.load(Ordering::Relaxed);
    for number in 0..WATCHERS {
        unwatched.put(&key(number), "v");
    }
    let store = BYTES.load(Ordering::Relaxed) - before;
    let waiting = full - store;
    println!("{} bytes a watcher with a batch that waits", waiting / WATCHERS as isize);
    assert!(waiting < BYTES_MAX, "{waiting} bytes");
    assert_eq!(hears(&mut watchers[9_999]), ["10001: user/09999/name=v"]);
}
