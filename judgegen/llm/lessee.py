"""A holder of leases: the gates and the cap of one shard, fed by beats with the ledger of the whole.

Between beats it uses what it was lent and nothing else. A lease that has lasted its time is worth nothing, and a ledger
that does not answer any more ends the shard. Knows nothing of where the ledger is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

from judgegen.errors import Incomplete, Interrupted
from judgegen.llm.budget import Ledger
from judgegen.llm.leases import Grant, Pulse, Want
from judgegen.llm.lent import Lent
from judgegen.llm.limits import Turnstile
from judgegen.llm.stop import Stop

BEAT_S = 0.5
"""Seconds between beats where nothing is lacking."""
SOONEST_S = 0.2
"""Seconds between beats where something is."""
_AHEAD = 8
"""Requests asked for beyond those that wait."""

Beat = Callable[[Pulse], Awaitable[Grant]]


class Lease:
    """What one process holds for its shard. `beat` asks the ledger; `holder` is its number there."""

    def __init__(self, beat: Beat, holder: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._beat, self._holder, self._clock = beat, holder, clock
        self._lent: dict[str, Lent] = {}
        self._gates: Mapping[str, Turnstile] = {}
        self._ledger: Ledger | None = None
        self._hurry, self._came = asyncio.Event(), asyncio.Event()
        self._needs = Decimal(0)
        self._exhausted = False

    def lent(self, name: str) -> Lent:
        """What there is of an endpoint, for its gate."""
        self._lent[name] = Lent(self._hurry.set, self._clock)
        return self._lent[name]

    def ledger(self, spent: Decimal) -> Ledger:
        """The cap: what is spent, until the ledger lends more."""
        self._ledger = Ledger(spent, spent, self._more)
        return self._ledger

    @asynccontextmanager
    async def kept(self, gates: Mapping[str, Turnstile], stop: Stop) -> AsyncIterator[None]:
        """Beats for the gates for as long as the block runs; the first one is answered when it begins.

        The last one says what it came to when nothing is in flight any more: what was reserved is free for others.
        """
        self._gates = gates
        await self._once(stop)
        beating = asyncio.create_task(self._on(stop))
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            with suppress(Exception):  # who does not hear it takes all that was lent for used
                await self._beat(self._report(ended=True))

    async def _more(self, needs: Decimal) -> bool:
        """Ask for USD that a call has to have free; whether it is worth looking again."""
        self._needs = needs
        self._came.clear()
        self._hurry.set()
        await self._came.wait()
        return not self._exhausted

    async def _on(self, stop: Stop) -> None:
        while True:
            began = self._clock()
            try:
                await asyncio.wait_for(self._hurry.wait(), BEAT_S)
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(max(0.0, SOONEST_S - (self._clock() - began)))
            await self._once(stop)

    async def _once(self, stop: Stop) -> None:
        self._hurry.clear()
        began = self._clock()
        report = self._report()
        try:
            grant = await self._beat(report)
        except Exception as error:  # noqa: BLE001 - whatever became of it, nothing may be sent without it
            stop.request(Incomplete(f"the ledger of the run does not answer ({type(error).__name__}); run again"))
            self._exhausted = True
        else:
            self._granted(grant, began + grant.lasts_s)
            if grant.stop:
                stop.request(Interrupted(grant.stop))
            self._exhausted = grant.exhausted or stop.requested
        self._needs = Decimal(0)
        self._came.set()
        for name, gate in self._gates.items():
            self._lent[name].came.set()
            gate.wake()

    def _report(self, *, ended: bool = False) -> Pulse:
        ledger = self._ledger
        wants = {name: _want(gate, self._lent[name], ended=ended) for name, gate in self._gates.items()}
        if ledger is None:
            return Pulse(holder=self._holder, wants=wants)
        ledger.limit(ledger.cap)
        return Pulse(
            holder=self._holder,
            wants=wants,
            cap=ledger.cap,
            spent=ledger.spent,
            reserved=ledger.reserved,
            needs=Decimal(0) if ended else self._needs,
        )

    def _granted(self, grant: Grant, until: float) -> None:
        for name, part in grant.parts.items():
            if name in self._lent:
                self._lent[name].fill(part, until)
        if self._ledger is not None and grant.cap is not None:
            self._ledger.limit(grant.cap)


def _want(gate: Turnstile, lent: Lent, *, ended: bool) -> Want:
    if ended:
        left, unused = lent.emptied()
        return Want(left=int(left), tokens_left=unused)
    waiting = gate.waiting()
    places = min(gate.flying + len(waiting), gate.width.places)
    soon = waiting[: max(0, places - gate.flying) + lent.used + 1]
    ahead = lent.reserved / lent.used * _AHEAD if lent.used else 0.0
    requests, tokens = lent.emptied()
    return Want(
        holds=max(lent.places, gate.flying),
        places=places,
        requests=len(soon) + lent.used + _AHEAD,
        left=int(requests),
        tokens=sum(soon) + lent.reserved + ahead,
        tokens_left=tokens,
        head=lent.head or (waiting[0] if waiting else 0.0),
    )
