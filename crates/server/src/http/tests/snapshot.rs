//! `GET /snapshot`: the member goes on while clients take their time, and gives so many at once.

use tokio::time::timeout;

use super::world::{Answer, Client, DEADLINE, World, request};

/// More than sockets hold on their way, so that a client that reads nothing holds a backup up.
const VALUES: u64 = 24;
const VALUE_BYTES: usize = 1 << 20;

async fn filled() -> World {
    let world = World::new().await;
    for number in 0..VALUES {
        // No two alike, and nothing that could be packed.
        let value: Vec<u8> = (0..VALUE_BYTES).map(|at| (at as u64 * (number + 7)) as u8).collect();
        let (target, headers) = (format!("/kv/{number}"), ["Content-Type: text/plain"]);
        assert_eq!(world.request("PUT", &target, &headers, &value).await.status, 200);
    }
    world
}

/// Begins a backup, and reads no more than the head of its answer.
async fn begin(world: &World) -> (Client, Answer) {
    let mut client = world.connect().await;
    client.send(&request("GET", "/snapshot", &[], b"")).await;
    let head = client.head().await;
    (client, head)
}

#[tokio::test]
async fn writes_go_on_beside_a_slow_backup_and_are_not_in_it() {
    let world = filled().await;
    let (mut client, head) = begin(&world).await;
    assert_eq!(head.status, 200);
    let revision = head.header("raftkv-revision").unwrap().to_owned();
    assert_eq!(revision, (1 + VALUES).to_string());
    let written = world.put("later", "is not in it").await;
    assert_eq!(written["revision"], 2 + VALUES);

    let mut bytes = Vec::new();
    while let Some(chunk) = timeout(DEADLINE, client.chunk()).await.unwrap() {
        bytes.extend(chunk);
    }
    assert!(bytes.starts_with(b"RAFTKVSN") && bytes.ends_with(b"RAFTKVSE"));
    assert!(bytes.len() as u64 > VALUES * VALUE_BYTES as u64, "{}", bytes.len());
    assert!(!bytes.windows(12).any(|window| window == b"is not in it"));
}

#[tokio::test]
async fn so_many_at_once_and_no_more_until_one_is_over() {
    let world = filled().await;
    let (first, second) = (begin(&world).await, begin(&world).await);
    assert_eq!((first.1.status, second.1.status), (200, 200));
    let third = world.ask("GET", "/snapshot").await;
    third.assert_refused(503, "overloaded");
    assert!(third.header("retry-after").is_some());
    drop(first);
    let again = async {
        while begin(&world).await.1.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, again).await.expect("a client that has gone makes room");
    let refused = world.ask("GET", "/snapshot?revision=3").await;
    refused.assert_refused(400, "bad_parameter");
}
