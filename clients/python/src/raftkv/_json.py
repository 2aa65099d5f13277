"""Answers, looked at with care: a member that says something strange is told so, not believed."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Strange(ValueError):
    """An answer is not what the HTTP API says it is."""


class Object:
    """A JSON object whose fields are asked for by name and type; ``Strange`` if they differ."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, object]) -> None:
        self.fields = fields

    @classmethod
    def parse(cls, text: str | bytes) -> Object:
        """Read an object from its text."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Strange(f"this is no JSON: {error}") from error
        return cls.of(value)

    @classmethod
    def of(cls, value: object) -> Object:
        """Take a value that must be an object."""
        if not isinstance(value, dict):
            raise Strange(f"{value!r} is no object")
        return cls(value)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.fields.get(name) is not None

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.fields.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Strange(f"`{name}` is no whole number: {value!r}")
        return value

    def optional_integer(self, name: str) -> int | None:
        """A whole number, or nothing."""
        return self.integer(name) if self.has(name) else None

    def text(self, name: str) -> str:
        """A string."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise Strange(f"`{name}` is no text: {value!r}")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or nothing."""
        return self.text(name) if self.has(name) else None

    def flag(self, name: str) -> bool:
        """A truth value; false if it is not there."""
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            raise Strange(f"`{name}` is neither true nor false: {value!r}")
        return value

    def inner(self, name: str) -> Object:
        """An object."""
        return Object.of(self.fields.get(name))

    def optional_inner(self, name: str) -> Object | None:
        """An object, or nothing."""
        return self.inner(name) if self.has(name) else None

    def array(self, name: str) -> list[object]:
        """A list."""
        value = self.fields.get(name)
        if not isinstance(value, list):
            raise Strange(f"`{name}` is no list: {value!r}")
        return value

    def objects(self, name: str) -> list[Object]:
        """A list of objects."""
        return [Object.of(value) for value in self.array(name)]

    def texts(self, name: str) -> list[str]:
        """A list of strings."""
        values = self.array(name)
        if not all(isinstance(value, str) for value in values):
            raise Strange(f"`{name}` is no list of texts: {values!r}")
        return [str(value) for value in values]

    def raw(self, name: str) -> bytes:
        """Bytes: a text in the field of this name, or base64 in the one with ``_base64``."""
        if f"{name}_base64" in self.fields:
            return from_base64(self.text(f"{name}_base64"))
        return self.text(name).encode()

    def optional_raw(self, name: str) -> bytes | None:
        """Bytes, or nothing."""
        return self.raw(name) if self.has(name) or self.has(f"{name}_base64") else None


def from_base64(text: str) -> bytes:
    """Decode the standard alphabet, padded."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Strange(f"{text!r} is no base64: {error}") from error


def to_bytes(value: str | bytes) -> bytes:
    """Give a text's UTF-8, and bytes as they are."""
    return value.encode() if isinstance(value, str) else bytes(value)


def bytes_field(name: str, value: str | bytes) -> dict[str, str]:
    """Spell bytes as a field of a body: as text where they are one, else in base64."""
    if isinstance(value, str):
        return {name: value}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}
