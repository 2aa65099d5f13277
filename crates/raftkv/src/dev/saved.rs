//! What a run leaves for the next one: `dev.json`.

use serde::{Deserialize, Serialize};

/// The members of a cluster, and where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    /// Of the first member.
    pub(super) port: u16,
    pub(super) members: Vec<SavedMember>,
    /// The number of the member that is added next; none is ever used twice.
    pub(super) next: u16,
}

/// One of them: it is called `node-` and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedMember {
    pub(super) number: u16,
    /// Its own.
    pub(super) port: u16,
    /// Where its peers reach it, through a link that can be broken; none in a cluster of an earlier
    /// version, whose peers go to its own port.
    pub(super) peer_port: Option<u16>,
    /// It was added by hand, and joins by the others.
    pub(super) joined: bool,
}

/// As earlier versions wrote it: so many members, from this port on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    members: u16,
    port: u16,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "it is no dev.json of this program's")]
enum Written {
    Listed(Saved),
    Counted(Counted),
}

impl Saved {
    /// What `text` says.
    pub(super) fn read(text: &[u8]) -> serde_json::Result<Saved> {
        Ok(match serde_json::from_slice(text)? {
            Written::Listed(saved) => saved,
            Written::Counted(Counted { members, port }) => Saved::in_a_row(members, port),
        })
    }

    /// So many members from `port` on, whose links can not be broken.
    pub(super) fn in_a_row(count: u16, port: u16) -> Saved {
        let member = |position: u16| {
            let (number, port) = (position + 1, port.saturating_add(position));
            SavedMember { number, port, peer_port: None, joined: false }
        };
        Saved { port, members: (0..count).map(member).collect(), next: count + 1 }
    }

    /// Whether the links between the members can be broken.
    pub(super) fn has_links(&self) -> bool {
        self.members.iter().all(|member| member.peer_port.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_an_earlier_version_opens_without_links() {
        let saved = Saved::read(br#"{"members":3,"port":9001}"#).unwrap();
        assert_eq!(saved, Saved::in_a_row(3, 9_001));
        assert!(!saved.has_links());
        let ports: Vec<u16> = saved.members.iter().map(|member| member.port).collect();
        assert_eq!(ports, [9_001, 9_002, 9_003]);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut saved = Saved::in_a_row(2, 8_001);
        saved.members[1].peer_port = Some(18_002);
        saved.members[1].joined = true;
        let text = serde_json::to_vec(&saved).unwrap();
        assert_eq!(Saved::read(&text).unwrap(), saved);
        for strange in ["", "{}", "[]", r#"{"members":3,"port":9001,"x":1}"#, r#"{"port":"a"}"#] {
            assert!(Saved::read(strange.as_bytes()).is_err(), "{strange}");
        }
    }
}
