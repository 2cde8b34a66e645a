"""Senders: what stands behind the seam. Each adds one concern to the next and is named for it.

    a run       Once(retried(limited(Landings(priced(live(providers), price), journal), gates), …), journal)
    a rewrite   recorded(journal)

Retries stand outside the gate: a request sent again takes its turn like any other, so rate limits and pauses hold for
it too, and waiting for it holds no place. The answer's landing is shielded inside the gate: what was sent is journaled
even while the run is dying, and nothing is sent after.

Knows nothing of stages, prompts or files.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from judgegen.errors import Incomplete, JournalError, ProviderRefused, Unanswered
from judgegen.llm.calls import Call, Outcome, Send, Usage
from judgegen.llm.journal import AlteredError, Journal, Landing
from judgegen.llm.limits import Gate
from judgegen.llm.retry import Rejected, Transient, wait_s
from judgegen.llm.stop import Stop
from judgegen.watch import Watch

PATIENCE = 10
"""After this many calls in a row that failed for good, an endpoint is taken for dead and the run ends."""


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
        return replace(outcome, cost=price(call, outcome.usage))

    return priced_send


class Landings:
    """Journals answers before anybody sees them; remembers what is in flight so that a dying run can wait for it."""

    def __init__(self, send: Send, journal: Journal) -> None:
        self._send, self._journal = send, journal
        self._flying: set[asyncio.Task[Outcome]] = set()
        self._requests: Counter[str] = Counter()

    async def __call__(self, call: Call, /) -> Outcome:
        """Send, land, answer. Cancelling the caller does not cancel the landing."""
        task = asyncio.create_task(self._land(call))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)
        return await asyncio.shield(task)

    async def _land(self, call: Call) -> Outcome:
        self._requests[call.id] += 1
        started = time.perf_counter()
        outcome = await self._send(call)
        seconds = time.perf_counter() - started
        landing = Landing(seconds=seconds, attempts=self._requests.pop(call.id))
        return await self._journal.append(call, outcome, landing)

    async def drain(self) -> None:
        """Wait for everything in flight to land; what fails now is asked again by the next run."""
        while self._flying:
            await asyncio.gather(*self._flying, return_exceptions=True)


def limited(send: Send, gates: Mapping[str, Gate], stop: Stop) -> Send:
    """Waits for the endpoint's gate, then sends, unless the run is stopping by then: it is once a landing failed."""

    async def limited_send(call: Call) -> Outcome:
        gate = gates[call.tag.route]
        async with gate.slot(rough_tokens(call) if gate.bucket is not None else 0.0) as slot:
            stop.check()
            try:
                outcome = await send(call)
            except JournalError as error:  # what is answered now cannot be kept
                stop.request(error)
                raise
            slot.settle(outcome.usage.input + outcome.usage.output)
            return outcome

    return limited_send


def rough_tokens(call: Call) -> float:
    """About what a provider reserves for a call: four characters to a token, and all that may be answered."""
    asked = sum(len(str(message.get("content") or "")) for message in call.messages) / 4
    return asked + (call.most_tokens or 0) * int(call.params.get("n", 1))


class Patience:
    """Counts calls that failed for good, in a row and by route; at `PATIENCE` it ends the run."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._in_a_row: Counter[str] = Counter()

    def answered(self, call: Call) -> None:
        """The endpoint lives."""
        self._in_a_row[call.tag.route] = 0

    def lost(self, call: Call, why: str, reason: str) -> Unanswered:
        """One more call without an answer; what to raise for it."""
        route = call.tag.route
        self._in_a_row[route] += 1
        if self._in_a_row[route] >= PATIENCE:
            sentence = f"endpoint {route!r} ({call.endpoint}) answers nothing: {why}; mend it, then run again"
            self._stop.request(Incomplete(sentence))
        return Unanswered(f"{call.tag.role} call to {call.model}: {why}", reason=reason)


def retried(send: Send, retries: Mapping[str, int], gates: Mapping[str, Gate], stop: Stop, watch: Watch) -> Send:
    """Asks again what failed in passing, up to the endpoint's `max_retries`; ends the run on a refusal."""
    patience = Patience(stop)

    async def hold(call: Call, attempt: int, trouble: Transient) -> None:
        wait = wait_s(attempt, trouble.retry_after)
        if trouble.throttled:
            gates[call.tag.route].pause(wait)
        watch.retried(call, trouble.why, wait)
        await stop.sleep(wait)

    async def retried_send(call: Call) -> Outcome:
        for attempt in itertools.count():
            try:
                outcome = await send(call)
            except Transient as trouble:
                if attempt >= retries[call.tag.route]:
                    raise patience.lost(call, trouble.why, "failing") from None
                await hold(call, attempt, trouble)
            except Rejected as error:
                raise patience.lost(call, str(error), "rejected") from None
            except ProviderRefused as error:
                stop.request(error)
                raise Unanswered(str(error), reason="refused") from None
            else:
                break
        patience.answered(call)
        return outcome

    return retried_send


class Once:
    """Answers from the journal first; two askers of one call share one request. Counts what the journal gave."""

    def __init__(self, send: Send, journal: Journal, watch: Watch) -> None:
        self._send, self._journal, self._watch = send, journal, watch
        self._asking: dict[str, asyncio.Event] = {}
        self.from_journal = 0

    async def __call__(self, call: Call, /) -> Outcome:
        """Answer one call, paying for it only if nobody has."""
        while call.id in self._asking:
            await self._asking[call.id].wait()
        known = await self._known(call)
        if known is None:
            known = await self._ask(call)
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
        self._asking[call.id] = asyncio.Event()
        try:
            return await self._send(call)
        finally:
            self._asking.pop(call.id).set()


def recorded(journal: Journal) -> Send:
    """Answers from the journal or not at all."""

    async def recorded_send(call: Call) -> Outcome:
        if (outcome := journal.get(call.id)) is None:
            raise Unanswered(f"{call.tag.role} call {call.id} is not in the journal")
        return outcome

    return recorded_send
