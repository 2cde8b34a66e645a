"""Whether comparisons are like those that a calibration saw: what shows without people, beside what it was then.

Each figure is a mean over prompts of what a prompt's comparisons come to, so that many comparisons of few prompts count
as few. Two sets differ where some figure does beyond chance: Welch's test of each, its quantile by Abramowitz and
Stegun (26.7.8), at the level divided by the number of figures, so that sets of one kind are told apart no more often
than the level says. That nothing differs is no proof that a promise holds: what no figure shows can have changed. Pure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from judgegen.trust.judged import Judged, mean_p

LEVEL = 0.05
"""How often sets of one kind are told apart, at most."""
LEAST = 20
"""Prompts of either set below which nothing is tested."""
FIGURES: Mapping[str, str] = {
    "covered": "comparisons as sure as the threshold",
    "sure": "P of the likelier side",
    "flips": "comparisons whose two orders contradict each other",
    "first": "verdicts for the answer shown first",
    "length": "logarithm of an answer's characters",
    "gap": "logarithm of the longer answer's characters over the shorter's",
}
"""What is looked at, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One figure: its mean over so many prompts, and the variance between them."""

    prompts: int
    mean: float
    variance: float

    def to_dict(self) -> dict[str, float]:
        """JSON-able."""
        return {"prompts": self.prompts, "mean": self.mean, "variance": self.variance}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A figure that differs beyond chance, and how likely so large a difference is between sets of one kind."""

    name: str
    then: float
    now: float
    p: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"name": self.name, "then": self.then, "now": self.now, "p": self.p}

    def __str__(self) -> str:
        return f"{FIGURES[self.name]} {self.now:.3g}, were {self.then:.3g}"


@dataclass(slots=True)
class Sight:
    """Add comparisons in any order, then ask what was seen. `threshold` is on P as judges state it."""

    threshold: float | None
    _values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def add(self, row: Judged) -> None:
        """One comparison."""
        mine = self._values[row.prompt_id]
        p = mean_p(row.orders) if row.orders else row.p
        if p is not None:
            sure = max(p, 1 - p)
            mine["sure"].append(sure)
            if self.threshold is not None:
                mine["covered"].append(float(round(sure, 12) >= self.threshold))
        labels = {order.first: order.label for order in row.orders}
        if labels.keys() == {"A", "B"} and None not in labels.values():
            mine["flips"].append(float(labels["A"] == labels["B"] != "tie"))
        mine["first"] += [float(order.label == "first") for order in row.orders if order.label in ("first", "second")]
        if row.len_a is not None and row.len_b is not None:
            a, b = math.log1p(row.len_a), math.log1p(row.len_b)
            mine["length"] += [a, b]
            mine["gap"].append(abs(a - b))

    def seen(self) -> dict[str, Seen]:
        """Every figure that anything was seen of."""
        means: defaultdict[str, list[float]] = defaultdict(list)
        for prompt in sorted(self._values):
            for name, values in self._values[prompt].items():
                if values:
                    means[name].append(math.fsum(values) / len(values))
        return {name: _moments(means[name]) for name in FIGURES if means[name]}


def _moments(values: list[float]) -> Seen:
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values)
    return Seen(prompts=len(values), mean=round(mean, 9), variance=round(spread / max(1, len(values) - 1), 12))


def seen(rows: Iterable[Judged], threshold: float | None) -> dict[str, Seen]:
    """What there was to see of some comparisons."""
    sight = Sight(threshold)
    for row in rows:
        sight.add(row)
    return sight.seen()


def shifts(then: Mapping[str, Seen], now: Mapping[str, Seen], level: float = LEVEL) -> tuple[Shift, ...] | None:
    """The figures that differ beyond chance, the surest first; None where too few prompts tell of any."""
    known = [
        (name, then[name], now[name])
        for name in FIGURES
        if name in then and name in now and min(then[name].prompts, now[name].prompts) >= LEAST
    ]
    if not known:
        return None
    found = [Shift(name=name, then=one.mean, now=other.mean, p=_welch(one, other)) for name, one, other in known]
    return tuple(sorted((one for one in found if one.p < level / len(known)), key=lambda one: (one.p, one.name)))


def _welch(one: Seen, other: Seen) -> float:
    """P of so large a difference of means, two-sided (Welch 1947)."""
    a, b = one.variance / one.prompts, other.variance / other.prompts
    gap = abs(one.mean - other.mean)
    if a + b <= 0:
        return 1.0 if gap < 1e-9 else 0.0
    t = gap / math.sqrt(a + b)
    freedom = (a + b) ** 2 / (a**2 / (one.prompts - 1) + b**2 / (other.prompts - 1))
    z = t * (1 - 1 / (4 * freedom)) / math.sqrt(1 + t * t / (2 * freedom))
    return 2 * (1 - NormalDist().cdf(z))


def from_dict(values: Any) -> dict[str, Seen]:
    """What `Seen.to_dict` wrote, by name.

    Raises:
        ValueError, TypeError, KeyError: it is none of that.
    """
    return {
        str(name): Seen(prompts=int(one["prompts"]), mean=float(one["mean"]), variance=max(0.0, float(one["variance"])))
        for name, one in values.items()
        if name in FIGURES
    }
