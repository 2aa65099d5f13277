//! One user.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::hash;

/// What one user counts for beside its bytes: its nodes in the tables, give or take.
const USER_BYTES: usize = 512;

/// What one of its roles counts for beside its name.
const ROLE_BYTES: usize = 96;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What the doors made of the password, in the string form of the Password Hashing Competition;
    /// none for one that has none, and gets in by other means only.
    pub password_hash: Option<Arc<str>>,
    /// The revision of the tables at which that was set.
    pub credentials: u64,
    /// The roles, by name.
    pub roles: BTreeSet<Arc<str>>,
}

impl User {
    /// What it takes in memory, about.
    pub(super) fn bytes(&self, name: &str) -> u64 {
        let hash = self.password_hash.as_ref().map_or(0, |hash| hash.len());
        let roles: usize = self.roles.iter().map(|role| ROLE_BYTES + role.len()).sum();
        (USER_BYTES + name.len() + hash + roles) as u64
    }

    /// The item of the state hash.
    pub(super) fn item(&self, name: &str) -> u64 {
        let hash = self.password_hash.as_ref().map_or(0, |hash| hash::bytes(hash.as_bytes()));
        let roles = hash::list(self.roles.iter().map(|role| role.as_bytes()));
        let has_password = u64::from(self.password_hash.is_some());
        hash::user_item(name.as_bytes(), has_password, hash, self.credentials, roles)
    }
}
