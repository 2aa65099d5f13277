"""A request as it is told to whichever member it goes to."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from raftkv._decode import EPOCH, MICROSECOND
from raftkv._json import to_bytes
from raftkv.types import Prefix, Range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raftkv.types import BytesLike, Keys, Moment

JSON = "application/json"
RAW = "application/octet-stream"
KEY_HEADER = "Idempotency-Key"
KEY_BYTES = 16
"""Random bytes of a name that we choose: two writes never have the same by chance."""

Params: TypeAlias = "Sequence[tuple[str, BytesLike | int]]"


class Effect(Enum):
    """What it may do when it is served."""

    READ = auto()
    """Nothing; or nothing more when it is served twice."""
    WRITE = auto()
    """It changes something, each time."""
    ONCE = auto()
    """It changes something once: it has a name."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, but for the member that it goes to. ``path`` and ``query`` are escaped."""

    method: str
    path: str
    effect: Effect
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_anonymous: bool = False
    """It is served without a user."""
    waits: bool = True
    """The member may have to wait for others, and so is told how long."""

    def target(self, timeout_ms: int) -> str:
        """Give path and query, with the time that the member has."""
        if not self.waits:
            return self.path
        return f"{self.path}?{self.query}{'&' if self.query else ''}timeout_ms={timeout_ms}"

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Give the same with some more headers."""
        return replace(self, headers={**self.headers, **headers})

    def named(self, name: str | None) -> Request:
        """Give the same as a write that is done once, however often it is sent."""
        name = secrets.token_hex(KEY_BYTES) if name is None else name
        return replace(self.with_headers({KEY_HEADER: name}), effect=Effect.ONCE)

    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
        return self.headers.get(KEY_HEADER)


def read(path: str, params: Params = ()) -> Request:
    """Make a request that changes nothing."""
    return Request("GET", path, Effect.READ, spelled(params))


def look(path: str) -> Request:
    """Make a request for what the member itself knows, with or without others."""
    return Request("GET", path, Effect.READ, waits=False)


def write(method: str, path: str, params: Params = (), body: object = None) -> Request:
    """Make a request that changes something; its body, if any, is JSON."""
    if body is None:
        return Request(method, path, Effect.WRITE, spelled(params))
    headers = {"Content-Type": JSON}
    return Request(method, path, Effect.WRITE, spelled(params), headers, json.dumps(body).encode())


def path_of(room: str, name: BytesLike) -> str:
    """Give the path of something with a name.

    Every byte that could mean something in a path is escaped, dots too: else ``a/../b`` would be
    taken for ``b`` on the way.
    """
    if not name:
        raise ValueError("a name may not be empty")
    return room + quote(to_bytes(name), safe="").replace(".", "%2E")


def spelled(params: Params) -> str:
    """Escape parameters for a query."""
    pairs = ((name, str(value) if isinstance(value, int) else value) for name, value in params)
    return "&".join(f"{name}={quote(to_bytes(value), safe='')}" for name, value in pairs)


def key_params(keys: Keys) -> list[tuple[str, BytesLike | int]]:
    """Name some keys, where one key alone has a parameter."""
    match keys:
        case Prefix(prefix):
            return [("prefix", prefix)]
        case Range(start, end):
            return [("from", start), *([] if end is None else [("to", end)])]
        case _:
            return [("key", keys)]


def range_params(keys: Keys) -> list[tuple[str, BytesLike | int]]:
    """Name some keys, where only ranges have parameters."""
    if isinstance(keys, Prefix | Range):
        return key_params(keys)
    key = to_bytes(keys)
    return [("from", key), ("to", key + b"\0")]


def when_params(
    revision: int | None, at: Moment | None, *, stale: bool
) -> list[tuple[str, BytesLike | int]]:
    """Say how fresh a read has to be, or of which past."""
    params: list[tuple[str, BytesLike | int]] = [("consistency", "stale")] if stale else []
    if revision is not None:
        params.append(("revision", revision))
    if at is not None:
        params.append(("at", spelled_moment(at)))
    return params


def spelled_moment(at: Moment) -> str:
    """Spell a point in time as members read it."""
    if not isinstance(at, datetime):
        return str(at)
    if at.tzinfo is None:
        raise ValueError(f"{at!r} is a different moment in each time zone: give it one")
    return str((at - EPOCH) // MICROSECOND)


def condition(
    if_revision: int | None, *, if_exists: bool = False, if_absent: bool = False
) -> dict[str, str]:
    """Spell the condition of a write as a header; there may be one, or none."""
    named = [if_revision is not None, if_exists, if_absent]
    if sum(named) > 1:
        raise ValueError("a write has one condition: if_revision, if_exists or if_absent")
    if if_revision is not None:
        return {"If-Match": f'"{if_revision}"'}
    if if_exists:
        return {"If-Match": "*"}
    return {"If-None-Match": "*"} if if_absent else {}


def lifetime(ttl: float | None, lease: int | None) -> list[tuple[str, BytesLike | int]]:
    """Say how long a key lives."""
    if ttl is not None and lease is not None:
        raise ValueError("a key lives by a ttl or by a lease, not by both")
    if ttl is not None:
        # As many decimals as the door reads, and never an exponent.
        return [("ttl", f"{ttl:.3f}")]
    return [] if lease is None else [("lease", lease)]
