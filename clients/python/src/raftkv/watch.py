"""Watching keys: a stream of changes that outlives the member it comes from.

The revision after the last one that was told is all that has to be kept: with it any member goes
on. So each change comes once and in order, whatever becomes of members in between.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from raftkv import _decode
from raftkv._course import Course
from raftkv._json import Object, Strange
from raftkv._request import Effect, read
from raftkv._sse import Message, Parser
from raftkv._transport import Stream
from raftkv._verdict import Again, Answer, Attempt, Broken, Never, Unknown, judge
from raftkv.errors import Malformed, Refused, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from types import TracebackType

    from raftkv._caller import Caller
    from raftkv._endpoint import Endpoint
    from raftkv._request import Params
    from raftkv.types import Changes

PROGRESS_MS = 3_000
"""Members are to say this often that nothing has happened."""
OPEN_S_MAX = 3.0
"""A member that has not begun by then is passed over."""
SILENCE_S_MAX = 10.0
"""A stream that says nothing for so long is given up: the member or its machine is gone."""
PROVEN_AFTER_S = 1.0
"""A stream that was open for so long was of use, whether anything happened or not."""


class Watch:
    """A watch under way: an asynchronous iterator over ``Changes``, one for each revision.

    ``async with`` opens it, so that all is told which is acknowledged after that; without, it is
    opened by the first step. A step may be cancelled (by ``asyncio.timeout``, say), and the next
    one goes on where it was, with a new connection.
    """

    def __init__(self, caller: Caller, params: Params, from_revision: int | None) -> None:
        self._caller = caller
        self._params = [*params, ("progress_ms", PROGRESS_MS)]
        self._next = from_revision
        self._stream: Stream | None = None
        self._waiting: list[Message] = []
        self._parser = Parser()
        self._opened_at = 0.0
        self._has_told = False
        self._has_renewed = False
        self._is_closed = False
        self._reasons: dict[str, str] = {}
        self._course, self._searching_since = self._begin()

    async def __aenter__(self) -> Self:
        try:
            # Only an open stream says where it begins, before all else.
            while self._stream is None or self._next is None:
                await self._advance()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End it, and give its connection up."""
        self._is_closed = True
        await self._drop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Changes:
        """Wait for the next revision that changed a watched key.

        Raises ``Compacted`` if what comes next is no longer kept: read the keys anew and watch
        from there. ``Unavailable`` if no member has served for the client's timeout; the next step
        tries again, and nothing is lost. Other refusals: it can not be served as it was asked for.
        """
        while not self._is_closed:
            changes = await self._advance()
            if changes is not None:
                return changes
        raise StopAsyncIteration

    @property
    def told(self) -> int:
        """The revision up to which all was told; a watch from the one after it goes on there."""
        return 0 if self._next is None else self._next - 1

    @property
    def endpoint(self) -> str:
        """The member that it comes from at the moment."""
        return str(self._course.endpoint)

    async def _advance(self) -> Changes | None:
        """Go on by one message, or one attempt to find a member."""
        if self._stream is None:
            await self._connect()
            return None
        if not self._waiting:
            await self._listen(self._stream)
            return None
        return await self._take(self._waiting.pop(0))

    async def _listen(self, stream: Stream) -> None:
        try:
            chunk = await stream.read()
        except BaseException:
            # What was read of it is asked for again.
            await self._drop()
            raise
        if isinstance(chunk, Broken):
            await self._lost(Again(chunk.reason))
            return
        try:
            self._waiting += self._parser.feed(chunk)
        except Strange as error:
            await self._malformed(error)

    async def _take(self, message: Message) -> Changes | None:
        if message.event == "error":
            # Of the statuses that a refusal may have, one that says no more than its code.
            await self._refused(Answer(410, {}, message.data.encode()), {})
            return None
        self._has_told = self._has_told or message.event != "open"
        try:
            return self._understand(message)
        except Strange as error:
            await self._malformed(error)
            return None

    def _understand(self, message: Message) -> Changes | None:
        match message.event:
            case "" | "message":
                changes = _decode.changes(Object.parse(message.data))
                return changes if self._is_new(changes.revision) else None
            case "progress":
                self._is_new(Object.parse(message.data).integer("revision"))
            case "open" if self._next is None:
                self._next = Object.parse(message.data).integer("from_revision")
            # Others are of a later version.
        return None

    def _is_new(self, revision: int) -> bool:
        """Whether a revision was not told before; then all up to it is told now."""
        is_new = self._next is None or revision >= self._next
        if is_new:
            self._next = revision + 1
        return is_new

    async def _connect(self) -> None:
        patience = min(self._caller.timeout / 2, OPEN_S_MAX)
        begin = [] if self._next is None else [("from_revision", max(1, self._next))]
        request = read("/watch", [*self._params, *begin])
        shown = self._caller.shown(request)
        endpoint, transport = self._course.endpoint, self._caller.transport
        opened = await transport.open(endpoint, request, shown, patience, SILENCE_S_MAX)
        if not isinstance(opened, Stream):
            await self._refused(opened, shown)
            return
        self._caller.directory.note_served(endpoint)
        self._stream, self._parser = opened, Parser()
        self._opened_at, self._has_told = time.monotonic(), False

    async def _refused(self, attempt: Attempt, shown: dict[str, str]) -> None:
        """Another member may serve, or none ever will."""
        match judge(Effect.READ, attempt):
            case Never(Unauthenticated() as error):
                await self._renew(shown, error)
            case Never(error):
                await self._drop()
                raise error
            case Again() as again:
                await self._lost(again)
            case Unknown(reason):
                await self._lost(Again(reason))
            case Answer():
                await self._lost(Again("it answered with something else than a stream"))

    async def _renew(self, shown: dict[str, str], error: Refused) -> None:
        await self._drop()
        if self._has_renewed:
            raise error
        self._has_renewed = True
        if not await self._caller.credentials.renew(self._caller, shown):
            raise error

    async def _lost(self, again: Again) -> None:
        """The member does not serve: another one is next, after a pause if all were in vain."""
        was_of_use = self._stream is not None and (
            self._has_told or time.monotonic() - self._opened_at >= PROVEN_AFTER_S
        )
        await self._drop()
        endpoint = self._course.endpoint
        self._caller.note(endpoint, again)
        if was_of_use:
            self._search(after=endpoint)
        self._reasons[str(endpoint)] = again.reason
        pause = self._course.advance(None, again.wait, random.random())  # noqa: S311
        if time.monotonic() - self._searching_since + pause >= self._caller.timeout:
            reasons = self._reasons
            # Whoever asks again waits as long again.
            self._search()
            raise Unavailable(self._caller.timeout, reasons)
        await asyncio.sleep(pause)

    def _search(self, after: Endpoint | None = None) -> None:
        """Begin to look for a member that serves, with whoever comes after the one that did."""
        self._reasons, self._has_renewed = {}, False
        self._course, self._searching_since = self._begin(after)

    def _begin(self, after: Endpoint | None = None) -> tuple[Course, float]:
        now = time.monotonic()
        candidates = self._caller.directory.candidates(Effect.READ, now)
        if after is not None:
            candidates = [after, *(one for one in candidates if one != after)]
        return Course(candidates), now

    async def _malformed(self, error: Strange) -> None:
        """Whatever it was is asked for again, not passed over."""
        await self._drop()
        raise Malformed(f"a member told something strange: {error}") from error

    async def _drop(self) -> None:
        stream, self._stream, self._waiting = self._stream, None, []
        if stream is not None:
            with suppress(OSError):
                await stream.aclose()
