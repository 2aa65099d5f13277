"""The cluster itself, and the views of a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import raftkv

if TYPE_CHECKING:
    from processes import Cluster

pytestmark = pytest.mark.anyio


async def test_members_leader_and_status_are_told(cluster: Cluster, kv: raftkv.Client) -> None:
    members = await kv.cluster.members()
    assert {member.name for member in members} == {"n1", "n2", "n3"}
    assert {member.standing for member in members} == {"voter"}
    leader = await kv.cluster.leader()
    assert leader.name == cluster.leader().name
    status = await kv.only(cluster.leader().url).cluster.status()
    assert (status.name, status.role, status.leader) == (leader.name, "leader", leader.name)
    assert (status.phase, status.alarms) == ("running", ())
    assert status.data["address"] == status.address


async def test_leadership_moves_and_writes_follow(cluster: Cluster, kv: raftkv.Client) -> None:
    to = cluster.followers()[0].name
    assert (await kv.cluster.transfer(to)).name == to
    await kv.put("k", "v")
    assert cluster.leader().name == to


async def test_one_member_alone_serves_all_calls(cluster: Cluster, kv: raftkv.Client) -> None:
    alone = kv.only(cluster.followers()[0].url)
    written = await alone.put("k", "v")
    found = await alone.get("k")
    assert found is not None
    assert found.mod_revision == written.revision
    assert len(alone.endpoints) == 1


@pytest.mark.parametrize("timeout", [0, -1, 61])
def test_a_deadline_is_some_time_and_bounded(timeout: float) -> None:
    with pytest.raises(ValueError, match="60 s"):
        raftkv.Client(["http://localhost:1"], timeout=timeout)


def test_a_client_knows_a_member() -> None:
    with pytest.raises(ValueError, match="at least one"):
        raftkv.Client([])
