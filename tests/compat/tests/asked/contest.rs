//! Locks and elections, by clients with a lease.

use compat::ask::Ask;
use compat::words::{grant, range, revoke};
use proto::etcd::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use proto::etcd::v3lockpb::{LockRequest, UnlockRequest};

pub(crate) fn script() -> Vec<Ask> {
    let lock = |name: &'static str, lease| Ask::Lock(LockRequest { name: name.into(), lease });
    let unlock = |key: &'static str| Ask::Unlock(UnlockRequest { key: key.into() });
    let campaign = |value: &'static str| {
        Ask::Campaign(CampaignRequest { name: "c/e".into(), lease: 200, value: value.into() })
    };
    let leader = |name: &'static str| Ask::Leader(LeaderRequest { name: name.into() });
    // Whoever has this key has not created it so long ago.
    let stranger =
        || Some(LeaderKey { name: "c/e".into(), key: "c/e/c8".into(), rev: 1, lease: 200 });
    vec![
        lock("c/l", 201),
        grant(200, 100),
        grant(201, 100),
        lock("c/l", 200),
        lock("c/l", 200),
        range("c/", "c0"),
        unlock("c/l/c8"),
        unlock("c/l/c8"),
        lock("c/l", 201),
        unlock(""),
        lock("", 200),
        range("/", "0"),
        leader("c/e"),
        leader(""),
        campaign("first"),
        leader("c/e"),
        campaign("second"),
        leader("c/e"),
        Ask::Proclaim(ProclaimRequest { leader: None, value: "v".into() }),
        Ask::Proclaim(ProclaimRequest { leader: stranger(), value: "v".into() }),
        Ask::Resign(ResignRequest { leader: None }),
        Ask::Resign(ResignRequest { leader: stranger() }),
        leader("c/e"),
        revoke(200),
        leader("c/e"),
        revoke(201),
        range("c/", "c0"),
    ]
}
