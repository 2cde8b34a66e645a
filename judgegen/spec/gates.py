"""The run file's [gates]: limits on a run's own figures, which fail it with an exit code of their own. Needs no humans.

Knows the names of the summary's figures; nothing of how they are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from judgegen.errors import GateFailed
from judgegen.spec.tables import Count, Frozen, Share


class Gates(Frozen):
    """Limits on the run's own figures; a run past one exits 6, its outputs written.

    Unless you write otherwise three hold: min_pairs = 1, max_unreadable_rate = 0.5, max_cut_rate = 0.5.
    """

    min_pairs: Count | None = Field(
        default=None, ge=0, description="The fewest pairs; 1 unless written.", examples=[100]
    )
    max_flip_rate: Share | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Of the comparisons decided in both orders, those whose winner changed with the order.",
        examples=[0.3],
    )
    max_unreadable_rate: Share | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Of the verdicts, those that could not be read; 0.5 unless written.",
        examples=[0.05],
    )
    max_cut_rate: Share | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Of the answers, those that max_tokens broke off; 0.5 unless written.",
        examples=[0.1],
    )
    max_tie_rate: Share | None = Field(
        default=None, ge=0, le=1, description="Of the readable verdicts, those that call a tie.", examples=[0.2]
    )
    max_near_tie_share: Share | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Of the comparisons, those whose probability is within 0.05 of one half.",
        examples=[0.4],
    )
    max_longer_chosen: Share | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Of the pairs, those whose chosen answer is the longer one.",
        examples=[0.7],
    )
    max_p_first_skew: Share | None = Field(
        default=None,
        ge=0,
        le=0.5,
        description="How far the share of wins of the answer shown first may lie from one half.",
        examples=[0.1],
    )
    max_shifts: Count | None = Field(
        default=None,
        ge=0,
        description="Of the figures that a calibration saw without people, how many may differ beyond chance.",
        examples=[0],
    )
    max_drifts: Count | None = Field(
        default=None,
        ge=0,
        description="Of the two tests on judge.anchors, how many may raise an alarm.",
        examples=[0],
    )


UNWRITTEN: Mapping[str, float] = {"min_pairs": 1, "max_unreadable_rate": 0.5, "max_cut_rate": 0.5}
"""What holds unless it is written: exit 0 means data. A figure that a run does not define cannot fail these."""


def failed(gates: Gates, summary: Mapping[str, Any]) -> GateFailed | None:
    """The error that names every gate that failed; None where all hold.

    A figure that the run does not define cannot hold a limit: unknown is not zero.
    """
    problems = list(_problems(gates, summary))
    return GateFailed("; ".join(problems)) if problems else None


def _problems(gates: Gates, summary: Mapping[str, Any]) -> Iterator[str]:
    least, unwritten = _limit(gates, "min_pairs")
    if least is not None and summary["pairs"] < least and (summary.get("prompts") or not unwritten):
        yield f"gates.min_pairs = {least:g}{_usual(unwritten)}: there are {summary['pairs']}"
    if gates.max_shifts is not None:
        yield from _shifts(gates.max_shifts, summary.get("shift"))
    if gates.max_drifts is not None:
        yield from _drifts(gates.max_drifts, summary.get("anchors"))
    for name, found in _shares(summary).items():
        limit, unwritten = _limit(gates, f"max_{name}")
        if limit is None:
            continue
        if found is None:
            if not unwritten:
                yield f"gates.max_{name} = {limit:g}: not known, the run has nothing to count it on"
        elif found > limit:
            yield f"gates.max_{name} = {limit:g}{_usual(unwritten)}: it is {found:.3g}"


def _shifts(most: int, found: list[Mapping[str, Any]] | None) -> Iterator[str]:
    if found is None:
        yield f"gates.max_shifts = {most}: not known, without a calibration that saw some, or of so few prompts"
    elif len(found) > most:
        names = ", ".join(one["name"] for one in found)
        yield f"gates.max_shifts = {most}: {len(found)} differ from what the calibration saw ({names})"


def _drifts(most: int, found: Mapping[str, Any] | None) -> Iterator[str]:
    alarms: list[str] | None = None if found is None else found["alarms"]
    if alarms is None:
        yield f"gates.max_drifts = {most}: not known, without judge.anchors that a reference knows"
    elif len(alarms) > most:
        yield f"gates.max_drifts = {most}: the judge moved on its anchors ({', '.join(alarms)})"


def _limit(gates: Gates, name: str) -> tuple[float | None, bool]:
    """A limit, and whether it holds although it is not written."""
    written = getattr(gates, name)
    return (UNWRITTEN.get(name), True) if written is None else (written, False)


def _usual(unwritten: bool) -> str:
    return ", as it is unless written" if unwritten else ""


def _shares(summary: Mapping[str, Any]) -> dict[str, float | None]:
    diagnostics: Mapping[str, float | None] = summary["diagnostics"]
    names = ("flip_rate", "unreadable_rate", "tie_rate", "near_tie_share", "longer_chosen")
    first = diagnostics.get("p_first")
    skew = None if first is None else round(abs(first - 0.5), 6)
    return {**{name: diagnostics.get(name) for name in names}, "cut_rate": _cut(summary), "p_first_skew": skew}


def _cut(summary: Mapping[str, Any]) -> float | None:
    drawn = summary.get("candidates", {"total": 0})
    return drawn["refused"].get("truncated", 0) / drawn["total"] if drawn["total"] else None
