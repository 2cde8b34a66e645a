"""What the ledger lends is never more than there is, whoever asks, is lost or falls silent; none of it lies idle."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leases import played

from judgegen.llm.leases import Allowed, Leases, Pulse, Quota, Want, fair

SHARDS = 4
NOTHING = Quota(0, 0, 0.0)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Shard:
    """A process with a shard, which uses what it was lent when it likes."""

    name: int
    part: Quota = NOTHING
    until: float = 0.0
    requests: int = 0
    tokens: float = 0.0
    flying: list[float] = field(default_factory=list)


class Fleet:
    """Some shards of one ledger, and what a server has seen of them: (when, requests, tokens), and who is in flight."""

    def __init__(self, limits: Allowed) -> None:
        self.clock, self.limits = Clock(), limits
        self.leases = Leases({"e": limits}, None, {}, clock=self.clock)
        self.shards = [Shard(self.leases.begin(number)) for number in range(SHARDS)]
        self.seen: list[tuple[float, int, float]] = []
        self.stray: list[float] = []

    def beat(self, number: int, *, asks: int, size: float) -> None:
        shard = self.shards[number]
        valid = self.clock.now < shard.until
        want = Want(
            holds=max(shard.part.places if valid else 0, len(shard.flying)),
            places=asks,
            requests=asks,
            left=shard.requests,
            tokens=asks * size,
            tokens_left=shard.tokens,
            head=size if asks else 0.0,
        )
        grant = self.leases.beat(Pulse(holder=shard.name, wants={"e": want}))
        shard.part, shard.until = grant.parts["e"], self.clock.now + grant.lasts_s
        shard.requests, shard.tokens = shard.part.requests, shard.part.tokens

    def send(self, number: int, *, most: int, size: float, takes_s: float) -> None:
        shard = self.shards[number]
        for _ in range(most):
            valid = self.clock.now < shard.until
            room = len(shard.flying) < shard.part.places and shard.requests >= 1 and shard.tokens >= size
            if not valid or not room:
                return
            shard.requests -= 1
            shard.tokens -= size
            shard.flying.append(self.clock.now + takes_s)
            self.seen.append((self.clock.now, 1, size))

    def lose(self, number: int) -> None:
        self.stray += self.shards[number].flying
        self.leases.lost(number)
        self.shards[number] = Shard(self.leases.begin(number))

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.stray = [end for end in self.stray if end > self.clock.now]
        for shard in self.shards:
            shard.flying = [end for end in shard.flying if end > self.clock.now]

    @property
    def at_once(self) -> int:
        return len(self.stray) + sum(len(shard.flying) for shard in self.shards)

    def most_in_a_minute(self, what: int) -> float:
        times = [one[0] for one in self.seen]
        ends = (bisect.bisect_right(times, begin + 60) for begin in times)
        return max((sum(one[what] for one in self.seen[first:end]) for first, end in enumerate(ends)), default=0.0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["beat", "beat", "send", "send", "send", "both", "both", "lose"]),
        st.integers(0, SHARDS - 1),
        st.integers(0, 60),
        st.sampled_from([0.0, 0.0, 0.1, 0.5, 3.0, 7.0, 40.0]),
        st.sampled_from([0.5, 9.9]),
    ),
    max_size=80,
)


def lived(fleet: Fleet, steps: list[tuple[str, int, int, float, float]], sizes: tuple[float, float]) -> None:
    """Let it happen, looking at every moment how many are in flight."""
    for kind, number, many, seconds, takes_s in steps:
        size = sizes[many % 2]
        if kind in ("beat", "both"):
            fleet.beat(number, asks=many, size=size)
        if kind in ("send", "both"):
            fleet.send(number, most=many, size=size, takes_s=takes_s)
        if kind == "lose":
            fleet.lose(number)
        assert fleet.at_once <= fleet.limits.places
        fleet.wait(seconds)


@given(st.integers(1, 900), st.integers(1, 40), STEPS)
def test_no_minute_sees_more_requests_than_the_limit(
    rpm: int, places: int, steps: list[tuple[str, int, int, float, float]]
) -> None:
    """Nor is more in flight than may be: permits saved up, leases run out, processes lost and all."""
    fleet = Fleet(Allowed(places=places, rpm=rpm, timeout_s=10))
    lived(fleet, steps, (0.0, 0.0))
    assert fleet.most_in_a_minute(1) <= rpm


@given(st.integers(1000, 900_000), st.floats(1, 3000), st.floats(1, 3000), STEPS)
def test_no_minute_sees_more_tokens_than_the_limit(
    tpm: int, small: float, large: float, steps: list[tuple[str, int, int, float, float]]
) -> None:
    """But for one call that is larger than what may be saved up: it has to go at some time."""
    fleet = Fleet(Allowed(places=40, tpm=tpm, timeout_s=10))
    lived(fleet, steps, (small, large))
    assert fleet.most_in_a_minute(2) <= tpm + max(small, large)


@given(st.integers(0, 100), st.dictionaries(st.integers(0, 9), st.integers(0, 60)))
def test_places_are_shared_as_evenly_as_they_are_wanted(total: int, wanted: dict[int, int]) -> None:
    """Nobody has more than it wants; who lacks some has no fewer, but for one, than anybody; none is left over."""
    given_ = fair(total, wanted)
    assert all(given_[one] <= wanted[one] for one in wanted)
    assert sum(given_.values()) == min(total, sum(wanted.values()))
    most = max(given_.values(), default=0)
    assert all(given_[one] >= most - 1 for one in wanted if given_[one] < wanted[one])


@pytest.mark.parametrize("kills", [0, 6])
def test_what_idle_shards_leave_the_busy_ones_use(kills: int) -> None:
    """One shard has nearly all the work: it gets nearly all of the pace, and no limit is passed, kills or not."""
    limits = Allowed(places=64, rpm=1200, timeout_s=4)
    found = played(limits, [1000, 20, 20, 20, 20, 20, 20, 20], latency_s=1.0, kills=kills, seed=kills)
    assert found.seen.most_in_minute <= 1200
    assert found.seen.most_at_once <= 64
    assert found.seen.total / found.seconds >= 0.8 * 1200 / 60


def test_a_call_larger_than_what_may_be_saved_up_is_not_passed_by_for_ever() -> None:
    """Those with small calls leave room for it, and go on in what is left."""
    fleet = Fleet(Allowed(places=40, tpm=60_000))
    sent = 0
    for _ in range(400):
        for number in range(SHARDS):
            fleet.beat(number, asks=20, size=5000.0 if number == 0 else 100.0)
            before = len(fleet.seen)
            fleet.send(number, most=20, size=5000.0 if number == 0 else 100.0, takes_s=0.1)
            sent += (len(fleet.seen) - before) if number == 0 else 0
        fleet.wait(0.25)
    assert sent >= 4
    assert len(fleet.seen) - sent >= 2 * sent
    assert sum(size for _, _, size in fleet.seen) >= 0.8 * 60_000 / 60 * fleet.clock.now


def test_what_another_process_has_is_not_answered() -> None:
    """A process that was taken for lost and is not hears that it has to end."""
    leases = Leases({"e": Allowed(places=4)}, None, {}, clock=Clock())
    first = leases.begin(0)
    second = leases.begin(0)
    assert leases.beat(Pulse(holder=first)).stop
    assert not leases.beat(Pulse(holder=second)).stop


class Purses:
    """Shards that spend under one cap: their journals say what they spent."""

    def __init__(self, usd: Decimal) -> None:
        self.usd, self.spent = usd, [Decimal(0)] * SHARDS
        self.leases = Leases({}, usd, dict(enumerate(self.spent)), clock=Clock())
        self.caps = [Decimal(0)] * SHARDS
        self.reserved: list[list[Decimal]] = [[] for _ in range(SHARDS)]
        self.names = [self.leases.begin(number) for number in range(SHARDS)]
        self.exhausted = [False] * SHARDS

    def beat(self, number: int, needs: Decimal) -> None:
        reserved = sum(self.reserved[number], Decimal(0))
        grant = self.leases.beat(
            Pulse(
                holder=self.names[number],
                cap=self.caps[number],
                spent=self.spent[number],
                reserved=reserved,
                needs=needs if not reserved else Decimal(0),
            )
        )
        assert grant.cap is not None
        self.caps[number] = max(grant.cap, self.spent[number] + reserved)
        self.exhausted[number] = grant.exhausted

    def reserve(self, number: int, usd: Decimal) -> bool:
        if self.spent[number] + sum(self.reserved[number], usd) > self.caps[number]:
            return False
        self.reserved[number].append(usd)
        return True

    def settle(self, number: int, share: Decimal) -> None:
        if self.reserved[number]:
            self.spent[number] += self.reserved[number].pop() * share

    def lose(self, number: int) -> None:
        """What was under way stays reserved at its worst, as its journal says."""
        self.spent[number] += sum(self.reserved[number], Decimal(0))
        self.reserved[number] = []
        self.leases.lost(number)
        self.names[number], self.caps[number] = self.leases.begin(number), self.spent[number]

    @property
    def out(self) -> Decimal:
        return sum((self.spent[n] + sum(self.reserved[n], Decimal(0)) for n in range(SHARDS)), Decimal(0))


@given(
    st.decimals("0.01", "5", places=2),
    st.lists(
        st.tuples(
            st.sampled_from(["beat", "beat", "reserve", "reserve", "settle", "lose"]),
            st.integers(0, SHARDS - 1),
            st.decimals("0.01", "1", places=2),
        ),
        max_size=80,
    ),
)
def test_all_together_never_spend_or_reserve_more_than_the_cap(
    usd: Decimal, steps: list[tuple[str, int, Decimal]]
) -> None:
    """Whoever asks, spends, gives back, is lost and begins again, in whatever order."""
    purses = Purses(usd)
    for kind, number, amount in steps:
        if kind == "beat":
            purses.beat(number, amount)
        elif kind == "reserve":
            purses.reserve(number, amount)
        elif kind == "settle":
            purses.settle(number, min(amount, Decimal(1)))
        else:
            purses.lose(number)
        assert purses.out <= usd


@given(st.decimals("0.5", "5", places=2), st.decimals("0.01", "0.3", places=2))
def test_one_shard_alone_may_spend_the_whole_cap(usd: Decimal, each: Decimal) -> None:
    """What the others were lent and do not need comes to it; it hears the end when nothing more fits, not before."""
    purses = Purses(usd)
    beats = 0
    while not purses.exhausted[0]:
        beats += 1
        assert beats < 1000
        fits = purses.reserve(0, each)
        purses.settle(0, Decimal(1))
        for number in range(SHARDS):
            purses.beat(number, each if number == 0 and not fits else Decimal(0))
        while purses.reserve(0, each):
            purses.settle(0, Decimal(1))
    assert purses.out <= usd < purses.out + each


@given(st.decimals("0.5", "2", places=2), st.decimals("0.01", "0.3", places=2))
def test_shards_that_all_want_the_last_of_the_cap_do_not_wait_for_each_other(usd: Decimal, each: Decimal) -> None:
    """Each hears that nothing more fits; until then somebody always goes on, and what is left is less than a call."""
    purses, beats = Purses(usd), 0
    while not all(purses.exhausted):
        beats += 1
        assert beats < 1000
        for number in range(SHARDS):
            fits = purses.reserve(number, each)
            purses.settle(number, Decimal(1))
            purses.beat(number, Decimal(0) if fits else each)
    assert purses.out <= usd < purses.out + each
