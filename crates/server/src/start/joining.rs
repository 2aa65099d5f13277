//! `raftkv start --join URL`: how a fresh member gets into a cluster that exists.
//!
//! | step | durable afterwards | after a crash before it |
//! |---|---|---|
//! | makes its own directory, with an empty log | id, incarnation | begins anew |
//! | asks any member to add it, as a learner | the cluster knows it | asks again, to no harm |
//! | notes which cluster it is joining | cluster id, "joining" | asks again |
//! | runs; the leader finds it, and sends everything | its log | the leader begins anew |
//! | notes that it has joined | cluster id | notes it later |
//! | asks to vote, or to take `--replace`'s place, until it does | | asks again |
//!
//! From the third step on nothing on the command line matters any more but what it asks for at the
//! end, so the same command line may start it for ever.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use raft::MemberId;
use replica::{Configuration, Standing};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::error::what_to_do;
use super::{Member, StartError};
use crate::access::Shown;
use crate::ask::{NoAnswer, Question, ask};
use crate::config::JoinUser;

/// From one attempt to the next.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// A member that takes longer to answer is asked again later; adding waits for a commit.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(6);

/// Refusals that another time will not bring.
const NOT_NOW: [&str; 11] = [
    "change_in_progress",
    "corrupt",
    "learner_behind",
    "no_leader",
    "not_leader",
    "not_ready",
    "outcome_unknown",
    "overloaded",
    "stopped",
    "superseded",
    "unavailable",
];

/// What came of asking once.
pub(super) enum Asked {
    /// Done.
    Done(Bytes),
    /// Not yet: why.
    NotYet(String),
    /// Never.
    Refused { code: String, message: String },
}

impl Member {
    /// Asks the members of `--join` to add this one, until one does; answers the cluster.
    pub(super) async fn ask_to_be_added(&self) -> Result<u128, StartError> {
        let mut said = String::new();
        loop {
            for address in &self.config.join {
                let address = address.to_string();
                match self.put(&address, self.request_to_be_added()).await {
                    Asked::Done(answer) => {
                        info!(by = address, "added to the cluster, as a learner");
                        return read_cluster_id(&answer);
                    }
                    Asked::Refused { code, message } => {
                        return Err(StartError::JoinRefused { by: address, code, message });
                    }
                    Asked::NotYet(why) => self.say_waiting(&address, &why, &mut said),
                }
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// A member that was joining when it ended may have been removed meanwhile; if nobody says so
    /// it goes on, and the leader finds it.
    pub(super) async fn check_still_wanted(&self) -> Result<(), StartError> {
        info!("going on with joining the cluster");
        for address in &self.config.join {
            let by = address.to_string();
            match self.put(&by, self.request_to_be_added()).await {
                Asked::Done(_) => return Ok(()),
                Asked::Refused { code, message } => {
                    return Err(StartError::JoinRefused { by, code, message });
                }
                Asked::NotYet(_) => {}
            }
        }
        Ok(())
    }

    fn request_to_be_added(&self) -> Question {
        let identity = self.directory.identity();
        let mut body = json!({
            "id": MemberId(identity.member_id).to_string(),
            "incarnation": format!("{:032x}", identity.incarnation),
            "name": self.config.name,
            "address": self.config.advertise.to_string(),
        });
        if let Some(old) = &self.config.replace {
            body["replaces"] = old.as_str().into();
        }
        self.ask_for("/cluster/members", &body)
    }

    /// A change of the members, on behalf of `--join-user`.
    fn ask_for(&self, target: impl Into<String>, body: &Value) -> Question {
        self.on_behalf(Question::post(target, body))
    }

    /// A question, as one of the user whom this member was given for such.
    pub(super) fn on_behalf(&self, question: Question) -> Question {
        let parts = self.config.join_user.as_ref().and_then(JoinUser::parts);
        let shown = parts.map_or(Shown::Nothing, |(user, password)| Shown::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        });
        Question { authorization: shown.header(), ..question }
    }

    fn say_waiting(&self, address: &str, why: &str, said: &mut String) {
        let waiting = format!("waiting to be added by {address}: {why}");
        if waiting != *said {
            info!("{waiting}");
            said.clone_from(&waiting);
        }
        self.status.waiting(waiting);
    }

    /// What is left to do of joining while the member runs already. Never ends but by an error.
    pub(super) async fn settle_in(&mut self) -> Result<(), StartError> {
        self.note_that_it_has_joined().await?;
        if !self.config.join.is_empty() && !self.config.learner {
            self.ask_to_vote().await;
        }
        self.publish_client_urls().await;
        std::future::pending().await
    }

    /// Its log is its own from the first entry on: an empty one would be a sign of a wipe. What
    /// counts is what a power cut leaves of it.
    async fn note_that_it_has_joined(&mut self) -> Result<(), StartError> {
        while self.directory.identity().joining {
            let status = self.status.current();
            let durable = status.replica.as_ref().map_or(0, |replica| replica.durable);
            match self.directory.identity().cluster_id {
                Some(cluster_id) if durable > 0 => self.directory.set_cluster(cluster_id)?,
                _ => sleep(RETRY_INTERVAL).await,
            }
        }
        Ok(())
    }

    /// Asks until this member is a voter, or never will be.
    async fn ask_to_vote(&self) {
        let mut said = String::new();
        loop {
            let status = self.status.current();
            let wish = status.configuration.as_ref().map(|known| self.next_wish(known));
            match wish {
                Some(Wish::Fulfilled) => return,
                Some(Wish::Ask(question)) => match self.put(&self.own_door(), question).await {
                    Asked::Done(_) => info!("this member votes from now on"),
                    Asked::NotYet(why) if why != said => {
                        info!("waiting to be promoted: {why}");
                        said = why;
                    }
                    Asked::Refused { code, message } if message != said => {
                        let help = what_to_do(&code);
                        warn!(code, "this member was not promoted: {message}{help}");
                        said = message;
                    }
                    Asked::NotYet(_) | Asked::Refused { .. } => {}
                },
                Some(Wish::Wait) | None => {}
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    fn next_wish(&self, known: &Configuration) -> Wish {
        let id = MemberId(self.directory.identity().member_id);
        let Some(me) = known.members.get(&id) else { return Wish::Wait };
        match me.standing {
            Standing::Joining => Wish::Wait,
            Standing::Voter | Standing::Leaving => Wish::Fulfilled,
            Standing::Learner if me.stays_learner => Wish::Fulfilled,
            Standing::Learner => Wish::Ask(match self.member_to_replace(id, known) {
                Some(old) => self.ask_for(
                    format!("/cluster/members/{old}/replace"),
                    &json!({ "with": id.to_string() }),
                ),
                None => self.ask_for(format!("/cluster/members/{id}/promote"), &json!({})),
            }),
        }
    }

    /// The voter whose place it is to take, if that is still there.
    fn member_to_replace(&self, me: MemberId, known: &Configuration) -> Option<MemberId> {
        let wanted = self.config.replace.as_ref()?;
        let mut others = known.members.iter().filter(|(id, _)| **id != me);
        let found = others.find(|(id, old)| old.name == *wanted || id.to_string() == *wanted);
        found.map(|(&id, _)| id)
    }

    /// Puts a request to a member, once.
    pub(super) async fn put(&self, address: &str, question: Question) -> Asked {
        let asker = self.asker();
        let asked = ask(&asker, address, question);
        let (status, answer) = match timeout(ANSWER_TIMEOUT, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(NoAnswer::NotSent(why) | NoAnswer::Broken(why))) => return Asked::NotYet(why),
            Err(_) => return Asked::NotYet("no answer in time".to_owned()),
        };
        read_answer(status, answer)
    }

    /// Any member takes the request, so this one does.
    pub(super) fn own_door(&self) -> String {
        let listen = self.config.listen;
        match listen.ip().is_unspecified() {
            true => format!("localhost:{}", listen.port()),
            false => listen.to_string(),
        }
    }
}

/// What a member that is joining wants next.
enum Wish {
    /// Nothing more.
    Fulfilled,
    /// To be told of a change that is under way, or of its own place.
    Wait,
    /// To be promoted.
    Ask(Question),
}

fn read_answer(status: StatusCode, answer: Bytes) -> Asked {
    if status.is_success() {
        return Asked::Done(answer);
    }
    match serde_json::from_slice::<Refusal>(&answer) {
        Ok(Refusal { error, message }) if NOT_NOW.contains(&error.as_str()) => {
            Asked::NotYet(message)
        }
        Ok(Refusal { error: code, message }) if status.is_client_error() => {
            Asked::Refused { code, message }
        }
        _ => Asked::NotYet(strange(status)),
    }
}

fn strange(status: StatusCode) -> String {
    format!("it answers {status}, as no member would")
}

/// The body of every refusal.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    message: String,
}

fn read_cluster_id(answer: &[u8]) -> Result<u128, StartError> {
    #[derive(Deserialize)]
    struct Answer {
        cluster_id: String,
    }
    let answer = serde_json::from_slice::<Answer>(answer).ok();
    let id = answer.and_then(|answer| u128::from_str_radix(&answer.cluster_id, 16).ok());
    id.ok_or_else(|| StartError::Stopped("a member named no cluster to join".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_not(status: StatusCode, answer: &'static str) -> String {
        match read_answer(status, Bytes::from_static(answer.as_bytes())) {
            Asked::NotYet(why) => format!("not yet: {why}"),
            Asked::Refused { code, message } => format!("{code}: {message}"),
            Asked::Done(_) => "done".to_owned(),
        }
    }

    #[test]
    fn what_a_member_says_is_passed_on() {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let stopped = r#"{"error": "stopped", "message": "its disk failed"}"#;
        assert_eq!(why_not(unavailable, stopped), "not yet: its disk failed");
        let corrupt = r#"{"error": "corrupt", "message": "no majority agrees"}"#;
        assert_eq!(why_not(unavailable, corrupt), "not yet: no majority agrees");
        let taken = r#"{"error": "name_taken", "message": "that is somebody else"}"#;
        assert_eq!(why_not(StatusCode::CONFLICT, taken), "name_taken: that is somebody else");
        let strange = why_not(StatusCode::BAD_GATEWAY, "<html>");
        assert!(strange.ends_with("as no member would"), "{strange}");
    }
}
