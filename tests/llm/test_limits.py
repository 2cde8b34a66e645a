from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import Interrupted
from judgegen.llm.leases import Quota
from judgegen.llm.lent import Lent
from judgegen.llm.limits import Bucket, Turnstile
from judgegen.llm.pace import Pace, Punctual, window
from judgegen.llm.retry import wait_s
from judgegen.llm.stop import Stop
from judgegen.llm.width import Width

STEPS = st.lists(st.sampled_from(["call", "call", "call", "idle", "kill"]) | st.floats(0, 90), min_size=1, max_size=80)
"""Calls that wait for their turn, seconds in which nobody calls, and kills after which another process goes on."""


class Played:
    """Calls through buckets on a clock of the test's own, one bucket after the other where a process is killed."""

    def __init__(self, bucket: Callable[[Callable[[], float]], Bucket]) -> None:
        self.now, self._new = 0.0, bucket
        self.sent: list[tuple[float, float]] = []
        self.kill()

    def kill(self) -> None:
        self.bucket = self._new(lambda: self.now)

    def call(self, need: float) -> None:
        while (wait := self.bucket.wait_s(need)) > 1e-9:
            self.now += wait
        self.bucket.take(need)
        self.sent.append((self.now, need))

    def step(self, what: str | float, need: float) -> None:
        if what == "kill":
            self.kill()
        elif what == "call":
            self.call(need)
        else:
            self.now += 3600.0 if isinstance(what, str) else what

    def most(self) -> float:
        """The most in any sixty seconds, however they are cut."""
        begins = [at for at, _ in self.sent]
        return max(sum(need for at, need in self.sent if begin <= at < begin + 60 - 1e-6) for begin in begins)


@given(st.integers(1, 10**6))
def test_no_minute_holds_more_requests_than_the_limit(rpm: int) -> None:
    """Whichever sixty seconds the server counts: all windows in them and in the second before, and one before those."""
    requests, seconds = window(rpm)
    assert requests >= 1
    assert requests * (math.floor(61.1 / seconds) + 1) <= rpm
    assert requests / seconds * 60 == pytest.approx(0.98 * rpm)
    assert requests == 1 or seconds <= 0.5


def turns_at_once(throttle: Punctual) -> int:
    """How many turns are due now."""
    count = 0
    while True:
        turn = throttle.acquire()
        try:
            turn.send(None)
        except StopIteration:
            count += 1
        else:
            turn.close()
            return count


def busy(seconds: float) -> None:
    """Nobody else has the loop."""
    time.sleep(seconds)


def test_what_a_busy_loop_is_late_is_made_up_for() -> None:
    """Turns that were due while nobody looked are given at once; of more than 0.4 s, those of its end."""

    async def main() -> None:
        throttle = Punctual(60_000)
        turns_at_once(throttle)
        given = 0
        for _ in range(4):
            busy(0.25)
            given += turns_at_once(throttle)
        assert given >= 980 * 0.9
        busy(2)
        assert turns_at_once(throttle) <= 980 * 0.6

    asyncio.run(main())


@given(st.lists(st.floats(0, 0.6), min_size=2, max_size=3), st.integers(300, 90_000))
@settings(max_examples=5, deadline=None)
def test_however_late_its_waiter_a_pace_is_kept(blocks: list[float], rpm: int) -> None:
    """Any time sees what flows in it and in half a second more."""

    async def main() -> list[float]:
        throttle, given_at = Punctual(rpm), []
        for block in blocks:
            busy(block)
            until = time.monotonic() + 0.1
            while (now := time.monotonic()) < until:
                given_at += [now] * turns_at_once(throttle)
                await asyncio.sleep(0)
        return given_at

    given_at = asyncio.run(main())
    for first, began in enumerate(given_at):
        for last in range(first, len(given_at), 97):
            assert last - first + 1 <= 1 + (given_at[last] - began + 0.5) * rpm / 60


def test_the_first_request_is_a_window_late() -> None:
    """So one that is killed and begun again sends no more: each life of it sends less than its windows hold."""

    async def sent(lives: int) -> int:
        count = 0
        began = time.monotonic()
        for _ in range(lives):
            pace = Pace(1200)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.6):
                    while True:
                        await pace.turn()
                        count += 1
        return count - math.ceil((time.monotonic() - began) * 1200 / 60)

    assert asyncio.run(sent(3)) <= 0


@given(st.floats(100, 1e7), st.lists(st.tuples(STEPS, st.floats(0.0001, 0.03)), min_size=1, max_size=4))
def test_no_minute_holds_more_tokens_than_the_limit(tpm: float, parts: list[tuple[list[str | float], float]]) -> None:
    """However they are cut: at first, after an hour without calls, and over kills; nothing is owed that they forget."""
    played = Played(lambda clock: Bucket(tpm, clock))
    played.call(tpm * 0.01)
    for steps, share in parts:
        for step in steps:
            played.step(step, tpm * share)
    assert played.most() <= tpm
    assert played.bucket.level >= -1e-6


@given(st.floats(100, 1e7), st.lists(st.floats(0.03, 0.9), min_size=1, max_size=40), st.sets(st.integers(0, 39)))
def test_a_call_larger_than_the_capacity_goes_beyond_by_a_part_of_it(
    tpm: float, shares: list[float], kills: set[int]
) -> None:
    """It is waited for whole, before it goes; nobody owes its tokens afterwards, so that a kill changes nothing."""
    played = Played(lambda clock: Bucket(tpm, clock))
    for place, share in enumerate(shares):
        if place in kills:
            played.kill()
        played.call(tpm * share)
    assert played.most() <= tpm * (0.95 + max(shares)) * (1 + 1e-6)


@given(st.floats(0.1, 1e6), st.integers(1, 300))
def test_the_pace_is_kept_up(per_minute: float, calls: int) -> None:
    """Calls of a token that come one after the other leave at 95 % of the limit."""
    played = Played(lambda clock: Bucket(per_minute, clock))
    for _ in range(calls):
        played.call(1)
    assert played.now == pytest.approx(calls * 60 / (per_minute * 0.95))


@given(st.integers(0, 40), st.none() | st.floats(0, 1e6))
def test_waits_are_bounded_and_what_was_asked(attempt: int, asked: float | None) -> None:
    """The server's wish is kept up to five minutes; without one the wait grows to a ceiling and is never nothing."""
    wait = wait_s(attempt, asked)
    if asked is not None:
        assert wait == min(asked, 300)
    else:
        assert 0.25 <= wait <= 30


@given(st.lists(st.tuples(st.floats(1, 5000), st.floats(0, 5000)), max_size=30))
def test_a_bucket_never_holds_more_than_its_capacity(spent: list[tuple[float, float]]) -> None:
    """Reserving and settling keep the level under the capacity, or under what the next call waits for."""
    bucket = Bucket(60_000, clock=lambda: 0.0)
    for reserved, used in spent:
        bucket.wait_s(reserved)
        bucket.add(reserved)
        assert bucket.level <= max(bucket.capacity, reserved)
        bucket.take(reserved)
        bucket.add(reserved - used)
        assert bucket.level <= bucket.capacity


def test_what_is_given_back_is_used_at_once() -> None:
    """A call that waits for tokens goes as soon as another gives some back, not a quarter of an hour later."""

    async def main() -> None:
        gate = Turnstile(concurrency=2, rpm=None, tpm=6, stop=Stop())
        assert isinstance(gate.bucket, Bucket)
        assert gate.bucket.wait_s(100) > 1000
        gate.bucket.add(100)

        async def ask() -> None:
            async with gate.slot(100) as slot:
                await asyncio.sleep(0.01)
                slot.settle(0)

        await asyncio.wait_for(asyncio.gather(ask(), ask()), 5)
        await gate.aclose()

    asyncio.run(main())


def test_those_who_go_first_go_before_all_who_waited_longer() -> None:
    """A prompt's verdicts before the next prompt's answers; among equals whoever came first."""

    async def main() -> list[int]:
        gate = Turnstile(concurrency=1, rpm=None, tpm=None, stop=Stop())
        order: list[int] = []

        async def take(number: int) -> None:
            async with gate.slot(0, first=number % 2 == 0):
                order.append(number)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group, gate.slot(0):  # so that they have to wait
            for number in (1, 3, 5, 2, 4):
                group.create_task(take(number))
            await asyncio.sleep(0)
        await gate.aclose()
        return order

    assert asyncio.run(main()) == [2, 4, 1, 3, 5]


def test_first_come_first_served() -> None:
    """A large call is not overtaken by small ones that came after it."""

    async def main() -> list[int]:
        gate = Turnstile(concurrency=1, rpm=None, tpm=6_000_000_000, stop=Stop())
        order: list[int] = []

        async def ask(number: int, tokens: float) -> None:
            async with gate.slot(tokens) as slot:
                order.append(number)
                slot.settle(1)

        await asyncio.gather(*(ask(i, 1e6 if i == 0 else 10) for i in range(20)))
        await gate.aclose()
        return order

    assert asyncio.run(main()) == list(range(20))


def test_a_pause_holds_everybody_and_a_stop_ends_it() -> None:
    """After pause nothing passes; a stopping run lets its waiters through at once to see that it stops."""

    async def main() -> list[str]:
        stop = Stop()
        gate = Turnstile(concurrency=4, rpm=60, tpm=None, stop=stop)
        gate.pause(60)
        passed: list[str] = []

        async def ask() -> None:
            async with gate.slot(0):
                passed.append("stopping" if stop.requested else "sending")

        waiting = [asyncio.create_task(ask()) for _ in range(4)]
        await asyncio.sleep(0.05)
        assert passed == []
        stop.request(Interrupted("now"))
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        await gate.aclose()
        return passed

    assert asyncio.run(main()) == ["stopping"] * 4


def test_a_shorter_pause_ends_no_longer_one() -> None:
    """Of two servers' wishes the longer holds, whichever came last."""

    async def main() -> list[str]:
        stop = Stop()
        gate = Turnstile(concurrency=1, rpm=None, tpm=None, stop=stop)
        gate.pause(60)
        gate.pause(0.001)
        passed: list[str] = []

        async def ask() -> None:
            async with gate.slot(0):
                passed.append("stopping" if stop.requested else "sending")

        waiting = asyncio.create_task(ask())
        await asyncio.sleep(0.05)
        stop.request(Interrupted("now"))
        await asyncio.wait_for(waiting, 5)
        await gate.aclose()
        return passed

    assert asyncio.run(main()) == ["stopping"]


def test_a_turn_that_was_kept_is_taken_again_before_whoever_waits_for_a_place() -> None:
    """One that left at once needs no other; one that did not keeps its place, and nobody goes on its old turn."""

    async def main() -> list[str]:
        now, order, lacks = [0.0], list[str](), asyncio.Event()
        lent = Lent(lacks.set, clock=lambda: now[0])
        lent.fill(Quota(places=1, requests=1, tokens=50), math.inf)
        gate = Turnstile(concurrency=1, rpm=60, tpm=1000, stop=Stop(), lent=lent, clock=lambda: now[0])

        async def ask(name: str) -> None:
            async with gate.slot(20) as slot:
                await slot.fresh()
                order.append(f"{name} {lent.used}")
                now[0] += 5
                await slot.fresh()
                order.append(f"{name} again {lent.used}")

        asked = [asyncio.create_task(ask(name)) for name in "AB"]
        await asyncio.wait_for(lacks.wait(), 5)
        order.append("lacks")
        lent.fill(Quota(places=1, requests=3, tokens=90), math.inf)
        await asyncio.wait_for(asyncio.gather(*asked), 5)
        await gate.aclose()
        return order

    assert asyncio.run(main()) == ["A 1", "lacks", "A again 1", "B 2", "B again 3"]


def test_a_cancelled_waiter_gives_its_place_back() -> None:
    """Whatever is cancelled while waiting, the gate stays as wide as it was."""

    async def main() -> int:
        gate = Turnstile(concurrency=2, rpm=None, tpm=None, stop=Stop())
        inside = 0

        async def ask(seconds: float) -> None:
            nonlocal inside
            async with gate.slot(0):
                inside += 1
                await asyncio.sleep(seconds)

        for round_ in range(20):
            tasks = [asyncio.create_task(ask(0.001)) for _ in range(6)]
            await asyncio.sleep(0.0003 * (round_ % 5))
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        inside = 0
        await asyncio.wait_for(asyncio.gather(*(ask(0) for _ in range(10))), 5)
        await gate.aclose()
        return inside

    assert asyncio.run(main()) == 10


def test_what_holds_the_next_call_is_known() -> None:
    """Seconds are told by the limit that they were waited for, the one that goes on included."""

    async def waited(rpm: float | None = None, tpm: float | None = None, pause_s: float = 0) -> Mapping[str, float]:
        gate = Turnstile(concurrency=1, rpm=rpm, tpm=tpm, stop=Stop())
        gate.pause(pause_s)

        async def call() -> None:
            async with gate.slot(1.0 if tpm is None else 2 * tpm):
                await asyncio.sleep(0.05)

        tasks = [asyncio.create_task(call()) for _ in range(3)]
        await asyncio.sleep(0.25)
        found = gate.held()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gate.aclose()
        return found

    def most(found: Mapping[str, float]) -> str:
        return max(found, key=lambda what: found[what])

    assert set(asyncio.run(waited())) == {"concurrency"}
    assert most(asyncio.run(waited(rpm=6))) == "rpm"
    assert most(asyncio.run(waited(tpm=60))) == "tpm"
    assert most(asyncio.run(waited(pause_s=30))) == "server"


def test_a_server_that_bears_no_more_is_what_holds() -> None:
    """Below its ceiling after trouble, it is the server that keeps calls waiting; at the ceiling the run file is."""
    width = Width(16)
    assert not width.narrowed
    width.cut(1e9, late=False)
    assert width.narrowed
