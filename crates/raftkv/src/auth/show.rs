//! Users and roles as text: for people, as JSON, as a table, or bare for scripts.

use std::io::{self, Write};

use client::{Keys, Permission, Role, User};
use serde_json::{Value, json};

use super::Output;
use crate::args::Format;
use crate::render::{json_line, table};
use crate::text::{self, text_or_base64};

/// What a list of nothing looks like.
const NONE: &str = "-";

pub(super) fn list_users(users: &[User], output: Output, out: &mut impl Write) -> io::Result<()> {
    match output {
        None | Some(Format::Table) => {
            let mut table = table(&["USER", "PASSWORD", "ROLES"]);
            table.add_rows(users.iter().map(user_row));
            writeln!(out, "{table}")
        }
        Some(Format::Plain) => {
            users.iter().try_for_each(|user| writeln!(out, "{}", user_row(user).join("\t")))
        }
        Some(Format::Json) => json_line(&users, out),
    }
}

pub(super) fn show_user(user: &User, output: Output, out: &mut impl Write) -> io::Result<()> {
    let [name, password, roles] = user_row(user);
    match output {
        None => writeln!(out, "name = {name}\npassword = {password}\nroles = {roles}"),
        Some(Format::Json) => json_line(user, out),
        Some(Format::Plain | Format::Table) => list_users(std::slice::from_ref(user), output, out),
    }
}

/// Its name, whether it has a password, its roles.
fn user_row(user: &User) -> [String; 3] {
    let roles: Vec<String> = user.roles.iter().map(|role| line(role)).collect();
    let roles = if roles.is_empty() { NONE.to_owned() } else { roles.join(", ") };
    let password = if user.has_password { "yes" } else { "no" };
    [line(&user.name), password.to_owned(), roles]
}

pub(super) fn list_roles(roles: &[Role], output: Output, out: &mut impl Write) -> io::Result<()> {
    let rows = roles.iter().flat_map(role_rows);
    match output {
        None | Some(Format::Table) => {
            let mut table = table(&["ROLE", "MAY", "RANGE"]);
            table.add_rows(rows);
            writeln!(out, "{table}")
        }
        Some(Format::Plain) => {
            rows.into_iter().try_for_each(|row| writeln!(out, "{}", row.join("\t")))
        }
        Some(Format::Json) => json_line(&Value::Array(roles.iter().map(role_json).collect()), out),
    }
}

/// A line for each permission; the role may have none.
pub(super) fn show_role(role: &Role, output: Output, out: &mut impl Write) -> io::Result<()> {
    match output {
        None if role.permissions.is_empty() => {
            writeln!(out, "{} has no permissions", line(&role.name))
        }
        None | Some(Format::Plain) => role.permissions.iter().try_for_each(|permission| {
            writeln!(out, "{}\t{}", permission.access, in_words(&permission.keys))
        }),
        Some(Format::Json) => json_line(&role_json(role), out),
        Some(Format::Table) => list_roles(std::slice::from_ref(role), output, out),
    }
}

/// A row for each of its permissions, or one that says that there are none.
fn role_rows(role: &Role) -> Vec<[String; 3]> {
    let name = line(&role.name);
    if role.permissions.is_empty() {
        return vec![[name, NONE.to_owned(), NONE.to_owned()]];
    }
    let row = |permission: &Permission| {
        [name.clone(), permission.access.to_string(), in_words(&permission.keys)]
    };
    role.permissions.iter().map(row).collect()
}

/// As the flags of `raftkv role grant` have it.
fn in_words(keys: &Keys) -> String {
    match keys {
        Keys::All => "--prefix \"\"".to_owned(),
        Keys::One(key) => format!("--key {}", text::line(key)),
        Keys::Prefix(prefix) => format!("--prefix {}", text::line(prefix)),
        Keys::Range { from, to: None } => format!("--from {}", text::line(from)),
        Keys::Range { from, to: Some(to) } => {
            format!("--from {} --to {}", text::line(from), text::line(to))
        }
    }
}

/// As the HTTP door has it.
fn role_json(role: &Role) -> Value {
    let permissions: Vec<Value> = role.permissions.iter().map(permission_json).collect();
    json!({ "name": role.name, "permissions": permissions })
}

fn permission_json(permission: &Permission) -> Value {
    let mut shown = json!({ "access": permission.access });
    let mut tell = |name: &str, bytes: &[u8]| match text_or_base64(bytes) {
        (Some(text), _) => shown[name] = text.into(),
        (None, base64) => shown[format!("{name}_base64")] = base64.into(),
    };
    match &permission.keys {
        Keys::All => tell("prefix", b""),
        Keys::One(key) => tell("key", key),
        Keys::Prefix(prefix) => tell("prefix", prefix),
        Keys::Range { from, to } => {
            tell("from", from);
            if let Some(to) = to {
                tell("to", to);
            }
        }
    }
    shown
}

fn line(name: &str) -> String {
    text::line(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use client::Access;

    use super::*;
    use crate::render::tests::shown;

    fn users() -> [User; 2] {
        let roles = vec!["app".to_owned(), "root".to_owned()];
        [
            User { name: "ada".to_owned(), has_password: true, roles },
            User { name: "b\nb".to_owned(), has_password: false, roles: Vec::new() },
        ]
    }

    fn role() -> Role {
        let permission = |access, keys| Permission { access, keys };
        let range = Keys::Range { from: "a".into(), to: Some(vec![255].into()) };
        let permissions = vec![
            permission(Access::ReadWrite, Keys::Prefix("app/".into())),
            permission(Access::Read, range),
            permission(Access::Write, Keys::All),
        ];
        Role { name: "app".to_owned(), permissions }
    }

    #[test]
    fn users_in_every_format() {
        let list = |output| shown(|out| list_users(&users(), output, out));
        assert_eq!(list(Some(Format::Plain)), "ada\tyes\tapp, root\nb\\nb\tno\t-\n");
        assert!(list(None).contains("PASSWORD"));
        let json: Value = serde_json::from_str(&list(Some(Format::Json))).unwrap();
        assert_eq!(json[1], json!({ "name": "b\nb", "has_password": false, "roles": [] }));
        let one = |output| shown(|out| show_user(&users()[0], output, out));
        assert_eq!(one(None), "name = ada\npassword = yes\nroles = app, root\n");
        assert_eq!(one(Some(Format::Plain)), "ada\tyes\tapp, root\n");
    }

    #[test]
    fn a_role_in_every_format() {
        let one = |output| shown(|out| show_role(&role(), output, out));
        let lines = "readwrite\t--prefix app/\nread\t--from a --to \\xff\nwrite\t--prefix \"\"\n";
        assert_eq!(one(None), lines);
        assert_eq!(one(Some(Format::Plain)), lines);
        let json: Value = serde_json::from_str(&one(Some(Format::Json))).unwrap();
        let permissions = json!([
            { "access": "readwrite", "prefix": "app/" },
            { "access": "read", "from": "a", "to_base64": "/w==" },
            { "access": "write", "prefix": "" },
        ]);
        assert_eq!(json, json!({ "name": "app", "permissions": permissions }));
    }

    #[test]
    fn a_role_without_permissions_is_there_all_the_same() {
        let empty = Role { name: "new".to_owned(), permissions: Vec::new() };
        assert_eq!(shown(|out| show_role(&empty, None, out)), "new has no permissions\n");
        let list = shown(|out| list_roles(std::slice::from_ref(&empty), Some(Format::Plain), out));
        assert_eq!(list, "new\t-\t-\n");
    }
}
