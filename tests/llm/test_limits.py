from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import Interrupted
from judgegen.llm.limits import Bucket, Turnstile, window
from judgegen.llm.retry import wait_s
from judgegen.llm.stop import Stop
from judgegen.llm.width import Width


@given(st.integers(1, 10**6))
def test_no_minute_holds_more_requests_than_the_limit(rpm: int) -> None:
    """Whichever sixty seconds the server counts, windows begun in them and all; nor does the pace waste a tenth."""
    requests, seconds = window(rpm)
    assert requests >= 1
    assert requests * math.ceil(60 / seconds) <= rpm
    assert requests / seconds * 60 >= 0.9 * rpm
    assert seconds >= 1 or requests > 1 or rpm > 60


@given(st.floats(0.1, 1e6))
def test_the_pace_stays_under_the_limit(rpm: float) -> None:
    """Over any length of time, fractions of a request a minute too."""
    requests, seconds = window(rpm)
    assert requests / seconds * 60 <= rpm


@given(st.integers(0, 40), st.none() | st.floats(0, 1e6))
def test_waits_are_bounded_and_what_was_asked(attempt: int, asked: float | None) -> None:
    """The server's wish is kept up to five minutes; without one the wait grows to a ceiling and is never nothing."""
    wait = wait_s(attempt, asked)
    if asked is not None:
        assert wait == min(asked, 300)
    else:
        assert 0.25 <= wait <= 30


@given(st.lists(st.tuples(st.floats(1, 5000), st.floats(0, 5000)), max_size=30))
def test_a_bucket_never_holds_more_than_ten_seconds(spent: list[tuple[float, float]]) -> None:
    """Reserving and settling keep the level under the capacity, and a wait is only as long as the lack."""
    bucket = Bucket(60_000)
    for reserved, used in spent:
        wait = bucket.wait_s(reserved)
        assert 0 <= wait <= bucket.capacity / bucket.rate + 5000 * len(spent) / bucket.rate
        bucket.add(-reserved)
        bucket.add(reserved - used)
        assert bucket.level <= bucket.capacity


def test_those_who_go_first_go_before_all_who_waited_longer() -> None:
    """A prompt's verdicts before the next prompt's answers; among equals whoever came first."""

    async def main() -> list[int]:
        gate = Turnstile(concurrency=1, rpm=None, tpm=None, stop=Stop())
        order: list[int] = []

        async def take(number: int) -> None:
            async with gate.slot(0, first=number % 2 == 0):
                order.append(number)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for number in (1, 3, 5, 2, 4):
                group.create_task(take(number))
        await gate.aclose()
        return order

    assert asyncio.run(main()) == [2, 4, 1, 3, 5]


def test_first_come_first_served() -> None:
    """A large call is not overtaken by small ones that came after it."""

    async def main() -> list[int]:
        gate = Turnstile(concurrency=1, rpm=None, tpm=60_000_000, stop=Stop())
        order: list[int] = []

        async def ask(number: int, tokens: float) -> None:
            async with gate.slot(tokens) as slot:
                order.append(number)
                slot.settle(1)

        await asyncio.gather(*(ask(i, 1e6 if i == 0 else 10) for i in range(20)))
        await gate.aclose()
        return order

    assert asyncio.run(main()) == list(range(20))


def test_tokens_per_minute_hold_after_the_first_burst() -> None:
    """Past ten seconds' worth, calls leave no faster than the limit allows (on a clock of the test's own)."""
    now = 0.0
    bucket = Bucket(600_000, clock=lambda: now)
    for _ in range(100):
        while (wait := bucket.wait_s(10_000)) > 1e-9:
            now += wait
        bucket.add(-10_000)
    assert now >= (1_000_000 - 100_000) / (600_000 / 60)


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
