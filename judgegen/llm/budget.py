"""The cap: before a call goes out its worst case is reserved, after it lands the reservation is settled.

Spend plus reservations never exceeds the cap, at any concurrency, retries and re-asks included. What was sent and
never answered stays reserved at its worst: the provider may have billed it. Prices come as a function.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

from judgegen.errors import BudgetReached, ProviderRefused, Unanswered
from judgegen.llm.calls import Call, Outcome, Send
from judgegen.llm.journal import Journal
from judgegen.llm.retry import Rejected, Transient
from judgegen.llm.stop import Stop


class Ledger:
    """USD spent and reserved under one cap; first come, first served.

    `overrun` is the largest ratio of cost to worst case seen so far: an endpoint that does not keep to `max_tokens`
    makes every later reservation as much larger.
    """

    def __init__(self, cap: Decimal, spent: Decimal) -> None:
        self.cap, self.spent, self.reserved = cap, spent, Decimal(0)
        self.overrun = Decimal(1)
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()

    async def reserve(self, worst: Decimal) -> Decimal | None:
        """Set `worst` aside, waiting for others to settle while it does not fit; None when it never will."""
        async with self._turn:
            while self.spent + self.reserved + worst * self.overrun > self.cap:
                if not self.reserved:
                    return None
                self._settled.clear()
                await self._settled.wait()
            aside = worst * self.overrun
            self.reserved += aside
            return aside

    def settle(self, aside: Decimal, cost: Decimal) -> None:
        """The call that had `aside` reserved cost `cost`."""
        self.reserved -= aside
        self.spent += cost
        self.overrun = max(self.overrun, self.overrun * cost / aside)
        self._settled.set()


def capped(send: Send, ledger: Ledger, worst: Callable[[Call], Decimal], journal: Journal, stop: Stop) -> Send:
    """Sends what fits under the cap; ends the run when nothing more does. What costs nothing always fits."""

    async def capped_send(call: Call) -> Outcome:
        most = worst(call)
        if not most:
            return await send(call)
        aside = await ledger.reserve(most)
        if aside is None:
            reached = _reached(ledger, most)
            stop.request(reached)
            raise Unanswered(str(reached))
        return await _paid(call, aside)

    async def _paid(call: Call, aside: Decimal) -> Outcome:
        paid = Decimal(0)
        try:
            stop.check()
            await journal.intend(call, aside)
            paid = aside  # until it is known to be less
            outcome = await send(call)
            paid = aside if outcome.cost is None else outcome.cost
        except (Transient, Rejected, ProviderRefused) as trouble:
            if getattr(trouble, "billed", False) is False:
                paid = Decimal(0)
                await journal.forget(call)
            raise
        finally:
            ledger.settle(aside, paid)
        return outcome

    return capped_send


def _reached(ledger: Ledger, most: Decimal) -> BudgetReached:
    return BudgetReached(
        f"{ledger.spent:f} of {ledger.cap:f} USD are spent and the next call may cost {most * ledger.overrun:f}; "
        f"the same command with a higher cap continues"
    )
