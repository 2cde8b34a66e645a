"""Two judges of the same comparisons beside each other: agreement, kappa, which of them moved, ranks, what is gained.

The first's label takes the place of a vote in the figures of this room, so that two runs and two judges are compared by
one computation. Pure; knows nothing of files or of who judged.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from judgegen.trust.bootstrap import Measure, divide, figures, ratio
from judgegen.trust.figures import Figure, extra
from judgegen.trust.judged import Judged
from judgegen.trust.report import report

Scores = Mapping[tuple[str, str], float]
"""By a prompt's id and an answer's text its score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """What two judges come to beside each other.

    Attributes:
        judged: comparisons that both read.
        agreement, kappa: of their labels, ties a label of their own.
        opposed: the places of those on which they prefer different sides, those they are surest of first.
    """

    judged: int
    agreement: Figure
    kappa: Figure
    opposed: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "judged_by_both": self.judged,
            "agreement": self.agreement.to_dict(),
            "kappa": self.kappa.to_dict(),
            "opposed": len(self.opposed),
        }


def between(one: Sequence[Judged], other: Sequence[Judged], *, resamples: int = 1000) -> Between:
    """The rows of two judges, each place the same comparison; the order in which they are named changes nothing.

    Raises:
        SpecError: SciPy is not installed.
    """
    both = [(i, a, b) for i, (a, b) in enumerate(zip(one, other, strict=True)) if a.label and b.label]
    rows = [replace(b, votes=(a.label,)) for _, a, b in both if a.label is not None]
    found = report(rows, resamples=resamples) if rows else None
    opposed = [(-abs((a.p or 0.0) - (b.p or 0.0)), i) for i, a, b in both if {a.label, b.label} == {"A", "B"}]
    return Between(
        judged=len(rows),
        agreement=Figure() if found is None else found.accuracy.strict,
        kappa=Figure() if found is None else found.kappa,
        opposed=tuple(i for _, i in sorted(opposed)),
    )


def ranks(one: Scores, other: Scores, *, resamples: int = 1000) -> Figure:
    """Kendall's tau-b of two judges' scores within a prompt, the mean over prompts in which both tell answers apart.

    Of all answers together it would tell easy prompts from hard ones, which chooses no pair.

    Raises:
        SciPy's absence, as `trust.figures.extra` says it.
    """
    return mean_tau(within(one, other), resamples=resamples)


def within(one: Scores, other: Scores) -> dict[str, float]:
    """By prompt Kendall's tau-b of the answers that both score, where both tell some of them apart.

    Raises:
        SpecError: SciPy is not installed.
    """
    shared: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for key in sorted(one.keys() & other.keys()):
        if math.isfinite(one[key]) and math.isfinite(other[key]):
            shared[key[0]].append((one[key], other[key]))
    tau = extra("scipy.stats").kendalltau
    found = {prompt: float(tau(*zip(*both, strict=True)).statistic) for prompt, both in shared.items() if len(both) > 1}
    return {prompt: value for prompt, value in found.items() if not np.isnan(value)}


def mean_tau(by_prompt: Mapping[str, float], *, resamples: int = 1000) -> Figure:
    """The mean over prompts with its interval, prompts resampled; undefined where there are none."""
    if not by_prompt:
        return Figure()
    columns = {"tau": np.array(list(by_prompt.values())), "prompts": np.ones(len(by_prompt))}
    measure = Measure(of=ratio("tau", "prompts"), kind="free", evidence="prompts")
    return figures(columns, {"tau": measure}, list(by_prompt), seed=0, resamples=resamples, confidence=0.95)["tau"]


def price(rows: Sequence[Judged], *, resamples: int = 1000) -> Figure:
    """USD per 1,000 pairs that the judge would keep and people call right; no value where a price is not known.

    Kept is what it gives a side without contradicting itself; everything it was asked is paid for.
    """
    if not rows or any(row.cost_usd is None for row in rows):
        return Figure()
    right = [row.label in ("A", "B") and row.consistent is not False and row.label == row.human for row in rows]
    columns = {"usd": np.array([row.cost_usd or 0.0 for row in rows]), "right": np.array(right, dtype=np.float64)}
    measure = Measure(of=lambda t: 1000 * divide(t("usd"), t("right")), kind="amount", evidence="right")
    groups = [row.prompt_id for row in rows]
    return figures(columns, {"usd": measure}, groups, seed=0, resamples=resamples, confidence=0.95)["usd"]


def gained(before: Sequence[Judged], after: Sequence[Judged], *, resamples: int = 1000) -> Figure:
    """How much more often the second agrees with people than the first, with the interval of the difference.

    Each place is the same comparison. Of those on which people have a majority for a side: a tie is half, and what
    cannot be read is nothing. Where no prompt differs there is nothing to resample, and no interval.

    Raises:
        SpecError: SciPy is not installed.
    """
    both = [(a, b) for a, b in zip(before, after, strict=True) if a.human in ("A", "B")]
    if not both:
        return Figure()
    gain = np.array([_right(b) - _right(a) for a, b in both])
    columns = {"gain": gain, "pairs": np.ones(len(both))}
    measure = Measure(of=ratio("gain", "pairs"), kind="free", evidence="pairs")
    groups = [a.prompt_id for a, _ in both]
    return figures(columns, {"gain": measure}, groups, seed=0, resamples=resamples, confidence=0.95)["gain"]


def _right(row: Judged) -> float:
    return 0.5 if row.label == "tie" else float(row.label is not None and row.label == row.human)


def couples(number: int) -> list[tuple[int, int]]:
    """Every two of so many."""
    return list(itertools.combinations(range(number), 2))
