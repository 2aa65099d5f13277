"""Where a member is reached: ``http://host:port``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The scheme and address of a member; no path follows."""

    scheme: str
    address: str

    @classmethod
    def parse(cls, text: str, scheme: str = "http") -> Endpoint:
        """Read ``host:port``, with a scheme before it or with the one that is given.

        Raises ``ValueError`` if it is something else.
        """
        parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
        if parts.scheme not in SCHEMES:
            raise ValueError(f"{text!r}: a member is reached by http or https")
        if not parts.hostname or parts.port is None or parts.username is not None:
            raise ValueError(f"{text!r} is not the address of a member: it is host:port")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"{text!r}: nothing follows the port")
        return cls(parts.scheme, parts.netloc)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}"
