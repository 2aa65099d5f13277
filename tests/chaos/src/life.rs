//! A life of a cluster: it is founded, clients come, things are done to it, it is left alone and
//! must be well again, and then everything that anybody was told is judged.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use client::{Client, Error, ListOptions, Moment, Revision};
use tokio::runtime::Handle;

use crate::enter::Ground;
use crate::history::{Contents, History, Seen, Telling};
use crate::judge::{Check, judge};
use crate::lanes::supervised;
use crate::load::{Load, seen, told_of};
use crate::report::{LifeReport, Operations};
use crate::stage::{INTERRUPTED, Stage, endpoint, endpoints};
use crate::world::World;
use crate::world::net::Net;
use crate::world::network::Network;
use crate::world::wires::Wires;

/// A cluster of healthy members is well again by then: they may have much to fetch.
const PATIENCE: Duration = Duration::from_secs(60);

/// Machines that there are in all, for the largest cluster.
pub(crate) const MACHINES: usize = 5 + crate::world::SPARE_MACHINES;

/// What lives are lived in.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) ground: Ground,
    pub(crate) runtime: Handle,
}

/// One life, in which `act` does what it does for so long.
pub(crate) fn live(
    setting: &Setting,
    name: &str,
    members: u16,
    seed: u64,
    lasts: Duration,
    act: impl FnOnce(&Stage),
) -> LifeReport {
    let net = match setting.ground {
        Ground::Namespaces => Network::Kernel(Net::of(MACHINES)),
        Ground::Loopback(_) => Network::Links(Wires::new(setting.runtime.clone())),
    };
    let world = World::found(&setting.ground, net, usize::from(members));
    let mut stage = Stage::new(world, setting.runtime.clone(), lasts);
    let began = stage.poll(PATIENCE, || stage.leader().is_some());
    stage.begin();
    let mut load = Load::start(&setting.runtime, endpoints(&stage.world()), seed);
    if began && stage.poll(PATIENCE, || load.done() > WRITES_ENOUGH) {
        act(&stage);
    } else {
        stage.broken("a fresh cluster takes no writes".to_owned());
    }
    if INTERRUPTED.load(Ordering::Relaxed) {
        return LifeReport::default();
    }
    stage.say(&format!("it is left alone, after {} writes", load.done()));
    stage.world().heal();
    let well = supervised(&stage, || recover(&stage, &load));
    if INTERRUPTED.load(Ordering::Relaxed) {
        return LifeReport::default();
    }
    stage.say("the clients stop, and what everybody was told is judged");
    let ops = setting.runtime.block_on(load.stop());
    let equal = well.violations.is_empty().then(|| converge(&stage));
    let history = gather(&stage, &mut load, History { ops, ..History::default() });
    finish(name, stage, &history, well, equal)
}

/// Waits until the cluster does everything again that it is there for.
fn recover(stage: &Stage, load: &Load) -> Check {
    let seats = || stage.world().present();
    let mut ill = Vec::new();
    let is_well = stage.poll(PATIENCE, || {
        ill = seats().into_iter().filter(|seat| !stage.votes(*seat)).collect();
        ill.is_empty()
            && stage.cluster().is_some_and(|it| !it.joint && it.members.len() == seats().len())
    });
    let before = load.done();
    let goes_on = stage.poll(PATIENCE, || load.done() > before + WRITES_ENOUGH);
    let mut violations: Vec<String> = Vec::new();
    if !is_well {
        let ill: Vec<String> = ill.iter().map(|seat| stage.name(*seat)).collect();
        let cluster = stage.cluster();
        violations.push(format!("not well after {PATIENCE:?}: {}; {cluster:?}", ill.join(", ")));
    }
    if !goes_on {
        violations.push(format!("writes do not go on within {PATIENCE:?}"));
    }
    Check { name: "well again", of: format!("{} members", seats().len()), violations }
}

/// So many writes show that a cluster takes them.
const WRITES_ENOUGH: u64 = 50;

/// Waits until all members have applied all there is; then they must be equal.
fn converge(stage: &Stage) -> Check {
    let seats = stage.world().present();
    let mut parts = Vec::new();
    let settled = stage.poll(PATIENCE, || {
        parts = seats.iter().filter_map(|seat| stage.status_of(*seat)?.part).collect();
        let first = parts.first().map(|part| part.log.applied);
        parts.len() == seats.len()
            && parts.iter().all(|part| Some(part.log.applied) == first)
            && parts.iter().all(|part| Some(part.log.last_index) == first)
    });
    let mut violations = Vec::new();
    if !settled {
        violations.push(format!("the members do not come to one state: {parts:?}"));
    } else if parts.iter().any(|part| part.state_hash != parts[0].state_hash) {
        violations.push(format!("the members' states differ: {parts:?}"));
    }
    let of = format!("state hash of {} members", parts.len());
    Check { name: "one state", of, violations }
}

/// Asks everybody for everything.
fn gather(stage: &Stage, load: &mut Load, mut history: History) -> History {
    let members: Vec<(String, String)> = {
        let world = stage.world();
        let told = |seat: usize| {
            (world.seats[seat].member.name().to_owned(), world.address_of(seat).to_owned())
        };
        world.present().into_iter().map(told).collect()
    };
    history.revision = stage.ask(newest(stage)).unwrap_or_default();
    history.watchers = stage.ask(load.told(history.revision.max(1)));
    for (name, address) in members {
        let client = stage.client.only(endpoint(&address));
        let telling = stage.ask(told_of(&client, name.clone(), history.revision));
        history.logs.push(telling);
        match stage.ask(contents(&client, history.revision)) {
            Ok(keys) => history.contents.push(Contents { member: name, keys }),
            Err(error) => {
                let trouble = Some(format!("does not show its keys: {error}"));
                history.logs.push(Telling { name, events: vec![], trouble });
            }
        }
    }
    history
}

async fn newest(stage: &Stage) -> Option<u64> {
    let options = ListOptions { limit: Some(1), ..ListOptions::default() };
    let page = stage.client.list(options).next_page().await.ok()??;
    Some(page.revision.0)
}

async fn contents(client: &Client, revision: u64) -> Result<BTreeMap<String, Seen>, Error> {
    let moment = Moment::Revision(Revision(revision));
    let mut pages = client.list(ListOptions { moment, ..ListOptions::default() });
    let mut keys = BTreeMap::new();
    while let Some(page) = pages.next_page().await? {
        for item in page.items {
            keys.insert(String::from_utf8_lossy(&item.key).into_owned(), seen(&item));
        }
    }
    Ok(keys)
}

/// The verdicts; what is left of the cluster stays if one of them is bad.
fn finish(
    name: &str,
    stage: Stage,
    history: &History,
    well: Check,
    equal: Option<Check>,
) -> LifeReport {
    let mut checks = judge(history);
    checks.extend([well].into_iter().chain(equal));
    let (world, tally, violations) = stage.into_parts();
    let of = "nobody ends who has no reason to".to_owned();
    checks.push(Check { name: "processes", of, violations });
    let broken: Vec<&str> = checks
        .iter()
        .filter(|check| !check.violations.is_empty())
        .flat_map(|check| check.violations.iter().map(String::as_str))
        .collect();
    let missing = world.missing.clone();
    let remains = (!broken.is_empty()).then(|| world.keep(&broken.join("\n")));
    let operations = Operations::of(history);
    LifeReport { name: name.to_owned(), tally, operations, checks, missing, remains }
}
