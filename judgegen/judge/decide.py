"""Decides: verdicts of both orders into a match, matches into a ranking. Pure arithmetic in candidate coordinates.

Probabilities of the two orders are averaged before deciding (arXiv 2503.03064). An unreadable order is no evidence, and
a match with one is none either: half a comparison carries the judge's position bias in full.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from judgegen.records import Candidate, Comparison, Match, Ranking, Unreadable, Verdict

Shown = tuple[Comparison, Verdict | Unreadable]


def match(a: Candidate, b: Candidate, shown: Sequence[Shown]) -> Match:
    """What the judge said of `a` and `b`, whatever the order they were shown in."""
    return Match(a=a, b=b, shown=tuple(shown), p=_p(a, shown), consistent=_consistent(shown))


def _p(a: Candidate, shown: Sequence[Shown]) -> float | None:
    leans: list[float] = []
    for comparison, verdict in shown:
        if isinstance(verdict, Unreadable):
            return None
        sign = 1.0 if comparison.first.key == a.key else -1.0
        leans.append(sign * (verdict.p_first - verdict.p_second))
    # Rounded, since floats lie denser below 0.5 than above it: a swap must mirror what is decided, exact ties included.
    return round(0.5 + math.fsum(leans) / len(leans) / 2, 12) if leans else None


def _consistent(shown: Sequence[Shown]) -> bool | None:
    winners: list[str | None] = []
    for comparison, verdict in shown:
        if isinstance(verdict, Unreadable):
            return None
        winners.append(winner(comparison, verdict))
    decided = {key for key in winners if key is not None}
    return None if len(winners) < 2 else len(decided) <= 1


def winner(comparison: Comparison, verdict: Verdict) -> str | None:
    """The key of the candidate a verdict prefers, None for a tie."""
    if verdict.label == "tie" or verdict.p_first == verdict.p_second:
        return None
    return comparison.first.key if verdict.label == "first" else comparison.second.key


def ranking(candidates: Sequence[Candidate], matches: Sequence[Match], tiebreak: Callable[[Candidate], str]) -> Ranking:
    """Candidates by their mean win share over the matches that are evidence; those without any stand last."""
    scores = {candidate.key: _score(candidate, matches) for candidate in candidates}
    order = sorted(candidates, key=lambda c: (scores[c.key] is None, -(scores[c.key] or 0.0), tiebreak(c)))
    return Ranking(order=tuple(order), scores=scores)


def _score(candidate: Candidate, matches: Sequence[Match]) -> float | None:
    mine = [m for m in matches if candidate.key in (m.a.key, m.b.key) and m.p is not None]
    leans = [(m.p or 0.0) - 0.5 if m.a.key == candidate.key else 0.5 - (m.p or 0.0) for m in mine]
    return round(0.5 + math.fsum(leans) / len(leans), 12) if leans else None
