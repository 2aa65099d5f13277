//! Simulated time, and the one queue that orders everything that happens.

use std::collections::BTreeMap;
use std::ops::Add;

/// Microseconds since the life began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) u64);

/// A stretch of time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) u64);

impl Span {
    pub(crate) fn ms(ms: u64) -> Span {
        Span(ms * 1_000)
    }

    pub(crate) fn times(self, factor: u64) -> Span {
        Span(self.0 * factor)
    }
}

impl Time {
    /// How long after `earlier` this is.
    pub(crate) fn since(self, earlier: Time) -> Span {
        Span(self.0.checked_sub(earlier.0).expect("time never goes back"))
    }
}

impl Add<Span> for Time {
    type Output = Time;

    fn add(self, span: Span) -> Time {
        Time(self.0 + span.0)
    }
}

/// What is to happen, in order of time; what is due at the same time, in the order it was planned.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    due: BTreeMap<(Time, u64), T>,
    now: Time,
    planned: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        Queue { due: BTreeMap::new(), now: Time(0), planned: 0 }
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn plan(&mut self, at: Time, what: T) {
        assert!(at >= self.now, "nothing can be planned for the past");
        self.planned += 1;
        self.due.insert((at, self.planned), what);
    }

    pub(crate) fn plan_in(&mut self, span: Span, what: T) {
        self.plan(self.now + span, what);
    }

    /// What happens next; it is that time now.
    pub(crate) fn next(&mut self) -> Option<T> {
        let ((at, _), what) = self.due.pop_first()?;
        self.now = at;
        Some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_together_happens_in_the_order_it_was_planned() {
        let mut queue = Queue::new();
        queue.plan(Time(5), "second");
        queue.plan(Time(9), "last");
        queue.plan(Time(5), "third");
        queue.plan(Time(1), "first");
        let order: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(order, ["first", "second", "third", "last"]);
        assert_eq!(queue.now(), Time(9));
    }
}
