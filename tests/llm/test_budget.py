from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import BudgetReached, Unanswered
from judgegen.llm import senders
from judgegen.llm.budget import Ledger, capped
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Tag, Usage
from judgegen.llm.journal import Journal
from judgegen.llm.retry import Transient
from judgegen.llm.stop import Stop
from judgegen.watch import Watch


def call(number: int) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": str(number)},),
        params={"max_tokens": 10},
        tag=Tag(role="sampler", prompt_id=f"p{number}", route="r"),
    )


class Server:
    """Bills by its own count; faults are free, a lost answer is not."""

    def __init__(self, seed: int, *, longest: int = 10) -> None:
        self.random, self.billed, self.longest = random.Random(seed), Decimal(0), longest

    async def __call__(self, call: Call, /) -> Outcome:
        await asyncio.sleep(self.random.random() / 2000)
        luck = self.random.random()
        if luck < 0.1:
            raise Transient("503")
        cost = Decimal(self.random.randint(1, self.longest))
        self.billed += cost
        if luck < 0.15:
            raise Transient("timed out", billed=None)
        return Reply(choices=(Choice(text="ok"),), usage=Usage(output=int(cost)), cost=cost)


def spend(folder: Path, cap: int, at_once: int, seed: int, calls: int = 60) -> tuple[Server, Journal, Stop]:
    """Ask `calls` calls under a cap, `at_once` at a time."""

    async def main() -> tuple[Server, Journal, Stop]:
        server, stop = Server(seed), Stop()
        journal = Journal(folder)
        ledger = Ledger(Decimal(cap), journal.spent())
        landings = senders.Landings(server, journal)
        send = senders.Once(capped(landings, ledger, lambda _: Decimal(10), journal, stop), journal, Watch())
        width = asyncio.Semaphore(at_once)

        async def ask(number: int) -> None:
            async with width:
                await send(call(number))

        await asyncio.gather(*(ask(i) for i in range(calls)), return_exceptions=True)
        await landings.drain()
        assert ledger.spent + ledger.reserved <= ledger.cap
        return server, journal, stop

    return asyncio.run(main())


@settings(max_examples=25)
@given(st.integers(0, 400), st.sampled_from([1, 7, 64]), st.integers())
def test_the_servers_own_count_never_exceeds_the_cap(cap: int, at_once: int, seed: int) -> None:
    """Whatever the concurrency, the faults and the lost answers."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        server, journal, _ = spend(Path(folder), cap, at_once, seed)
        assert server.billed <= cap
        assert journal.spent() >= server.billed
        journal.close()


def test_the_cap_ends_the_run_when_nothing_more_fits(tmp_path: Path) -> None:
    """It is reached with less left than one call may cost, says so, and a higher one continues."""
    server, journal, stop = spend(tmp_path, 100, 16, seed=1)
    assert isinstance(stop.error, BudgetReached)
    assert journal.spent() > 100 - 10
    before, first = journal.count(), server.billed
    journal.close()
    again, journal, _ = spend(tmp_path, 10_000, 16, seed=2)
    assert journal.count() > before
    assert first + again.billed <= journal.spent()
    journal.close()


def test_what_may_have_been_billed_is_remembered(tmp_path: Path) -> None:
    """A call that was sent and never answered counts at its worst after a restart; one that was refused does not."""

    async def main() -> None:
        with Journal(tmp_path) as journal:
            await journal.intend(call(1), Decimal("0.25"))
            await journal.intend(call(2), Decimal("0.50"))
            await journal.forget(call(2))

    asyncio.run(main())
    with Journal(tmp_path) as journal:
        assert journal.spent() == Decimal("0.25")


def test_an_endpoint_that_overruns_is_reserved_more(tmp_path: Path) -> None:
    """After one answer twice as long as allowed, twice as much is set aside."""

    async def main() -> None:
        ledger = Ledger(Decimal(100), Decimal(0))
        ledger.settle(await ledger.reserve(Decimal(10)) or Decimal(0), Decimal(20))
        assert await ledger.reserve(Decimal(10)) == Decimal(20)

    asyncio.run(main())


def test_free_calls_fit_under_any_cap(tmp_path: Path) -> None:
    """An embedded model runs under a cap of nothing."""

    async def main() -> None:
        with Journal(tmp_path) as journal:
            stop = Stop()

            async def free(_: Call) -> Outcome:
                return Reply(choices=(Choice(text="ok"),), usage=Usage(), cost=Decimal(0))

            send = capped(free, Ledger(Decimal(0), Decimal(0)), lambda _: Decimal(0), journal, stop)
            assert isinstance(await send(call(1)), Reply)
            paid = capped(free, Ledger(Decimal(0), Decimal(0)), lambda _: Decimal(1), journal, stop)
            with pytest.raises(Unanswered):
                await paid(call(2))
            assert isinstance(stop.error, BudgetReached)

    asyncio.run(main())
