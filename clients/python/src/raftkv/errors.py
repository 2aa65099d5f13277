"""Why a call failed, in the classes that a caller can act on.

A write has three outcomes and no fourth: it returns (done), it raises ``NotDone`` (it had no
effect and never will have one), or it raises ``OutcomeUnknown``. Reads have no effect: what they
raise is a ``NotDone``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raftkv.types import KeyValue


class RaftkvError(Exception):
    """Whatever this library raises for what a cluster did or did not do."""


class OutcomeUnknown(RaftkvError):
    """The write may have been done, or may yet be.

    ``idempotency_key`` is the name that it was sent under, if any: the same call with the same
    name, within ten minutes, is done once and tells what became of it.
    """

    def __init__(self, reason: str, idempotency_key: str | None = None) -> None:
        super().__init__(f"the outcome is unknown, the write may have been done: {reason}")
        self.reason = reason
        self.idempotency_key = idempotency_key


class NotDone(RaftkvError):
    """Nothing was done, and nothing of it ever will be."""


class Unavailable(NotDone):
    """Nobody could serve the request before its deadline.

    ``reasons`` holds the last thing that each member had to say. The same call may succeed later.
    """

    def __init__(self, timeout: float, reasons: Mapping[str, str]) -> None:
        told = "".join(f"\n  {endpoint}: {why}" for endpoint, why in reasons.items())
        super().__init__(f"no member could serve the request within {timeout:g} s{told}")
        self.timeout = timeout
        self.reasons = dict(reasons)


class Malformed(NotDone):
    """A member answered a read with something that is no answer to it."""


class Refused(NotDone):
    """A member understood the request and refuses it; it will be refused again.

    ``code`` is one of the codes of the HTTP API and never changes, ``message`` is for people, and
    ``data`` is the whole body of the refusal.
    """

    def __init__(self, status: int, code: str, message: str, data: Mapping[str, object]) -> None:
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.data = data


class ConditionFailed(Refused):
    """The condition of a write does not hold.

    ``current`` is the key as it is instead, at ``revision``; ``None`` if it is not there.
    """

    def __init__(self, refusal: Refused, current: KeyValue | None, revision: int) -> None:
        super().__init__(refusal.status, refusal.code, refusal.message, refusal.data)
        self.current = current
        self.revision = revision


class Compacted(Refused):
    """What was asked for was given up; ``oldest`` is the oldest revision that can be read."""

    def __init__(self, refusal: Refused, oldest: int) -> None:
        super().__init__(refusal.status, refusal.code, refusal.message, refusal.data)
        self.oldest = oldest


class Unauthenticated(Refused):
    """The cluster asks for a user, and this client shows none, or one who is not known."""


class PermissionDenied(Refused):
    """The user whom this client shows may not do that."""


class LeaseNotFound(Refused):
    """There is no such lease, or not any more."""


class LockLost(RaftkvError):
    """The lease of a lock has ended, and the lock with it: somebody else may hold it."""


class LockTimeout(NotDone):
    """Others held the lock for all of the time that was given."""
