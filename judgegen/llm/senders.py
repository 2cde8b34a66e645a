"""Senders: what stands behind the seam. Each adds one concern to the next and is named for it.

    a run       Once(Retried(limited(timely(Landings(priced(live(providers), price), journal)), gates), …), journal)
    a rewrite   recorded(journal)

Retries stand outside the gate: a request sent again takes its turn like any other, so rate limits and pauses hold for
it too, and waiting for it holds no place. The answer's landing is shielded inside the gate: what was sent is journaled
even while the run is dying, and nothing is sent after. Its place is another call's as soon as the answer is there: it
is kept while that one is asked.

Knows nothing of stages, prompts or files.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from judgegen.errors import Incomplete, JournalError, ProviderRefused, Unanswered
from judgegen.llm.answers import Landing
from judgegen.llm.calls import Call, Outcome, Send, Usage, landed
from judgegen.llm.journal import AlteredError, Journal
from judgegen.llm.limits import Slot, Turnstile
from judgegen.llm.outage import LONGEST_S
from judgegen.llm.retry import (
    LONGEST_ASKED_S,
    MOST_DAILY,
    MOST_LATE,
    MOST_TOLD,
    Rejected,
    Transient,
    come_back,
    wait_s,
)
from judgegen.llm.stop import Stop
from judgegen.llm.tokens import PER_MEDIA, media, without_media
from judgegen.watch import Watch

ROUNDS_LATE = 6
"""Times in a row that fewer are sent at once and still none is answered in time, after which the run ends."""
LONG_S = 10.0
"""Seconds of a pause from which on it is told of."""
PATIENCE = 10
"""After this many calls in a row that failed for good, an endpoint is taken for dead and the run ends."""


_SLOT: ContextVar[Slot] = ContextVar("slot")
"""The turn of the call that this task is sending."""


class Provider(Protocol):
    """Answers calls of one endpoint; raises Transient, Rejected or ProviderRefused."""

    async def __call__(self, call: Call, /) -> Outcome:
        """Send one request."""
        ...

    async def aclose(self) -> None:
        """Let go of connections, servers, processes."""
        ...


def live(providers: Mapping[str, Provider], watch: Watch) -> Send:
    """Sends each call to the provider of its route."""

    async def send(call: Call) -> Outcome:
        watch.sent(call)
        return await providers[call.tag.route](call)

    return send


def priced(send: Send, price: Callable[[Call, Usage], Decimal]) -> Send:
    """Puts its exact cost in USD on every answer."""

    async def priced_send(call: Call) -> Outcome:
        outcome = await send(call)
        return landed(outcome, price(call, outcome.usage), outcome.day)

    return priced_send


class Landings:
    """Journals answers before anybody sees them; remembers what is in flight so that a dying run can wait for it."""

    def __init__(self, send: Send, journal: Journal) -> None:
        self._send, self._journal = send, journal
        self._flying: set[asyncio.Task[Any]] = set()
        self._requests: dict[str, int] = {}

    async def __call__(self, call: Call, /) -> Outcome:
        """Send, land, answer. Cancelling the caller does not cancel the landing."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()
        task = loop.create_task(self._tell(call, answer))
        self._flying.add(task)
        return await answer

    async def _tell(self, call: Call, answer: asyncio.Future[Outcome]) -> None:
        """Land, and tell whoever asked; where the asker is gone by then, what ended that one has said why.

        `asyncio.shield` does the same at twice the cost.
        """
        try:
            outcome = await self._land(call)
        except Exception as error:  # noqa: BLE001 - it is the asker's
            if not answer.done():
                answer.set_exception(error)
        except BaseException:
            answer.cancel()
            raise
        else:
            if not answer.done():
                answer.set_result(outcome)
        finally:
            if (mine := asyncio.current_task()) is not None:
                self._flying.discard(mine)

    async def _land(self, call: Call) -> Outcome:
        self._requests[call.id] = self._requests.get(call.id, 0) + 1
        started = time.perf_counter()
        outcome = await self._send(call)
        if (slot := _SLOT.get(None)) is not None:
            slot.answered()
        seconds = time.perf_counter() - started
        landing = Landing(seconds=seconds, attempts=self._requests.pop(call.id))
        return await self._journal.append(call, outcome, landing)

    async def drain(self) -> None:
        """Wait for everything in flight to land; what fails now is asked again by the next run."""
        while flying := set(self._flying):
            await asyncio.gather(*flying, return_exceptions=True)
            self._flying -= flying  # what is done already Python 3.12 and later do not wait for, nor let callbacks run


def limited(send: Send, gates: Mapping[str, Turnstile], stop: Stop) -> Send:
    """Waits for the endpoint's gate, then sends, unless the run is stopping by then: it is once a landing failed.

    Judges go first: what was sampled becomes a pair before more is sampled.
    """

    async def limited_send(call: Call) -> Outcome:
        gate = gates[call.tag.route]
        tokens = rough_tokens(call) if gate.bucket is not None else 0.0
        async with gate.slot(tokens, first=call.tag.role == "judge") as slot:
            stop.check()
            _SLOT.set(slot)
            try:
                outcome = await send(call)
            except JournalError as error:  # what is answered now cannot be kept
                stop.request(error)
                raise
            except Transient as trouble:
                if trouble.throttled:
                    slot.refused(trouble.retry_after)
                elif trouble.slow:
                    slot.slowed(late=trouble.late)
                raise
            slot.settle(outcome.usage.input + outcome.usage.output)
            return outcome

    return limited_send


def timely(send: Send, stop: Stop) -> Send:
    """Sends within a call's turn, whatever stands between it and `limited`: a cap, a disk, what a first call loads.

    One that was kept beyond its turn takes another, and is not sent where the run is stopping by then.
    """

    async def timely_send(call: Call) -> Outcome:
        await _SLOT.get().fresh()
        stop.check()
        return await send(call)

    return timely_send


def rough_tokens(call: Call) -> float:
    """About what a provider reserves for a call: four characters to a token, and all that may be answered."""
    said = sum(len(str(message.get("content") or "")) for message in without_media(call.said)) / 4
    return said + PER_MEDIA * media(call.messages) + (call.most_tokens or 0) * int(call.params.get("n", 1))


class Patience:
    """Counts calls that failed for good, in a row and by route; at `PATIENCE` it ends the run."""

    def __init__(self, stop: Stop, watch: Watch) -> None:
        self._stop, self._watch = stop, watch
        self._in_a_row: Counter[str] = Counter()
        self._reasons: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def told(self) -> Iterator[str]:
        """By endpoint, how many calls have no answer, and the commonest reasons."""
        for (route, address), reasons in sorted(self._reasons.items()):
            common = "; ".join(f"{why} ({count:,})" for why, count in reasons.most_common(3))
            yield f"endpoint {route!r} ({address}) left {reasons.total():,} calls without an answer: {common}"

    def answered(self, call: Call) -> None:
        """The endpoint lives."""
        self._in_a_row[call.tag.route] = 0

    def lost(self, call: Call, why: str, reason: str) -> Unanswered:
        """One more call without an answer; what to raise for it."""
        route = call.tag.route
        self._watch.lost(call, why)
        self._in_a_row[route] += 1
        self._reasons[route, call.endpoint][why] += 1
        if self._in_a_row[route] >= PATIENCE:
            sentence = f"endpoint {route!r} ({call.endpoint}) answers nothing: {why}; mend it, then run again"
            self._stop.request(Incomplete(sentence))
        return Unanswered(f"{call.tag.role} call to {call.model} at {call.endpoint}: {why}", reason=reason)


@dataclass(slots=True)
class _Tries:
    """How often one call was sent again, by why: what failed, what came too late, what was told to wait."""

    failed: int = 0
    late: int = 0
    told: int = 0

    def another(self, trouble: Transient, most: int) -> bool:
        """Whether the call may be sent again after `trouble`."""
        if trouble.retry_after is not None and most:
            self.told += 1
            return self.told <= MOST_TOLD
        self.failed += 1
        self.late += trouble.late
        return self.failed <= most and self.late <= MOST_LATE


class Retried:
    """Asks again what failed in passing, up to the endpoint's `max_retries`; ends the run on a refusal.

    A server that asks to wait is waited for, if anybody would; one that was there and is gone is looked for.
    """

    def __init__(
        self, send: Send, retries: Mapping[str, int], gates: Mapping[str, Turnstile], stop: Stop, watch: Watch
    ) -> None:
        self._send, self._retries, self._gates, self._stop, self._watch = send, retries, gates, stop, watch
        self.patience = Patience(stop, watch)

    async def __call__(self, call: Call, /) -> Outcome:
        """Answer one call."""
        tries: _Tries | None = None
        while True:
            try:
                outcome = await self._send(call)
            except Transient as trouble:
                tries = tries or _Tries()
                await self._again(call, trouble, tries)
            except Rejected as error:
                raise self.patience.lost(call, str(error), "rejected") from None
            except ProviderRefused as error:
                self._stop.request(error)
                raise Unanswered(str(error), reason="refused") from None
            else:
                break
        self.patience.answered(call)
        if self._gates[call.tag.route].outage.answered():
            self._watch.warned(f"endpoint {call.tag.route!r} ({call.endpoint}) is back")
        return outcome

    async def _again(self, call: Call, trouble: Transient, tries: _Tries) -> None:
        """Return when the call may be sent again."""
        wait = self._away(call, trouble)
        if wait is None:
            self._hopeless(call, trouble)
            if not tries.another(trouble, self._retries[call.tag.route]):
                raise self.patience.lost(call, trouble.why, "failing") from None
            wait = self._told(call, trouble, tries)
        self._watch.retried(call, trouble.why, wait)
        await self._stop.sleep(wait)

    def _away(self, call: Call, trouble: Transient) -> float | None:
        """Seconds until the next look for a server that is gone; None where it is not, or never was there."""
        gate = self._gates[call.tag.route]
        where = f"endpoint {call.tag.route!r} ({call.endpoint})"
        if not trouble.away and not (trouble.unserved and gate.outage.unserved(call.id)):
            return None
        if gate.outage.begins():
            self._watch.warned(f"{where} is gone ({trouble.why}): waiting {LONGEST_S / 60:g} minutes at most for it")
        if gate.outage.over:
            self._stop.request(Incomplete(f"{where} does not come back ({trouble.why}); start it, then run again"))
        if (wait := gate.outage.wait_s()) is not None:
            gate.width.close()
            gate.pause(wait)
        return wait

    def _hopeless(self, call: Call, trouble: Transient) -> None:
        """However few are asked at once, no answer comes in time: each that is sent may be paid for."""
        if trouble.late and self._gates[call.tag.route].width.rounds_late >= ROUNDS_LATE:
            where = f"endpoint {call.tag.route!r} ({call.endpoint})"
            self._stop.request(Incomplete(f"{where} answers nothing in time, however few are sent: {trouble.why}"))

    def _told(self, call: Call, trouble: Transient, tries: _Tries) -> float:
        """Seconds to wait, everybody where the server means everybody."""
        asked, where = trouble.retry_after, f"endpoint {call.tag.route!r} ({call.endpoint})"
        if asked is not None and asked > LONGEST_ASKED_S:
            self._stop.request(Incomplete(f"{where} wants to be asked again {come_back(asked)}: {trouble.why}"))
            raise Unanswered(f"not sent: {trouble.why}")
        if trouble.daily and tries.failed + tries.told >= MOST_DAILY:
            self._stop.request(
                Incomplete(f"{where} gives no more in a day: {trouble.why}; the same command goes on another day")
            )
            raise Unanswered(f"not sent: {trouble.why}")
        wait = wait_s(tries.failed - 1 if tries.failed else 0, asked)
        if trouble.throttled:
            gate = self._gates[call.tag.route]
            if gate.pause(wait) > LONG_S:
                self._watch.warned(f"{where} asks for a pause of {wait:.0f} s: {trouble.why}")
            if (rpm := gate.ration.news()) is not None:
                self._watch.warned(
                    f"{where} gives about {rpm:,.0f} requests a minute, by what it refuses, and is asked for no more; "
                    f"endpoints.{call.tag.route}.rpm keeps to it from the start"
                )
        return wait


class Once:
    """Answers from the journal first; two askers of one call share one request. Counts what came from where."""

    def __init__(self, send: Send, journal: Journal, watch: Watch) -> None:
        self._send, self._journal, self._watch = send, journal, watch
        self._asking: dict[str, asyncio.Event | None] = {}
        self.from_journal = self.fresh = 0

    async def __call__(self, call: Call, /) -> Outcome:
        """Answer one call, paying for it only if nobody has."""
        while call.id in self._asking:
            over = self._asking[call.id] = self._asking[call.id] or asyncio.Event()
            await over.wait()
        known = await self._known(call)
        if known is None:
            known = await self._ask(call)
            self.fresh += 1
            self._watch.landed(call, known, fresh=True)
        else:
            self.from_journal += 1
            self._watch.landed(call, known, fresh=False)
        return known

    async def _known(self, call: Call) -> Outcome | None:
        """What the journal has; an answer that is not as it was written is told of and asked for again."""
        try:
            return self._journal.get(call.id)
        except AlteredError as error:
            self._watch.warned(f"{error}, now")
            await self._journal.put_aside(call.id)
            return None

    async def _ask(self, call: Call) -> Outcome:
        self._asking[call.id] = None
        try:
            return await self._send(call)
        except Unanswered as trouble:
            if trouble.reason == "not-run":  # what is said of it must not depend on when a run was stopped
                raise self._journal.trouble(call.id) from None
            await self._journal.lost(call, trouble)
            raise
        finally:
            if (over := self._asking.pop(call.id)) is not None:
                over.set()


def recorded(journal: Journal) -> Send:
    """Answers from the journal or not at all."""

    async def recorded_send(call: Call) -> Outcome:
        if (outcome := journal.get(call.id)) is None:
            raise journal.trouble(call.id)
        return outcome

    return recorded_send
