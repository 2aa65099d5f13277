//! The file `IDENTITY`: who a data directory belongs to. `docs/format/directory.md` specifies it.

use std::fmt::Write;

/// The version of the data directory's layout.
pub const DIRECTORY_VERSION: u32 = 1;

/// Longest name of a member, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// The line that is there only while the member is joining.
const JOINING: &str = "joining = yes";

const TITLE: &str = "raftkv data directory, format ";

/// Who a data directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The version of the directory's layout.
    pub format_version: u32,
    /// The member's id; never 0.
    pub member_id: u64,
    /// A random number of this directory alone: a wiped directory comes back with another one.
    pub incarnation: u128,
    /// The member's name, as it was given when the directory was created.
    pub name: String,
    /// The cluster it belongs to, once it does.
    pub cluster_id: Option<u128>,
    /// It is joining that cluster, and may have nothing of its log yet: an empty log is no sign
    /// that it was wiped.
    pub joining: bool,
}

/// Why some bytes are no identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdentityError {
    Damaged,
    UnknownVersion(u32),
}

impl Identity {
    pub(crate) fn encode(&self) -> String {
        let Identity { format_version, member_id, incarnation, name, cluster_id, joining } = self;
        let cluster_id = cluster_id.map_or("none".to_owned(), |id| format!("{id:032x}"));
        let mut text = format!(
            "{TITLE}{format_version}\n\
             member_id = {member_id:016x}\n\
             incarnation = {incarnation:032x}\n\
             name = {name}\n\
             cluster_id = {cluster_id}\n"
        );
        if *joining {
            text.push_str(JOINING);
            text.push('\n');
        }
        let checksum = crc32c::crc32c(text.as_bytes());
        writeln!(text, "checksum = {checksum:08x}").expect("writing to a string succeeds");
        text
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Identity, IdentityError> {
        let text = std::str::from_utf8(bytes).map_err(|_| IdentityError::Damaged)?;
        let (body, checksum) = text.rsplit_once("checksum = ").ok_or(IdentityError::Damaged)?;
        let checksum = parse_hex(checksum.strip_suffix('\n'), 8);
        if checksum != Some(u128::from(crc32c::crc32c(body.as_bytes()))) {
            return Err(IdentityError::Damaged);
        }
        let version = body.strip_prefix(TITLE).and_then(|rest| rest.split_once('\n'));
        let (version, fields) = version.ok_or(IdentityError::Damaged)?;
        match version.parse() {
            Ok(DIRECTORY_VERSION) => parse_fields(fields).ok_or(IdentityError::Damaged),
            Ok(version) => Err(IdentityError::UnknownVersion(version)),
            Err(_) => Err(IdentityError::Damaged),
        }
    }
}

/// Whether a member can be called so: names are shown in logs and stored in a line of their own.
pub(crate) fn is_valid_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn parse_fields(fields: &str) -> Option<Identity> {
    let mut lines = fields.split_terminator('\n');
    let mut field = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(" = ");
    let member_id = u64::try_from(parse_hex(field("member_id"), 16)?).ok()?;
    let incarnation = parse_hex(field("incarnation"), 32)?;
    let name = field("name")?.to_owned();
    let cluster_id = match field("cluster_id")? {
        "none" => None,
        digits => Some(parse_hex(Some(digits), 32)?),
    };
    let joining = match lines.next() {
        None => false,
        Some(line) if line == JOINING && cluster_id.is_some() => true,
        Some(_) => return None,
    };
    let complete = lines.next().is_none() && member_id != 0 && is_valid_name(&name);
    let format_version = DIRECTORY_VERSION;
    let identity = Identity { format_version, member_id, incarnation, name, cluster_id, joining };
    complete.then_some(identity)
}

fn parse_hex(digits: Option<&str>, count: usize) -> Option<u128> {
    let digits = digits.filter(|digits| digits.len() == count)?;
    let hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hex.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(cluster_id: Option<u128>) -> Identity {
        Identity {
            format_version: DIRECTORY_VERSION,
            member_id: 0xa1,
            incarnation: 7 << 100,
            name: "node = ünö".to_owned(),
            cluster_id,
            joining: false,
        }
    }

    #[test]
    fn an_identity_is_read_back_as_written() {
        for cluster_id in [None, Some(0), Some(u128::MAX)] {
            let text = identity(cluster_id).encode();
            assert_eq!(Identity::decode(text.as_bytes()), Ok(identity(cluster_id)));
        }
        let joining = Identity { joining: true, ..identity(Some(1)) };
        assert_eq!(Identity::decode(joining.encode().as_bytes()), Ok(joining));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let text = identity(Some(1)).encode();
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Identity::decode(&bytes), Err(IdentityError::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_file_is_found() {
        let text = identity(Some(1)).encode();
        for length in 0..text.len() {
            let cut = &text.as_bytes()[..length];
            assert_eq!(Identity::decode(cut), Err(IdentityError::Damaged), "{length} bytes");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let body = format!("{TITLE}2\nwhatever\n");
        let text = format!("{body}checksum = {:08x}\n", crc32c::crc32c(body.as_bytes()));
        assert_eq!(Identity::decode(text.as_bytes()), Err(IdentityError::UnknownVersion(2)));
    }
}
