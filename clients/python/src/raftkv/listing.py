"""Listing keys: pages, cursors, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftkv import _decode
from raftkv._request import read
from raftkv.errors import NotDone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raftkv._caller import Caller
    from raftkv._json import Object
    from raftkv._request import Params
    from raftkv.types import KeyValue, Page

PAGE_KEYS_MAX = 1_000


class Listing:
    """Some keys, read anew by each iteration, page by page."""

    def __init__(
        self, caller: Caller, params: Params, limit: int | None, *, is_ordered: bool
    ) -> None:
        if limit is not None and limit < 0:
            raise ValueError("a limit is not negative")
        if is_ordered and (limit is None or limit > PAGE_KEYS_MAX):
            raise ValueError(
                f"in another order there is one page: limit is at most {PAGE_KEYS_MAX}"
            )
        self._caller = caller
        self._params = params
        self._limit = limit
        self._is_ordered = is_ordered

    async def __aiter__(self) -> AsyncIterator[KeyValue]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page]:
        """Iterate over pages; one of another order that is cut short by its size is ``NotDone``."""
        left, after = self._limit, None
        while left is None or left > 0:
            limit = PAGE_KEYS_MAX if left is None else min(left, PAGE_KEYS_MAX)
            cursor: Params = [] if after is None else [("after", after)]
            request = read("/kv", [*self._params, *cursor, ("limit", limit)])
            page, after = await self._caller.read(request, _page)
            if self._is_ordered and page.more and len(page.items) < limit:
                raise NotDone(
                    "the page was cut short by its size: ask for fewer keys, or keys_only"
                )
            yield page
            left = None if left is None else left - len(page.items)
            if after is None:
                return


def _page(answer: Object) -> tuple[Page, str | None]:
    return _decode.page(answer), answer.optional_text("next")
