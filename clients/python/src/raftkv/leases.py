"""Leases: what keys live as long as."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raftkv import _decode
from raftkv._request import Effect, Request, read, write
from raftkv.errors import OutcomeUnknown, RaftkvError, Unavailable
from raftkv.types import LeaseInfo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raftkv._caller import Caller
    from raftkv._json import Object
    from raftkv._request import Params
    from raftkv.types import LeaseItem

PAGE_LEASES_MAX = 1_000
KEEP_AGAIN_S = 0.2
"""A keep-alive that failed is tried again after this long."""


@dataclass(slots=True)
class KeptLease:
    """A lease that is kept alive in the background; ``lost`` is set when it has ended.

    It is lost when it was not kept alive in time, by the clock of this machine, or is gone.
    """

    id: int
    ttl: float
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class Leases:
    """The leases of a cluster."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def grant(
        self, ttl: float, lease_id: int | None = None, *, idempotency_key: str | None = None
    ) -> LeaseInfo:
        """Grant a lease that lives for ``ttl`` seconds (whole ones, 2 at least) unless kept alive.

        The store chooses an id if none is given; one that is there is refused: ``lease_exists``.
        """
        body = {"ttl": math.ceil(ttl)} | ({} if lease_id is None else {"id": lease_id})
        request = write("POST", "/leases", body=body)
        return await self._caller.change(request, _granted, idempotency_key)

    async def revoke(self, lease_id: int) -> int:
        """End a lease and remove its keys, in one revision; gives how many they were."""
        request = write("DELETE", f"/leases/{lease_id}")
        return await self._caller.change(request, lambda answer: answer.integer("deleted"), None)

    async def keep_alive(self, lease_id: int) -> float:
        """Give it its full time again; gives the seconds. ``LeaseNotFound`` if it has ended."""
        # It may be done any number of times, as a read may.
        request = Request("POST", f"/leases/{lease_id}/keepalive", Effect.READ)
        return await self._caller.read(request, lambda answer: float(answer.integer("ttl")))

    async def get(self, lease_id: int, *, keys: bool = False) -> LeaseInfo:
        """How long it has left, and its keys if you like. ``LeaseNotFound`` if it has ended."""
        params: Params = [("keys", "true")] if keys else []
        return await self._caller.read(read(f"/leases/{lease_id}", params), _decode.lease_info)

    async def list(self) -> AsyncIterator[LeaseItem]:
        """All leases in the order of their ids."""
        after: str | None = ""
        while after is not None:
            cursor: Params = [("after", after)] if after else []
            request = read("/leases", [("limit", PAGE_LEASES_MAX), *cursor])
            items, after = await self._caller.read(request, _page)
            for item in items:
                yield item

    @asynccontextmanager
    async def kept(self, ttl: float = 10.0) -> AsyncIterator[KeptLease]:
        """Hold a lease: granted, kept alive in the background, revoked at the end.

        Raises nothing if it is lost meanwhile: watch ``lost`` if that matters.
        """
        asked_at = time.monotonic()
        granted = await self.grant(ttl)
        lease = KeptLease(granted.id, granted.ttl)
        keeper = asyncio.create_task(self._keep(lease, asked_at + granted.ttl))
        try:
            yield lease
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})
            # If this fails it ends by itself.
            with suppress(RaftkvError):
                await self.revoke(lease.id)

    async def _keep(self, lease: KeptLease, until: float) -> None:
        """Keep it alive. Its time counts from before each call: the leader's counts from later."""
        pause = lease.ttl / 3
        try:
            while True:
                await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
                asked_at = time.monotonic()
                try:
                    async with asyncio.timeout(max(0.0, until - asked_at)):
                        until = asked_at + await self.keep_alive(lease.id)
                        pause = lease.ttl / 3
                except (Unavailable, OutcomeUnknown):
                    pause = KEEP_AGAIN_S
        except (RaftkvError, TimeoutError):
            # Whoever holds it is told by what follows.
            return
        finally:
            lease.lost.set()


def _granted(answer: Object) -> LeaseInfo:
    ttl = float(answer.integer("ttl"))
    return LeaseInfo(answer.integer("lease"), ttl, ttl)


def _page(answer: Object) -> tuple[list[LeaseItem], str | None]:
    items = [_decode.lease_item(item) for item in answer.objects("leases")]
    return items, answer.optional_text("next")
