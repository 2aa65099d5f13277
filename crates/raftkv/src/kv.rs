//! The commands that read and write keys.

use std::io::{self, Read as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use client::{
    Client, Condition, Consistency, Error, ExactlyOnce, GetOptions, HistoryOptions, LeaseId,
    Lifetime, ListOptions, Moment, Options, Revision, WriteOptions,
};

use crate::args::{
    CompactArgs, ConnectArgs, DeleteArgs, Format, GetArgs, HistoryArgs, LifetimeArgs, ListArgs,
    PutArgs, ReadArgs,
};
use crate::failure::Failure;
use crate::password::credentials;
use crate::past::Versions;
use crate::render::{self, Items};
use crate::text::{self, Values};

/// A longer standard input is no value of any store; it is not read on.
const STDIN_BYTES_MAX: u64 = 64 << 20;

/// A client as the flags say, which asks for a password if need be. It talks to no member yet.
pub(crate) fn connect(args: &ConnectArgs) -> Result<Client, Failure> {
    // A command writes once or a few times and is gone: a session would outlive it.
    connect_with(args, Options { exactly_once: ExactlyOnce::Key, ..Options::default() })
}

/// A client for what needs no user, so that nobody is asked for a password.
pub(crate) fn nobody(args: &ConnectArgs) -> Result<Client, Failure> {
    let options = Options { timeout: args.timeout, ..Options::default() };
    secured(Client::new(args.endpoints(), options), args)
}

/// The same client, with the certificates of the flags.
pub(crate) fn secured(client: Client, args: &ConnectArgs) -> Result<Client, Failure> {
    let Some(tls) = args.tls.said() else { return Ok(client) };
    if tls.skip_verify && !SAID_SKIPPING.swap(true, Ordering::Relaxed) {
        complain!(
            "raftkv: --insecure-skip-tls-verify: whoever stands between this command and the \
             members can read and change everything"
        );
    }
    Ok(client.with_tls(&tls)?)
}

/// A command that makes several clients warns once.
static SAID_SKIPPING: AtomicBool = AtomicBool::new(false);

/// The same as [`connect`] with other options; the timeout is that of the flags.
pub(crate) fn connect_with(args: &ConnectArgs, options: Options) -> Result<Client, Failure> {
    let client = nobody(args)?.with_options(Options { timeout: args.timeout, ..options });
    Ok(match credentials(args.as_user.as_ref())? {
        Some(credentials) => client.with_credentials(credentials),
        None => client,
    })
}

pub(crate) async fn put(args: PutArgs, out: &mut impl Write) -> Result<(), Failure> {
    let value = value_of(&args.value, args.base64)?;
    let revision = args.if_revision.map(|revision| Condition::Revision(Revision(revision)));
    let condition = revision.or(args.if_absent.then_some(Condition::Absent));
    let lifetime = lifetime(&args.lifetime);
    let options = WriteOptions { condition, prev: args.prev, lifetime };
    let written = connect(&args.connect)?.put_with(&args.key, value, options).await;
    let written = written.map_err(|error| told(&args.key, error, args.connect.output, out))?;
    let prev = args.prev.then_some(written.prev.as_ref());
    Ok(render::put(&args.key, &written, prev, args.connect.output, out)?)
}

fn lifetime(args: &LifetimeArgs) -> Lifetime {
    match (args.ttl, args.lease) {
        (Some(ttl), _) => Lifetime::Ttl(ttl),
        (None, Some(lease)) => Lifetime::Lease(LeaseId(lease)),
        (None, None) => Lifetime::Unbounded,
    }
}

pub(crate) async fn get(args: GetArgs, out: &mut impl Write) -> Result<(), Failure> {
    let found = connect(&args.connect)?.get_with(&args.key, get_options(&args.read)).await?;
    let Some(item) = found else { return Err(not_found(&args.key)) };
    let values = if args.base64 { Values::AsBase64 } else { Values::AsText };
    Ok(render::get(&item, values, args.connect.output, out)?)
}

/// Removes one key after the other. All are tried unless one fails; those that are missing are
/// named together in the end.
pub(crate) async fn delete(args: DeleteArgs, out: &mut impl Write) -> Result<(), Failure> {
    if args.if_revision.is_some() && args.keys.len() > 1 {
        return Err(Failure::Usage("--if-revision is about one key: name only one".to_owned()));
    }
    let condition = args.if_revision.map(|revision| Condition::Revision(Revision(revision)));
    let client = connect(&args.connect)?;
    let mut missing = Vec::new();
    for key in &args.keys {
        let options = WriteOptions { condition, prev: args.prev, ..WriteOptions::default() };
        let deleted = client.delete_with(key, options).await;
        let deleted = deleted.map_err(|error| told(key, error, args.connect.output, out))?;
        let prev = args.prev.then_some(deleted.prev.as_ref());
        render::delete(key, &deleted, prev, args.connect.output, out)?;
        if deleted.deleted == 0 {
            missing.push(key.as_str());
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(not_found(&missing.join(", "))) }
}

/// Prints page by page, so that the first keys show at once and no list is too long for memory;
/// a table alone must know all its rows first.
pub(crate) async fn list(args: ListArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut listing = connect(&args.connect)?.list(list_options(&args));
    let values = if args.keys_only { Values::Absent } else { Values::AsText };
    let mut items = Items::new(args.connect.output, values);
    while let Some(page) = listing.next_page().await? {
        for item in &page.items {
            items.add(item, out)?;
        }
        out.flush()?;
    }
    Ok(items.finish(out)?)
}

/// Prints page by page, as a list does.
pub(crate) async fn history(args: HistoryArgs, out: &mut impl Write) -> Result<(), Failure> {
    let options = HistoryOptions {
        limit: args.limit,
        before: args.before.map(Revision),
        consistency: consistency(args.stale),
    };
    let mut history = connect(&args.connect)?.history(&args.key, options);
    let mut versions = Versions::new(args.connect.output);
    while let Some(page) = history.next_page().await? {
        for version in &page.versions {
            versions.add(version, out)?;
        }
        out.flush()?;
    }
    if versions.count() == 0 && args.before.is_none() && args.limit != Some(0) {
        return Err(not_found(&args.key));
    }
    Ok(versions.finish(out)?)
}

/// Gives up the past before a revision.
pub(crate) async fn compact(args: CompactArgs, out: &mut impl Write) -> Result<(), Failure> {
    let compacted = connect(&args.connect)?.compact(Revision(args.revision)).await?;
    Ok(render::compacted(&compacted, args.connect.output, out)?)
}

/// A condition that failed is an answer: the key as it is instead is printed.
pub(crate) fn told(
    key: &str,
    error: Error,
    output: Option<Format>,
    out: &mut impl Write,
) -> Failure {
    let Error::ConditionFailed { current, revision } = &error else { return error.into() };
    match render::conflict(key, current.as_deref(), *revision, output, out) {
        Ok(()) => error.into(),
        Err(broken) => broken.into(),
    }
}

/// The value as it was given: as text, in base64, or on standard input.
pub(crate) fn value_of(written: &str, base64: bool) -> Result<Bytes, Failure> {
    let written = match written {
        "-" => read_stdin()?,
        text => text.as_bytes().to_vec(),
    };
    if !base64 {
        return Ok(Bytes::from(written));
    }
    let decoded = text::decode_base64(&written);
    decoded.map(Bytes::from).map_err(|error| Failure::Usage(format!("--base64: {error}")))
}

fn read_stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().take(STDIN_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Usage(format!("standard input: {error}")))?;
    if bytes.len() as u64 > STDIN_BYTES_MAX {
        let limit = STDIN_BYTES_MAX >> 20;
        return Err(Failure::Usage(format!("standard input: longer than {limit} MiB")));
    }
    Ok(bytes)
}

pub(crate) fn get_options(read: &ReadArgs) -> GetOptions {
    GetOptions { consistency: consistency(read.stale), moment: moment(read) }
}

fn list_options(args: &ListArgs) -> ListOptions {
    ListOptions {
        prefix: args.prefix.clone().into(),
        limit: args.limit,
        keys_only: args.keys_only,
        consistency: consistency(args.read.stale),
        moment: moment(&args.read),
    }
}

pub(crate) fn moment(read: &ReadArgs) -> Moment {
    match (read.revision, &read.at) {
        (Some(revision), _) => Moment::Revision(Revision(revision)),
        (None, Some(time)) => Moment::Time(time.clone()),
        (None, None) => Moment::Now,
    }
}

pub(crate) fn consistency(stale: bool) -> Consistency {
    if stale { Consistency::Stale } else { Consistency::Linearizable }
}

fn not_found(keys: &str) -> Failure {
    Failure::Negative(format!("not found: {}", text::line(keys.as_bytes())))
}
