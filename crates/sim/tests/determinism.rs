//! The same seed is the same life, byte for byte: whatever was found once can be looked at again.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use sim::{Report, Trace, live};

/// A trace kept in memory.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn traced(seed: u64) -> (Report, Vec<u8>) {
    let buffer = Buffer::default();
    let report = live(seed, None, Trace::to(buffer.clone()));
    let bytes = std::mem::take(&mut *buffer.0.lock().expect("one thread"));
    (report, bytes)
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    for seed in [7, 8, 9] {
        let (first, second) = (traced(seed), traced(seed));
        assert!(!first.1.is_empty());
        assert!(first == second, "seed {seed} lived two different lives");
    }
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(traced(7).1, traced(8).1);
}

#[test]
fn a_life_is_the_same_whether_it_is_traced_or_not() {
    assert_eq!(traced(7).0, live(7, None, Trace::off()));
}

#[test]
fn every_line_of_a_trace_is_an_object_with_a_time_that_never_goes_back() {
    let (_, bytes) = traced(7);
    let text = String::from_utf8(bytes).expect("text");
    let mut before = 0;
    for line in text.lines() {
        let rest = line.strip_prefix("{\"t_us\":").expect("the time comes first");
        assert!(line.ends_with('}'), "{line}");
        let digits = rest.split(',').next().expect("something follows");
        let now: u64 = digits.parse().expect("a number");
        assert!(now >= before, "{line}");
        before = now;
    }
}
