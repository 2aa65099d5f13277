//! What is wrong with a link, and which links have something wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

/// The longest delay of a link, in ms.
pub const DELAY_MS_MAX: u16 = 10_000;

/// A piece that is lost is sent again after this long, as Linux does at the soonest; lost again,
/// after twice as long, and so on.
const RESEND_AFTER: Duration = Duration::from_millis(200);
/// A piece that was lost so often gets through: nobody waits for a quarter of a minute.
const LOSSES_MAX: u32 = 6;

/// What is wrong with a link in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Nothing gets through.
    pub cut: bool,
    /// So many of a hundred pieces are lost, and come late because they are sent again.
    pub drop_percent: u8,
    /// Everything takes so much longer, in ms.
    pub delay_ms: u16,
}

/// A link: who sends, and to whom.
pub type Ends = (String, String);

type Table = BTreeMap<Ends, Fault>;

/// Every link that has something wrong; none at first. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Links(watch::Sender<Table>);

/// One link, as those see it whose bytes go over it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// None if nobody knows who sends or who is sent to: then nothing is ever wrong.
    ends: Option<Ends>,
    table: watch::Receiver<Table>,
}

impl Fault {
    const NONE: Fault = Fault { cut: false, drop_percent: 0, delay_ms: 0 };

    /// Whether anything gets through at all.
    pub(crate) fn passes(self) -> bool {
        !self.cut && self.drop_percent < 100
    }

    pub(crate) fn delay(self) -> Duration {
        Duration::from_millis(self.delay_ms.into())
    }

    /// How long a piece is held up by being lost and sent again. TCP loses nothing for good: what
    /// a lossy link does to a stream is that it stands still until the sender's timer runs out.
    /// `draw` answers a number from 0 to 99.
    pub(crate) fn stall(self, mut draw: impl FnMut() -> u8) -> Duration {
        let mut stall = Duration::ZERO;
        for loss in 0..LOSSES_MAX {
            if draw() >= self.drop_percent {
                break;
            }
            stall += RESEND_AFTER * 2_u32.pow(loss);
        }
        stall
    }
}

impl Links {
    /// Every link that has something wrong.
    pub fn faults(&self) -> Vec<(Ends, Fault)> {
        self.0.borrow().iter().map(|(ends, fault)| (ends.clone(), *fault)).collect()
    }

    /// From now on this is wrong with these links, and nothing else.
    pub fn set(&self, links: impl IntoIterator<Item = Ends>, fault: Fault) {
        self.change(links, |link| *link = fault);
    }

    /// These links are cut or not; what else is wrong with them stays.
    pub fn cut(&self, links: impl IntoIterator<Item = Ends>, cut: bool) {
        self.change(links, |link| link.cut = cut);
    }

    /// All links are well again.
    pub fn heal(&self) {
        self.0.send_modify(Table::clear);
    }

    /// A member is gone, and its links are.
    pub fn forget(&self, member: &str) {
        self.0.send_modify(|table| table.retain(|(from, to), _| from != member && to != member));
    }

    /// The link from one member to another, if it is known who they are.
    pub(crate) fn link(&self, from: Option<&str>, to: Option<&str>) -> Link {
        let ends = from.zip(to).map(|(from, to)| (from.to_owned(), to.to_owned()));
        Link { ends, table: self.0.subscribe() }
    }

    fn change(&self, links: impl IntoIterator<Item = Ends>, change: impl Fn(&mut Fault)) {
        self.0.send_modify(|table| {
            for ends in links {
                change(table.entry(ends).or_default());
            }
            table.retain(|_, fault| *fault != Fault::NONE);
        });
    }
}

impl Link {
    /// What is wrong with it now.
    pub(crate) fn fault(&self) -> Fault {
        let Some(ends) = &self.ends else { return Fault::NONE };
        self.table.borrow().get(ends).copied().unwrap_or_default()
    }

    /// Done when something became wrong or well with any link; never, when no link will ever
    /// change any more.
    pub(crate) async fn changed(&mut self) {
        if self.table.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(from: &str, to: &str) -> Ends {
        (from.to_owned(), to.to_owned())
    }

    const CUT: Fault = Fault { cut: true, ..Fault::NONE };
    const SLOW: Fault = Fault { delay_ms: 50, ..Fault::NONE };

    #[test]
    fn each_direction_is_a_link_of_its_own() {
        let links = Links::default();
        let (there, back) = (links.link(Some("a"), Some("b")), links.link(Some("b"), Some("a")));
        links.set([ends("a", "b")], CUT);
        assert_eq!((there.fault(), back.fault()), (CUT, Fault::NONE));
        assert_eq!(links.link(None, Some("b")).fault(), Fault::NONE, "nobody knows who sends");
        links.heal();
        assert_eq!(there.fault(), Fault::NONE);
        assert_eq!(links.faults(), []);
    }

    #[test]
    fn a_cut_leaves_the_rest_of_a_fault_alone() {
        let links = Links::default();
        links.set([ends("a", "b")], SLOW);
        links.cut([ends("a", "b"), ends("b", "a")], true);
        assert!(links.faults().iter().all(|(_, fault)| fault.cut));
        links.cut([ends("a", "b"), ends("b", "a")], false);
        assert_eq!(links.faults(), [(ends("a", "b"), SLOW)]);
        links.forget("b");
        assert_eq!(links.faults(), []);
    }

    #[test]
    fn a_piece_that_is_lost_again_and_again_comes_later_and_later() {
        let fault = Fault { drop_percent: 50, ..Fault::NONE };
        let stall = |losses: usize| {
            let mut drawn = 0;
            let draw = || {
                drawn += 1;
                if drawn <= losses { 49 } else { 50 }
            };
            fault.stall(draw).as_millis()
        };
        assert_eq!([stall(0), stall(1), stall(2), stall(3)], [0, 200, 600, 1_400]);
        assert_eq!(stall(1_000), 12_600, "it ends");
        assert_eq!(Fault::NONE.stall(|| 0), Duration::ZERO, "a link that loses nothing");
    }

    #[test]
    fn a_link_that_loses_everything_is_a_cut_one() {
        assert!(!Fault { drop_percent: 100, ..Fault::NONE }.passes());
        assert!(!CUT.passes() && SLOW.passes());
    }
}
