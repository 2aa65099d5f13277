//! What a member tells of itself and of the others, and what its probes make of it.

use std::sync::Arc;

use raft::{FollowerStatus, Index, LogId, MemberId, Replication, RoleName, Term};
use replica::{
    Agreement, Configuration, KeptSnapshot, Member, Room, RoomStatus, SnapshotFailure,
    SnapshotSent, SnapshotWork, Standing,
};
use serde_json::{Value, json};

use super::world::World;
use crate::config::Raw;
use crate::http::Limits;
use crate::node::{NodeStatus, testing};

/// The member that `testing` makes.
const FIRST: MemberId = MemberId(0x5157);
const SECOND: MemberId = MemberId(0x5158);

async fn world(change: impl FnOnce(&mut NodeStatus)) -> World {
    World::with(testing::showing(change), Raw::default(), Limits::default()).await
}

/// Two voters and one that is joining; the first is reached at `address`.
fn three(address: &str) -> Arc<Configuration> {
    let member = |name: &str, address: &str| Member::voter(1, name.to_owned(), address.to_owned());
    let third = Member { standing: Standing::Joining, ..member("node-3", "localhost:8003") };
    let members = [
        (FIRST, member("node-1", address)),
        (SECOND, member("node-2", "localhost:8002")),
        (MemberId(3), third),
    ];
    Arc::new(Configuration { members: members.into(), ..Configuration::founding(2, [].into()) })
}

fn peer(id: MemberId, matched: u64, replication: Replication) -> FollowerStatus {
    FollowerStatus { id, matched: Index(matched), silent_ms: 7, has_answered: true, replication }
}

/// Leads three, of which one is being sent a snapshot, and finds that their states differ.
fn leads_three(status: &mut NodeStatus) {
    status.configuration = Some(three("localhost:8001"));
    let replica = status.replica.as_mut().unwrap();
    replica.last = LogId::new(Term(1), Index(40));
    let third = MemberId(3);
    replica.peers =
        vec![peer(SECOND, 38, Replication::Replicate), peer(third, 0, Replication::Snapshot)];
    replica.snapshots.sending = vec![SnapshotSent { to: third, bytes: 10, bytes_total: 25 }];
    let last = LogId::new(Term(1), Index(30));
    replica.snapshots.newest = Some(KeptSnapshot { last, bytes: 25, stamp_ms: 1 });
    replica.snapshots.log_start = LogId::new(Term(1), Index(20));
    replica.agreement = Agreement { diverged_at: None, split_at: Some(33) };
}

/// Follows the member at `address`.
fn follows(status: &mut NodeStatus, address: &str) {
    let about = Arc::make_mut(&mut status.about);
    about.id = SECOND;
    about.name = "node-2".to_owned();
    status.configuration = Some(three(address));
    let replica = status.replica.as_mut().unwrap();
    replica.id = SECOND;
    replica.role = RoleName::Follower;
    replica.leader = Some(FIRST);
}

#[tokio::test]
async fn the_leader_tells_how_far_each_member_is_and_how_it_is_brought_further() {
    let status = world(leads_three).await.get("/cluster/status").await;
    assert_eq!(status["joint"], true);
    assert_eq!(
        status["members"][2],
        json!({
            "id": "5158", "name": "node-2", "address": "localhost:8002", "client_urls": [],
            "standing": "voter", "draining": false, "matched": 38, "lag": 2, "silent_ms": 7,
            "progress": "replicate"
        })
    );
    let third = &status["members"][0];
    assert_eq!((&third["name"], &third["standing"]), (&json!("node-3"), &json!("joining")));
    assert_eq!(third["progress"], "snapshot");
    assert_eq!(third["snapshot_sent"], json!({ "bytes": 10, "bytes_total": 25 }));
    let snapshot = &status["snapshot"];
    assert_eq!((&snapshot["index"], &snapshot["bytes"]), (&json!(30), &json!(25)));
    assert!(snapshot["age_ms"].as_u64().unwrap() > 0);
    assert_eq!(status["log"]["start"], 20);
    assert_eq!(status["alarms"][0]["alarm"], "corrupt");
}

#[tokio::test]
async fn a_follower_shows_what_the_leader_tells_of_the_others() {
    let leader = world(leads_three).await;
    let address = leader.address.to_string();
    let follower = world(|status| follows(status, &address)).await;
    let status = follower.get("/cluster/status").await;
    assert_eq!(status["members_told_by"]["name"], "node-1");
    assert_eq!(status["members_unknown"], json!(null));
    let second = status["members"].as_array().unwrap().iter().find(|it| it["id"] == "5158");
    assert_eq!(second.unwrap()["lag"], 2);
    assert_eq!(status["alarms"][0]["index"], 33, "what only the leader finds");

    let alone = follower.request("GET", "/cluster/status", &["Raftkv-Forward: never"], b"").await;
    assert_eq!(alone.json()["members_told_by"], json!(null));
    assert_eq!(alone.json()["members"][0]["matched"], json!(null));
}

#[tokio::test]
async fn a_follower_says_when_nobody_could_tell_it_of_the_others() {
    let unknown = |status: Value| status["members_unknown"].as_str().unwrap().to_owned();
    // Nobody answers there; and one that does not lead does not know either.
    let closed = world(|status| follows(status, "127.0.0.1:1")).await;
    let why = unknown(closed.get("/cluster/status").await);
    assert_eq!(why, "the leader, node-1, did not say in time");
    let no_leader = world(|status| {
        follows(status, "127.0.0.1:1");
        status.replica.as_mut().unwrap().leader = None;
    });
    let why = unknown(no_leader.await.get("/cluster/status").await);
    assert!(why.starts_with("no leader is known"), "{why}");
}

#[tokio::test]
async fn a_member_in_quarantine_serves_nothing_and_says_why() {
    let world = world(|status| {
        let replica = status.replica.as_mut().unwrap();
        replica.agreement.diverged_at = Some(12);
        replica.snapshots.stateless = true;
    });
    let world = world.await;
    let status = world.get("/cluster/status").await;
    let alarms = status["alarms"].as_array().unwrap();
    assert_eq!((alarms.len(), &alarms[0]["alarm"]), (1, &json!("quarantined")));
    assert_eq!(alarms[0]["index"], 12);
    assert_eq!(status["health"], alarms[0]["message"]);
    let health = world.ask("GET", "/health").await;
    assert_eq!((health.status, &health.json()["health"]), (503, &json!("false")));
    assert!(health.json()["reason"].as_str().unwrap().contains("index 12"));
    let stale = world.ask("GET", "/kv/k?consistency=stale").await;
    let refused = stale.assert_refused(503, "unavailable");
    assert!(refused["message"].as_str().unwrap().contains("ask another member"), "{refused}");
    world.ask("GET", "/kv?consistency=stale").await.assert_refused(503, "unavailable");
    world.ask("GET", "/readyz?timeout_ms=50").await.assert_refused(503, "unavailable");
    assert_eq!(world.ask("GET", "/livez").await.status, 200);
}

#[tokio::test]
async fn a_member_whose_snapshot_failed_goes_on_and_raises_an_alarm() {
    let failure =
        SnapshotFailure { work: SnapshotWork::Write, reason: "no space".to_owned(), ago_ms: 5_000 };
    let world = world(|status| {
        status.replica.as_mut().unwrap().snapshots.failures = vec![failure];
    });
    let world = world.await;
    let status = world.get("/cluster/status").await;
    let alarm = &status["alarms"][0];
    assert_eq!((&alarm["alarm"], &alarm["work"]), (&json!("snapshot_failed"), &json!("write")));
    assert!(status["health"].as_str().unwrap().contains("5 s ago: no space"), "{status}");
    assert_eq!(world.ask("GET", "/health").await.status, 200);
    assert_eq!(world.ask("GET", "/kv/k?consistency=stale").await.status, 404);
}

#[tokio::test]
async fn a_member_without_room_goes_on_and_raises_an_alarm() {
    let room = Room { free_bytes: 4_096, missing_bytes: 0, spares: 2, segment_bytes: 4 << 20 };
    let world = world(|status| {
        let replica = status.replica.as_mut().unwrap();
        replica.room = RoomStatus { measured: Some(room), lacks: true };
    });
    let world = world.await;
    let status = world.get("/cluster/status").await;
    let disk = json!({ "has_room": false, "free_bytes": 4_096, "spare_segments": 2 });
    assert_eq!(status["disk"], disk);
    let alarm = &status["alarms"][0];
    assert_eq!((&alarm["alarm"], &alarm["free_bytes"]), (&json!("no_room"), &json!(4_096)));
    let health = world.ask("GET", "/health").await;
    assert_eq!(health.status, 503);
    assert!(health.json()["reason"].as_str().unwrap().starts_with("ALARM NOSPACE: "));
    assert_eq!(world.ask("GET", "/health?exclude=NOSPACE").await.status, 200);
    let page = world.ask("GET", "/metrics").await.text();
    for line in [
        r#"raftkv_alarm{alarm="no_room"} 1"#,
        "raftkv_disk_has_room 0",
        "raftkv_disk_free_bytes 4096",
        "raftkv_log_spare_segments 2",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} is missing in:\n{page}");
    }
}

#[tokio::test]
async fn metrics_show_alarms_members_snapshots_and_followers() {
    let page = world(leads_three).await.ask("GET", "/metrics").await.text();
    for line in [
        r#"raftkv_alarm{alarm="corrupt"} 1"#,
        r#"raftkv_alarm{alarm="quarantined"} 0"#,
        r#"raftkv_members{standing="voter"} 2"#,
        r#"raftkv_members{standing="joining"} 1"#,
        r#"raftkv_follower_lag_entries{member="node-2"} 2"#,
        r#"raftkv_follower_progress{member="node-3"} 2"#,
        r#"raftkv_follower_snapshot_sent_bytes{member="node-3"} 10"#,
        "raftkv_log_start_index 20",
        "raftkv_snapshot_index 30",
        "raftkv_snapshot_bytes 25",
        "raftkv_store_sessions 0",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} is missing in:\n{page}");
    }
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(page.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
}
