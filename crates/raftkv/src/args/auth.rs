//! `--user`, `raftkv auth`, `user` and `role`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use client::{Access, Keys};

use super::ConnectArgs;

/// Whom a command speaks for: `NAME:PASSWORD`, or `NAME`. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AsUser {
    pub(crate) name: String,
    /// To be asked for if it is not there.
    pub(crate) password: Option<String>,
}

impl FromStr for AsUser {
    type Err = Infallible;

    /// Takes anything: a refusal here would repeat it, with the password.
    fn from_str(text: &str) -> Result<AsUser, Infallible> {
        let (name, password) = match text.split_once(':') {
            Some((name, password)) => (name, Some(password.to_owned())),
            None => (text, None),
        };
        Ok(AsUser { name: name.to_owned(), password })
    }
}

impl fmt::Debug for AsUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// While authentication is on every request needs a user (--user).
#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Print whether authentication is on, and who you are
    Status(ConnectArgs),
    /// Turn authentication on; there must be a user root with the role root
    Enable(ConnectArgs),
    /// Turn authentication off: everybody may do everything
    Disable(ConnectArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; the password is asked for
    Add {
        #[command(flatten)]
        which: NameArgs,
        #[command(flatten)]
        password: PasswordArgs,
        /// Add it without a password: it can not log in
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
    },
    /// Remove a user
    #[command(visible_alias = "del")]
    Delete(NameArgs),
    /// Print all users
    #[command(visible_alias = "ls")]
    List(ConnectArgs),
    /// Print a user and its roles
    Get(NameArgs),
    /// Give a user another password, which is asked for; tokens of the old one are over
    Passwd {
        #[command(flatten)]
        which: NameArgs,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Give a user a role
    Grant(UserRoleArgs),
    /// Take a role from a user
    Revoke(UserRoleArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Add a role, which may do nothing yet
    Add(NameArgs),
    /// Remove a role, from all its users too
    #[command(visible_alias = "del")]
    Delete(NameArgs),
    /// Print all roles and what they may do
    #[command(visible_alias = "ls")]
    List(ConnectArgs),
    /// Print what a role may do
    Get(NameArgs),
    /// Let a role read or write keys
    Grant {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        role: String,
        access: AccessArg,
        #[command(flatten)]
        keys: KeysArgs,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Take the permission of exactly these keys from a role
    Revoke {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        role: String,
        #[command(flatten)]
        keys: KeysArgs,
        #[command(flatten)]
        connect: ConnectArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UserRoleArgs {
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) user: String,
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) role: String,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from standard input; a newline at its end is no part of it
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// What a permission allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessArg {
    /// To read and to watch
    Read,
    /// To put and to delete
    Write,
    /// Both
    #[value(name = "readwrite")]
    ReadWrite,
}

impl From<AccessArg> for Access {
    fn from(access: AccessArg) -> Access {
        match access {
            AccessArg::Read => Access::Read,
            AccessArg::Write => Access::Write,
            AccessArg::ReadWrite => Access::ReadWrite,
        }
    }
}

/// Exactly one of the key, the prefix and the range.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct KeysArgs {
    /// One key
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new(),
        conflicts_with_all = ["prefix", "from"])]
    pub(crate) key: Option<String>,
    /// Every key that begins with this; "" for all
    #[arg(long, value_name = "PREFIX", conflicts_with = "from")]
    pub(crate) prefix: Option<String>,
    /// This key and all after it
    #[arg(long, value_name = "KEY")]
    pub(crate) from: Option<String>,
    /// ... up to this one, without it
    #[arg(long, value_name = "KEY", requires = "from", conflicts_with_all = ["key", "prefix"])]
    pub(crate) to: Option<String>,
}

impl KeysArgs {
    pub(crate) fn keys(self) -> Keys {
        let KeysArgs { key, prefix, from, to } = self;
        match (key, prefix) {
            (Some(key), _) => Keys::One(key.into()),
            (None, Some(prefix)) if prefix.is_empty() => Keys::All,
            (None, Some(prefix)) => Keys::Prefix(prefix.into()),
            (None, None) => {
                Keys::Range { from: from.unwrap_or_default().into(), to: to.map(Into::into) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
    }

    fn user_of(line: &str) -> Option<AsUser> {
        match parse(line).unwrap_or_else(|error| panic!("{line}: {error}")) {
            Command::Get(get) => get.connect.as_user,
            Command::Record(super::super::RecordCommand::Get(get)) => get.connect.as_user,
            _ => panic!("not understood: {line}"),
        }
    }

    #[test]
    fn a_user_may_be_named_before_the_command_or_after_it() {
        let user = AsUser { name: "root".into(), password: Some("a:b".into()) };
        for line in [
            "raftkv --user root:a:b get k",
            "raftkv get k --user root:a:b",
            "raftkv --user root:a:b record get k f",
            "raftkv record --user root:a:b get k f",
            "raftkv record get k f --user root:a:b",
        ] {
            assert_eq!(user_of(line), Some(user.clone()), "{line}");
        }
        let asked = AsUser { name: "root".into(), password: None };
        assert_eq!(user_of("raftkv get k --user root"), Some(asked));
        assert_eq!(user_of("raftkv get k"), None);
    }

    #[test]
    fn a_password_is_never_printed() {
        let line = "raftkv --user root:secret user add u --frobnicate";
        let error = parse(line).expect_err(line).to_string();
        assert!(!error.contains("secret"), "{error}");
        let command = parse("raftkv get k --user root:secret").unwrap();
        let printed = format!("{command:?}");
        assert!(printed.contains("root") && !printed.contains("secret"), "{printed}");
    }

    #[test]
    fn keys_are_one_of_three() {
        let keys = |line: &str| match parse(&format!("raftkv role revoke r {line}")) {
            Ok(Command::Role(RoleCommand::Revoke { keys, .. })) => Ok(keys.keys()),
            Ok(_) => panic!("not understood: {line}"),
            Err(error) => Err(error.exit_code()),
        };
        let range =
            |to: Option<&'static str>| Keys::Range { from: "a".into(), to: to.map(Into::into) };
        assert_eq!(keys("--key k"), Ok(Keys::One("k".into())));
        assert_eq!(keys("--prefix p/"), Ok(Keys::Prefix("p/".into())));
        assert_eq!(keys("--prefix="), Ok(Keys::All));
        assert_eq!(keys("--from a"), Ok(range(None)));
        assert_eq!(keys("--from a --to b"), Ok(range(Some("b"))));
        for line in [
            "",
            "--to b",
            "--key=",
            "--key k --prefix p",
            "--key k --from a",
            "--prefix p --from a",
            "--prefix p --to b",
        ] {
            assert_eq!(keys(line), Err(2), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_usage() {
        for line in [
            "raftkv auth",
            "raftkv user",
            "raftkv user add",
            "raftkv user add u --password-stdin --no-password",
            "raftkv user passwd u --no-password",
            "raftkv user grant u",
            "raftkv role grant r all --prefix p",
            "raftkv role grant r read",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }
}
