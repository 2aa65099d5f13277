"""What a transaction compares and does.

``keys`` is one key, or a ``Prefix`` or ``Range`` of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from raftkv import _decode
from raftkv._json import Object, Strange, bytes_field
from raftkv.types import KeyValue, Prefix, Range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raftkv.types import BytesLike, Keys, Order, SortBy

Relation: TypeAlias = Literal["=", "!=", "<", ">"]
Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """What the keys of a comparison are compared with: exactly one of these."""

    value: BytesLike | None = None
    version: int | None = None
    create_revision: int | None = None
    mod_revision: int | None = None
    lease: int | None = None

    def body(self) -> Body:
        """Spell it as a part of a comparison."""
        names = ("version", "create_revision", "mod_revision", "lease")
        numbers = {name: getattr(self, name) for name in names}
        body: Body = {name: number for name, number in numbers.items() if number is not None}
        if self.value is not None:
            body |= bytes_field("value", self.value)
        if len(body) != 1:
            raise ValueError("a comparison has one of value, version, …_revision and lease")
        return body


@dataclass(frozen=True, slots=True)
class Compare:
    """How each of the keys must be for ``then`` to be done.

    Of a key that does not exist all numbers are 0, and nothing that is said of its value holds.
    """

    keys: Keys
    op: Relation
    operand: Operand

    @classmethod
    def version(cls, keys: Keys, op: Relation, version: int) -> Compare:
        """By how often it was written since it was created."""
        return cls(keys, op, Operand(version=version))

    @classmethod
    def create_revision(cls, keys: Keys, op: Relation, revision: int) -> Compare:
        """By the revision that created it."""
        return cls(keys, op, Operand(create_revision=revision))

    @classmethod
    def mod_revision(cls, keys: Keys, op: Relation, revision: int) -> Compare:
        """By the revision that wrote it last."""
        return cls(keys, op, Operand(mod_revision=revision))

    @classmethod
    def value(cls, keys: Keys, op: Relation, value: BytesLike) -> Compare:
        """By its value."""
        return cls(keys, op, Operand(value=value))

    @classmethod
    def lease(cls, keys: Keys, op: Relation, lease: int) -> Compare:
        """By the lease that it is attached to."""
        return cls(keys, op, Operand(lease=lease))

    @classmethod
    def absent(cls, keys: Keys) -> Compare:
        """It does not exist."""
        return cls.version(keys, "=", 0)

    @classmethod
    def exists(cls, keys: Keys) -> Compare:
        """It exists."""
        return cls.version(keys, ">", 0)

    def body(self) -> Body:
        """Spell it as members read it."""
        return {**keys_body(self.keys), "op": self.op, **self.operand.body()}


@dataclass(frozen=True, slots=True)
class PutOp:
    """Give a key a value; ``None``: it must exist and keeps its own.

    Its life is ``ttl`` seconds or that of ``lease``; with ``keep_lifetime`` it stays what it was.
    With ``prev`` the result has the key as it was before.
    """

    key: BytesLike
    value: BytesLike | None
    ttl: float | None = None
    lease: int | None = None
    keep_lifetime: bool = False
    prev: bool = False

    def body(self) -> Body:
        """Spell it as members read it."""
        kept: Body = {"keep_value": True}
        value = kept if self.value is None else bytes_field("value", self.value)
        ttl = None if self.ttl is None else round(self.ttl, 3)
        rest = {"ttl": ttl, "lease": self.lease, "prev": self.prev}
        rest["keep_lifetime"] = self.keep_lifetime
        return {"put": bytes_field("key", self.key) | value | _said(rest)}


@dataclass(frozen=True, slots=True)
class DeleteOp:
    """Remove keys; with ``prev`` the result has them as they were."""

    keys: Keys
    prev: bool = False

    def body(self) -> Body:
        """Spell it as members read it."""
        return {"delete": keys_body(self.keys) | _said({"prev": self.prev})}


@dataclass(frozen=True, slots=True)
class GetOp:
    """Read keys, as the operations before it left them, or as they were at ``revision``."""

    keys: Keys
    limit: int | None = None
    sort: SortBy | None = None
    order: Order | None = None
    keys_only: bool = False
    count_only: bool = False
    revision: int | None = None
    min_mod_revision: int | None = None
    max_mod_revision: int | None = None
    min_create_revision: int | None = None
    max_create_revision: int | None = None

    def body(self) -> Body:
        """Spell it as members read it."""
        names = [name for name in self.__slots__ if name != "keys"]
        said = _said({name: getattr(self, name) for name in names})
        return {"get": keys_body(self.keys) | said}


@dataclass(frozen=True, slots=True)
class TxnOp:
    """A transaction within the transaction, in the same revision."""

    compare: Sequence[Compare] = ()
    then: Sequence[Op] = ()
    otherwise: Sequence[Op] = ()

    def body(self) -> Body:
        """Spell it as members read it."""
        return {"txn": txn_body(self.compare, self.then, self.otherwise)}


Op: TypeAlias = PutOp | DeleteOp | GetOp | TxnOp


@dataclass(frozen=True, slots=True)
class PutResult:
    """What came of a put; ``prev`` if it was asked for and the key existed."""

    prev: KeyValue | None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """How many keys were removed; ``prev`` if they were asked for."""

    deleted: int
    prev: tuple[KeyValue, ...]


@dataclass(frozen=True, slots=True)
class GetResult:
    """What was found: ``count`` keys in all, of which ``more`` says that some were left out."""

    items: tuple[KeyValue, ...]
    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class TxnResult:
    """Whether the comparisons held, and what came of each operation of the list that was done.

    The ``revision`` of one that is nested is 0: it is that of the whole. ``results`` is ``None`` of
    a repeated transaction whose results were too long to be remembered.
    """

    succeeded: bool
    results: tuple[OpResult, ...] | None
    revision: int


OpResult: TypeAlias = PutResult | DeleteResult | GetResult | TxnResult


def txn_body(compare: Sequence[Compare], then: Sequence[Op], otherwise: Sequence[Op]) -> Body:
    """Spell a transaction as members read it."""
    lists = {"compare": compare, "then": then, "else": otherwise}
    return {name: [one.body() for one in parts] for name, parts in lists.items() if parts}


def keys_body(keys: Keys) -> Body:
    """Name some keys in a body."""
    match keys:
        case Prefix(prefix):
            return bytes_field("prefix", prefix)
        case Range(start, end):
            return bytes_field("from", start) | ({} if end is None else bytes_field("to", end))
        case _:
            return bytes_field("key", keys)


def _said(fields: Body) -> Body:
    return {
        name: value for name, value in fields.items() if value is not None and value is not False
    }


def txn_result(answer: Object) -> TxnResult:
    """Read what a transaction is answered with."""
    results = None
    if answer.has("results"):
        results = tuple(_op_result(result) for result in answer.objects("results"))
    return TxnResult(answer.flag("succeeded"), results, answer.integer("revision", 0))


def _op_result(result: Object) -> OpResult:
    if result.has("put"):
        prev = result.inner("put").optional_inner("prev")
        return PutResult(None if prev is None else _decode.key_value(prev))
    if result.has("delete"):
        body = result.inner("delete")
        return DeleteResult(body.integer("deleted"), _items(body, "prev"))
    if result.has("get"):
        body = result.inner("get")
        return GetResult(_items(body, "items"), body.integer("count"), body.flag("more"))
    if result.has("txn"):
        return txn_result(result.inner("txn"))
    raise Strange(f"this is no result of an operation: {result.fields!r}")


def _items(body: Object, name: str) -> tuple[KeyValue, ...]:
    items = body.objects(name) if body.has(name) else []
    return tuple(_decode.key_value(item) for item in items)
