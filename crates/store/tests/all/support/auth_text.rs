//! Changes of who may do what, written in words.

use std::error::Error;

use bytes::Bytes;
use store::{Access, Auth, AuthChange, Permission, Principal};

/// `enable`, `add user NAME [HASH]`, `permit ROLE read KEY [END]`, and so on.
pub(crate) fn read(text: &str, auth: &Auth) -> Result<AuthChange, Box<dyn Error>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let bytes = |text: &str| Bytes::from(text.replace("\\0", "\0"));
    let set = |name: &&str, hash: Option<&&str>| ((*name).into(), hash.map(|hash| (*hash).into()));
    Ok(match &words[..] {
        ["enable"] => AuthChange::Enable,
        ["disable"] => AuthChange::Disable,
        ["add", "user", name, rest @ ..] => {
            let (name, password_hash) = set(name, rest.first());
            AuthChange::AddUser { name, password_hash }
        }
        ["password", name, rest @ ..] => {
            let (name, password_hash) = set(name, rest.first());
            AuthChange::SetPassword { name, password_hash }
        }
        ["delete", "user", name] => AuthChange::DeleteUser { name: (*name).into() },
        ["add", "role", name] => AuthChange::AddRole { name: (*name).into() },
        ["delete", "role", name] => AuthChange::DeleteRole { name: (*name).into() },
        ["grant", user, role] => {
            AuthChange::GrantRole { user: (*user).into(), role: (*role).into() }
        }
        ["revoke", user, role] => {
            AuthChange::RevokeRole { user: (*user).into(), role: (*role).into() }
        }
        ["permit", role, access, key, rest @ ..] => {
            let access = match *access {
                "read" => Access::Read,
                "write" => Access::Write,
                "all" => Access::ReadWrite,
                _ => return Err("permit ROLE read, write or all".into()),
            };
            let range_end = rest.first().map(|end| bytes(end)).unwrap_or_default();
            let permission = Permission { access, key: bytes(key), range_end };
            AuthChange::GrantPermission { role: (*role).into(), permission }
        }
        ["forbid", role, key, rest @ ..] => AuthChange::RevokePermission {
            role: (*role).into(),
            key: bytes(key),
            range_end: rest.first().map(|end| bytes(end)).unwrap_or_default(),
        },
        ["login", user] => {
            AuthChange::LogIn { principal: principal(user, auth), token_hash: [7; 32] }
        }
        ["logout", index] => log_out(index, [7; 32])?,
        ["logout", index, "with", "another", "token"] => log_out(index, [8; 32])?,
        _ => return Err(format!("no change of who may do what: {text}").into()),
    })
}

fn log_out(index: &str, token_hash: [u8; 32]) -> Result<AuthChange, Box<dyn Error>> {
    Ok(AuthChange::LogOut { index: index.parse()?, token_hash })
}

/// A user as they are now; one that is not there is shown as if it ever was.
pub(crate) fn principal(user: &str, auth: &Auth) -> Principal {
    let credentials = auth.user(user).map_or(0, |user| user.credentials);
    Principal { user: user.into(), credentials }
}

/// All tables.
pub(crate) fn show(auth: &Auth) -> String {
    let state = if auth.is_enabled() { "on" } else { "off" };
    let mut text = format!("{state}, revision {}\n", auth.revision());
    for (name, user) in auth.users() {
        let hash = user.password_hash.as_deref().unwrap_or("no password");
        let roles: Vec<&str> = user.roles.iter().map(|role| &**role).collect();
        text += &format!("user {name} ({hash}, {}): {}\n", user.credentials, roles.join(" "));
    }
    for (name, role) in auth.roles() {
        text += &format!("role {name}\n");
        for Permission { access, key, range_end } in role.permissions() {
            let (key, end) = (key.escape_ascii(), range_end.escape_ascii());
            text += &format!("  {access:?} {key} {end}\n");
        }
    }
    text
}
