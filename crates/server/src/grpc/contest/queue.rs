//! The queue: entering it, waiting for one's turn, leaving.

use std::time::Duration;

use bytes::Bytes;
use proto::etcd::etcdserverpb::ResponseHeader;
use replica::{EventFilter, WatchEnd, WatchRefusal, WatchRequest};
use store::{
    Command, Compare, KeyRange, LeaseId, Need, Operand, Outcome, Put, PutLifetime, RangeRequest,
    Relation, Revision, Sort, SortBy, Txn, TxnOp, TxnResult,
};
use tonic::Status;

use super::session::Session;
use crate::grpc::gate::{Guest, number};
use crate::grpc::range::range;
use crate::grpc::refusal::Refusal;
use crate::watch::{ConnectionWatches, News, NotWatching, Notices, QUIET_DEFAULT};

/// How often one who leaves the queue tries to take its key along, and how long after each other:
/// for the others it stands in the way until then, and under a load there may be no room for it.
const LEAVE_ATTEMPTS: usize = 10;
const LEAVE_PAUSE: Duration = Duration::from_secs(1);

/// A place in the queue.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The key that stands for it.
    pub(super) key: Bytes,
    /// When it was taken: whoever has a lower one comes first.
    pub(super) revision: Revision,
}

/// Who is in the queue.
pub(super) struct Entered {
    pub(super) waiting: Waiting,
    /// What its key says.
    pub(super) value: Bytes,
    /// The store's, when it entered.
    pub(super) revision: Revision,
}

/// Leaves the queue when it is dropped, unless it was kept: a client that goes away while it waits
/// holds nobody up.
pub(super) struct Waiting {
    guest: Guest,
    place: Option<Place>,
    /// Whether it was taken by this very call: what a client has already is not given up for it.
    entered: bool,
}

/// All keys of a queue.
pub(super) fn prefix(name: &[u8]) -> Bytes {
    [name, b"/"].concat().into()
}

/// The key of one who waits with this lease, whose sign goes before its digits.
fn key_of(name: &[u8], lease: LeaseId) -> Bytes {
    let sign = if lease.0 < 0 { "-" } else { "" };
    let digits = format!("{sign}{:x}", lease.0.unsigned_abs());
    [&prefix(name)[..], digits.as_bytes()].concat().into()
}

/// Whether the place is still the one that was taken.
pub(super) fn holds(place: &Place) -> Compare {
    Compare {
        range: KeyRange::Single(place.key.clone()),
        relation: Relation::Equal,
        operand: Operand::CreateRevision(number(place.revision.0)),
    }
}

/// Takes a place at the end, or finds the one that this lease has; with what its key says.
pub(super) async fn enter(
    guest: &Guest,
    name: &[u8],
    session: &Session,
    value: Bytes,
) -> Result<Entered, Refusal> {
    let key = key_of(name, session.lease());
    let lifetime = PutLifetime::Lease(session.lease());
    let put = Put { lifetime, ..Put::new(key.clone(), value) };
    let get = RangeRequest::new(KeyRange::Single(key.clone()));
    let absent = holds(&Place { key, revision: Revision(0) });
    let txn = Txn {
        compares: vec![absent],
        success: vec![TxnOp::Put(put), TxnOp::Range(get.clone())],
        failure: vec![TxnOp::Range(get)],
    };
    let Outcome::Txn(mut response) = guest.write(Command::Txn(txn)).await? else {
        panic!("a transaction came to something else")
    };
    let Some(TxnResult::Range(mut found)) = response.results.pop() else {
        panic!("a range came to something else")
    };
    let found = found.items.pop().expect("it is there, or was put");
    let place = Place { key: found.key.clone(), revision: found.create_revision };
    let (guest, entered) = (guest.clone(), response.succeeded);
    let waiting = Waiting { guest, place: Some(place), entered };
    Ok(Entered { waiting, value: found.value, revision: response.revision })
}

impl Waiting {
    pub(super) fn place(&self) -> &Place {
        self.place.as_ref().expect("it is taken only at the end")
    }

    /// It is not given up any more.
    pub(super) fn keep(mut self) -> Place {
        self.place.take().expect("it is taken only here")
    }

    /// Waits until nobody is before this place; answers with the state that shows it.
    pub(super) async fn turn(&self, name: &[u8]) -> Result<ResponseHeader, Status> {
        self.first(name).await.map_err(in_the_queue)?;
        let key = KeyRange::Single(self.place().key.clone());
        let reader = self.guest.reader(Need::Read(&key))?;
        let (found, revision) = reader.get(&self.place().key, None).map_err(Refusal::from)?;
        match found.filter(|found| found.create_revision == self.place().revision) {
            Some(_) => Ok(self.guest.header(revision)),
            None => Err(Status::unknown("mutex: session is expired")),
        }
    }

    /// Waits until nobody is before this place, as all see it: what this member sees may be old.
    async fn first(&self, name: &[u8]) -> Result<(), Refusal> {
        while let Some((before, seen_at)) = self.next_before(name).await? {
            gone(&self.guest, before, seen_at).await?;
        }
        self.guest.catch_up().await
    }

    /// The key just before this place, and the revision at which it was there.
    async fn next_before(&self, name: &[u8]) -> Result<Option<(Bytes, Revision)>, Refusal> {
        let max = Revision(self.place().revision.0 - 1);
        let queue = KeyRange::Prefix(prefix(name));
        let reader = self.guest.reader(Need::Read(&queue))?;
        let asked = RangeRequest {
            limit: Some(1),
            keys_only: true,
            sort: Sort { by: SortBy::CreateRevision, descending: true },
            filter: store::Filter { max_create_revision: max, ..Default::default() },
            ..RangeRequest::new(queue.clone())
        };
        let found = range(reader, asked).await?;
        let before = found.items.into_iter().next();
        Ok(before.map(|before| (before.key, found.revision)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(place) = self.place.take().filter(|_| self.entered) else { return };
        let guest = self.guest.clone();
        tokio::spawn(async move {
            let range = KeyRange::Single(place.key.clone());
            let delete = TxnOp::Delete { range, prev_kv: false };
            let compares = vec![holds(&place)];
            let txn = Txn { compares, success: vec![delete], failure: Vec::new() };
            // Again if need be: it is there once only. If all fails the key goes with its lease.
            for _ in 0..LEAVE_ATTEMPTS {
                match guest.give_up(Command::Txn(txn.clone())).await {
                    Err(Refusal::TooManyRequests | Refusal::Timeout) => {
                        tokio::time::sleep(LEAVE_PAUSE).await;
                    }
                    _ => return,
                }
            }
        });
    }
}

/// A refusal of one who has a place by now. That too many ask says of a call that it was not done,
/// and this one's key was put.
fn in_the_queue(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::TooManyRequests => Refusal::Timeout,
        other => other,
    }
}

/// Waits until a key that was there at some revision is gone.
async fn gone(guest: &Guest, key: Bytes, seen_at: Revision) -> Result<(), Refusal> {
    let mut asked = WatchRequest::new(KeyRange::Single(key));
    asked.filter = EventFilter { no_put: true, no_delete: false };
    changed(guest, asked, seen_at).await
}

/// Waits until something happens, or happened, after a revision. Where that is no longer kept it
/// does not wait: whoever asks looks again.
pub(super) async fn changed(
    guest: &Guest,
    asked: WatchRequest,
    seen_at: Revision,
) -> Result<(), Refusal> {
    let asked = WatchRequest { from: Some(seen_at.next()), ..asked };
    let notices = Notices { quiet: QUIET_DEFAULT, progress: false };
    guest.reader(Need::Read(&asked.range))?;
    let opened = guest.node().watches().open(&asked, &ConnectionWatches::default(), notices);
    let mut subscription = match opened {
        Ok(subscription) => subscription,
        Err(NotWatching::Refused(WatchRefusal::Compacted { .. })) => return Ok(()),
        Err(NotWatching::Refused(WatchRefusal::Unserved(why))) => return Err(why.into()),
        Err(_) => return Err(Refusal::TooManyRequests),
    };
    loop {
        match subscription.next().await {
            Ok(News::Batch(_)) | Err(WatchEnd::Compacted { .. }) => return Ok(()),
            Ok(News::Progress(_) | News::Quiet) => {}
            Err(WatchEnd::Unserved(why)) => return Err(why.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stands_in_the_queue_is_not_told_that_nothing_was_done() {
        assert_eq!(in_the_queue(Refusal::TooManyRequests), Refusal::Timeout);
        assert_eq!(in_the_queue(Refusal::NoLeader), Refusal::NoLeader);
    }
}
