"""Leases, and locks, which stand on them."""

from __future__ import annotations

import asyncio

import pytest

import raftkv
from raftkv import Prefix

pytestmark = pytest.mark.anyio


async def test_keys_go_with_their_lease(kv: raftkv.Client) -> None:
    lease = await kv.leases.grant(60)
    await kv.put("w/a", "here", lease=lease.id)
    await kv.put(b"w/\xff", "here", lease=lease.id)
    info = await kv.leases.get(lease.id, keys=True)
    assert (info.keys, info.key_count) == ((b"w/a", b"w/\xff"), 2)
    assert 0 < info.left <= info.ttl == 60
    assert await kv.leases.keep_alive(lease.id) == 60
    listed = [item async for item in kv.leases.list() if item.id == lease.id]
    assert [(item.ttl, item.key_count) for item in listed] == [(60, 2)]
    assert await kv.leases.revoke(lease.id) == 2
    assert await kv.count(Prefix("w/")) == 0
    with pytest.raises(raftkv.LeaseNotFound):
        await kv.leases.keep_alive(lease.id)


async def test_an_id_that_is_there_is_refused(kv: raftkv.Client) -> None:
    lease = await kv.leases.grant(60, 4711)
    with pytest.raises(raftkv.Refused) as refused:
        await kv.leases.grant(60, 4711)
    assert refused.value.code == "lease_exists"
    await kv.leases.revoke(lease.id)


async def test_a_kept_lease_outlives_its_time_and_ends_with_its_block(kv: raftkv.Client) -> None:
    async with kv.leases.kept(ttl=2) as lease:
        await kv.put("w/a", "here", lease=lease.id)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lease.lost.wait(), 3)
        assert await kv.get("w/a") is not None
    assert await kv.get("w/a") is None


async def test_who_loses_a_lease_hears_of_it(kv: raftkv.Client) -> None:
    async with kv.leases.kept(ttl=2) as lease:
        await kv.leases.revoke(lease.id)
        await asyncio.wait_for(lease.lost.wait(), 5)


async def test_a_lock_has_one_holder_and_growing_tokens(kv: raftkv.Client) -> None:
    inside, most, tokens = 0, 0, []

    async def work() -> None:
        nonlocal inside, most
        async with kv.lock("jobs", ttl=5) as lock:
            inside += 1
            most = max(most, inside)
            await kv.put("touched", str(lock.token))
            tokens.append(lock.token)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(8)))
    assert (most, len(tokens)) == (1, 8)
    assert tokens == sorted(tokens)
    assert await kv.count(Prefix("jobs/")) == 0


async def test_who_waits_in_vain_gives_its_place_up(kv: raftkv.Client) -> None:
    async with kv.lock("jobs"):
        with pytest.raises(raftkv.LockTimeout):
            async with kv.lock("jobs", wait=0.3):
                pytest.fail("there are two holders")
        assert await kv.count(Prefix("jobs/")) == 1


async def test_a_holder_that_was_robbed_is_told(kv: raftkv.Client) -> None:
    with pytest.raises(raftkv.LockLost):
        async with kv.lock("jobs", ttl=2) as lock:
            await kv.leases.revoke(int(lock.key.rsplit(b"/", 1)[1], 16))
            await asyncio.wait_for(lock.lost.wait(), 5)
