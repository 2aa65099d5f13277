//! What a member that was started with etcd's flags has its cluster do: it takes the id of the
//! place that `etcdctl member add` has reserved for it, and tells where clients are to come.

use raft::MemberId;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::joining::{ANSWER_TIMEOUT, Asked, RETRY_INTERVAL};
use super::{Member, StartError};
use crate::ask::{Question, ask};
use crate::config::Address;

/// The part of `GET /cluster/members` that matters here.
#[derive(Deserialize)]
struct Page {
    members: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    id: String,
    address: String,
    /// None while nobody has claimed it.
    incarnation: Option<String>,
}

/// What a member says of the place at an address.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It is this member's, or is to be.
    Place(MemberId),
    /// Not there, as far as that member knows.
    Nothing,
    /// Somebody has claimed it.
    Taken(MemberId),
}

impl Member {
    /// Waits until a place is reserved at this member's address, and takes its id.
    pub(super) async fn take_the_places_id(&mut self) -> Result<(), StartError> {
        let mut said = String::new();
        loop {
            let mut waits = String::new();
            for by in self.config.join.clone() {
                waits = match self.look_for_the_place(&by).await {
                    Ok(Found::Place(id)) => return self.be_called(id),
                    Ok(Found::Taken(id)) => return Err(self.place_is_taken(&by, id)),
                    Ok(Found::Nothing) => self.how_to_reserve(),
                    // What a member that answers says is more than that another does not.
                    Err(why) if waits.is_empty() => format!("waiting for {by}: {why}"),
                    Err(_) => waits,
                };
            }
            if waits != said {
                info!("{waits}");
                said.clone_from(&waits);
            }
            self.status.waiting(waits);
            sleep(RETRY_INTERVAL).await;
        }
    }

    fn how_to_reserve(&self) -> String {
        let url = format!("{}{}", self.config.peer_scheme(), self.config.advertise);
        let name = &self.config.name;
        format!("waiting for a place in the cluster: `etcdctl member add {name} --peer-urls={url}`")
    }

    /// This member's id is not its own to choose.
    pub(super) fn be_called(&mut self, id: MemberId) -> Result<(), StartError> {
        self.directory.set_member_id(id.0)?;
        self.status.identified(id);
        Ok(())
    }

    async fn look_for_the_place(&self, by: &Address) -> Result<Found, String> {
        let by = by.to_string();
        let asker = self.asker();
        let asked = ask(&asker, &by, Question::get("/cluster/members"));
        let answered = timeout(ANSWER_TIMEOUT, asked).await;
        let answered = answered.map_err(|_| "no answer in time".to_owned())?;
        let (status, page) = answered.map_err(|why| why.to_string())?;
        let page = serde_json::from_slice::<Page>(&page).ok().filter(|_| status.is_success());
        let page = page.ok_or_else(|| format!("it tells no members (HTTP {})", status.as_u16()))?;
        let incarnation = format!("{:032x}", self.directory.identity().incarnation);
        Ok(find(&page, &self.config.advertise, &incarnation))
    }

    fn place_is_taken(&self, by: &Address, id: MemberId) -> StartError {
        let message = format!(
            "member {id} is at {} with another data directory: if it was wiped, `etcdctl member \
             remove {id}` and add it again",
            self.config.advertise
        );
        StartError::JoinRefused { by: by.to_string(), code: "id_taken".to_owned(), message }
    }

    /// Tells the cluster where clients are to come, unless it knows that already.
    pub(super) async fn publish_client_urls(&self) {
        let urls = &self.config.client_urls;
        if urls.is_empty() {
            return;
        }
        let id = MemberId(self.directory.identity().member_id);
        let mut said = false;
        loop {
            let status = self.status.current();
            let known = status.member(id).map(|me| me.client_urls == *urls);
            match known {
                Some(true) => break,
                Some(false) => {
                    let body = json!({ "client_urls": urls.join(",") });
                    let question = Question::patch(format!("/cluster/members/{id}"), &body);
                    let question = self.on_behalf(question);
                    if let Asked::Refused { code, message } =
                        self.put(&self.own_door(), question).await
                    {
                        warn!(code, "clients are not told of {urls:?}: {message}");
                        return;
                    }
                    said = true;
                }
                None => {}
            }
            sleep(RETRY_INTERVAL).await;
        }
        if said {
            info!(?urls, "clients are told to come there");
        }
    }
}

fn find(page: &Page, address: &Address, incarnation: &str) -> Found {
    let here = page
        .members
        .iter()
        .find(|place| Address::parse(&place.address).is_ok_and(|place| place == *address));
    let Some(here) = here else { return Found::Nothing };
    let Some(id) = u64::from_str_radix(&here.id, 16).ok().filter(|id| *id != 0) else {
        return Found::Nothing;
    };
    match &here.incarnation {
        Some(claimed) if claimed != incarnation => Found::Taken(MemberId(id)),
        _ => Found::Place(MemberId(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_by_whom_it_is_reserved_for() {
        let page = |incarnation: &str| -> Page {
            let json = format!(
                r#"{{"cluster_id": "1", "joint": false, "members": [
                    {{"id": "a", "address": "localhost:1", "incarnation": "0f"}},
                    {{"id": "b", "address": "localhost:2", "incarnation": {incarnation}}}]}}"#
            );
            serde_json::from_str(&json).unwrap()
        };
        let found = |page: &Page, port| {
            find(page, &Address::localhost(port), "0000000000000000000000000000000c")
        };
        assert_eq!(found(&page("null"), 2), Found::Place(MemberId(0xb)));
        assert_eq!(found(&page("null"), 3), Found::Nothing);
        assert_eq!(found(&page("null"), 1), Found::Taken(MemberId(0xa)));
        let mine = page("\"0000000000000000000000000000000c\"");
        assert_eq!(found(&mine, 2), Found::Place(MemberId(0xb)), "it was cut short after it");
    }
}
