"""Records: fields with values under a name. They are plain keys, ``name/field``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftkv import _decode
from raftkv._json import bytes_field
from raftkv._request import condition, read, when_params, write
from raftkv.errors import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raftkv._caller import Caller
    from raftkv._json import Object
    from raftkv._request import Params
    from raftkv.types import BytesLike, FieldsWritten, FieldValue, Moment

STORE = "/kv-store"
PAGE_FIELDS_MAX = 1_000


class Records:
    """The records of a cluster."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def set(
        self,
        record: BytesLike,
        name: BytesLike,
        value: BytesLike,
        *,
        ttl: float | None = None,
        if_revision: int | None = None,
        if_exists: bool = False,
        if_absent: bool = False,
        idempotency_key: str | None = None,
    ) -> FieldsWritten:
        """Give a field a value, for ``ttl`` seconds or for good. The conditions are its key's."""
        body: dict[str, object] = {"type": "set", **bytes_field("key", record)}
        body |= bytes_field("field", name) | bytes_field("value", value)
        if ttl is not None:
            body["ttl"] = round(ttl, 3)
        headers = condition(if_revision, if_exists=if_exists, if_absent=if_absent)
        request = write("POST", STORE, body=body).with_headers(headers)
        return await self._caller.change(request, _decode.fields_written, idempotency_key)

    async def get(
        self,
        record: BytesLike,
        name: BytesLike,
        *,
        revision: int | None = None,
        at: Moment | None = None,
        stale: bool = False,
    ) -> FieldValue | None:
        """The value of a field, now or in the past; ``None`` if there is no such field."""
        params: Params = [("key", record), ("field", name)]
        request = read(STORE, [*params, *when_params(revision, at, stale=stale)])
        try:
            return await self._caller.read(request, _decode.field_value)
        except Refused as error:
            if error.code == "not_found":
                return None
            raise

    async def fields(
        self,
        record: BytesLike,
        prefix: BytesLike = "",
        *,
        revision: int | None = None,
        at: Moment | None = None,
        stale: bool = False,
    ) -> AsyncIterator[tuple[bytes, bytes]]:
        """The fields whose names begin with ``prefix``, in the order of their names.

        All are as they were at one revision. Of a record that is not there: none.
        """
        params: Params = [("key", record), ("prefix", prefix), ("limit", PAGE_FIELDS_MAX)]
        params = [*params, *when_params(revision, at, stale=stale)]
        after: str | None = ""
        while after is not None:
            cursor: Params = [("after", after)] if after else []
            try:
                fields, after = await self._caller.read(read(STORE, [*params, *cursor]), _page)
            except Refused as error:
                if error.code == "not_found":
                    return
                raise
            for one in fields:
                yield one

    async def delete(
        self,
        record: BytesLike,
        name: BytesLike | None = None,
        *,
        if_revision: int | None = None,
        idempotency_key: str | None = None,
    ) -> FieldsWritten | None:
        """Remove a field, or all fields in one revision; ``None`` if there were none."""
        body: dict[str, object] = {"type": "delete", **bytes_field("key", record)}
        if name is not None:
            body |= bytes_field("field", name)
        request = write("POST", STORE, body=body).with_headers(condition(if_revision))
        try:
            return await self._caller.change(request, _decode.fields_written, idempotency_key)
        except Refused as error:
            if error.code == "not_found":
                return None
            raise


def _page(answer: Object) -> tuple[list[tuple[bytes, bytes]], str | None]:
    return _decode.record_page(answer), answer.optional_text("next")
