"""A share with its interval where rows come in groups that share their luck: all comparisons of one prompt, say.

Wilson's score interval on effective counts: n divided by the design effect that the groups show (Korn and Graubard
1998). Pure; knows nothing of what is counted.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

Z = 1.959964
"""Two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share in 0..1 with the ends of its 95 % interval, of `n` rows."""

    value: float
    low: float
    high: float
    n: int


def share(rows: Iterable[tuple[Hashable, float]]) -> Share | None:
    """The mean of values in 0..1, each with its group; None of nothing.

    The variance is that of a ratio of totals over groups (Cochran 1977, 3.13), and the effective count what would give
    it; no more than there are rows. Where the groups show no variance, each counts once.
    """
    sums: dict[Hashable, tuple[float, int]] = {}
    for group, value in rows:
        before, count = sums.get(group, (0.0, 0))
        sums[group] = before + value, count + 1
    n = sum(count for _, count in sums.values())
    if not n:
        return None
    mean = sum(value for value, _ in sums.values()) / n
    spread = sum((value - mean * count) ** 2 for value, count in sums.values()) / n**2
    groups = len(sums)
    variance = spread * groups / (groups - 1) if groups > 1 else 0.0
    effective = min(float(n), mean * (1 - mean) / variance) if variance > 0 else float(groups)
    low, high = wilson(mean, max(1.0, effective))
    return Share(mean, low, high, n)


def wilson(mean: float, n: float) -> tuple[float, float]:
    """Both ends of Wilson's interval for a share of `n`, which need not be whole."""
    centre = (mean + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(max(0.0, mean * (1 - mean) / n + Z**2 / (4 * n**2)))
    return max(0.0, centre - half), min(1.0, centre + half)
