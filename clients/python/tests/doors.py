"""A stand-in for a member that answers as a test tells it to, or not at all."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DONE = {"status": "committed", "revision": 7, "log_index": 8, "term": 2}


@dataclass(frozen=True)
class Says:
    """An answer."""

    status: int
    body: object
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Spell it as HTTP has it."""
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {**self.headers, "content-length": str(len(body))}
        lines = [f"HTTP/1.1 {self.status} x", *(f"{n}: {v}" for n, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


class HangsUp:
    """Takes the request and closes the connection."""


class IsSilent:
    """Takes the request and says nothing."""


Reaction: TypeAlias = Says | HangsUp | IsSilent


def refusal(status: int, code: str, **data: object) -> Says:
    """A refusal of a member."""
    return Says(status, {"error": code, "message": "why", **data})


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Door:
    """One that reacts to each request in turn, and to those after them as to the last."""

    def __init__(self, *reactions: Reaction) -> None:
        self.reactions = list(reactions)
        self.seen: list[Seen] = []
        self.address = ""

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://{self.address}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while await self._answer(await _read(reader), reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if request.target.startswith("/cluster/members"):
            writer.write(refusal(503, "no_leader").encode())
            return True
        self.seen.append(request)
        match self.reactions.pop(0) if len(self.reactions) > 1 else self.reactions[0]:
            case Says() as says:
                writer.write(says.encode())
                return True
            case IsSilent():
                await reader.read()
        return False


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)


@asynccontextmanager
async def door(*reactions: Reaction) -> AsyncIterator[Door]:
    """Open a door on a free port."""
    stand_in = Door(*reactions)
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    stand_in.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stand_in
    finally:
        server.close()
