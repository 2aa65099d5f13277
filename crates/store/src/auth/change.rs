//! Changes of the tables, as the log has them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    AUTH_BYTES_MAX, Auth, ENDED_MAX, LOGINS_MAX, Login, Permission, Principal, ROOT, Role, User,
};

/// A user's or role's name has 1 to so many bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// What is kept of a password has at most so many bytes.
pub const PASSWORD_HASH_BYTES_MAX: usize = 512;

/// A login is forgotten after so much of the cluster's age, ms: 30 days. Doors end one much
/// earlier that is not used.
const LOGIN_AGE_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;

/// From this feature level of the cluster on a login can be ended.
const LOG_OUT_LEVEL: u32 = 3;

/// A change of who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthChange {
    /// From here on requests need a user.
    Enable,
    /// From here on they don't; whoever is logged in is so no more.
    Disable,
    /// Adds a user without roles.
    AddUser {
        /// The name.
        name: Arc<str>,
        /// What was made of the password; none for one that has none.
        password_hash: Option<Arc<str>>,
    },
    /// Removes a user.
    DeleteUser {
        /// The name.
        name: Arc<str>,
    },
    /// Gives a user another password; whoever is logged in with the old one is so no more.
    SetPassword {
        /// The name.
        name: Arc<str>,
        /// As in [`AuthChange::AddUser`].
        password_hash: Option<Arc<str>>,
    },
    /// Gives a user a role; one that it has already is no error.
    GrantRole {
        /// The user.
        user: Arc<str>,
        /// The role.
        role: Arc<str>,
    },
    /// Takes a role from a user.
    RevokeRole {
        /// The user.
        user: Arc<str>,
        /// The role.
        role: Arc<str>,
    },
    /// Adds a role without permissions.
    AddRole {
        /// The name.
        name: Arc<str>,
    },
    /// Removes a role, from all users too.
    DeleteRole {
        /// The name.
        name: Arc<str>,
    },
    /// Gives a role a permission; one of the same range is replaced.
    GrantPermission {
        /// The role.
        role: Arc<str>,
        /// The permission.
        permission: Permission,
    },
    /// Takes the permission of exactly this range from a role.
    RevokePermission {
        /// The role.
        role: Arc<str>,
        /// As in [`Permission`].
        key: Bytes,
        /// As in [`Permission`].
        range_end: Bytes,
    },
    /// Somebody showed a password to a door, and gets a token for it.
    LogIn {
        /// Who, and with which password.
        principal: Principal,
        /// SHA-256 of the token.
        token_hash: [u8; 32],
    },
    /// Ends a login before its time; one that is over already, or is another's, is no error.
    LogOut {
        /// The entry that made it.
        index: u64,
        /// SHA-256 of the token: whoever does not have it ends nothing.
        token_hash: [u8; 32],
    },
}

impl AuthChange {
    /// As in [`crate::Command::feature_level`].
    pub(crate) fn feature_level(&self) -> u32 {
        match self {
            AuthChange::LogOut { .. } => LOG_OUT_LEVEL,
            AuthChange::Enable
            | AuthChange::Disable
            | AuthChange::AddUser { .. }
            | AuthChange::DeleteUser { .. }
            | AuthChange::SetPassword { .. }
            | AuthChange::GrantRole { .. }
            | AuthChange::RevokeRole { .. }
            | AuthChange::AddRole { .. }
            | AuthChange::DeleteRole { .. }
            | AuthChange::GrantPermission { .. }
            | AuthChange::RevokePermission { .. }
            | AuthChange::LogIn { .. } => 1,
        }
    }
}

/// Why somebody may not do something, or why the tables can't be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthRefused {
    /// Nobody said who asks, and authentication is on.
    NoUser,
    /// The user is gone, or has another password now.
    StaleCredentials,
    /// This user may not do that.
    Denied,
    /// There is no user `root` who could log in, so nobody could turn authentication off again.
    NoRootUser,
    /// The user `root` does not have the role `root`.
    NoRootRole,
    /// There is such a user already.
    UserExists,
    /// There is no such user.
    UserNotFound,
    /// There is such a role already.
    RoleExists,
    /// There is no such role.
    RoleNotFound,
    /// The user does not have that role.
    RoleNotGranted,
    /// The role has no permission of exactly this range.
    PermissionNotGranted,
    /// Authentication is off.
    NotEnabled,
    /// While authentication is on, what makes `root` root stays.
    RootStays,
    /// The tables are full ([`AUTH_BYTES_MAX`]).
    Full,
}

impl fmt::Display for AuthRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthRefused::NoUser => "authentication is on: say who you are",
            AuthRefused::StaleCredentials => {
                "the user is gone, has another password now, or has logged out"
            }
            AuthRefused::Denied => "this user may not do that",
            AuthRefused::NoRootUser => "there is no user root with a password",
            AuthRefused::NoRootRole => "the user root does not have the role root",
            AuthRefused::UserExists => "there is such a user already",
            AuthRefused::UserNotFound => "there is no such user",
            AuthRefused::RoleExists => "there is such a role already",
            AuthRefused::RoleNotFound => "there is no such role",
            AuthRefused::RoleNotGranted => "the user does not have that role",
            AuthRefused::PermissionNotGranted => "the role has no permission of exactly this range",
            AuthRefused::NotEnabled => "authentication is off",
            AuthRefused::RootStays => "while authentication is on, root stays what it is",
            AuthRefused::Full => "there are too many users and roles",
        })
    }
}

impl std::error::Error for AuthRefused {}

impl Auth {
    /// Takes a change in, as the log entry of this index asks for it, or leaves everything as it
    /// is.
    pub(crate) fn change(
        &mut self,
        change: AuthChange,
        index: u64,
        age_ms: u64,
    ) -> Result<(), AuthRefused> {
        let before = self.clone();
        let changed = match change {
            AuthChange::LogIn { principal, token_hash } => {
                self.log_in(Login { principal, token_hash, age_ms }, index)
            }
            AuthChange::LogOut { index, token_hash } => self.log_out(index, &token_hash),
            AuthChange::Enable => self.enable(),
            // What is so already is no change.
            AuthChange::Disable if !self.enabled => Ok(()),
            AuthChange::GrantRole { user, role } if self.has_role(&user, &role) => Ok(()),
            change => self.change_tables(change),
        };
        if changed.is_err() {
            *self = before;
        }
        changed
    }

    fn change_tables(&mut self, change: AuthChange) -> Result<(), AuthRefused> {
        self.revision += 1;
        let bytes = self.bytes;
        match change {
            AuthChange::Enable | AuthChange::LogIn { .. } | AuthChange::LogOut { .. } => {
                panic!("they change no table")
            }
            AuthChange::Disable => self.disable()?,
            AuthChange::AddUser { name, password_hash } => self.add_user(&name, password_hash)?,
            AuthChange::DeleteUser { name } => self.delete_user(&name)?,
            AuthChange::SetPassword { name, password_hash } => {
                self.set_password(&name, password_hash)?;
            }
            AuthChange::GrantRole { user, role } => self.grant_role(&user, role)?,
            AuthChange::RevokeRole { user, role } => self.revoke_role(&user, &role)?,
            AuthChange::AddRole { name } => self.add_role(&name)?,
            AuthChange::DeleteRole { name } => self.delete_role(&name)?,
            AuthChange::GrantPermission { role, permission } => {
                self.known_role(&role)?;
                self.edit_role(&role, |role| role.grant(permission));
            }
            AuthChange::RevokePermission { role, key, range_end } => {
                self.known_role(&role)?;
                let mut found = false;
                self.edit_role(&role, |role| found = role.revoke(&key, &range_end));
                holds(found, AuthRefused::PermissionNotGranted)?;
            }
        }
        // What makes them smaller goes always.
        holds(self.bytes <= AUTH_BYTES_MAX.max(bytes), AuthRefused::Full)
    }

    fn enable(&mut self) -> Result<(), AuthRefused> {
        let root = self.users.get(ROOT).ok_or(AuthRefused::NoRootUser)?;
        holds(root.password_hash.is_some(), AuthRefused::NoRootUser)?;
        holds(root.roles.contains(ROOT), AuthRefused::NoRootRole)?;
        self.enabled = true;
        Ok(())
    }

    fn disable(&mut self) -> Result<(), AuthRefused> {
        self.enabled = false;
        while let Some(index) = self.oldest_login() {
            self.take_login(index);
        }
        Ok(())
    }

    fn add_user(
        &mut self,
        name: &Arc<str>,
        password_hash: Option<Arc<str>>,
    ) -> Result<(), AuthRefused> {
        holds(!self.users.contains_key(name), AuthRefused::UserExists)?;
        let (credentials, roles) = (self.revision, BTreeSet::new());
        self.put_user(name, User { password_hash, credentials, roles });
        Ok(())
    }

    fn delete_user(&mut self, name: &str) -> Result<(), AuthRefused> {
        holds(!(self.enabled && name == ROOT), AuthRefused::RootStays)?;
        self.take_user(name).map(drop).ok_or(AuthRefused::UserNotFound)
    }

    fn set_password(
        &mut self,
        name: &Arc<str>,
        password_hash: Option<Arc<str>>,
    ) -> Result<(), AuthRefused> {
        let locks_out = self.enabled && **name == *ROOT && password_hash.is_none();
        holds(!locks_out, AuthRefused::RootStays)?;
        let credentials = self.revision;
        self.edit_user(name, |user| {
            user.password_hash = password_hash;
            user.credentials = credentials;
            Ok(())
        })
    }

    fn grant_role(&mut self, user: &Arc<str>, role: Arc<str>) -> Result<(), AuthRefused> {
        holds(self.users.contains_key(user), AuthRefused::UserNotFound)?;
        // Root's needs no permissions, so it needs not be there.
        if *role != *ROOT {
            self.known_role(&role)?;
        }
        self.edit_user(user, |user| {
            user.roles.insert(role);
            Ok(())
        })
    }

    fn revoke_role(&mut self, user: &Arc<str>, role: &str) -> Result<(), AuthRefused> {
        let of_root = self.enabled && **user == *ROOT && role == ROOT;
        holds(!of_root, AuthRefused::RootStays)?;
        self.edit_user(user, |user| holds(user.roles.remove(role), AuthRefused::RoleNotGranted))
    }

    fn add_role(&mut self, name: &Arc<str>) -> Result<(), AuthRefused> {
        holds(!self.roles.contains_key(name), AuthRefused::RoleExists)?;
        self.put_role(name, Role::default());
        Ok(())
    }

    fn delete_role(&mut self, name: &str) -> Result<(), AuthRefused> {
        holds(!(self.enabled && name == ROOT), AuthRefused::RootStays)?;
        self.take_role(name).ok_or(AuthRefused::RoleNotFound)?;
        let having = self.users.iter().filter(|(_, user)| user.roles.contains(name));
        let having: Vec<Arc<str>> = having.map(|(user, _)| Arc::clone(user)).collect();
        having.iter().try_for_each(|user| {
            self.edit_user(user, |user| {
                user.roles.remove(name);
                Ok(())
            })
        })
    }

    fn log_in(&mut self, login: Login, index: u64) -> Result<(), AuthRefused> {
        holds(self.enabled, AuthRefused::NotEnabled)?;
        holds(self.holds(&login.principal), AuthRefused::StaleCredentials)?;
        let (age_ms, user) = (login.age_ms, Arc::clone(&login.principal.user));
        if let Some(own) = self.surplus_login_of(&user) {
            self.take_login(own);
        }
        while let Some(oldest) = self.oldest_login() {
            let made_ms = self.logins[&oldest].age_ms;
            let is_over = made_ms.saturating_add(LOGIN_AGE_MS_MAX) < age_ms;
            if !is_over && self.logins.len() < LOGINS_MAX {
                break;
            }
            self.take_login(oldest);
        }
        self.put_login(index, login);
        Ok(())
    }

    fn log_out(&mut self, index: u64, token_hash: &[u8; 32]) -> Result<(), AuthRefused> {
        holds(self.enabled, AuthRefused::NotEnabled)?;
        if self.logins.get(&index).is_some_and(|login| login.token_hash == *token_hash) {
            self.take_login(index);
            self.ended.insert(index);
            if self.ended.len() > ENDED_MAX {
                self.ended.remove_min();
            }
        }
        Ok(())
    }

    fn oldest_login(&self) -> Option<u64> {
        self.logins.get_min().map(|(index, _)| *index)
    }

    fn has_role(&self, user: &str, role: &str) -> bool {
        self.user(user).is_some_and(|user| user.roles.contains(role))
    }

    fn known_role(&self, name: &str) -> Result<(), AuthRefused> {
        holds(self.roles.contains_key(name), AuthRefused::RoleNotFound)
    }

    fn edit_user(
        &mut self,
        name: &Arc<str>,
        edit: impl FnOnce(&mut User) -> Result<(), AuthRefused>,
    ) -> Result<(), AuthRefused> {
        let user = self.users.get(name).ok_or(AuthRefused::UserNotFound)?;
        let mut user = User::clone(user);
        edit(&mut user)?;
        self.put_user(name, user);
        Ok(())
    }

    fn edit_role(&mut self, name: &Arc<str>, edit: impl FnOnce(&mut Role)) {
        let mut role = self.roles.get(name).map(|role| Role::clone(role)).unwrap_or_default();
        edit(&mut role);
        self.put_role(name, role);
    }
}

fn holds(holds: bool, refused: AuthRefused) -> Result<(), AuthRefused> {
    if holds { Ok(()) } else { Err(refused) }
}
