"""Locks: one holder at a time, in the order in which they came, for as long as a lease lives.

Whoever wants the lock ``NAME`` puts a key ``NAME/LEASE`` of its own, attached to a lease. The key
with the lowest create revision holds the lock; each of the others waits for the one just before it
to go, so that one release wakes one waiter. ``raftkv lock`` and the Rust client do the same, so all
of them exclude each other.

A lock alone does not exclude: a holder that is paused for longer than its time to live finds out
only when it goes on. So what it guards should refuse whoever comes with a lower ``token`` than it
has seen: tokens only grow.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raftkv._json import to_bytes
from raftkv.errors import Compacted, LockLost, LockTimeout, Malformed, NotDone, Unavailable
from raftkv.txn import Compare, GetOp, GetResult, PutOp
from raftkv.types import Prefix, Removed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raftkv.client import Client
    from raftkv.leases import KeptLease
    from raftkv.types import BytesLike


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that is held.

    ``key`` stands for this holder. ``token`` is larger than that of every holder before. ``lost``
    is set when the lock is held no longer, because its lease was not kept alive in time.
    """

    key: bytes
    token: int
    lost: asyncio.Event


@asynccontextmanager
async def held(
    client: Client, name: BytesLike, ttl: float, wait: float | None, value: BytesLike
) -> AsyncIterator[Lock]:
    """Wait for a lock, hold it, and give it up."""
    if not name:
        raise ValueError("the name of a lock may not be empty")
    async with client.leases.kept(ttl) as lease:
        claim = await _claim(client, to_bytes(name) + b"/", lease, value)
        try:
            async with asyncio.timeout(wait):
                await claim.turn()
        except TimeoutError:
            raise LockTimeout(f"others held the lock for all of {wait} s") from None
        lock = Lock(claim.key, claim.created, lease.lost)
        yield lock
        if lease.lost.is_set():
            raise LockLost("the lease of the lock has ended, and the lock with it")


@dataclass(frozen=True, slots=True)
class _Claim:
    """A place in the queue for a name."""

    client: Client
    prefix: bytes
    key: bytes
    created: int
    lease: KeptLease

    async def turn(self) -> None:
        """Wait until nobody is before this claim; ``LockLost`` if it ends before."""
        lost = asyncio.ensure_future(self.lease.lost.wait())
        waiting = asyncio.ensure_future(self._wait())
        try:
            await asyncio.wait({lost, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise LockLost("the lease of the lock has ended before its turn")
            waiting.result()
        finally:
            lost.cancel()
            waiting.cancel()
            await asyncio.gather(lost, waiting, return_exceptions=True)

    async def _wait(self) -> None:
        while True:
            try:
                before = await self._predecessor()
                if before is None:
                    return
                await self._gone(*before)
            except (Unavailable, Compacted):
                # The lease says how long it is worth waiting; looking again tells more.
                continue

    async def _predecessor(self) -> tuple[bytes, int] | None:
        """The key just before this claim, and the revision at which that was so."""
        newest = GetOp(
            Prefix(self.prefix),
            limit=1,
            sort="create_revision",
            order="desc",
            max_create_revision=self.created - 1,
        )
        own = Compare.create_revision(self.key, "=", self.created)
        done = await self.client.txn(compare=[own], then=[newest])
        if not done.succeeded:
            raise LockLost("the key of the lock has gone")
        match done.results:
            case (GetResult(items=()),):
                return None
            case (GetResult(items=(item, *_)),):
                return item.key, done.revision
        raise Malformed("one read has one result")

    async def _gone(self, key: bytes, revision: int) -> None:
        """Wait until a key has gone that was there at ``revision``."""
        async with self.client.watch(key, from_revision=revision + 1, puts=False) as watch:
            async for changes in watch:
                if any(isinstance(event, Removed) for event in changes.events):
                    return


async def _claim(client: Client, prefix: bytes, lease: KeptLease, value: BytesLike) -> _Claim:
    """Take the last place. The id of a lease is new, so the key is, too."""
    key = prefix + f"{lease.id:016x}".encode()
    put = PutOp(key, value, lease=lease.id)
    done = await client.txn(compare=[Compare.absent(key)], then=[put])
    if not done.succeeded:
        raise NotDone("somebody else has the key of this lease")
    return _Claim(client, prefix, key, done.revision, lease)
