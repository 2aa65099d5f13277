"""Server-sent events, read as they come. Pure: bytes in, messages out.

A message counts once its empty line is there. What is begun when the stream ends is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from raftkv._json import Strange

MESSAGE_BYTES_MAX = 256 << 20
"""A longer message is not read on. One revision may change a million keys."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``event`` is empty if it is not said."""

    event: str
    data: str


class Parser:
    """What has come, and is no whole message yet."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._event = ""
        self._data: list[str] = []
        self._bytes = 0

    def feed(self, chunk: bytes) -> list[Message]:
        """Take what has come, and give the messages that are whole by it."""
        self._bytes += len(chunk)
        if self._bytes > MESSAGE_BYTES_MAX:
            raise Strange(f"a message of more than {MESSAGE_BYTES_MAX} bytes")
        first, *others = chunk.split(b"\n")
        self._line += first
        messages: list[Message] = []
        for following in others:
            messages += self._take(bytes(self._line))
            self._line = bytearray(following)
        return messages

    def _take(self, raw: bytes) -> list[Message]:
        """Take a line; a message may end with it."""
        try:
            line = raw.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise Strange("a line of a stream is no text") from error
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        # Others are comments, or say what the data says too.
        return []

    def _end(self) -> list[Message]:
        message = Message(self._event, "\n".join(self._data))
        has_data = bool(self._data)
        self._event, self._data, self._bytes = "", [], 0
        return [message] if has_data else []
