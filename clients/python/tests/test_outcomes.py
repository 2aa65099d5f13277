"""The three outcomes: what is sent again, what is not, and what an error then says."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from doors import DONE, HangsUp, IsSilent, Says, door, refusal

import raftkv
from raftkv._transport import CONNECTIONS_MAX

if TYPE_CHECKING:
    from processes import Cluster

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9"


async def test_nobody_there_is_not_done() -> None:
    async with raftkv.Client([NOWHERE], timeout=0.5) as kv:
        begun = time.monotonic()
        with pytest.raises(raftkv.Unavailable) as unavailable:
            await kv.put("k", "v")
    assert isinstance(unavailable.value, raftkv.NotDone)
    assert NOWHERE in unavailable.value.reasons
    assert time.monotonic() - begun < 1.5, "the deadline is kept"


async def test_a_write_whose_answer_was_lost_is_sent_again_under_its_name() -> None:
    async with door(HangsUp(), Says(200, DONE)) as member, raftkv.Client([member.url]) as kv:
        assert (await kv.put("k", "v")).revision == 7
    names = {seen.headers["idempotency-key"] for seen in member.seen}
    assert (len(member.seen), len(names)) == (2, 1)
    assert {seen.body for seen in member.seen} == {b"v"}


async def test_a_write_without_a_name_is_not_sent_again_once_it_may_have_been_done() -> None:
    async with door(HangsUp(), Says(200, DONE)) as member:
        async with raftkv.Client([member.url], exactly_once=False) as kv:
            with pytest.raises(raftkv.OutcomeUnknown) as unknown:
                await kv.put("k", "v")
    assert unknown.value.idempotency_key is None
    assert len(member.seen) == 1


async def test_a_write_without_a_name_is_sent_again_where_it_was_certainly_not_done() -> None:
    overloaded = refusal(503, "overloaded")
    async with door(overloaded, Says(200, DONE)) as member:
        async with raftkv.Client([NOWHERE, member.url], exactly_once=False) as kv:
            assert (await kv.put("k", "v")).revision == 7
    assert len(member.seen) == 2


async def test_a_deadline_that_passes_says_unknown() -> None:
    async with door(IsSilent()) as member, raftkv.Client([member.url], timeout=0.5) as kv:
        begun = time.monotonic()
        with pytest.raises(raftkv.OutcomeUnknown) as unknown:
            await kv.put("k", "v", idempotency_key="mine")
    assert unknown.value.idempotency_key == "mine"
    assert time.monotonic() - begun < 1.5


async def test_a_later_refusal_does_not_hide_that_an_earlier_sending_may_be_done() -> None:
    async with door(HangsUp(), refusal(403, "permission_denied")) as member:
        async with raftkv.Client([member.url]) as kv:
            with pytest.raises(raftkv.OutcomeUnknown, match="permission_denied"):
                await kv.put("k", "v")


async def test_a_failed_condition_is_the_stores_word_on_every_sending() -> None:
    failed = refusal(412, "condition_failed", current=None, revision=3)
    async with door(HangsUp(), failed) as member, raftkv.Client([member.url]) as kv:
        with pytest.raises(raftkv.ConditionFailed):
            await kv.put("k", "v", if_revision=1)


async def test_an_answer_that_is_none_is_unknown_for_a_write_and_no_harm_to_a_read() -> None:
    async with door(Says(200, b"<html>")) as member, raftkv.Client([member.url]) as kv:
        with pytest.raises(raftkv.OutcomeUnknown):
            await kv.put("k", "v")
        with pytest.raises(raftkv.Malformed):
            await kv.get("k")


async def test_a_proxy_that_refuses_proves_nothing() -> None:
    async with door(Says(503, b"<h1>busy</h1>")) as member:
        async with raftkv.Client([member.url], timeout=0.3) as kv:
            with pytest.raises(raftkv.OutcomeUnknown):
                await kv.put("k", "v")
            with pytest.raises(raftkv.Unavailable):
                await kv.get("k")


async def test_a_client_follows_to_the_leader_and_stays_with_it() -> None:
    async with door(Says(200, DONE)) as leader:
        away = refusal(421, "not_leader")
        away.headers["raftkv-leader"] = leader.address
        async with door(away) as follower, raftkv.Client([follower.url]) as kv:
            await kv.put("k", "v")
            await kv.put("k", "v")
    assert (len(follower.seen), len(leader.seen)) == (1, 2)
    sent = [seen.headers["raftkv-forward"] for seen in follower.seen + leader.seen]
    assert sent == ["never"] * 3


async def test_behind_a_leader_out_of_reach_a_follower_hands_the_write_on() -> None:
    away = refusal(421, "not_leader")
    away.headers["raftkv-leader"] = "127.0.0.1:9"
    async with door(away, Says(200, DONE)) as follower, raftkv.Client([follower.url]) as kv:
        assert (await kv.put("k", "v")).revision == 7
    assert [seen.headers.get("raftkv-forward") for seen in follower.seen] == ["never", None]


async def test_an_unknown_outcome_becomes_known_under_the_same_name(cluster: Cluster) -> None:
    async with raftkv.Client(cluster.urls, timeout=20) as kv:
        await kv.delete("k")
        for follower in cluster.followers():
            follower.pause()
        with pytest.raises(raftkv.OutcomeUnknown) as unknown:
            await kv.within(1).put("k", "v")
        name = unknown.value.idempotency_key
        cluster.heal()
        written = await kv.put("k", "v", idempotency_key=name)
        again = await kv.put("k", "v", idempotency_key=name)
        found = await kv.get("k")
    assert written == again
    assert found is not None
    assert found.version == 1, "it was done once"


async def test_a_name_is_for_one_write(kv: raftkv.Client) -> None:
    await kv.put("k", "one", idempotency_key="used")
    with pytest.raises(raftkv.Refused) as refused:
        await kv.put("k", "two", idempotency_key="used")
    assert refused.value.code == "key_reused"


async def test_without_a_majority_nothing_is_read(cluster: Cluster) -> None:
    leader, *_ = [cluster.leader()]
    for follower in cluster.followers():
        follower.kill()
    async with raftkv.Client([leader.url], timeout=1) as kv:
        with pytest.raises(raftkv.NotDone):
            await kv.get("k")
        await kv.get("k", stale=True)


async def test_more_calls_at_once_than_connections_wait_for_their_turn(kv: raftkv.Client) -> None:
    calls = 3 * CONNECTIONS_MAX
    await asyncio.gather(*(kv.put(f"k{n}", "v") for n in range(calls)))
    assert await kv.count(raftkv.Prefix("k")) == calls


async def test_a_turn_that_does_not_come_is_not_done() -> None:
    async with door(IsSilent()) as member, raftkv.Client([member.url], timeout=1) as kv:
        calls = [kv.put("k", "v") for _ in range(CONNECTIONS_MAX)]
        first = asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0)
        with pytest.raises(raftkv.Unavailable, match="too many"):
            await kv.within(0.2).put("k", "v")
        assert {type(outcome) for outcome in await first} == {raftkv.OutcomeUnknown}


async def test_calls_may_be_cancelled_and_the_client_goes_on(kv: raftkv.Client) -> None:
    calls = [asyncio.create_task(kv.put(f"k{n}", "v")) for n in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    kept = [found for found in ended if isinstance(found, raftkv.Written)]
    assert len(kept) >= 10
    assert await kv.count(raftkv.Prefix("k")) >= len(kept)
