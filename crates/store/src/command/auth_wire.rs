//! The encoded form of changes of who may do what. Field numbers are never used again.

use bytes::Bytes;

use super::DecodeError;
use super::wire::Empty;
use crate::auth::{self, Access, AuthChange};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Change {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Enable(Empty),
    #[prost(message, tag = "2")]
    Disable(Empty),
    #[prost(message, tag = "3")]
    AddUser(UserPassword),
    #[prost(string, tag = "4")]
    DeleteUser(String),
    #[prost(message, tag = "5")]
    SetPassword(UserPassword),
    #[prost(message, tag = "6")]
    GrantRole(UserRole),
    #[prost(message, tag = "7")]
    RevokeRole(UserRole),
    #[prost(string, tag = "8")]
    AddRole(String),
    #[prost(string, tag = "9")]
    DeleteRole(String),
    #[prost(message, tag = "10")]
    GrantPermission(RolePermission),
    #[prost(message, tag = "11")]
    RevokePermission(RolePermission),
    #[prost(message, tag = "12")]
    LogIn(LogIn),
    #[prost(message, tag = "13")]
    LogOut(LogOut),
}

#[derive(Clone, PartialEq, prost::Message)]
struct UserPassword {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, optional, tag = "2")]
    password_hash: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UserRole {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(string, tag = "2")]
    role: String,
}

/// Without `access` where a permission is taken away.
#[derive(Clone, PartialEq, prost::Message)]
struct RolePermission {
    #[prost(string, tag = "1")]
    role: String,
    #[prost(bytes = "bytes", tag = "2")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    range_end: Bytes,
    #[prost(uint32, optional, tag = "4")]
    access: Option<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LogIn {
    #[prost(message, optional, tag = "1")]
    principal: Option<Principal>,
    #[prost(bytes = "vec", tag = "2")]
    token_hash: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LogOut {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(bytes = "vec", tag = "2")]
    token_hash: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Principal {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(uint64, tag = "2")]
    credentials: u64,
}

impl From<auth::Principal> for Principal {
    fn from(principal: auth::Principal) -> Principal {
        let auth::Principal { user, credentials } = principal;
        Principal { user: (*user).to_owned(), credentials }
    }
}

impl From<Principal> for auth::Principal {
    fn from(principal: Principal) -> auth::Principal {
        let Principal { user, credentials } = principal;
        auth::Principal { user: user.into(), credentials }
    }
}

impl From<AuthChange> for Change {
    fn from(change: AuthChange) -> Change {
        let owned = |name: &str| name.to_owned();
        let set = |name: &str, hash: Option<std::sync::Arc<str>>| UserPassword {
            name: owned(name),
            password_hash: hash.as_deref().map(owned),
        };
        let pair = |user: &str, role: &str| UserRole { user: owned(user), role: owned(role) };
        let kind = match change {
            AuthChange::Enable => Kind::Enable(Empty {}),
            AuthChange::Disable => Kind::Disable(Empty {}),
            AuthChange::AddUser { name, password_hash } => Kind::AddUser(set(&name, password_hash)),
            AuthChange::DeleteUser { name } => Kind::DeleteUser(owned(&name)),
            AuthChange::SetPassword { name, password_hash } => {
                Kind::SetPassword(set(&name, password_hash))
            }
            AuthChange::GrantRole { user, role } => Kind::GrantRole(pair(&user, &role)),
            AuthChange::RevokeRole { user, role } => Kind::RevokeRole(pair(&user, &role)),
            AuthChange::AddRole { name } => Kind::AddRole(owned(&name)),
            AuthChange::DeleteRole { name } => Kind::DeleteRole(owned(&name)),
            AuthChange::GrantPermission { role, permission } => {
                let auth::Permission { access, key, range_end } = permission;
                let access = Some(access.number());
                Kind::GrantPermission(RolePermission { role: owned(&role), key, range_end, access })
            }
            AuthChange::RevokePermission { role, key, range_end } => {
                let (role, access) = (owned(&role), None);
                Kind::RevokePermission(RolePermission { role, key, range_end, access })
            }
            AuthChange::LogIn { principal, token_hash } => Kind::LogIn(LogIn {
                principal: Some(principal.into()),
                token_hash: token_hash.to_vec(),
            }),
            AuthChange::LogOut { index, token_hash } => {
                Kind::LogOut(LogOut { index, token_hash: token_hash.to_vec() })
            }
        };
        Change { kind: Some(kind) }
    }
}

impl TryFrom<Change> for AuthChange {
    type Error = DecodeError;

    fn try_from(change: Change) -> Result<AuthChange, DecodeError> {
        Ok(match change.kind.ok_or(DecodeError::UnknownKind)? {
            Kind::Enable(Empty {}) => AuthChange::Enable,
            Kind::Disable(Empty {}) => AuthChange::Disable,
            Kind::AddUser(UserPassword { name, password_hash }) => AuthChange::AddUser {
                name: name.into(),
                password_hash: password_hash.map(Into::into),
            },
            Kind::DeleteUser(name) => AuthChange::DeleteUser { name: name.into() },
            Kind::SetPassword(UserPassword { name, password_hash }) => AuthChange::SetPassword {
                name: name.into(),
                password_hash: password_hash.map(Into::into),
            },
            Kind::GrantRole(UserRole { user, role }) => {
                AuthChange::GrantRole { user: user.into(), role: role.into() }
            }
            Kind::RevokeRole(UserRole { user, role }) => {
                AuthChange::RevokeRole { user: user.into(), role: role.into() }
            }
            Kind::AddRole(name) => AuthChange::AddRole { name: name.into() },
            Kind::DeleteRole(name) => AuthChange::DeleteRole { name: name.into() },
            Kind::GrantPermission(RolePermission { role, key, range_end, access }) => {
                let access = access.and_then(Access::of).ok_or(DecodeError::UnknownKind)?;
                let permission = auth::Permission { access, key, range_end };
                AuthChange::GrantPermission { role: role.into(), permission }
            }
            Kind::RevokePermission(RolePermission { role, key, range_end, access }) => {
                if access.is_some() {
                    return Err(DecodeError::Misplaced);
                }
                AuthChange::RevokePermission { role: role.into(), key, range_end }
            }
            Kind::LogIn(LogIn { principal, token_hash }) => AuthChange::LogIn {
                principal: principal.ok_or(DecodeError::UnknownKind)?.into(),
                token_hash: token_hash.try_into().map_err(|_| DecodeError::Malformed)?,
            },
            Kind::LogOut(LogOut { index, token_hash }) => AuthChange::LogOut {
                index,
                token_hash: token_hash.try_into().map_err(|_| DecodeError::Malformed)?,
            },
        })
    }
}
