"""The client: one method for each thing that a cluster does with keys, and rooms for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from raftkv import _decode
from raftkv._caller import TIMEOUT_S_MAX, Caller, Credentials, Nobody
from raftkv._directory import Directory
from raftkv._endpoint import Endpoint
from raftkv._json import to_bytes
from raftkv._request import (
    RAW,
    condition,
    key_params,
    lifetime,
    path_of,
    range_params,
    read,
    when_params,
    write,
)
from raftkv._transport import Transport
from raftkv.cluster import Cluster
from raftkv.errors import Refused
from raftkv.leases import Leases
from raftkv.listing import Listing
from raftkv.lock import held
from raftkv.records import Records
from raftkv.txn import txn_body, txn_result
from raftkv.types import EVERY_KEY
from raftkv.users import Password, Token, Users, log_in, log_out
from raftkv.watch import Watch

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from raftkv._json import Object
    from raftkv._request import Params
    from raftkv.lock import Lock
    from raftkv.txn import Compare, Op, TxnResult
    from raftkv.types import (
        BytesLike,
        Deleted,
        Keys,
        KeyValue,
        Moment,
        Order,
        PastVersion,
        SortBy,
        Written,
    )

TIMEOUT_S = 5.0
"""What a call may take if nothing else is said."""
PAGE_VERSIONS_MAX = 1_000


class Client:
    """A client of one cluster.

    ``endpoints`` are some of its members, ``http://host:port``; the others are learned from them.
    Every call is over within ``timeout`` seconds, 60 at most. A write has a random name
    (``Idempotency-Key``), so that it can be sent again until an answer comes and is yet done once;
    without ``exactly_once`` it has none, and is not sent again once its outcome is unknown. With
    ``user`` and ``password`` it logs in when a member asks for that. ``verify`` is what TLS
    trusts: an ``ssl.SSLContext`` may also hold a certificate of the client's own.

    A call may be cancelled at any time; the outcome of a write is unknown then. A client belongs to
    one event loop.
    """

    def __init__(
        self,
        endpoints: Iterable[str],
        *,
        timeout: float = TIMEOUT_S,
        exactly_once: bool = True,
        user: str | None = None,
        password: str | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        if (user is None) != (password is None):
            raise ValueError("a user has a password, and a password a user")
        credentials: Credentials = Nobody()
        if user is not None and password is not None:
            credentials = Password(user, password)
        directory = Directory([Endpoint.parse(endpoint) for endpoint in _several(endpoints)])
        transport, timeout = Transport(verify), _checked(timeout)
        self._use(Caller(transport, directory, credentials, timeout, exactly_once))

    def _use(self, caller: Caller) -> None:
        self._caller = caller
        self.cluster = Cluster(caller)
        self.leases = Leases(caller)
        self.records = Records(caller)
        self.users = Users(caller)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, also those of the clients that were made from this one."""
        await self._caller.transport.aclose()

    def within(self, timeout: float) -> Client:
        """The same client with another deadline, in seconds. It shares the connections."""
        return self._like(replace(self._caller, timeout=_checked(timeout)))

    def only(self, endpoint: str) -> Client:
        """The same client with eyes for one member only. It shares the connections."""
        directory = Directory([Endpoint.parse(endpoint)], fixed=True)
        return self._like(replace(self._caller, directory=directory))

    def with_token(self, token: str) -> Client:
        """The same client on behalf of whoever a token stands for. It shares the connections."""
        return self._like(replace(self._caller, credentials=Token(token)))

    def with_user(self, user: str, password: str) -> Client:
        """The same client on behalf of a user. It shares the connections."""
        return self._like(replace(self._caller, credentials=Password(user, password)))

    def _like(self, caller: Caller) -> Client:
        view = object.__new__(Client)
        view._use(caller)
        return view

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every member that this client knows."""
        return tuple(str(endpoint) for endpoint in self._caller.directory.known)

    async def login(self, user: str, password: str) -> str:
        """Give a token for ``with_token``; it is over when it was not used for 300 s."""
        return await log_in(self._caller, user, password)

    async def logout(self, token: str) -> None:
        """End a token, at once and for all members; ``Unauthenticated`` if it is over already."""
        await log_out(self._caller, token)

    async def get(
        self,
        key: BytesLike,
        *,
        revision: int | None = None,
        at: Moment | None = None,
        stale: bool = False,
    ) -> KeyValue | None:
        """The value of a key; ``None`` if it is not there.

        Linearizable: it sees every write that was done before the call. With ``stale`` the answer
        is whatever the member has, at once. ``revision`` or ``at`` read the past, as far as it is
        kept; else ``Compacted``.
        """
        request = read(path_of("/kv/", key), when_params(revision, at, stale=stale))
        try:
            return await self._caller.read(request, _decode.key_value)
        except Refused as error:
            if error.code == "not_found":
                return None
            raise

    async def put(
        self,
        key: BytesLike,
        value: BytesLike,
        *,
        ttl: float | None = None,
        lease: int | None = None,
        if_revision: int | None = None,
        if_exists: bool = False,
        if_absent: bool = False,
        prev: bool = False,
        idempotency_key: str | None = None,
    ) -> Written:
        """Give a key a value: for ``ttl`` seconds, for as long as a ``lease`` lives, or for good.

        Under one of the conditions it is done only if the key's ``mod_revision`` is
        ``if_revision``, or it exists, or it does not; else ``ConditionFailed`` has it as it is.
        """
        params = [*lifetime(ttl, lease), *_prev(prev)]
        headers = condition(if_revision, if_exists=if_exists, if_absent=if_absent)
        request = write("PUT", path_of("/kv/", key), params)
        request = replace(request, body=to_bytes(value)).with_headers(
            {"Content-Type": RAW, **headers}
        )
        return await self._caller.change(request, _decode.written, idempotency_key)

    async def delete(
        self,
        key: BytesLike,
        *,
        if_revision: int | None = None,
        if_exists: bool = False,
        prev: bool = False,
        idempotency_key: str | None = None,
    ) -> Deleted:
        """Remove a key; that it is not there is no error, unless a condition says so."""
        headers = condition(if_revision, if_exists=if_exists)
        request = write("DELETE", path_of("/kv/", key), _prev(prev)).with_headers(headers)
        return await self._caller.change(request, _decode.deleted, idempotency_key)

    async def txn(
        self,
        compare: Sequence[Compare] = (),
        then: Sequence[Op] = (),
        otherwise: Sequence[Op] = (),
        *,
        idempotency_key: str | None = None,
    ) -> TxnResult:
        """Do ``then`` if all of ``compare`` hold, else ``otherwise``: all of it in one revision."""
        request = write("POST", "/txn", body=txn_body(compare, then, otherwise))
        return await self._caller.change(request, txn_result, idempotency_key)

    def list(
        self,
        keys: Keys = EVERY_KEY,
        *,
        limit: int | None = None,
        sort: SortBy = "key",
        order: Order = "asc",
        keys_only: bool = False,
        revision: int | None = None,
        at: Moment | None = None,
        stale: bool = False,
        min_mod_revision: int | None = None,
        max_mod_revision: int | None = None,
    ) -> Listing:
        """Keys and values, in the order of the keys and all as they were at one revision.

        An asynchronous iterator over ``KeyValue``, read page by page as far as it is wanted; its
        ``pages()`` iterates over ``Page``. Another ``sort`` or ``order`` has one page only, of
        ``limit`` keys, 1,000 at most.
        """
        bounds = {"min_mod_revision": min_mod_revision, "max_mod_revision": max_mod_revision}
        said = {"sort": None if sort == "key" else sort, "order": None if order == "asc" else order}
        params: Params = [
            *range_params(keys),
            *when_params(revision, at, stale=stale),
            *((name, value) for name, value in (bounds | said).items() if value is not None),
            *([("keys_only", "true")] if keys_only else []),
        ]
        return Listing(self._caller, params, limit, is_ordered=any(said.values()))

    async def count(
        self,
        keys: Keys = EVERY_KEY,
        *,
        revision: int | None = None,
        at: Moment | None = None,
        stale: bool = False,
    ) -> int:
        """How many of these keys there are."""
        when = when_params(revision, at, stale=stale)
        request = read("/kv", [*range_params(keys), *when, ("count_only", "true")])
        return await self._caller.read(request, lambda answer: answer.integer("count"))

    async def history(
        self, key: BytesLike, *, before: int | None = None, stale: bool = False
    ) -> AsyncIterator[PastVersion]:
        """What every write left of a key, as far as that is kept, the newest first.

        With ``before`` only what was written before that revision. Of a key of which nothing is
        kept: nothing.
        """
        path = path_of("/history/", key)
        params: Params = [("limit", PAGE_VERSIONS_MAX), *when_params(None, None, stale=stale)]

        def versions(answer: Object) -> tuple[list[PastVersion], int | None]:
            told = answer.objects("versions")
            past = [_decode.past_version(to_bytes(key), version) for version in told]
            return past, answer.optional_integer("next")

        is_first = True
        while is_first or before is not None:
            is_first = False
            cursor: Params = [] if before is None else [("before", before)]
            try:
                past, before = await self._caller.read(read(path, [*params, *cursor]), versions)
            except Refused as error:
                if error.code == "not_found":
                    return
                raise
            for version in past:
                yield version

    def watch(
        self,
        keys: Keys = EVERY_KEY,
        *,
        from_revision: int | None = None,
        prev: bool = False,
        puts: bool = True,
        deletes: bool = True,
        stale: bool = False,
    ) -> Watch:
        """Watch keys: all that is acknowledged after it is opened, or from a revision on.

        ``prev``: events tell what the key was before. Without ``puts`` or ``deletes`` these are
        left out. A ``stale`` watch goes on at a member that has no leader.
        """
        if not (puts or deletes):
            raise ValueError("without puts and deletes there is nothing to watch")
        params: Params = [
            *key_params(keys),
            *_prev(prev),
            *([] if puts else [("filter", "noput")]),
            *([] if deletes else [("filter", "nodelete")]),
            *when_params(None, None, stale=stale),
        ]
        return Watch(self._caller, params, from_revision)

    def lock(
        self,
        name: BytesLike,
        *,
        ttl: float = 10.0,
        wait: float | None = None,
        value: BytesLike = b"",
    ) -> AbstractAsyncContextManager[Lock]:
        """Hold a lock during an ``async with``; see ``raftkv.lock`` for what it does not do.

        It outlives a holder that says nothing by ``ttl`` seconds, whole ones. Raises
        ``LockTimeout`` when it was not had within ``wait`` seconds, and ``LockLost`` at the end if
        it was lost meanwhile. ``value`` is what others find at its key.
        """
        return held(self, name, ttl, wait, value)

    async def compact(self, revision: int) -> None:
        """Give up the past before a revision. After an unknown outcome it may be done again."""
        request = write("POST", "/compact", body={"revision": revision})
        await self._caller.write(request, lambda answer: answer.integer("compact_revision"))


def _several(endpoints: Iterable[str]) -> Iterable[str]:
    """Take a single text for members with commas between: of its letters nobody means a list."""
    return endpoints.split(",") if isinstance(endpoints, str) else endpoints


def _checked(timeout: float) -> float:
    if not 0 < timeout <= TIMEOUT_S_MAX:
        raise ValueError(f"a call takes up to {TIMEOUT_S_MAX:g} s, and some time")
    return timeout


def _prev(wanted: bool) -> list[tuple[str, BytesLike | int]]:
    return [("prev", "true")] if wanted else []
