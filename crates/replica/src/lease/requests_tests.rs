use super::*;

const LEADER: MemberId = MemberId(1);
const TERM: Term = Term(4);

fn question(ask: LeaseAsk) -> Question {
    Question { lease: LeaseId(7), ask, forward: true }
}

fn standing() -> Option<LeaseStanding> {
    Some(LeaseStanding { granted_index: 3, ttl_s: 10, left_ms: 10_000 })
}

/// One request, sent to the leader as number 1 at 100 ms, with patience until 1,000 ms, of which
/// it would wait for a leader until 500.
fn sent(ask: LeaseAsk) -> Requests {
    let mut requests = Requests::default();
    let patience = Patience { deadline_ms: 1_000, held_until_ms: 500 };
    requests.add(Ticket(1), question(ask), patience);
    requests.sent(Ticket(1), 1, (LEADER, TERM), 100);
    requests
}

fn asks_again(requests: &Requests, term: Term) -> bool {
    !requests.to_ask(term).is_empty()
}

#[test]
fn an_answer_waits_for_the_store() {
    let mut requests = sent(LeaseAsk::TimeToLive);
    requests.told(LEADER, 1, Index(9), standing());
    assert_eq!(requests.ready(Index(8)), []);
    assert_eq!(requests.ready(Index(9)), [(Ticket(1), standing())]);
    assert_eq!(requests.ready(Index(9)), []);
    assert_eq!(requests.len(), 0);
}

#[test]
fn only_the_leader_that_was_asked_can_answer() {
    let mut requests = sent(LeaseAsk::KeepAlive);
    requests.told(MemberId(2), 1, Index(0), standing());
    requests.refused(MemberId(2), 1);
    requests.told(LEADER, 2, Index(0), standing());
    assert_eq!(requests.ready(Index(9)), []);
    assert!(!asks_again(&requests, TERM));
}

#[test]
fn what_is_lost_is_asked_again() {
    type Loss = (&'static str, fn(&mut Requests));
    let losses: [Loss; 5] = [
        ("refused", |requests| requests.refused(LEADER, 1)),
        ("unsent", |requests| requests.unsent(1)),
        ("its stream broke", |requests| requests.lost(LEADER)),
        ("another leads", |requests| requests.led_in(Term(5))),
        ("nothing heard", |requests| requests.tick(101)),
    ];
    for (name, lose) in losses {
        let mut requests = sent(LeaseAsk::KeepAlive);
        requests.lost(MemberId(2));
        requests.led_in(TERM);
        requests.tick(100);
        assert!(!asks_again(&requests, TERM), "{name}: it is on its way");
        lose(&mut requests);
        assert!(asks_again(&requests, Term(5)), "{name}");
        requests.sent(Ticket(1), 2, (LEADER, Term(5)), 200);
        requests.told(LEADER, 1, Index(0), None);
        assert_eq!(requests.ready(Index(9)), [], "{name}: a late answer to the first");
        requests.told(LEADER, 2, Index(0), standing());
        assert_eq!(requests.ready(Index(9)), [(Ticket(1), standing())], "{name}");
    }
}

#[test]
fn the_same_leader_is_not_asked_again_before_the_next_tick() {
    let mut requests = sent(LeaseAsk::KeepAlive);
    requests.refused(LEADER, 1);
    assert!(!asks_again(&requests, TERM));
    requests.tick(0);
    assert!(asks_again(&requests, TERM));
}

#[test]
fn past_its_deadline_a_keep_alive_that_was_asked_is_unknown_and_nothing_else() {
    for (ask, failure) in
        [(LeaseAsk::KeepAlive, Failure::Unknown), (LeaseAsk::TimeToLive, Failure::Unavailable)]
    {
        let mut requests = sent(ask);
        assert_eq!(requests.expire(999), []);
        assert_eq!(requests.expire(1_000), [(Ticket(1), failure)]);
        assert_eq!(requests.len(), 0);
    }
    let mut requests = Requests::default();
    let patience = Patience { deadline_ms: 1_000, held_until_ms: 500 };
    requests.add(Ticket(1), question(LeaseAsk::KeepAlive), patience);
    assert_eq!(requests.expire(499), []);
    assert_eq!(requests.expire(500), [(Ticket(1), Failure::Unavailable)], "nobody was asked");
}

#[test]
fn when_the_member_stops_all_are_answered() {
    let mut requests = sent(LeaseAsk::KeepAlive);
    let patience = Patience { deadline_ms: 1_000, held_until_ms: 500 };
    requests.add(Ticket(2), question(LeaseAsk::KeepAlive), patience);
    let failed = requests.stop();
    assert_eq!(failed, [(Ticket(1), Failure::Unknown), (Ticket(2), Failure::Unavailable)]);
    assert_eq!(requests.len(), 0);
}
