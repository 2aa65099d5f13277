//! A proxy between two ends that a test holds in its hands.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::*;
use crate::fault::Fault;

/// Nothing that will happen takes this long.
const DEADLINE: Duration = Duration::from_secs(20);
/// For so long it is looked whether something happens that must not.
const QUIET: Duration = Duration::from_millis(150);

const HEAD: &[u8] = b"GET /raft/append HTTP/1.1\r\nHost: b\r\nRaftkv-Member: a\r\n\r\n";

/// A port behind which a member `b` is, which this test plays.
struct World {
    links: Links,
    address: std::net::SocketAddr,
    member: TcpListener,
    _proxy: Proxy,
}

impl World {
    async fn new() -> World {
        let links = Links::default();
        let member = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _proxy = Proxy::start(listener, "b", member.local_addr().unwrap().port(), &links);
        World { links, address, member, _proxy }
    }

    fn there(&self, fault: Fault) {
        self.links.set([("a".to_owned(), "b".to_owned())], fault);
    }

    /// The dialler `a`, which has sent its head.
    async fn dial(&self) -> TcpStream {
        let mut dialler = TcpStream::connect(self.address).await.unwrap();
        dialler.write_all(HEAD).await.unwrap();
        dialler
    }

    /// Both ends of a connection that is up.
    async fn connected(&self) -> (TcpStream, TcpStream) {
        let dialler = self.dial().await;
        let mut member = self.accept().await;
        assert_eq!(receive(&mut member, HEAD.len()).await, HEAD);
        (dialler, member)
    }

    async fn accept(&self) -> TcpStream {
        timeout(DEADLINE, self.member.accept()).await.unwrap().unwrap().0
    }

    async fn nobody_comes(&self) -> bool {
        timeout(QUIET, self.member.accept()).await.is_err()
    }
}

async fn receive(from: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    timeout(DEADLINE, from.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

/// Neither a byte nor an end comes.
async fn is_silent(from: &mut TcpStream) -> bool {
    timeout(QUIET, from.read_u8()).await.is_err()
}

async fn has_ended(from: &mut TcpStream) -> bool {
    matches!(timeout(DEADLINE, from.read(&mut [0])).await.unwrap(), Ok(0) | Err(_))
}

const CUT: Fault = Fault { cut: true, drop_percent: 0, delay_ms: 0 };
const WELL: Fault = Fault { cut: false, drop_percent: 0, delay_ms: 0 };

#[tokio::test]
async fn bytes_go_both_ways_and_so_does_the_end() {
    let world = World::new().await;
    let (mut dialler, mut member) = world.connected().await;
    dialler.write_all(b"there").await.unwrap();
    member.write_all(b"back").await.unwrap();
    assert_eq!(receive(&mut member, 5).await, b"there");
    assert_eq!(receive(&mut dialler, 4).await, b"back");
    drop(member);
    assert!(has_ended(&mut dialler).await, "a process that dies is noticed at once");
}

#[tokio::test]
async fn a_cut_link_is_silent_and_what_was_sent_comes_when_it_is_healed() {
    let world = World::new().await;
    let (mut dialler, mut member) = world.connected().await;
    world.there(CUT);
    dialler.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut member).await);
    member.write_all(b"the other way").await.unwrap();
    assert_eq!(receive(&mut dialler, 13).await, b"the other way", "that link is well");
    drop(dialler);
    assert!(is_silent(&mut member).await, "not even its end is heard");
    world.there(WELL);
    assert_eq!(receive(&mut member, 4).await, b"late");
    assert!(has_ended(&mut member).await);
}

#[tokio::test]
async fn nobody_is_dialled_over_a_cut_link() {
    let world = World::new().await;
    world.there(CUT);
    let mut first = world.dial().await;
    assert!(world.nobody_comes().await);
    assert!(is_silent(&mut first).await, "nor is the dialler refused");
    drop(first);
    let _second = world.dial().await;
    assert!(world.nobody_comes().await);
    world.there(WELL);
    let mut member = world.accept().await;
    assert_eq!(receive(&mut member, HEAD.len()).await, HEAD);
    assert!(world.nobody_comes().await, "whoever gave up does not come later");
}

#[tokio::test]
async fn a_delay_delays_and_keeps_the_order() {
    let world = World::new().await;
    let (mut dialler, mut member) = world.connected().await;
    world.there(Fault { delay_ms: 100, ..WELL });
    let begin = Instant::now();
    for piece in 0..10_u8 {
        dialler.write_all(&[piece]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(receive(&mut member, 10).await, (0..10).collect::<Vec<_>>());
    assert!(begin.elapsed() >= Duration::from_millis(100), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn what_is_delayed_comes_at_once_when_the_link_is_healed() {
    let world = World::new().await;
    let (mut dialler, mut member) = world.connected().await;
    world.there(Fault { delay_ms: 10_000, drop_percent: 99, ..WELL });
    dialler.write_all(b"x").await.unwrap();
    assert!(is_silent(&mut member).await);
    let begin = Instant::now();
    world.there(WELL);
    assert_eq!(receive(&mut member, 1).await, b"x");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_lossy_link_loses_and_mixes_up_nothing() {
    let world = World::new().await;
    let (mut dialler, mut member) = world.connected().await;
    world.there(Fault { drop_percent: 30, ..WELL });
    let sent: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
    let expected = sent.clone();
    tokio::spawn(async move {
        dialler.write_all(&sent).await.unwrap();
        dialler
    });
    assert!(receive(&mut member, expected.len()).await == expected);
}

#[tokio::test]
async fn a_cut_link_takes_so_much_and_then_makes_the_sender_wait() {
    let world = World::new().await;
    let (mut dialler, mut member) = world.connected().await;
    world.there(CUT);
    let much = vec![7; 64 << 20];
    let written = timeout(QUIET, dialler.write_all(&much)).await;
    assert!(written.is_err(), "64 MiB went nowhere");
    world.there(WELL);
    assert_eq!(receive(&mut member, 1 << 20).await, vec![7; 1 << 20]);
}

#[tokio::test]
async fn a_member_that_is_not_there_refuses_nobody_for_long() {
    let World { member, address, _proxy, .. } = World::new().await;
    drop(member);
    let mut dialler = TcpStream::connect(address).await.unwrap();
    dialler.write_all(HEAD).await.unwrap();
    assert!(has_ended(&mut dialler).await);
}

#[tokio::test]
async fn what_is_no_request_gets_nowhere() {
    let world = World::new().await;
    let mut dialler = TcpStream::connect(world.address).await.unwrap();
    dialler.write_all(b"\x01\x02\r\n\r\n").await.unwrap();
    assert!(has_ended(&mut dialler).await);
    assert!(world.nobody_comes().await);
}
