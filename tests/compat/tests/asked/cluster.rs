//! Members and maintenance, as far as a cluster of one tells.

use compat::ask::Ask;
use proto::etcd::etcdserverpb::{
    AlarmRequest, DefragmentRequest, DowngradeRequest, MemberAddRequest, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest, MoveLeaderRequest,
};

pub(crate) fn script() -> Vec<Ask> {
    let url = |url: &str| vec![url.to_owned()];
    let add = |peer_ur_ls| Ask::MemberAdd(MemberAddRequest { peer_ur_ls, is_learner: true });
    let downgrade = |action, version: &str| {
        Ask::Downgrade(DowngradeRequest { action, version: version.to_owned() })
    };
    vec![
        Ask::Alarm(AlarmRequest::default()),
        Ask::Alarm(AlarmRequest { action: 0, member_id: 7, alarm: 1 }),
        Ask::Alarm(AlarmRequest { action: 2, member_id: 7, alarm: 1 }),
        Ask::Defragment(DefragmentRequest {}),
        Ask::MoveLeader(MoveLeaderRequest { target_id: 7 }),
        Ask::MoveLeader(MoveLeaderRequest { target_id: 0 }),
        Ask::MemberRemove(MemberRemoveRequest { id: 7 }),
        Ask::MemberPromote(MemberPromoteRequest { id: 7 }),
        Ask::MemberUpdate(MemberUpdateRequest { id: 7, peer_ur_ls: url("http://localhost:1") }),
        Ask::MemberUpdate(MemberUpdateRequest { id: 7, peer_ur_ls: url("nonsense") }),
        add(vec![]),
        add(url("nonsense")),
        add(url("http://")),
        downgrade(2, ""),
        downgrade(0, "nonsense"),
        downgrade(0, "9.9"),
        downgrade(1, "nonsense"),
    ]
}
