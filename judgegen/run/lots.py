"""The order in which prompts are taken where not all are: by lots of the seed, whatever file they stand in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from judgegen.llm.calls import digest
from judgegen.run.estimate import Countable

T = TypeVar("T", bound=Countable)
CHUNK = 5_000
"""Items that are held at once; of all others their lots alone are."""


def lot(seed: int, item: Countable) -> int:
    """Its place among all: the same in every run of this seed that has it."""
    return int(digest([seed, "wanted", item.id], size=8), 16)


def by_lot(items: Callable[[], Iterable[T]], seed: int) -> Iterator[T]:
    """The items by their lots; `items` gives them as often as it is called."""
    lots = sorted(lot(seed, item) for item in items())
    for start in range(0, len(lots), CHUNK):
        some = frozenset(lots[start : start + CHUNK])
        yield from sorted((item for item in items() if lot(seed, item) in some), key=partial(lot, seed))
