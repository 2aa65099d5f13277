"""What the store holds and answers, as values that do not change.

Keys and values are ``bytes``. Revisions are whole numbers from 1 on. Times that last are seconds,
points in time are aware ``datetime`` objects, by the leader's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

BytesLike: TypeAlias = str | bytes
"""Bytes, or a text that stands for its UTF-8."""

Moment: TypeAlias = "datetime | int | str"
"""A point in time: an aware ``datetime``, µs since 1970, or a text as RFC 3339 has it."""

SortBy: TypeAlias = Literal["key", "version", "create_revision", "mod_revision", "value"]
Order: TypeAlias = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class Prefix:
    """The keys that begin with these bytes; ``Prefix("")`` are all keys."""

    prefix: BytesLike


@dataclass(frozen=True, slots=True)
class Range:
    """The keys from ``start`` on, and up to but without ``end``; ``None``: to the last."""

    start: BytesLike
    end: BytesLike | None = None


Keys: TypeAlias = BytesLike | Prefix | Range
"""Some keys, next to each other in byte order; a text or bytes are that one key."""

EVERY_KEY = Prefix(b"")


@dataclass(frozen=True, slots=True)
class Staleness:
    """How old the answer of a stale read is.

    It holds all that was committed ``age_ms`` ago, and the log up to ``applied_index``. ``age_ms``
    is ``None`` on a member that has not heard of a leader since it started.
    """

    applied_index: int
    age_ms: int | None


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key as it was at one revision.

    ``version`` counts the writes since the key was created, at ``create_revision``; the last of
    them was ``mod_revision``. ``ttl`` is what was left of its time to live, in seconds, ``lease``
    the lease that it is attached to. ``revision`` says at which revision it was read, if that was
    asked for, and ``stale`` how old the answer is, if a stale read gave it.
    """

    key: bytes
    value: bytes
    version: int
    create_revision: int
    mod_revision: int
    ttl: float | None = None
    lease: int | None = None
    revision: int | None = None
    stale: Staleness | None = None

    @property
    def text(self) -> str:
        """The value as UTF-8; ``UnicodeDecodeError`` if it is none."""
        return self.value.decode()


@dataclass(frozen=True, slots=True)
class Written:
    """A write that is done: durable on a majority, and seen by every later linearizable read.

    ``revision`` is the key's new ``mod_revision``. ``prev`` is the key as it was before, if that
    was asked for and it was there.
    """

    revision: int
    log_index: int
    term: int
    prev: KeyValue | None = None


@dataclass(frozen=True, slots=True)
class Deleted(Written):
    """A removal that is done; ``deleted`` is how many keys it removed."""

    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Some keys of a listing, all as they were at ``revision``.

    ``more`` says whether others follow this page.
    """

    items: tuple[KeyValue, ...]
    revision: int
    more: bool
    stale: Staleness | None = None


@dataclass(frozen=True, slots=True)
class PastVersion:
    """What one write left of a key: ``item``, or ``None`` if it removed the key."""

    revision: int
    time: datetime
    item: KeyValue | None


@dataclass(frozen=True, slots=True)
class Put:
    """A key got a value; with version 1 it is new. ``prev`` is what it was before."""

    item: KeyValue
    prev: KeyValue | None = None

    @property
    def key(self) -> bytes:
        """Which one."""
        return self.item.key


@dataclass(frozen=True, slots=True)
class Removed:
    """A key was removed, or its time was over. ``prev`` is what it was before."""

    key: bytes
    prev: KeyValue | None = None


Event: TypeAlias = Put | Removed


@dataclass(frozen=True, slots=True)
class Changes:
    """All that one revision did to the keys that are watched, in the order in which it did it."""

    revision: int
    time: datetime
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """A lease: it was granted for ``ttl`` seconds, and has ``left`` of them.

    ``keys`` are the first thousand of its ``key_count`` keys, if they were asked for.
    """

    id: int
    ttl: float
    left: float
    keys: tuple[bytes, ...] = ()
    key_count: int = 0


@dataclass(frozen=True, slots=True)
class LeaseItem:
    """A lease of a listing: granted for ``ttl`` seconds, with so many keys."""

    id: int
    ttl: float
    key_count: int


@dataclass(frozen=True, slots=True)
class FieldValue:
    """The value of a record's field, when it was written last, and by which revision."""

    value: bytes
    time: datetime
    mod_revision: int
    ttl: float | None = None

    @property
    def text(self) -> str:
        """The value as UTF-8; ``UnicodeDecodeError`` if it is none."""
        return self.value.decode()


@dataclass(frozen=True, slots=True)
class FieldsWritten:
    """A change of a record that is done; ``deleted`` is how many fields it removed."""

    revision: int
    time: datetime
    deleted: int = 0
