//! Ports of a test's own, also against other tests and other runs of them.
//!
//! A member that is down leaves its port free, and must find it free again. So a test's ports are
//! below those that the system hands out by itself (to the next outgoing connection, for
//! instance), and each is reserved by a UDP socket of the same number, which no member uses and
//! which goes with the process that holds it.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where ports are looked for. Systems hand out ports from 32768 (or 49152) on.
const RANGE: Range<u32> = 23_000..32_000;

/// How many of them may begin a row: at most 100 ports of it are then within the range.
const SPAN: u32 = RANGE.end - RANGE.start - 100;

/// How far apart two processes of tests begin to look.
const PROCESS_STEP: u32 = 37;

/// Ports in a row.
#[derive(Debug)]
pub struct Ports {
    numbers: Vec<u16>,
    _reservations: Vec<UdpSocket>,
}

impl Ports {
    /// So many that were free a moment ago, and that no other test gets.
    pub fn in_a_row(count: u16) -> Ports {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let begin = process::id().wrapping_mul(PROCESS_STEP);
        let tries = (0..RANGE.len()).map(|_| NEXT.fetch_add(u32::from(count), Ordering::Relaxed));
        let starts = tries.map(|next| RANGE.start + begin.wrapping_add(next) % SPAN);
        let mut found = starts.filter_map(|start| Ports::reserve(start as u16, count));
        found.next().expect("no free ports between 23000 and 32000")
    }

    fn reserve(start: u16, count: u16) -> Option<Ports> {
        let numbers: Vec<u16> = (start..start + count).collect();
        let reserved = numbers.iter().map(|number| {
            let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, *number)).ok()?;
            is_free(*number).then_some(reservation)
        });
        let _reservations = reserved.collect::<Option<Vec<UdpSocket>>>()?;
        Some(Ports { numbers, _reservations })
    }

    /// The numbers, ascending.
    pub fn numbers(&self) -> &[u16] {
        &self.numbers
    }

    /// Whether nobody listens at any of them.
    pub fn are_free(&self) -> bool {
        self.numbers.iter().all(|number| is_free(*number))
    }
}

/// Whether nobody listens there.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tests_get_different_ports() {
        let (one, other) = (Ports::in_a_row(3), Ports::in_a_row(3));
        assert!(one.numbers().iter().all(|number| !other.numbers().contains(number)));
        assert!(one.are_free() && other.are_free());
    }

    #[test]
    fn reserved_and_used_ports_are_passed_over() {
        let held = Ports::in_a_row(2);
        let (first, second) = (held.numbers()[0], held.numbers()[1]);
        assert!(Ports::reserve(first, 1).is_none(), "reserved");
        drop(held);
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, second)).unwrap();
        assert!(Ports::reserve(first, 2).is_none(), "the second one is used");
    }
}
