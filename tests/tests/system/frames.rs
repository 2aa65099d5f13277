//! Frames of HTTP/2 and messages of gRPC that are malformed, or cut short, or claim too much: each
//! ends what it is in, and costs no more than its bytes. Nobody else notices.

use std::io::Write as _;

use system_tests::attacked::{Attacked, FLOOD_BYTES_MAX};
use system_tests::h2::{
    self, CALM, END_HEADERS, END_STREAM, End, H2, Kind, PADDED, call, frame, get, header, headers,
    message, reset, streams,
};
use system_tests::http;

/// The largest message of gRPC.
const MESSAGE_BYTES_MAX: u32 = (1_536 + 512) << 10;

/// So many frames of a header block are not taken.
const FRAMES: usize = 1_000_000;

/// Frames that no sound client sends; each ends its stream or its connection.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let whole = END_STREAM | END_HEADERS;
    let begun = headers(0, 1, &call("/etcdserverpb.KV/Put"));
    let after = |more: Vec<u8>| [begun.clone(), more].concat();
    let with = |name: &str, value: &str| {
        headers(END_STREAM, 1, &[get("/kv/k"), h2::block(&[(name, value)])].concat())
    };
    vec![
        ("DATA of no stream", frame(Kind::Data, 0, 1, b"x")),
        ("DATA of the connection", frame(Kind::Data, 0, 0, b"x")),
        ("HEADERS of the connection", headers(END_STREAM, 0, &get("/kv/k"))),
        ("HEADERS of a server's stream", headers(END_STREAM, 2, &get("/kv/k"))),
        ("a block that is none", headers(END_STREAM, 1, &[0xff; 40])),
        ("a block that breaks off", headers(END_STREAM, 1, &get("/kv/k")[..9])),
        ("padding and nothing else", frame(Kind::Headers, whole | PADDED, 1, &[200, 1])),
        ("no pseudo-headers", headers(END_STREAM, 1, &h2::block(&[("a", "b")]))),
        ("a name in upper case", with("Upper", "x")),
        ("a header of HTTP/1.1", with("connection", "keep-alive")),
        ("a path that comes last", with(":path", "/kv/other")),
        ("CONTINUATION of nothing", frame(Kind::Continuation, END_HEADERS, 1, &get("/kv/k"))),
        ("another frame amid headers", {
            [frame(Kind::Headers, 0, 1, &get("/kv/k")), frame(Kind::Ping, 0, 0, &[0; 8])].concat()
        }),
        ("RST_STREAM of no stream", reset(1)),
        ("RST_STREAM of three bytes", after(frame(Kind::Reset, 0, 1, &[0; 3]))),
        ("SETTINGS of five bytes", frame(Kind::Settings, 0, 0, &[0; 5])),
        ("SETTINGS of a stream", after(frame(Kind::Settings, 0, 1, &[]))),
        ("an ACK that says more", frame(Kind::Settings, END_STREAM, 0, &[0; 6])),
        ("a window of more than there is", {
            frame(Kind::Settings, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])
        }),
        ("PING of seven bytes", frame(Kind::Ping, 0, 0, &[0; 7])),
        ("PING of a stream", after(frame(Kind::Ping, 0, 1, &[0; 8]))),
        ("WINDOW_UPDATE by nothing", frame(Kind::WindowUpdate, 0, 0, &[0; 4])),
        ("WINDOW_UPDATE beyond the end", {
            frame(Kind::WindowUpdate, 0, 0, &[0x7f, 0xff, 0xff, 0xff])
        }),
        ("PUSH_PROMISE of a client", after(frame(Kind::PushPromise, END_HEADERS, 1, &[0; 4]))),
        ("a frame of 16 MiB", header(0xff_ffff, Kind::Data as u8, 0, 1)),
        ("a message that is compressed", after(frame(Kind::Data, END_STREAM, 1, &[1, 0, 0, 0, 0]))),
        ("a message of no kind", after(frame(Kind::Data, END_STREAM, 1, &[9, 0, 0, 0, 0]))),
        ("half a message", after(frame(Kind::Data, END_STREAM, 1, &message(100, b"half")))),
        ("bytes that are no protobuf", {
            after(frame(Kind::Data, END_STREAM, 1, &message(4, &[0xff; 4])))
        }),
    ]
}

#[test]
fn malformed_frames_end_what_they_are_in_and_no_more() {
    let attacked = Attacked::new();
    for (name, bytes) in malformed() {
        let mut connection = H2::open(attacked.port());
        connection.send(&bytes);
        assert_ne!(connection.end(), End::Closed, "{name}: without a word");
    }
    for (name, bytes) in malformed() {
        for cut in [1, bytes.len() / 2, bytes.len() - 1] {
            let mut connection = H2::open(attacked.port());
            connection.send(&bytes[..cut]);
            connection.finish();
            let end = connection.end();
            assert!(!matches!(end, End::Answered { .. }), "{name}, the first {cut} bytes");
        }
    }
    attacked.recovers(FLOOD_BYTES_MAX);
}

#[test]
fn a_message_that_claims_to_be_huge_is_refused_and_nothing_is_set_aside_for_it() {
    let mut attacked = Attacked::new();
    let mut connections = Vec::new();
    for length in [u32::MAX, 1 << 31, MESSAGE_BYTES_MAX + 1] {
        let mut connection = H2::open(attacked.port());
        for stream in streams().take(100) {
            connection.send(&headers(0, stream, &call("/etcdserverpb.KV/Put")));
            connection.send(&frame(Kind::Data, 0, stream, &message(length, b"and little more")));
        }
        for _ in 0..100 {
            assert!(matches!(connection.end(), End::Answered { .. }), "{length}");
        }
        connections.push(connection);
    }
    attacked.check(FLOOD_BYTES_MAX);
    for head in ["/v3/kv/put", "/kv-store", "/etcdserverpb.KV/Put"] {
        let head = format!("POST {head} HTTP/1.1\r\nHost: localhost\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n", 1_u64 << 40);
        let mut stream = http::connect(attacked.port()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        drop(stream);
    }
    drop(connections);
    attacked.recovers(FLOOD_BYTES_MAX);
}

#[test]
fn headers_without_an_end_are_cut_off() {
    let attacked = Attacked::new();
    let field = h2::block(&[("x", &"v".repeat(16_000))]);
    for (name, piece) in [("long", &field[..]), ("short", &field[..1]), ("empty", &[])] {
        let mut connection = H2::open(attacked.port());
        connection.send(&frame(Kind::Headers, 0, 1, &get("/kv/k")));
        let piece = frame(Kind::Continuation, 0, 1, piece);
        let sent = connection.flood(std::iter::repeat_n(piece.clone(), FRAMES));
        let frames = sent / piece.len() as u64;
        assert!(frames < FRAMES as u64, "{name}: all of it was taken");
        let end = connection.end();
        assert_eq!(end, End::Told { stream: 0, code: CALM }, "{name}, after {frames} frames");
    }
    // With an end, but too long: this request is refused, and the connection goes on.
    let mut connection = H2::open(attacked.port());
    let long = [get("/kv/k"), h2::block(&[("x", &"v".repeat(2_000))]).repeat(70)].concat();
    let (first, rest) = long.split_at(16_000);
    connection.send(&frame(Kind::Headers, END_STREAM, 1, first));
    let mut pieces = rest.chunks(16_000).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        connection.send(&frame(Kind::Continuation, flags, 1, piece));
    }
    assert_eq!(connection.end(), End::Answered { stream: 1 });
    connection.send(&headers(END_STREAM, 3, &get("/livez")));
    assert_eq!(connection.end(), End::Answered { stream: 3 });
    attacked.recovers(FLOOD_BYTES_MAX);
}
