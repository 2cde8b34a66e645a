"""What goes wrong on the way to the known-truth world: latency, faults, a rate limit.

Faults come by lot from a row that starts at the world's seed and goes on with every request, so that a request sent
again is not met by the same fault for ever. Knows nothing of what is asked or answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from judgegen.simulator.bodies import Problem
from judgegen.simulator.lots import Lots
from judgegen.spec import Scripted


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """One way for a request to fail. `error` is None where the connection is dropped."""

    error: Problem | None
    headers: Mapping[str, str] = field(default_factory=dict)
    at_once: bool = False  # refused on arrival, before any work

    @property
    def status(self) -> int:
        """The HTTP status; 0 where there is no response."""
        return self.error.status if self.error is not None else 0

    def payload(self) -> dict[str, Any]:
        """The JSON body of the response.

        Raises:
            ConnectionError: there is no response.
        """
        if self.error is None:
            raise ConnectionError("the server closed the connection without an answer")
        return self.error.payload()


def _server(status: int, message: str, code: str | None = None) -> Mishap:
    return Mishap(error=Problem(message=message, status=status, type="server_error", code=code))


def _busy(message: str, code: str, headers: Mapping[str, str]) -> Mishap:
    error = Problem(message=message, status=429, type="rate_limit_error", code=code)
    return Mishap(error=error, headers=headers, at_once=True)


FAULTS = (
    _server(500, "The server had an error while processing your request."),
    _server(503, "The engine is currently overloaded.", "server_is_overloaded"),
    _busy("Slow down.", "slow_down", {"retry-after-ms": "50"}),
    Mishap(error=None),
)
"""Each as likely as the others."""


class Weather:
    """Draws what happens to each request. Times are seconds on any clock that only goes forward.

    The rate limit is a bucket that holds `rpm` requests, is full at first and fills at `rpm` a minute; what is refused
    takes nothing out of it.
    """

    def __init__(self, settings: Scripted) -> None:
        self._settings = settings
        self._lots = Lots("weather", settings.seed)
        self._left, self._at = float(settings.rpm or 0), 0.0

    def latency(self) -> float:
        """Seconds this request takes: between half and one and a half of `latency_s`, so that order is not kept."""
        mean = self._settings.latency_s
        return mean * (0.5 + self._lots.unit()) if mean else 0.0

    def fault(self) -> Mishap | None:
        """What this request fails with; None when it does not."""
        rate = self._settings.fault_rate
        return self._lots.one(FAULTS) if rate and self._lots.unit() < rate else None

    def throttle(self, now: float) -> Mishap | None:
        """A 429 when there is no room under `rpm`; None, and the room taken, when there is."""
        rpm = self._settings.rpm
        if rpm is None:
            return None
        self._left = min(float(rpm), self._left + (now - self._at) * rpm / 60 if self._at else float(rpm))
        self._at = now
        if self._left < 1.0:
            wait = (1.0 - self._left) * 60 / rpm
            message = f"Rate limit reached for requests per minute (RPM): Limit {rpm}. Please try again in {wait:.3f}s."
            return _busy(message, "rate_limit_exceeded", {"retry-after": f"{wait:.3f}", **self.headers()})
        self._left -= 1.0
        return None

    def headers(self) -> dict[str, str]:
        """OpenAI's x-ratelimit headers; none without a limit."""
        rpm = self._settings.rpm
        if rpm is None:
            return {}
        return {
            "x-ratelimit-limit-requests": str(rpm),
            "x-ratelimit-remaining-requests": str(int(self._left)),
            "x-ratelimit-reset-requests": f"{(rpm - self._left) * 60 / rpm:.3f}s",
        }
