//! Whoever speaks HTTP/2 only to do harm, and whoever takes connections and says nothing: others
//! are served meanwhile, each answer in time; the member's memory stays within its bound; and when
//! it is over, every connection is free again.

use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use system_tests::attacked::{Attacked, FLOOD_BYTES_MAX};
use system_tests::h2::{
    CALM, END_STREAM, End, H2, Kind, PREFACE, REFUSED_STREAM, call, frame, get, header, headers,
    message, reset, streams,
};
use system_tests::http::{self, Http};
use system_tests::wait;

/// Connections that say nothing, or not all: more than a member serves.
const IDLE: usize = 10_000;

/// Those that it serves.
const CONNECTIONS_MAX: usize = 8_192;

/// What a member's memory may grow by for each of them.
const IDLE_BYTES_MAX: u64 = 32 << 10;

/// The next one is tried after this time. A member that has enough lets the others wait.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(5);

/// What answers may take that nobody takes.
const UNTAKEN_BYTES_MAX: u64 = 256 << 20;

/// What bodies may take that are not whole yet.
const READ_BYTES_MAX: u64 = 256 << 20;

/// Bodies, of 2.5 MB each, that do not come to their end.
const BODIES: usize = 200;

/// Requests on one connection at once.
const STREAMS_MAX: usize = 1_024;

/// Streams that are begun and reset at once.
const RESETS: usize = 50_000;

/// Frames of a kind of which a member wants few.
const FRAMES: usize = 1_000_000;

#[test]
fn streams_that_are_begun_and_reset_cost_no_more_than_their_bytes() {
    let attacked = Attacked::new();
    let put = message(7, b"\x0a\x01k\x12\x02vv");
    let begun: [&dyn Fn(u32) -> Vec<u8>; 3] = [
        &|stream| headers(END_STREAM, stream, &get("/kv/of-the-bystander")),
        &|stream| headers(0, stream, &call("/etcdserverpb.Watch/Watch")),
        &|stream| {
            let call = headers(0, stream, &call("/etcdserverpb.KV/Put"));
            [call, frame(Kind::Data, END_STREAM, stream, &put)].concat()
        },
    ];
    for begin in begun {
        let pair = |stream| [begin(stream), reset(stream)].concat();
        let (length, mut sent) = (pair(1).len() as u64, 0);
        while sent < RESETS as u64 / 3 {
            let mut connection = H2::open(attacked.port());
            sent += connection.flood(streams().take(RESETS).map(pair)) / length;
            connection.finish();
            while let End::Told { stream: 1.., .. } | End::Answered { .. } = connection.end() {}
        }
    }
    attacked.recovers(FLOOD_BYTES_MAX);
}

#[test]
fn frames_that_ask_for_answers_nobody_reads_are_not_answered_in_memory() {
    let mut attacked = Attacked::new();
    let ping = frame(Kind::Ping, 0, 0, &[7; 8]);
    let settings = frame(Kind::Settings, 0, 0, &[0, 1, 0, 0, 16, 0]);
    let window = frame(Kind::WindowUpdate, 0, 0, &[0, 0, 0, 1]);
    let priority = frame(Kind::Priority, 0, 1, &[0, 0, 0, 0, 1]);
    let unknown = header(0, 99, 0, 0);
    let mut connections = Vec::new();
    for (flood, answered) in
        [(ping, true), (settings, true), (window, false), (priority, false), (unknown, false)]
    {
        let mut connection = H2::open(attacked.port());
        // Of those that are answered, more than all the buffers on the way there and back hold.
        let frames = if answered { 4 * FRAMES } else { FRAMES };
        let sent = connection.flood(std::iter::repeat_n(flood.clone(), frames));
        let all = sent == (frames * flood.len()) as u64;
        assert!(!(answered && all), "{:?}: it went on without an answer being read", &flood[..4]);
        connections.push(connection);
    }
    attacked.check(FLOOD_BYTES_MAX);
    drop(connections);
    attacked.recovers(FLOOD_BYTES_MAX);
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    let mut attacked = Attacked::new();
    let mut connection = H2::open(attacked.port());
    let begin = |stream| headers(0, stream, &call("/etcdserverpb.KV/Put"));
    connection.flood(streams().take(STREAMS_MAX + 10).map(begin));
    let first = streams().nth(STREAMS_MAX).unwrap();
    assert_eq!(connection.end(), End::Told { stream: first, code: REFUSED_STREAM });
    attacked.check(FLOOD_BYTES_MAX);
    // Whoever does not listen is not listened to any more.
    connection.flood(streams().skip(STREAMS_MAX + 10).take(3 * STREAMS_MAX).map(begin));
    let calm = wait::until("the connection ends", || match connection.end() {
        End::Told { stream: 1.., .. } => None,
        end => Some(end),
    });
    assert_eq!(calm, End::Told { stream: 0, code: CALM });
    drop(connection);
    attacked.recovers(FLOOD_BYTES_MAX);
}

#[test]
fn answers_that_nobody_takes_are_bounded() {
    let mut attacked = Attacked::new();
    let value = "v".repeat(1_400_000);
    let put = format!("{{\"value\":\"{value}\"}}");
    assert_eq!(Http::new(attacked.port()).request("PUT", "/kv/large", &put).unwrap().status, 200);
    // SETTINGS_INITIAL_WINDOW_SIZE: nothing may be sent of any answer.
    let mut connection = H2::open_with(attacked.port(), &[(4, 0)]);
    let range = frame(Kind::Data, END_STREAM, 0, &message(7, b"\x0a\x05large"));
    let ask = |stream: u32| {
        let mut body = range.clone();
        body[5..9].copy_from_slice(&stream.to_be_bytes());
        [headers(0, stream, &call("/etcdserverpb.KV/Range")), body].concat()
    };
    connection.flood(streams().take(STREAMS_MAX).map(ask));
    connection.begun(STREAMS_MAX);
    // Others that ask for much are told to come again, and nobody else minds.
    let answer = Http::new(attacked.port()).get("/kv/large");
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    attacked.check(UNTAKEN_BYTES_MAX + FLOOD_BYTES_MAX);
    drop(connection);
    wait::until_true("what waited is given back", || {
        Http::new(attacked.port()).get("/kv/large").status == 200
    });
    attacked.recovers(UNTAKEN_BYTES_MAX + FLOOD_BYTES_MAX);
}

#[test]
fn bodies_that_stop_before_their_end_are_bounded() {
    let mut attacked = Attacked::new();
    let head = "PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n";
    let body = vec![b' '; 2_500_000];
    let begin = |_| {
        let mut stream = http::connect(attacked.port()).unwrap();
        // The member may have refused it before it has all.
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok();
        stream
    };
    let connections: Vec<TcpStream> = (0..BODIES).map(begin).collect();
    attacked.check(READ_BYTES_MAX + FLOOD_BYTES_MAX);
    let mut last = BufReader::new(connections.last().unwrap());
    let answer = http::read_answer(&mut last).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    drop(connections);
    attacked.recovers(READ_BYTES_MAX + FLOOD_BYTES_MAX);
}

/// This process needs a descriptor for each of its connections, too. Answers how many it may have.
fn raise_own_limit() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.map_or(usize::MAX, |maximum| usize::try_from(maximum).unwrap_or(usize::MAX))
}

#[test]
fn ten_thousand_connections_that_say_half_a_word_are_borne() {
    let limit = raise_own_limit();
    let idle = IDLE.min(limit.saturating_sub(2_000));
    if idle < IDLE {
        println!("only {idle} connections: the limit of open files is {limit}");
    }
    let mut attacked = Attacked::new();
    let half_headers = [PREFACE, &frame(Kind::Settings, 0, 0, &[]), &header(900, 1, 4, 1)].concat();
    let words: [&[u8]; 5] = [
        b"",
        b"GET /kv/k HT",
        PREFACE,
        &half_headers,
        b"PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ];
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, attacked.port()));
    let connect = |number: usize| {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).ok()?;
        stream.write_all(words[number % words.len()]).ok()?;
        Some(stream)
    };
    let connections: Vec<TcpStream> = (0..idle).filter_map(connect).collect();
    let served = CONNECTIONS_MAX.min(idle);
    assert!(connections.len() >= served, "only {} of {idle} came in", connections.len());
    attacked.check(idle as u64 * IDLE_BYTES_MAX);
    drop(connections);
    attacked.recovers(idle as u64 * IDLE_BYTES_MAX);
}
