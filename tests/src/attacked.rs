//! A member that is attacked, and somebody else whom it serves all the while.

use crate::bystander::Bystander;
use crate::cluster::Cluster;
use crate::http::Http;
use crate::wait;

/// What a member's memory may grow by while somebody floods it.
pub const FLOOD_BYTES_MAX: u64 = 64 << 20;

/// A member that is to be attacked, with somebody else whom it serves.
#[derive(Debug)]
pub struct Attacked {
    cluster: Cluster,
    bystander: Bystander,
    port: u16,
    files: usize,
    resident_bytes: u64,
}

impl Attacked {
    /// A cluster of one, with its bystander.
    #[allow(clippy::new_without_default, reason = "it starts a process: nothing to default to")]
    pub fn new() -> Attacked {
        let mut cluster = Cluster::start(1);
        let port = cluster.ports()[0];
        let bystander = Bystander::start(port);
        let files = cluster.member(0).open_files();
        let resident_bytes = cluster.member(0).resident_bytes();
        Attacked { cluster, bystander, port, files, resident_bytes }
    }

    /// The member's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// While the attack lasts: others are served, and the member's memory has grown by no more than
    /// so many bytes.
    pub fn check(&mut self, bytes_max: u64) {
        self.bystander.go_on();
        let grown = self.cluster.member(0).resident_bytes_max() - self.resident_bytes;
        println!("its memory has grown by {} KiB", grown >> 10);
        assert!(grown < bytes_max, "its memory has grown by {grown} bytes");
    }

    /// When it is over: so it was, and all connections are free again.
    pub fn recovers(mut self, bytes_max: u64) {
        self.check(bytes_max);
        let (member, files) = (self.cluster.member(0), self.files);
        wait::until_true("every connection is free again", || member.open_files() <= files);
        self.bystander.stop();
        assert_eq!(Http::new(self.port).get("/livez").status, 200);
    }
}
