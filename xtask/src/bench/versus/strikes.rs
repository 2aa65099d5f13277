//! How long writes stop when the leader dies, leaves or falls silent. Both are written to by the
//! same call, etcd's JSON gateway, through the members that stay.

use std::time::Duration;

use super::super::cluster::Blow;
use super::super::failover::{Attempt, one_run};
use super::super::json::base64;
use super::goal::Goal;
use super::pair::{Clusters, Pair, median};
use super::state::{Single, Unit};
use crate::failure::Result;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_millis(500);

const BLOWS: [(Blow, &str, Goal); 3] = [
    (Blow::Kill, "kill -9 the leader", Goal::most(150.0, "150 ms")),
    (Blow::Stop, "SIGSTOP the leader", Goal::most(1_500.0, "1,500 ms").no_worse()),
    (Blow::Term, "SIGTERM the leader", Goal::most(10.0, "10 ms")),
];

/// Each blow so many times to each of the two, in turns.
pub(super) fn run(clusters: &mut Clusters, times: usize) -> Result<Vec<Single>> {
    BLOWS.iter().map(|(blow, what, goal)| deal(clusters, times, *blow, what, *goal)).collect()
}

fn deal(
    clusters: &mut Clusters,
    times: usize,
    blow: Blow,
    what: &str,
    goal: Goal,
) -> Result<Single> {
    let attempt = put();
    let outages = clusters.in_turns(times, |cluster| one_run(cluster, blow, &attempt))?;
    let ms = |outage: Duration| outage.as_secs_f64() * 1_000.0;
    let figures = Pair {
        etcd: median(outages.iter().map(|pair| ms(pair.etcd)).collect()),
        raftkv: median(outages.iter().map(|pair| ms(pair.raftkv)).collect()),
    };
    let what = format!("{what} → next acknowledged write, median of {times}");
    println!("{what}: etcd {:.1} ms, raftkv {:.1} ms", figures.etcd, figures.raftkv);
    Ok(Single { what, unit: Unit::Milliseconds, figures, goal })
}

fn put() -> Attempt {
    let (key, value) = (base64(b"strike"), base64(b"value"));
    Attempt {
        method: "POST",
        path: "/v3/kv/put".to_owned(),
        body: format!(r#"{{"key":"{key}","value":"{value}"}}"#),
        patience: PATIENCE,
    }
}
