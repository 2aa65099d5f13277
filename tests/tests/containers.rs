//! The image and `compose.yaml`, with the Docker that is here: three members are healthy soon, go
//! on without one of them, cut off or killed, and are equal afterwards; and what the containers may
//! do is as little as the file says. `cargo xtask test containers` sees to it that there is an
//! image to begin with.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::time::{Duration, Instant};

use system_tests::cluster::leader_named_by;
use system_tests::containers::{Containers, IMAGE, PORTS, inspect};
use system_tests::http::Http;
use system_tests::load::Load;
use system_tests::wait;

/// From `up` until Docker has found all three members healthy: its first looks included.
const HEALTHY_WITHIN: Duration = Duration::from_secs(15);

/// The image is the program and nothing else.
const IMAGE_BYTES_MAX: u64 = 40 << 20;

/// Unavailable, or the outcome is unknown: docs/cli.md.
const UNAVAILABLE: Option<i32> = Some(3);

fn ready() -> Containers {
    let containers = Containers::build();
    let started = Instant::now();
    containers.up();
    containers.wait_healthy();
    let took = started.elapsed();
    println!("healthy {:.1} s after `up`", took.as_secs_f64());
    assert!(took < HEALTHY_WITHIN, "{took:?} until all members were healthy");
    containers
}

/// The number of the leader, by the members at these places.
fn leader(members: &[usize]) -> usize {
    wait::until("somebody leads", || {
        members.iter().find_map(|number| {
            let name = leader_named_by(&mut Http::new(PORTS[*number]))?;
            let leader = name.strip_prefix("node-")?.parse::<usize>().ok()? - 1;
            members.contains(&leader).then_some(leader)
        })
    })
}

#[test]
fn writes_go_on_while_the_leaders_container_is_killed_and_it_catches_up() {
    let containers = ready();
    let load = Load::on(PORTS.to_vec());
    let killed = leader(&[0, 1, 2]);
    containers.docker("kill", killed);
    load.go_on();
    containers.docker("start", killed);
    load.go_on();
    let ledger = load.stop();
    containers.wait_healthy();
    ledger.check_at(&PORTS);

    // Volumes outlive containers that are stopped and started in good order.
    containers.restart();
    containers.wait_healthy();
    ledger.check_at(&PORTS);
}

#[test]
fn a_leader_that_is_cut_off_serves_nothing_old_and_catches_up_afterwards() {
    let containers = ready();
    let load = Load::on(PORTS.to_vec());
    let alone = leader(&[0, 1, 2]);
    containers.disconnect(alone);
    let others: Vec<usize> = (0..PORTS.len()).filter(|number| *number != alone).collect();
    leader(&others);
    load.go_on();
    let itself = ["--endpoints", "http://localhost:8001", "--timeout", "2s"];
    let read = containers.exec(alone, &[&["get", "0/0"], &itself[..]].concat());
    assert_eq!(read.status.code(), UNAVAILABLE, "{read:?}");
    wait::until_true("Docker finds it unhealthy", || {
        containers.inspect(alone, "{{.State.Health.Status}}") == "unhealthy"
    });
    containers.connect(alone);
    let ledger = load.stop();
    containers.wait_healthy();
    ledger.check_at(&PORTS);
}

#[test]
fn the_containers_may_do_as_little_as_the_file_says() {
    let containers = ready();
    for number in 0..PORTS.len() {
        let field = |field| containers.inspect(number, field);
        assert_eq!(field("{{.Config.User}}"), "65532:65532");
        assert_eq!(field("{{.HostConfig.ReadonlyRootfs}}"), "true");
        assert_eq!(field("{{.HostConfig.CapDrop}}"), "[ALL]");
        assert_eq!(field("{{.HostConfig.SecurityOpt}}"), "[no-new-privileges:true]");
        assert_eq!(field("{{.HostConfig.RestartPolicy.Name}}"), "unless-stopped");
        let written = containers.exec(number, &["export", "/written"]);
        assert!(!written.status.success(), "the root can not be written: {written:?}");
    }
    let bytes: u64 = inspect(IMAGE, "{{.Size}}").parse().unwrap();
    println!("the image has {:.1} MB", bytes as f64 / 1e6);
    assert!(bytes < IMAGE_BYTES_MAX, "{bytes} bytes");
}
