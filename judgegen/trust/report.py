"""A judge's report: every figure of agreement, habit, probability and price with its interval.

Pure arithmetic over judged rows; knows nothing of files, models or how it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.trust import agreement, reliability
from judgegen.trust.bootstrap import figures
from judgegen.trust.figures import Figure, wilson
from judgegen.trust.judged import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Agreement with the human majority over the pairs where both are known.

    Attributes:
        strict: the same of A, B and tie.
        ties_half: half where exactly one of the two is a tie.
        non_tie: over the pairs where neither is a tie.
    """

    strict: Figure
    ties_half: Figure
    non_tie: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One row of the reliability table: mean confidence in the chosen side, and the humans' share for that side."""

    votes: int
    said: float
    agreed: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One point of the risk-coverage curve: pairs whose chosen side has at least this probability.

    Coverage is of the pairs that humans decided; accuracy is of the kept ones; the risk is 1 - accuracy.
    """

    threshold: float
    coverage: Figure
    accuracy: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of a judge. A figure that the rows do not define has no value; it is never 0.

    Attributes:
        n: pairs judged.
        prompts: distinct prompts, the unit of resampling.
        accuracy: against the human majority.
        kappa: Cohen's, over A, B and tie, sides mirrored (see `agreement`).
        ceiling: a human against the majority of the other humans, compare with `accuracy.strict`.
        ceiling_non_tie: the same where neither is a tie, compare with `accuracy.non_tie`.
        position_consistency: pairs judged alike in both orders, ties included; Wilson's interval.
        p_first: verdicts, ties aside, for the side shown first; Wilson's interval.
        tie_rate: of the verdicts that could be read, each order by itself.
        unreadable_rate: of all verdicts, each order by itself.
        coverage: of the pairs that humans decided, those the judge gives a side.
        consistent_accuracy: `accuracy.non_tie` of the order-consistent pairs alone.
        consistent_coverage: their share of the pairs that humans decided and both orders were asked of.
        longer_judge, longer_humans: verdicts, votes for the longer side, ties aside.
        length_excess: the former less the latter.
        brier: mean of (p - vote)² over the votes, a tie being 1/2.
        brier_floor: what it would be, in expectation, of a P that knew how all people vote: the variance of a pair's
            votes, unbiased, of the pairs that have two or more.
        ece: expected calibration error of the chosen side's probability, ten bins of equal mass.
        usd_per_1000, seconds_per_1000: per 1,000 judgments of a pair, over those whose price or time is known.
        reliability: the table behind `ece`.
        risk_coverage: from strict to lax.
    """

    n: int
    prompts: int
    accuracy: Accuracy
    kappa: Figure
    ceiling: Figure
    ceiling_non_tie: Figure
    position_consistency: Figure
    p_first: Figure
    tie_rate: Figure
    unreadable_rate: Figure
    coverage: Figure
    consistent_accuracy: Figure
    consistent_coverage: Figure
    longer_judge: Figure
    longer_humans: Figure
    length_excess: Figure
    brier: Figure
    brier_floor: Figure
    ece: Figure
    usd_per_1000: Figure
    seconds_per_1000: Figure
    reliability: tuple[Bin, ...]
    risk_coverage: tuple[CurvePoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: figures as {value, low, high}, tables as lists of objects."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}


def _plain(value: Any) -> Any:
    if isinstance(value, Figure):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Accuracy | Bin | CurvePoint):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    return value


def report(rows: Sequence[Judged], *, seed: int = 0, resamples: int = 1000, confidence: float = 0.95) -> Report:
    """Every figure of a judge over its rows.

    Args:
        rows: judged pairs, in any order.
        seed: of the bootstrap.
        resamples: of prompts.
        confidence: of every interval, two-sided.

    Raises:
        SpecError: SciPy is not installed.
    """
    if not rows:
        return _report(0, 0, {}, (Figure(), Figure()), (), ())
    known = reliability.Probabilities(rows)
    cuts = reliability.steps(known)
    columns = agreement.columns(rows) | reliability.columns(known, reliability.equal_mass(known), cuts)
    measures = agreement.measures() | reliability.measures(cuts)
    groups = [row.prompt_id for row in rows]
    found = figures(columns, measures, groups, seed=seed, resamples=resamples, confidence=confidence)
    consistent, first = agreement.positions(rows)
    position = wilson(*consistent, confidence=confidence), wilson(*first, confidence=confidence)
    bins = tuple(
        Bin(votes=int(columns[f"bin{i}"].sum()), said=said, agreed=found[f"agree{i}"])
        for i in range(reliability.BINS)
        if (said := found[f"said{i}"].value) is not None
    )
    curve = tuple(
        CurvePoint(threshold=float(cut), coverage=found[f"coverage{i}"], accuracy=found[f"accuracy{i}"])
        for i, cut in enumerate(cuts)
    )
    return _report(len(rows), len(set(groups)), found, position, bins, curve)


def _report(
    n: int,
    prompts: int,
    found: dict[str, Figure],
    position: tuple[Figure, Figure],
    bins: tuple[Bin, ...],
    curve: tuple[CurvePoint, ...],
) -> Report:
    def get(name: str) -> Figure:
        return found.get(name, Figure())

    return Report(
        n=n,
        prompts=prompts,
        accuracy=Accuracy(strict=get("strict"), ties_half=get("ties_half"), non_tie=get("non_tie")),
        kappa=get("kappa"),
        ceiling=get("ceiling"),
        ceiling_non_tie=get("ceiling_non_tie"),
        position_consistency=position[0],
        p_first=position[1],
        tie_rate=get("tie_rate"),
        unreadable_rate=get("unreadable_rate"),
        coverage=get("coverage"),
        consistent_accuracy=get("consistent_accuracy"),
        consistent_coverage=get("consistent_coverage"),
        longer_judge=get("longer_judge"),
        longer_humans=get("longer_humans"),
        length_excess=get("length_excess"),
        brier=get("brier"),
        brier_floor=get("brier_floor"),
        ece=get("ece"),
        usd_per_1000=_thousand(get("usd")),
        seconds_per_1000=_thousand(get("seconds")),
        reliability=bins,
        risk_coverage=curve,
    )


def _thousand(figure: Figure) -> Figure:
    return Figure(
        value=_times(figure.value),
        low=_times(figure.low),
        high=_times(figure.high),
    )


def _times(value: float | None) -> float | None:
    return None if value is None else 1000 * value
