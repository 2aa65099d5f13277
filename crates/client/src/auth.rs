//! Users, roles and what they may do (docs/http.md, "Users and roles").

use std::fmt;

use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{JSON, Query, read, understand, understand_write, write};
use crate::types::decode_bytes;
use crate::watch::Keys;
use crate::{Client, Credentials, Error, escape};

/// Whether requests need a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthStatus {
    /// They do.
    pub enabled: bool,
    /// How often users and roles were changed, and one.
    pub revision: u64,
    /// Who asks, if they showed it and it counts.
    pub user: Option<String>,
}

/// A change of users or roles that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthChanged {
    /// Where it stands in the log.
    pub log_index: u64,
    /// The term of that entry.
    pub term: u64,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Without one it can not log in.
    pub has_password: bool,
    /// The names of its roles.
    pub roles: Vec<String>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What those who have it may do. The role `root` may do everything without any.
    pub permissions: Vec<Permission>,
}

/// Some keys, and what may be done with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// What.
    pub access: Access,
    /// With which keys.
    pub keys: Keys,
}

/// What a permission allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// To read and to watch.
    Read,
    /// To put and to delete.
    Write,
    /// Both.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::ReadWrite => "readwrite",
        })
    }
}

/// While authentication is on, all of this but what a user may see of itself is for root.
///
/// # Errors
/// [`Error::Refused`] with one of the codes in docs/http.md if a change can not be made;
/// [`Error::Unknown`] if it may have been made all the same.
impl Client {
    /// Whether requests need a user, and who this client is.
    pub async fn auth_status(&self) -> Result<AuthStatus, Error> {
        understand(&self.call(read("/auth".to_owned()).waiting()).await?)
    }

    /// From now on requests need a user. There must be a user `root` with the role `root`.
    pub async fn enable_auth(&self) -> Result<AuthChanged, Error> {
        self.change_auth(Method::POST, "/auth/enable".to_owned(), None).await
    }

    /// From now on everybody may do everything; all tokens are over.
    pub async fn disable_auth(&self) -> Result<AuthChanged, Error> {
        self.change_auth(Method::POST, "/auth/disable".to_owned(), None).await
    }

    /// A token for a password, which members know at once, where looking at a password takes them
    /// a while. It is over when it was not used for some minutes, or the password changes.
    pub async fn log_in(&self, user: &str, password: &str) -> Result<Credentials, Error> {
        let body = json!({ "user": user, "password": password }).to_string();
        // One that is given out and lost does no harm.
        let call = write(Method::POST, "/auth/login".to_owned(), Some((body.into(), JSON)));
        let EncodedToken { token } = understand(&self.call(call.harmless()).await?)?;
        Credentials::token(&token)
    }

    /// Ends a token, at once and for all members, whoever this client is otherwise;
    /// [`Error::Unauthenticated`] if it is over already.
    pub async fn log_out(&self, token: &Credentials) -> Result<AuthChanged, Error> {
        let client = self.clone().with_credentials(token.clone());
        client.change_auth(Method::POST, "/auth/logout".to_owned(), None).await
    }

    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        #[derive(Deserialize)]
        struct Encoded {
            users: Vec<User>,
        }
        let answer = self.call(read(USERS.to_owned()).waiting()).await?;
        Ok(understand::<Encoded>(&answer)?.users)
    }

    /// One user; the refusal `user_not_found` if there is none.
    pub async fn user(&self, name: &str) -> Result<User, Error> {
        understand(&self.call(read(path_of(USERS, name, "")).waiting()).await?)
    }

    /// Adds a user; one without a password can not log in.
    pub async fn add_user(&self, name: &str, password: Option<&str>) -> Result<AuthChanged, Error> {
        let mut body = json!({ "name": name });
        if let Some(password) = password {
            body["password"] = password.into();
        }
        self.change_auth(Method::POST, USERS.to_owned(), Some(body)).await
    }

    /// Removes a user.
    pub async fn delete_user(&self, name: &str) -> Result<AuthChanged, Error> {
        self.change_auth(Method::DELETE, path_of(USERS, name, ""), None).await
    }

    /// Gives a user another password; tokens of the old one are over.
    pub async fn set_password(&self, user: &str, password: &str) -> Result<AuthChanged, Error> {
        let body = json!({ "password": password });
        self.change_auth(Method::PUT, path_of(USERS, user, "/password"), Some(body)).await
    }

    /// Gives a user a role.
    pub async fn grant_role(&self, user: &str, role: &str) -> Result<AuthChanged, Error> {
        self.change_auth(Method::PUT, role_of(user, role), None).await
    }

    /// Takes a role from a user.
    pub async fn revoke_role(&self, user: &str, role: &str) -> Result<AuthChanged, Error> {
        self.change_auth(Method::DELETE, role_of(user, role), None).await
    }

    /// All roles, by name.
    pub async fn roles(&self) -> Result<Vec<Role>, Error> {
        #[derive(Deserialize)]
        struct Encoded {
            roles: Vec<EncodedRole>,
        }
        let answer = self.call(read(ROLES.to_owned()).waiting()).await?;
        understand::<Encoded>(&answer)?.roles.into_iter().map(EncodedRole::decode).collect()
    }

    /// One role; the refusal `role_not_found` if there is none.
    pub async fn role(&self, name: &str) -> Result<Role, Error> {
        let answer = self.call(read(path_of(ROLES, name, "")).waiting()).await?;
        understand::<EncodedRole>(&answer)?.decode()
    }

    /// Adds a role without permissions.
    pub async fn add_role(&self, name: &str) -> Result<AuthChanged, Error> {
        self.change_auth(Method::POST, ROLES.to_owned(), Some(json!({ "name": name }))).await
    }

    /// Removes a role, from all its users too.
    pub async fn delete_role(&self, name: &str) -> Result<AuthChanged, Error> {
        self.change_auth(Method::DELETE, path_of(ROLES, name, ""), None).await
    }

    /// Lets those who have a role do something with some keys.
    pub async fn grant_permission(
        &self,
        role: &str,
        permission: &Permission,
    ) -> Result<AuthChanged, Error> {
        let mut query = Query::new(path_of(ROLES, role, "/permissions"));
        query.add("access", permission.access.to_string());
        describe(&permission.keys, &mut query);
        self.change_auth(Method::PUT, query.into_text(), None).await
    }

    /// Takes the permission of exactly these keys from a role.
    pub async fn revoke_permission(&self, role: &str, keys: &Keys) -> Result<AuthChanged, Error> {
        let mut query = Query::new(path_of(ROLES, role, "/permissions"));
        describe(keys, &mut query);
        self.change_auth(Method::DELETE, query.into_text(), None).await
    }

    async fn change_auth(
        &self,
        method: Method,
        path: String,
        body: Option<serde_json::Value>,
    ) -> Result<AuthChanged, Error> {
        let body = body.map(|body| (Bytes::from(body.to_string()), JSON));
        understand_write(&self.call(write(method, path, body)).await?)
    }
}

const USERS: &str = "/users";
const ROLES: &str = "/roles";

/// A name could hold anything, so it is escaped; slashes too.
fn path_of(table: &str, name: &str, rest: &str) -> String {
    format!("{table}/{}{rest}", escape::query(name.as_bytes()))
}

fn role_of(user: &str, role: &str) -> String {
    let role = escape::query(role.as_bytes());
    path_of(USERS, user, &format!("{ROLES}/{role}"))
}

/// All keys have to be named, as the prefix of all of them.
fn describe(keys: &Keys, query: &mut Query) {
    match keys {
        Keys::All => query.add("prefix", ""),
        keys => keys.describe(query),
    }
}

#[derive(Deserialize)]
struct EncodedToken {
    token: String,
}

#[derive(Deserialize)]
struct EncodedRole {
    name: String,
    permissions: Vec<EncodedPermission>,
}

#[derive(Deserialize)]
struct EncodedPermission {
    access: Access,
    key: Option<String>,
    key_base64: Option<String>,
    prefix: Option<String>,
    prefix_base64: Option<String>,
    from: Option<String>,
    from_base64: Option<String>,
    to: Option<String>,
    to_base64: Option<String>,
}

impl EncodedRole {
    fn decode(self) -> Result<Role, Error> {
        let permissions = self.permissions.into_iter().map(EncodedPermission::decode);
        Ok(Role { name: self.name, permissions: permissions.collect::<Result<_, _>>()? })
    }
}

impl EncodedPermission {
    fn decode(self) -> Result<Permission, Error> {
        let bytes = |text: Option<String>, base64: Option<String>| match (text, base64) {
            (None, None) => Ok(None),
            (text, base64) => decode_bytes(text, base64).map(Some),
        };
        let key = bytes(self.key, self.key_base64)?;
        let prefix = bytes(self.prefix, self.prefix_base64)?;
        let from = bytes(self.from, self.from_base64)?;
        let to = bytes(self.to, self.to_base64)?;
        let keys = match (key, prefix, from) {
            (Some(key), None, None) => Keys::One(key),
            (None, Some(prefix), None) if prefix.is_empty() => Keys::All,
            (None, Some(prefix), None) => Keys::Prefix(prefix),
            (None, None, Some(from)) => Keys::Range { from, to },
            _ => return Err(Error::Malformed { reason: "a permission of no keys".to_owned() }),
        };
        Ok(Permission { access: self.access, keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_part_of_its_path() {
        assert_eq!(path_of(USERS, "a/b", "/password"), "/users/a%2Fb/password");
        assert_eq!(role_of("a b", "../x"), "/users/a%20b/roles/..%2Fx");
    }

    #[test]
    fn keys_are_named_as_the_door_names_them() {
        let shown = |keys: &Keys| {
            let mut query = Query::new(String::new());
            describe(keys, &mut query);
            query.into_text()
        };
        assert_eq!(shown(&Keys::All), "?prefix=");
        assert_eq!(shown(&Keys::One("a/b".into())), "?key=a%2Fb");
        assert_eq!(shown(&Keys::Prefix("p".into())), "?prefix=p");
        let range =
            |to: Option<&'static str>| Keys::Range { from: "a".into(), to: to.map(Bytes::from) };
        assert_eq!(shown(&range(Some("c"))), "?from=a&to=c");
        assert_eq!(shown(&range(None)), "?from=a");
    }

    #[test]
    fn permissions_are_read_whatever_their_keys_are() {
        let read = |text: &str| serde_json::from_str::<EncodedPermission>(text).unwrap().decode();
        for (text, keys) in [
            (r#"{"access":"read","key":"k"}"#, Keys::One("k".into())),
            (r#"{"access":"read","key_base64":"/w=="}"#, Keys::One(vec![255].into())),
            (r#"{"access":"read","prefix":""}"#, Keys::All),
            (r#"{"access":"read","prefix":"p"}"#, Keys::Prefix("p".into())),
            (r#"{"access":"read","from":"a"}"#, Keys::Range { from: "a".into(), to: None }),
        ] {
            assert_eq!(read(text), Ok(Permission { access: Access::Read, keys }), "{text}");
        }
        for text in [r#"{"access":"write"}"#, r#"{"access":"write","key":"k","prefix":"p"}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
