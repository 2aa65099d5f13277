//! The texts that clients know errors by.

use std::collections::BTreeSet;

use tonic::Code;

use crate::grpc::refusal::Refusal;

/// Those that etcd sends without a code of their own, and the one that none of its tables has.
const WITHOUT_A_CODE: [Refusal; 3] =
    [Refusal::NotEnoughStarted, Refusal::PasswordOfNobody, Refusal::TransferTimeout];

#[test]
fn every_refusal_has_a_text_of_its_own_that_says_whose_it_is() {
    let texts: BTreeSet<&str> = Refusal::ALL.iter().map(|refusal| refusal.row().1).collect();
    assert_eq!(texts.len(), Refusal::ALL.len());
    let is_etcds = |text: &&str| text.starts_with("etcdserver: ") || text.starts_with("auth: ");
    assert!(texts.iter().all(is_etcds), "{texts:?}");
}

#[test]
fn only_what_etcd_sends_so_has_no_code() {
    for refusal in Refusal::ALL {
        let (code, text) = refusal.row();
        assert_eq!(code == Code::Unknown, WITHOUT_A_CODE.contains(refusal), "{text}");
    }
}
