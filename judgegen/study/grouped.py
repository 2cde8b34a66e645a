"""Where a judge and people part, by what the comparisons have in common: a judge's fault, or a labelling policy's.

Of a policy (people who always take the longer answer, who prefer refusals, who label one category by other rules) the
disagreements stand together. Pure; knows nothing of models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.sources.labelled import Labelled
from judgegen.trust import Judged
from judgegen.trust.figures import Figure, wilson

LONGER = 1.5
"""From so many times the other's characters an answer is the longer one."""
SURE = 0.9
"""P from which a judge is sure of a side."""
VALUES = 12
"""A column of more values than these names no groups."""
FEW = 5
"""A group of fewer comparisons is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Comparisons that have something in common: how many, and how often the judge and people part there."""

    name: str
    comparisons: int
    apart: int
    rate: Figure

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "group": self.name,
            "comparisons": self.comparisons,
            "apart": self.apart,
            "rate": self.rate.to_dict(),
        }


def grouped(rows: Sequence[Labelled], judged: Mapping[str, Judged]) -> tuple[Group, ...]:
    """Every group of `FEW` or more comparisons on which people have a majority, the worst first, all of them before.

    Apart are the two where the judge has another label, or none. What all of them have in common is no group.
    """
    said: defaultdict[str, list[bool]] = defaultdict(list)
    columns = _columns(rows)
    for row in rows:
        found = judged.get(row.id)
        if found is None or found.human is None:
            continue
        for name in ("all", *_shared(row, found), *(f"{c} = {row.metadata.get(c)}" for c in columns)):
            said[name].append(found.label != found.human)
    whole = len(said["all"])
    groups = [_group(name, apart) for name, apart in said.items() if name == "all" or FEW <= len(apart) < whole]
    return tuple(sorted(groups, key=lambda one: (one.name != "all", -one.apart / max(1, one.comparisons), one.name)))


def _group(name: str, apart: Sequence[bool]) -> Group:
    return Group(name=name, comparisons=len(apart), apart=sum(apart), rate=wilson(sum(apart), len(apart)))


def _shared(row: Labelled, found: Judged) -> Iterator[str]:
    """What can be said of one comparison without a model."""
    length = {"A": len(row.response_a), "B": len(row.response_b)}
    if found.human == "tie":
        yield "people call it a tie"
    else:
        won, lost = (length[found.human or "A"], length["B" if found.human == "A" else "A"])
        alike = max(won, lost) < LONGER * max(1, min(won, lost))
        yield "people prefer " + ("one of like length" if alike else "the longer" if won > lost else "the shorter")
    yield "people are of one mind" if len(set(row.votes)) == 1 else "people are divided"
    if found.consistent is False:
        yield "the judge contradicts itself"
    elif found.p is not None and max(found.p, 1 - found.p) >= SURE:
        yield "the judge is sure"


def _columns(rows: Sequence[Labelled]) -> list[str]:
    """The columns that name groups: of few values, each a word, and more than one."""
    seen: defaultdict[str, set[Any]] = defaultdict(set)
    for row in rows:
        for name, value in row.metadata.items():
            seen[name].add(value if isinstance(value, str | bool | int) and len(str(value)) <= 40 else None)
    return sorted(name for name, values in seen.items() if None not in values and 1 < len(values) <= VALUES)
