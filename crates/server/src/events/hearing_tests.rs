use std::convert::Infallible;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::events::event::What;

const PEER: MemberId = MemberId(0x3f);
const CLUSTER: u128 = 9;
const DEADLINE: Duration = Duration::from_secs(20);

/// What a peer says on each connection in turn; the last one stays open.
async fn says(connections: Vec<Vec<String>>) -> Hearing {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for lines in connections {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4 << 10];
            let count = socket.read(&mut asked).await.unwrap();
            let asked = String::from_utf8_lossy(&asked[..count]).into_owned();
            assert!(asked.starts_with("GET /raft/events HTTP/1.1\r\n"), "{asked}");
            assert!(asked.contains(&format!("raftkv-cluster: {CLUSTER:032x}\r\n")), "{asked}");
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            socket.write_all(head.as_bytes()).await.unwrap();
            for line in lines {
                let chunk = format!("{:x}\r\n{line}\r\n", line.len());
                // It may have heard enough.
                let _ = socket.write_all(chunk.as_bytes()).await;
            }
            tokio::spawn(async move {
                // Until the other side goes.
                let _ = socket.read(&mut [0]).await;
            });
        }
        std::future::pending::<Infallible>().await
    });
    let peer = Peer { id: PEER, address, cluster_id: CLUSTER, asker: Asker::default() };
    Hearing::begin(peer, Arc::default())
}

fn greeting() -> String {
    format!("{{\"schema\":1,\"cluster_id\":\"{CLUSTER:032x}\",\"member\":\"3f\"}}\n")
}

fn line(now_us: u64, number: u64, t_us: &[u64]) -> String {
    let events = t_us.iter().map(|t_us| {
        format!(r#"{{"kind":"committed","index":{t_us},"t_us":{t_us},"member":"3f"}}"#)
    });
    let events: Vec<String> = events.collect();
    format!("{{\"now_us\":{now_us},\"number\":{number},\"events\":[{}]}}\n", events.join(","))
}

/// So many events, once they are heard, and how many were lost.
async fn heard(hearing: &Hearing, count: usize) -> (Vec<Event>, u64) {
    let deadline = Instant::now() + DEADLINE;
    let (mut events, mut lost) = (Vec::new(), 0);
    while events.len() < count {
        assert!(Instant::now() < deadline, "only {events:?} are heard");
        lost += hearing.take(&mut events);
        tokio::task::yield_now().await;
    }
    (events, lost)
}

fn indexes(events: &[Event]) -> Vec<u64> {
    let index = |event: &Event| match event.what {
        What::Committed { index } => index,
        what => panic!("{what:?}"),
    };
    events.iter().map(index).collect()
}

#[tokio::test]
async fn times_are_told_by_the_clock_here() {
    // A peer whose clock began an hour after 1970.
    let hour_us = 3_600_000_000;
    let lines = vec![greeting(), line(hour_us, 0, &[hour_us - 5_000, hour_us])];
    let hearing = says(vec![lines]).await;
    let (events, _) = heard(&hearing, 2).await;
    assert_eq!(events[1].t_us - events[0].t_us, 5_000);
    let now_us = Desk::default().clock.now_us();
    let ago_us = now_us.abs_diff(events[1].t_us);
    assert!(ago_us < DEADLINE.as_micros() as u64, "{ago_us}");
}

#[tokio::test]
async fn what_was_left_out_is_counted() {
    let lines = vec![greeting(), line(5, 10, &[1]), line(6, 11, &[2]), line(7, 20, &[3])];
    let (events, lost) = heard(&says(vec![lines]).await, 3).await;
    assert_eq!((indexes(&events), lost), (vec![1, 2, 3], 8));
}

#[tokio::test]
async fn a_line_that_is_wrong_ends_the_connection_and_another_is_begun() {
    let stranger = greeting().replace("3f", "40");
    let of_another = line(6, 1, &[7]).replace("3f", "40");
    let endless = "x".repeat(LINE_BYTES_MAX + 1);
    let mut connections = Vec::new();
    for (place, wrong) in [of_another, endless, "{\n".to_owned()].into_iter().enumerate() {
        connections.push(vec![greeting(), line(5, 0, &[place as u64]), wrong, line(9, 2, &[99])]);
    }
    connections.push(vec![stranger, line(5, 0, &[99])]);
    connections.push(vec![greeting(), line(5, 0, &[3])]);
    let (events, _) = heard(&says(connections).await, 4).await;
    assert_eq!(indexes(&events), [0, 1, 2, 3]);
}

#[tokio::test]
async fn who_is_heard_no_more_is_known_as_it_was() {
    let state = r#"{"role":"leader","term":4,"vote":null,"leader":"3f","log":{"start":0,"applied":1,
        "commit":1,"durable":1,"last_index":1,"last_term":1},"runs":[[1,1]],"election":null,
        "revision":1,"compact_revision":0,"keys":1,"rates":{"writes":0,"reads":0,"p50_us":null,
        "p99_us":null},"pending":0,"alarms":[]}"#;
    let state = state.replace(['\n', ' '], "");
    let told = format!("{{\"now_us\":5,\"number\":0,\"events\":[],\"state\":{state}}}\n");
    let hearing = says(vec![vec![greeting(), told], vec!["nobody\n".to_owned()]]).await;
    let deadline = Instant::now() + DEADLINE;
    let mut connected = false;
    loop {
        assert!(Instant::now() < deadline, "{:?}", hearing.standing());
        let standing = hearing.standing();
        connected |= standing.as_ref().is_some_and(|standing| standing.connected);
        // It says nothing more, which is noticed.
        if connected && standing.as_ref().is_some_and(|standing| !standing.connected) {
            assert_eq!(standing.expect("it was heard").state.term, 4);
            return;
        }
        tokio::task::yield_now().await;
    }
}
