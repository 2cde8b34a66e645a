"""A judge's report as plain words: its figures by name, its tables as rows of text. The same on a terminal and a page.

Knows nothing of terminals or HTML.
"""

from __future__ import annotations

from collections.abc import Iterator

from judgegen.trust.figures import Figure
from judgegen.trust.rated import Ranks
from judgegen.trust.report import Report

FIGURES = ("figure", "value", "95 % interval", "what it is")
MEANINGS = {
    "accuracy.strict": "the same of A, B and tie as most humans said",
    "accuracy.ties_half": "with half for a tie on one side",
    "accuracy.non_tie": "where neither calls a tie",
    "ceiling": "one human against most of the others: compare with accuracy.strict",
    "ceiling_non_tie": "the same where neither calls a tie",
    "kappa": "agreement beyond chance (Cohen)",
    "consistent_accuracy": "accuracy.non_tie of the pairs judged alike in both orders",
    "consistent_coverage": "share of the pairs judged alike in both orders, ties aside",
    "coverage": "pairs that get a side, of those humans decided",
    "position_consistency": "pairs judged alike in both orders",
    "p_first": "verdicts for the answer shown first: .5 is no habit",
    "tie_rate": "verdicts that are a tie",
    "unreadable_rate": "verdicts that could not be read",
    "longer_judge": "verdicts for the longer answer",
    "longer_humans": "human votes for the longer answer",
    "length_excess": "the former less the latter: 0 is no habit",
    "brier": "mean (p - vote)²: always saying 1/2 scores .25, less where votes tie",
    "brier_floor": "what people leave of it among themselves, of pairs with two votes or more: no P can expect less",
    "ece": "how far P(the chosen side) is from the humans' share for it",
    "usd_per_1000": "USD per 1,000 comparisons",
    "seconds_per_1000": "seconds of calls per 1,000 comparisons",
}
RELIABILITY = ("the judge's P(chosen)", "humans agree", "votes")
RISK = ("keep P(chosen) from", "of the pairs", "right")


def flat(found: Report) -> dict[str, Figure]:
    """Every figure by name, those of accuracy as "accuracy.strict" and so on, in the order in which they are read."""
    accuracy = {f"accuracy.{name}": getattr(found.accuracy, name) for name in found.accuracy.__slots__}
    return {name: accuracy[name] if name in accuracy else getattr(found, name) for name in MEANINGS}


def figures(found: Report) -> Iterator[tuple[str, ...]]:
    """One row per figure that is defined, under `FIGURES`."""
    for name, figure in flat(found).items():
        if figure.value is not None:
            yield name, number(figure.value), interval(figure), MEANINGS[name] + _unseen(name, figure)


def one_order(found: Figure) -> Iterator[tuple[str, ...]]:
    """What asking in one order would cost in agreement, as one row under `FIGURES`; none where it is not known."""
    if found.value is not None:
        yield (
            "one_order",
            number(found.value),
            interval(found),
            f"agreement in one order less that in both: {_worth(found)}",
        )


def _worth(found: Figure) -> str:
    low, high = found.low, found.high
    if low is None or high is None:
        return "no comparison differs" if found.value == 0 else "too few prompts to tell"
    if high < 0:
        return "the second order is worth its calls"
    if low > 0:
        return "half the calls do better, its habits taken off"
    return f"nothing shown; a loss of {number(_SEEN * (high - low) / 2)} would probably have been"


def ranks(found: Ranks | None) -> Iterator[tuple[str, ...]]:
    """Of scores beside people's ratings one row per figure that is defined, under `FIGURES`."""
    if found is None:
        return
    for name, one in (("tau", found), *((f"tau.{name}", one) for name, one in found.criteria.items())):
        if one.tau.value is not None:
            yield name, number(one.tau.value), interval(one.tau), _ranked(one)
        if one.ceiling.value is not None:
            yield (
                f"{name} ceiling",
                number(one.ceiling.value),
                interval(one.ceiling),
                "one rater beside the others' mean",
            )


def _ranked(found: Ranks) -> str:
    left = f"; {found.left_out:,} have nothing to rank" if found.left_out else ""
    return f"scores beside ratings, within a prompt: {found.answers:,} answers of {found.prompts:,} prompts{left}"


_NO_HABIT = {"p_first": 0.5, "length_excess": 0.0}
_SEEN = 1.43
"""Half widths of a 95 % interval that a habit must measure to be seen with probability .8: (1.96 + 0.84) / 1.96."""


def _unseen(name: str, figure: Figure) -> str:
    """Beside a habit that did not show: the least that probably would have."""
    none = _NO_HABIT.get(name)
    if none is None or figure.low is None or figure.high is None or not figure.low <= none <= figure.high:
        return ""
    return f"; one of {number(_SEEN * (figure.high - figure.low) / 2)} would probably have shown"


def reliability(found: Report) -> Iterator[tuple[str, ...]]:
    """One row per bin, under `RELIABILITY`."""
    for row in found.reliability:
        yield number(row.said), f"{number(row.agreed.value)} {interval(row.agreed)}".strip(), f"{row.votes:,}"


def risk(found: Report) -> Iterator[tuple[str, ...]]:
    """One row per cut, strict to lax, under `RISK`."""
    for cut in found.risk_coverage:
        accuracy = f"{number(cut.accuracy.value)} {interval(cut.accuracy)}".strip()
        yield number(cut.threshold), number(cut.coverage.value), accuracy


def number(value: float | None) -> str:
    """Three digits, or two where there is a whole part to speak of; a dash where it is not defined."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.2f}"


def interval(figure: Figure) -> str:
    """Both ends; empty where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    return f"[{number(figure.low)}, {number(figure.high)}]"
