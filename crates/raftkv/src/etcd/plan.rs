//! From flags to a member: what each flag means here, and what contradicts another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use replica::URL_BYTES_MAX;
use server::config::{
    Config, ConfigError, EtcdWays, FoundingIds, HISTORY_BYTES_MAX, JoinUser, Raw, split_list,
};

use super::flags::Flags;
use super::go::{parse_duration_ms, parse_number};
use super::tls::{self, Spoken};
use super::urls::{self, Place, Url};
use super::{ids, logging};
use crate::log::LogPlan;

/// Names the user on whose behalf a member asks its cluster for something.
const JOIN_USER: &str = "RAFTKV_JOIN_USER";

/// What `--quota-backend-bytes=0` stands for.
const QUOTA_BYTES_DEFAULT: u64 = 2 << 30;

/// etcd wants so many heartbeats in an election timeout,
const HEARTBEATS_MIN: u64 = 5;

/// and no longer one than this.
const ELECTION_TIMEOUT_MS_MAX: u64 = 50_000;

const MS_PER_HOUR: u64 = 3_600_000;

/// A member to run, and what should be said in its log first.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) log: LogPlan,
    pub(super) notes: Vec<String>,
}

/// Everything out of `--initial-cluster` and what belongs to it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Beginning {
    peers: Vec<String>,
    join: Vec<String>,
    ids: Option<FoundingIds>,
}

/// Whether a directory is its member's already; the flags about the beginning count for nothing
/// then.
pub(super) fn has_begun(data_dir: &Path) -> bool {
    let identity = fs::read_to_string(data_dir.join("IDENTITY")).unwrap_or_default();
    let cluster = identity.lines().find_map(|line| line.strip_prefix("cluster_id = "));
    cluster.is_some_and(|cluster| cluster != "none")
}

/// Why a member can not have that directory: an etcd has it, whose keys would seem to be gone.
pub(super) fn refuse_an_etcds(data_dir: &Path) -> Result<(), String> {
    if !data_dir.join("member").is_dir() {
        return Ok(());
    }
    Err(format!(
        "{} is an etcd's data directory, which raftkv does not read: give raftkv one of its own, \
         and copy the keys from the running etcd with `etcdctl make-mirror`",
        data_dir.display()
    ))
}

/// Makes a plan; `has_begun` looks into a data directory.
pub(super) fn make(mut flags: Flags, has_begun: impl Fn(&Path) -> bool) -> Result<Plan, String> {
    flags.refuse_what_can_not_be()?;
    let log = logging::plan(&flags)?;
    let mut notes = std::mem::take(&mut flags.notes);
    let idle = flags.idle();
    if !idle.is_empty() {
        notes.push(format!("without meaning here, passed over: {}", idle.join(", ")));
    }
    let advertised = advertised(&flags)?;
    let ways = ways(&flags, &advertised)?;
    let name = flags.text("name").to_owned();
    let data_dir = data_dir(&flags);
    let tls = tls::ways(&flags, ways.spoken, &data_dir, &mut notes)?;
    if !ways.in_the_clear.is_empty() {
        let places = ways.in_the_clear.join(", ");
        notes.push(format!("http:// URLs: nothing is encrypted at {places}"));
    }
    let beginning = match beginning(&flags, &name, &advertised) {
        Err(why) if has_begun(&data_dir) => {
            notes.push(format!("passed over, for the data directory counts: {why}"));
            Beginning::default()
        }
        beginning => beginning?,
    };
    let (heartbeat_ms, election_timeout_ms) = timers(&flags)?;
    let (history_age, revisions_kept) = compaction(&flags)?;
    let claims_place = !beginning.join.is_empty();
    let raw = Raw {
        node_id: Some(name),
        listen: Some(ways.first.clone()),
        advertise: Some(advertised.to_reach()?.to_string()),
        peers: Some(beginning.peers),
        join: Some(beginning.join),
        data_dir: Some(data_dir),
        heartbeat_ms: Some(heartbeat_ms),
        election_timeout_ms: Some(election_timeout_ms),
        history_age: Some(history_age),
        // The quota alone limits it.
        history_bytes: Some(HISTORY_BYTES_MAX),
        log_format: Some(log.format),
        allow_origin: Some(origins(&flags)),
        // Whoever writes http:// has said so.
        insecure: Some(true),
        unsafe_no_fsync: Some(flags.is_on("unsafe-no-fsync")),
        ..Raw::default()
    };
    let config = raw.resolve().map_err(|error| in_etcds_words(&error))?;
    let quota_bytes = quota(&flags)?;
    let etcd = EtcdWays {
        founding: beginning.ids,
        claims_place,
        revisions_kept,
        quota_bytes,
        ..ways.etcd
    };
    // Of no flag of etcd's: on whose behalf it joins, and tells where its clients are to come.
    let join_user = std::env::var(JOIN_USER).ok().map(|written| {
        let user = written.parse::<JoinUser>().ok().filter(|user| user.parts().is_some());
        user.ok_or_else(|| format!("{JOIN_USER} is NAME:PASSWORD"))
    });
    // As they are written: etcd's clients are shown them so.
    let client_urls = ways.client_urls;
    let config = Config { tls, etcd, client_urls, join_user: join_user.transpose()?, ..config };
    Ok(Plan { config, log, notes })
}

/// Where to listen, and where clients are told to come.
struct Ways {
    first: String,
    etcd: EtcdWays,
    client_urls: Vec<String>,
    spoken: Spoken,
    /// Places beyond this machine where nothing is encrypted.
    in_the_clear: Vec<String>,
}

fn ways(flags: &Flags, advertised: &Url) -> Result<Ways, String> {
    let mut places = some_places(flags, "listen-peer-urls")?;
    let to_peers = advertised.tls;
    if places.iter().any(|place| place.tls != to_peers) {
        return Err(
            "--listen-peer-urls and --initial-advertise-peer-urls: members speak TLS with \
                    each other, or they do not: give all of them https://, or none"
                .to_owned(),
        );
    }
    let mut for_clients = some_places(flags, "listen-client-urls")?;
    for_clients.extend(places_of(flags, "listen-client-http-urls")?);
    let metrics = places_of(flags, "listen-metrics-urls")?;
    let to_clients = for_clients.iter().chain(&metrics).any(|place| place.tls);
    let plain_clients = for_clients.iter().any(|place| !place.tls);
    for place in for_clients {
        urls::add(&mut places, place)?;
    }
    let taken = |place: &&Place| places.iter().any(|other| other.address == place.address);
    if let Some(twice) = metrics.iter().find(taken) {
        let twice = twice.address;
        return Err(format!("--listen-metrics-urls: everything is served at {twice} already"));
    }
    let plain = places.iter().chain(&metrics).filter(|place| !place.tls);
    let plain: Vec<_> = plain.map(|place| place.address).collect();
    let beyond = plain.iter().filter(|address| !address.ip().is_loopback());
    let in_the_clear = beyond.map(ToString::to_string).collect();
    let first = places.remove(0).address.to_string();
    let addresses = |places: Vec<Place>| places.iter().map(|place| place.address).collect();
    let etcd = EtcdWays {
        listen_also: addresses(places),
        listen_metrics: addresses(metrics),
        // Without any TLS there is nothing to tell apart.
        listen_plain: if to_clients || to_peers { plain } else { Vec::new() },
        plain_clients,
        ..EtcdWays::default()
    };
    let spoken = Spoken { to_clients, to_peers };
    Ok(Ways { first, etcd, client_urls: client_urls(flags)?, spoken, in_the_clear })
}

fn places_of(flags: &Flags, name: &str) -> Result<Vec<Place>, String> {
    let places = urls::list(flags.text(name)).and_then(|urls| urls::places(&urls));
    places.map_err(|why| format!("{}: {why}", flags.called(name)))
}

/// The same, where without any there would be no way to the member.
fn some_places(flags: &Flags, name: &str) -> Result<Vec<Place>, String> {
    let places = places_of(flags, name)?;
    match places.is_empty() {
        true => Err(format!("{}: a member needs a URL to be reached at", flags.called(name))),
        false => Ok(places),
    }
}

fn client_urls(flags: &Flags) -> Result<Vec<String>, String> {
    let name = "advertise-client-urls";
    if flags.is_given("listen-client-urls") && !flags.is_given(name) {
        return Err(format!("--{name} is required when --listen-client-urls is set explicitly"));
    }
    let refuse = |why| format!("{}: {why}", flags.called(name));
    let urls = urls::list(flags.text(name)).map_err(refuse)?;
    urls.iter().try_for_each(|url| url.to_reach().map(drop)).map_err(refuse)?;
    let written: Vec<String> = urls.into_iter().map(|url| url.written).collect();
    match replica::are_valid_urls(&written) {
        true => Ok(written),
        false => Err(refuse(format!("at most 8 URLs, each of at most {URL_BYTES_MAX} bytes"))),
    }
}

/// Where the other members reach this one.
fn advertised(flags: &Flags) -> Result<Url, String> {
    let name = "initial-advertise-peer-urls";
    let refuse = |why: &str| format!("{}: {why}", flags.called(name));
    let urls = urls::list(flags.text(name)).map_err(|why| refuse(&why))?;
    let [url] = &urls[..] else {
        return Err(refuse("here a member has one URL for its peers: write exactly one"));
    };
    url.to_reach().map_err(|why| refuse(&why))?;
    Ok(url.clone())
}

fn data_dir(flags: &Flags) -> PathBuf {
    match flags.text("data-dir") {
        given if flags.is_given("data-dir") && !given.is_empty() => given.into(),
        _ => format!("{}.etcd", flags.text("name")).into(),
    }
}

fn beginning(flags: &Flags, name: &str, advertised: &Url) -> Result<Beginning, String> {
    let given = flags.text("initial-cluster");
    let members = match flags.is_given("initial-cluster") && !given.is_empty() {
        true => urls::cluster(given).map_err(|why| format!("--initial-cluster: {why}"))?,
        false => BTreeMap::from([(name.to_owned(), advertised.clone())]),
    };
    let own = members.get(name).ok_or_else(|| {
        format!("couldn't find local name {name:?} in the initial cluster configuration")
    })?;
    if own.to_reach()? != advertised.to_reach()? {
        return Err(format!(
            "--initial-cluster has {name}={} but --initial-advertise-peer-urls is {}: give both \
             the same",
            own.written, advertised.written
        ));
    }
    if let Some((other, url)) = members.iter().find(|(_, url)| url.tls != advertised.tls) {
        return Err(format!(
            "--initial-cluster: {other}={}: members speak TLS with each other, or they do not: \
             give all of them https://, or none",
            url.written
        ));
    }
    let others = members.iter().filter(|(member, _)| *member != name);
    let others: Vec<String> =
        others.map(|(_, url)| Ok(url.to_reach()?.to_string())).collect::<Result<_, String>>()?;
    match flags.text("initial-cluster-state") {
        "new" => {
            let all = members.values().map(|url| url.written.as_str());
            let ids = ids::of(&own.written, all, flags.text("initial-cluster-token"))?;
            Ok(Beginning { peers: others, ids: Some(ids), join: Vec::new() })
        }
        "existing" if others.is_empty() => Err("--initial-cluster-state=existing: name the \
                                                members that are there in --initial-cluster"
            .to_owned()),
        "existing" => Ok(Beginning { join: others, ..Beginning::default() }),
        other => Err(format!("unexpected clusterState {other:?}: it is new or existing")),
    }
}

fn timers(flags: &Flags) -> Result<(u64, u64), String> {
    let ms = |name| parse_number(flags.text(name)).unwrap_or(0);
    let (heartbeat_ms, election_ms) = (ms("heartbeat-interval"), ms("election-timeout"));
    if heartbeat_ms == 0 {
        return Err(format!("--heartbeat-interval must be >0 (set to {heartbeat_ms}ms)"));
    }
    if heartbeat_ms.saturating_mul(HEARTBEATS_MIN) > election_ms {
        return Err(format!(
            "--election-timeout[{election_ms}ms] should be at least as 5 times as \
             --heartbeat-interval[{heartbeat_ms}ms]"
        ));
    }
    if election_ms > ELECTION_TIMEOUT_MS_MAX {
        return Err(format!(
            "--election-timeout[{election_ms}ms] is too long, and should be set less than \
             {ELECTION_TIMEOUT_MS_MAX}ms"
        ));
    }
    Ok((heartbeat_ms, election_ms))
}

/// None without a quota, which a negative number means.
fn quota(flags: &Flags) -> Result<Option<u64>, String> {
    let text = flags.text("quota-backend-bytes");
    if text.starts_with('-') {
        return Ok(None);
    }
    match parse_number(text.trim_start_matches('+')) {
        Some(0) => Ok(Some(QUOTA_BYTES_DEFAULT)),
        Some(bytes) => Ok(Some(bytes)),
        None => Err(format!("--quota-backend-bytes: {text:?} is no number of bytes")),
    }
}

/// For how long, in ms, and how many revisions of the past are kept; 0 is without a limit.
fn compaction(flags: &Flags) -> Result<(u64, u64), String> {
    let retention = flags.text("auto-compaction-retention");
    let refuse = || format!("--auto-compaction-retention: {retention:?} is no such time or number");
    match flags.text("auto-compaction-mode") {
        "revision" => Ok((0, parse_number(retention).ok_or_else(refuse)?)),
        "periodic" => match parse_number(retention) {
            Some(hours) => Ok((hours.checked_mul(MS_PER_HOUR).ok_or_else(refuse)?, 0)),
            None => {
                let ms = parse_duration_ms(retention).and_then(|ms| u64::try_from(ms).ok());
                Ok((ms.ok_or_else(refuse)?, 0))
            }
        },
        "" => Err("undefined auto-compaction-mode".to_owned()),
        other => Err(format!("unknown auto-compaction-mode {other:?}")),
    }
}

/// `*` would open the store to every page that its users visit.
fn origins(flags: &Flags) -> Vec<String> {
    let mut origins = split_list(flags.text("cors"));
    origins.retain(|origin| origin != "*");
    origins
}

/// What our settings refuse, with the flags that led there.
fn in_etcds_words(error: &ConfigError) -> String {
    match error {
        ConfigError::NodeId(_) => format!("--name: {error}"),
        ConfigError::AdvertiseLoopback { advertise, peer } => format!(
            "--initial-advertise-peer-urls: {peer} is on another machine and can not reach this \
             one at {advertise}"
        ),
        ConfigError::TooManyMembers(_) => format!("--initial-cluster: {error}"),
        ConfigError::AllowOrigin(_) => format!("--cors: {error}"),
        ConfigError::HistoryAge => format!("--auto-compaction-retention: {error}"),
        ConfigError::Heartbeat(_) => format!("--heartbeat-interval: {error}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
