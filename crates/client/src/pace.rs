//! Which member is tried next, and how long to pause before. Pure: randomness is an argument.

use std::time::Duration;

use crate::Endpoint;
use crate::verdict::Again;

/// The first pause, made when every known member was tried once, is at most this long.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// No pause of our own is longer than this.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Members that are followed on the word of others, beyond which they are no longer remembered.
const CANDIDATES_MAX: usize = 64;

/// The course of one call through the members.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Never empty.
    candidates: Vec<Endpoint>,
    /// In range of `candidates`.
    current: usize,
    /// Attempts since the last pause, below the number of candidates.
    tried: usize,
    /// Pauses so far.
    pauses: u32,
}

impl Pace {
    /// Starts at the first candidate.
    pub(crate) fn new(candidates: Vec<Endpoint>) -> Pace {
        assert!(!candidates.is_empty(), "a client knows at least one member");
        Pace { candidates, current: 0, tried: 0, pauses: 0 }
    }

    /// Goes on to the leader that was named, or else to the next member, and says how long to pause
    /// before trying it. `random` is in [0, 1).
    pub(crate) fn advance(&mut self, again: &Again, random: f64) -> Duration {
        let named = again.leader.as_ref().and_then(|leader| self.position(leader));
        self.current = named
            .filter(|named| *named != self.current)
            .unwrap_or((self.current + 1) % self.candidates.len());
        self.tried += 1;
        if self.tried < self.candidates.len() {
            return again.wait;
        }
        self.tried = 0;
        again.wait.max(self.pause(random))
    }

    /// The member to try now.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.candidates[self.current]
    }

    /// Whether there is another member to turn to.
    pub(crate) fn has_choice(&self) -> bool {
        self.candidates.len() > 1
    }

    /// Where `endpoint` stands, as the last one if it was not known.
    fn position(&mut self, endpoint: &Endpoint) -> Option<usize> {
        let known = self.candidates.iter().position(|candidate| candidate == endpoint);
        if known.is_none() && self.candidates.len() < CANDIDATES_MAX {
            self.candidates.push(endpoint.clone());
            return Some(self.candidates.len() - 1);
        }
        known
    }

    /// Twice as long each time, and at random between a half and the whole of that, so that many
    /// clients that lost the same leader do not come back as one.
    fn pause(&mut self, random: f64) -> Duration {
        let longest = PAUSE_FIRST.saturating_mul(1 << self.pauses.min(16)).min(PAUSE_MAX);
        self.pauses += 1;
        longest.mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        format!("localhost:{port}").parse().unwrap()
    }

    fn pace(count: u16) -> Pace {
        Pace::new((1..=count).map(endpoint).collect())
    }

    fn names(leader: u16) -> Again {
        Again { leader: Some(endpoint(leader)), ..Again::default() }
    }

    #[test]
    fn every_member_is_tried_before_the_first_pause() {
        let mut pace = pace(3);
        let mut course = Vec::new();
        for _ in 0..4 {
            let port = pace.endpoint().address().to_owned();
            course.push((port, pace.advance(&Again::default(), 0.0).as_millis()));
        }
        let course: Vec<_> = course.iter().map(|(port, ms)| (port.as_str(), *ms)).collect();
        let (one, two, three) = ("localhost:1", "localhost:2", "localhost:3");
        assert_eq!(course, [(one, 0), (two, 0), (three, 10), (one, 0)]);
    }

    #[test]
    fn pauses_grow_and_are_bounded_and_random() {
        let (mut low, mut high) = (pace(1), pace(1));
        let next = |pace: &mut Pace, random| pace.advance(&Again::default(), random).as_millis();
        let lows: Vec<_> = (0..8).map(|_| next(&mut low, 0.0)).collect();
        let highs: Vec<_> = (0..100).map(|_| next(&mut high, 1.0)).collect();
        assert_eq!(lows, [10, 20, 40, 80, 160, 250, 250, 250]);
        assert_eq!(highs[..6], [20, 40, 80, 160, 320, 500]);
        assert_eq!(highs[99], 500);
    }

    #[test]
    fn a_named_leader_is_next_even_if_it_was_unknown() {
        let mut pace = pace(3);
        assert_eq!(pace.advance(&names(3), 0.0), Duration::ZERO);
        assert_eq!(pace.endpoint(), &endpoint(3));
        pace.advance(&names(9), 0.0);
        assert_eq!(pace.endpoint(), &endpoint(9));
    }

    #[test]
    fn members_that_name_each_other_are_paused_for() {
        let mut pace = pace(2);
        let waits: Vec<_> = [2, 1, 2, 1].map(|to| pace.advance(&names(to), 0.0).as_millis()).into();
        assert_eq!(waits, [0, 10, 0, 20]);
    }

    #[test]
    fn a_member_that_names_itself_is_passed_over() {
        let mut pace = pace(2);
        pace.advance(&names(1), 0.0);
        assert_eq!(pace.endpoint(), &endpoint(2));
    }

    #[test]
    fn a_member_may_ask_for_a_longer_pause() {
        let wait = Duration::from_secs(1);
        let again = Again { wait, ..Again::default() };
        assert_eq!(pace(3).advance(&again, 0.0), wait);
        assert_eq!(pace(1).advance(&again, 0.0), wait);
    }
}
