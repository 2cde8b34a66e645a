"""What the shards of a run share while they run: the ledger of its limits, and what they have to say.

One object, wherever an engine keeps it; whoever holds a `Link` reaches it. Knows nothing of engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from judgegen.llm.leases import Allowed, Grant, Leases, Pulse
from judgegen.show.tally import Counts

Said = tuple[Literal["say", "warn"], str]
"""A sentence of a shard's, and whether it is a warning."""
MOST_SAID = 1000
"""Sentences that wait to be told; more than these are dropped."""


class HubLostError(Exception):
    """The hub cannot be reached: its process is gone, or the engine is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """What a hub begins with: limits by endpoint, the cap of all, what each shard has spent; see `Leases`."""

    limits: Mapping[str, Allowed]
    usd: Decimal | None
    spent: Mapping[int, Decimal]
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class News:
    """What there is to show: by shard what it has counted, which shards have begun, what was said since."""

    counts: Mapping[int, Counts]
    begun: frozenset[int]
    said: Sequence[tuple[int, Said]] = field(default_factory=list)


class Hub:
    """The ledger, and the latest word of every shard."""

    def __init__(self, terms: Charter) -> None:
        self._leases = Leases(terms.limits, terms.usd, terms.spent, quiet_s=terms.quiet_s)
        self._counts: dict[int, Counts] = {}
        self._begun: set[int] = set()
        self._said: list[tuple[int, Said]] = []

    def begin(self, shard: int) -> int:
        """A process takes up a shard: its number as a holder of leases."""
        self._begun.add(shard)
        return self._leases.begin(shard)

    def beat(self, report: Pulse) -> Grant:
        """What the holder may use from now on."""
        return self._leases.beat(report)

    def tell(self, shard: int, counts: Counts, said: Sequence[Said]) -> None:
        """What a shard has counted by now, and has to say."""
        self._counts[shard] = counts
        self._said += [(shard, one) for one in said][: max(0, MOST_SAID - len(self._said))]

    def lost(self, shard: int) -> None:
        """The process that had it is gone."""
        self._leases.lost(shard)

    def done(self, shard: int) -> None:
        """It has ended, and nothing of it is in flight."""
        self._leases.done(shard)

    def stop(self, why: str) -> None:
        """Every shard is to end."""
        self._leases.stop(why)

    def news(self) -> News:
        """What was said is told once."""
        said, self._said = self._said, []
        return News(dict(self._counts), frozenset(self._begun), said)


class Link(Protocol):
    """A way to the hub, from wherever one is; every method of it raises HubLostError where there is none."""

    async def begin(self, shard: int) -> int:
        """As the hub's."""
        ...

    async def beat(self, report: Pulse) -> Grant:
        """As the hub's."""
        ...

    async def tell(self, shard: int, counts: Counts, said: Sequence[Said]) -> None:
        """As the hub's."""
        ...

    async def lost(self, shard: int) -> None:
        """As the hub's."""
        ...

    async def done(self, shard: int) -> None:
        """As the hub's."""
        ...

    async def stop(self, why: str) -> None:
        """As the hub's."""
        ...

    async def news(self) -> News:
        """As the hub's."""
        ...
