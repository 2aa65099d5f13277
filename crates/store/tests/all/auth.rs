//! Who may do what, against a naive judge; and the hash of the tables, from its definition.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use store::{
    Access, Apply, AuthChange, Budget, Command, KeyRange, LOGINS_OF_USER_MAX, LogEntry, Need,
    Permission, Principal, Restore, Store,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::support::{item, list_item};

/// A store and what comes next in its log.
struct World {
    store: Store,
    index: u64,
}

impl World {
    fn new() -> World {
        World { store: Store::new(), index: 0 }
    }

    fn change(&mut self, change: AuthChange) {
        self.apply(&Command::Auth(change));
    }

    fn apply(&mut self, command: &Command) {
        self.index += 1;
        let command = Some(command.encode());
        let (index, age_ms) = (self.index, 10 * self.index);
        let entry = LogEntry { index, term: 1, stamp_ms: 1_000, age_ms, command };
        let applied = self.store.apply(&entry, &mut Budget::new(u64::MAX)).expect("known");
        assert_ne!(applied, Apply::Unfinished);
        self.store.publish();
    }

    /// A user as they are now.
    fn principal(&self, user: &str) -> Principal {
        let credentials = self.store.reader().auth().user(user).unwrap().credentials;
        Principal { user: user.into(), credentials }
    }

    /// The index of the entry.
    fn log_in(&mut self, user: &str) -> u64 {
        let principal = self.principal(user);
        self.change(AuthChange::LogIn { principal, token_hash: [1; 32] });
        self.index
    }

    fn log_out(&mut self, user: &str, index: u64) {
        let change = AuthChange::LogOut { index, token_hash: [1; 32] };
        let (principal, command) = (self.principal(user), Box::new(Command::Auth(change)));
        self.apply(&Command::As { principal, command });
    }

    /// A user with these roles, and everything else that authentication needs.
    fn with_roles(roles: &[Vec<Permission>]) -> World {
        let mut world = World::new();
        for name in ["root", "u"] {
            let password_hash = (name == "root").then(|| "hash".into());
            world.change(AuthChange::AddUser { name: name.into(), password_hash });
        }
        world.change(AuthChange::GrantRole { user: "root".into(), role: "root".into() });
        for (number, permissions) in roles.iter().enumerate() {
            let name = format!("r{number}");
            world.change(AuthChange::AddRole { name: name.as_str().into() });
            for permission in permissions {
                let (role, permission) = (name.as_str().into(), permission.clone());
                world.change(AuthChange::GrantPermission { role, permission });
            }
            let (user, role) = ("u".into(), name.as_str().into());
            world.change(AuthChange::GrantRole { user, role });
        }
        world.change(AuthChange::Enable);
        world
    }
}

/// Few and short, so that ranges meet.
fn key() -> impl Strategy<Value = Bytes> {
    "[ab]{0,2}".prop_map(Bytes::from)
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        key().prop_map(KeyRange::Single),
        key().prop_map(KeyRange::Prefix),
        key().prop_map(KeyRange::From),
        (key(), key()).prop_map(|(start, end)| KeyRange::Between { start, end }),
    ]
}

fn permission() -> impl Strategy<Value = Permission> {
    let access = prop::sample::select(vec![Access::Read, Access::Write, Access::ReadWrite]);
    (access, range()).prop_map(|(access, range)| Permission::new(access, &range))
}

/// Keys between any two bounds that the ranges above can have: what holds of all of these holds of
/// every key there is.
fn all_keys() -> impl Iterator<Item = Vec<u8>> {
    let letters = [None, Some(b'\0'), Some(b'a'), Some(b'b'), Some(b'c')];
    let word = move |number: usize| {
        let picked = [number % 5, number / 5 % 5, number / 25 % 5, number / 125];
        picked.into_iter().filter_map(|letter| letters[letter]).collect::<Vec<u8>>()
    };
    // No key is empty.
    (1..625).map(word).filter(|key| !key.is_empty())
}

fn has(range: &KeyRange, key: &[u8]) -> bool {
    match range {
        KeyRange::Single(only) => key == only,
        KeyRange::Prefix(prefix) => key.starts_with(prefix),
        KeyRange::From(from) => key >= &from[..],
        KeyRange::Between { start, end } => key >= &start[..] && key < &end[..],
    }
}

proptest! {
    #[test]
    fn a_range_may_be_read_if_each_of_its_keys_may(
        roles in prop::collection::vec(prop::collection::vec(permission(), 0..4), 0..3),
        wanted in range(),
    ) {
        let world = World::with_roles(&roles);
        let reader = world.store.reader();
        let credentials = reader.auth().user("u").unwrap().credentials;
        let who = Principal { user: "u".into(), credentials };
        // One of the same range takes the place of an earlier one.
        let of_role = |permissions: &Vec<Permission>| {
            let range = |granted: &Permission| (granted.key.clone(), granted.range_end.clone());
            let by_range = permissions.iter().map(|granted| (range(granted), granted.clone()));
            by_range.collect::<BTreeMap<_, _>>().into_values()
        };
        let grants: Vec<Permission> = roles.iter().flat_map(of_role).collect();
        let reads = |key: &[u8]| {
            grants.iter().any(|granted| {
                granted.access != Access::Write && has(&granted.range(), key)
            })
        };
        let may = reader.check(Some(&who), Need::Read(&wanted)).is_ok();
        let mut inside = all_keys().filter(|key| has(&wanted, key)).peekable();
        if inside.peek().is_some() {
            let expected = inside.all(|key| reads(&key));
            prop_assert_eq!(may, expected, "{:?} of {:?}", wanted, roles);
        }
    }

    #[test]
    fn the_hash_is_that_of_the_page_and_survives_a_snapshot(
        roles in prop::collection::vec(prop::collection::vec(permission(), 0..4), 0..3),
        password in prop::option::of("[a-z]{1,5}"),
    ) {
        let mut world = World::with_roles(&roles);
        if let Some(password) = &password {
            let password_hash = Some(password.as_str().into());
            world.change(AuthChange::SetPassword { name: "u".into(), password_hash });
        }
        let credentials = world.store.reader().auth().user("u").unwrap().credentials;
        let principal = Principal { user: "u".into(), credentials };
        world.change(AuthChange::LogIn { principal, token_hash: [3; 32] });
        let expected = hash_of_page(&world.store, world.index);
        prop_assert_eq!(world.store.state_hash(), expected);

        let (mut capture, mut restore) = (world.store.capture(), Restore::new());
        while let Some(chunk) = capture.next_chunk(7) {
            restore.chunk(&chunk).unwrap();
        }
        let restored = restore.finish().unwrap();
        prop_assert_eq!(restored.state_hash(), expected);
        let (before, after) = (world.store.reader().auth(), restored.reader().auth());
        prop_assert!(before.users().eq(after.users()) && before.roles().eq(after.roles()));
        prop_assert_eq!(before.login(world.index), after.login(world.index));
    }
}

/// The hash as docs/format/state-hash.md has it, of a store with nothing but users and one login.
fn hash_of_page(store: &Store, login: u64) -> u64 {
    let auth = store.reader().auth();
    let mut items = vec![
        item(&[0, 1, 0]),
        item(&[6, 3_600_000, 256 << 20, 0]),
        item(&[7, u64::from(auth.is_enabled()), auth.revision()]),
    ];
    for (name, user) in auth.users() {
        let (has_password, hash) = match &user.password_hash {
            Some(hash) => (1, xxh3_64(hash.as_bytes())),
            None => (0, 0),
        };
        let roles: Vec<&[u8]> = user.roles.iter().map(|role| role.as_bytes()).collect();
        let name = xxh3_64(name.as_bytes());
        items.push(item(&[8, name, has_password, hash, user.credentials, list_item(&roles)]));
    }
    for (name, role) in auth.roles() {
        let permissions: Vec<Permission> = role.permissions().collect();
        let access = |access| match access {
            Access::Read => &[0][..],
            Access::Write => &[1],
            Access::ReadWrite => &[2],
        };
        let parts = permissions
            .iter()
            .flat_map(|granted| [&granted.key[..], &granted.range_end[..], access(granted.access)]);
        let parts: Vec<&[u8]> = parts.collect();
        items.push(item(&[9, xxh3_64(name.as_bytes()), list_item(&parts)]));
    }
    let known = auth.login(login).expect("somebody logged in");
    let (user, token) = (xxh3_64(known.principal.user.as_bytes()), xxh3_64(&known.token_hash));
    items.push(item(&[10, login, user, known.principal.credentials, token, known.age_ms]));
    items.into_iter().fold(0, u64::wrapping_add)
}

#[test]
fn one_user_logs_nobody_else_out() {
    let mut world = World::with_roles(&[]);
    let roots = world.log_in("root");
    let first = world.log_in("u");
    for _ in 1..LOGINS_OF_USER_MAX {
        world.log_in("u");
    }
    assert!(world.store.reader().auth().login(first).is_some());
    let last = world.log_in("u");
    let auth = world.store.reader().auth();
    assert!(auth.login(first).is_none(), "the oldest of the same user goes");
    assert!(auth.login(first + 1).is_some() && auth.login(last).is_some());
    assert!(auth.login(roots).is_some());
    let restored = hash_after_restart(&world.store);
    assert_eq!(restored, world.store.state_hash());
}

#[test]
fn a_login_that_was_ended_leaves_nothing_behind_and_makes_room() {
    let mut world = World::with_roles(&[]);
    let before = world.store.state_hash();
    let (kept, ended) = (world.log_in("u"), world.log_in("u"));
    let with_both = world.store.state_hash();
    world.log_out("u", ended);
    assert_ne!(world.store.state_hash(), with_both);
    assert_eq!(hash_after_restart(&world.store), world.store.state_hash());
    for _ in 1..LOGINS_OF_USER_MAX {
        world.log_in("u");
    }
    let auth = world.store.reader().auth();
    assert!(auth.login(kept).is_some(), "it is one of as many as there may be");
    assert!(auth.login(ended).is_none());
    world.log_in("u");
    let auth = world.store.reader().auth();
    assert!(auth.login(kept).is_none(), "it has made room");
    assert!(auth.was_ended(ended) && !auth.was_ended(kept), "which is no end of what it began");
    for index in kept..=world.index {
        world.log_out("u", index);
    }
    assert_eq!(world.store.state_hash(), before);
    assert_eq!(hash_after_restart(&world.store), before);
}

fn hash_after_restart(store: &Store) -> u64 {
    let (mut capture, mut restore) = (store.capture(), Restore::new());
    while let Some(chunk) = capture.next_chunk(1 << 16) {
        restore.chunk(&chunk).expect("it was captured");
    }
    restore.finish().expect("all of it").state_hash()
}
