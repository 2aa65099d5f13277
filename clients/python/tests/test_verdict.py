"""What an attempt proves: the table at the top of `_verdict.py`, row by row."""

from __future__ import annotations

import json

import pytest

from raftkv._request import Effect
from raftkv._verdict import Again, Answer, Attempt, Broken, Never, NotSent, Unknown, Verdict, judge
from raftkv.errors import Compacted, ConditionFailed, Refused, Unauthenticated


def refusal(status: int, code: str, **data: object) -> Answer:
    return Answer(status, {}, json.dumps({"error": code, "message": "why", **data}).encode())


def word(verdict: Verdict) -> str:
    names = {Answer: "done", Again: "again", Unknown: "unknown", Never: "refused"}
    return names[type(verdict)]


@pytest.mark.parametrize(
    ("attempt", "read", "write"),
    [
        (Answer(200, {}, b"{}"), "done", "done"),
        (NotSent("refused"), "again", "again"),
        (refusal(421, "not_leader"), "again", "again"),
        (refusal(503, "no_leader"), "again", "again"),
        (refusal(503, "not_ready"), "again", "again"),
        (refusal(503, "unavailable"), "again", "again"),
        (refusal(503, "overloaded"), "again", "again"),
        (refusal(429, "too_many_requests"), "again", "again"),
        (refusal(503, "superseded"), "again", "again"),
        (refusal(503, "stopped"), "again", "again"),
        (refusal(503, "table_full"), "again", "again"),
        (refusal(507, "no_space"), "refused", "refused"),
        (refusal(503, "corrupt"), "refused", "refused"),
        (refusal(400, "bad_parameter"), "refused", "refused"),
        (refusal(401, "unauthenticated"), "refused", "refused"),
        (refusal(404, "not_found"), "refused", "refused"),
        (refusal(412, "condition_failed"), "refused", "refused"),
        (refusal(504, "outcome_unknown"), "again", "unknown"),
        (refusal(504, "transfer_failed"), "again", "unknown"),
        (refusal(500, "of a later version"), "again", "unknown"),
        (Answer(502, {}, b"<h1>Bad Gateway</h1>"), "again", "unknown"),
        (Answer(404, {}, b"no such page"), "again", "unknown"),
        (Answer(302, {}, b""), "again", "unknown"),
        (Broken("reset"), "again", "unknown"),
    ],
)
def test_what_an_attempt_proves(attempt: Attempt, read: str, write: str) -> None:
    assert word(judge(Effect.READ, attempt)) == read
    assert word(judge(Effect.WRITE, attempt)) == write
    named = judge(Effect.ONCE, attempt)
    assert word(named) == read
    if isinstance(named, Again):
        assert named.silent == isinstance(attempt, NotSent | Broken)
        assert named.unproven == (write == "unknown")


def test_a_refusal_names_the_way_out() -> None:
    headers = {"raftkv-leader": "localhost:8002", "retry-after": "1"}
    verdict = judge(Effect.WRITE, Answer(421, headers, refusal(421, "not_leader").body))
    assert isinstance(verdict, Again)
    assert (verdict.leader, verdict.wait) == ("localhost:8002", 1.0)


def refused(answer: Answer) -> Refused:
    verdict = judge(Effect.WRITE, answer)
    assert isinstance(verdict, Never)
    return verdict.error


def test_refusals_that_programs_act_on_have_classes() -> None:
    item = {"key": "k", "value": "v", "version": 1, "create_revision": 3, "mod_revision": 3}
    failed = refused(refusal(412, "condition_failed", current=item, revision=9))
    assert isinstance(failed, ConditionFailed)
    assert failed.current is not None
    assert (failed.current.mod_revision, failed.revision) == (3, 9)
    compacted = refused(refusal(410, "compacted", oldest=5))
    assert isinstance(compacted, Compacted)
    assert compacted.oldest == 5
    assert isinstance(refused(refusal(401, "unauthenticated")), Unauthenticated)


def test_a_refusal_without_its_data_stays_a_refusal() -> None:
    assert type(refused(refusal(412, "condition_failed"))) is Refused
