"""How many labels settle it: the pairs at which a promise is probably shown, before anybody labels them.

A promise needs the lower bound of an agreement at its target (see `gate`); how many pairs that takes hangs on how far
above the target the judge truly is. Pure.
"""

from __future__ import annotations

from judgegen.trust.figures import enough, extra, lower_bound

PROBABLY = 0.8
"""How probable it must be that so many pairs show what is true."""
MOST = 100_000
"""Pairs beyond which nobody labels: a judge this near to the target does not settle it."""


def shown(pairs: int, true: float, target: float, *, confidence: float = 0.95) -> float:
    """P(enough of so many independent kept pairs agree that the lower bound reaches the target), at this agreement."""
    least = least_agreed(pairs, target, confidence=confidence)
    return 0.0 if least is None else float(extra("scipy.stats").binom.sf(least - 1, pairs, true))


def least_agreed(pairs: int, target: float, *, confidence: float = 0.95) -> int | None:
    """How many of so many pairs must agree for the bound to reach the target; None where all of them are too few."""
    if pairs < enough(target, confidence=confidence):
        return None
    low, high = int(target * pairs), pairs
    while low < high:
        middle = (low + high) // 2
        if lower_bound(middle, pairs, confidence=confidence) >= target:
            high = middle
        else:
            low = middle + 1
    return low


def needed(true: float, target: float, *, confidence: float = 0.95, power: float = PROBABLY) -> int | None:
    """Kept pairs at which a judge of this true agreement is let in with probability `power`; None for none in reach."""
    if true <= target:
        return None
    high = max(2, enough(target, confidence=confidence))
    while shown(high, true, target, confidence=confidence) < power:
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        if shown(middle, true, target, confidence=confidence) >= power:
            high = middle
        else:
            low = middle
    return high


def plan(target: float, *, confidence: float = 0.95) -> list[tuple[float, int | None]]:
    """(True agreement, kept pairs that probably show the target), for judges from just above it to the surest."""
    above = [target + part * (1 - target) for part in (0.2, 0.35, 0.5, 0.7, 0.9)]
    return [(round(true, 3), needed(true, target, confidence=confidence)) for true in above]
