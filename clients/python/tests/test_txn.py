"""Transactions."""

from __future__ import annotations

import pytest

import raftkv
from raftkv import (
    Compare,
    DeleteOp,
    DeleteResult,
    GetOp,
    GetResult,
    Prefix,
    PutOp,
    PutResult,
    TxnOp,
    TxnResult,
)

pytestmark = pytest.mark.anyio


async def test_one_list_or_the_other_is_done(kv: raftkv.Client) -> None:
    claim = [Compare.absent("k")]
    first = await kv.txn(claim, then=[PutOp("k", "one")], otherwise=[GetOp("k")])
    assert first.succeeded
    second = await kv.txn(claim, then=[PutOp("k", "two")], otherwise=[GetOp("k")])
    assert not second.succeeded
    match second.results:
        case (GetResult(items=(item,), count=1, more=False),):
            assert item.value == b"one"
        case results:
            pytest.fail(f"{results!r}")


async def test_everything_happens_in_one_revision_and_tells_what_it_did(kv: raftkv.Client) -> None:
    await kv.put("old/\xff", b"\xfe")
    done = await kv.txn(
        compare=[Compare.exists(Prefix("old/")), Compare.value("old/\xff", "=", b"\xfe")],
        then=[
            PutOp("new", b"\xfd", prev=True),
            DeleteOp(Prefix("old/"), prev=True),
            GetOp(Prefix(""), sort="mod_revision", order="desc"),
            TxnOp(then=[PutOp("nested", "v")]),
        ],
    )
    match done.results:
        case (PutResult(None), DeleteResult(1, (old,)), GetResult() as got, TxnResult() as nested):
            assert old.value == b"\xfe"
            assert [item.key for item in got.items] == [b"new"]
            assert nested.succeeded
        case results:
            pytest.fail(f"{results!r}")
    items = [item async for item in kv.list()]
    assert {item.mod_revision for item in items} == {done.revision}


async def test_a_transaction_that_can_not_be_is_refused(kv: raftkv.Client) -> None:
    with pytest.raises(raftkv.Refused) as refused:
        await kv.txn(then=[PutOp("k", "one"), PutOp("k", "two")])
    assert refused.value.code == "duplicate_key"
    assert await kv.get("k") is None


async def test_a_put_may_keep_what_it_does_not_name(kv: raftkv.Client) -> None:
    await kv.put("k", "v", ttl=100)
    await kv.txn(then=[PutOp("k", "w", keep_lifetime=True)])
    found = await kv.get("k")
    assert found is not None
    assert found.value == b"w"
    assert found.ttl is not None
    await kv.txn(then=[PutOp("k", None)])
    found = await kv.get("k")
    assert found is not None
    assert (found.value, found.ttl) == (b"w", None)
