//! `/health`, `/livez` and `/readyz` as etcd's users ask for them.

use raft::MemberId;
use replica::Standing;

use super::world::World;
use crate::config::Raw;
use crate::http::Limits;
use crate::node::{NodeStatus, testing};

async fn world(change: impl FnOnce(&mut NodeStatus)) -> World {
    World::with(testing::showing(change), Raw::default(), Limits::default()).await
}

/// What a probe says, and with which status.
async fn told(world: &World, target: &str) -> (u16, String) {
    let answer = world.ask("GET", target).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{target}");
    (answer.status, answer.text())
}

#[tokio::test]
async fn a_probe_tells_each_of_its_checks_to_whoever_wants_to_know() {
    let world = World::new().await;
    let read = "[+]serializable_read ok\n";
    let (read_only, mut but_read) = (format!("{read}ok\n"), "/readyz?verbose".to_owned());
    for name in ["data_corruption", "linearizable_read", "non_learner"] {
        but_read.push_str(&format!("&exclude={name}"));
    }
    let all =
        format!("[+]data_corruption ok\n{read}[+]linearizable_read ok\n[+]non_learner ok\nok\n");
    for (target, text) in [
        ("/livez", "ok\n"),
        ("/livez?verbose", &read_only),
        ("/livez?verbose=true&exclude=serializable_read", "ok\n"),
        ("/livez?exclude=nothing&exclude=of_these", "ok\n"),
        ("/livez/serializable_read", "ok\n"),
        ("/livez/serializable_read?verbose", &read_only),
        ("/readyz", "ok\n"),
        ("/readyz?verbose", &all),
        (&but_read, &read_only),
        ("/readyz/data_corruption", "ok\n"),
        ("/readyz/linearizable_read?verbose", "[+]linearizable_read ok\nok\n"),
        ("/readyz/non_learner", "ok\n"),
    ] {
        assert_eq!(told(&world, target).await, (200, text.to_owned()), "{target}");
    }
}

#[tokio::test]
async fn what_is_no_check_is_not_there() {
    let world = World::new().await;
    for target in ["/livez/linearizable_read", "/livez/", "/readyz/nonsense", "/readyz/a/b"] {
        world.ask("GET", target).await.assert_refused(404, "unknown_path");
    }
    for target in ["/livez?verbos", "/health?verbose", "/readyz/non_learner?x=1"] {
        world.ask("GET", target).await.assert_refused(400, "bad_parameter");
    }
}

#[tokio::test]
async fn what_fails_is_told_with_its_reason() {
    let world = world(|status| {
        status.replica.as_mut().unwrap().agreement.split_at = Some(12);
    });
    let world = world.await;
    let (status, text) = told(&world, "/readyz?verbose&exclude=linearizable_read").await;
    assert_eq!(status, 503);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("[-]data_corruption failed: the members hold different states"));
    assert_eq!(lines[1..], ["[+]serializable_read ok", "[+]non_learner ok"]);
    assert_eq!(told(&world, "/readyz/data_corruption").await.0, 503);
    assert_eq!(told(&world, "/readyz/serializable_read").await.0, 200);
    assert_eq!(told(&world, "/livez").await.0, 200);
    world.ask("GET", "/readyz?timeout_ms=50").await.assert_refused(503, "corrupt");
    for (target, status) in [
        ("/health", 503),
        ("/health?exclude=NOSPACE", 503),
        ("/health?exclude=NOSPACE&exclude=CORRUPT", 200),
    ] {
        assert_eq!(world.ask("GET", target).await.status, status, "{target}");
    }
}

#[tokio::test]
async fn a_member_in_quarantine_is_alive_and_not_ready() {
    let world = world(|status| {
        status.replica.as_mut().unwrap().agreement.diverged_at = Some(12);
    });
    let world = world.await;
    assert_eq!(told(&world, "/livez?verbose").await.0, 200);
    let target = "/readyz?verbose&timeout_ms=50&exclude=linearizable_read";
    let (status, text) = told(&world, target).await;
    assert_eq!(status, 503);
    assert!(text.contains("[-]serializable_read failed: "), "{text}");
}

#[tokio::test]
async fn a_learner_is_alive_and_not_ready() {
    let world = world(|status| {
        let mut configuration = (**status.configuration.as_ref().unwrap()).clone();
        let me = configuration.members.get_mut(&status.about.id).unwrap();
        me.standing = Standing::Learner;
        status.configuration = Some(configuration.into());
    });
    let world = world.await;
    assert_eq!(told(&world, "/livez").await.0, 200);
    let (status, text) = told(&world, "/readyz/non_learner").await;
    assert_eq!(status, 503);
    assert!(text.starts_with("[-]non_learner failed: this member is a learner"), "{text}");
}

#[tokio::test]
async fn without_a_leader_a_member_is_well_for_itself_alone() {
    let world = world(|status| status.replica.as_mut().unwrap().leader = None::<MemberId>).await;
    let health = world.ask("GET", "/health").await;
    assert_eq!((health.status, &health.json()["reason"]), (503, &"RAFT NO LEADER".into()));
    assert_eq!(world.get("/health?serializable=true").await["health"], "true");
}
