"""How many requests to have in flight, found by what the server shows: more while it keeps up, fewer when it does not.

Slow start, additive increase, multiplicative decrease, as TCP finds the width of a path (Chiu and Jain 1989; RFC 5681):
doubled by every round of answers until the first trouble, then wider by a little a round; cut once for all that was
sent before the cut. Grown only while it is in full use and answers come long before they would be late.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

FIRST = 8
"""Requests at once before the first answer."""
_STEPS = 16
"""Rounds in which the ceiling is reached again from nothing."""
_IN_TIME = 0.4
"""Share of the time an answer may take; what takes longer waits in a line, and more at once would lengthen it."""


class Width:
    """At most `ceiling`, at least one. `timeout_s` is when an answer is late."""

    def __init__(
        self, ceiling: int, *, timeout_s: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ceiling, self._timeout_s, self._clock = ceiling, timeout_s, clock
        self._width = float(min(FIRST, ceiling))
        self._steep = True
        self._cut_at = -math.inf
        self.rounds_late = 0  # cuts for being late since the last answer

    @property
    def places(self) -> int:
        """Requests that may be in flight now."""
        return int(self._width)

    @property
    def narrowed(self) -> bool:
        """Whether it is below its ceiling because the server showed that it bears no more."""
        return not self._steep and self.places < self._ceiling

    def answered(self, began: float, *, full: bool) -> None:
        """A request that was sent at `began` was answered; `full` says whether all places were taken since."""
        self.rounds_late = 0
        if not full or began < self._cut_at or self._clock() - began > self._timeout_s * _IN_TIME:
            return
        step = 1.0 if self._steep else max(1.0, self._ceiling / _STEPS) / self._width
        self._width = min(float(self._ceiling), self._width + step)

    def cut(self, began: float, *, late: bool) -> None:
        """A request that was sent at `began` met a server with too much to do, or came too `late`."""
        if began < self._cut_at:
            return
        self.rounds_late += late
        self._width = max(1.0, self._width * (0.5 if late else 0.7))
        self._steep, self._cut_at = False, self._clock()

    def close(self) -> None:
        """One at a time, until there are answers again, and then as at the beginning."""
        self._width, self._steep, self._cut_at = 1.0, True, self._clock()
