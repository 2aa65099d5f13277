//! Streams over real sockets: what arrives, what is refused and why, and what an end means.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use proto::peer::refusal::Reason;
use raft::{Body, MemberId, Message, Term};
use replica::{Configuration, FEATURE_LEVEL, FIRST_LEVEL, Member, PeerMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::codec::put_messages;
use super::frame::put_frame;
use super::handshake::{HandshakeError, introduce};
use super::inbound::{HANDSHAKES_MAX, Lane, SILENCE_MAX};
use super::membership::Membership;
use super::outbound::{Caller, Outbound, dial, upgrade};
use super::outbox::Outbox;
use super::seats::STRANGERS_MAX;
use super::{HelloBoard, Inbound, Introduction, PeerDoor};
use crate::ask::Asker;
use crate::http::{Limits, serve};
use crate::node::{About, Inbox, Input, Outcomes, StatusBoard};
use crate::tls::{Stream, Way};

const DEADLINE: Duration = Duration::from_secs(20);
const SERVED: MemberId = MemberId(1);
const DIALLER: MemberId = MemberId(2);

/// A member that accepts streams, and everything it was told.
struct World {
    inbox: Arc<Inbox>,
    inbound: Arc<Inbound>,
    address: String,
    told: VecDeque<Input>,
}

impl World {
    /// With a cluster of the members 1 and 2.
    async fn new() -> World {
        let world = World::without_cluster().await;
        world.inbound.admit(membership(SERVED));
        world
    }

    async fn without_cluster() -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let inbox = Inbox::new();
        let inbound = Inbound::new(Arc::clone(&inbox));
        let door = PeerDoor { inbound: Arc::clone(&inbound), hello: Arc::default() };
        tokio::spawn(serve(listener, door.routes(), Limits::default(), std::future::pending()));
        World { inbox, inbound, address, told: VecDeque::new() }
    }

    async fn connect(&self) -> Stream {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        upgrade(stream.into(), "node-2", &self.address, super::APPEND_PATH).await.unwrap()
    }

    /// A stream of the dialler, past its handshake.
    async fn open(&mut self) -> Stream {
        let mut stream = self.connect().await;
        introduce(&mut stream, &introduction(DIALLER), SERVED).await.unwrap();
        assert!(matches!(self.next(), Input::StreamOpened { peer: DIALLER, .. }));
        stream
    }

    /// Why a dialler that says this of itself, and looks for `to`, is refused.
    async fn refusal(&self, me: &Introduction, to: MemberId) -> Reason {
        let mut stream = self.connect().await;
        match introduce(&mut stream, me, to).await {
            Err(HandshakeError::Refused(refused)) => refused.reason,
            other => panic!("it should be refused, not {other:?}"),
        }
    }

    /// The next thing that the replica would be told.
    fn next(&mut self) -> Input {
        let deadline = Instant::now() + DEADLINE;
        while self.told.is_empty() {
            assert!(Instant::now() < deadline, "nothing came");
            let mut batch = Vec::new();
            tokio::task::block_in_place(|| {
                self.inbox.take(&mut batch, deadline, Outcomes::default());
            });
            self.told.extend(batch);
        }
        self.told.pop_front().unwrap()
    }

    /// The next message.
    fn next_message(&mut self) -> PeerMessage {
        match self.next() {
            Input::Messages(DIALLER, mut messages) => {
                let first = messages.remove(0);
                if !messages.is_empty() {
                    self.told.push_front(Input::Messages(DIALLER, messages));
                }
                first
            }
            other => panic!("a message was due, not {other:?}"),
        }
    }
}

fn configuration() -> Configuration {
    let member = |number: u64| {
        let (name, address) = (format!("node-{number}"), format!("localhost:{number}"));
        (MemberId(number), Member::voter(u128::from(number), name, address))
    };
    Configuration::founding(7, [member(1), member(2)].into())
}

fn introduction(id: MemberId) -> Introduction {
    let address = format!("localhost:{}", id.0);
    let name = format!("node-{id}");
    Introduction { id, name, incarnation: u128::from(id.0), cluster_id: 7, address }
}

fn membership(id: MemberId) -> Membership {
    let configuration = Arc::new(configuration());
    Membership {
        me: Arc::new(introduction(id)),
        settled: Arc::clone(&configuration),
        configuration,
    }
}

fn vote(term: u64) -> PeerMessage {
    let body = Body::VoteAnswer { granted: true };
    PeerMessage::Raft(Message { term: Term(term), body })
}

async fn send(stream: &mut Stream, messages: &[PeerMessage]) {
    let mut buffer = BytesMut::new();
    put_messages(&mut buffer, messages);
    stream.write_all(&buffer).await.unwrap();
}

/// Waits until the other side has closed the stream.
async fn assert_closed(stream: &mut Stream) {
    let mut rest = Vec::new();
    // A reset closes as well as a FIN.
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_order_whatever_the_frames() {
    let mut world = World::new().await;
    let mut stream = world.open().await;
    send(&mut stream, &[vote(1), vote(2)]).await;
    let mut buffer = BytesMut::new();
    put_frame(&mut buffer, |_| {});
    put_messages(&mut buffer, &[vote(3)]);
    put_messages(&mut buffer, &[vote(4)]);
    for byte in buffer {
        stream.write_all(&[byte]).await.unwrap();
    }
    for term in 1..=4 {
        assert_eq!(world.next_message(), vote(term));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stream_is_reported_once_all_it_said_has_arrived() {
    let mut world = World::new().await;
    let mut stream = world.open().await;
    send(&mut stream, &[vote(1)]).await;
    drop(stream);
    assert_eq!(world.next_message(), vote(1));
    assert!(matches!(world.next(), Input::StreamClosed(DIALLER)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_the_end_of_a_process_too() {
    let mut world = World::new().await;
    let stream = world.open().await;
    socket2::SockRef::from(stream.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    assert!(matches!(world.next(), Input::StreamClosed(DIALLER)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_stream_replaces_the_older_without_a_word() {
    let mut world = World::new().await;
    let mut older = world.open().await;
    let mut newer = world.open().await;
    assert_closed(&mut older).await;
    send(&mut newer, &[vote(1)]).await;
    assert_eq!(world.next_message(), vote(1), "and nothing was said of a closed stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_the_rules_is_dropped_without_a_conclusion() {
    let mut world = World::new().await;
    for garbage in
        [&[0xff; 64][..], b"GET / HTTP/1.1\r\n\r\n", &[4, 0, 0, 0, 1, 2, 3, 4, 9, 9, 9, 9]]
    {
        let mut stream = world.open().await;
        stream.write_all(garbage).await.unwrap();
        assert_closed(&mut stream).await;
        assert!(matches!(world.next(), Input::StreamLost(DIALLER)), "lost is not closed");
    }
    let mut stream = world.open().await;
    send(&mut stream, &[vote(1)]).await;
    assert_eq!(world.next_message(), vote(1), "and nothing was said of closed streams");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_member_draws_no_conclusions() {
    let mut world = World::new().await;
    let mut stream = world.open().await;
    world.inbound.stop();
    assert_closed(&mut stream).await;
    world.inbox.notify(Input::Stop);
    assert!(matches!(world.next(), Input::Stop));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_cluster_is_refused() {
    let world = World::new().await;
    let other = Introduction { cluster_id: 8, ..introduction(DIALLER) };
    assert_eq!(world.refusal(&other, SERVED).await, Reason::OtherCluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_another_data_directory_is_refused() {
    let world = World::new().await;
    let wiped = Introduction { incarnation: 99, ..introduction(DIALLER) };
    assert_eq!(world.refusal(&wiped, SERVED).await, Reason::OtherIncarnation);
}

/// Rule 4.3: it may know a newer configuration than this member does.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_the_same_cluster_is_let_in_though_nobody_has_heard_of_it() {
    let mut world = World::new().await;
    let mut stream = world.connect().await;
    introduce(&mut stream, &introduction(MemberId(3)), SERVED).await.unwrap();
    match world.next() {
        Input::StreamOpened { peer: MemberId(3), address: Some(address) } => {
            assert_eq!(address, crate::config::Address::localhost(3), "where to answer it");
        }
        other => panic!("the stranger's stream was due, not {other:?}"),
    }
}

/// Rule 4.3: a leader that removes itself is heard until that is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_removal_is_committed_is_refused() {
    let mut world = World::new().await;
    let mut stream = world.open().await;
    let mut removed = configuration();
    removed.members.remove(&DIALLER);
    removed.removed.push(DIALLER);
    let removed = Arc::new(removed);
    let me = Arc::new(introduction(SERVED));
    let settled = Arc::new(configuration());
    let configuration = Arc::clone(&removed);
    world.inbound.admit(Membership { me: Arc::clone(&me), configuration, settled });
    let mut newer = world.connect().await;
    introduce(&mut newer, &introduction(DIALLER), SERVED).await.unwrap();
    assert!(matches!(world.next(), Input::StreamOpened { .. }), "it is not committed yet");
    // The newer stream has replaced the one before.
    assert_closed(&mut stream).await;
    let (configuration, settled) = (Arc::clone(&removed), removed);
    world.inbound.admit(Membership { me, configuration, settled });
    world.inbound.drop_stream(DIALLER);
    assert_closed(&mut newer).await;
    assert_eq!(world.refusal(&introduction(DIALLER), SERVED).await, Reason::Removed);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_may_claim_to_be_the_member_itself() {
    let world = World::new().await;
    assert_eq!(world.refusal(&introduction(SERVED), SERVED).await, Reason::UnknownMember);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_looks_for_somebody_else_is_refused() {
    let world = World::new().await;
    let wrong = world.refusal(&introduction(DIALLER), MemberId(3)).await;
    assert_eq!(wrong, Reason::WrongMember);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_everybody_is_refused() {
    let world = World::without_cluster().await;
    assert_eq!(world.refusal(&introduction(DIALLER), SERVED).await, Reason::NotReady);
}

/// Sends one handshake frame of ours and reads the refusal.
async fn refusal_of(world: &World, hello: &[u8]) -> Reason {
    use prost::Message as _;
    let mut stream = world.connect().await;
    let mut buffer = BytesMut::new();
    put_frame(&mut buffer, |body| body.extend_from_slice(hello));
    stream.write_all(&buffer).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(DEADLINE, reading).await.unwrap().unwrap();
    let body = super::frame::take_frame(&mut BytesMut::from(&answer[..]), 4096).unwrap().unwrap();
    match proto::peer::Handshake::decode(body).unwrap().kind.unwrap() {
        proto::peer::handshake::Kind::Refusal(refusal) => refusal.reason(),
        other => panic!("it should be refused, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_another_protocol_version_is_refused_whatever_else_it_says() {
    use prost::Message as _;
    let world = World::new().await;
    let hello = proto::peer::Hello { protocol_version: 2, ..Default::default() };
    let kind = Some(proto::peer::handshake::Kind::Hello(hello));
    let hello = proto::peer::Handshake { kind }.encode_to_vec();
    assert_eq!(refusal_of(&world, &hello).await, Reason::ProtocolVersion);
}

/// The cluster of `membership` has the newest level, and that is committed.
fn raised(id: MemberId) -> Membership {
    let feature_level = FEATURE_LEVEL;
    let raised = Arc::new(Configuration { feature_level, ..configuration() });
    Membership { configuration: Arc::clone(&raised), settled: raised, ..membership(id) }
}

/// The handshake of a program that knows the first level only, to the member that is served.
fn older() -> Vec<u8> {
    use prost::Message as _;
    let me = introduction(DIALLER);
    let hello = proto::peer::Hello { feature_level: FIRST_LEVEL, ..me.hello(SERVED) };
    let kind = Some(proto::peer::handshake::Kind::Hello(hello));
    proto::peer::Handshake { kind }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_knows_less_than_the_cluster_uses_is_refused() {
    let mut world = World::new().await;
    world.inbound.admit(raised(SERVED));
    assert_eq!(refusal_of(&world, &older()).await, Reason::FeatureLevel);
    // One that knows as much is let in.
    let _stream = world.open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_a_program_that_knows_too_little_is_closed_when_the_level_is_raised() {
    let mut world = World::new().await;
    let mut stream = world.connect().await;
    let mut buffer = BytesMut::new();
    put_frame(&mut buffer, |body| body.extend_from_slice(&older()));
    stream.write_all(&buffer).await.unwrap();
    assert!(matches!(world.next(), Input::StreamOpened { peer: DIALLER, .. }));
    let began = Instant::now();
    world.inbound.admit(raised(SERVED));
    assert!(matches!(world.next(), Input::StreamLost(DIALLER)));
    assert!(began.elapsed() < SILENCE_MAX / 2, "it was dropped for its silence alone");
    assert_closed(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_to_a_program_that_knows_less_than_the_cluster_uses() {
    let world = World::new().await;
    let (_outbox, outbound) = outbound(&world);
    // Everybody here knows the same: so the cluster uses what nobody knows yet.
    let level = Arc::new(AtomicU32::new(FEATURE_LEVEL + 1));
    let caller = Caller { level, ..outbound.caller };
    let dialled = dial(SERVED, &world.address, &caller, super::APPEND_PATH).await;
    let error = dialled.expect_err("it is too old").to_string();
    assert!(error.contains("start a version there that knows the cluster's"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_none_is_refused() {
    let world = World::new().await;
    for bytes in [&b""[..], b"\xff\xff\xff", b"hello there"] {
        assert_eq!(refusal_of(&world, bytes).await, Reason::Malformed, "{bytes:?}");
    }
}

/// One thread: what was spawned first has begun before what was spawned after it.
#[tokio::test]
async fn strangers_that_say_nothing_are_few_at_a_time() {
    let world = World::new().await;
    let accept = || {
        let (near, far) = tokio::io::duplex(4 << 10);
        tokio::spawn(Arc::clone(&world.inbound).serve(far, Lane::Messages));
        near
    };
    let silent: Vec<_> = std::iter::repeat_with(accept).take(HANDSHAKES_MAX).collect();
    let dialler = introduction(DIALLER);
    assert!(introduce(&mut accept(), &dialler, SERVED).await.is_err(), "there is no room");
    drop(silent);
    let deadline = Instant::now() + DEADLINE;
    while introduce(&mut accept(), &dialler, SERVED).await.is_err() {
        assert!(Instant::now() < deadline, "there is never room again");
        tokio::task::yield_now().await;
    }
}

/// What a dialler is told that comes by this stream.
async fn told(world: &World, me: MemberId) -> Result<tokio::io::DuplexStream, Reason> {
    let (mut near, far) = tokio::io::duplex(4 << 10);
    tokio::spawn(Arc::clone(&world.inbound).serve(far, Lane::Messages));
    match introduce(&mut near, &introduction(me), SERVED).await {
        Ok(_) => Ok(near),
        Err(HandshakeError::Refused(refused)) => Err(refused.reason),
        Err(other) => panic!("a welcome or a refusal was due, not {other:?}"),
    }
}

/// Waits until there is a seat for `me`.
async fn seated(world: &World, me: MemberId) -> tokio::io::DuplexStream {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match told(world, me).await {
            Ok(stream) => return stream,
            Err(reason) => assert_eq!(reason, Reason::TooManyStrangers),
        }
        assert!(Instant::now() < deadline, "there is never a seat again");
    }
}

#[tokio::test]
async fn strangers_are_few_at_a_time_and_members_are_not_counted() {
    let world = World::new().await;
    let mut strangers = Vec::new();
    let stranger = |number: usize| MemberId(100 + number as u64);
    for number in 0..STRANGERS_MAX {
        strangers.push(told(&world, stranger(number)).await.unwrap());
    }
    let late = stranger(STRANGERS_MAX);
    assert_eq!(told(&world, late).await.unwrap_err(), Reason::TooManyStrangers);
    let member = told(&world, DIALLER).await.unwrap();
    let again = told(&world, stranger(0)).await.expect("it takes its own place");
    drop(strangers.pop());
    let _late = seated(&world, late).await;
    let later = stranger(STRANGERS_MAX + 1);
    assert_eq!(told(&world, later).await.unwrap_err(), Reason::TooManyStrangers);
    drop((member, again));

    // Once the configuration names one of them, its seat is free.
    let mut grown = configuration();
    let named = Member::voter(u128::from(late.0), "named".to_owned(), "localhost:9".to_owned());
    grown.members.insert(late, named);
    let (me, settled) = (Arc::new(introduction(SERVED)), Arc::new(configuration()));
    world.inbound.admit(Membership { me, configuration: Arc::new(grown), settled });
    told(&world, later).await.expect("there is a seat");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_upgrade_the_path_says_what_it_is_for() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    let request = b"GET /raft/append HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("upgrade: raftkv-peer/1"), "{answer}");
    assert!(answer.contains("upgrade_required"), "{answer}");
}

fn outbound(world: &World) -> (Arc<Outbox>, Outbound) {
    let outbox = Arc::new(Outbox::default());
    let about = About {
        id: DIALLER,
        name: "node-2".to_owned(),
        address: "localhost:2".to_owned(),
        client_urls: Vec::new(),
        incarnation: 2,
        version: "test",
        way: Way::default(),
        unsafe_no_fsync: false,
    };
    let outbound = Outbound {
        peer: SERVED,
        address: world.address.clone(),
        caller: Caller {
            me: Arc::new(introduction(DIALLER)),
            way: Way::default(),
            level: Arc::new(AtomicU32::new(FIRST_LEVEL)),
        },
        outbox: Arc::clone(&outbox),
        inbox: Inbox::new(),
        status: Arc::new(StatusBoard::new(about)),
    };
    (outbox, outbound)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_sent_in_order_and_large_messages_whole() {
    let mut world = World::new().await;
    let (outbox, outbound) = outbound(&world);
    tokio::spawn(outbound.run());
    assert!(matches!(world.next(), Input::StreamOpened { peer: DIALLER, .. }));
    let command = Bytes::from(vec![7; 1_500_000]);
    let forward = |number| {
        let (term, life, command) = (Term(1), 1, command.clone());
        PeerMessage::Forward { term, life, number, command }
    };
    let sent = [vote(1), forward(1), forward(2), vote(2)];
    // The stream's task opens the outbox right after its handshake: until then it drops.
    while outbox.put(&mut sent.to_vec()).dropped > 0 {
        tokio::task::yield_now().await;
    }
    for message in sent {
        assert_eq!(world.next_message(), message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_messages_arrive_in_order() {
    let mut world = World::new().await;
    let (outbox, outbound) = outbound(&world);
    tokio::spawn(outbound.run());
    assert!(matches!(world.next(), Input::StreamOpened { peer: DIALLER, .. }));
    while outbox.put(&mut vec![vote(1)]).dropped > 0 {
        tokio::task::yield_now().await;
    }
    let command = Bytes::from(vec![7; 1_000]);
    let forward = |number| {
        let (term, life, command) = (Term(1), 1, command.clone());
        PeerMessage::Forward { term, life, number, command }
    };
    // More than a socket holds, so that one that is full is met too; and some at a time, so that
    // the task has nothing to do in between.
    for number in 1..=10_000 {
        assert_eq!(outbox.put(&mut vec![forward(number)]).dropped, 0);
    }
    assert_eq!(world.next_message(), vote(1));
    for number in 1..=10_000 {
        assert_eq!(world.next_message(), forward(number));
    }
    // The task has nothing to write any more, so the next is written without it.
    let without_the_task = async {
        while outbox.put(&mut vec![vote(2)]).written == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), without_the_task).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_is_dialled_again() {
    let mut world = World::new().await;
    let (_outbox, outbound) = outbound(&world);
    tokio::spawn(outbound.run());
    assert!(matches!(world.next(), Input::StreamOpened { peer: DIALLER, .. }));
    // Another stream of the same member replaces it; the dialler notices and comes back.
    let _replacing = world.open().await;
    assert!(matches!(world.next(), Input::StreamOpened { peer: DIALLER, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_know_itself_yet_says_so() {
    let board = HelloBoard::default();
    let inbound = Inbound::new(Inbox::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = crate::config::Address::localhost(listener.local_addr().unwrap().port());
    let door = PeerDoor { inbound, hello: Arc::new(board) };
    let hello = Arc::clone(&door.hello);
    tokio::spawn(serve(listener, door.routes(), Limits::default(), std::future::pending()));
    assert_eq!(
        super::hello::fetch(&Asker::default(), &address).await,
        Err(super::hello::Silence::Refused(503))
    );
    let me = super::Hello {
        name: "node-1".to_owned(),
        id: SERVED,
        incarnation: u128::MAX,
        address: address.clone(),
        peers: [crate::config::Address::localhost(9)].into(),
        client_urls: Vec::new(),
        founding_id: None,
        cluster: Some(configuration()),
        changed: false,
        feature_level: FEATURE_LEVEL,
    };
    hello.say(me.clone());
    assert_eq!(super::hello::fetch(&Asker::default(), &address).await, Ok(me));
}
