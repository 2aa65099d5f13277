"""From the JSON of an answer to what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from raftkv._json import Object, Strange, from_base64
from raftkv.types import (
    Changes,
    Deleted,
    Event,
    FieldsWritten,
    FieldValue,
    KeyValue,
    LeaseInfo,
    LeaseItem,
    Page,
    PastVersion,
    Put,
    Removed,
    Staleness,
    Written,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def time_of(micros: int) -> datetime:
    """Give the point in time that is so many µs after 1970."""
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError as error:
        raise Strange(f"{micros} µs is no time") from error


def staleness(answer: Object) -> Staleness | None:
    """How old an answer is, if it says so."""
    if not answer.has("applied_index"):
        return None
    return Staleness(answer.integer("applied_index"), answer.optional_integer("age_ms"))


def _seconds(answer: Object) -> float | None:
    millis = answer.optional_integer("ttl_ms")
    return None if millis is None else millis / 1000


def key_value(item: Object) -> KeyValue:
    """Read a key; without a value in listings of keys alone."""
    return KeyValue(
        key=item.raw("key"),
        value=item.optional_raw("value") or b"",
        version=item.integer("version"),
        create_revision=item.integer("create_revision"),
        mod_revision=item.integer("mod_revision"),
        ttl=_seconds(item),
        lease=item.optional_integer("lease"),
        revision=item.optional_integer("revision"),
        stale=staleness(item),
    )


def _previous(answer: Object) -> KeyValue | None:
    prev = answer.optional_inner("prev")
    return None if prev is None else key_value(prev)


def written(answer: Object) -> Written:
    """Read what a put, or a transaction that wrote, is answered with."""
    index, term = answer.integer("log_index"), answer.integer("term")
    return Written(answer.integer("revision"), index, term, _previous(answer))


def deleted(answer: Object) -> Deleted:
    """Read what a delete is answered with."""
    done = written(answer)
    count = answer.integer("deleted", 0)
    return Deleted(done.revision, done.log_index, done.term, done.prev, count)


def page(answer: Object) -> Page:
    """Read a page of a listing."""
    items = tuple(key_value(item) for item in answer.objects("items"))
    more = answer.has("next") or answer.flag("more")
    return Page(items, answer.integer("revision"), more, staleness(answer))


def past_version(key: bytes, version: Object) -> PastVersion:
    """Read one version of a key's history."""
    revision, time = version.integer("revision"), time_of(version.integer("timestamp"))
    if version.flag("deleted"):
        return PastVersion(revision, time, None)
    item = KeyValue(
        key,
        version.raw("value"),
        version.integer("version"),
        version.integer("create_revision"),
        mod_revision=revision,
        lease=version.optional_integer("lease"),
    )
    return PastVersion(revision, time, item)


def changes(message: Object) -> Changes:
    """Read one message of a watch."""
    time = time_of(message.integer("time_ms") * 1000)
    events = tuple(_event(event) for event in message.objects("events"))
    return Changes(message.integer("revision"), time, events)


def _event(event: Object) -> Event:
    match event.text("type"):
        case "put":
            return Put(key_value(event), _previous(event))
        case "delete":
            return Removed(event.raw("key"), _previous(event))
        case kind:
            raise Strange(f"{kind!r} is no kind of event")


def lease_info(answer: Object) -> LeaseInfo:
    """Read how long a lease has left."""
    keys = answer.objects("keys") if answer.has("keys") else []
    return LeaseInfo(
        answer.integer("lease"),
        float(answer.integer("ttl")),
        answer.integer("ttl_ms") / 1000,
        tuple(key.raw("key") for key in keys),
        answer.integer("count", 0),
    )


def lease_item(item: Object) -> LeaseItem:
    """Read one lease of a listing."""
    return LeaseItem(item.integer("lease"), float(item.integer("ttl")), item.integer("keys"))


def field_value(answer: Object) -> FieldValue:
    """Read the value of a record's field."""
    return FieldValue(
        answer.raw("value"),
        time_of(answer.integer("timestamp")),
        answer.integer("mod_revision"),
        _seconds(answer),
    )


def fields_written(answer: Object) -> FieldsWritten:
    """Read what a change of a record is answered with."""
    time = time_of(answer.integer("timestamp"))
    return FieldsWritten(answer.integer("revision"), time, answer.integer("deleted", 0))


def record_page(answer: Object) -> list[tuple[bytes, bytes]]:
    """Read some fields of a record. Texts and others come apart; they are put in order again."""
    return sorted(_record_fields(answer))


def _record_fields(answer: Object) -> Iterator[tuple[bytes, bytes]]:
    texts = answer.inner("fields")
    for name in texts.fields:
        yield name.encode(), texts.text(name).encode()
    others = answer.optional_inner("fields_base64") or Object({})
    for name in others.fields:
        yield from_base64(name), from_base64(others.text(name))
