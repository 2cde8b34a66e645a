"""Requests a minute: a pace that is set, and one that is found by what a server refuses. Knows nothing of the rest."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from asyncio_throttle.throttler import Throttler

_REQUESTS = 0.98
"""Of a limit on requests, what flows: sixty seconds may see one window more than lie in them, and what was late."""
_WINDOW_S, _LATE_S = 0.1, 0.4
"""Seconds of a window; and how far behind a pace may be and still be caught up with, as a busy loop makes it."""
_MINUTE_S = 60.0
_TICKS = 20
"""A second, in which what was sent is counted."""
_MANY, _PART = 5, 0.5
"""Refusals, and the part of what was sent since the first of them, that show that there is no room for more."""
_STEADY = 20
"""Refusals in a minute that show as much where they are fewer of what is sent."""
_SOME = 2
"""Refusals at a pace that was borne, from which on they say something."""
_LOWERED = 4
"""To this part of what it took in a minute a server may lower its limit; a wait that means less is said at random."""
_BRIEF_S = 5.0
"""Seconds that count by themselves in a first minute, which begins slowly."""
_RAISED_S = 15.0
_LEAST, _MOST = 0.01, 0.08
"""By how much a pace is raised that was held to for so many seconds and met no refusal: at first, and at most."""
_AHEAD = 1.15
"""So far a pace goes before what was taken in a minute: only then that shows whether it is borne."""
_DEAF_S = 600.0
"""Seconds for which refusals are taken for chance that were as many at a lower pace."""
_FAR = 1.5
"""So many times what a user was told of is told of again."""


def window(rpm: float) -> tuple[int, float]:
    """(requests, seconds) that paces `rpm` requests a minute: windows of a tenth of a second, or of one request."""
    rate = rpm * _REQUESTS / 60
    requests = max(1, int(rate * _WINDOW_S))
    return requests, requests / rate


class Punctual(Throttler):
    """asyncio-throttle that logs when a turn was due where it comes later: what its waiter is late is not lost.

    So any sixty seconds see what is due in them and in the `_LATE_S` before.
    """

    def __init__(self, rpm: float) -> None:
        self._due: deque[float] = deque()  # of the turns that are free again
        requests, seconds = window(rpm)
        super().__init__(requests, seconds, min(0.02, seconds / 20))

    def flush(self) -> None:
        """Free the turns that are as old as a window."""
        now = time.monotonic()
        while self._task_logs and now - self._task_logs[0] > self.period:
            self._due.append(self._task_logs.popleft() + self.period)
        while len(self._task_logs) + len(self._due) > self.rate_limit and self._due:
            self._due.popleft()

    async def acquire(self) -> None:
        """Return when the next turn is due."""
        await super().acquire()  # type: ignore[no-untyped-call]
        if self._due:
            self._task_logs[-1] = max(self._due.popleft(), time.monotonic() - _LATE_S)


class Pace:
    """Requests a minute, the first of them a window late.

    For a run before this one may have sent a window's worth and been killed a moment ago.
    """

    def __init__(self, rpm: float) -> None:
        self._throttle = Punctual(rpm)
        self._from = time.monotonic() + self._throttle.period

    async def turn(self) -> None:
        """Return when the next request may go."""
        await asyncio.sleep(self._from - time.monotonic())
        await self._throttle.acquire()


class Ration:
    """Requests a minute that a server gives, found by what it refuses; None while that is not known.

    It is what the server took in the minute before it refused one after another: whoever counts a minute that slides
    took its limit, whoever lets requests flow took what flowed. While nothing is refused the pace is raised, a little
    at first and twice as much each time; a refusal takes that back. What is refused at a pace that was borne makes it
    slower by as much; where as much is refused then, pace is not what it is for.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: dict[int, int] = {}  # by tick
        self._refused: dict[int, int] = {}
        self._began = math.inf
        self._first = self._heard = -math.inf  # of the last refusals: when the first was sent, and heard of
        self._base = self._told = 0.0
        self._since = self._raised_at = self._deaf_until = -math.inf
        self._step, self._share = _LEAST, 0.0
        self._throttle: Punctual | None = None
        self.rpm: float | None = None

    def sent(self, now: float) -> None:
        """A request goes; whoever refuses it says so."""
        tick = int(now * _TICKS)
        if tick not in self._sent:
            self._began = min(self._began, now)
            oldest = tick - int(_MINUTE_S * _TICKS)
            self._sent = {at: count for at, count in self._sent.items() if at >= oldest}
            self._refused = {at: count for at, count in self._refused.items() if at >= oldest}
        self._sent[tick] = self._sent.get(tick, 0) + 1

    def refused(self, began: float, retry_after: float | None) -> None:
        """A request that was sent at `began` was one too many; `retry_after` seconds there may be room."""
        tick, now = int(began * _TICKS), self._clock()
        self._refused[tick] = self._refused.get(tick, 0) + 1
        if began >= self._heard:  # it was sent after the last ones were known
            self._first, self._heard = began, now
            if self.rpm is not None:
                self._look(self.rpm, now)
        if self._full(began):
            self._set(60 * self._took(self._heard, retry_after or 0.0), now)
        elif self.rpm is None and now >= self._deaf_until and _over(self._refused, now - _MINUTE_S) >= _STEADY:
            self._set(60 * self._took(now, retry_after or 0.0), now)

    def _full(self, began: float) -> bool:
        """Whether there is no room: most are refused of what was sent since the first that was."""
        refused = _over(self._refused, self._first)
        return refused >= _MANY and refused >= _PART * _over(self._sent, self._first, began)

    def _look(self, rpm: float, now: float) -> None:
        """One was refused at this pace: it was raised too far, or is too fast, or that has nothing to do with it."""
        if rpm > self._base:
            self._set(max(self._base, min(rpm, 60 * self._took(now, 0.0))), now)
            return
        sent, refused = _over(self._sent, self._since), _over(self._refused, self._since)
        if refused < _SOME:  # one may be anybody's
            return
        before, share = self._share, refused / max(sent, refused)
        if before and share > before / 2:
            self.rpm, self._share, self._deaf_until = None, 0.0, now + _DEAF_S
            return
        self._set(rpm * (1 - share), now)
        self._share = share

    def _set(self, rpm: float, now: float) -> None:
        if rpm > 0:
            self.rpm = self._base = rpm
            self._step, self._share, self._raised_at, self._since = _LEAST, 0.0, now, now

    def _took(self, now: float, wait: float) -> float:
        """Requests a second that it took in a minute, but for those that make room by being a minute old in `wait`."""
        minute, lately = self._taken(now - _MINUTE_S), self._taken(now - _MINUTE_S + wait)
        taken = lately if lately * _LOWERED > minute else minute
        all_in_all = taken / max(0.5, min(_MINUTE_S, now - self._began + wait))
        if wait > _BRIEF_S or not _BRIEF_S < now - self._began < _MINUTE_S:
            return all_in_all
        return max(all_in_all, self._taken(now - _BRIEF_S) / _BRIEF_S)  # it was asked for little at first

    def _taken(self, at: float) -> int:
        return _over(self._sent, at) - _over(self._refused, at)

    def news(self) -> float | None:
        """Requests a minute where nobody was told of them, or of far more or fewer; None else."""
        told, rpm = self._told, self.rpm
        if rpm is None or (told and told / _FAR < rpm < told * _FAR):
            return None
        self._told = rpm
        return rpm

    def at(self, now: float) -> float | None:
        """Requests a minute that may go now: raised where that was long enough the same."""
        due = now - self._raised_at >= _RAISED_S
        if self.rpm is not None and due and self._taken(now - _MINUTE_S) * _AHEAD > self.rpm:
            self.rpm *= 1 + self._step
            self._step, self._raised_at = min(_MOST, 2 * self._step), now
        return self.rpm

    async def turn(self) -> None:
        """Return when the next request may go."""
        if (rpm := self.at(self._clock())) is None:
            return
        if self._throttle is None:
            self._throttle = Punctual(rpm)
        self._throttle.rate_limit, self._throttle.period = window(rpm)
        await self._throttle.acquire()


def _over(counts: dict[int, int], at: float, until: float = math.inf) -> int:
    """Of counts by tick, the sum from one moment to another."""
    return sum(count for tick, count in counts.items() if at * _TICKS - 1 < tick <= until * _TICKS)
