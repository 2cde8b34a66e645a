"""The cap: before a call goes out its worst case is reserved, after it lands the reservation is settled.

Spend plus reservations never exceeds the cap, at any concurrency, retries and re-asks included. What was sent and
never answered stays reserved at its worst: the provider may have billed it. A model whose bill has not been seen is
asked for little at once, and what it costs beyond its worst case is reserved for from then on.

Without a cap nothing is reserved, and what may have been billed is remembered all the same. Prices come as a function.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from judgegen.errors import BudgetReached, ProviderRefused, Unanswered
from judgegen.llm.calls import Call, Outcome, Send
from judgegen.llm.journal import Journal
from judgegen.llm.retry import Rejected, Transient
from judgegen.llm.stop import Stop
from judgegen.watch import Watch

_GRAIN = Decimal("1e-12")
"""USD that reservations are rounded up to, so that their sums are exact."""
_MARGIN = Decimal("1.5")
"""Times the largest excess seen, which the next may exceed in its turn."""
_CARE = 64
"""Times its worst case that a call beside others has to leave room for before the first answer of its model."""
Who = Hashable
"""Whose bill it is: an endpoint and a model."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """USD set `aside` for a call that should cost `worst` at most."""

    who: Who
    worst: Decimal
    aside: Decimal


@dataclass(slots=True)
class Excess:
    """How far one model's bill went beyond the worst case, as USD and as a share of it; zero while it never did."""

    usd: Decimal = Decimal(0)
    share: Decimal = Decimal(0)
    answers: int = 0
    out: int = 0

    def room(self, worst: Decimal) -> Decimal:
        """What to set aside for a call whose worst case is `worst`; from what was seen, never from what was aside."""
        return (worst + _MARGIN * max(self.usd, worst * self.share)).quantize(_GRAIN, ROUND_UP)

    def learn(self, worst: Decimal, cost: Decimal) -> bool:
        """Whether `cost` is an excess beyond all before."""
        excess = cost - worst
        before = (self.usd, self.share)
        self.answers += 1
        if excess > 0 and worst:
            self.usd, self.share = max(self.usd, excess), max(self.share, excess / worst)
        return (self.usd, self.share) != before


More = Callable[[Decimal], Awaitable[bool]]
"""Asks for a cap that leaves so many USD free; whether it is worth looking again."""


class Ledger:
    """USD spent and reserved under one cap; first come, first served. `more` is asked where nothing else frees any."""

    def __init__(self, cap: Decimal, spent: Decimal, more: More | None = None) -> None:
        self.cap, self.spent, self.reserved = cap, spent, Decimal(0)
        self._more = more
        self._out = 0  # reservations that are not settled: what is reserved for them says how much, never whether
        self._excess: dict[Who, Excess] = {}
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()

    def room(self, who: Who, worst: Decimal) -> Decimal:
        """USD that a call of `who` has to have free now."""
        return self._excess.setdefault(who, Excess()).room(worst)

    async def reserve(self, worst: Decimal, who: Who = "") -> Reservation | None:
        """Set aside what a call may cost, waiting for others to settle while it does not fit; None if it never will."""
        async with self._turn:
            known = self._excess.setdefault(who, Excess())
            while not self._fits(known, worst):
                if not self._out:
                    if self._more is None or not await self._more(known.room(worst)):
                        return None
                    continue
                self._settled.clear()
                await self._settled.wait()
            reservation = Reservation(who, worst, known.room(worst))
            self.reserved += reservation.aside
            self._out += 1
            known.out += 1
            return reservation

    def limit(self, cap: Decimal) -> None:
        """Another cap; never below what is spent and reserved."""
        self.cap = max(cap, self.spent + self.reserved)
        self._settled.set()

    def _fits(self, known: Excess, worst: Decimal) -> bool:
        """Whether there is room, and, beside other calls, for a bill as much larger as answers are still few."""
        aside = known.room(worst)
        left = self.cap - self.spent - self.reserved
        care = Decimal(_CARE) / (1 + known.answers) if known.out else Decimal(1)
        return aside <= left and (care <= 1 or aside * (known.out + 1) * care <= left)

    def settle(self, reservation: Reservation, cost: Decimal, *, answered: bool = True) -> bool:
        """The call cost `cost`; whether that is more than anything of this kind before, and more than it may."""
        known = self._excess[reservation.who]
        self._out -= 1
        self.reserved -= reservation.aside
        self.spent += cost
        known.out -= 1
        self._settled.set()
        return answered and known.learn(reservation.worst, cost)


def capped(
    send: Send,
    ledger: Ledger,
    worst: Callable[[Call], Decimal],
    journal: Journal,
    stop: Stop,
    watch: Watch | None = None,
) -> Send:
    """Sends what fits under the cap; ends the run when nothing more does. What costs nothing always fits."""

    async def capped_send(call: Call) -> Outcome:
        most = worst(call)
        if not most:
            return await send(call)
        reservation = await ledger.reserve(most, _who(call))
        if reservation is None:
            reached = _reached(ledger, ledger.room(_who(call), most))
            stop.request(reached)
            raise Unanswered(str(reached))
        return await _paid(call, reservation)

    async def _paid(call: Call, reservation: Reservation) -> Outcome:
        paid, answered = Decimal(0), False
        try:
            stop.check()
            await journal.intend(call, reservation.aside)
            paid = reservation.aside  # until it is known to be less
            outcome = await send(call)
            if outcome.cost is not None:
                paid, answered = outcome.cost, True
        except (Transient, Rejected, ProviderRefused, Unanswered) as trouble:
            if isinstance(trouble, Unanswered) or trouble.billed is False:  # the former was not sent
                paid = Decimal(0)
                await journal.forget(call)
            raise
        finally:
            if ledger.settle(reservation, paid, answered=answered) and watch is not None:
                watch.warned(_told(call, reservation.worst, paid))
        return outcome

    return capped_send


def doubted(send: Send, worst: Callable[[Call], Decimal], journal: Journal) -> Send:
    """Remembers what was sent, was never answered, and may have been billed, where no cap does."""

    async def doubted_send(call: Call) -> Outcome:
        try:
            return await send(call)
        except (Transient, Rejected, ProviderRefused) as trouble:
            if trouble.billed is not False and (most := worst(call)):
                await journal.doubt(call, most)
            raise

    return doubted_send


def in_doubt(count: int, usd: Decimal) -> str:
    """So many requests that were never answered, in words; `usd` is the most they cost."""
    return f"{count:,} requests were sent and never answered; they may have been billed, at most ${usd:.6f}"


def _who(call: Call) -> Who:
    return call.tag.route, call.model


def _told(call: Call, worst: Decimal, cost: Decimal) -> str:
    return (
        f"{call.endpoint} bills more for {call.model} than a call can cost by our count: ${cost:.6f} where "
        f"${worst:.6f} is the worst case (more output than max_tokens, or more input than was sent); the cap reckons "
        f"with as much from now on"
    )


def _reached(ledger: Ledger, most: Decimal) -> BudgetReached:
    return BudgetReached(
        f"{_usd(ledger.spent)} of {_usd(ledger.cap)} USD are spent and the next call may cost {_usd(most)}; "
        f"the same command with a higher cap continues",
        continues=2 * ledger.cap,
    )


def _usd(amount: Decimal) -> str:
    """Digits enough to tell one call from another, and no more."""
    return f"{amount.normalize() if amount == amount.quantize(_GRAIN) else amount.quantize(_GRAIN):f}"
