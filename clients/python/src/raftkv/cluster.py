"""The cluster: who its members are, who leads, and how they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raftkv._request import look, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raftkv._caller import Caller
    from raftkv._json import Object


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads; ``address`` is ``host:port``."""

    id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the cluster.

    ``standing`` is ``voter`` or ``learner``, and ``joining`` or ``leaving`` during a change.
    """

    id: str
    name: str
    address: str
    client_urls: tuple[str, ...]
    standing: str


@dataclass(frozen=True, slots=True)
class Status:
    """What a member says of itself; ``data`` is all of it, as docs/http.md has it.

    ``phase`` is ``waiting``, ``running`` or ``stopped``; what depends on it is ``None`` until the
    member runs. ``health`` is a sentence for people, ``alarms`` what somebody should look at.
    """

    name: str
    address: str
    version: str
    phase: str
    health: str
    role: str | None
    term: int | None
    leader: str | None
    revision: int | None
    alarms: tuple[str, ...]
    data: Mapping[str, object]


class Cluster:
    """A cluster, as the member sees it that is asked."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def status(self) -> Status:
        """What a member says of itself; answered without a majority. See ``Client.only``."""
        return await self._caller.read(look("/cluster/status"), _status)

    async def members(self) -> tuple[Member, ...]:
        """All members."""
        return await self._caller.read(
            look("/cluster/members"),
            lambda answer: tuple(_member(member) for member in answer.objects("members")),
        )

    async def leader(self) -> Leader:
        """Who leads; waits for a leader until the deadline."""
        return await self._caller.read(
            look("/cluster/leader"), lambda answer: _leader(answer.inner("leader"))
        )

    async def transfer(self, to: str | None = None) -> Leader:
        """Hand leadership to a member, by name or id, or to the most up-to-date follower."""
        request = write("POST", "/cluster/transfer", body=None if to is None else {"to": to})
        return await self._caller.write(request, lambda answer: _leader(answer.inner("leader")))


def _leader(leader: Object) -> Leader:
    return Leader(leader.text("id"), leader.text("name"), leader.text("address"))


def _member(member: Object) -> Member:
    name, address = member.text("name"), member.text("address")
    urls, standing = tuple(member.texts("client_urls")), member.text("standing")
    return Member(member.text("id"), name, address, urls, standing)


def _status(answer: Object) -> Status:
    leader = answer.optional_inner("leader")
    return Status(
        name=answer.text("name"),
        address=answer.text("address"),
        version=answer.text("version"),
        phase=answer.text("phase"),
        health=answer.text("health"),
        role=answer.optional_text("role"),
        term=answer.optional_integer("term"),
        leader=None if leader is None else leader.text("name"),
        revision=answer.optional_integer("revision"),
        alarms=tuple(alarm.text("alarm") for alarm in answer.objects("alarms")),
        data=answer.fields,
    )
