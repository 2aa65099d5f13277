"""What one attempt proved, and what may therefore be done next. Pure: the heart of this client.

============================================  =================  ===========
what happened                                 read, named write  write
============================================  =================  ===========
a status below 300                            done               done
no connection: nothing was sent               again              again
a code that says "not now" (``NOT_NOW``)      again              again
a code that says "never"                      refused            refused
``outcome_unknown``, or no code of a member   again              **unknown**
the connection broke after sending; silence   again              **unknown**
============================================  =================  ===========

In the last two rows a named write is sent again and yet may have been done: that is ``unproven``.
Codes decide, statuses do not: a 503 of some proxy proves nothing about the member behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from raftkv._decode import key_value
from raftkv._json import Object, Strange
from raftkv._request import Effect
from raftkv.errors import (
    Compacted,
    ConditionFailed,
    LeaseNotFound,
    PermissionDenied,
    Refused,
    Unauthenticated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOT_NOW = frozenset(
    {
        "not_leader",
        "no_leader",
        "not_ready",
        "unavailable",
        "overloaded",
        "too_many_requests",
        "superseded",
        "stopped",
        "table_full",
    }
)
"""Codes of a member that certainly did nothing, and another member or time may serve."""

NEVER = frozenset({"no_space", "corrupt"})
"""Codes with a status from 500 on that say as surely that nothing was done, nor will be soon."""

WAIT_MAX_S = 60.0
"""A member that asks to be left alone for longer is not believed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, not yet understood."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """Not a byte of the request left."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The request may have left, and no whole answer came back."""

    reason: str


Attempt: TypeAlias = Answer | NotSent | Broken


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again.

    ``leader`` is the address of who leads, if the member said so; ``wait`` for how long it asks to
    be left alone, in seconds; ``unproven`` that it may have been served all the same; ``silent``
    that the member gave no answer at all.
    """

    reason: str
    leader: str | None = None
    wait: float = 0.0
    unproven: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have had an effect: never send it again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Never:
    """It never will be served as it is."""

    error: Refused = field(hash=False)


Verdict: TypeAlias = Answer | Again | Unknown | Never


def judge(effect: Effect, attempt: Attempt) -> Verdict:
    """Decide what an attempt proved; an ``Answer`` is that of a request that was served."""
    match attempt:
        case NotSent(reason):
            return Again(reason, silent=True)
        case Broken(reason):
            return _unproven(effect, reason, silent=True)
        case Answer(status) if 200 <= status < 300:
            return attempt
        case Answer():
            return _judge_refusal(effect, attempt)


def _judge_refusal(effect: Effect, answer: Answer) -> Verdict:
    try:
        body = Object.parse(answer.body)
        refusal = Refused(answer.status, body.text("error"), body.text("message"), body.fields)
    except Strange:
        return _unproven(effect, f"HTTP status {answer.status} without a code of raftkv's")
    code = refusal.code
    if code in NOT_NOW:
        return Again(refusal.message, answer.headers.get("raftkv-leader"), _wait(answer.headers))
    if code != "outcome_unknown" and (400 <= answer.status < 500 or code in NEVER):
        return Never(specific(refusal))
    return _unproven(effect, str(refusal))


def _unproven(effect: Effect, reason: str, *, silent: bool = False) -> Verdict:
    if effect is Effect.WRITE:
        return Unknown(reason)
    return Again(reason, unproven=True, silent=silent)


def _wait(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return min(float(text), WAIT_MAX_S) if text.isascii() and text.isdigit() else 0.0


def specific(refusal: Refused) -> Refused:
    """Give a refusal the class of its code."""
    make = _CLASSES.get(refusal.code)
    try:
        return refusal if make is None else make(refusal)
    except Strange:
        return refusal


def _condition_failed(refusal: Refused) -> Refused:
    body = Object(refusal.data)
    current = body.optional_inner("current")
    item = None if current is None else key_value(current)
    return ConditionFailed(refusal, item, body.integer("revision"))


def _compacted(refusal: Refused) -> Refused:
    return Compacted(refusal, Object(refusal.data).integer("oldest"))


def _plain(kind: type[Refused]) -> Callable[[Refused], Refused]:
    return lambda refusal: kind(refusal.status, refusal.code, refusal.message, refusal.data)


_CLASSES: dict[str, Callable[[Refused], Refused]] = {
    "condition_failed": _condition_failed,
    "compacted": _compacted,
    "before_history": _compacted,
    "unauthenticated": _plain(Unauthenticated),
    "permission_denied": _plain(PermissionDenied),
    "lease_not_found": _plain(LeaseNotFound),
}
