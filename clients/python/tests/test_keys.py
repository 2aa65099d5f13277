"""Keys and values: writing, reading, listing, the past, conditions, lives."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

import raftkv
from raftkv import Prefix, Range

pytestmark = pytest.mark.anyio

HOSTILE = [
    b"\xff\x00\xfe",
    b"..",
    b"a/../b",
    b"/",
    b"//x",
    b"%2F",
    b"a b+c?d#e&f=g",
    "ключ".encode(),
]


async def test_a_key_is_written_read_and_removed(kv: raftkv.Client) -> None:
    written = await kv.put("name", "Ada")
    found = await kv.get("name")
    assert found is not None
    assert (found.key, found.value, found.text) == (b"name", b"Ada", "Ada")
    assert (found.version, found.mod_revision) == (1, written.revision)
    deleted = await kv.delete("name", prev=True)
    assert deleted.deleted == 1
    assert deleted.prev is not None
    assert deleted.prev.value == b"Ada"
    assert await kv.get("name") is None
    assert (await kv.delete("name")).deleted == 0


async def test_bytes_come_back_as_they_went(kv: raftkv.Client) -> None:
    for key in HOSTILE:
        value = key + b"\x00\xff" + bytes(range(256))
        await kv.put(key, value)
        found = await kv.get(key)
        assert found is not None
        assert (found.key, found.value) == (key, value)
    assert [item.key async for item in kv.list()] == sorted(HOSTILE)
    with_prefix = [item.key async for item in kv.list(Prefix(b"\xff"))]
    assert with_prefix == [b"\xff\x00\xfe"]
    versions = [version async for version in kv.history(b"\xff\x00\xfe")]
    assert [version.item.key for version in versions if version.item] == [b"\xff\x00\xfe"]


async def test_an_empty_value_is_a_value(kv: raftkv.Client) -> None:
    await kv.put("empty", "")
    found = await kv.get("empty")
    assert found is not None
    assert found.value == b""


async def test_a_listing_has_all_keys_of_one_revision_page_by_page(kv: raftkv.Client) -> None:
    names = [f"k/{n:04}" for n in range(1_500)]
    for start in range(0, len(names), 100):
        await kv.txn(then=[raftkv.PutOp(name, "v") for name in names[start : start + 100]])
    pages = []
    async for page in kv.list(Prefix("k/")).pages():
        pages.append(page)
        await kv.put("k/later", "not of this revision")
    assert [len(page.items) for page in pages] == [1_000, 500]
    assert [page.more for page in pages] == [True, False]
    assert len({page.revision for page in pages}) == 1
    listed = [item.key.decode() for page in pages for item in page.items]
    assert listed == names
    assert len([item async for item in kv.list(Prefix("k/"), limit=1_200)]) == 1_200
    assert await kv.count(Prefix("k/")) == 1_501


async def test_listings_select_and_sort(kv: raftkv.Client) -> None:
    for name in ("b", "a", "c"):
        written = await kv.put(name, name.upper())
    assert [item.key async for item in kv.list(Range("a", "c"))] == [b"a", b"b"]
    assert [item.key async for item in kv.list("b")] == [b"b"]
    newest = kv.list(sort="mod_revision", order="desc", limit=2)
    assert [item.key async for item in newest] == [b"c", b"a"]
    lately = kv.list(min_mod_revision=written.revision, keys_only=True)
    assert [(item.key, item.value) async for item in lately] == [(b"c", b"")]
    with pytest.raises(ValueError, match="one page"):
        kv.list(order="desc")


async def test_the_past_is_read_by_revision_and_by_time(kv: raftkv.Client) -> None:
    first = await kv.put("past", "one")
    await kv.put("past", "two")
    await kv.delete("past")
    versions = [version async for version in kv.history("past")]
    assert [version.item and version.item.value for version in versions] == [None, b"two", b"one"]
    for moment in (versions[1].time, versions[1].time.isoformat()):
        then = await kv.get("past", at=moment)
        assert then is not None
        assert then.value == b"two"
    by_revision = await kv.get("past", revision=first.revision)
    assert by_revision is not None
    assert (by_revision.value, by_revision.revision) == (b"one", first.revision)
    listed = [item.value async for item in kv.list(revision=first.revision)]
    assert listed == [b"one"]
    before = [version async for version in kv.history("past", before=versions[1].revision)]
    assert [version.revision for version in before] == [first.revision]
    assert [version async for version in kv.history("never")] == []


async def test_a_time_that_is_not_over_is_refused(kv: raftkv.Client) -> None:
    with pytest.raises(raftkv.Refused) as refused:
        await kv.get("k", at=datetime(2200, 1, 1, tzinfo=UTC))
    assert refused.value.code == "future_time"


async def test_what_was_compacted_is_told_with_what_is_left(kv: raftkv.Client) -> None:
    first = await kv.put("k", "one")
    second = await kv.put("k", "two")
    await kv.compact(second.revision)
    with pytest.raises(raftkv.Compacted) as compacted:
        await kv.get("k", revision=first.revision)
    assert compacted.value.oldest == second.revision


async def test_a_stale_read_says_how_old_it_may_be(kv: raftkv.Client) -> None:
    await kv.put("k", "v")
    found = await kv.get("k", stale=True)
    if found is not None:
        assert found.stale is not None
        assert found.stale.applied_index > 0
    page = await anext(kv.list(stale=True).pages())
    assert page.stale is not None


async def test_a_write_is_done_only_under_its_condition(kv: raftkv.Client) -> None:
    created = await kv.put("k", "one", if_absent=True)
    with pytest.raises(raftkv.ConditionFailed) as failed:
        await kv.put("k", "two", if_absent=True)
    assert failed.value.current is not None
    assert failed.value.current.value == b"one"
    written = await kv.put("k", "two", if_revision=created.revision)
    with pytest.raises(raftkv.ConditionFailed):
        await kv.delete("k", if_revision=created.revision)
    await kv.delete("k", if_revision=written.revision)
    with pytest.raises(raftkv.ConditionFailed) as gone:
        await kv.put("k", "three", if_exists=True)
    assert gone.value.current is None
    assert isinstance(gone.value, raftkv.NotDone)
    assert await kv.get("k") is None


async def test_a_key_with_a_time_to_live_goes_and_watchers_are_told(kv: raftkv.Client) -> None:
    async with kv.watch("code", puts=False) as watch:
        begun = time.monotonic()
        await kv.put("code", "4711", ttl=0.5)
        found = await kv.get("code")
        assert found is not None
        assert found.ttl is not None
        assert 0 < found.ttl <= 0.5
        changes = await anext(watch)
    assert time.monotonic() - begun >= 0.5, "never before its time"
    assert [event.key for event in changes.events] == [b"code"]
    assert await kv.get("code") is None


async def test_a_put_may_ask_for_what_was_there(kv: raftkv.Client) -> None:
    assert (await kv.put("k", "one", prev=True)).prev is None
    prev = (await kv.put("k", "two", prev=True)).prev
    assert prev is not None
    assert prev.value == b"one"


async def test_members_refuse_what_is_too_large_and_say_so(kv: raftkv.Client) -> None:
    with pytest.raises(raftkv.Refused) as refused:
        await kv.put("k", bytes(2_000_000))
    assert (refused.value.status, refused.value.code) == (413, "value_too_large")
