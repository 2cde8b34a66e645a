"""Which pairs to keep: the laxest confidence at which a judge's kept pairs provably agree with humans.

Fixed-sequence testing (Trust or Escalate, arXiv 2407.18370): thresholds are tested from strict to lax, each by Clopper
and Pearson's lower bound, and the first that fails ends it. That there is no threshold is an answer. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from judgegen.errors import SpecError
from judgegen.trust.bootstrap import Codes, Floats, by_group, coded
from judgegen.trust.figures import enough, extra, lower_bound
from judgegen.trust.judged import Judged

STARTS = (0.1, 0.3, 0.9)
"""Shares of the pairs at which a sequence begins. One that began with the surest few would end at their first error,
however good the judge; so the level is split among three (Learn then Test, arXiv 2110.01052)."""
STEP = 0.05
"""Share of the pairs that each further test admits at least: tests of nearly the same pairs only add ways to stop."""


Over = Literal["majority", "all"]
"""Whose pairs a promise counts: those on which people have a majority for a side; or all that the judge gives a side,
one without such a majority counting as not agreed."""


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
        over: which pairs those are.
        every, every_agreed: all pairs at that threshold that people voted on, and those of them whose majority agrees:
            what a run keeps is these, not only those that people decide. None where it was not counted.
        votes, votes_agreed: the votes on them, and those for the chosen side, ties half.
    """

    threshold: float | None
    target: float
    confidence: float
    pairs: int
    kept: int = 0
    agreed: int = 0
    bound: float | None = None
    over: Over = "majority"
    every: int | None = None
    every_agreed: int | None = None
    votes: int | None = None
    votes_agreed: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {name: getattr(self, name) for name in self.__slots__}


def evidence(rows: Sequence[Judged], over: Over = "majority") -> tuple[Floats, NDArray[np.bool_], list[str]]:
    """(P(chosen side), whether humans chose it too, prompt ids) of the pairs that the judge gives a side.

    Over "majority" of those that most humans give one: one that they call a tie has no right side, and is left out as
    it is from `accuracy.non_tie`. Over "all" of every pair with a vote; without a majority for the chosen it is wrong.
    """
    sides = ("A", "B")
    found = [row for row in rows if row.p is not None and row.label in sides and row.votes]
    found = found if over == "all" else [row for row in found if row.human in sides]
    return (
        np.array([max(row.p, 1 - row.p) for row in found if row.p is not None], dtype=np.float64),
        np.array([row.label == row.human for row in found], dtype=np.bool_),
        [row.prompt_id for row in found],
    )


def promised(rows: Sequence[Judged], target: float, confidence: float = 0.95, over: Over = "majority") -> Gate:
    """The gate over judged rows, with what its threshold keeps counted both ways, and in votes.

    Raises:
        SpecError: as `gate`; or `over` is no way to count.
    """
    if over not in get_args(Over):
        raise SpecError(f"over = {over!r}: a promise counts the pairs of {' or of '.join(get_args(Over))}")
    found = replace(gate(*evidence(rows, over), target, confidence), over=over)
    cut = found.threshold or 0.5
    sides = [row for row in rows if row.label in ("A", "B") and row.votes and row.p is not None]
    kept = [row for row in sides if round(max(row.p or 0.0, 1 - (row.p or 0.0)), 12) >= cut]
    votes = [0.5 if vote == "tie" else float(vote == row.label) for row in kept for vote in row.votes]
    return replace(
        found,
        every=len(kept),
        every_agreed=sum(row.label == row.human for row in kept),
        votes=len(votes),
        votes_agreed=float(sum(votes)),
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
        prompts = self.prompts[kept]
        few = _few(n, len(np.unique(prompts)), level)
        # No pair counts for less than where a prompt's pairs are of one fate: prompts are then counted exactly.
        effect = min(few * _design_effect(prompts, self.shared), _design_effect(prompts, 1.0))
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


def _few(pairs: int, prompts: int, level: float) -> float:
    """By how much many pairs of few prompts count for less: prompts are what varies, and few of them tell it badly.

    The squared ratio of Student's quantiles at their degrees of freedom (Korn and Graubard 1998); 1 where every pair
    has a prompt of its own.
    """
    if prompts < 2 or pairs == prompts:
        return 1.0 if pairs == prompts else math.inf
    of_prompts, of_pairs = (float(extra("scipy.stats").t.ppf(level, n - 1)) for n in (prompts, pairs))
    return (of_prompts / of_pairs) ** 2
