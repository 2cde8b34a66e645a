"""Selects which candidates become a preference. Pure; sees one prompt's ranking and matches.

A pair is written only on evidence: a direct match that is readable, not a tie, and not a flip across the two orders.
Whatever is dropped says why in one word.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from judgegen.llm.calls import canonical_json
from judgegen.records import Candidate, Match, Pair, Ranking
from judgegen.textual import normal

Selected = tuple[tuple[Pair, ...], str | None, str]
"""Pairs, or none with the reason of the drop and a sentence about it."""


def best_worst(
    ranking: Ranking, matches: Sequence[Match], *, min_p_chosen: float, tiebreak: Callable[[Candidate], str]
) -> Selected:
    """The best candidate against the worst, by their direct match.

    Drop reasons: `unreadable` (no evidence), `tie`, `flip` (the orders prefer different candidates), `low-p` (P(chosen)
    is not above `min_p_chosen`), `identical`.

    Args:
        ranking: candidates with their scores.
        matches: every match of the prompt.
        min_p_chosen: in 0.5..1; the label's probability must be above it.
        tiebreak: a text per candidate that decides between equals, so that the order of candidates never does.
    """
    scored = [c for c in ranking.order if ranking.scores[c.key] is not None]
    scores = {c.key: ranking.scores[c.key] or 0.0 for c in scored}
    if len(scored) < 2:
        return (), "unreadable", "no two candidates have a readable verdict"
    high, low = max(scores.values()), min(scores.values())
    if high == low:
        return (), "tie", f"every score is {high:.3g}"
    met = {frozenset((m.a.key, m.b.key)): m for m in matches}
    ends = itertools.product((c for c in scored if scores[c.key] == high), [c for c in scored if scores[c.key] == low])
    best, worst = min(ends, key=lambda pair: _preferred(pair, met, tiebreak))
    return _settled(best, worst, met.get(frozenset((best.key, worst.key))), high - low, min_p_chosen)


def _preferred(
    pair: tuple[Candidate, Candidate], met: Mapping[frozenset[str], Match], tiebreak: Callable[[Candidate], str]
) -> tuple[float, str, str]:
    """Sorts pairs of equal scores: the clearest direct match first, then by the candidates' own texts."""
    best, worst = pair
    match = met.get(frozenset((best.key, worst.key)))
    p = None if match is None else match.p_of(best)
    return 0.0 if p is None else -p, tiebreak(best), tiebreak(worst)


def _settled(best: Candidate, worst: Candidate, match: Match | None, margin: float, min_p: float) -> Selected:
    """The pair, if its direct match bears it."""
    names = f"{best.key} against {worst.key}"
    p = None if match is None else match.p_of(best)
    if match is None or p is None:
        return (), "unreadable", f"{names}: no readable verdict in every order asked"
    if match.consistent is False:
        return (), "flip", f"{names}: the two orders prefer different candidates"
    if p == 0.5:
        return (), "tie", f"{names}: a tie"
    if p <= min_p:
        return (), "low-p", f"{names}: P(chosen) = {p:.3g} is not above {min_p:.3g}"
    if _same(best, worst):
        return (), "identical", f"{names}: the same text"
    pair = Pair(
        chosen=best,
        rejected=worst,
        p_chosen=p,
        margin=margin,
        consistent=match.consistent,
        verdict_calls=match.call_ids(),
    )
    return (pair,), None, ""


def _same(a: Candidate, b: Candidate) -> bool:
    return normal(a.text) == normal(b.text) and canonical_json(a.tool_calls) == canonical_json(b.tool_calls)
