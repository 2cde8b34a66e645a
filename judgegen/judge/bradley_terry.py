"""Strengths from an incomplete set of comparisons: Bradley and Terry's model, by Newton's method.

logit P(first beats second) = s_first - s_second + h_judge (Bradley and Terry 1952; the home advantage h as in Davidson
and Beaver 1977). Each candidate has half a win and half a loss against an imaginary one of strength 0, and each judge
half of either between equals: the maximum then exists though somebody is unbeaten, and strengths need no anchor. Wins
may be soft. Pure; loads numpy when first used. Knows nothing of candidates or verdicts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PRIOR = 0.5
_STEPS = 100
_STILL = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bout:
    """One comparison. `share` is the first one's share of the win in 0..1; `judge` counts from 0."""

    first: int
    second: int
    share: float
    judge: int = 0
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """What the bouts say of each candidate.

    Attributes:
        values: log strengths; 0 is a candidate as often beaten as beating.
        errors: their standard errors, from the inverse Hessian.
        home: log odds that each judge gives to the side shown first; empty unless asked for.
        home_errors: their standard errors.
        connected: whether every candidate was compared with every other, if only through others. Where not,
            strengths of different parts are joined by the prior alone.
    """

    values: tuple[float, ...]
    errors: tuple[float, ...]
    home: tuple[float, ...] = ()
    home_errors: tuple[float, ...] = ()
    connected: bool = True

    def p(self, i: int, j: int) -> float:
        """P(candidate i is better than candidate j), in either order."""
        return 0.5 + 0.5 * math.tanh((self.values[i] - self.values[j]) / 2)


def fit(
    candidates: int, bouts: Sequence[Bout], *, home: bool = False, prior: float = PRIOR, centred: bool = False
) -> Strengths:
    """The strengths that make the bouts likeliest.

    Args:
        candidates: how many there are, numbered from 0.
        bouts: in any order.
        home: whether to fit one home advantage per judge: for judges that were asked in one order only.
        prior: wins, and losses, that each candidate and each judge has before any bout.
        centred: errors are of strengths against the mean of all, which a slight prior leaves open.

    Raises:
        ValueError: a bout of a candidate with itself or with one that does not exist, a share beyond 0..1, or a prior
            that is not positive.
    """
    return _fit(candidates, tuple(bouts), home, prior, centred)


@functools.lru_cache(maxsize=4096)  # most prompts have few candidates and verdicts of few kinds
def _fit(candidates: int, bouts: tuple[Bout, ...], home: bool, prior: float, centred: bool) -> Strengths:
    import numpy as np

    _check(candidates, bouts, prior)
    judges = 1 + max((bout.judge for bout in bouts), default=-1) if home else 0
    size = candidates + judges
    design = np.zeros((len(bouts) + size, size))
    for row, bout in enumerate(bouts):
        design[row, bout.first], design[row, bout.second] = 1.0, -1.0
        if home:
            design[row, candidates + bout.judge] = 1.0
    design[len(bouts) :] = np.eye(size)
    share = np.array([bout.share for bout in bouts] + [0.5] * size)
    weight = np.array([bout.weight for bout in bouts] + [2 * prior] * size)
    at, covariance = likeliest(design, share, weight)
    if centred:
        off_mean = np.eye(size) - np.full((size, size), 1.0 / size)
        covariance = off_mean @ covariance @ off_mean
    errors = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    return Strengths(
        values=tuple(float(x) for x in at[:candidates]),
        errors=tuple(float(x) for x in errors[:candidates]),
        home=tuple(float(x) for x in at[candidates:]),
        home_errors=tuple(float(x) for x in errors[candidates:]),
        connected=connected(candidates, bouts),
    )


def likeliest(design: Floats, share: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The maximum of a weighted logistic likelihood and the inverse of its information there.

    Args:
        design: a row for each observation, a column for each coefficient; every coefficient is in some row.
        share: of each observation the share of wins, 0 to 1.
        weight: how often each counts.

    The likelihood is strictly concave; halving a step that does not rise makes Newton's method reach the maximum.
    """
    import numpy as np

    def likelihood(point: Floats) -> float:
        x = design @ point
        return float(np.sum(weight * (share * x - np.logaddexp(0.0, x))))

    at = np.zeros(design.shape[1])
    reached = likelihood(at)
    for _ in range(_STEPS):
        chance = 0.5 + 0.5 * np.tanh(design @ at / 2)
        information = design.T @ (design * (weight * chance * (1 - chance))[:, None])
        step = np.linalg.solve(information, design.T @ (weight * (share - chance)))
        while (rising := likelihood(at + step)) < reached and np.abs(step).max() > _STILL:
            step = step / 2
        at, reached = at + step, rising
        if np.abs(step).max() <= _STILL:
            break
    covariance: Floats = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return at, covariance


def _check(candidates: int, bouts: Sequence[Bout], prior: float) -> None:
    if prior <= 0:
        raise ValueError(f"prior = {prior}: without one, an unbeaten candidate has no strength; give a positive number")
    for bout in bouts:
        if bout.first == bout.second or not (0 <= bout.first < candidates and 0 <= bout.second < candidates):
            raise ValueError(f"{bout}: both must be different candidates from 0 to {candidates - 1}")
        if not 0 <= bout.share <= 1 or bout.weight < 0 or bout.judge < 0:
            raise ValueError(f"{bout}: the share lies in 0..1, weight and judge from 0 up")


def connected(candidates: int, bouts: Sequence[Bout]) -> bool:
    """Whether the bouts join all candidates into one graph."""
    part = list(range(candidates))

    def root(i: int) -> int:
        while part[i] != i:
            i = part[i]
        return i

    for bout in bouts:
        if bout.weight > 0:
            part[root(bout.first)] = root(bout.second)
    return len({root(i) for i in range(candidates)}) <= 1
