from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import BudgetReached, ProviderRefused, Unanswered
from judgegen.llm import senders
from judgegen.llm.budget import Ledger, capped, doubted, in_doubt
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


@pytest.mark.slow
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


def settled(ledger: Ledger, *costs: tuple[str, str]) -> None:
    """Calls one after the other, each (worst, cost)."""

    async def main() -> None:
        for worst, cost in costs:
            reservation = await ledger.reserve(Decimal(worst))
            assert reservation is not None
            ledger.settle(reservation, Decimal(cost))

    asyncio.run(main())


def test_what_overruns_is_reserved_for_from_then_on() -> None:
    """At least as much beyond the worst case as was seen, as a share and in USD; however often, no more than that."""
    for times in (1, 50):
        ledger = Ledger(Decimal(100000), Decimal(0))
        settled(ledger, *[("10", "20")] * times)
        assert 20 <= ledger.room("", Decimal(10)) <= 30
        assert 200 <= ledger.room("", Decimal(100)) <= 300
        assert 11 <= ledger.room("", Decimal(1)) <= 20
        assert ledger.room("another model", Decimal(10)) == 10


@pytest.mark.parametrize("at_once", [2, 4, 8, 64])
@pytest.mark.parametrize("cost", ["1.05", "0.333333333333333333333", "7", "0.95"])
def test_the_ledger_never_stands_still(at_once: int, cost: str) -> None:
    """Near the cap, whatever residue of decimals: every reservation is given or refused."""

    async def one(ledger: Ledger, worst: Decimal) -> bool:
        reservation = await ledger.reserve(worst)
        if reservation is None:
            return False
        await asyncio.sleep(0)
        ledger.settle(reservation, worst * Decimal(cost))
        return True

    async def main() -> list[bool]:
        ledger, rng = Ledger(Decimal("0.043"), Decimal(0)), random.Random(7)
        width = asyncio.Semaphore(at_once)

        async def ask() -> bool:
            async with width:
                return await one(ledger, Decimal(rng.randint(1, 999)) / 7 / 100000)

        async with asyncio.timeout(20):
            return await asyncio.gather(*(ask() for _ in range(400)))

    given_ = asyncio.run(main())
    assert True in given_
    assert False in given_


class Overbilling:
    """A ledger under calls of one model whose bill is `factor` times their worst case, and `extra` USD more."""

    def __init__(self, cap: Decimal, at_once: int, seed: int, factor: Decimal, extra: Decimal) -> None:
        self.ledger, self.cap = Ledger(cap, Decimal(0)), cap
        self.random, self.factor, self.extra = random.Random(seed), factor, extra
        self.width = asyncio.Semaphore(at_once)
        self.told, self.after = False, Decimal(0)

    async def ask(self, worst: Decimal) -> None:
        """One call; once an overrun has been told, what is spent stays under the cap, or grows no further."""
        async with self.width:
            reservation = await self.ledger.reserve(worst)
            if reservation is None:
                return
            sent_after = self.told
            for _ in range(self.random.randint(0, 3)):
                await asyncio.sleep(0)
            before = self.ledger.spent
            self.told |= self.ledger.settle(reservation, worst * self.factor + self.extra)
            if sent_after:
                self.after = max(self.after, self.ledger.spent)
                assert self.ledger.spent <= max(self.cap, before)

    async def main(self) -> None:
        worsts = [Decimal(self.random.randint(1, 100)) / 3 / 10000 for _ in range(120)]
        async with asyncio.timeout(30):
            await asyncio.gather(*map(self.ask, worsts))


@pytest.mark.slow
@settings(max_examples=100)
@given(
    st.integers(1, 400),
    st.sampled_from([1, 2, 16, 256]),
    st.integers(),
    st.decimals("0.5", "30", places=2),
    st.decimals("0", "0.005", places=4),
)
def test_no_call_sent_after_the_overrun_was_told_passes_the_cap(
    cents: int, at_once: int, seed: int, factor: Decimal, extra: Decimal
) -> None:
    """A server that bills more than agreed is met once; it never costs more than the cap by what is sent later."""
    trial = Overbilling(Decimal(cents) / 100, at_once, seed, factor, extra)
    asyncio.run(trial.main())
    assert trial.after <= trial.cap


def test_an_overrun_is_told_once(tmp_path: Path) -> None:
    """With the address, the model and the figures of the first call that cost more than it could."""
    said: list[str] = []

    class Told(Watch):
        def warned(self, message: str) -> None:
            said.append(message)

    async def dear(_: Call) -> Outcome:
        return Reply(choices=(Choice(text="ok"),), usage=Usage(), cost=Decimal(3))

    async def main() -> None:
        with Journal(tmp_path) as journal:
            send = capped(dear, Ledger(Decimal(100), Decimal(0)), lambda _: Decimal(1), journal, Stop(), Told())
            for number in range(4):
                await send(call(number))

    asyncio.run(main())
    assert len(said) == 1
    assert all(word in said[0] for word in ("here", " m ", "$3.00", "$1.00"))


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


def test_without_a_cap_what_may_have_been_billed_is_remembered_too(tmp_path: Path) -> None:
    """A request that nobody answered counts at its worst, even when the next one is answered; a refusal is free."""
    troubles = [Transient("timed out", billed=None), Transient("503"), ProviderRefused("no"), None]

    async def shaky(_: Call) -> Outcome:
        if trouble := troubles.pop(0):
            raise trouble
        return Reply(choices=(Choice(text="ok"),), usage=Usage(), cost=Decimal(1))

    async def main() -> None:
        with Journal(tmp_path) as journal:
            send = doubted(senders.Landings(shaky, journal), lambda _: Decimal(7), journal)
            for _ in range(3):
                with pytest.raises((Transient, ProviderRefused)):
                    await send(call(1))
            await send(call(1))

    asyncio.run(main())
    with Journal(tmp_path) as journal:
        assert journal.unheard() == (1, Decimal(7))
        assert journal.spent() == Decimal(8)
    assert "1 requests" in in_doubt(1, Decimal(7))
    assert "at most $7.00" in in_doubt(1, Decimal(7))
