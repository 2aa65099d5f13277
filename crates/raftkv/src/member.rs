//! `raftkv member`: who is in the cluster, and changes of that.

use std::io::{self, Write};
use std::time::Duration;

use client::{Changed, Client, Cluster, ClusterMember};

use crate::args::{ConnectArgs, Format, MemberCommand};
use crate::failure::Failure;
use crate::kv::{connect, nobody};
use crate::render::{json_line, table};

mod drain;

const COLUMNS: [&str; 5] = ["MEMBER", "ADDRESS", "STANDING", "ID", "CLIENTS"];

pub(crate) async fn run(command: MemberCommand, out: &mut impl Write) -> Result<(), Failure> {
    match &command {
        MemberCommand::List(args) => {
            let cluster = nobody(&args.connect)?.cluster().await?;
            return Ok(list(&cluster, args.connect.output, out)?);
        }
        MemberCommand::Drain { member, wait, undo: false, connect } => {
            return drain::run(member, wait.map(Duration::from_secs), connect, out).await;
        }
        MemberCommand::Level { raise: false, connect } => {
            let level = nobody(connect)?.cluster().await?.feature_level;
            return Ok(writeln!(out, "{level}")?);
        }
        _ => {}
    }
    let client = connect(connect_of(&command))?;
    let output = connect_of(&command).output;
    let changed = change(&client, &command).await?;
    match output {
        Some(Format::Json) => json_line(&changed, out)?,
        Some(Format::Plain) => writeln!(out, "{}", changed.member.as_deref().unwrap_or("-"))?,
        Some(Format::Table) => list(&changed.cluster, output, out)?,
        None => writeln!(out, "{}", in_words(&command, &changed))?,
    }
    Ok(())
}

fn connect_of(command: &MemberCommand) -> &ConnectArgs {
    match command {
        MemberCommand::List(args) => &args.connect,
        MemberCommand::Add { connect, .. }
        | MemberCommand::Promote { connect, .. }
        | MemberCommand::Remove { connect, .. }
        | MemberCommand::Replace { connect, .. }
        | MemberCommand::Drain { connect, .. }
        | MemberCommand::Level { connect, .. }
        | MemberCommand::Address { connect, .. } => connect,
    }
}

async fn change(client: &Client, command: &MemberCommand) -> Result<Changed, client::Error> {
    match command {
        MemberCommand::List(_) => unreachable!("a list changes nothing"),
        MemberCommand::Add { address, name, .. } => {
            client.add_member(address, name.as_deref()).await
        }
        MemberCommand::Promote { member, .. } => client.promote_member(member).await,
        MemberCommand::Remove { member, .. } => client.remove_member(member).await,
        MemberCommand::Replace { old, new, .. } => client.replace_member(old, new).await,
        MemberCommand::Address { member, address, .. } => client.move_member(member, address).await,
        MemberCommand::Drain { member, .. } => client.undo_drain(member).await,
        MemberCommand::Level { .. } => client.raise_level().await,
    }
}

/// What was done, and what is to be done next.
fn in_words(command: &MemberCommand, changed: &Changed) -> String {
    let voters = voters(&changed.cluster);
    match command {
        MemberCommand::List(_) => unreachable!("a list changes nothing"),
        MemberCommand::Add { address, .. } => format!(
            "there is a place for a member at {address}; start it there with \
             `raftkv start --join URL` of any member"
        ),
        MemberCommand::Promote { member, .. } => format!("{member} votes now; {voters} voters"),
        MemberCommand::Remove { member, .. } => {
            format!("{member} is removed, and its process ends; {voters} voters")
        }
        MemberCommand::Replace { old, new, .. } => {
            format!("{new} votes in the place of {old}; {voters} voters")
        }
        MemberCommand::Drain { member, .. } => format!("{member} is not restarted"),
        MemberCommand::Level { .. } => {
            format!("the cluster has feature level {} now", changed.cluster.feature_level)
        }
        MemberCommand::Address { member, address, .. } => {
            format!("{member} is reached at {address}")
        }
    }
}

fn voters(cluster: &Cluster) -> usize {
    cluster.members.iter().filter(|member| member.standing == "voter").count()
}

fn list(cluster: &Cluster, output: Option<Format>, out: &mut impl Write) -> io::Result<()> {
    match output {
        Some(Format::Json) => json_line(cluster, out),
        Some(Format::Plain) => cluster
            .members
            .iter()
            .try_for_each(|member| writeln!(out, "{}", row(member).join("\t"))),
        None | Some(Format::Table) => {
            let mut table = table(&COLUMNS);
            table.add_rows(cluster.members.iter().map(row));
            writeln!(out, "{table}")
        }
    }
}

/// Clients come to the address, unless the member tells them otherwise.
fn row(member: &ClusterMember) -> [String; 5] {
    let standing = match member.incarnation {
        Some(_) if member.draining => format!("{}, draining", member.standing),
        Some(_) => member.standing.clone(),
        None => "reserved".to_owned(),
    };
    let clients = match member.client_urls.is_empty() {
        true => format!("http://{}", member.address),
        false => member.client_urls.join(","),
    };
    [member.name.clone(), member.address.clone(), standing, member.id.clone(), clients]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8, standing: &str, incarnation: Option<&str>) -> ClusterMember {
        ClusterMember {
            id: format!("a{number}"),
            name: format!("node-{number}"),
            address: format!("localhost:1800{number}"),
            client_urls: if number == 1 {
                vec!["http://localhost:8001".to_owned()]
            } else {
                vec![]
            },
            standing: standing.to_owned(),
            incarnation: incarnation.map(str::to_owned),
            draining: number == 1,
        }
    }

    fn shown(output: Option<Format>) -> String {
        let members = vec![member(1, "voter", Some("7")), member(2, "learner", None)];
        let cluster =
            Cluster { cluster_id: "c".to_owned(), joint: false, feature_level: 2, members };
        let mut out = Vec::new();
        list(&cluster, output, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_members_for_people_and_for_scripts() {
        let plain = "node-1\tlocalhost:18001\tvoter, draining\ta1\thttp://localhost:8001\n\
                     node-2\tlocalhost:18002\treserved\ta2\thttp://localhost:18002\n";
        assert_eq!(shown(Some(Format::Plain)), plain);
        let table = shown(None);
        assert!(table.contains("STANDING") && table.contains("reserved"), "{table}");
        let json: serde_json::Value = serde_json::from_str(&shown(Some(Format::Json))).unwrap();
        assert_eq!(json["members"][1]["incarnation"], serde_json::Value::Null);
    }
}
