"""The loop that all calls share: send, judge, go on to another member, until the deadline."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from raftkv._course import Course
from raftkv._json import Object, Strange
from raftkv._request import Effect, look
from raftkv._verdict import Again, Answer, Never, Unknown, judge
from raftkv.errors import (
    Malformed,
    OutcomeUnknown,
    RaftkvError,
    Refused,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from raftkv._directory import Directory
    from raftkv._endpoint import Endpoint
    from raftkv._request import Request
    from raftkv._transport import Transport

T = TypeVar("T")

TIMEOUT_S_MAX = 60.0
"""Members wait no longer than this."""
PATIENCE_S = 2.0
"""The first attempt waits no longer, if another member may be asked."""
PATIENCE_DOUBLINGS = 5
"""So often that is doubled: then it is more than the longest deadline."""
ATTEMPT_S_MIN = 0.002
"""An attempt with less time than this would say nothing, and hide what an earlier one said."""
DISCOVER_S_MAX = 1.0
"""Asking who the members are takes no longer: it is of use, not needed."""

OF_THE_STORE = frozenset(
    {"condition_failed", "not_found", "lease_not_found", "lease_exists", "key_reused"}
)
"""Refusals of the store itself, which knows every sending of a write with a name."""


class Credentials(Protocol):
    """How a client shows who it is."""

    def headers(self) -> dict[str, str]:
        """What is sent with each request."""
        ...

    async def renew(self, caller: Caller, shown: dict[str, str]) -> bool:
        """Get others in place of what was shown and refused; false if there are none to get."""
        ...


class Nobody:
    """A client that shows no user."""

    def headers(self) -> dict[str, str]:
        """Nothing."""
        return {}

    async def renew(self, caller: Caller, shown: dict[str, str]) -> bool:  # noqa: ARG002
        """There is nobody else to be."""
        return False


@dataclass(slots=True)
class _Call:
    """A request under way."""

    request: Request
    course: Course
    deadline: float
    forwards: bool
    """A follower is asked to hand it on: the leader does not answer us."""
    reasons: dict[str, str] = field(default_factory=dict)
    doubt: str | None = None
    """Why an earlier sending may have been served: then no later refusal proves anything."""
    has_renewed: bool = False
    attempts: int = 0

    @property
    def remaining(self) -> float:
        return self.deadline - time.monotonic()

    def patience(self) -> float:
        """How long to wait for the member of the moment.

        With what may be sent again there is to be time to ask another one, but after each round
        there is more for a cluster that is slow. A write without a name has one chance.
        """
        if self.request.effect is Effect.WRITE or not self.course.has_choice:
            return self.remaining
        return min(self.remaining / 2, PATIENCE_S * (1 << min(self.attempts, PATIENCE_DOUBLINGS)))

    def headers(self) -> dict[str, str]:
        follows = self.request.effect is not Effect.READ and not self.forwards
        return {"Raftkv-Forward": "never"} if follows else {}

    def ended(self, error: RaftkvError) -> RaftkvError:
        """What it comes to that the last attempt ended so."""
        code = error.code if isinstance(error, Refused) else None
        if self.doubt is None or code in OF_THE_STORE:
            return error
        return OutcomeUnknown(f"{self.doubt}; sent again: {error}", self.request.name)


@dataclass(frozen=True, slots=True)
class Caller:
    """Members, connections and options: what a call needs. Views of a client share the first."""

    transport: Transport
    directory: Directory
    credentials: Credentials
    timeout: float
    exactly_once: bool

    async def read(self, request: Request, understand: Callable[[Object], T]) -> T:
        """Make a call without effect, and understand its answer."""
        answer = await self.call(request)
        try:
            return understand(Object.parse(answer.body))
        except Strange as error:
            raise Malformed(f"a member gave a strange answer: {error}") from error

    async def write(self, request: Request, understand: Callable[[Object], T]) -> T:
        """Make a call that changes something, and understand its answer."""
        answer = await self.call(request)
        try:
            return understand(Object.parse(answer.body))
        except Strange as error:
            raise OutcomeUnknown(f"a strange answer: {error}", request.name) from error

    async def change(
        self, request: Request, understand: Callable[[Object], T], name: str | None
    ) -> T:
        """Make a write that may have a name: the one that is given, or one of its own."""
        if name is not None or self.exactly_once:
            request = request.named(name)
        return await self.write(request, understand)

    async def call(self, request: Request) -> Answer:
        """Send a request until it is served, refused, unknown, or the deadline has come."""
        deadline = time.monotonic() + self.timeout
        if request.is_anonymous:
            # A login, which other calls wait for that have their turns.
            return await self._call_until(deadline, request)
        await self._turn()
        try:
            return await self._call_until(deadline, request)
        finally:
            self.transport.turns.release()

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                await self.transport.turns.acquire()
        except TimeoutError:
            reasons = {"this client": "too many of its calls were under way"}
            raise Unavailable(self.timeout, reasons) from None

    async def _call_until(self, deadline: float, request: Request) -> Answer:
        await self._discover()
        now = time.monotonic()
        course = Course(self.directory.candidates(request.effect, now))
        call = _Call(request, course, deadline, self.directory.leader_is_hidden(now))
        while call.remaining > ATTEMPT_S_MIN:
            answer = await self._advance(call)
            if answer is not None:
                return answer
        raise call.ended(Unavailable(self.timeout, call.reasons))

    async def _advance(self, call: _Call) -> Answer | None:
        """Make one attempt; ``None``: another one is to be made."""
        endpoint, shown = call.course.endpoint, self.shown(call.request)
        headers = call.headers() | shown
        attempt = await self.transport.send(endpoint, call.request, headers, call.patience())
        call.attempts += 1
        match judge(call.request.effect, attempt):
            case Answer() as answer:
                self.directory.note_served(endpoint)
                return answer
            case Never(Unauthenticated() as error):
                await self._renew(call, shown, error)
            case Never(error):
                raise call.ended(error)
            case Unknown(reason):
                self.directory.note_failed(endpoint, time.monotonic(), silent=True)
                raise OutcomeUnknown(f"{endpoint}: {reason}", call.request.name)
            case Again() as again:
                await self._go_on(call, endpoint, again)
        return None

    def shown(self, request: Request) -> dict[str, str]:
        """Give the headers that say who sends this."""
        return {} if request.is_anonymous else self.credentials.headers()

    async def _renew(self, call: _Call, shown: dict[str, str], error: Refused) -> None:
        """Log in, if that can help: once in a call."""
        if call.request.is_anonymous or call.has_renewed:
            raise call.ended(error)
        call.has_renewed = True
        try:
            async with asyncio.timeout(max(0.0, call.remaining)):
                renewed = await self.credentials.renew(self, shown)
        except RaftkvError as failure:
            raise call.ended(failure) from failure
        except TimeoutError:
            raise call.ended(error) from None
        if not renewed:
            raise call.ended(error)

    async def _go_on(self, call: _Call, endpoint: Endpoint, again: Again) -> None:
        """Choose the next member and pause, if there is time for that."""
        call.reasons[str(endpoint)] = again.reason
        if again.unproven and call.request.effect is Effect.ONCE:
            call.doubt = f"{endpoint}: {again.reason}"
        leader = self.note(endpoint, again)
        call.forwards = self.directory.leader_is_hidden(time.monotonic())
        pause = call.course.advance(leader, again.wait, random.random())  # noqa: S311
        if call.remaining <= pause + ATTEMPT_S_MIN:
            raise call.ended(Unavailable(self.timeout, call.reasons))
        await asyncio.sleep(pause)

    def note(self, endpoint: Endpoint, again: Again) -> Endpoint | None:
        """Remember that a member did not serve; answers where the leader is that it named."""
        now = time.monotonic()
        self.directory.note_failed(endpoint, now, silent=again.silent)
        if again.leader is None or self.directory.leader_is_hidden(now):
            return None
        return self.directory.follow(again.leader)

    async def _discover(self) -> None:
        """Ask one member for all others, if it is time to. No answer is no failure."""
        now = time.monotonic()
        if not self.directory.should_ask(now):
            return
        request = look("/cluster/members")
        endpoint = self.directory.candidates(Effect.READ, now)[0]
        patience = min(DISCOVER_S_MAX, self.timeout / 4)
        attempt = await self.transport.send(endpoint, request, {}, patience)
        match judge(Effect.READ, attempt):
            case Answer(body=body):
                self._learn(body)
            case Again() as again:
                self.directory.note_failed(endpoint, now, silent=again.silent)

    def _learn(self, body: bytes) -> None:
        try:
            members = Object.parse(body).objects("members")
            told = [(one.text("address"), one.texts("client_urls")) for one in members]
        except Strange:
            return
        self.directory.learn(told)
