//! `raftkv lease`: what keys live as long as.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use client::{Client, Error, LeaseId, LeaseItem, LeaseStanding};
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

use crate::args::{ConnectArgs, Format, LeaseArgs, LeaseCommand};
use crate::failure::Failure;
use crate::kv::{connect, consistency};
use crate::render::{json_line, table};
use crate::text::{self, text_or_base64};

const COLUMNS: [&str; 3] = ["LEASE", "TTL", "KEYS"];

/// A lease is kept alive so many times within its time to live.
const PER_TTL: u32 = 3;

/// Whoever finds nobody to keep it alive asks again after this time.
const RETRY: Duration = Duration::from_millis(200);

pub(crate) async fn run(command: LeaseCommand, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        LeaseCommand::Grant { ttl, id, connect } => grant(ttl, id, &connect, out).await,
        LeaseCommand::Revoke { which } => revoke(&which, out).await,
        LeaseCommand::KeepAlive { once, which } => keep_alive(&which, once, out).await,
        LeaseCommand::Ttl { keys, which } => time_to_live(&which, keys, out).await,
        LeaseCommand::List { stale, connect } => list(stale, &connect, out).await,
    }
}

async fn grant(
    ttl: Duration,
    id: Option<i64>,
    args: &ConnectArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let granted = connect(args)?.grant(ttl, id.map(LeaseId)).await?;
    let (lease, ttl_s) = (granted.lease, granted.ttl.as_secs());
    match args.output {
        None => writeln!(out, "lease {lease}, {ttl_s} s")?,
        Some(Format::Plain) => writeln!(out, "{lease}")?,
        Some(Format::Json) => json_line(&json!({ "lease": lease, "ttl": ttl_s }), out)?,
        Some(Format::Table) => rows(&[LeaseItem { lease, ttl: granted.ttl, keys: 0 }], out)?,
    }
    Ok(())
}

async fn revoke(
    LeaseArgs { id, connect: args }: &LeaseArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let lease = LeaseId(*id);
    let revoked = match connect(args)?.revoke(lease).await {
        Err(error) if error.code() == Some("lease_not_found") => return Err(gone(lease)),
        revoked => revoked?,
    };
    match args.output {
        Some(Format::Json) => json_line(
            &json!({ "lease": lease, "deleted": revoked.deleted, "revision": revoked.revision }),
            out,
        )?,
        None | Some(Format::Plain | Format::Table) => writeln!(out, "OK")?,
    }
    Ok(())
}

/// Prints each time that it was kept alive. A member that does not answer is no end: others may,
/// until the lease's time is over.
async fn keep_alive(
    LeaseArgs { id, connect: args }: &LeaseArgs,
    once: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (client, lease): (Client, _) = (connect(args)?, LeaseId(*id));
    let mut lives_until = Instant::now();
    loop {
        // Its time counts from when the question comes to the leader, not from the answer.
        let asked = Instant::now();
        let standing = match client.keep_alive(lease).await {
            Ok(standing) => standing.ok_or_else(|| gone(lease))?,
            Err(Error::Unavailable { .. } | Error::Unknown { .. }) if asked < lives_until => {
                sleep(RETRY).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        lives_until = asked + standing.ttl;
        write_standing(lease, &standing, false, args.output, out)?;
        out.flush()?;
        if once {
            return Ok(());
        }
        sleep_until((asked + standing.ttl / PER_TTL).into()).await;
    }
}

async fn time_to_live(
    LeaseArgs { id, connect: args }: &LeaseArgs,
    keys: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let lease = LeaseId(*id);
    let standing = connect(args)?.time_to_live(lease, keys).await?;
    let standing = standing.ok_or_else(|| gone(lease))?;
    Ok(write_standing(lease, &standing, keys, args.output, out)?)
}

async fn list(stale: bool, args: &ConnectArgs, out: &mut impl Write) -> Result<(), Failure> {
    let client = connect(args)?;
    let mut all: Vec<LeaseItem> = Vec::new();
    loop {
        let after = all.last().map(|last| last.lease);
        let page = client.leases(after, consistency(stale)).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    Ok(write_all(&all, args.output, out)?)
}

fn gone(lease: LeaseId) -> Failure {
    Failure::Negative(format!("there is no lease {lease} (any more)"))
}

fn write_standing(
    lease: LeaseId,
    standing: &LeaseStanding,
    keys: bool,
    output: Option<Format>,
    out: &mut impl Write,
) -> io::Result<()> {
    let LeaseStanding { ttl, left, .. } = standing;
    match output {
        None => {
            writeln!(
                out,
                "lease {lease}, {:.1} s of {} s left",
                left.as_secs_f64(),
                ttl.as_secs()
            )?;
        }
        Some(Format::Plain) => writeln!(out, "{}", left.as_millis())?,
        Some(Format::Json) => {
            return json_line(&standing_json(lease, standing, keys), out);
        }
        Some(Format::Table) => {
            let item = LeaseItem { lease, ttl: *ttl, keys: standing.key_count };
            return rows(&[item], out);
        }
    }
    standing.keys.iter().try_for_each(|key| writeln!(out, "{}", text::line(key)))
}

fn standing_json(lease: LeaseId, standing: &LeaseStanding, keys: bool) -> Value {
    let left_ms = u64::try_from(standing.left.as_millis()).unwrap_or(u64::MAX);
    let mut body = json!({ "lease": lease, "ttl": standing.ttl.as_secs(), "ttl_ms": left_ms });
    if keys {
        let key = |key: &bytes::Bytes| match text_or_base64(key) {
            (Some(text), _) => json!({ "key": text }),
            (None, base64) => json!({ "key_base64": base64 }),
        };
        body["keys"] = standing.keys.iter().map(key).collect();
        body["count"] = standing.key_count.into();
    }
    body
}

fn write_all(all: &[LeaseItem], output: Option<Format>, out: &mut impl Write) -> io::Result<()> {
    match output {
        None | Some(Format::Table) => rows(all, out),
        Some(Format::Plain) => all.iter().try_for_each(|item| writeln!(out, "{}", item.lease)),
        Some(Format::Json) => {
            let item = |item: &LeaseItem| {
                let LeaseItem { lease, ttl, keys } = item;
                json!({ "lease": lease, "ttl": ttl.as_secs(), "keys": keys })
            };
            json_line(&Value::Array(all.iter().map(item).collect()), out)
        }
    }
}

fn rows(items: &[LeaseItem], out: &mut impl Write) -> io::Result<()> {
    let mut table = table(&COLUMNS);
    let row = |item: &LeaseItem| {
        [item.lease.to_string(), format!("{} s", item.ttl.as_secs()), item.keys.to_string()]
    };
    table.add_rows(items.iter().map(row));
    writeln!(out, "{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> LeaseStanding {
        LeaseStanding {
            ttl: Duration::from_secs(10),
            left: Duration::from_millis(8_250),
            keys: vec!["a".into(), vec![255].into()],
            key_count: 2,
        }
    }

    fn shown(output: Option<Format>) -> String {
        let mut out = Vec::new();
        write_standing(LeaseId(7), &standing(), true, output, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_left_for_people_and_for_scripts() {
        assert_eq!(shown(None), "lease 7, 8.2 s of 10 s left\na\n\\xff\n");
        assert_eq!(shown(Some(Format::Plain)), "8250\na\n\\xff\n");
        let json: Value = serde_json::from_str(&shown(Some(Format::Json))).unwrap();
        let keys = json!([{ "key": "a" }, { "key_base64": "/w==" }]);
        let expected = json!({ "lease": 7, "ttl": 10, "ttl_ms": 8250, "keys": keys, "count": 2 });
        assert_eq!(json, expected);
        assert!(shown(Some(Format::Table)).contains("LEASE"));
    }

    #[test]
    fn all_leases_in_every_format() {
        let item = LeaseItem { lease: LeaseId(7), ttl: Duration::from_secs(10), keys: 2 };
        let shown = |output| {
            let mut out = Vec::new();
            write_all(&[item], output, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(Some(Format::Plain)), "7\n");
        assert_eq!(shown(Some(Format::Json)).trim(), r#"[{"keys":2,"lease":7,"ttl":10}]"#);
        assert!(shown(None).contains("10 s"));
    }
}
