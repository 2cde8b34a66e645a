"""The estimate of a run that stops at so many pairs: how many prompts those take, and what they cost.

How many pairs a prompt gives is what the journal's answered prompts gave, or what is usual. Sends nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from judgegen.llm import senders
from judgegen.llm.calls import Send
from judgegen.llm.guess import Bound
from judgegen.llm.journal import Journal
from judgegen.pipeline import Plan, windowed
from judgegen.run.estimate import Countable, Kept, Through, count, usual
from judgegen.run.expected import BOUNDS, Estimate, ExpectedPairs, Portion
from judgegen.run.lots import by_lot
from judgegen.spec import Spec

T = TypeVar("T", bound=Countable)


def enough(
    spec: Spec, plan: Plan, items: Iterable[T], journal: Journal | None, through: Callable[[T, Send], Through]
) -> Estimate:
    """The estimate of what the wanted pairs take of `items`; of all of them where nothing tells how many that is.

    Raises:
        PriceUnknown: a model has no price.
    """
    every, wanted = list(items), spec.pairs.wanted or 0
    kept = Kept() if journal is None else asyncio.run(_answered(every, senders.recorded(journal), through))
    rate = kept.rate(usual(spec))
    if rate is None:
        return replace(count(spec, plan, every, journal, through, pairs=True), wanted=wanted)
    needed = {bound: _needed(wanted, rate[bound], len(every)) for bound in BOUNDS}
    taken = [item for item, _ in zip(by_lot(lambda: every, spec.seed), range(needed["expected"]), strict=False)]
    found = count(spec, plan, taken, journal, through)
    # The fewer pairs a prompt gives, the more prompts are asked about: the dear end is that of the poorest yield.
    times: dict[Bound, float]
    times = {"low": needed["high"] / max(1, len(taken)), "expected": 1.0, "high": needed["low"] / max(1, len(taken))}
    pairs = {bound: min(float(wanted), rate[bound] * len(every)) for bound in BOUNDS}
    paid = sum(row.calls - row.from_journal for row in found.rows) / max(1, sum(row.calls for row in found.rows))
    few = (f"the {len(every):,} prompts are not enough for {wanted:,} pairs",) if pairs["expected"] < wanted else ()
    return replace(
        found,
        wanted=wanted,
        rows=tuple(_times(row, times) for row in found.rows),
        pairs=ExpectedPairs(found=pairs, to_come=pairs["expected"] * paid, basis=kept.basis),
        assumptions=(*found.assumptions, f"pairs: {kept.basis}", *few),
    )


def _needed(wanted: int, rate: float, most: int) -> int:
    """Prompts that so many pairs take."""
    return min(most, math.ceil(wanted / rate)) if rate else most


async def _answered(items: list[T], send: Send, through: Callable[[T, Send], Through]) -> Kept:
    """What those came to that the journal answers whole; of the others nothing is guessed."""
    kept = Kept()
    async for result in windowed(items, through, send, window=8):
        if result.drop != "incomplete":
            kept.add(result)
    return kept


def _times(row: Portion, times: Mapping[Bound, float]) -> Portion:
    """The row with its ends as far apart as the yield's are, too."""

    def tokens(given: Mapping[Bound, int]) -> dict[Bound, int]:
        return {bound: round(given[bound] * times[bound]) for bound in BOUNDS}

    def usd(given: Mapping[Bound, Decimal]) -> dict[Bound, Decimal]:
        return {bound: given[bound] * Decimal(str(times[bound])) for bound in BOUNDS}

    return replace(
        row,
        input=tokens(row.input),
        cached=tokens(row.cached),
        output=tokens(row.output),
        usd=usd(row.usd),
        usd_batch=None if row.usd_batch is None else usd(row.usd_batch),
    )
