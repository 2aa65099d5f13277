//! The commands that look at the cluster, and the one that moves its leadership.

use std::io::Write;
use std::time::Duration;

use client::{Client, Endpoint, Error, Member, MemberView, Options, Part, Status};
use serde_json::json;
use tokio::task::JoinSet;

use crate::args::{ConnectArgs, Format, StatusArgs, TransferArgs};
use crate::diagnosis::{Diagnosis, Health, Seen, VOTER, diagnose};
use crate::failure::Failure;
use crate::kv::{connect, nobody, secured};
use crate::render::{json_line, table};

/// One row a member.
const COLUMNS: [&str; 10] =
    ["MEMBER", "ADDRESS", "ROLE", "TERM", "LAST", "COMMIT", "APPLIED", "REVISION", "KEYS", "STATE"];

/// How long one member may take to say how it is, while others have answered already.
const MEMBER_PATIENCE: Duration = Duration::from_secs(1);

pub(crate) async fn status(args: StatusArgs, out: &mut impl Write) -> Result<(), Failure> {
    let members = look(&args.connect).await?;
    let diagnosis = diagnose(&members);
    write_status(&members, &diagnosis, args.connect.output, out)?;
    match diagnosis.health {
        Health::Healthy | Health::Degraded => Ok(()),
        Health::Down => Err(Failure::Unavailable("the cluster does not serve".to_owned())),
    }
}

pub(crate) async fn leader(args: StatusArgs, out: &mut impl Write) -> Result<(), Failure> {
    let leader = nobody(&args.connect)?.leader().await?;
    let (member, term) = (&leader.member, leader.term);
    match args.connect.output {
        None => writeln!(out, "{} {} (term {term})", member.name, url_of(member))?,
        Some(Format::Plain) => writeln!(out, "{}", url_of(member))?,
        Some(Format::Json) => {
            json_line(&json!({ "leader": member_json(member), "term": term }), out)?;
        }
        Some(Format::Table) => {
            let mut table = table(&["MEMBER", "ADDRESS", "TERM"]);
            table.add_row([&member.name, reached_at(member), &term.to_string()]);
            writeln!(out, "{table}")?;
        }
    }
    Ok(())
}

pub(crate) async fn transfer(args: TransferArgs, out: &mut impl Write) -> Result<(), Failure> {
    let leader = connect(&args.connect)?.transfer(args.to.as_deref()).await?;
    match args.connect.output {
        Some(Format::Json) => json_line(&json!({ "leader": member_json(&leader) }), out)?,
        Some(Format::Plain) => writeln!(out, "{}", url_of(&leader))?,
        None | Some(Format::Table) => writeln!(out, "{} leads now", leader.name)?,
    }
    Ok(())
}

/// Where clients reach a member; where its peers do, if this client can not go there.
fn reached_at(member: &Member) -> &str {
    member.endpoint.as_ref().map_or(&member.address, Endpoint::address)
}

/// The same as a URL.
fn url_of(member: &Member) -> String {
    let address = || format!("http://{}", member.address);
    member.endpoint.as_ref().map_or_else(address, Endpoint::to_string)
}

/// Asks each member that was named, or all of the cluster if none was.
pub(crate) async fn health(args: StatusArgs, out: &mut impl Write) -> Result<(), Failure> {
    let client = once(&args.connect)?;
    let endpoints = match args.connect.named_endpoints() {
        Some(endpoints) => endpoints.to_vec(),
        None => client.members().await?.into_iter().filter_map(|member| member.endpoint).collect(),
    };
    let checked = check(&client, endpoints, args.connect.timeout).await;
    let healthy = checked.iter().filter(|(.., result)| result.is_ok()).count();
    for (_, endpoint, result) in &checked {
        write_health(endpoint, result, args.connect.output, out)?;
    }
    match healthy {
        0 => Err(Failure::Unavailable("no member is healthy".to_owned())),
        _ if healthy == checked.len() => Ok(()),
        _ => {
            let message = format!("{healthy} of {} members are healthy", checked.len());
            Err(Failure::Negative(message))
        }
    }
}

/// All at once; the answers come in the order of the endpoints.
async fn check(
    client: &Client,
    endpoints: Vec<Endpoint>,
    timeout: Duration,
) -> Vec<(usize, Endpoint, Result<(), Error>)> {
    let mut checks = JoinSet::new();
    for (position, endpoint) in endpoints.into_iter().enumerate() {
        let client = client.only(endpoint.clone()).with_options(patience(timeout));
        checks.spawn(async move { (position, endpoint, client.health().await) });
    }
    let mut checked = checks.join_all().await;
    checked.sort_by_key(|(position, ..)| *position);
    checked
}

/// For a member that is asked once, for what it knows without asking others.
fn patience(timeout: Duration) -> Options {
    Options { timeout: timeout.min(MEMBER_PATIENCE), attempts_max: 1, ..Options::default() }
}

fn write_health(
    endpoint: &Endpoint,
    result: &Result<(), Error>,
    output: Option<Format>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let reason = result.as_ref().err().map(reason);
    match (output, reason) {
        (Some(Format::Json), reason) => {
            let endpoint = endpoint.to_string();
            json_line(
                &json!({"endpoint": endpoint, "healthy": reason.is_none(), "reason": reason}),
                out,
            )
        }
        (_, None) => writeln!(out, "{endpoint}: healthy"),
        (_, Some(reason)) => writeln!(out, "{endpoint}: {reason}"),
    }
}

/// A client that asks each member once: whoever looks at a cluster wants to see who is away now.
fn once(args: &ConnectArgs) -> Result<Client, Failure> {
    let endpoints = args.endpoints();
    let attempts_max = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
    let timeout = args.timeout.min(MEMBER_PATIENCE * attempts_max);
    let options = Options { timeout, attempts_max, ..Options::default() };
    secured(Client::new(endpoints, options), args)
}

/// Asks the first member that answers who is in the cluster, and then each of them how it is.
async fn look(args: &ConnectArgs) -> Result<Vec<Seen>, Failure> {
    let client = once(args)?;
    let first = client.status().await?;
    let mut asked = JoinSet::new();
    for (address, endpoint) in addresses(args, &first) {
        let client = client.only(endpoint).with_options(patience(args.timeout));
        asked.spawn(async move { (address, client.status().await) });
    }
    Ok(assemble(&first, &asked.join_all().await))
}

/// Where members may be reached: where they say they are, and where this command was sent to. The
/// two differ where ports are mapped, as with containers.
fn addresses(args: &ConnectArgs, first: &Status) -> Vec<(String, Endpoint)> {
    let advertised = first.members.iter().map(address_of);
    let given = args.endpoints().into_iter().map(|endpoint| endpoint.address().to_owned());
    let mut addresses: Vec<String> = advertised.chain(given).collect();
    addresses.sort();
    addresses.dedup();
    let parse = |address: String| Some((address.clone(), address.parse().ok()?));
    addresses.into_iter().filter_map(parse).collect()
}

/// Where clients reach a member, as far as this one can go there.
fn address_of(member: &MemberView) -> String {
    let endpoint = member.endpoint();
    endpoint.map_or_else(|| member.address.clone(), |endpoint| endpoint.address().to_owned())
}

/// What was answered, sorted to the members by id, or by address where nobody answered.
fn assemble(first: &Status, answers: &[(String, Result<Status, Error>)]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = first
        .members
        .iter()
        .map(|member| {
            let answer = answers.iter().find_map(|(_, answer)| {
                answer.as_ref().ok().filter(|status| status.id == member.id)
            });
            let failure = answers.iter().find_map(|(address, answer)| {
                answer.as_ref().err().filter(|_| *address == address_of(member))
            });
            let status = match (answer, failure) {
                (Some(status), _) => Ok(status.clone()),
                (None, Some(error)) => Err(reason(error)),
                (None, None) => Err("another member answers at its address".to_owned()),
            };
            let address = address_of(member);
            let MemberView { name, standing, .. } = member.clone();
            Seen { name, address, standing, status }
        })
        .collect();
    if seen.is_empty() {
        // It has no cluster yet, and speaks for itself alone.
        let Status { name, address, .. } = first.clone();
        let told = first.endpoint().map(|endpoint| endpoint.address().to_owned());
        let address = told.unwrap_or(address);
        let standing = VOTER.to_owned();
        seen.push(Seen { name, address, standing, status: Ok(first.clone()) });
    }
    seen.sort_by(|one, other| one.name.cmp(&other.name));
    seen
}

/// The reason alone, where one member was asked once.
fn reason(error: &Error) -> String {
    match error {
        Error::Unavailable { reasons, .. } => {
            reasons.first().map_or_else(|| error.to_string(), |(_, reason)| reason.clone())
        }
        _ => error.to_string(),
    }
}

fn member_json(member: &Member) -> serde_json::Value {
    let url = member.endpoint.as_ref().map(Endpoint::to_string);
    json!({ "id": member.id, "name": member.name, "address": member.address, "url": url })
}

fn write_status(
    members: &[Seen],
    diagnosis: &Diagnosis,
    output: Option<Format>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    match output {
        Some(Format::Json) => json_line(&status_json(members, diagnosis), out),
        Some(Format::Plain) => {
            members.iter().try_for_each(|member| writeln!(out, "{}", row(member).join("\t")))
        }
        None | Some(Format::Table) => {
            let mut table = table(&COLUMNS);
            table.add_rows(members.iter().map(row));
            writeln!(out, "{table}")?;
            let sentences = diagnosis.sentences.iter().cloned().chain(backups(members));
            sentences.into_iter().try_for_each(|sentence| writeln!(out, "{sentence}"))
        }
    }
}

fn row(member: &Seen) -> Vec<String> {
    let Seen { name, address, standing, status } = member;
    let (word, part) = match status {
        Ok(Status { part: Some(part), .. }) if standing == VOTER => (part.role.clone(), Some(part)),
        // One that counts for less, or not any more, is called by that.
        Ok(Status { part: Some(part), .. }) => (standing.clone(), Some(part)),
        Ok(status) => (status.phase.clone(), None),
        Err(_) => ("away".to_owned(), None),
    };
    let mut row = vec![name.clone(), address.clone(), word];
    row.extend(part.into_iter().flat_map(numbers));
    row.resize(COLUMNS.len(), "-".to_owned());
    row
}

fn numbers(part: &Part) -> Vec<String> {
    let log = &part.log;
    let numbers = [part.term, log.last_index, log.commit, log.applied, part.revision.0, part.keys];
    numbers.iter().map(u64::to_string).chain([part.state_hash.clone()]).collect()
}

/// What members that make backups by themselves have: nothing that is wrong, so no sentence of the
/// diagnosis.
fn backups(members: &[Seen]) -> impl Iterator<Item = String> + use<'_> {
    members.iter().filter_map(|member| {
        let status = member.status.as_ref().ok()?;
        let backups = status.more.get("backups").filter(|backups| backups.is_object())?;
        let (kept, directory) = (backups["kept"].as_u64()?, backups["directory"].as_str()?);
        let newest = match backups["newest"]["age_ms"].as_u64() {
            Some(age_ms) => format!("the newest is {} s old", age_ms / 1_000),
            None => "none is known to be sound yet".to_owned(),
        };
        Some(format!("{}: {kept} backups in {directory}, {newest}", member.name))
    })
}

fn status_json(members: &[Seen], diagnosis: &Diagnosis) -> serde_json::Value {
    let members = members.iter().map(|member| match &member.status {
        Ok(status) => serde_json::to_value(status).unwrap_or_default(),
        Err(error) => {
            json!({"name": member.name, "address": member.address, "error": error})
        }
    });
    let members: Vec<_> = members.collect();
    json!({"health": diagnosis.health, "words": diagnosis.sentences, "members": members})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{away, well};

    fn shown(members: &[Seen], output: Option<Format>) -> String {
        let mut out = Vec::new();
        write_status(members, &diagnose(members), output, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn how_old_the_newest_backup_is_is_told_and_nothing_wrong() {
        let mut member = well(1);
        let newest = json!({ "age_ms": 65_000 });
        let backups = json!({ "directory": "/backups", "kept": 3, "newest": newest });
        let status = member.status.as_mut().unwrap();
        status.more.insert("backups".to_owned(), backups);
        let told = shown(std::slice::from_ref(&member), None);
        assert!(
            told.ends_with("node-1: 3 backups in /backups, the newest is 65 s old\n"),
            "{told}"
        );
        assert!(matches!(diagnose(&[member]).health, Health::Healthy));
    }

    #[test]
    fn status_for_people() {
        assert_eq!(
            shown(&[well(1), away(2), well(3)], None),
            "\
┌──────────────────────────────────────────────────────────────────────────────────────────────────┐
│ MEMBER   ADDRESS          ROLE       TERM   LAST   COMMIT   APPLIED   REVISION   KEYS   STATE    │
╞══════════════════════════════════════════════════════════════════════════════════════════════════╡
│ node-1   localhost:8001   leader        4     40       40        40         30     12   00c0ffee │
│ node-2   localhost:8002   away          -      -        -         -          -      -   -        │
│ node-3   localhost:8003   follower      4     40       40        40         30     12   00c0ffee │
└──────────────────────────────────────────────────────────────────────────────────────────────────┘
2 of 3 members work, node-1 leads in term 4; the next failure stops reads and writes
node-2 (localhost:8002) does not answer: connection refused
"
        );
    }

    #[test]
    fn status_for_scripts() {
        let members = [well(1), away(2)];
        assert_eq!(
            shown(&members, Some(Format::Plain)),
            "node-1\tlocalhost:8001\tleader\t4\t40\t40\t40\t30\t12\t00c0ffee\n\
             node-2\tlocalhost:8002\taway\t-\t-\t-\t-\t-\t-\t-\n"
        );
        let json: serde_json::Value =
            serde_json::from_str(&shown(&members, Some(Format::Json))).unwrap();
        assert_eq!(json["health"], "down");
        assert_eq!(json["members"][0]["log"]["commit"], 40);
        assert_eq!(json["members"][1]["error"], "connection refused");
    }
}
