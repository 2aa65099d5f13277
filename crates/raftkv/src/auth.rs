//! `raftkv auth`, `user` and `role`: who may do what.

use std::io::{self, Write};

use client::{AuthChanged, AuthStatus, Permission};
use serde_json::json;

use crate::args::{AuthCommand, Format, NameArgs, RoleCommand, UserCommand};
use crate::failure::Failure;
use crate::kv::connect;
use crate::password::new_password;
use crate::render::{json_line, table};
use crate::text;

mod show;

use show::{list_roles, list_users, show_role, show_user};

type Output = Option<Format>;

pub(crate) async fn run(command: AuthCommand, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        AuthCommand::Status(args) => {
            let status = connect(&args)?.auth_status().await?;
            Ok(write_status(&status, args.output, out)?)
        }
        AuthCommand::Enable(args) => {
            let changed = connect(&args)?.enable_auth().await?;
            Ok(done(changed, "authentication is on: requests need --user", args.output, out)?)
        }
        AuthCommand::Disable(args) => {
            let changed = connect(&args)?.disable_auth().await?;
            let words = "authentication is off: everybody may do everything";
            Ok(done(changed, words, args.output, out)?)
        }
    }
}

pub(crate) async fn user(command: UserCommand, out: &mut impl Write) -> Result<(), Failure> {
    let (changed, output) = match command {
        UserCommand::List(args) => {
            let users = connect(&args)?.users().await?;
            return Ok(list_users(&users, args.output, out)?);
        }
        UserCommand::Get(NameArgs { name, connect: args }) => {
            let user = connect(&args)?.user(&name).await?;
            return Ok(show_user(&user, args.output, out)?);
        }
        UserCommand::Add { which: NameArgs { name, connect: args }, password, no_password } => {
            let client = connect(&args)?;
            let password = match no_password {
                true => None,
                false => Some(new_password(&name, password.password_stdin)?),
            };
            (client.add_user(&name, password.as_deref()).await?, args.output)
        }
        UserCommand::Passwd { which: NameArgs { name, connect: args }, password } => {
            let client = connect(&args)?;
            let password = new_password(&name, password.password_stdin)?;
            (client.set_password(&name, &password).await?, args.output)
        }
        UserCommand::Delete(NameArgs { name, connect: args }) => {
            (connect(&args)?.delete_user(&name).await?, args.output)
        }
        UserCommand::Grant(args) => {
            let client = connect(&args.connect)?;
            (client.grant_role(&args.user, &args.role).await?, args.connect.output)
        }
        UserCommand::Revoke(args) => {
            let client = connect(&args.connect)?;
            (client.revoke_role(&args.user, &args.role).await?, args.connect.output)
        }
    };
    Ok(done(changed, "OK", output, out)?)
}

pub(crate) async fn role(command: RoleCommand, out: &mut impl Write) -> Result<(), Failure> {
    let (changed, output) = match command {
        RoleCommand::List(args) => {
            let roles = connect(&args)?.roles().await?;
            return Ok(list_roles(&roles, args.output, out)?);
        }
        RoleCommand::Get(NameArgs { name, connect: args }) => {
            let role = connect(&args)?.role(&name).await?;
            return Ok(show_role(&role, args.output, out)?);
        }
        RoleCommand::Add(NameArgs { name, connect: args }) => {
            (connect(&args)?.add_role(&name).await?, args.output)
        }
        RoleCommand::Delete(NameArgs { name, connect: args }) => {
            (connect(&args)?.delete_role(&name).await?, args.output)
        }
        RoleCommand::Grant { role, access, keys, connect: args } => {
            let permission = Permission { access: access.into(), keys: keys.keys() };
            (connect(&args)?.grant_permission(&role, &permission).await?, args.output)
        }
        RoleCommand::Revoke { role, keys, connect: args } => {
            (connect(&args)?.revoke_permission(&role, &keys.keys()).await?, args.output)
        }
    };
    Ok(done(changed, "OK", output, out)?)
}

/// A change was made.
fn done(changed: AuthChanged, words: &str, output: Output, out: &mut impl Write) -> io::Result<()> {
    let AuthChanged { log_index, term } = changed;
    match output {
        None => writeln!(out, "{words}"),
        Some(Format::Plain | Format::Table) => writeln!(out, "OK"),
        Some(Format::Json) => {
            json_line(&json!({ "status": "changed", "log_index": log_index, "term": term }), out)
        }
    }
}

fn write_status(status: &AuthStatus, output: Output, out: &mut impl Write) -> io::Result<()> {
    let word = if status.enabled { "on" } else { "off" };
    let user = status.user.as_ref().map(|user| text::cell(user.as_bytes()));
    match output {
        None => match user {
            Some(user) => writeln!(out, "authentication is {word}; you are {user}"),
            None => writeln!(out, "authentication is {word}"),
        },
        Some(Format::Plain) => writeln!(out, "{word}"),
        Some(Format::Json) => json_line(status, out),
        Some(Format::Table) => {
            let mut table = table(&["AUTHENTICATION", "REVISION", "USER"]);
            let user = user.unwrap_or_else(|| "-".to_owned());
            table.add_row([word.to_owned(), status.revision.to_string(), user]);
            writeln!(out, "{table}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::shown;

    #[test]
    fn the_status_in_every_format() {
        let on = AuthStatus { enabled: true, revision: 7, user: Some("root".to_owned()) };
        let status = |output| shown(|out| write_status(&on, output, out));
        assert_eq!(status(None), "authentication is on; you are root\n");
        assert_eq!(status(Some(Format::Plain)), "on\n");
        let json = "{\"enabled\":true,\"revision\":7,\"user\":\"root\"}\n";
        assert_eq!(status(Some(Format::Json)), json);
        assert!(status(Some(Format::Table)).contains("root"));
        let off = AuthStatus { enabled: false, revision: 1, user: None };
        assert_eq!(shown(|out| write_status(&off, None, out)), "authentication is off\n");
    }

    #[test]
    fn a_change_in_every_format() {
        let changed = AuthChanged { log_index: 9, term: 2 };
        let done = |output| shown(|out| done(changed, "it is so", output, out));
        assert_eq!(done(None), "it is so\n");
        assert_eq!(done(Some(Format::Plain)), "OK\n");
        let json = "{\"log_index\":9,\"status\":\"changed\",\"term\":2}\n";
        assert_eq!(done(Some(Format::Json)), json);
    }
}
