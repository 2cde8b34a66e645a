"""A server that answered and is gone: it is looked for now and then, by one request, for as long as a restart takes.

A circuit breaker for what nobody was there to refuse: it costs no call its retries. Where a gateway speaks for the
server, one refusal is a hiccup or that request's own, and many different ones without an answer between are an outage.
Knows nothing of requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_S = 180.0
"""Seconds after which a server is taken to be gone for good."""
MANY = 5
"""So many different calls met by a gateway alone, and none answered since: the server behind it is gone."""
_FIRST_S, _MOST_S = 0.5, 10.0


class Outage:
    """Whether an endpoint lives, and since when it does not."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lived = False
        self._since: float | None = None
        self._unserved: set[str] = set()

    def answered(self) -> bool:
        """The endpoint lives; whether it was away before."""
        was_away = self._since is not None
        self._lived, self._since = True, None
        self._unserved.clear()
        return was_away

    def unserved(self, call_id: str) -> bool:
        """Whether that a gateway alone met this call, too, means that nobody is behind it."""
        self._unserved.add(call_id)
        return self._since is not None or len(self._unserved) >= MANY

    def begins(self) -> bool:
        """Whether a server that answered before is missed for the first time now."""
        if not self._lived or self._since is not None:
            return False
        self._since = self._clock()
        return True

    def wait_s(self) -> float | None:
        """Seconds until the next look; None where it never lived, or has been away for too long."""
        if self._since is None:
            return None
        away = self._clock() - self._since
        return None if away > LONGEST_S else min(_MOST_S, max(_FIRST_S, away / 2))

    @property
    def over(self) -> bool:
        """Whether it has been away for too long."""
        return self._since is not None and self._clock() - self._since > LONGEST_S
