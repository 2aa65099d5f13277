"""The course of one call through the members. Pure: chance is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raftkv._endpoint import Endpoint

PAUSE_FIRST_S = 0.020
"""The first pause, made when every member was tried once, is at most this long."""
PAUSE_MAX_S = 0.500
"""No pause of our own is longer than this."""


class Course:
    """Which member is tried now, which next, and how long to pause before."""

    def __init__(self, candidates: Sequence[Endpoint]) -> None:
        if not candidates:
            raise ValueError("a client knows at least one member")
        self._candidates = list(candidates)
        self._current = 0
        self._tried = 0
        self._pauses = 0

    @property
    def endpoint(self) -> Endpoint:
        """The member to try now."""
        return self._candidates[self._current]

    @property
    def has_choice(self) -> bool:
        """Whether there is another member to turn to."""
        return len(self._candidates) > 1

    def advance(self, leader: Endpoint | None, wait: float, random: float) -> float:
        """Go on to the leader that was named, or else to the next member.

        Gives the seconds to pause before it is tried: ``wait`` at least. ``random`` is in [0, 1).
        """
        named = None if leader is None else self._position(leader)
        if named is None or named == self._current:
            named = (self._current + 1) % len(self._candidates)
        self._current = named
        self._tried += 1
        if self._tried < len(self._candidates):
            return wait
        self._tried = 0
        return max(wait, self._pause(random))

    def _position(self, endpoint: Endpoint) -> int:
        if endpoint not in self._candidates:
            self._candidates.append(endpoint)
        return self._candidates.index(endpoint)

    def _pause(self, random: float) -> float:
        """Twice as long each time, and at random between a half and the whole of that.

        So many clients that lost the same leader do not come back as one.
        """
        longest: float = min(PAUSE_FIRST_S * 2 ** min(self._pauses, 16), PAUSE_MAX_S)
        self._pauses += 1
        return longest * (0.5 + random / 2)
