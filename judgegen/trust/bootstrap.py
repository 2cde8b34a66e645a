"""Intervals by resampling prompts: rows of one prompt are drawn together, because they are not independent.

A figure is a function of column totals; the totals of all resamples are one matrix product, so a thousand resamples of
five thousand rows take a fraction of a second. Knows nothing of what the columns mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from judgegen.trust.figures import Figure

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Totals = Callable[[str], Floats]
Statistic = Callable[[Totals], Floats]
Kind = Literal["share", "free", "amount"]

_BLOCK = 2_000_000
"""Draws held in memory at once: 16 MB in each of three arrays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A statistic of column totals and how its interval is read from the resamples.

    Attributes:
        of: from a lookup of totals (one number, or one per resample) to the statistic; NaN where undefined.
        kind: "share" is a mean of numbers in 0..1: the resamples give its variance, hence how many independent prompts
            it is worth, and Wilson's interval of so many its ends; percentiles alone miss a share near 0 or 1 far too
            often. "free" takes percentiles, and has no interval where no resample differs. "amount" does too, but may
            be constant (a price).
        evidence: the column whose prompts with a non-zero total carry the statistic.
        noise: for a statistic that noise can only raise (a mean of absolute gaps): from the totals and those of the
            resamples to what the noise alone comes to in each. The low end is the value less its upper quantile; the
            high end the value and what resamples spread above their mean, which noise has raised once more.
    """

    of: Statistic
    kind: Kind
    evidence: str
    noise: Callable[[Totals, Totals], Floats] | None = None


def ratio(top: str, bottom: str) -> Statistic:
    """The total of one column over that of another; NaN where the second is 0."""
    return lambda totals: divide(totals(top), totals(bottom))


def divide(top: Floats, bottom: Floats) -> Floats:
    """Element by element; NaN where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom != 0, np.divide(top, bottom), np.nan)


def figures(
    columns: Mapping[str, Floats],
    measures: Mapping[str, Measure],
    groups: Sequence[str],
    *,
    seed: int,
    resamples: int,
    confidence: float,
) -> dict[str, Figure]:
    """Every measure's value with its interval over resampled groups.

    Args:
        columns: one number per row each.
        measures: what to compute of the columns' totals.
        groups: the prompt of each row.
        seed: of the resampling; the same rows in any order give the same figures.
        resamples: how many.
        confidence: of the intervals, two-sided.
    """
    names = list(columns)
    sums = by_group(np.column_stack([columns[name] for name in names]), coded(groups))
    drawn = _resampled(sums, seed=seed, resamples=resamples)
    at = {name: i for i, name in enumerate(names)}
    total = sums.sum(axis=0)
    found: dict[str, Figure] = {}
    for name, measure in measures.items():
        value = measure.of(lambda column: total[at[column]])
        spread = measure.of(lambda column: drawn[:, at[column]])
        figure = _Spread(
            value=float(value),
            spread=spread[~np.isnan(spread)],
            prompts=int(np.count_nonzero(sums[:, at[measure.evidence]])),
            tail=(1.0 - confidence) / 2,
        )
        noise = measure.noise and measure.noise(lambda column: total[at[column]], lambda column: drawn[:, at[column]])
        found[name] = figure.figure(measure.kind, noise)
    return found


def coded(groups: Sequence[str]) -> Codes:
    """Each group as its place in sorted order: a numpy array of names would be as wide as the longest in every row."""
    places = {name: place for place, name in enumerate(sorted(set(groups)))}
    return np.array([places[name] for name in groups], dtype=np.int64)


def by_group(columns: Floats, groups: Codes) -> Floats:
    """Column sums per group, groups in sorted order: (groups, columns)."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    return np.add.reduceat(columns[order], starts, axis=0)


def _resampled(sums: Floats, *, seed: int, resamples: int) -> Floats:
    """Column totals of resampled groups: (resamples, columns)."""
    rng = np.random.default_rng(seed)
    count = len(sums)
    block = max(1, min(resamples, _BLOCK // count))
    parts: list[Floats] = []
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        parts.append(weights.astype(np.float64) @ sums)
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    """A value beside what it came to in each resample where it was defined."""

    value: float
    spread: Floats
    prompts: int
    tail: float

    def figure(self, kind: Kind, noise: Floats | None) -> Figure:
        """The value with its interval; without one where a single prompt, or none, is behind it."""
        if np.isnan(self.value):
            return Figure()
        if self.prompts < 2 or len(self.spread) == 0:
            return Figure(value=self.value)
        if kind == "share":
            return self._share()
        if kind == "free" and np.ptp(self.spread) < 1e-12:
            return Figure(value=self.value)
        low, high = (float(end) for end in np.quantile(self.spread, [self.tail, 1.0 - self.tail]))
        if noise is not None:
            low = max(0.0, self.value - float(np.nanquantile(noise, 1.0 - self.tail)))
            high = self.value + high - float(np.mean(self.spread))
        return Figure(value=self.value, low=min(low, self.value), high=max(high, self.value))

    def _share(self) -> Figure:
        """Wilson's interval of the number of independent prompts that would vary as much (Wilson 1927)."""
        variance = float(np.var(self.spread))
        n = self.value * (1.0 - self.value) / variance if variance > 1e-15 else float(self.prompts)
        z = NormalDist().inv_cdf(1.0 - self.tail)
        middle = (self.value + z * z / (2 * n)) / (1 + z * z / n)
        reach = z / (1 + z * z / n) * math.sqrt(max(self.value * (1 - self.value), 0.0) / n + z * z / (4 * n * n))
        low, high = max(0.0, middle - reach), min(1.0, middle + reach)
        return Figure(value=self.value, low=min(low, self.value), high=max(high, self.value))
