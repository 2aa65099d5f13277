//! Who may do what: users, their roles, and the ranges of keys that a role opens.
//!
//! The tables are part of the state: changed by entries of the log, in every snapshot and in the
//! state hash. While authentication is off everybody may do everything. While it is on every
//! request has a [`Principal`], and one function says what that one may do ([`Auth::check`]): the
//! doors ask it before they read, and the store asks it of every command at the command's own place
//! in the log ([`crate::Command::As`]). So a permission that was taken away is gone for every write
//! that comes after it in the log, whichever member let the write in.
//!
//! What this does not do: know a password or a token. It keeps what the doors made of them, and
//! they compare.

mod change;
mod check;
mod login;
mod role;
mod user;

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::hash;

pub use change::{AuthChange, AuthRefused, NAME_BYTES_MAX, PASSWORD_HASH_BYTES_MAX};
pub use check::Need;
pub use login::Login;
pub use role::{Access, Permission, Role};
pub use user::User;

/// The user, and the role, that may do everything.
pub const ROOT: &str = "root";

/// All users and roles take at most so many bytes; what would make them larger is refused.
pub const AUTH_BYTES_MAX: u64 = 8 << 20;

/// So many logins; one more takes the place of the oldest.
pub const LOGINS_MAX: usize = 50_000;

/// So many logins of one user; one more takes the place of their oldest, and of nobody else's.
pub const LOGINS_OF_USER_MAX: usize = 1_000;

/// So many logins that were ended are remembered, the newest.
const ENDED_MAX: usize = 1_024;

/// What one login counts for: its nodes in the table and its names, give or take.
const LOGIN_BYTES: u64 = 256;

/// The revision of the tables before the first change, as in etcd.
const FIRST_REVISION: u64 = 1;

/// Somebody, as the doors came to know them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Their name.
    pub user: Arc<str>,
    /// The revision of the tables at which what they showed was set ([`User::credentials`]): a
    /// password that was changed since, or a user that was removed and added again, is another.
    pub credentials: u64,
}

/// All tables. A clone costs the same however large they are.
#[derive(Clone, Debug)]
pub struct Auth {
    enabled: bool,
    revision: u64,
    users: OrdMap<Arc<str>, Arc<User>>,
    roles: OrdMap<Arc<str>, Arc<Role>>,
    logins: OrdMap<u64, Login>,
    /// Whose they are.
    logins_of_users: OrdSet<(Arc<str>, u64)>,
    /// Logins that were ended before their time, as far as this process has seen it: no part of
    /// the state, so neither hashed nor in snapshots. Those that only made room for others are not
    /// here.
    ended: OrdSet<u64>,
    /// What the users and roles take in memory, about.
    bytes: u64,
    /// The wrapping sum of the items of the state hash, this table's own not counted.
    items: u64,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            enabled: false,
            revision: FIRST_REVISION,
            users: OrdMap::new(),
            roles: OrdMap::new(),
            logins: OrdMap::new(),
            logins_of_users: OrdSet::new(),
            ended: OrdSet::new(),
            bytes: 0,
            items: 0,
        }
    }
}

impl Auth {
    /// Whether requests need a user.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// How often the tables were changed, and one.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name).map(|user| &**user)
    }

    /// All users, by name.
    pub fn users(&self) -> impl Iterator<Item = (&str, &User)> {
        self.users.iter().map(|(name, user)| (&**name, &**user))
    }

    /// A role by name.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name).map(|role| &**role)
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.roles.iter().map(|(name, role)| (&**name, &**role))
    }

    /// The login that the log entry of this index made, if it still holds: its user is there, and
    /// has the password of then.
    pub fn login(&self, index: u64) -> Option<&Login> {
        let login = self.logins.get(&index)?;
        self.holds(&login.principal).then_some(login)
    }

    /// Whether the login of this entry was ended by its holder, lately: for whoever was let in by
    /// it before. One that is not there may as well have made room for others, which ends nothing
    /// that has begun.
    pub fn was_ended(&self, index: u64) -> bool {
        self.ended.contains(&index)
    }

    /// The first user after this name; the first of all after none.
    pub(crate) fn user_after(&self, name: Option<&str>) -> Option<(&Arc<str>, &User)> {
        let after = name.map_or(Unbounded, Excluded);
        let (name, user) = self.users.range::<_, str>((after, Unbounded)).next()?;
        Some((name, user))
    }

    /// The first role after this name; the first of all after none.
    pub(crate) fn role_after(&self, name: Option<&str>) -> Option<(&Arc<str>, &Role)> {
        let after = name.map_or(Unbounded, Excluded);
        let (name, role) = self.roles.range::<_, str>((after, Unbounded)).next()?;
        Some((name, role))
    }

    /// The first login that an entry after this index made.
    pub(crate) fn login_after(&self, index: u64) -> Option<(u64, &Login)> {
        let (index, login) = self.logins.range((Excluded(index), Unbounded)).next()?;
        Some((*index, login))
    }

    pub(crate) fn logins_len(&self) -> usize {
        self.logins.len()
    }

    /// How many roles, users and logins there are.
    pub(crate) fn rows(&self) -> u64 {
        (self.roles.len() + self.users.len() + self.logins.len()) as u64
    }

    /// Whether the user is there, with the password of then.
    fn holds(&self, principal: &Principal) -> bool {
        self.users
            .get(&principal.user)
            .is_some_and(|user| user.credentials == principal.credentials)
    }

    /// Whether nothing was ever set: then there is nothing to tell of.
    pub(crate) fn is_untouched(&self) -> bool {
        self.revision == FIRST_REVISION && !self.enabled && self.logins.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes + LOGIN_BYTES * self.logins.len() as u64
    }

    /// Their items of the state hash; none while they are untouched.
    pub(crate) fn hash(&self) -> u64 {
        if self.is_untouched() {
            return 0;
        }
        self.items.wrapping_add(hash::auth_item(self.enabled, self.revision))
    }

    fn put_user(&mut self, name: &Arc<str>, user: User) {
        self.take_user(name);
        self.bytes += user.bytes(name);
        self.items = self.items.wrapping_add(user.item(name));
        self.users.insert(Arc::clone(name), Arc::new(user));
    }

    fn take_user(&mut self, name: &str) -> Option<Arc<User>> {
        let user = self.users.remove(name)?;
        self.bytes -= user.bytes(name);
        self.items = self.items.wrapping_sub(user.item(name));
        Some(user)
    }

    fn put_role(&mut self, name: &Arc<str>, role: Role) {
        self.take_role(name);
        self.bytes += role.bytes(name);
        self.items = self.items.wrapping_add(role.item(name));
        self.roles.insert(Arc::clone(name), Arc::new(role));
    }

    fn take_role(&mut self, name: &str) -> Option<Arc<Role>> {
        let role = self.roles.remove(name)?;
        self.bytes -= role.bytes(name);
        self.items = self.items.wrapping_sub(role.item(name));
        Some(role)
    }

    fn put_login(&mut self, index: u64, login: Login) {
        self.items = self.items.wrapping_add(login.item(index));
        self.logins_of_users.insert((Arc::clone(&login.principal.user), index));
        self.logins.insert(index, login);
    }

    fn take_login(&mut self, index: u64) {
        if let Some(login) = self.logins.remove(&index) {
            self.items = self.items.wrapping_sub(login.item(index));
            self.logins_of_users.remove(&(login.principal.user, index));
        }
    }

    /// The user's oldest login, if they have as many as they may.
    fn surplus_login_of(&self, user: &Arc<str>) -> Option<u64> {
        let of_user = (Arc::clone(user), 0)..=(Arc::clone(user), u64::MAX);
        let mut own = self.logins_of_users.range(of_user);
        let (_, oldest) = own.next()?;
        (1 + own.count() >= LOGINS_OF_USER_MAX).then_some(*oldest)
    }
}

/// Loading out of a snapshot.
impl Auth {
    pub(crate) fn load(enabled: bool, revision: u64) -> Auth {
        Auth { enabled, revision, ..Auth::default() }
    }

    pub(crate) fn load_user(&mut self, name: &Arc<str>, user: User) {
        self.put_user(name, user);
    }

    pub(crate) fn load_role(&mut self, name: &Arc<str>, role: Role) {
        self.put_role(name, role);
    }

    pub(crate) fn load_login(&mut self, index: u64, login: Login) {
        self.put_login(index, login);
    }
}
