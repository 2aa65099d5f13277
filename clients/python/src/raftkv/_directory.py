"""Which members a client knows of, whom it turns to first, and who does not answer.

The clock is an argument: seconds of a clock that never goes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftkv._endpoint import Endpoint
from raftkv._request import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHUNNED_S = 10.0
"""Who gave no answer is turned to last for so long."""
DISCOVER_EVERY_S = 5.0
"""After failures the members are asked for again, but not more often than this."""
MEMBERS_MAX = 64
"""Members that are known, beyond which no others are learned."""


class Directory:
    """What all calls of a client have learned together.

    A ``fixed`` one learns nothing: its client has eyes for these members only.
    """

    def __init__(self, endpoints: Iterable[Endpoint], *, fixed: bool = False) -> None:
        self.known = list(dict.fromkeys(endpoints))
        if not self.known:
            raise ValueError("a client knows at least one member")
        self.fixed = fixed
        self.leader: Endpoint | None = None
        self.served: Endpoint | None = None
        self._urls: dict[str, Endpoint] = {}
        self._shunned: dict[Endpoint, float] = {}
        self._hidden_until = 0.0
        self._asked_at: float | None = None
        self._is_settled = False

    def candidates(self, effect: Effect, now: float) -> list[Endpoint]:
        """All known members, in the order in which they are to be tried."""
        leader = None if effect is Effect.READ or self.leader_is_hidden(now) else self.leader
        first = leader or self.served
        order = ([] if first is None else [first]) + [one for one in self.known if one != first]
        # Sorting keeps the order of those that are alike.
        return sorted(order, key=lambda one: self._shunned.get(one, 0.0) > now)

    def leader_is_hidden(self, now: float) -> bool:
        """Whether writes have to be handed on by a member that answers."""
        return self.fixed or self._hidden_until > now

    def follow(self, address: str) -> Endpoint | None:
        """Learn that the member of this address leads, and say where it is reached."""
        endpoint = self._urls.get(address) or self._parse(address)
        if endpoint is None or self.fixed:
            return None
        self.leader = endpoint
        self._add(endpoint)
        return endpoint

    def learn(self, members: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Learn the members' addresses, each with the URLs that its clients are told to use."""
        self._is_settled = True
        for address, urls in members:
            parsed = [self._parse(url) for url in urls] or [self._parse(address)]
            endpoints = [endpoint for endpoint in parsed if endpoint is not None]
            if endpoints:
                self._urls[address] = endpoints[0]
            for endpoint in endpoints:
                self._add(endpoint)

    def note_served(self, endpoint: Endpoint) -> None:
        """Turn to it first from now on."""
        self.served = endpoint
        self._shunned.pop(endpoint, None)

    def note_failed(self, endpoint: Endpoint, now: float, *, silent: bool) -> None:
        """Turn to it first no longer; last, if it gave no answer."""
        self._is_settled = False
        if silent:
            self._shunned[endpoint] = now + SHUNNED_S
        if endpoint == self.leader:
            self.leader = None
            self._hidden_until = now + SHUNNED_S if silent else 0.0
        if endpoint == self.served:
            self.served = None

    def should_ask(self, now: float) -> bool:
        """Whether it is time to ask for the members; then whoever was told so does."""
        asked_lately = self._asked_at is not None and now < self._asked_at + DISCOVER_EVERY_S
        if self.fixed or self._is_settled or asked_lately:
            return False
        self._asked_at = now
        return True

    def _add(self, endpoint: Endpoint) -> None:
        if endpoint not in self.known and len(self.known) < MEMBERS_MAX:
            self.known.append(endpoint)

    def _parse(self, text: str) -> Endpoint | None:
        """Read what a member said; nobody is led from TLS to a place without."""
        scheme = self.known[0].scheme
        try:
            endpoint = Endpoint.parse(text, scheme)
        except ValueError:
            return None
        return None if (scheme, endpoint.scheme) == ("https", "http") else endpoint
