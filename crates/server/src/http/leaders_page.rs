//! What the leader's page says that others do not know, fetched for whoever asks here.
//!
//! However many clients ask a follower at once, it asks the leader once: who comes while a question
//! is under way waits for its answer. And those who wait are counted, too.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use parking_lot::Mutex;
use raft::{MemberId, RoleName};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::error::Refusal;
use crate::ask::{Asker, Question, ask};

/// The leader says within this time how far the others are, or that stays unknown.
const LEADER_PATIENCE: Duration = Duration::from_millis(500);

/// Requests that wait for the leader's page at once; one more is refused.
pub(super) const WAITING_MAX: usize = 1_024;

/// What a leader's page says that others do not know.
#[derive(Debug, Deserialize)]
pub(super) struct LeadersPage {
    id: String,
    role: String,
    pub(super) agreement: PageAgreement,
    pub(super) members: Vec<PageMember>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PageAgreement {
    pub(super) split_at: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PageMember {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) progress: Progress,
}

/// How far a member has come, as the leader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) matched: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lag: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) silent_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) progress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot_sent: Option<SentBytes>,
    /// What its program knows; absent while it has not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) feature_level: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SentBytes {
    pub(super) bytes: u64,
    pub(super) bytes_total: u64,
}

/// Where the leader's page is asked for.
#[derive(Debug)]
pub(super) struct LeadersDesk {
    /// The newest question.
    asked: Mutex<Option<Asked>>,
    waiting: Semaphore,
}

#[derive(Debug)]
struct Asked {
    leader: MemberId,
    address: String,
    answer: watch::Receiver<Told>,
}

/// What came of a question: nothing yet, no page, or one.
#[derive(Clone, Debug)]
enum Told {
    Nothing,
    NoPage,
    Page(Arc<LeadersPage>),
}

impl Default for LeadersDesk {
    fn default() -> LeadersDesk {
        LeadersDesk { asked: Mutex::default(), waiting: Semaphore::new(WAITING_MAX) }
    }
}

impl LeadersDesk {
    /// The page of the member that leads at `address`, asked for in the name of the member `asker`;
    /// none if it does not say in time.
    ///
    /// # Errors
    /// `overloaded`: too many wait already.
    pub(super) async fn page(
        &self,
        asker: &Asker,
        leader: MemberId,
        address: &str,
    ) -> Result<Option<Arc<LeadersPage>>, Refusal> {
        let _waiting = self.waiting.try_acquire().map_err(|_| Refusal::overloaded())?;
        let mut answer = self.answer(asker, leader, address);
        let told = answer.wait_for(|told| !matches!(told, Told::Nothing)).await;
        Ok(match told.as_deref() {
            Ok(Told::Page(page)) => Some(Arc::clone(page)),
            Ok(Told::NoPage | Told::Nothing) | Err(_) => None,
        })
    }

    /// Where the answer to the question under way will be; there is one after this.
    fn answer(&self, asker: &Asker, leader: MemberId, address: &str) -> watch::Receiver<Told> {
        let mut asked = self.asked.lock();
        if let Some(asked) = asked.as_ref().filter(|asked| asked.is_awaited(leader, address)) {
            return asked.answer.clone();
        }
        let (teller, answer) = watch::channel(Told::Nothing);
        let (asker, address) = (asker.clone(), address.to_owned());
        *asked = Some(Asked { leader, address: address.clone(), answer: answer.clone() });
        // A task of its own: whoever asked first may be gone before the answer comes.
        tokio::spawn(async move {
            let page = timeout(LEADER_PATIENCE, fetch(&asker, leader, &address));
            let page = page.await.ok().flatten();
            let told = page.map_or(Told::NoPage, |page| Told::Page(Arc::new(page)));
            // Nobody may be waiting any more.
            let _ = teller.send(told);
        });
        answer
    }
}

impl Asked {
    fn is_awaited(&self, leader: MemberId, address: &str) -> bool {
        let is_open = matches!(*self.answer.borrow(), Told::Nothing);
        (self.leader, self.address.as_str()) == (leader, address)
            && is_open
            && self.answer.has_changed().is_ok()
    }
}

/// Its page, if it is one of a member that leads.
async fn fetch(asker: &Asker, leader: MemberId, address: &str) -> Option<LeadersPage> {
    let (status, body) = ask(asker, address, Question::get("/cluster/status")).await.ok()?;
    let page: LeadersPage = serde_json::from_slice(&body).ok()?;
    let is_leaders = page.id == leader.to_string() && page.role == RoleName::Leader.as_str();
    (status == StatusCode::OK && is_leaders).then_some(page)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::response::IntoResponse as _;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    use super::*;

    const LEADER: MemberId = MemberId(7);

    /// A leader that counts who asks it, and answers when it has heard the whole question.
    async fn leader() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                answer(stream).await;
            }
        });
        (address, count)
    }

    async fn answer(mut stream: TcpStream) {
        let mut question = Vec::new();
        while !question.ends_with(b"\r\n\r\n") {
            question.push(stream.read_u8().await.unwrap());
        }
        let agreement = json!({ "split_at": 33 });
        let page = json!({ "id": "7", "role": "leader", "agreement": agreement, "members": [] });
        let body = page.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    }

    /// One thread: all have asked before the first answer can come.
    #[tokio::test]
    async fn whoever_asks_meanwhile_shares_the_answer() {
        let ((address, count), desk) = (leader().await, Arc::new(LeadersDesk::default()));
        for questions in 1..=2 {
            let mut asking = JoinSet::new();
            for _ in 0..50 {
                let (desk, address) = (Arc::clone(&desk), address.clone());
                asking.spawn(async move {
                    desk.page(&Asker::default(), LEADER, &address).await.unwrap()
                });
            }
            for page in asking.join_all().await {
                assert_eq!(page.expect("it leads").agreement.split_at, Some(33));
            }
            assert_eq!(count.load(Ordering::Relaxed), questions, "a later one is asked anew");
        }
    }

    #[tokio::test]
    async fn another_leader_is_asked_for_itself() {
        let nobody = Asker::default();
        let ((first, asked), (second, other), desk) =
            (leader().await, leader().await, LeadersDesk::default());
        let (page, none) = tokio::join!(
            desk.page(&nobody, LEADER, &first),
            desk.page(&nobody, MemberId(8), &second)
        );
        assert!(page.unwrap().is_some());
        assert!(none.unwrap().is_none(), "that page is of another member");
        assert_eq!((asked.load(Ordering::Relaxed), other.load(Ordering::Relaxed)), (1, 1));
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded() {
        let ((address, count), desk) = (leader().await, LeadersDesk::default());
        let waiting = desk.waiting.try_acquire_many(WAITING_MAX as u32).unwrap();
        let refused = desk.page(&Asker::default(), LEADER, &address).await.unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        drop(waiting);
        assert!(desk.page(&Asker::default(), LEADER, &address).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_leader_that_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let desk = LeadersDesk::default();
        assert!(desk.page(&Asker::default(), LEADER, &address).await.unwrap().is_none());
    }
}
