"""Ends a run from wherever the reason is met: a refusal, a cap, Ctrl-C. Nothing is sent once it is requested.

Knows nothing of senders: they look at it before they send and wait on it while they wait for anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from judgegen.errors import JudgegenError, Unanswered


class Stop:
    """One flag with its reason; the first reason given is kept."""

    def __init__(self) -> None:
        self.error: JudgegenError | None = None
        self._event = asyncio.Event()

    @property
    def requested(self) -> bool:
        """Whether the run is stopping."""
        return self.error is not None

    def request(self, error: JudgegenError) -> None:
        """Stop sending, because of `error`."""
        if self.error is None:
            self.error = error
            self._event.set()

    def check(self) -> None:
        """Raise Unanswered when the run is stopping."""
        if self.error is not None:
            raise Unanswered(f"not sent: {self.error}")

    async def sleep(self, seconds: float) -> None:
        """Sleep, or return at once when the run stops."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return

    async def unless(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Await `waiting`, or drop it as soon as the run stops."""
        task = asyncio.ensure_future(waiting)
        stopping = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            task.cancel()
