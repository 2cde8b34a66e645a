"""Which troubles pass and how long to wait for them. Arithmetic and names only; the loop is in senders.

Knows nothing of HTTP: a provider says `Transient` or `Rejected`, this says when to ask again.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from judgegen.errors import ProviderRefused

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LONGEST_ASKED_S = 300.0
"""Seconds that a server may ask to wait; for longer the run ends and says when to come back."""
MOST_LATE = 3
"""Times a call is sent again that was given up waiting for: each may be paid for."""
MOST_DAILY = 2
"""Times a call is told that what its server gives in a day is used up, before the run ends and says so."""
MOST_TOLD = 20
"""Times a call waits for as long as the server told it to, which costs none of its retries."""


class Transient(Exception):  # noqa: N818 - it is a condition, not a fault of ours
    """The request failed in a way that passes: 429, 5xx, timeout, connection, half an answer.

    Attributes:
        why: a few words for the progress line.
        retry_after: seconds the server asked for; None when it did not say.
        throttled: whether the server asked everybody to slow down; `daily`: for what it gives in a day is used up.
        billed: None where the server may have done the work and been paid for it: no answer came.
        slow: whether it shows that the server has too much to do: fewer at once may help.
        away: whether nobody was there.
        unserved: whether a gateway says that of the server behind it, for this request.
    """

    def __init__(
        self,
        why: str,
        *,
        retry_after: float | None = None,
        throttled: bool = False,
        billed: bool | None = False,
        slow: bool = False,
        away: bool = False,
        unserved: bool = False,
        daily: bool = False,
    ) -> None:
        super().__init__(why)
        self.why, self.retry_after, self.throttled, self.billed = why, retry_after, throttled, billed
        self.slow, self.away, self.unserved, self.daily = slow or throttled, away, unserved, daily

    @property
    def late(self) -> bool:
        """Whether the answer was given up waiting for, and may be paid for."""
        return self.slow and self.billed is None

    @property
    def unexplained(self) -> bool:
        """Whether no mend and no time at which it passes was told of what failed: it may be the call's own."""
        return not (self.throttled or self.away or self.late or self.retry_after is not None)


class Odd(Transient):
    """What came is no answer of an API: a hiccup, or an address that leads elsewhere."""

    def __init__(self, why: str) -> None:
        super().__init__(why, billed=None)


class Rejected(Exception):  # noqa: N818
    """The endpoint will not take this request and did not say which part of it; another may be taken.

    Attributes:
        billed: as in `Transient`.
    """

    billed: bool | None = False


class Doubtful(Rejected):
    """It is not known yet whether the request or the endpoint is at fault: what it answers to others will tell.

    `means` is what ends the run where it answers nothing else; None where that says no more than this.
    """

    def __init__(self, why: str, means: ProviderRefused | None = None) -> None:
        super().__init__(why)
        self.means = means


def wait_s(attempt: int, retry_after: float | None) -> float:
    """Seconds before request number `attempt` + 2: what the server asked, else exponential, with jitter.

    Jitter comes from the clock's randomness on purpose: it decides when a call is sent, never what is in an output.
    """
    if retry_after is not None:
        return min(retry_after, LONGEST_ASKED_S)
    ceiling = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**attempt)
    return ceiling * random.uniform(0.7, 1.0)  # noqa: S311 - spreading load, not a secret


def come_back(seconds: float) -> str:
    """In so many seconds, in words, with the time of the clock here."""
    if seconds > 366 * 86400:
        return "at no time that can be meant"
    unit, size = next(one for one in (("days", 86400), ("hours", 3600), ("minutes", 60)) if seconds >= 2 * one[1])
    moment = datetime.now().astimezone() + timedelta(seconds=seconds)
    return (
        f"in {seconds / size:.1f} {unit} ({seconds:,.0f} s), at {moment:%Y-%m-%d %H:%M}; the same command goes on then"
    )
