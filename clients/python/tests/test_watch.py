"""Watches: every revision once and in order, whatever becomes of members."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import raftkv
from raftkv import Prefix, Put, Removed

if TYPE_CHECKING:
    from processes import Cluster

pytestmark = pytest.mark.anyio

KILLS = 3


async def test_a_revision_comes_with_all_that_it_did(kv: raftkv.Client) -> None:
    await kv.put("w/a", "old")
    async with kv.watch(Prefix("w/"), prev=True) as watch:
        ops: list[raftkv.PutOp | raftkv.DeleteOp] = [raftkv.PutOp(b"w/\xff", b"\xfe")]
        done = await kv.txn(then=[*ops, raftkv.DeleteOp("w/a"), raftkv.PutOp("other", "v")])
        changes = await anext(watch)
    assert changes.revision == done.revision
    match changes.events:
        case (Put(item=item, prev=None), Removed(b"w/a", prev)):
            assert (item.key, item.value, item.version) == (b"w/\xff", b"\xfe", 1)
            assert prev is not None
            assert prev.value == b"old"
        case events:
            pytest.fail(f"{events!r}")


async def test_a_watch_begins_where_it_is_told_to(kv: raftkv.Client) -> None:
    first = await kv.put("k", "one")
    second = await kv.put("k", "two")
    await kv.delete("k")
    third = await kv.put("k", "three")
    async with kv.watch("k", from_revision=first.revision, deletes=False) as watch:
        revisions = [(await anext(watch)).revision for _ in range(3)]
        assert watch.told == third.revision
    assert revisions == [first.revision, second.revision, third.revision]


async def test_steps_may_be_cancelled_and_nothing_is_lost(kv: raftkv.Client) -> None:
    async with kv.watch(Prefix("w/")) as watch:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.2)
        written = [(await kv.put("w/k", f"{n}")).revision for n in range(3)]
        told = [(await anext(watch)).revision for _ in written]
    assert told == written


async def test_a_watch_that_was_closed_ends(kv: raftkv.Client) -> None:
    watch = kv.watch()
    async with watch:
        pass
    assert [changes async for changes in watch] == []


async def test_what_is_no_longer_kept_is_told(kv: raftkv.Client) -> None:
    first = await kv.put("k", "one")
    second = await kv.put("k", "two")
    await kv.compact(second.revision)
    with pytest.raises(raftkv.Compacted) as compacted:
        await anext(kv.watch("k", from_revision=first.revision))
    assert compacted.value.oldest == second.revision


async def test_a_watch_outlives_its_members_and_tells_each_revision_once(
    cluster: Cluster, kv: raftkv.Client
) -> None:
    written: list[int] = []
    is_over = False

    async def write() -> None:
        while not is_over:
            written.append((await kv.put("w/k", f"{len(written)}")).revision)

    async with kv.watch(Prefix("w/")) as watch:
        told: list[int] = []
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            for _ in range(KILLS):
                told += [(await anext(watch)).revision for _ in range(20)]
                cluster.at(watch.endpoint).kill()
                told += [(await anext(watch)).revision for _ in range(5)]
                await asyncio.to_thread(cluster.heal)
            is_over = True
        while len(told) < len(written):
            told.append((await anext(watch)).revision)
    assert told == written, "each revision once, in order"


async def test_a_silent_member_is_given_up(
    cluster: Cluster, kv: raftkv.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftkv.watch.SILENCE_S_MAX", 2.0)
    async with kv.watch("k") as watch:
        cluster.at(watch.endpoint).pause()
        written = await kv.put("k", "v")
        assert (await anext(watch)).revision == written.revision
