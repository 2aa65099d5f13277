//! Users, roles, and what they may.

use bytes::Bytes;
use compat::ask::Ask;
use compat::pair::Pair;
use compat::watching::{Watching, on, on_range};
use compat::words::{
    a_delete, a_put, a_range, compact, compare, delete, get, grant, op, put, range, revoke, txn,
};
use proto::etcd::authpb::permission::Type;
use proto::etcd::authpb::{Permission, UserAddOptions};
use proto::etcd::etcdserverpb::compare::{CompareResult, TargetUnion};
use proto::etcd::etcdserverpb::{
    AlarmRequest, AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthRoleDeleteRequest,
    AuthRoleGetRequest, AuthRoleGrantPermissionRequest, AuthRoleListRequest,
    AuthRoleRevokePermissionRequest, AuthStatusRequest, AuthUserAddRequest,
    AuthUserChangePasswordRequest, AuthUserDeleteRequest, AuthUserGetRequest,
    AuthUserGrantRoleRequest, AuthUserListRequest, AuthUserRevokeRoleRequest, AuthenticateRequest,
    DefragmentRequest, HashKvRequest, LeaseKeepAliveRequest, LeaseLeasesRequest,
    LeaseTimeToLiveRequest, MemberAddRequest, MemberListRequest, MemberRemoveRequest, PutRequest,
};

fn enable() -> Ask {
    Ask::AuthEnable(AuthEnableRequest {})
}

fn disable() -> Ask {
    Ask::AuthDisable(AuthDisableRequest {})
}

fn status() -> Ask {
    Ask::AuthStatus(AuthStatusRequest {})
}

fn authenticate(name: &str, password: &str) -> Ask {
    Ask::Authenticate(AuthenticateRequest { name: name.into(), password: password.into() })
}

fn add_user(name: &str, password: &str) -> Ask {
    let (name, password) = (name.into(), password.into());
    Ask::UserAdd(AuthUserAddRequest { name, password, ..AuthUserAddRequest::default() })
}

fn add_user_without_password(name: &str) -> Ask {
    let options = Some(UserAddOptions { no_password: true });
    Ask::UserAdd(AuthUserAddRequest { name: name.into(), options, ..Default::default() })
}

fn user(name: &str) -> Ask {
    Ask::UserGet(AuthUserGetRequest { name: name.into() })
}

fn users() -> Ask {
    Ask::UserList(AuthUserListRequest {})
}

fn delete_user(name: &str) -> Ask {
    Ask::UserDelete(AuthUserDeleteRequest { name: name.into() })
}

fn change_password(name: &str, password: &str) -> Ask {
    let (name, password) = (name.into(), password.into());
    let request = AuthUserChangePasswordRequest { name, password, ..Default::default() };
    Ask::UserChangePassword(request)
}

fn grant_role(user: &str, role: &str) -> Ask {
    Ask::UserGrantRole(AuthUserGrantRoleRequest { user: user.into(), role: role.into() })
}

fn revoke_role(name: &str, role: &str) -> Ask {
    Ask::UserRevokeRole(AuthUserRevokeRoleRequest { name: name.into(), role: role.into() })
}

fn add_role(name: &str) -> Ask {
    Ask::RoleAdd(AuthRoleAddRequest { name: name.into() })
}

fn role(name: &str) -> Ask {
    Ask::RoleGet(AuthRoleGetRequest { role: name.into() })
}

fn roles() -> Ask {
    Ask::RoleList(AuthRoleListRequest {})
}

fn delete_role(name: &str) -> Ask {
    Ask::RoleDelete(AuthRoleDeleteRequest { role: name.into() })
}

fn permit(name: &str, kind: Type, key: &'static str, range_end: &'static str) -> Ask {
    let perm = Permission {
        perm_type: kind.into(),
        key: Bytes::from(key),
        range_end: Bytes::from(range_end),
    };
    let (name, perm) = (name.into(), Some(perm));
    Ask::RoleGrantPermission(AuthRoleGrantPermissionRequest { name, perm })
}

fn forbid(role: &str, key: &'static str, range_end: &'static str) -> Ask {
    Ask::RoleRevokePermission(AuthRoleRevokePermissionRequest {
        role: role.into(),
        key: key.into(),
        range_end: range_end.into(),
    })
}

/// While authentication is off: the tables, and what can't be done with them.
pub(crate) fn tables() -> Vec<Ask> {
    vec![
        status(),
        users(),
        roles(),
        authenticate("root", "p"),
        enable(),
        disable(),
        status(),
        add_user("root", "secret"),
        status(),
        add_user("root", "other"),
        add_user("", "secret"),
        add_user_without_password("nopass"),
        add_user("alice", "a"),
        users(),
        user("alice"),
        user("bob"),
        user(""),
        enable(),
        grant_role("root", "root"),
        add_role("root"),
        add_role("root"),
        add_role(""),
        grant_role("root", "root"),
        grant_role("root", "root"),
        grant_role("bob", "root"),
        grant_role("", "root"),
        grant_role("alice", "reads"),
        add_role("reads"),
        add_role("writes"),
        roles(),
        role("reads"),
        role("none"),
        role(""),
        permit("reads", Type::Read, "r/", "r0"),
        permit("reads", Type::Read, "r/", "r0"),
        permit("reads", Type::Readwrite, "r/", "r0"),
        permit("reads", Type::Read, "r/", "r0"),
        permit("reads", Type::Read, "a", ""),
        permit("reads", Type::Write, "z", "\0"),
        role("reads"),
        forbid("reads", "z", "\0"),
        forbid("reads", "a", "b"),
        forbid("reads", "a", ""),
        forbid("reads", "a", ""),
        forbid("none", "a", ""),
        permit("none", Type::Read, "a", ""),
        Ask::RoleGrantPermission(AuthRoleGrantPermissionRequest {
            name: "reads".into(),
            perm: None,
        }),
        permit("writes", Type::Write, "w/", "w0"),
        role("writes"),
        role("reads"),
        grant_role("alice", "reads"),
        user("alice"),
        status(),
        grant_role("alice", "writes"),
        user("alice"),
        revoke_role("alice", "root"),
        revoke_role("alice", "none"),
        revoke_role("alice", ""),
        revoke_role("bob", "reads"),
        revoke_role("alice", "reads"),
        revoke_role("alice", "reads"),
        grant_role("alice", "reads"),
        change_password("alice", "b"),
        change_password("bob", "b"),
        change_password("", "b"),
        delete_user("bob"),
        delete_user(""),
        add_role("gone"),
        grant_role("alice", "gone"),
        delete_role("gone"),
        delete_role("gone"),
        delete_role(""),
        user("alice"),
        add_user("bob", "b"),
        delete_user("bob"),
        users(),
        roles(),
        authenticate("alice", "b"),
        disable(),
        status(),
    ]
}

/// Keys and a lease for those who come later.
fn data() -> Vec<Ask> {
    let leased = |key: &'static str, lease| Ask::Put(PutRequest { lease, ..a_put(key, "v") });
    vec![
        put("r/1", "v"),
        put("w/1", "v"),
        put("o/1", "v"),
        grant(7, 600),
        grant(8, 600),
        grant(9, 600),
        leased("w/7", 7),
        leased("o/8", 8),
        leased("w/8", 8),
    ]
}

/// What everybody asks, each in their turn.
fn asked_by_all() -> Vec<Ask> {
    let version = |key: &'static str| compare(key, CompareResult::Greater, TargetUnion::Version(0));
    let puts = |key: &'static str| op(put(key, "x"));
    let reads = |key: &'static str| op(get(key));
    let leased = |key: &'static str, lease| Ask::Put(PutRequest { lease, ..a_put(key, "v") });
    let told = |key: &'static str| Ask::Put(PutRequest { prev_kv: true, ..a_put(key, "v") });
    vec![
        get("r/1"),
        get("w/1"),
        get("o/1"),
        get("none"),
        range("r/", "r0"),
        range("r/", "r/1"),
        range("r/1", "\0"),
        range("r", "s"),
        range("\0", "\0"),
        Ask::Range(serializable("r/1")),
        Ask::Range(serializable("o/1")),
        put("w/1", "x"),
        put("r/1", "x"),
        put("o/2", "x"),
        told("w/1"),
        leased("w/1", 7),
        leased("w/1", 8),
        leased("w/1", 9),
        leased("w/1", 99),
        leased("r/9", 7),
        delete("w/1", ""),
        delete("w/", "w0"),
        delete("w/", "x"),
        delete("o/1", ""),
        Ask::Delete(told_delete("w/1")),
        put("w/1", "x"),
        txn(vec![], vec![reads("r/1")], vec![]),
        txn(vec![], vec![reads("o/1")], vec![]),
        txn(vec![version("r/1")], vec![reads("r/1")], vec![]),
        txn(vec![version("w/1")], vec![reads("r/1")], vec![]),
        txn(vec![version("r/1")], vec![puts("w/1")], vec![puts("w/2")]),
        txn(vec![version("r/1")], vec![puts("w/1")], vec![puts("o/3")]),
        txn(vec![version("r/9")], vec![puts("o/3")], vec![puts("w/1")]),
        txn(vec![], vec![puts("w/1"), reads("r/1")], vec![]),
        txn(vec![], vec![puts("w/1"), reads("w/1")], vec![]),
        user("alice"),
        user("root"),
        user("none"),
        role("reads"),
        role("root"),
        role("none"),
        users(),
        roles(),
        status(),
        add_user("eve", "e"),
        delete_user("eve"),
        change_password("alice", "b"),
        grant_role("alice", "reads"),
        revoke_role("alice", "root"),
        add_role("eve"),
        delete_role("eve"),
        permit("reads", Type::Read, "r/", "r0"),
        forbid("reads", "e", ""),
        enable(),
        Ask::HashKv(HashKvRequest { revision: 0 }),
        Ask::Defragment(DefragmentRequest {}),
        Ask::MemberRemove(MemberRemoveRequest { id: 1 }),
    ]
}

/// What only those ask who may: older versions of etcd let everybody have what stands in a
/// transaction within a transaction.
fn asked_by_some() -> Vec<Ask> {
    let within = |inner: Ask| txn(vec![], vec![op(inner)], vec![]);
    vec![
        within(txn(vec![], vec![op(get("r/1"))], vec![])),
        within(txn(vec![], vec![op(put("w/1", "x"))], vec![])),
    ]
}

/// A member that nobody but root may add.
fn add_member() -> Ask {
    let peer_ur_ls = vec!["http://127.0.0.1:1".to_owned()];
    Ask::MemberAdd(MemberAddRequest { peer_ur_ls, ..MemberAddRequest::default() })
}

fn serializable(key: &'static str) -> proto::etcd::etcdserverpb::RangeRequest {
    let serializable = true;
    proto::etcd::etcdserverpb::RangeRequest { serializable, ..a_range(key, "") }
}

fn told_delete(key: &'static str) -> proto::etcd::etcdserverpb::DeleteRangeRequest {
    let prev_kv = true;
    proto::etcd::etcdserverpb::DeleteRangeRequest { prev_kv, ..a_delete(key, "") }
}

/// What etcd let everybody have for long: who has no user, and who may not.
fn left_open_by_older_ones() -> Vec<Ask> {
    vec![
        Ask::KeepAlive(LeaseKeepAliveRequest { id: 9 }),
        Ask::Leases(LeaseLeasesRequest {}),
        Ask::TimeToLive(LeaseTimeToLiveRequest { id: 99, keys: true }),
        Ask::TimeToLive(LeaseTimeToLiveRequest { id: 9, keys: false }),
        Ask::TimeToLive(LeaseTimeToLiveRequest { id: 8, keys: true }),
        Ask::MemberList(MemberListRequest { linearizable: true }),
        Ask::Alarm(AlarmRequest::default()),
        grant(55, 60),
        revoke(55),
        compact(2),
    ]
}

/// All of it, against a pair without users.
pub(crate) async fn ask_all(pair: &mut Pair) {
    pair.ask_all(tables()).await;
    pair.ask_all(data()).await;
    pair.ask_all([change_password("alice", "a"), enable(), status(), enable()]).await;
    for (name, password) in [
        ("root", "secret"),
        ("alice", "a"),
        ("alice", "b"),
        ("alice", ""),
        ("none", "a"),
        ("", ""),
        ("nopass", ""),
        ("nopass", "a"),
    ] {
        pair.ask(authenticate(name, password)).await;
    }
    pair.log_in("root", "secret").await;
    pair.log_in("alice", "a").await;
    pair.ask_as("root", add_user("nobody", "n")).await;
    pair.log_in("nobody", "n").await;
    pair.ask_all(asked_by_all()).await;
    for request in asked_by_all() {
        pair.ask_with("unknown.1", request).await;
    }
    pair.ask(add_member()).await;
    pair.ask_with("unknown.1", add_member()).await;
    for user in ["nobody", "alice"] {
        pair.ask_as(user, add_member()).await;
    }
    for user in ["nobody", "alice", "root"] {
        for request in asked_by_all() {
            pair.ask_as(user, request).await;
        }
    }
    for user in ["alice", "root"] {
        // root has given her another password.
        pair.log_in("alice", "b").await;
        for request in asked_by_some() {
            pair.ask_as(user, request).await;
        }
    }
    watches(pair).await;
    changes_take_hold(pair).await;
    pair.ask_all(left_open_by_older_ones()).await;
    for request in left_open_by_older_ones() {
        pair.ask_as("nobody", request).await;
    }
}

async fn watches(pair: &mut Pair) {
    // Whoever can not write what ends a stream of these tests can not be watched like this.
    pair.ask_as("root", permit("reads", Type::Readwrite, "\u{7f}", "\0")).await;
    for watching in [
        Watching::default().create(on("r/1")),
        Watching::default().create(on("o/1")),
        Watching::default().create(on_range("r/", "r0")),
        Watching::default().create(on_range("r/", "s")),
        Watching::default().create(on_range("", "\0")),
    ] {
        pair.watch_as(Some("alice"), watching.clone()).await;
        pair.watch_as(Some("root"), watching).await;
    }
}

async fn changes_take_hold(pair: &mut Pair) {
    pair.ask_as("root", forbid("reads", "r/", "r0")).await;
    pair.ask_as("alice", get("r/1")).await;
    pair.ask_as("root", permit("reads", Type::Read, "r/1", "")).await;
    pair.ask_as("alice", get("r/1")).await;
    pair.ask_as("alice", range("r/1", "r/2")).await;
    pair.ask_as("root", permit("writes", Type::Read, "r/1", "r/3")).await;
    pair.ask_as("alice", range("r/1", "r/2")).await;
    pair.ask_as("root", revoke_role("alice", "writes")).await;
    pair.ask_as("alice", put("w/1", "x")).await;
    pair.ask_as("root", delete_role("reads")).await;
    pair.ask_as("alice", get("r/1")).await;
    pair.ask_as("root", status()).await;
    pair.ask_as("root", change_password("alice", "c")).await;
    pair.ask_as("alice", get("r/1")).await;
    pair.log_in("alice", "c").await;
    pair.ask_as("alice", get("r/1")).await;
    pair.ask_as("root", delete_user("alice")).await;
    pair.ask_as("alice", get("r/1")).await;
    for request in [
        delete_user("root"),
        delete_role("root"),
        revoke_role("root", "root"),
        change_password("root", "secret"),
    ] {
        pair.ask_as("root", request).await;
    }
    pair.log_in("root", "secret").await;
    pair.ask_as("root", disable()).await;
    pair.ask(status()).await;
    pair.ask(get("o/1")).await;
    pair.ask(authenticate("root", "secret")).await;
    pair.ask(enable()).await;
    pair.ask_as("root", get("o/1")).await;
    pair.log_in("root", "secret").await;
    pair.log_in("nobody", "n").await;
    pair.ask_as("root", get("o/1")).await;
}
