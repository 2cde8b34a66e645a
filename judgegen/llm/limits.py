"""Paces the calls to one endpoint: how many at once, per minute, tokens per minute, and pauses the server asks for.

One dispatcher per endpoint awaits asyncio-throttle, since each of its waiters polls at 100 Hz and many would burn a
core. Tokens are reserved before a call and settled after. First come, first served. Knows nothing of what is sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from asyncio_throttle.throttler import Throttler

from judgegen.llm.stop import Stop

SAFETY = 0.95
"""Providers quantise their limits; aiming at 95 % keeps a burst at a window's edge inside them."""


def window(rpm: float) -> tuple[int, float]:
    """(requests, seconds) that paces `rpm` requests a minute in windows of a second, or of one request if slower."""
    per_second = rpm * SAFETY / 60
    return (int(per_second), int(per_second) / per_second) if per_second >= 1 else (1, 1 / per_second)


class Bucket:
    """Tokens per minute as a bucket that holds ten seconds' worth; it may be overdrawn by one call larger than it."""

    def __init__(self, tpm: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.rate = tpm * SAFETY / 60
        self.capacity = self.rate * 10
        self.level = self.capacity
        self._at = clock()

    def wait_s(self, tokens: float) -> float:
        """Seconds until `tokens` (at most the capacity) are there."""
        now = self._clock()
        self.level = min(self.capacity, self.level + (now - self._at) * self.rate)
        self._at = now
        return max(0.0, (min(tokens, self.capacity) - self.level) / self.rate)

    def add(self, tokens: float) -> None:
        """Give back what was reserved and not used, or take what was used beyond it (negative)."""
        self.level = min(self.capacity, self.level + tokens)


class Slot:
    """Leave to make one call; `tokens` is what was reserved for it."""

    def __init__(self, gate: Gate, tokens: float) -> None:
        self._gate, self._tokens = gate, tokens

    def settle(self, tokens: float) -> None:
        """The call used `tokens`; the rest of the reservation is given back."""
        if self._gate.bucket is not None:
            self._gate.bucket.add(self._tokens - tokens)


class Gate:
    """The way to one endpoint. `pause` holds everybody; a stopping run lets everybody through to see that it stops."""

    def __init__(self, *, concurrency: int, rpm: float | None, tpm: float | None, stop: Stop) -> None:
        self.bucket = None if tpm is None else Bucket(tpm)
        self._throttle = None
        if rpm is not None:
            requests, period = window(rpm)
            self._throttle = Throttler(rate_limit=requests, period=period)
        self._free = asyncio.Semaphore(concurrency)
        self._stop = stop
        self._until = 0.0
        self._waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        self._arrived = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def slot(self, tokens: float) -> AsyncIterator[Slot]:
        """Wait for a turn; the place is free again when the block ends."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, tokens))
        self._arrived.set()
        if self._dispatcher is None:
            self._dispatcher = asyncio.create_task(self._dispatch())
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free.release()
            raise
        try:
            yield Slot(self, tokens)
        finally:
            self._free.release()

    def pause(self, seconds: float) -> None:
        """Send nothing for `seconds`: the server said it has had enough."""
        self._until = max(self._until, time.monotonic() + seconds)

    async def aclose(self) -> None:
        """End the dispatcher."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.gather(self._dispatcher, return_exceptions=True)

    async def _dispatch(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            await self._free.acquire()
            turn, tokens = self._waiting.popleft()
            if not turn.done():
                await self._pace(tokens)
            if turn.done():  # its caller was cancelled meanwhile
                self._free.release()
            else:
                turn.set_result(None)

    async def _pace(self, tokens: float) -> None:
        while (wait := self._until - time.monotonic()) > 0 and not self._stop.requested:
            await self._stop.sleep(wait)
        if self._throttle is not None and not self._stop.requested:
            await self._stop.unless(self._throttle.acquire())  # type: ignore[no-untyped-call]
        if self.bucket is not None:
            while (wait := self.bucket.wait_s(tokens)) > 0 and not self._stop.requested:
                await self._stop.sleep(wait)
            self.bucket.add(-tokens)
