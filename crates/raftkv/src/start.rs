//! `raftkv start`: one member, until it is told to stop.

use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::process;
use std::thread;
use std::time::Duration;

use server::StartError;
use server::config::{
    self, BackupPlan, ClientTls, Config, MetricsListener, PeerTrust, Raw, TlsWays,
};
use tokio::sync::oneshot;

use crate::args::StartArgs;
use crate::failure::Failure;
use crate::log::{self, Log, LogPlan};
use crate::signals::Signals;

/// A member whose parent is gone gets so long to stop in good order.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(args: StartArgs) -> Result<(), Failure> {
    let file = args.config.clone();
    let (check_only, stop_with_stdin) = (args.check_config, args.stop_with_stdin);
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = config::load(raw(args), file.as_deref(), environment)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    if check_only {
        server::tls::check(&config.tls).map_err(|error| Failure::Usage(error.to_string()))?;
        writeln!(io::stdout(), "{}", describe(&config))?;
        return Ok(());
    }
    let log = log::init(&LogPlan::of(config.log_format))?;
    let parent_gone = if stop_with_stdin { Some(watch_stdin()) } else { None };
    serve(config, log, ended(parent_gone)).await
}

/// Runs a member until a signal comes, or `told` ends.
pub(crate) async fn serve(
    config: Config,
    log: Log,
    told: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let shutdown = async move {
        tokio::select! {
            () = signals.next() => {}
            () = told => {}
        }
    };
    let ended = server::run(config, shutdown).await;
    log.flush();
    ended.map_err(|error| match error {
        StartError::Expelled(expelled) => Failure::Expelled(expelled.to_string()),
        error => Failure::Negative(error.to_string()),
    })
}

/// The flags, in the words of the configuration. A switch that is off leaves the word to the
/// environment and the file.
fn raw(args: StartArgs) -> Raw {
    Raw {
        node_id: args.node_id,
        port: args.port,
        listen: args.listen,
        listen_peer: args.listen_peer,
        metrics_listen: args.metrics_listen,
        advertise: args.advertise,
        advertise_client: args.advertise_client,
        peers: args.peers,
        join: args.join,
        join_user: args.join_user,
        replace: args.replace,
        learner: args.learner.then_some(true),
        data_dir: args.data_dir,
        heartbeat_ms: args.heartbeat_ms,
        election_timeout_ms: args.election_timeout_ms,
        wal_segment_bytes: args.wal_segment_bytes,
        snapshot_bytes: args.snapshot_bytes,
        history_age: args.history_age,
        history_bytes: args.history_bytes,
        memory_limit: args.memory_limit,
        max_requests_per_second: args.max_requests_per_second,
        backup_dir: args.backup_dir,
        backup_every: args.backup_every,
        backup_keep: args.backup_keep,
        log_format: args.log_format,
        allow_origin: args.allow_origin,
        cert_file: args.cert_file,
        key_file: args.key_file,
        client_ca_file: args.client_ca_file,
        client_cert_auth: args.client_cert_auth.then_some(true),
        peer_cert_file: args.peer_cert_file,
        peer_key_file: args.peer_key_file,
        peer_ca_file: args.peer_ca_file,
        peer_allowed_names: args.peer_allowed_names,
        auto_tls: args.auto_tls.then_some(true),
        insecure: args.insecure.then_some(true),
        raft_http: args.raft_http.then_some(true),
        unsafe_no_fsync: args.unsafe_no_fsync.then_some(true),
    }
}

/// What a member would run with, for `--check-config`.
fn describe(config: &Config) -> String {
    let peers: Vec<String> = config.peers.iter().map(ToString::to_string).collect();
    let join: Vec<String> = config.join.iter().map(ToString::to_string).collect();
    let peers = match (peers.is_empty(), join.is_empty()) {
        (false, _) => peers.join(", "),
        (true, false) => format!("none, joins by {}", join.join(", ")),
        (true, true) => "none, a cluster of one".to_owned(),
    };
    let own = config.clone().bound_to(config.listen);
    let clients = match own.client_urls.is_empty() {
        true => format!("{}{}", config.client_scheme(), config.advertise),
        false => own.client_urls.join(", "),
    };
    format!(
        "the settings are valid\n\
         node_id = {}\nlisten = {}\nlisten_peer = {}\nmetrics_listen = {}\n\
         advertise = {}\nadvertise_client = {clients}\n\
         peers = {peers}\ndata_dir = {}\n\
         heartbeat_ms = {}\nelection_timeout_ms = {}\nwal_segment_bytes = {}\n\
         snapshot_bytes = {}\nhistory_age_ms = {}\nhistory_bytes = {}\nmemory_limit = {}\n\
         max_requests_per_second = {}\nbackups = {}\nunsafe_no_fsync = {}\ntls = {}",
        config.name,
        config.listen,
        config.listen_peer.map_or("none, members come to listen".to_owned(), |at| at.to_string()),
        describe_metrics(&config.metrics_listen),
        config.advertise,
        config.data_dir.display(),
        config.heartbeat_ms,
        config.election_timeout_ms,
        config.wal_segment_bytes,
        config.snapshot_bytes,
        config.seed.history_age_ms.map_or("as the cluster has it".to_owned(), |ms| ms.to_string()),
        config.seed.history_bytes.map_or("as the cluster has it".to_owned(), |n| n.to_string()),
        config.memory_limit_bytes.map_or("60 % of what there is".to_owned(), |n| n.to_string()),
        config.requests_per_second_max.map_or("without a limit".to_owned(), |n| n.to_string()),
        describe_backups(config.backups.as_ref()),
        config.unsafe_no_fsync,
        describe_tls(&config.tls),
    )
}

fn describe_metrics(listeners: &[MetricsListener]) -> String {
    let describe = |MetricsListener { address, tls }: &MetricsListener| match tls {
        true => format!("https://{address}"),
        false => format!("http://{address}"),
    };
    match listeners.is_empty() {
        true => "none of their own".to_owned(),
        false => listeners.iter().map(describe).collect::<Vec<_>>().join(", "),
    }
}

fn describe_backups(backups: Option<&BackupPlan>) -> String {
    let describe = |BackupPlan { directory, every_ms, keep }: &BackupPlan| {
        format!("in {} every {every_ms} ms, {keep} kept", directory.display())
    };
    backups.map_or("none".to_owned(), describe)
}

fn describe_tls(tls: &TlsWays) -> String {
    let clients = match &tls.clients {
        None => "in plain text".to_owned(),
        Some(ClientTls { pair, ca_file: None, .. }) => pair.cert_file.display().to_string(),
        Some(ClientTls { pair, ca_file: Some(ca_file), must_show }) => {
            let must = if *must_show { "must" } else { "may" };
            let (shown, ca_file) = (pair.cert_file.display(), ca_file.display());
            format!("{shown}, and they {must} show one of {ca_file}")
        }
    };
    let peers = match tls.peers.as_ref().map(|peers| (&peers.pair.cert_file, &peers.trust)) {
        None => "in plain text".to_owned(),
        Some((shown, PeerTrust::Itself)) => format!("{}, and nobody comes", shown.display()),
        Some((shown, PeerTrust::Anyone)) => format!("{}, and ANYBODY may come", shown.display()),
        Some((shown, PeerTrust::Signed { ca_file, .. })) => {
            format!("{}, and they show one of {}", shown.display(), ca_file.display())
        }
    };
    format!("for clients {clients}; between members {peers}")
}

/// Resolves when standard input ends. A thread of its own: a blocked read of the runtime's would
/// hold up its end. Should stopping in good order hang, nobody is left to notice, so the thread
/// ends the process itself after a while.
fn watch_stdin() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(io::stdin().read(&mut ignored), Ok(count) if count > 0) {}
        sender.send(()).ok();
        thread::sleep(ORPHAN_PATIENCE);
        process::exit(1);
    });
    receiver
}

async fn ended(watch: Option<oneshot::Receiver<()>>) {
    match watch {
        Some(receiver) => drop(receiver.await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_are_absent_leave_the_word_to_others() {
        assert_eq!(raw(StartArgs::default()), Raw::default());
    }

    #[test]
    fn the_settings_as_they_were_understood() {
        let args = StartArgs {
            node_id: Some("node-1".into()),
            peers: Some(vec!["127.0.0.1:8002".into(), "localhost:8003".into()]),
            ..StartArgs::default()
        };
        let text = describe(&raw(args).resolve().unwrap());
        assert!(text.contains("advertise = localhost:8001"), "{text}");
        assert!(text.contains("peers = localhost:8002, localhost:8003"), "{text}");
    }
}
