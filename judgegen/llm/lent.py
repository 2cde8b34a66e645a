"""What one gate was lent of its endpoint: places, requests and tokens until the next beat with the ledger.

Knows nothing of who lends it, nor of who waits.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from judgegen.llm.leases import Quota


@dataclass(slots=True)
class Lent:
    """What a gate may use of one endpoint; `lacking` is called when that is not enough."""

    lacking: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    requests: float = 0
    tokens: float = 0.0
    until: float = -math.inf
    used: int = 0
    reserved: float = 0.0
    head: float = 0.0  # what the call reserves that is next
    _places: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def places(self) -> int:
        """Requests that may be in flight now."""
        return self._places if self.clock() < self.until else 0

    def lacks(self, tokens: float) -> str:
        """What a call that reserves `tokens` has to wait for; "" for nothing."""
        if self.clock() >= self.until:
            return "ledger"
        return "rpm" if self.requests < 1 else "tpm" if self.tokens < tokens else ""

    async def more(self) -> None:
        """Wait for the next beat, soon."""
        self.came.clear()
        self.lacking()
        await self.came.wait()

    def take(self, tokens: float) -> None:
        """One request is sent."""
        self.requests -= 1
        self.tokens -= tokens
        self.used += 1
        self.reserved += tokens

    def add(self, tokens: float) -> None:
        """Give back tokens that were reserved and not used, or take those used beyond it (negative)."""
        self.tokens += tokens

    def fill(self, part: Quota, until: float) -> None:
        """What there is until the next beat, beside what came back while it was under way."""
        self._places, self.until = part.places, until
        self.requests += part.requests
        self.tokens += part.tokens
        self.used, self.reserved = 0, 0.0
        self.came.set()

    def emptied(self) -> tuple[float, float]:
        """Requests and tokens that are given back with a beat."""
        left = self.requests, self.tokens
        self.requests, self.tokens = 0, 0.0
        return left
