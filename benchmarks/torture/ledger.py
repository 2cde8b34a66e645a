"""Bills that go beyond the worst case, before a cap: nothing passes it once that was told, and nothing hangs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from decimal import Decimal

from judgegen.llm.budget import Ledger

BROKEN = ("above", "hung")


def ledger(trials: int, rng: random.Random) -> Counter[str]:
    """Trials of a bill that is a factor and an extra beyond the worst case; what passed the cap after it was told."""
    found: Counter[str] = Counter(trials=0, above=0, hung=0, overbilled=0)

    async def trial() -> None:
        book = Ledger(Decimal(rng.randint(1, 400)) / 100, Decimal(0))
        factor, extra = Decimal(rng.randint(50, 3000)) / 100, Decimal(rng.choice([0, 0, 13, 70])) / 7000
        width, told = asyncio.Semaphore(rng.choice([1, 2, 16, 256])), False

        async def ask(worst: Decimal) -> None:
            nonlocal told
            async with width:
                if (reservation := await book.reserve(worst)) is None:
                    return
                after, before = told, book.spent
                for _ in range(rng.randint(0, 3)):
                    await asyncio.sleep(0)
                before = book.spent
                told |= book.settle(reservation, worst * factor + extra)
                found["above"] += after and book.spent > max(book.cap, before)

        worsts = [Decimal(rng.randint(1, 100)) / 3 / 10000 for _ in range(60)]
        try:
            await asyncio.wait_for(asyncio.gather(*map(ask, worsts)), 20)
        except TimeoutError:
            found["hung"] += 1
        found["trials"] += 1
        found["overbilled"] += told

    for _ in range(trials):
        asyncio.run(trial())
    return found
