"""A pace is found by what a server refuses, whatever kind of limit that keeps, and is left alone by what is chance."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from judgegen.llm.pace import Ration

STEP_S, WAY_S = 0.02, 0.5
"""How finely time is cut, and how long an answer takes to come."""
FLOWS = 0.98
"""Of a pace, what a gate lets flow."""


@dataclass
class Window:
    """So many in any minute."""

    limit: float
    taken: deque[float] = field(default_factory=deque)

    def room_in(self, now: float) -> float:
        """Seconds until there is room; 0 and the request is taken."""
        while self.taken and self.taken[0] <= now - 60:
            self.taken.popleft()
        if len(self.taken) + 1 <= self.limit:
            self.taken.append(now)
            return 0.0
        return self.taken[len(self.taken) - int(self.limit)] + 60 - now


@dataclass
class Bucket:
    """What flows, with a reserve of so many seconds."""

    limit: float
    reserve_s: float = 1.0
    level: float | None = None
    at: float = 0.0

    def room_in(self, now: float) -> float:
        """As of Window."""
        most, flow = max(1.0, self.limit / 60 * self.reserve_s), self.limit / 60
        before = most if self.level is None else min(most, self.level + (now - self.at) * flow)
        self.at, self.level = now, before - (before >= 1)
        return 0.0 if before >= 1 else (1 - before) / flow


@dataclass
class Calendar:
    """So many in each minute of the clock."""

    limit: float
    taken: Counter[int] = field(default_factory=Counter)

    def room_in(self, now: float) -> float:
        """As of Window."""
        minute = int(now // 60)
        if self.taken[minute] + 1 > self.limit:
            return (minute + 1) * 60 - now
        self.taken[minute] += 1
        return 0.0


@dataclass
class Chance:
    """Some, at random."""

    part: float
    lot: random.Random = field(default_factory=lambda: random.Random(0))

    def room_in(self, now: float) -> float:
        """As of Window."""
        return float(self.lot.random() < self.part)


Server = Window | Bucket | Calendar | Chance
Told = Callable[[float], float | None]
TOLD: dict[str, Told] = {
    "exactly": lambda wait: wait,
    "seconds": lambda wait: int(wait) + 1.0,
    "nothing": lambda _: None,
}


def played(
    server: Server, most: float, told: Told, *, minutes: int, halved_at_s: float = 1e9, deaf: bool = False
) -> list[tuple[int, int]]:
    """(Sent, refused) of each minute, where as many are sent as the pace allows, `most` a second at most.

    Who is `deaf` waits as told and draws no conclusion.
    """
    now, until, due = 0.0, 0.0, 0.0
    ration = Ration(lambda: now)
    coming: deque[tuple[float, float, float]] = deque()
    found = [(0, 0)] * minutes
    while now < 60 * minutes - STEP_S:
        if now >= halved_at_s and not isinstance(server, Chance):
            server.limit, halved_at_s = server.limit / 2, 1e9
        while coming and coming[0][0] <= now:
            _, began, wait = coming.popleft()
            if not deaf:
                ration.refused(began, told(wait))
            until = max(until, now + (told(wait) or 0.5))
        rpm = ration.at(now)
        pace = most if rpm is None else min(most, rpm * FLOWS / 60)
        due = min(due + pace * STEP_S, max(1.0, pace / 2)) if now >= until else 0.0
        while due >= 1:
            due -= 1
            ration.sent(now)
            wait = server.room_in(now)
            sent, refused = found[int(now // 60)]
            found[int(now // 60)] = sent + 1, refused + (wait > 0)
            if wait > 0:
                coming.append((now + WAY_S, now, wait))
        now += STEP_S
    return found


@pytest.mark.slow
@pytest.mark.parametrize("how", TOLD)
@pytest.mark.parametrize("limit", [600.0, 6_000.0])
@pytest.mark.parametrize("kind", [Window, Bucket])
def test_the_pace_of_a_limit_is_found_and_used(kind: type[Window | Bucket], limit: float, how: str) -> None:
    """After the first minute a hundredth is refused at most, and 95 % of what there is is used."""
    found = played(kind(limit), limit / 60 * 2.5, TOLD[how], minutes=6)[1:]
    sent, refused = (sum(column) for column in zip(*found, strict=True))
    assert refused <= 0.01 * sent
    assert sent - refused >= 0.95 * limit * len(found)


@pytest.mark.slow
@pytest.mark.parametrize("how", TOLD)
def test_a_reserve_is_used_and_then_the_pace_of_what_flows_is_found(how: str) -> None:
    """A bucket of a whole minute takes two minutes' worth in the first, which no later one has."""
    found = played(Bucket(6_000.0, reserve_s=60), 250, TOLD[how], minutes=6)[2:]
    sent, refused = (sum(column) for column in zip(*found, strict=True))
    assert refused <= 0.01 * sent
    assert sent - refused >= 0.95 * 6_000 * len(found)


@pytest.mark.slow
def test_minutes_of_the_clock_are_used() -> None:
    """Where nobody can know when they begin: a few in a hundred are refused at most, and nine tenths used."""
    found = played(Calendar(6_000.0), 250, TOLD["exactly"], minutes=8)[2:]
    sent, refused = (sum(column) for column in zip(*found, strict=True))
    assert refused <= 0.02 * sent
    assert sent - refused >= 0.9 * 6_000 * len(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Window, Bucket])
def test_a_limit_that_is_halved_is_found_within_a_minute(kind: type[Window | Bucket]) -> None:
    """From a minute after it on, as at first."""
    found = played(kind(6_000.0), 250, TOLD["exactly"], minutes=7, halved_at_s=120)[3:]
    sent, refused = (sum(column) for column in zip(*found, strict=True))
    assert sent - refused >= 0.95 * 3_000 * len(found)
    assert refused <= 0.02 * sent


@pytest.mark.slow
@pytest.mark.parametrize("how", TOLD)
@pytest.mark.parametrize("part", [0.002, 0.01, 0.05])
def test_what_is_refused_at_random_slows_nothing(part: float, how: str) -> None:
    """As much is sent as by somebody who waits as told, and draws no conclusion."""
    found, as_told = (played(Chance(part), 100, TOLD[how], minutes=5, deaf=deaf) for deaf in (False, True))
    assert sum(sent for sent, _ in found) >= 0.9 * sum(sent for sent, _ in as_told)


def test_few_refusals_say_nothing() -> None:
    """One, or some among many that are taken, is no reason for a pace."""
    now = 0.0
    ration = Ration(lambda: now)
    for number in range(1_000):
        now = number / 100
        ration.sent(now)
        if number % 100 == 50:
            ration.refused(now, 1.0)
    assert ration.at(now) is None
    assert ration.news() is None


def test_who_is_told_is_told_once() -> None:
    """And again only of a pace that is far from that."""
    now = 10.0
    ration = Ration(lambda: now)
    for _ in range(100):
        ration.sent(0.0)
    for _ in range(50):
        ration.refused(0.0, 50.0)
    assert ration.news() == pytest.approx(50.0)
    assert ration.news() is None
