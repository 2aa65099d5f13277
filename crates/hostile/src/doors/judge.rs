//! What may come of an input, and what must not.

use std::collections::VecDeque;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::member::{Access, Member};
use super::wire::ask;
use super::{Client, PATIENCE, panics};
use crate::Verdict;
use crate::input::Input;

/// The process may grow by so much while a member is tried: what the members of a target may keep
/// of bodies and answers, and what an allocator keeps of it.
pub(crate) const GROWTH_BYTES_MAX: u64 = 1 << 30;

/// So many descriptors more may be open than of a fresh member: those of connections whose clients
/// have gone, while a call that waits keeps the member from seeing it, among them.
const OPEN_MAX: usize = 256;

/// What nobody without a password may be told: the beginnings of a key, a value, a user and a role.
const PLANTED: [&str; 4] = ["veiledkey", "veiledval", "veiledusr", "veiledrol"];

/// The same as the JSON of protobuf has bytes, and the lease, in both of its spellings.
const PLANTED_OTHERWISE: [&str; 4] =
    ["dmVpbGVka2V5", "dmVpbGVkdmFs", "7310580112233", "6a62087db69"];

/// Requests that put them there, and turn authentication on. Nobody knows the passwords.
const VEIL: [(&str, &str); 9] = [
    ("POST /leases", r#"{"ttl": 360000, "id": 7310580112233}"#),
    ("PUT /kv/veiledkey-1", r#"{"value": "veiledval-1"}"#),
    ("PUT /kv/veiledkey-2?lease=7310580112233", r#"{"value": "veiledval-2"}"#),
    ("POST /roles", r#"{"name": "veiledrol-1"}"#),
    ("POST /users", r#"{"name": "veiledusr-1", "password": "of nobody"}"#),
    ("PUT /users/veiledusr-1/roles/veiledrol-1", ""),
    ("POST /users", r#"{"name": "root", "password": "of nobody either"}"#),
    ("PUT /users/root/roles/root", ""),
    ("POST /auth/enable", ""),
];

/// What a member says of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    revision: String,
    hash: String,
    members: usize,
}

/// From one look at a member to the next, while something is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Inputs that a change may be due to, if it is seen late.
const RECENT_MAX: usize = 256;

/// A member, and what it has.
pub(crate) struct Room {
    access: Access,
    member: Member,
    /// What whoever is nobody can not have changed.
    state: State,
    /// After the last input, where anybody may ask.
    revision: Option<String>,
    /// The last inputs, which were to change nothing.
    recent: VecDeque<Vec<u8>>,
    inputs: u32,
    resident_bytes: u64,
    descriptors: usize,
}

impl Room {
    /// A fresh member, ready to be tried.
    pub(crate) fn open(access: Access) -> Room {
        let member = Member::start();
        let due = Instant::now() + PATIENCE;
        while !has_settled_in(&member) {
            assert!(Instant::now() < due, "a fresh member does not serve");
            thread::sleep(LOOK_EVERY);
        }
        let veil: &[(&str, &str)] = if access == Access::Nobody { &VEIL } else { &[] };
        for (request, body) in veil {
            let (status, told) = ask(member.address, request, body);
            assert!(status < 300, "{request}: {status} {told}");
        }
        let (state, revision) = (settled(&member), revision(&member));
        let (resident_bytes, descriptors) = (resident_bytes(), open_descriptors());
        let (recent, inputs) = (VecDeque::new(), 0);
        Room { access, member, state, revision, recent, inputs, resident_bytes, descriptors }
    }

    pub(crate) fn inputs(&self) -> u32 {
        self.inputs
    }

    /// Runs an input, of which `input` is what is left to decide; which inputs may have done what
    /// they should not have, if something is wrong with the state.
    pub(crate) fn tried(
        &mut self,
        bytes: &[u8],
        input: &mut Input<'_>,
        client: Client,
    ) -> Result<Verdict, Vec<Vec<u8>>> {
        self.inputs += 1;
        let heard = client(self.member.address, input);
        self.is_well();
        let is_sound = match self.access {
            Access::Nobody => {
                tells_nothing(bytes, &heard.bytes);
                // The page may be older than the input: one that is wrong shows with those after.
                state(&self.member).0 == self.state
            }
            Access::Anybody => {
                let before = std::mem::replace(&mut self.revision, revision(&self.member));
                !heard.refused || before == self.revision
            }
        };
        if self.access == Access::Anybody {
            self.recent.clear();
        }
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.push_front(bytes.to_vec());
        if !is_sound {
            return Err(self.recent.drain(..).collect());
        }
        Ok(if heard.accepted { Verdict::Accepted } else { Verdict::Refused })
    }

    /// Runs an input on this fresh member alone, and sees what it has changed, if it should not.
    pub(crate) fn tried_alone(&mut self, input: &mut Input<'_>, client: Client) -> Option<String> {
        let heard = client(self.member.address, input);
        self.is_well();
        let after = settled(&self.member);
        let may_change = self.access == Access::Anybody && !heard.refused;
        (!may_change && after != self.state).then(|| format!("{:?} to {after:?}", self.state))
    }

    fn is_well(&self) {
        if let Some(panicked) = panics::first() {
            panic!("it panicked: {panicked}");
        }
        assert!(!self.member.has_ended(), "the member has ended");
        let (status, _) = ask(self.member.address, "GET /kv/none", "");
        assert!([404, 401].contains(&status), "a sound read is answered with {status}");
        let grown = resident_bytes().saturating_sub(self.resident_bytes);
        assert!(grown < GROWTH_BYTES_MAX, "it has grown by {grown} bytes");
        let opened = open_descriptors().saturating_sub(self.descriptors);
        assert!(opened < OPEN_MAX, "{opened} descriptors more are open than at first");
    }
}

/// Whether it serves, and its cluster has been given its settings.
fn has_settled_in(member: &Member) -> bool {
    let (status, page) = ask(member.address, "GET /cluster/settings", "");
    status == 200 && field(&page, "changed_index").is_some_and(|index| index != "0")
}

fn tells_nothing(bytes: &[u8], heard: &[u8]) {
    for planted in PLANTED.iter().chain(&PLANTED_OTHERWISE) {
        // Whoever says it hears nothing new.
        let new = !contains_any(bytes, &[planted]);
        assert!(!(new && contains_any(heard, &[planted])), "nobody was told of {planted}");
    }
}

fn contains_any(bytes: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
}

/// What the member says of its store, and when it was that.
fn state(member: &Member) -> (State, String) {
    let (status, page) = ask(member.address, "GET /cluster/status", "");
    assert_eq!(status, 200, "{page}");
    let field = |name| field(&page, name).expect("the page has it");
    let members = page.matches("\"address\":").count();
    let state = State { revision: field("revision"), hash: field("state_hash"), members };
    (state, field("uptime_ms"))
}

/// The same, with all that was done before: the page is made anew now and then.
fn settled(member: &Member) -> State {
    let (_, made) = state(member);
    let due = Instant::now() + PATIENCE;
    loop {
        match state(member) {
            (state, again) if again != made => return state,
            _ => thread::sleep(LOOK_EVERY),
        }
        assert!(Instant::now() < due, "the member's status is made anew no more");
    }
}

/// The revision of a read that sees all that was done before, if anybody may read.
fn revision(member: &Member) -> Option<String> {
    let (_, page) = ask(member.address, "GET /kv?limit=1&keys_only=true", "");
    field(&page, "revision")
}

fn field(page: &str, name: &str) -> Option<String> {
    let (_, after) = page.split_once(&format!("\"{name}\":"))?;
    let value = after.split([',', '}']).next().unwrap_or_default();
    Some(value.trim().trim_matches('"').to_owned())
}

/// What the process has of memory; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let page = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = page.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4_096
}

/// What the process has open; 0 where the system does not say.
fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
