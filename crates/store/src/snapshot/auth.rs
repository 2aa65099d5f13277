//! The tables of who may do what, out and in: roles, then users, then logins.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::SnapshotError;
use super::builder::{NUMBER_MAX, consistent, in_order};
use super::wire::{self, Kind};
use crate::auth::{Access, Auth, LOGINS_MAX, Login, Permission, Principal, ROOT, Role, User};

/// The head's part; none while nobody has set anything.
pub(super) fn head(auth: &Auth) -> Option<wire::Auth> {
    let head = wire::Auth { enabled: auth.is_enabled(), revision: auth.revision() };
    (!auth.is_untouched()).then_some(head)
}

/// Which row was written last.
#[derive(Clone, Debug)]
pub(super) enum Cursor {
    Role(Option<Arc<str>>),
    User(Option<Arc<str>>),
    Login(u64),
}

impl Default for Cursor {
    fn default() -> Cursor {
        Cursor::Role(None)
    }
}

impl Cursor {
    /// The next row, and where to go on after it.
    pub(super) fn row(&self, auth: &Auth) -> Option<(Kind, Cursor)> {
        let role_after = |name: Option<&str>| {
            let (name, role) = auth.role_after(name)?;
            Some((Kind::Role(role_row(name, role)), Cursor::Role(Some(Arc::clone(name)))))
        };
        let user_after = |name: Option<&str>| {
            let (name, user) = auth.user_after(name)?;
            Some((Kind::User(user_row(name, user)), Cursor::User(Some(Arc::clone(name)))))
        };
        let login_after = |index: u64| {
            let (index, login) = auth.login_after(index)?;
            Some((Kind::Login(login_row(index, login)), Cursor::Login(index)))
        };
        match self {
            Cursor::Role(name) => {
                let role = role_after(name.as_deref());
                role.or_else(|| user_after(None)).or_else(|| login_after(0))
            }
            Cursor::User(name) => user_after(name.as_deref()).or_else(|| login_after(0)),
            Cursor::Login(index) => login_after(*index),
        }
    }
}

fn role_row(name: &str, role: &Role) -> wire::Role {
    let permission = |Permission { access, key, range_end }| wire::Permission {
        access: access.number(),
        key,
        range_end,
    };
    wire::Role { name: name.to_owned(), permissions: role.permissions().map(permission).collect() }
}

fn user_row(name: &str, user: &User) -> wire::User {
    wire::User {
        name: name.to_owned(),
        password_hash: user.password_hash.as_deref().map(str::to_owned),
        credentials: user.credentials,
        roles: user.roles.iter().map(|role| (**role).to_owned()).collect(),
    }
}

fn login_row(index: u64, login: &Login) -> wire::Login {
    wire::Login {
        index,
        user: (*login.principal.user).to_owned(),
        credentials: login.principal.credentials,
        token_hash: login.token_hash.to_vec(),
        age_ms: login.age_ms,
    }
}

fn read_permission(record: &wire::Permission) -> Result<Permission, SnapshotError> {
    let wire::Permission { access, key, range_end } = record;
    let access = Access::of(*access).ok_or(SnapshotError::UnknownRecord)?;
    // Copies: the snapshot's buffer holds much else.
    let [key, range_end] = [key, range_end].map(|bytes| Bytes::copy_from_slice(bytes));
    Ok(Permission { access, key, range_end })
}

/// The tables in the making.
pub(super) struct Tables {
    auth: Auth,
    /// Whether the head says that something was ever set.
    told: bool,
    last: Cursor,
}

impl Tables {
    pub(super) fn new(head: Option<wire::Auth>) -> Result<Tables, SnapshotError> {
        let auth = match head {
            Some(wire::Auth { enabled, revision }) => {
                consistent((1..=NUMBER_MAX).contains(&revision), "numbers are at most 2^62")?;
                Auth::load(enabled, revision)
            }
            None => Auth::default(),
        };
        Ok(Tables { auth, told: head.is_some(), last: Cursor::default() })
    }

    pub(super) fn read_role(&mut self, record: wire::Role) -> Result<(), SnapshotError> {
        let wire::Role { name, permissions } = record;
        self.told()?;
        let ascends = match &self.last {
            Cursor::Role(last) => last.as_deref().is_none_or(|last| *last < *name),
            Cursor::User(_) | Cursor::Login(_) => false,
        };
        in_order(ascends, "roles ascend, and come before users")?;
        let range =
            |permission: &wire::Permission| (permission.key.clone(), permission.range_end.clone());
        let ascend = permissions.is_sorted_by(|one, next| range(one) < range(next));
        in_order(ascend, "a role's permissions ascend")?;
        let permissions = permissions.iter().map(read_permission).collect::<Result<_, _>>()?;
        let name: Arc<str> = name.into();
        self.auth.load_role(&name, Role::of(permissions));
        self.last = Cursor::Role(Some(name));
        Ok(())
    }

    pub(super) fn read_user(&mut self, record: wire::User) -> Result<(), SnapshotError> {
        let wire::User { name, password_hash, credentials, roles } = record;
        self.told()?;
        let ascends = match &self.last {
            Cursor::Role(_) => true,
            Cursor::User(last) => last.as_deref().is_none_or(|last| *last < *name),
            Cursor::Login(_) => false,
        };
        in_order(ascends, "users ascend, and come before logins")?;
        in_order(roles.is_sorted_by(|one, next| one < next), "a user's roles ascend")?;
        let known = roles.iter().all(|role| role == ROOT || self.auth.role(role).is_some());
        consistent(known, "a user has roles that are there")?;
        let set_before = credentials <= self.auth.revision();
        consistent(set_before, "a password was set before the snapshot")?;
        let roles: BTreeSet<Arc<str>> = roles.into_iter().map(Into::into).collect();
        let password_hash = password_hash.map(Into::into);
        let name: Arc<str> = name.into();
        self.auth.load_user(&name, User { password_hash, credentials, roles });
        self.last = Cursor::User(Some(name));
        Ok(())
    }

    pub(super) fn read_login(
        &mut self,
        record: wire::Login,
        head: &wire::Head,
    ) -> Result<(), SnapshotError> {
        let wire::Login { index, user, credentials, token_hash, age_ms } = record;
        self.told()?;
        let ascends = match self.last {
            Cursor::Role(_) | Cursor::User(_) => true,
            Cursor::Login(last) => last < index,
        };
        in_order(ascends, "logins ascend")?;
        let before = (1..=head.applied_index).contains(&index) && age_ms <= NUMBER_MAX;
        consistent(before, "a login was made before the snapshot")?;
        let token_hash = token_hash.try_into().map_err(|_| SnapshotError::Malformed)?;
        let principal = Principal { user: user.into(), credentials };
        self.auth.load_login(index, Login { principal, token_hash, age_ms });
        consistent(self.auth.logins_len() <= LOGINS_MAX, "logins are bounded")?;
        self.last = Cursor::Login(index);
        Ok(())
    }

    fn told(&self) -> Result<(), SnapshotError> {
        consistent(self.told, "the head tells of authentication if a record does")
    }

    pub(super) fn rows(&self) -> u64 {
        self.auth.rows()
    }

    pub(super) fn into_auth(self) -> Auth {
        self.auth
    }
}
