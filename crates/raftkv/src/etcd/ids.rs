//! The ids that etcd gives the members of a cluster that is founded, and the cluster.

use server::config::FoundingIds;
use sha1::{Digest as _, Sha1};

/// Of the member with the URL `own`, in a cluster of members with these.
pub(super) fn of<'a>(
    own: &str,
    all: impl IntoIterator<Item = &'a str>,
    token: &str,
) -> Result<FoundingIds, String> {
    let mut ids: Vec<u64> = all.into_iter().map(|url| first_of_hash([url, token])).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) || ids.contains(&0) {
        return Err("these members would not have ids of their own: change the token".to_owned());
    }
    let bytes: Vec<[u8; 8]> = ids.iter().map(|id| id.to_be_bytes()).collect();
    let member_id = first_of_hash([own, token]);
    Ok(FoundingIds { member_id, cluster_id: first_of_hash(&bytes) })
}

/// The first 64 bits of the SHA-1 of all parts, one behind the other.
fn first_of_hash(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> u64 {
    let mut hash = Sha1::new();
    parts.into_iter().for_each(|part| hash.update(part));
    let digest = hash.finalize();
    let first = digest.first_chunk().expect("it has 160 bits");
    u64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As etcd 3.5.1 was seen to have them, with these flags.
    #[test]
    fn ids_are_etcds() {
        let urls = ["http://127.0.0.1:23892", "http://127.0.0.1:23890", "http://127.0.0.1:23891"];
        for (own, member_id) in [
            (urls[1], 0xd17f_cf35_c752_7ffb),
            (urls[2], 0x864e_c619_bc75_aa8b),
            (urls[0], 0xd47c_0120_fce0_57f4),
        ] {
            let ids = FoundingIds { member_id, cluster_id: 4_929_532_007_460_167_427 };
            assert_eq!(of(own, urls, "tok"), Ok(ids));
        }
        let alone = of("http://localhost:2380", ["http://localhost:2380"], "etcd-cluster").unwrap();
        assert_eq!(alone.member_id, 0x8e9e_05c5_2164_694d);
        assert_eq!(alone.cluster_id, 0xcdf8_1819_4e3a_8c32);
    }
}
