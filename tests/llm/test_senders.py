from __future__ import annotations

import asyncio
import gc
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path

import pytest

from judgegen.errors import Incomplete, Interrupted, JournalError, ProviderRefused, Unanswered
from judgegen.llm import senders
from judgegen.llm.budget import Ledger, Reservation, Who, capped
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Send, Tag, Usage, landed
from judgegen.llm.journal import Journal
from judgegen.llm.leases import Quota
from judgegen.llm.lent import Lent
from judgegen.llm.limits import Turnstile
from judgegen.llm.retry import Rejected, Transient
from judgegen.llm.stop import Stop
from judgegen.watch import Watch


def call(number: int = 0) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": str(number)},),
        params={"max_tokens": 5},
        tag=Tag(role="sampler", prompt_id=f"p{number}", route="r"),
    )


class Scene:
    """A live stack over a provider that is a plain function of (call, how often it was asked)."""

    def __init__(
        self, folder: Path, answer: Callable[[Call, int], Outcome], *, retries: int = 3, at_once: int = 8
    ) -> None:
        self.journal, self.stop, self.asked = Journal(folder), Stop(), dict[str, int]()
        self.flying = self.peak = 0
        self.sending = asyncio.Event()
        self._answer = answer
        gates = {"r": Turnstile(concurrency=at_once, rpm=None, tpm=None, stop=self.stop)}
        self.landings = senders.Landings(
            senders.priced(self.provide, lambda _, usage: Decimal(usage.output)), self.journal
        )
        limited = senders.limited(self.landings, gates, self.stop)
        patient = senders.Retried(limited, {"r": retries}, gates, self.stop, Watch())
        self.send = senders.Once(patient, self.journal, Watch())
        self.gate = gates["r"]

    async def provide(self, call: Call) -> Outcome:
        self.asked[call.id] = self.asked.get(call.id, 0) + 1
        self.flying += 1
        self.sending.set()
        self.peak = max(self.peak, self.flying)
        try:
            await asyncio.sleep(0.001)
            return self._answer(call, self.asked[call.id])
        finally:
            self.flying -= 1

    async def end(self) -> None:
        await self.landings.drain()
        await self.gate.aclose()
        self.journal.close()


def good(_: Call, __: int) -> Outcome:
    return Reply(choices=(Choice(text="ok"),), usage=Usage(input=1, output=2))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are a thousandth of what they are."""
    monkeypatch.setattr("judgegen.llm.retry.FIRST_WAIT_S", 0.0005)


def test_an_answer_is_priced_journaled_and_asked_once(tmp_path: Path) -> None:
    """Five askers of one call share one request; asked again it comes from the journal."""

    async def main() -> None:
        scene = Scene(tmp_path, good)
        answers = await asyncio.gather(*(scene.send(call()) for _ in range(5)))
        again = await scene.send(call())
        assert scene.asked == {call().id: 1}
        assert {a.cost for a in [*answers, again]} == {Decimal(2)}
        assert scene.send.from_journal == 5
        await scene.end()

    asyncio.run(main())


def test_passing_trouble_is_asked_again_and_never_journaled(tmp_path: Path) -> None:
    """Two 503s and an answer: three requests, one row, which says it took three."""

    def shaky(_: Call, asked: int) -> Outcome:
        if asked < 3:
            raise Transient("503")
        return good(_, asked)

    async def main() -> None:
        scene = Scene(tmp_path, shaky)
        await scene.send(call())
        assert scene.asked[call().id] == 3
        assert [row["attempts"] for row in scene.journal.timings()] == [3]
        await scene.end()

    asyncio.run(main())


def test_lasting_trouble_leaves_the_call_unanswered(tmp_path: Path) -> None:
    """After its retries a call has no answer: not data, not in the journal, and the run goes on."""

    def dead(_: Call, __: int) -> Outcome:
        raise Transient("503")

    async def main() -> None:
        scene = Scene(tmp_path, dead, retries=2)
        with pytest.raises(Unanswered) as caught:
            await scene.send(call())
        assert caught.value.reason == "failing"
        assert scene.asked[call().id] == 3
        assert scene.journal.count() == 0
        assert not scene.stop.requested
        await scene.end()

    asyncio.run(main())


def test_a_dead_endpoint_ends_the_run(tmp_path: Path) -> None:
    """When nothing is answered any more the run stops instead of trying every prompt."""

    def dead(_: Call, __: int) -> Outcome:
        raise Rejected("400 no")

    async def main() -> None:
        scene = Scene(tmp_path, dead, at_once=1)
        await asyncio.gather(*(scene.send(call(i)) for i in range(100)), return_exceptions=True)
        assert isinstance(scene.stop.error, Incomplete)
        assert len(scene.asked) <= 11
        await scene.end()

    asyncio.run(main())


def test_an_answer_restores_patience(tmp_path: Path) -> None:
    """Nine calls lost, one answered, nine lost: the endpoint lives. The tenth in a row ends the run."""

    def seldom(asked: Call, _: int) -> Outcome:
        if asked.tag.prompt_id != "p9":
            raise Rejected("400 no")
        return good(asked, _)

    async def main() -> None:
        scene = Scene(tmp_path, seldom)
        for number in range(19):
            with suppress(Unanswered):
                await scene.send(call(number))
            assert not scene.stop.requested, number
        with pytest.raises(Unanswered):
            await scene.send(call(19))
        assert isinstance(scene.stop.error, Incomplete)
        await scene.end()

    asyncio.run(main())


def test_a_refusal_ends_the_run_at_once(tmp_path: Path) -> None:
    """After a refused key nothing more is sent; what was in flight lands."""

    def refuse(asked: Call, _: int) -> Outcome:
        if asked.tag.prompt_id == "p3":
            raise ProviderRefused("bad key")
        return good(asked, _)

    async def main() -> None:
        scene = Scene(tmp_path, refuse, at_once=4)
        answers = await asyncio.gather(*(scene.send(call(i)) for i in range(50)), return_exceptions=True)
        assert isinstance(scene.stop.error, ProviderRefused)
        assert sum(scene.asked.values()) < 12
        answered = sum(isinstance(a, Reply) for a in answers)
        assert answered == scene.journal.count() == sum(scene.asked.values()) - 1
        assert all(isinstance(a, Reply | Unanswered) for a in answers)
        await scene.end()

    asyncio.run(main())


def test_what_was_sent_lands_while_the_run_is_dying(tmp_path: Path) -> None:
    """Cancelling the askers cancels nothing that is in flight, and nothing is sent after."""

    async def main() -> None:
        scene = Scene(tmp_path, good, at_once=5)
        asking = [asyncio.create_task(scene.send(call(i))) for i in range(50)]
        await scene.sending.wait()
        sent = dict(scene.asked)
        scene.stop.request(Interrupted("Ctrl-C"))
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await scene.landings.drain()
        assert scene.asked == sent
        assert scene.journal.count() == len(sent) > 0
        await scene.end()

    asyncio.run(main())


@pytest.mark.parametrize(("at_once", "more"), [(1, 0), (3, 0), (8, 2)])
def test_answers_are_kept_while_others_are_asked_and_a_slow_disk_slows_the_sending(
    tmp_path: Path, at_once: int, more: int
) -> None:
    """While nothing can be written a quarter of the places is asked in once more, and then no more is sent."""

    async def main() -> None:
        scene = Scene(tmp_path, good, at_once=at_once)
        with closing(sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asking = [asyncio.create_task(scene.send(call(i))) for i in range(20)]
            for _ in range(50):
                await asyncio.sleep(0.002)
            assert (len(scene.asked), scene.journal.count()) == (at_once + more, 0)
            other.execute("ROLLBACK")
        await asyncio.gather(*asking)
        assert scene.peak <= at_once
        assert scene.journal.count() == 20
        await scene.end()

    asyncio.run(main())


@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_no_more_are_in_flight_than_the_endpoint_allows(tmp_path: Path, at_once: int) -> None:
    """max_concurrency bounds what is in flight, retries included, and is used in full."""

    def shaky(_: Call, asked: int) -> Outcome:
        if asked == 1:
            raise Transient("500")
        return good(_, asked)

    async def main() -> None:
        scene = Scene(tmp_path, shaky, at_once=at_once)
        await asyncio.gather(*(scene.send(call(i)) for i in range(60)))
        assert min(at_once, 8) <= scene.peak <= at_once
        await scene.end()

    asyncio.run(main())


def test_recorded_answers_from_the_journal_or_not_at_all(tmp_path: Path) -> None:
    """A rewrite never sends."""

    async def main() -> None:
        scene = Scene(tmp_path, good)
        await scene.send(call(1))
        replay: Send = senders.recorded(scene.journal)
        assert isinstance(await replay(call(1)), Reply)
        with pytest.raises(Unanswered):
            await replay(call(2))
        await scene.end()

    asyncio.run(main())


def test_an_answer_that_cannot_be_kept_is_the_last_that_is_asked_for(tmp_path: Path) -> None:
    """At the first failed append the run stops with the journal's error: at most what was in flight is lost."""

    async def main() -> None:
        scene = Scene(tmp_path, good, at_once=4)

        async def full(*_: object) -> Outcome:
            raise JournalError("the disk is full")

        scene.journal.append = full  # type: ignore[method-assign,assignment]
        ends = await asyncio.gather(*(scene.send(call(n)) for n in range(40)), return_exceptions=True)
        assert {type(end) for end in ends} == {JournalError, Unanswered}
        assert len(scene.asked) <= 8
        assert isinstance(scene.stop.error, JournalError)
        await scene.end()

    asyncio.run(main())


def test_an_altered_answer_is_told_of_and_asked_for_again(tmp_path: Path) -> None:
    """The journal's word for it reaches the user, and the call is answered as if it had never been."""
    said: list[str] = []

    class Told(Watch):
        def warned(self, message: str) -> None:
            said.append(message)

    async def main() -> None:
        scene = Scene(tmp_path, good)
        await scene.send(call())
        await scene.end()
        with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db, db:
            db.execute("UPDATE calls SET outcome = replace(outcome, 'ok', 'no')")
        scene = Scene(tmp_path, good)
        send = senders.Once(scene.landings, scene.journal, Told())
        answer = await send(call())
        assert isinstance(answer, Reply)
        assert answer.first.text == "ok"
        assert scene.asked == {call().id: 1}
        assert call().id in said[0]
        await scene.end()

    asyncio.run(main())


def test_a_wait_beyond_patience_ends_the_run_with_the_time(tmp_path: Path) -> None:
    """A server that wants to be asked again in half a day is not waited for, and not in silence."""

    def tomorrow(_: Call, __: int) -> Outcome:
        raise Transient("429 used up", retry_after=40000, throttled=True)

    async def main() -> None:
        scene = Scene(tmp_path, tomorrow)
        ends = await asyncio.gather(*(scene.send(call(n)) for n in range(20)), return_exceptions=True)
        assert {type(end) for end in ends} == {Unanswered}
        assert isinstance(scene.stop.error, Incomplete)
        assert "11.1 hours" in str(scene.stop.error)
        assert "429 used up" in str(scene.stop.error)
        assert sum(scene.asked.values()) <= 8
        await scene.end()

    asyncio.run(main())


def test_a_told_wait_costs_no_retry(tmp_path: Path) -> None:
    """As often as the server says when, a call is sent again, though it may be sent but once of its own accord."""

    def told(_: Call, asked: int) -> Outcome:
        if asked < 8:
            raise Transient("429", retry_after=0.001, throttled=True)
        return good(_, asked)

    async def main() -> None:
        scene = Scene(tmp_path, told, retries=1)
        assert isinstance(await scene.send(call()), Reply)
        await scene.end()

    asyncio.run(main())


def test_an_answer_given_up_waiting_for_is_not_bought_for_ever(tmp_path: Path) -> None:
    """Each may be paid for: three times again, however many retries there are."""

    def late(_: Call, __: int) -> Outcome:
        raise Transient("timed out", billed=None, slow=True)

    async def main() -> None:
        scene = Scene(tmp_path, late, retries=100)
        with pytest.raises(Unanswered):
            await scene.send(call())
        assert scene.asked[call().id] == 4
        await scene.end()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("trouble", "retries", "refused"),
    [
        (Transient("no connection", away=True), 0, 30),
        (Transient("502 Bad Gateway", unserved=True), 1, 60),
    ],
    ids=["away", "missed by its gateway"],
)
def test_a_server_that_is_not_there_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Transient, retries: int, refused: int
) -> None:
    """Gone after it answered, or refused by a gateway for many calls and answering none: no call loses its retries."""
    monkeypatch.setattr("judgegen.llm.outage._FIRST_S", 0.01)
    monkeypatch.setattr("judgegen.llm.outage._MOST_S", 0.02)
    monkeypatch.setattr("judgegen.llm.retry.FIRST_WAIT_S", 0.01)
    looks = 0

    def restarts(one: Call, asked: int) -> Outcome:
        nonlocal looks
        if one.id != call().id and looks < refused:
            looks += 1
            raise trouble
        return good(one, asked)

    async def main() -> None:
        scene = Scene(tmp_path, restarts, retries=retries)
        await scene.send(call())
        answers = await asyncio.gather(*(scene.send(call(n)) for n in range(1, 21)))
        assert {type(answer) for answer in answers} == {Reply}
        assert scene.stop.error is None
        await scene.end()

    asyncio.run(main())
    assert looks == refused


def test_what_a_gateway_says_of_one_request_is_no_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that takes the server down, or too long for its gateway, costs its own retries and ends as failing."""
    monkeypatch.setattr("judgegen.llm.retry.FIRST_WAIT_S", 0.001)

    def poisoned(one: Call, asked: int) -> Outcome:
        if one.id == call(1).id:
            raise Transient("504 Gateway Timeout", unserved=True)
        return good(one, asked)

    async def main() -> None:
        scene = Scene(tmp_path, poisoned, retries=9)
        await scene.send(call())
        with pytest.raises(Unanswered, match="504"):
            await scene.send(call(1))
        assert scene.asked[call(1).id] == 10
        assert scene.stop.error is None
        await scene.end()

    asyncio.run(main())


def test_what_is_done_already_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """Draining ends where an answer has landed and nothing else has had its turn since."""

    async def nothing() -> None:
        return

    async def main() -> None:
        scene = Scene(tmp_path, good)
        done = asyncio.create_task(nothing())
        await asyncio.wait({done})
        scene.landings._flying.add(done)  # as if its own callback had had no turn yet
        await asyncio.wait_for(scene.end(), 20)
        assert not scene.landings._flying

    asyncio.run(main())


def test_a_landing_that_fails_when_its_caller_is_gone_is_nobodys_traceback(tmp_path: Path) -> None:
    """A disk that fills while a run ends: what ended the run has said so, and the loop has nothing to complain of."""
    complaints: list[str] = []

    def refused(_: Call, number: int) -> Outcome:
        raise JournalError(f"the disk is full, for the {number}th time")

    async def left() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
        scene = Scene(tmp_path, refused)
        caller = asyncio.create_task(scene.landings(call()))
        await scene.sending.wait()
        caller.cancel()
        with suppress(asyncio.CancelledError):
            await caller
        await asyncio.sleep(0.01)  # it lands by itself, before anybody waits for what is in flight
        await scene.landings.drain()
        del caller
        gc.collect()
        scene.journal.close()

    asyncio.run(left())
    assert complaints == []


@pytest.mark.parametrize("kept_s", [0.0, 5.0])
def test_a_call_that_was_kept_after_its_turn_takes_another(tmp_path: Path, kept_s: float) -> None:
    """Turns that waited for room under the cap do not go together: each call leaves in a turn that is its own then."""

    async def main() -> list[str]:
        now, stop, order = [0.0], Stop(), list[str]()
        both, answered, lacks = asyncio.Barrier(3), asyncio.Event(), asyncio.Event()
        lent = Lent(lacks.set, clock=lambda: now[0])
        lent.fill(Quota(places=2, requests=2, tokens=0), math.inf)
        gate = Turnstile(concurrency=2, rpm=60, tpm=None, stop=stop, lent=lent, clock=lambda: now[0])

        async def answer(call: Call) -> Outcome:
            order.append(f"sent {call.tag.prompt_id}")
            if not answered.is_set():
                await both.wait()
                await answered.wait()
            return landed(good(call, 1), Decimal(6), "2026-11-29")

        class Tight(Ledger):
            """Room for one; says when the second has come for it."""

            async def reserve(self, worst: Decimal, who: Who = "") -> Reservation | None:
                if self.reserved:
                    await both.wait()
                return await super().reserve(worst, who)

        with Journal(tmp_path) as journal:
            tight = Tight(Decimal(15), Decimal(0))
            within = capped(senders.timely(answer, stop), tight, lambda _: Decimal(8), journal, stop)
            send = senders.limited(within, {"r": gate}, stop)
            asked = [asyncio.create_task(send(call(number))) for number in (0, 1)]
            await both.wait()
            now[0] += kept_s
            answered.set()
            if kept_s:
                await asyncio.wait_for(lacks.wait(), 5)
                order.append("lacks")
                lent.fill(Quota(places=2, requests=1, tokens=0), math.inf)
            await asyncio.wait_for(asyncio.gather(*asked), 5)
        await gate.aclose()
        return order

    between = ["lacks"] if kept_s else []
    assert asyncio.run(main()) == ["sent p0", *between, "sent p1"]


def test_what_is_stopped_before_its_second_turn_is_not_taken_for_billed(tmp_path: Path) -> None:
    """It was announced to the journal, and never left."""

    async def main() -> tuple[int, Decimal]:
        now, stop = [0.0], Stop()
        lent = Lent(lambda: stop.request(Interrupted("now")), clock=lambda: now[0])
        lent.fill(Quota(places=9, requests=1, tokens=0), math.inf)
        gate = Turnstile(concurrency=9, rpm=60, tpm=None, stop=stop, lent=lent, clock=lambda: now[0])

        def worst(_: Call) -> Decimal:  # as long as it takes to load what counts
            now[0] += 5
            return Decimal(8)

        with Journal(tmp_path) as journal:
            ledger = Ledger(Decimal(9), Decimal(0))
            within = capped(senders.timely(never, stop), ledger, worst, journal, stop)
            with pytest.raises(Unanswered, match="not sent"):
                await senders.limited(within, {"r": gate}, stop)(call())
            await gate.aclose()
            assert not ledger.spent
            assert not ledger.reserved
            return journal.unheard()

    async def never(call: Call) -> Outcome:
        raise AssertionError(f"{call.id} was sent")

    assert asyncio.run(main()) == (0, Decimal(0))
