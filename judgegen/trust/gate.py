"""Which pairs to keep: the laxest confidence at which a judge's kept pairs provably agree with humans.

Fixed-sequence testing (Trust or Escalate, arXiv 2407.18370): thresholds are tested from strict to lax, each by Clopper
and Pearson's lower bound, and the first that fails ends it. That there is no threshold is an answer. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judgegen.errors import SpecError
from judgegen.trust.bootstrap import Codes, Floats, by_group, coded
from judgegen.trust.figures import enough, lower_bound
from judgegen.trust.judged import Judged

STARTS = (0.1, 0.3, 0.9)
"""Shares of the pairs at which a sequence begins. One that began with the surest few would end at their first error,
however good the judge; so the level is split among three (Learn then Test, arXiv 2110.01052)."""
STEP = 0.05
"""Share of the pairs that each further test admits at least: tests of nearly the same pairs only add ways to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What the test found.

    Attributes:
        threshold: keep pairs whose chosen side has at least this probability, as the judge said it, before any map;
            None when no threshold meets the target.
        target: the agreement asked for.
        confidence: that kept pairs agree at the target.
        pairs: those that humans and the judge both decided: what was tested on.
        kept, agreed: of those, at the threshold; at the strictest one tested where none passed.
        bound: the lower bound of the agreement there; None where too few pairs were confident alike to test any.
    """

    threshold: float | None
    target: float
    confidence: float
    pairs: int
    kept: int = 0
    agreed: int = 0
    bound: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {name: getattr(self, name) for name in self.__slots__}


def evidence(rows: Sequence[Judged]) -> tuple[Floats, NDArray[np.bool_], list[str]]:
    """(P(chosen side), whether humans chose it too, prompt ids) of the pairs that both humans and the judge decided.

    A pair that most humans call a tie has no right side; it is left out, as it is from `accuracy.non_tie`.
    """
    sides = ("A", "B")
    found = [row for row in rows if row.p is not None and row.label in sides and row.human in sides]
    return (
        np.array([max(row.p, 1 - row.p) for row in found if row.p is not None], dtype=np.float64),
        np.array([row.label == row.human for row in found], dtype=np.bool_),
        [row.prompt_id for row in found],
    )


def threshold(
    p: Floats, correct: NDArray[np.bool_], groups: Sequence[str], target: float, confidence: float = 0.95
) -> float | None:
    """The laxest probability whose kept pairs agree with humans at the target; None when there is none. See `gate`."""
    return gate(p, correct, groups, target, confidence).threshold


def gate(p: Floats, correct: NDArray[np.bool_], groups: Sequence[str], target: float, confidence: float = 0.95) -> Gate:
    """Test thresholds from strict to lax.

    Args:
        p: P(the chosen side) of each pair.
        correct: whether humans chose it too.
        groups: the prompt of each. Pairs of one prompt share its luck; counts are divided by the design effect
            1 + (m - 1)·ICC, m being the size-weighted mean of pairs per prompt (Kish 1965).
        target: agreement wanted, in (0, 1).
        confidence: with which kept pairs agree at the target.

    Raises:
        SpecError: the target or the confidence is not between 0 and 1, or SciPy is not installed.
    """
    for name, value in (("target", target), ("confidence", confidence)):
        if not 0 < value < 1:
            raise SpecError(f"{name} = {value} cannot be met by any sample; it must lie between 0 and 1")
    tests = _Tests(p, correct, groups)
    cuts = _sequence(tests.sure)
    starts, level = _starts([kept for _, kept in cuts], target, confidence)
    found = Gate(threshold=None, target=target, confidence=confidence, pairs=len(tests.sure))
    for start in starts:
        for cut, _ in cuts[start:]:
            n, agreed, bound = tests.at(cut, level)
            if bound >= target and n > (found.kept if found.threshold is not None else 0):
                found = replace(found, threshold=cut, kept=n, agreed=agreed, bound=bound)
            elif bound < target:
                found = found if found.kept else replace(found, kept=n, agreed=agreed, bound=bound)
                break
    return found


class _Tests:
    """The pairs under test, with the design effect of what each threshold keeps."""

    def __init__(self, p: Floats, correct: NDArray[np.bool_], groups: Sequence[str]) -> None:
        self.sure: Floats = np.asarray(np.round(p, 12), dtype=np.float64)
        self.right = np.asarray(correct, dtype=np.bool_)
        self.prompts = coded(groups)
        self.shared = _intraclass(self.right, self.prompts)

    def at(self, cut: float, level: float) -> tuple[int, int, float]:
        """Pairs kept, those of them that agree, and the lower bound of the agreement."""
        kept = self.sure >= cut
        n, agreed = int(kept.sum()), int(self.right[kept].sum())
        effect = _design_effect(self.prompts[kept], self.shared)
        return n, agreed, lower_bound(agreed / effect, n / effect, confidence=level)


def _sequence(sure: Floats) -> list[tuple[float, int]]:
    """Thresholds from strict to lax and what they keep; a choice by results instead of counts would void the level."""
    values, counts = np.unique(sure, return_counts=True)
    found: list[tuple[float, int]] = []
    kept = last = 0
    for i, (value, count) in enumerate(zip(values[::-1], counts[::-1], strict=True)):
        kept += int(count)
        if kept - last >= STEP * len(sure) or i == len(values) - 1:
            found.append((float(value), kept))
            last = kept
    return found


def _starts(kept: Sequence[int], target: float, confidence: float) -> tuple[list[int], float]:
    """Where sequences begin and the level of each: as many of `STARTS` as there are pairs for."""
    for parts in range(len(STARTS), 0, -1):
        level = 1.0 - (1.0 - confidence) / parts
        found = _begin(kept, enough(target, confidence=level))
        if len(found) >= parts:
            return found[:parts], level
    return [], confidence


def _begin(kept: Sequence[int], least: int) -> list[int]:
    """The first threshold at each of the shares, none with fewer pairs than could pass, nor with that few more."""
    found: list[int] = []
    for part in STARTS:
        at = next((i for i, n in enumerate(kept) if n >= max(least, part * kept[-1])), None)
        if at is not None and (not found or kept[at] - kept[found[-1]] >= least):
            found.append(at)
    return found


def _intraclass(right: NDArray[np.bool_], groups: Codes) -> float:
    """The intraclass correlation of being right within a prompt, by analysis of variance, between 0 and 1.

    Where every pair is right nothing tells it: then 1, a prompt counting once.
    """
    if len(right) == 0:
        return 0.0
    sums = by_group(np.column_stack([np.ones(len(right)), right]), groups)
    sizes, hits = sums[:, 0], sums[:, 1]
    n, k = sizes.sum(), len(sizes)
    if n == k or k < 2:
        return float(n > k)
    between = float(np.sum((hits / sizes - hits.sum() / n) ** 2 * sizes)) / (k - 1)
    within = float(np.sum(hits * (1 - hits / sizes))) / (n - k)
    typical = float(n - np.sum(sizes**2) / n) / (k - 1)
    spread = between + (typical - 1) * within
    return min(max((between - within) / spread, 0.0), 1.0) if spread > 0 else 1.0


def _design_effect(groups: Codes, shared: float) -> float:
    sizes = np.unique(groups, return_counts=True)[1]
    return 1.0 + (float(np.sum(sizes**2) / np.sum(sizes)) - 1.0) * shared
