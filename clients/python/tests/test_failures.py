"""Members that die: nothing is done twice, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import raftkv

if TYPE_CHECKING:
    from processes import Cluster

pytestmark = pytest.mark.anyio

WORKERS = 4
KILLS = 3


async def through_kills(cluster: Cluster, progress: Progress) -> None:
    """Kill whoever leads, and start it again, as soon as work has gone on after the last one."""
    for _ in range(KILLS):
        await progress.moves()
        leader = await asyncio.to_thread(cluster.leader)
        leader.kill()
        await asyncio.to_thread(cluster.leader)
        await asyncio.to_thread(cluster.heal)
    await progress.moves()
    progress.is_over = True


class Progress:
    """What several workers have done, and whether they are to stop."""

    def __init__(self, step: int) -> None:
        self.is_over = False
        self._steps = asyncio.Semaphore(0)
        self._step = step

    def is_made(self) -> None:
        """One more thing is done."""
        self._steps.release()

    async def moves(self) -> None:
        """Wait until so much was done since this began, whatever was done before."""
        self._steps = asyncio.Semaphore(0)
        for _ in range(self._step):
            await self._steps.acquire()


async def test_puts_are_done_once_while_leaders_are_killed(
    cluster: Cluster, kv: raftkv.Client
) -> None:
    progress = Progress(step=20)

    async def put(worker: int) -> int:
        count = 0
        while not progress.is_over:
            await kv.put(f"k{worker}", f"{count}")
            count += 1
            progress.is_made()
        return count

    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(put(worker)) for worker in range(WORKERS)]
        await through_kills(cluster, progress)
    for worker, count in enumerate(worker.result() for worker in workers):
        found = await kv.get(f"k{worker}")
        assert found is not None
        assert found.version == count, "a version for each put that was acknowledged, no other"
        assert found.text == f"{count - 1}"


async def test_a_counter_counts_each_increment_once_while_leaders_are_killed(
    cluster: Cluster, kv: raftkv.Client
) -> None:
    progress = Progress(step=10)
    await kv.put("counter", "0")

    async def increment() -> None:
        while True:
            found = await kv.get("counter")
            assert found is not None
            try:
                await kv.put("counter", f"{int(found.text) + 1}", if_revision=found.mod_revision)
            except raftkv.ConditionFailed:
                continue
            return

    async def count() -> int:
        counted = 0
        while not progress.is_over:
            await increment()
            counted += 1
            progress.is_made()
        return counted

    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(count()) for _ in range(WORKERS)]
        await through_kills(cluster, progress)
    counted = sum(worker.result() for worker in workers)
    found = await kv.get("counter")
    assert found is not None
    assert int(found.text) == counted


async def test_a_silent_leader_costs_no_more_than_part_of_the_time(
    cluster: Cluster, kv: raftkv.Client
) -> None:
    await kv.put("k", "before")
    cluster.leader().pause()
    await kv.put("k", "after")
    found = await kv.get("k")
    assert found is not None
    assert (found.text, found.version) == ("after", 2)


async def test_one_known_member_is_enough_when_it_dies(cluster: Cluster) -> None:
    follower = cluster.followers()[0]
    async with raftkv.Client([follower.url], timeout=20) as kv:
        await kv.put("k", "v")
        assert set(cluster.urls) <= set(kv.endpoints)
        follower.kill()
        assert await kv.get("k") is not None
