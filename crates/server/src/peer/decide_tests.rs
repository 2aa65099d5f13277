use super::*;

fn address(port: u16) -> Address {
    Address::localhost(port)
}

/// A fresh member at `port`, which was told of members at `peers`.
fn fresh(port: u16, peers: &[u16]) -> Hello {
    Hello {
        name: format!("node-{port}"),
        id: MemberId(u64::from(port)),
        incarnation: u128::from(port) << 64,
        address: address(port),
        peers: peers.iter().map(|port| address(*port)).collect(),
        client_urls: Vec::new(),
        founding_id: None,
        cluster: None,
        changed: false,
        feature_level: FEATURE_LEVEL,
    }
}

fn cluster_of(cluster_id: u128, members: &[&Hello]) -> Configuration {
    let members = members.iter().map(|hello| (hello.id, member(hello))).collect();
    Configuration::founding(cluster_id, members)
}

fn founded(hello: Hello, cluster: &Configuration) -> Hello {
    Hello { cluster: Some(cluster.clone()), ..hello }
}

/// Answers at the address that each hello calls its own.
fn answers(hellos: &[Hello]) -> Answers {
    hellos.iter().map(|hello| (hello.address.clone(), Ok(hello.clone()))).collect()
}

fn silent() -> Result<Hello, Silence> {
    Err(Silence::Unreachable("connection refused".to_owned()))
}

#[track_caller]
fn assert_waits(decision: Decision, words: &[&str]) {
    let Decision::Wait(text) = decision else { panic!("should wait: {decision:?}") };
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[test]
fn alone_a_member_founds_a_cluster_of_one() {
    let me = fresh(1, &[]);
    let members = [(me.id, member(&me))].into();
    assert_eq!(
        decide(&me, &Answers::new()),
        Decision::Found { members, feature_level: FEATURE_LEVEL }
    );
}

#[test]
fn a_cluster_is_founded_at_the_level_that_all_know() {
    let (a, b) = (fresh(1, &[2]), fresh(2, &[1]));
    for (theirs, founded) in [(1, 1), (FEATURE_LEVEL, FEATURE_LEVEL), (99, FEATURE_LEVEL)] {
        let b = Hello { feature_level: theirs, ..b.clone() };
        let Decision::Found { feature_level, .. } = decide(&a, &answers(&[b])) else { panic!() };
        assert_eq!(feature_level, founded, "beside one that knows {theirs}");
    }
}

#[test]
fn a_cluster_that_uses_more_than_this_program_knows_is_not_waited_for() {
    let a = fresh(1, &[2]);
    let newer = ConfigurationError::Newer { level: 99 };
    let answers = [(address(2), Err(Silence::Newer(newer)))].into();
    let Decision::Refuse(refusal) = decide(&a, &answers) else { panic!() };
    let text = refusal.to_string();
    assert!(text.contains("feature level 99") && text.contains("newer version"), "{text}");
}

#[test]
fn the_lowest_address_founds_when_all_are_fresh_and_agree() {
    let (a, b, c) = (fresh(1, &[2, 3]), fresh(2, &[1, 3]), fresh(3, &[1, 2]));
    let members = cluster_of(0, &[&a, &b, &c]).members;
    assert_eq!(
        decide(&a, &answers(&[b, c])),
        Decision::Found { members, feature_level: FEATURE_LEVEL }
    );
}

#[test]
fn the_others_wait_for_the_lowest_address() {
    let (a, b, c) = (fresh(1, &[2, 3]), fresh(2, &[1, 3]), fresh(3, &[1, 2]));
    assert_waits(decide(&b, &answers(&[a, c])), &["localhost:1 to found"]);
}

#[test]
fn a_silent_peer_is_waited_for_and_named() {
    let (a, b) = (fresh(1, &[2, 3]), fresh(2, &[1, 3]));
    let mut answers = answers(&[b]);
    assert_waits(decide(&a, &answers), &["localhost:3", "not asked"]);
    answers.insert(address(3), silent());
    assert_waits(decide(&a, &answers), &["waiting for peers: localhost:3 (connection refused)"]);
}

#[test]
fn contradictory_lists_are_waited_out_and_shown() {
    let (a, b) = (fresh(1, &[2]), fresh(2, &[1, 3]));
    let words = ["localhost:1,localhost:2,localhost:3", "here they are localhost:1,localhost:2:"];
    assert_waits(decide(&a, &answers(&[b])), &words);
}

#[test]
fn members_that_were_told_two_ids_for_the_cluster_do_not_found_it() {
    let told = |founding_id, hello| Hello { founding_id, ..hello };
    let (a, b) = (told(Some(0xa), fresh(1, &[2])), told(Some(0xb), fresh(2, &[1])));
    let words = ["the cluster is 000000000000000b", "the cluster is 000000000000000a"];
    assert_waits(decide(&a, &answers(&[b])), &words);
    let b = told(None, fresh(2, &[1]));
    assert_waits(decide(&a, &answers(&[b])), &["localhost:2 (it was told no id"]);
    let b = told(Some(0xa), fresh(2, &[1]));
    assert!(matches!(decide(&a, &answers(&[b])), Decision::Found { .. }));
}

#[test]
fn a_founder_notes_where_each_member_tells_clients_to_come() {
    let urls = vec!["http://kv.example:2379".to_owned()];
    let b = Hello { client_urls: urls.clone(), ..fresh(2, &[1]) };
    let Decision::Found { members, .. } = decide(&fresh(1, &[2]), &answers(&[b])) else { panic!() };
    assert_eq!(members[&MemberId(2)].client_urls, urls);
    assert!(members[&MemberId(1)].client_urls.is_empty());
}

#[test]
fn a_peer_that_lists_nobody_does_not_agree() {
    let (a, b) = (fresh(1, &[2]), fresh(2, &[]));
    assert_waits(decide(&a, &answers(&[b])), &["its members are localhost:2;"]);
}

#[test]
fn a_peer_under_another_address_does_not_agree() {
    let a = fresh(1, &[2]);
    let elsewhere = Hello { address: Address::parse("db.example:2").unwrap(), ..fresh(2, &[1]) };
    let answers = [(address(2), Ok(elsewhere))].into();
    assert_waits(decide(&a, &answers), &["calls itself db.example:2", "--advertise"]);
}

#[test]
fn localhost_and_127_0_0_1_are_one_address() {
    let a = fresh(1, &[2]);
    let b = Hello {
        address: Address::parse("127.0.0.1:2").unwrap(),
        peers: [Address::parse("127.0.0.1:1").unwrap()].into(),
        ..fresh(2, &[])
    };
    assert!(matches!(decide(&a, &answers(&[b])), Decision::Found { .. }));
}

#[test]
fn a_founded_cluster_that_holds_me_is_adopted_though_others_are_silent() {
    let (a, b, c) = (fresh(1, &[2, 3]), fresh(2, &[1, 3]), fresh(3, &[1, 2]));
    let cluster = cluster_of(9, &[&a, &b, &c]);
    let mut answers = answers(&[founded(a, &cluster)]);
    answers.insert(address(3), silent());
    assert_eq!(decide(&b, &answers), Decision::Adopt(cluster));
}

/// Its founding entry is not to be had any more: it gets everything from the leader.
#[test]
fn a_founder_that_comes_when_the_members_are_others_already_joins_with_an_empty_log() {
    let (a, b, c) = (fresh(1, &[2, 3]), fresh(2, &[1, 3]), fresh(3, &[1, 2]));
    let cluster = cluster_of(9, &[&a, &b, &c]);
    let later = Hello { changed: true, ..founded(a, &cluster) };
    assert_eq!(decide(&b, &answers(&[later])), Decision::Join(cluster));
}

#[test]
fn a_founder_that_died_after_founding_is_joined_when_it_is_back() {
    let (a, b) = (fresh(1, &[2]), fresh(2, &[1]));
    let away = [(address(1), silent())].into();
    assert_waits(decide(&b, &away), &["localhost:1"]);
    // Started again, it answers out of its directory, whatever its flags say now.
    let cluster = cluster_of(9, &[&a, &b]);
    let back = founded(Hello { peers: BTreeSet::new(), ..a }, &cluster);
    assert_eq!(decide(&b, &answers(&[back])), Decision::Adopt(cluster));
}

#[test]
fn a_cluster_without_me_is_not_joined() {
    let (a, b, c) = (fresh(1, &[2]), fresh(2, &[1]), fresh(3, &[1, 2]));
    let cluster = cluster_of(9, &[&a, &b]);
    let decision = decide(&c, &answers(&[founded(a, &cluster), founded(b, &cluster)]));
    assert_eq!(decision, Decision::Refuse(Refusal::ClusterExists { peer: address(1) }));
}

#[test]
fn a_wiped_member_is_refused_by_name_and_by_address() {
    let (a, b) = (fresh(1, &[2]), fresh(2, &[1]));
    let cluster = cluster_of(9, &[&a, &b]);
    let wiped = Hello { id: MemberId(77), incarnation: 77, ..b };
    let refusal = Refusal::Wiped { peer: address(1), name: "node-2".to_owned() };
    for wiped in [
        wiped.clone(),
        Hello { name: "renamed".to_owned(), ..wiped.clone() },
        Hello { address: address(20), ..wiped },
    ] {
        let decision = decide(&wiped, &answers(&[founded(a.clone(), &cluster)]));
        assert_eq!(decision, Decision::Refuse(refusal.clone()), "{wiped:?}");
    }
    assert!(refusal.to_string().starts_with(
        "this cluster exists; this member is new or was wiped: use `member replace` or `--join`"
    ));
}

#[test]
fn the_same_id_with_another_incarnation_is_another_member() {
    let (a, b) = (fresh(1, &[2]), fresh(2, &[1]));
    let cluster = cluster_of(9, &[&a, &b]);
    let other = Hello { incarnation: 1, ..b };
    let decision = decide(&other, &answers(&[founded(a, &cluster)]));
    assert!(matches!(decision, Decision::Refuse(Refusal::Wiped { .. })), "{decision:?}");
}

#[test]
fn a_lowest_member_that_was_wiped_does_not_found_again() {
    let (a, b) = (fresh(1, &[2]), fresh(2, &[1]));
    let cluster = cluster_of(9, &[&a, &b]);
    let wiped = Hello { id: MemberId(77), incarnation: 77, ..a };
    let decision = decide(&wiped, &answers(&[founded(b, &cluster)]));
    assert!(matches!(decision, Decision::Refuse(Refusal::Wiped { .. })), "{decision:?}");
}

#[test]
fn peers_of_two_clusters_are_refused() {
    let (a, b, c) = (fresh(1, &[2, 3]), fresh(2, &[1, 3]), fresh(3, &[1, 2]));
    let (one, other) = (cluster_of(8, &[&a, &b, &c]), cluster_of(9, &[&a, &b, &c]));
    let decision = decide(&c, &answers(&[founded(a, &one), founded(b, &other)]));
    let refusal = Refusal::TwoClusters { one: address(1), other: address(2) };
    assert_eq!(decision, Decision::Refuse(refusal));
}

#[test]
fn a_list_that_leads_back_to_me_is_refused() {
    let me = fresh(1, &[2]);
    let answers = [(address(2), Ok(me.clone()))].into();
    assert_eq!(decide(&me, &answers), Decision::Refuse(Refusal::Itself { peer: address(2) }));
}

#[test]
fn a_copied_data_directory_is_refused() {
    let me = fresh(1, &[2]);
    let copy = Hello { id: me.id, incarnation: me.incarnation, ..fresh(2, &[1]) };
    let decision = decide(&me, &answers(&[copy]));
    assert_eq!(decision, Decision::Refuse(Refusal::SameIdentity { peer: address(2) }));
}

#[test]
fn two_members_of_one_name_are_refused() {
    let me = fresh(1, &[2]);
    let twin = Hello { name: me.name.clone(), ..fresh(2, &[1]) };
    let refusal = Refusal::SameName { peer: address(2), name: me.name.clone() };
    assert_eq!(decide(&me, &answers(&[twin])), Decision::Refuse(refusal));
}

#[test]
fn a_third_member_waits_while_two_others_share_a_name() {
    let (a, b) = (fresh(1, &[2, 3]), fresh(2, &[1, 3]));
    let twin = Hello { name: b.name.clone(), ..fresh(3, &[1, 2]) };
    assert_waits(decide(&a, &answers(&[b, twin])), &["localhost:3 (another peer is called node-2"]);
}

#[test]
fn another_protocol_version_is_refused() {
    let me = fresh(1, &[2]);
    let answers = [(address(2), Err(Silence::Version(7)))].into();
    let Decision::Refuse(refusal) = decide(&me, &answers) else { panic!("should refuse") };
    assert!(refusal.to_string().contains("version 7"), "{refusal}");
}
