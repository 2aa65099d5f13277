"""Records."""

from __future__ import annotations

import pytest

import raftkv

pytestmark = pytest.mark.anyio


async def test_fields_are_set_read_and_removed(kv: raftkv.Client) -> None:
    first = await kv.records.set("user1", "name", "Ada")
    await kv.records.set("user1", "name", "Grace")
    found = await kv.records.get("user1", "name")
    assert found is not None
    assert (found.text, found.ttl) == ("Grace", None)
    then = await kv.records.get("user1", "name", revision=first.revision)
    assert then is not None
    assert (then.text, then.time) == ("Ada", first.time)
    removed = await kv.records.delete("user1", "name")
    assert removed is not None
    assert await kv.records.get("user1", "name") is None
    assert await kv.records.delete("user1", "name") is None
    assert [field async for field in kv.records.fields("user1")] == []


async def test_names_and_values_may_be_any_bytes(kv: raftkv.Client) -> None:
    fields = {b"a/": b"1", b"a.": b"\xfe", b"\xff": b"3", b"%2F": b"", "é".encode(): b"5"}
    for name, value in fields.items():
        await kv.records.set(b"rec/\xff", name, value)
    assert [field async for field in kv.records.fields(b"rec/\xff")] == sorted(fields.items())
    found = await kv.records.get(b"rec/\xff", b"a.")
    assert found is not None
    assert found.value == b"\xfe"
    begun = [name async for name, _ in kv.records.fields(b"rec/\xff", "a")]
    assert begun == [b"a.", b"a/"]
    removed = await kv.records.delete(b"rec/\xff")
    assert removed is not None
    assert removed.deleted == len(fields)


async def test_a_record_of_many_fields_comes_page_by_page(kv: raftkv.Client) -> None:
    names = [f"f{n:04}" for n in range(1_100)]
    for start in range(0, len(names), 100):
        puts = [raftkv.PutOp(f"big/{name}", "v") for name in names[start : start + 100]]
        await kv.txn(then=puts)
    assert [name.decode() async for name, _ in kv.records.fields("big")] == names


async def test_conditions_and_lives_are_those_of_keys(kv: raftkv.Client) -> None:
    written = await kv.records.set("user1", "code", "1", if_absent=True, ttl=30)
    found = await kv.records.get("user1", "code")
    assert found is not None
    assert found.ttl is not None
    assert (0 < found.ttl <= 30, found.mod_revision) == (True, written.revision)
    with pytest.raises(raftkv.ConditionFailed):
        await kv.records.set("user1", "code", "2", if_absent=True)
    with pytest.raises(raftkv.ConditionFailed):
        await kv.records.delete("user1", "code", if_revision=written.revision - 1)
