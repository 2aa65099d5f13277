"""Which member comes next, and after which pause; whom a client turns to first."""

from __future__ import annotations

import pytest

from raftkv._course import Course
from raftkv._directory import DISCOVER_EVERY_S, SHUNNED_S, Directory
from raftkv._endpoint import Endpoint
from raftkv._request import Effect

ONE, TWO, THREE, FOUR = (Endpoint("http", f"localhost:{port}") for port in range(1, 5))


def test_every_member_is_tried_before_the_first_pause() -> None:
    course = Course([ONE, TWO, THREE])
    tried = []
    for _ in range(4):
        tried.append((course.endpoint, course.advance(None, 0.0, 0.0)))
    assert tried == [(ONE, 0.0), (TWO, 0.0), (THREE, 0.010), (ONE, 0.0)]


def test_pauses_grow_are_bounded_and_random() -> None:
    low, high = Course([ONE]), Course([ONE])
    lows = [round(low.advance(None, 0.0, 0.0) * 1000) for _ in range(8)]
    highs = [round(high.advance(None, 0.0, 1.0) * 1000) for _ in range(100)]
    assert lows == [10, 20, 40, 80, 160, 250, 250, 250]
    assert highs[:6] == [20, 40, 80, 160, 320, 500]
    assert highs[-1] == 500


def test_a_named_leader_is_next_even_if_it_was_unknown() -> None:
    course = Course([ONE, TWO, THREE])
    assert course.advance(THREE, 0.0, 0.0) == 0.0
    assert course.endpoint == THREE
    course.advance(FOUR, 0.0, 0.0)
    assert course.endpoint == FOUR


def test_who_names_itself_is_not_asked_twice() -> None:
    course = Course([ONE, TWO])
    course.advance(ONE, 0.0, 0.0)
    assert course.endpoint == TWO


def test_a_member_that_asks_for_a_pause_gets_it() -> None:
    assert Course([ONE, TWO]).advance(None, 1.5, 0.0) == 1.5


def test_writes_go_to_the_leader_first_and_reads_to_whoever_served() -> None:
    directory = Directory([ONE, TWO, THREE])
    assert directory.candidates(Effect.ONCE, 0.0) == [ONE, TWO, THREE]
    directory.note_served(TWO)
    assert directory.follow("localhost:3") == THREE
    assert directory.candidates(Effect.ONCE, 0.0) == [THREE, ONE, TWO]
    assert directory.candidates(Effect.READ, 0.0) == [TWO, ONE, THREE]


def test_who_gives_no_answer_is_tried_last_for_a_while() -> None:
    directory = Directory([ONE, TWO])
    directory.note_failed(ONE, 0.0, silent=True)
    assert directory.candidates(Effect.READ, 0.0) == [TWO, ONE]
    assert directory.candidates(Effect.READ, SHUNNED_S + 1) == [ONE, TWO]


def test_behind_a_leader_that_can_not_be_reached_others_hand_on() -> None:
    directory = Directory([ONE, TWO])
    leader = directory.follow("inside:1")
    assert leader == Endpoint("http", "inside:1")
    assert not directory.leader_is_hidden(0.0)
    directory.note_failed(leader, 0.0, silent=True)
    assert directory.leader_is_hidden(0.0)
    assert not directory.leader_is_hidden(SHUNNED_S + 1)


def test_members_are_reached_where_they_say_that_clients_reach_them() -> None:
    directory = Directory([Endpoint("https", "localhost:1")])
    directory.learn([("inside:1", ["https://outside:1"]), ("inside:2", [])])
    directory.learn([("inside:3", ["http://without-tls:1"])])
    known = [str(endpoint) for endpoint in directory.known]
    assert known == ["https://localhost:1", "https://outside:1", "https://inside:2"]
    assert str(directory.follow("inside:1")) == "https://outside:1"
    assert str(directory.follow("inside:2")) == "https://inside:2"


def test_members_are_asked_for_once_and_after_failures_but_seldom() -> None:
    directory = Directory([ONE])
    assert directory.should_ask(0.0)
    assert not directory.should_ask(1.0), "it was asked just now"
    directory.learn([])
    assert not directory.should_ask(100.0), "all is well"
    directory.note_failed(ONE, 100.0, silent=False)
    assert directory.should_ask(100.0)
    assert not directory.should_ask(100.0 + DISCOVER_EVERY_S / 2)


def test_a_client_of_one_member_learns_no_others() -> None:
    directory = Directory([ONE], fixed=True)
    assert not directory.should_ask(0.0)
    assert directory.follow("localhost:2") is None
    assert directory.leader_is_hidden(0.0), "it has to hand writes on"


@pytest.mark.parametrize(
    "text",
    ["localhost", "ftp://localhost:1", "http://localhost:1/kv", "http://a:b@localhost:1", ""],
)
def test_what_is_no_address_of_a_member_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"member|port"):
        Endpoint.parse(text)
