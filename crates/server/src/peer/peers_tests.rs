//! Who is dialled, and when no more.

use std::time::{Duration, Instant};

use replica::{Member, Standing};
use tokio::net::TcpListener;

use super::*;
use crate::node::About;
use crate::tls::Way;

const ME: MemberId = MemberId(1);
const DEADLINE: Duration = Duration::from_secs(20);

fn peers() -> Peers {
    let about = About {
        id: ME,
        name: "node-1".to_owned(),
        address: "localhost:1".to_owned(),
        client_urls: Vec::new(),
        incarnation: 1,
        version: "test",
        way: Way::default(),
        unsafe_no_fsync: false,
    };
    let address = about.address.clone();
    Peers::new(Dialler {
        me: Arc::new(Introduction {
            id: ME,
            name: "node-1".to_owned(),
            incarnation: 1,
            cluster_id: 7,
            address,
        }),
        inbox: Inbox::new(),
        status: Arc::new(StatusBoard::new(about)),
        way: Way::default(),
        runtime: Handle::current(),
    })
}

/// A peer that accepts connections and says nothing.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    (listener, address)
}

fn cluster(members: &[(u64, &str)]) -> Configuration {
    let member = |&(id, address): &(u64, &str)| {
        (MemberId(id), Member::voter(u128::from(id), format!("node-{id}"), address.to_owned()))
    };
    Configuration::founding(7, members.iter().map(member).collect())
}

fn known(peers: &Peers) -> Vec<u64> {
    peers.peers.keys().map(|id| id.0).collect()
}

async fn until_ended(stream: &AbortHandle) {
    let deadline = Instant::now() + DEADLINE;
    while !stream.is_finished() {
        assert!(Instant::now() < deadline, "the stream to a former peer goes on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_follow_the_configuration() {
    let ((two, at_two), (three, at_three)) = (silent().await, silent().await);
    let mut peers = peers();
    peers.follow(&cluster(&[(1, "localhost:1"), (2, &at_two)]));
    assert_eq!(known(&peers), [2]);
    two.accept().await.unwrap();
    peers.follow(&cluster(&[(1, "localhost:1"), (2, &at_two), (3, &at_three)]));
    assert_eq!((known(&peers), peers.members()), (vec![2, 3], 2));
    three.accept().await.unwrap();
    let former = peers.peers[&MemberId(2)].stream.clone();
    peers.follow(&cluster(&[(1, "localhost:1"), (3, &at_three)]));
    assert_eq!(known(&peers), [3]);
    drop(two);
    until_ended(&former).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_moved_is_dialled_there() {
    let ((_before, at_before), (after, at_after)) = (silent().await, silent().await);
    let mut peers = peers();
    peers.follow(&cluster(&[(1, "localhost:1"), (2, &at_before)]));
    peers.heard(MemberId(2), None);
    peers.follow(&cluster(&[(1, "localhost:1"), (2, &at_after)]));
    after.accept().await.unwrap();
    assert!(peers.peers[&MemberId(2)].heard, "its own stream did not move");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_answered_where_it_says_while_it_is_heard() {
    let (stranger, address) = silent().await;
    let address = Address::parse(&address).unwrap();
    let mut peers = peers();
    peers.heard(MemberId(9), Some(address.clone()));
    stranger.accept().await.unwrap();
    assert_eq!((known(&peers), peers.members()), (vec![9], 0));
    peers.unheard(MemberId(9));
    assert!(known(&peers).is_empty());
    for id in 0..2 * GUESTS_MAX as u64 {
        peers.heard(MemberId(100 + id), Some(address.clone()));
    }
    assert_eq!(peers.peers.len(), GUESTS_MAX, "and there are never too many");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_answered_until_its_own_stream_ends() {
    let (_two, at_two) = silent().await;
    let mut peers = peers();
    peers.follow(&cluster(&[(1, "localhost:1"), (2, &at_two)]));
    peers.heard(MemberId(2), None);
    peers.follow(&cluster(&[(1, "localhost:1")]));
    assert_eq!(known(&peers), [2]);
    peers.unheard(MemberId(2));
    assert!(known(&peers).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_nobody_has_taken_is_not_dialled() {
    let mut reserved = cluster(&[(1, "localhost:1")]);
    let member = Member::voter(replica::UNCLAIMED, "node-2".into(), "localhost:2".into());
    reserved.members.insert(MemberId(2), Member { standing: Standing::Learner, ..member });
    let mut peers = peers();
    peers.follow(&reserved);
    assert!(known(&peers).is_empty());
    peers.send(vec![(
        MemberId(2),
        PeerMessage::Raft(raft::Message { term: raft::Term(1), body: raft::Body::TimeoutNow }),
    )]);
}
