"""One request to one member: what left, what came back. Connections are kept and shared.

The difference between "not sent" and "perhaps sent" is made here, and errs to one side alone: not
sent is only what found no connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from raftkv._verdict import Answer, Attempt, Broken, NotSent

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from raftkv._endpoint import Endpoint
    from raftkv._request import Request

CONNECT_S_MAX = 1.0
"""A member that accepts no connection for so long counts as unreachable."""
CONNECT_SHARE = 0.9
"""Of an attempt's time, so that what ran out first is certain."""
CONNECTIONS_MAX = 100
"""Requests that are under way at once, each on a connection; the others wait for their turn."""
STREAMS_MAX = 512
"""Connections for watches: as many as a member allows one client."""
IDLE_S = 30.0
"""A connection that nobody used for so long is closed; members do so after 60 s."""
ANSWER_BYTES_MAX = 64 << 20
"""A longer answer is not read on; a page of a listing is the longest that members give."""
MARGIN_S_MAX = 0.2
"""A member has so much less time than we wait: its answer says more than our silence."""

NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Stream:
    """An answer that comes as it comes."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks: AsyncIterator[bytes] = response.aiter_raw()

    async def read(self) -> bytes | Broken:
        """Wait for some bytes. Cancelled, the stream is of no use any more."""
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            return Broken("it ended the stream")
        except httpx.HTTPError as error:
            return Broken(_words(error))

    async def aclose(self) -> None:
        """Give the connection up."""
        await self._response.aclose()


class Transport:
    """The connections of a client."""

    def __init__(self, verify: ssl.SSLContext | bool) -> None:
        self.turns = asyncio.Semaphore(CONNECTIONS_MAX)
        # Made once: it reads all certificates of authorities.
        trust = httpx.create_ssl_context(verify=verify, trust_env=False)
        self._requests = _pool(trust, CONNECTIONS_MAX)
        self._streams = _pool(trust, STREAMS_MAX)

    async def aclose(self) -> None:
        """Close them all."""
        await self._requests.aclose()
        await self._streams.aclose()

    async def send(
        self, endpoint: Endpoint, request: Request, headers: Mapping[str, str], patience: float
    ) -> Attempt:
        """Send a request and wait for the whole answer, for so many seconds at most."""
        url = f"{endpoint}{request.target(_timeout_ms(patience))}"
        timeout = _timeouts(patience, silence=patience)
        message = _message(self._requests, url, request.with_headers(headers), timeout)
        try:
            async with asyncio.timeout(patience):
                response = await self._requests.send(message, stream=True)
                return await _read(response)
        except NOTHING_SENT as error:
            return NotSent(_words(error))
        except httpx.HTTPError as error:
            return Broken(_words(error))
        except TimeoutError:
            return Broken(f"no answer within {patience:.1f} s")

    async def open(
        self,
        endpoint: Endpoint,
        request: Request,
        headers: Mapping[str, str],
        patience: float,
        silence: float,
    ) -> Stream | Attempt:
        """Send a request and wait for the head of its answer; then it may be silent for so long."""
        url = f"{endpoint}{request.target(_timeout_ms(patience))}"
        timeout = _timeouts(patience, silence)
        message = _message(self._streams, url, request.with_headers(headers), timeout)
        try:
            async with asyncio.timeout(patience):
                response = await self._streams.send(message, stream=True)
                if response.is_success:
                    return Stream(response)
                return await _read(response)
        except httpx.HTTPError as error:
            return Broken(_words(error))
        except TimeoutError:
            return Broken(f"no answer within {patience:.1f} s")


def _pool(trust: ssl.SSLContext, connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=IDLE_S
    )
    # Proxies of the environment are meant for other hosts than the members of a cluster.
    return httpx.AsyncClient(verify=trust, limits=limits, trust_env=False)


def _timeout_ms(patience: float) -> int:
    """How long the member may take, in ms."""
    return max(1, int((patience - min(patience / 10, MARGIN_S_MAX)) * 1000))


def _timeouts(patience: float, silence: float) -> httpx.Timeout:
    connect = min(CONNECT_S_MAX, patience * CONNECT_SHARE)
    return httpx.Timeout(silence, connect=connect, pool=connect)


def _message(
    pool: httpx.AsyncClient, url: str, request: Request, timeout: httpx.Timeout
) -> httpx.Request:
    headers = {"Accept-Encoding": "identity", **request.headers}
    return pool.build_request(
        request.method, url, headers=headers, content=request.body, timeout=timeout
    )


async def _read(response: httpx.Response) -> Attempt:
    try:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                return Broken(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        return Answer(response.status_code, response.headers, bytes(body))
    finally:
        await response.aclose()


def _words(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.PoolTimeout):
        return "all connections of this client are in use"
    return str(error) or type(error).__name__
