//! What the dashboard is told of a run: `GET dev/state`.

use links::Fault;
use serde::Serialize;

use super::cluster::{Cluster, Seat};
use super::load::LoadView;

/// Members, the links that have something wrong, the load.
#[derive(Debug, Serialize)]
pub(super) struct View {
    members: Vec<MemberView>,
    links: Vec<LinkView>,
    load: LoadView,
}

#[derive(Debug, Serialize)]
struct MemberView {
    /// In hex; none until the cluster has said it.
    id: Option<String>,
    name: String,
    /// Where its page and API are.
    url: String,
    running: bool,
    paused: bool,
}

/// One direction.
#[derive(Debug, Serialize)]
struct LinkView {
    from: String,
    to: String,
    cut: bool,
    drop_percent: u8,
    delay_ms: u16,
}

impl Cluster {
    pub(super) fn view(&self) -> View {
        let members = self.members.lock().seats.iter().map(member_view).collect();
        let links = self.links.faults().into_iter().map(|((from, to), fault)| {
            let Fault { cut, drop_percent, delay_ms } = fault;
            LinkView { from, to, cut, drop_percent, delay_ms }
        });
        View { members, links: links.collect(), load: self.load.view() }
    }
}

fn member_view(seat: &Seat) -> MemberView {
    MemberView {
        id: seat.id.clone(),
        name: seat.member.name.clone(),
        url: seat.member.endpoint().to_string(),
        running: seat.child.is_some(),
        paused: seat.child.as_ref().is_some_and(super::child::Child::is_paused),
    }
}
