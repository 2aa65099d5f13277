//! Which members a client knows of, and whom it turns to first.

use crate::Endpoint;
use crate::verdict::Effect;

/// So many members are known at most: a cluster has fewer, and members come and go.
const KNOWN_MAX: usize = 64;

/// What all calls of a client have learned together.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Never empty, without repetition; at most [`KNOWN_MAX`], unless more were given.
    known: Vec<Endpoint>,
    /// Who led when we last heard of it; a hint that costs one more hop if it is wrong.
    leader: Option<Endpoint>,
    /// Who served last.
    served: Option<Endpoint>,
    /// Whoever was given TLS goes nowhere without.
    tls: bool,
}

impl Directory {
    pub(crate) fn new(known: Vec<Endpoint>) -> Directory {
        assert!(!known.is_empty(), "a client knows at least one member");
        let tls = known.iter().any(Endpoint::is_tls);
        Directory { known, leader: None, served: None, tls }
    }

    /// Adds members of the cluster to what is known, while there is room.
    pub(crate) fn learn(&mut self, members: impl IntoIterator<Item = Endpoint>) {
        for member in members {
            let member = self.adapted(member);
            if self.known.len() < KNOWN_MAX && !self.known.contains(&member) {
                self.known.push(member);
            }
        }
    }

    pub(crate) fn learn_leader(&mut self, leader: Endpoint) {
        let leader = self.adapted(leader);
        self.learn([leader.clone()]);
        self.leader = Some(leader);
    }

    /// A member as others tell of it, who may leave out that it speaks TLS.
    pub(crate) fn adapted(&self, member: Endpoint) -> Endpoint {
        if self.tls { member.with_tls() } else { member }
    }

    pub(crate) fn note_served(&mut self, endpoint: &Endpoint) {
        if self.served.as_ref() != Some(endpoint) {
            self.served = Some(endpoint.clone());
        }
    }

    /// Whoever did not serve is no longer anyone's first choice.
    pub(crate) fn note_failed(&mut self, endpoint: &Endpoint) {
        self.leader.take_if(|leader| leader == endpoint);
        self.served.take_if(|served| served == endpoint);
    }

    /// All known members, in the order in which they are to be tried.
    pub(crate) fn candidates(&self, effect: Effect) -> Vec<Endpoint> {
        let first = match effect {
            Effect::Write | Effect::Once => self.leader.as_ref().or(self.served.as_ref()),
            Effect::Read => self.served.as_ref(),
        };
        let rest = self.known.iter().filter(|endpoint| Some(*endpoint) != first);
        first.into_iter().chain(rest).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        format!("localhost:{port}").parse().unwrap()
    }

    fn ports(directory: &Directory, effect: Effect) -> Vec<String> {
        directory
            .candidates(effect)
            .iter()
            .map(|endpoint| endpoint.address().replace("localhost:", ""))
            .collect()
    }

    #[test]
    fn writes_go_to_the_leader_first_and_reads_to_whoever_served() {
        let mut directory = Directory::new(vec![endpoint(1), endpoint(2), endpoint(3)]);
        assert_eq!(ports(&directory, Effect::Write), ["1", "2", "3"]);
        directory.note_served(&endpoint(2));
        assert_eq!(ports(&directory, Effect::Write), ["2", "1", "3"]);
        directory.learn_leader(endpoint(3));
        assert_eq!(ports(&directory, Effect::Write), ["3", "1", "2"]);
        assert_eq!(ports(&directory, Effect::Read), ["2", "1", "3"]);
    }

    #[test]
    fn no_more_members_are_known_than_a_cluster_may_have() {
        let mut directory = Directory::new(vec![endpoint(1)]);
        directory.learn((1..1_000).map(endpoint));
        assert_eq!(directory.candidates(Effect::Read).len(), KNOWN_MAX);
    }

    #[test]
    fn whoever_failed_is_no_longer_first() {
        let mut directory = Directory::new(vec![endpoint(1), endpoint(2)]);
        directory.learn_leader(endpoint(2));
        directory.note_failed(&endpoint(1));
        assert_eq!(ports(&directory, Effect::Write), ["2", "1"]);
        directory.note_failed(&endpoint(2));
        assert_eq!(ports(&directory, Effect::Write), ["1", "2"]);
    }

    #[test]
    fn nobody_is_led_from_tls_to_a_place_without() {
        let secure: Endpoint = "https://localhost:1".parse().unwrap();
        let mut directory = Directory::new(vec![secure]);
        directory.learn([endpoint(2)]);
        directory.learn_leader(endpoint(3));
        let candidates = directory.candidates(Effect::Write);
        assert!(candidates.len() == 3 && candidates.iter().all(Endpoint::is_tls));
    }

    #[test]
    fn an_unknown_leader_becomes_known() {
        let mut directory = Directory::new(vec![endpoint(1)]);
        directory.learn_leader(endpoint(2));
        directory.learn([endpoint(1), endpoint(3)]);
        assert_eq!(ports(&directory, Effect::Read), ["1", "2", "3"]);
    }
}
