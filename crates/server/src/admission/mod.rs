//! How much one client may ask for, and how much all of them together.
//!
//! ```text
//! headers ─▶ weight of the path ─▶ whose? ─▶ a token of its bucket? ─▶ busy? its share? ─▶ doors
//!              │ none: in                      └ 429                     └ 503, RESOURCE_EXHAUSTED
//! ```
//!
//! A request is looked at here before anything else is done for it, before it has a task even,
//! because what is refused should cost as little as it can: under too much load the work for
//! refusals is taken from the work for others. It certainly is not done.
//!
//! - **Busy** is a member for which so many requests wait that one more would wait too long
//!   (`node/throughput.rs` says how many that are). Those wait that were let in here and are not
//!   answered, or all that the replica has if it has more: of other members, and of clients that
//!   have gone.
//! - **Shares:** from half of that on, a client that has more under way than an equal share for
//!   each that has anything under way is refused, and others are not. So whoever asks for little is
//!   served however much somebody else asks for. Nobody is held to a share while there is no such
//!   load.
//! - **The rate** a second is a setting (`--max-requests-per-second`), and off by default.
//!
//! A client is a user, where authentication is on and it shows who it is; else an address, of
//! IPv6 the network of 64 bits that one customer has.
//!
//! What members ask each other, probes, metrics and everything about the cluster are let in always:
//! a member under load must be seen and mended. Whoever waits for a lock, or listens, has nothing
//! that waits for the replica, and no share; and leases are kept alive under any load, though not
//! beyond a rate.
//!
//! What this does *not* do: look into a stream. A watch or a keep-alive of leases counts when it is
//! begun, and its messages do not. Nor does it know what becomes of a request that its client has
//! given up: it counts as waiting, and as nobody's.

mod bucket;
mod clients;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::access::{CERTIFICATE_USER, Shown, TOKEN_HEADER};
use crate::node::{Counters, Load, Node};
use bucket::Rate;
use clients::{Client, Clients, Key};

pub(crate) use clients::CLIENTS_MAX;

/// Paths that are let in always; what begins with one of them, too.
const FREE: [&str; 8] = [
    "/raft/",
    "/cluster/",
    "/livez",
    "/readyz",
    "/health",
    "/metrics",
    "/version",
    "/grpc.health.v1.Health/",
];

/// Paths of what waits for somebody else, listens, or is a page; and of what mends a cluster.
const WITHOUT_SHARE: [&str; 16] = [
    "/page/",
    "/events",
    "/ws",
    "/watch",
    "/etcdserverpb.Watch/",
    "/v3lockpb.Lock/Lock",
    "/v3electionpb.Election/Campaign",
    "/etcdserverpb.Cluster/",
    "/etcdserverpb.Maintenance/",
    "/v3/cluster/",
    "/v3/maintenance/",
    "/v3/lock/lock",
    "/v3/election/campaign",
    "/v3/watch",
    "/v3/election/observe",
    "/v3electionpb.Election/Observe",
];

/// The call that keeps a lease alive, and how the paths end that do: locks are not to be lost for
/// the load that others make.
const KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";
const KEEP_ALIVE_END: &str = "/keepalive";

/// What most requests are for.
const KEYS: [&str; 3] = ["/etcdserverpb.KV/", "/kv", "/v3/kv/"];

/// The rules of one member, and who is there.
pub(crate) struct Admission {
    node: Node,
    rate: Option<Rate>,
    /// Buckets count from here.
    started: Instant,
    clients: Clients,
    /// How many clients have a request under way.
    active: AtomicUsize,
    /// How many requests are.
    under_way: AtomicUsize,
    refusals: Refusals,
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Visitor {
    by_address: Arc<Client>,
    /// Who showed what last.
    by_user: Mutex<Option<(HeaderValue, Arc<Client>)>>,
}

/// A request that was let in, until it is answered.
pub(crate) struct UnderWay {
    counted: Option<(Arc<Admission>, Arc<Client>)>,
}

/// Why a request was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many wait.
    Busy,
    /// Many wait, and of this client more than its share.
    Share,
    /// The client has asked too often; it may again after this time.
    Rate(Duration),
}

/// What counts of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Free,
    RateAlone,
    Full,
}

impl Weight {
    fn of(path: &str) -> Weight {
        let begins = |all: &[&str]| all.iter().any(|it| path.starts_with(it));
        let keeps_alive = path == KEEP_ALIVE || path.ends_with(KEEP_ALIVE_END);
        if begins(&KEYS) {
            Weight::Full
        } else if begins(&FREE) {
            Weight::Free
        } else if path == "/" || keeps_alive || begins(&WITHOUT_SHARE) {
            Weight::RateAlone
        } else {
            Weight::Full
        }
    }
}

impl Admission {
    /// Of the member behind `node`, where a client may ask so often a second, or as often as it
    /// likes.
    pub(crate) fn new(node: Node, per_second: Option<u64>) -> Admission {
        Admission {
            node,
            rate: per_second.map(Rate::per_second),
            started: Instant::now(),
            clients: Clients::new(CLIENTS_MAX),
            active: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            refusals: Refusals::default(),
        }
    }

    /// Somebody connects from there.
    pub(crate) fn visitor(&self, address: IpAddr) -> Visitor {
        let by_address = self.clients.find(Key::address(address), self.now());
        by_address.connections.fetch_add(1, Ordering::Relaxed);
        Visitor { by_address, by_user: Mutex::default() }
    }

    /// Lets a request in, or says why not.
    pub(crate) fn enter(
        self: &Arc<Self>,
        visitor: &Visitor,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<UnderWay, Refused> {
        let weight = Weight::of(path);
        if weight == Weight::Free {
            return Ok(UnderWay { counted: None });
        }
        let client = self.client(visitor, headers);
        if let Some(rate) = &self.rate {
            let taken = client.bucket.take(rate, self.now());
            taken.map_err(|wait| self.refused(Refused::Rate(wait)))?;
        }
        if weight == Weight::RateAlone {
            return Ok(UnderWay { counted: None });
        }
        let under_way = UnderWay::begin(self, client);
        match self.judge(&under_way, self.load()) {
            Ok(()) => Ok(under_way),
            Err(refused) => Err(self.refused(refused)),
        }
    }

    /// How many were refused, by reason.
    pub(crate) fn refusals(&self) -> Family<Reason, Counter> {
        self.refusals.0.clone()
    }

    /// The replica's, or what was let in before, whichever is more.
    fn load(&self) -> Load {
        let Load { waiting, limit } = self.node.load();
        let before = self.under_way.load(Ordering::Relaxed).saturating_sub(1);
        Load { waiting: waiting.max(before), limit }
    }

    fn judge(&self, under_way: &UnderWay, load: Load) -> Result<(), Refused> {
        let Load { waiting, limit } = load;
        if waiting < limit / 2 {
            return Ok(());
        }
        let share = limit / self.active.load(Ordering::Relaxed).max(1);
        let is_busy = waiting >= limit;
        // What clients have given up still waits, and is under way no more: past this their shares
        // say nothing, and each may have one request.
        if waiting >= 2 * limit && under_way.of_client() > 1 {
            return Err(Refused::Busy);
        }
        // Below the limit everybody may have something under way, however many they are.
        let share = if is_busy { share } else { share.max(1) };
        match (under_way.of_client() <= share, is_busy) {
            (true, _) => Ok(()),
            (false, true) => Err(Refused::Busy),
            (false, false) => Err(Refused::Share),
        }
    }

    fn refused(&self, refused: Refused) -> Refused {
        self.refusals.count(refused);
        if !matches!(refused, Refused::Rate(_)) {
            Counters::add(&self.node.counters().overloaded, 1);
        }
        refused
    }

    /// Whose a request is.
    fn client(&self, visitor: &Visitor, headers: &HeaderMap) -> Arc<Client> {
        let shown = headers.get(TOKEN_HEADER).or_else(|| headers.get(AUTHORIZATION));
        let shown = shown.or_else(|| headers.get(CERTIFICATE_USER));
        let user = shown.and_then(|shown| self.user(visitor, shown, headers));
        user.unwrap_or_else(|| Arc::clone(&visitor.by_address))
    }

    /// The user who showed this, if that is known by now. A password that was not looked at yet
    /// counts for its address: looking takes long, and happens behind this door.
    fn user(
        &self,
        visitor: &Visitor,
        shown: &HeaderValue,
        headers: &HeaderMap,
    ) -> Option<Arc<Client>> {
        if !self.node.store().auth().is_enabled() {
            return None;
        }
        let mut last = visitor.by_user.lock();
        if let Some((_, client)) = last.as_ref().filter(|(before, _)| before == shown) {
            return Some(Arc::clone(client));
        }
        let shown_of = Shown::of(headers).ok()?;
        let user = self.node.access().known(&self.node, &shown_of)?;
        let client = self.clients.find(Key::User(user), self.now());
        *last = Some((shown.clone(), Arc::clone(&client)));
        Some(client)
    }

    /// In ns, as buckets have it.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Visitor {
    /// How many connections there are from where this one comes from, with it.
    pub(crate) fn connections(&self) -> usize {
        self.by_address.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.by_address.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl UnderWay {
    fn begin(admission: &Arc<Admission>, client: Arc<Client>) -> UnderWay {
        admission.under_way.fetch_add(1, Ordering::Relaxed);
        if client.under_way.fetch_add(1, Ordering::Relaxed) == 0 {
            admission.active.fetch_add(1, Ordering::Relaxed);
        }
        UnderWay { counted: Some((Arc::clone(admission), client)) }
    }

    /// It was done, and not only answered: refusals say nothing of how fast a member is.
    pub(crate) fn done(self) {
        if let Some((admission, _)) = &self.counted {
            admission.node.pace().answered(Instant::now());
        }
    }

    /// How many of the same client there are, this one among them.
    fn of_client(&self) -> usize {
        let client = self.counted.as_ref().map(|(_, client)| client);
        client.map_or(0, |client| client.under_way.load(Ordering::Relaxed))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some((admission, client)) = self.counted.take() else { return };
        admission.under_way.fetch_sub(1, Ordering::Relaxed);
        if client.under_way.fetch_sub(1, Ordering::Relaxed) == 1 {
            admission.active.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Refusals by reason.
struct Refusals(Family<Reason, Counter>);

/// Each is shown from the start, so that its first is seen to be one more.
impl Default for Refusals {
    fn default() -> Refusals {
        let counts = Family::<Reason, Counter>::default();
        for reason in [BUSY, SHARE, RATE] {
            drop(counts.get_or_create(&reason));
        }
        Refusals(counts)
    }
}

const BUSY: Reason = Reason { reason: "busy" };
const SHARE: Reason = Reason { reason: "share" };
const RATE: Reason = Reason { reason: "rate" };

/// Why, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: &'static str,
}

impl Refusals {
    fn count(&self, refused: Refused) {
        let reason = match refused {
            Refused::Busy => BUSY,
            Refused::Share => SHARE,
            Refused::Rate(_) => RATE,
        };
        self.0.get_or_create(&reason).inc();
    }
}

#[cfg(test)]
mod tests;
