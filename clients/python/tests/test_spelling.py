"""How requests are spelled, and answers and streams are read. Nothing here needs a member."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from raftkv import Compare, GetOp, Prefix, PutOp, Range, TxnOp
from raftkv._json import Object, Strange
from raftkv._request import (
    condition,
    key_params,
    lifetime,
    path_of,
    range_params,
    spelled,
    spelled_moment,
)
from raftkv._sse import Message, Parser
from raftkv.txn import Operand, txn_body, txn_result


def test_a_key_stays_what_it_is_on_its_way() -> None:
    assert path_of("/kv/", "a/../b") == "/kv/a%2F%2E%2E%2Fb"
    assert path_of("/kv/", b"\xff\x00 ?#%+") == ("/kv/%FF%00%20%3F%23%25%2B")
    with pytest.raises(ValueError, match="empty"):
        path_of("/kv/", "")


def test_keys_are_named_as_each_door_names_them() -> None:
    assert spelled(key_params("a b")) == "key=a%20b"
    assert spelled(key_params(Prefix(b"\xff"))) == "prefix=%FF"
    assert spelled(key_params(Range("a", "c"))) == "from=a&to=c"
    assert spelled(key_params(Range("a"))) == "from=a"
    assert spelled(range_params("k")) == "from=k&to=k%00"


def test_a_moment_is_exact() -> None:
    time = datetime(2026, 8, 4, 12, 0, 0, 123456, tzinfo=UTC)
    assert spelled_moment(time) == "1785844800123456"
    there = time.astimezone(timezone(timedelta(hours=2)))
    assert spelled_moment(there) == "1785844800123456"
    assert spelled_moment("2026-08-04T12:00:00Z") == "2026-08-04T12:00:00Z"
    with pytest.raises(ValueError, match="time zone"):
        spelled_moment(time.replace(tzinfo=None))


def test_a_write_has_one_condition_and_one_life() -> None:
    assert condition(7) == {"If-Match": '"7"'}
    assert condition(None, if_exists=True) == {"If-Match": "*"}
    assert condition(None, if_absent=True) == {"If-None-Match": "*"}
    with pytest.raises(ValueError, match="one condition"):
        condition(7, if_absent=True)
    assert spelled(lifetime(1e-3, None)) == "ttl=0.001"
    with pytest.raises(ValueError, match="not by both"):
        lifetime(1, 1)


def test_a_transaction_is_spelled_as_members_read_it() -> None:
    nested = TxnOp(compare=[Compare.value("v", "!=", b"\xff")], then=[GetOp("k", limit=1)])
    body = txn_body([Compare.absent(Prefix("p/"))], [PutOp("k", None, lease=3), nested], [])
    assert body == {
        "compare": [{"prefix": "p/", "op": "=", "version": 0}],
        "then": [
            {"put": {"key": "k", "keep_value": True, "lease": 3}},
            {
                "txn": {
                    "compare": [{"key": "v", "op": "!=", "value_base64": "/w=="}],
                    "then": [{"get": {"key": "k", "limit": 1}}],
                }
            },
        ],
    }


def test_a_comparison_has_one_operand() -> None:
    with pytest.raises(ValueError, match="has one of"):
        Compare("k", "=", Operand()).body()


def test_results_that_were_too_long_to_be_remembered_are_told_apart_from_none() -> None:
    assert txn_result(Object({"succeeded": True, "revision": 3})).results is None
    assert txn_result(Object({"succeeded": True, "results": []})).results == ()


@pytest.mark.parametrize(
    "fields", [{}, {"n": None}, {"n": True}, {"n": "1"}, {"n": 1.5}, {"n": [1]}]
)
def test_what_is_no_number_is_strange(fields: dict[str, object]) -> None:
    with pytest.raises(Strange):
        Object(fields).integer("n")


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000])
def test_what_is_no_object_is_strange(text: str) -> None:
    with pytest.raises(Strange):
        Object.parse(text)


STREAM = (
    b': a comment\r\n\r\nid: 6\nevent: open\ndata: {}\n\nid: 7\ndata: {"a":[1,\ndata: 2]}\n\n'
    b": nothing\n\nid: 8\ndata: cut off"
)


@pytest.mark.parametrize("step", [1, 2, 3, 7, len(STREAM)])
def test_messages_come_out_however_the_stream_is_cut(step: int) -> None:
    parser, messages = Parser(), []
    for start in range(0, len(STREAM), step):
        messages += parser.feed(STREAM[start : start + step])
    assert messages == [Message("open", "{}"), Message("", '{"a":[1,\n2]}')]


def test_a_stream_that_is_no_text_is_strange() -> None:
    with pytest.raises(Strange):
        Parser().feed(b"data: \xff\n")
