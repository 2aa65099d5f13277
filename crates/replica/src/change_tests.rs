//! Each change and each of its refusals, on the plain values.

use super::*;
use std::collections::BTreeMap;

use crate::configuration::{CLIENT_URLS_MAX, ConfigurationError};

fn id(number: u64) -> MemberId {
    MemberId(number)
}

fn address(number: u64) -> String {
    format!("localhost:800{number}")
}

fn founded(size: u64) -> Configuration {
    let member = |number| {
        let member = Member::voter(u128::from(number), format!("node-{number}"), address(number));
        (id(number), member)
    };
    Configuration::founding(7, (1..=size).map(member).collect())
}

fn add(number: u64) -> Change {
    Change::Add {
        id: id(number),
        incarnation: Some(u128::from(number)),
        name: format!("node-{number}"),
        address: address(number),
        replaces: None,
        stays_learner: false,
    }
}

fn standings(configuration: &Configuration) -> BTreeMap<u64, &'static str> {
    let row = |(id, member): (&MemberId, &Member)| (id.0, member.standing.as_str());
    configuration.members.iter().map(row).collect()
}

/// The configuration after the change and whatever follows it by itself.
fn made(configuration: &Configuration, change: &Change) -> Configuration {
    let next = configuration.apply(change).expect("it can be made");
    next.leave_joint().unwrap_or(next)
}

#[test]
fn a_new_member_is_a_learner_at_once_and_a_voter_by_way_of_a_joint_configuration() {
    let with = founded(3).apply(&add(4)).unwrap();
    assert!(!with.is_joint(), "no voter moved");
    assert_eq!(standings(&with)[&4], "learner");
    let joint = with.apply(&Change::Promote { id: id(4) }).unwrap();
    assert_eq!(standings(&joint)[&4], "joining");
    assert_eq!(joint.apply(&add(5)), Err(ChangeRefusal::InProgress));
    let last = joint.leave_joint().unwrap();
    assert_eq!(standings(&last)[&4], "voter");
    assert_eq!(last.leave_joint(), None);
}

#[test]
fn who_leaves_counts_until_the_end_and_is_remembered_then() {
    let joint = founded(3).apply(&Change::Remove { id: id(2) }).unwrap();
    assert_eq!(standings(&joint)[&2], "leaving");
    assert!(!joint.is_removed(id(2)));
    let last = joint.leave_joint().unwrap();
    assert_eq!(last.removed, [id(2)]);
    assert_eq!(last.apply(&add(2)), Err(ChangeRefusal::Removed(id(2))));
    assert_eq!(last.apply(&Change::Remove { id: id(2) }), Err(ChangeRefusal::Removed(id(2))));
}

#[test]
fn one_member_replaces_another_in_one_step_and_may_share_its_name_and_address_before() {
    let mut like_2 = add(4);
    if let Change::Add { name, address, replaces, .. } = &mut like_2 {
        (*name, *address, *replaces) = ("node-2".into(), "localhost:8002".into(), Some(id(2)));
    }
    let with = founded(3).apply(&like_2).unwrap();
    let refused = with.apply(&Change::Promote { id: id(4) });
    assert_eq!(refused, Err(ChangeRefusal::AddressTaken(id(2))), "both can not stay");
    let joint = with.apply(&Change::Replace { old: id(2), new: id(4) }).unwrap();
    assert_eq!((standings(&joint)[&2], standings(&joint)[&4]), ("leaving", "joining"));
    assert_eq!(joint.leave_joint().unwrap().voters().collect::<Vec<_>>(), [id(1), id(3), id(4)]);
}

#[test]
fn a_reserved_place_is_claimed_by_who_joins_at_its_address() {
    let reserve = Change::Add {
        id: id(99),
        incarnation: None,
        name: "fourth".into(),
        address: address(4),
        replaces: None,
        stays_learner: false,
    };
    let reserved = made(&founded(3), &reserve);
    assert!(!reserved.members[&id(99)].is_claimed());
    let refused = reserved.apply(&Change::Promote { id: id(99) });
    assert_eq!(refused, Err(ChangeRefusal::NotJoined(id(99))));
    let mut join = add(4);
    if let Change::Add { name, .. } = &mut join {
        name.clear();
    }
    let joined = made(&reserved, &join);
    assert!(!joined.members.contains_key(&id(99)), "the place became the member");
    assert_eq!(joined.members[&id(4)].name, "fourth");
    assert!(joined.removed.is_empty(), "nobody was removed");
}

#[test]
fn joining_twice_changes_nothing_but_never_with_another_data_directory() {
    let with = made(&founded(3), &add(4));
    assert_eq!(with.apply(&add(4)), Ok(with.clone()));
    let mut wiped = add(4);
    if let Change::Add { incarnation, .. } = &mut wiped {
        *incarnation = Some(1_000);
    }
    assert_eq!(with.apply(&wiped), Err(ChangeRefusal::IdTaken(id(4))));
}

#[test]
fn names_and_addresses_are_taken_once() {
    let with = |change: fn(&mut String, &mut String)| {
        let mut add = add(4);
        if let Change::Add { name, address, .. } = &mut add {
            change(name, address);
        }
        founded(3).apply(&add)
    };
    let taken = with(|_, address| *address = "localhost:8001".into());
    assert_eq!(taken, Err(ChangeRefusal::AddressTaken(id(1))));
    let taken = with(|name, _| *name = "node-2".into());
    assert_eq!(taken, Err(ChangeRefusal::NameTaken(id(2))));
    assert_eq!(with(|_, address| address.clear()), Err(ChangeRefusal::Invalid));
    assert_eq!(with(|name, _| *name = "n".repeat(256)), Err(ChangeRefusal::Invalid));
    let to_2 = Change::Address { id: id(1), address: address(2) };
    assert_eq!(founded(3).apply(&to_2), Err(ChangeRefusal::AddressTaken(id(2))));
}

#[test]
fn an_address_changes_and_nothing_else_does() {
    let moved = founded(3).apply(&Change::Address { id: id(1), address: address(9) }).unwrap();
    assert!(!moved.is_joint());
    let mut expected = founded(3);
    expected.members.get_mut(&id(1)).unwrap().address = address(9);
    assert_eq!(moved, expected);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let three = founded(3);
    let refused = |change| three.apply(&change).unwrap_err();
    assert_eq!(refused(Change::Remove { id: id(9) }), ChangeRefusal::UnknownMember(id(9)));
    assert_eq!(refused(Change::Promote { id: id(1) }), ChangeRefusal::NotALearner(id(1)));
    let replace = Change::Replace { old: id(1), new: id(2) };
    assert_eq!(refused(replace), ChangeRefusal::NotALearner(id(2)));
    let only = founded(1).apply(&Change::Remove { id: id(1) });
    assert_eq!(only, Err(ChangeRefusal::LastVoter));
    let with = made(&three, &add(4));
    let replace = Change::Replace { old: id(4), new: id(4) };
    assert_eq!(with.apply(&replace), Err(ChangeRefusal::NotAVoter(id(4))));
}

#[test]
fn members_and_memories_of_them_are_bounded() {
    let mut configuration = founded(1);
    for number in 2..=MEMBERS_MAX as u64 {
        configuration = made(&configuration, &add(number));
    }
    let refused = configuration.apply(&add(100));
    assert_eq!(refused, Err(ChangeRefusal::TooManyMembers { max: MEMBERS_MAX }));
    let mut configuration = founded(1);
    for number in 2..=REMOVED_MAX as u64 + 3 {
        configuration =
            made(&made(&configuration, &add(number)), &Change::Remove { id: id(number) });
    }
    assert_eq!(configuration.removed.len(), REMOVED_MAX);
    assert_eq!(configuration.removed[0], id(4), "the oldest are forgotten");
}

#[test]
fn every_configuration_comes_back_from_its_bytes() {
    let with = made(&founded(3), &add(4));
    let joint = with.apply(&Change::Replace { old: id(1), new: id(4) }).unwrap();
    for configuration in [founded(1), with, joint.clone(), joint.leave_joint().unwrap()] {
        assert_eq!(Configuration::decode(configuration.encode()), Ok(configuration));
    }
}

/// What directories and members of other versions hold, written out by hand.
#[test]
fn the_bytes_of_a_configuration_stay_what_they_are() {
    let mut configuration = founded(1);
    configuration.cluster_id = 7;
    configuration.removed = vec![id(4)];
    configuration.feature_level = 2;
    let draining = Some(Draining { life: 5, until_age_ms: 300 });
    let (name, address) = ("a".to_owned(), "h:1".to_owned());
    let client_urls = vec!["u".to_owned()];
    let member = configuration.members.get_mut(&id(1)).unwrap();
    let (incarnation, standing) = (9, Standing::Learner);
    let learner =
        Member { incarnation, name, address, standing, client_urls, stays_learner: true, draining };
    *member = Member { standing: Standing::Voter, ..learner.clone() };
    configuration.members.insert(id(2), learner);
    let member = |id: &str, standing: &str| {
        let incarnation = format!("12 10 {}09", "00".repeat(15));
        let draining = "42 0c 09 0500000000000000 10 ac02";
        let length = 9 + 18 + 3 + 5 + standing.len() / 2 + 3 + 2 + 14;
        format!(
            "12 {length:02x} 09 {id}00000000000000 {incarnation} 1a0161 2203683a31 {standing} \
             320175 3801 {draining}"
        )
    };
    let (voter, learner) = (member("01", ""), member("02", "2801"));
    let cluster_id = format!("0a 10 {}07", "00".repeat(15));
    let expected = format!("{cluster_id} {voter} {learner} 1a 08 0400000000000000 20 02");
    let encoded: String = configuration.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(encoded, expected.replace(' ', ""));
}

#[test]
fn a_configuration_without_voters_is_none() {
    let mut configuration = founded(1);
    for standing in [Standing::Learner, Standing::Joining, Standing::Leaving] {
        configuration.members.get_mut(&id(1)).unwrap().standing = standing;
        let error = Configuration::decode(configuration.encode()).unwrap_err();
        assert_eq!(error, ConfigurationError::Inconsistent("there are no voters"));
    }
}

#[test]
fn a_place_is_claimed_under_its_own_id_too_and_only_once() {
    let place = Change::Add {
        id: id(4),
        incarnation: None,
        name: String::new(),
        address: address(4),
        replaces: None,
        stays_learner: false,
    };
    let reserved = founded(3).apply(&place).unwrap();
    assert_eq!(reserved.apply(&place), Ok(reserved.clone()), "asked for again");
    let claimed = reserved.apply(&add(4)).unwrap();
    let member = &claimed.members[&id(4)];
    assert_eq!((member.incarnation, member.name.as_str()), (4, "node-4"));
    let other = |address: String, incarnation| Change::Add {
        id: id(4),
        incarnation: Some(incarnation),
        name: "node-4".to_owned(),
        address,
        replaces: None,
        stays_learner: false,
    };
    assert_eq!(claimed.apply(&other(address(4), 5)), Err(ChangeRefusal::IdTaken(id(4))));
    let elsewhere = reserved.apply(&other(address(5), 5));
    assert_eq!(elsewhere, Err(ChangeRefusal::IdTaken(id(4))), "the place is at another address");
}

#[test]
fn a_member_tells_clients_of_its_urls() {
    let tell = |urls: Vec<String>| founded(3).apply(&Change::ClientUrls { id: id(2), urls });
    let urls = vec!["http://a:1".to_owned(), "http://b:2".to_owned()];
    let told = tell(urls.clone()).unwrap();
    assert!(!told.is_joint(), "no voter moved");
    assert_eq!(told.members[&id(2)].client_urls, urls);
    assert_eq!(told.members[&id(2)].client_address(), "a:1");
    assert_eq!(told.members[&id(1)].client_address(), told.members[&id(1)].address);
    let secure = tell(vec!["https://a:1".to_owned(), "http://b:2/".to_owned()]).unwrap();
    assert_eq!(secure.members[&id(2)].client_address(), "b:2");
    let secure = tell(vec!["https://a:1".to_owned()]).unwrap();
    assert_eq!(secure.members[&id(2)].client_address(), "a:1");
    assert_eq!(Configuration::decode(told.encode()).as_ref(), Ok(&told));
    assert_eq!(tell(Vec::new()), Ok(founded(3)));
    for wrong in [vec![String::new()], vec!["u".to_owned(); CLIENT_URLS_MAX + 1]] {
        assert_eq!(tell(wrong), Err(ChangeRefusal::Invalid));
    }
    let unknown = founded(3).apply(&Change::ClientUrls { id: id(9), urls });
    assert_eq!(unknown, Err(ChangeRefusal::UnknownMember(id(9))));
}

#[test]
fn who_is_to_stay_a_learner_is_one_until_somebody_promotes_it() {
    let mut place = add(4);
    if let Change::Add { incarnation, name, stays_learner, .. } = &mut place {
        (*incarnation, *name, *stays_learner) = (None, String::new(), true);
    }
    let claimed = founded(3).apply(&place).unwrap().apply(&add(4)).unwrap();
    assert!(claimed.members[&id(4)].stays_learner, "its place was reserved so");
    assert_eq!(Configuration::decode(claimed.encode()).as_ref(), Ok(&claimed));
    let promoted = made(&claimed, &Change::Promote { id: id(4) });
    assert_eq!(standings(&promoted)[&4], "voter");
    assert!(!promoted.members[&id(4)].stays_learner);
}
