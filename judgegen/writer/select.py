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
Met = Mapping[frozenset[str], Match]

_DIGITS = 12
"""Beyond these a share is the noise of the order in which floats were added: what differs there is a tie."""


def best_worst(
    ranking: Ranking, matches: Sequence[Match], *, min_p_chosen: float, tiebreak: Callable[[Candidate], str]
) -> Selected:
    """The best candidate against the worst, by their direct match.

    Drop reasons: `unreadable` (no evidence), `tie` (of the two, or of all scores), `flip` (the orders prefer different
    candidates), `low-p` (P(chosen) is not above `min_p_chosen`), `identical`.

    Args:
        ranking: candidates with their scores.
        matches: every match of the prompt, one for any two candidates.
        min_p_chosen: in 0.5..1; the label's probability must be above it.
        tiebreak: a text per candidate that decides between equals, so that the order of candidates never does.
    """
    scores = _scores(ranking)
    if len(scores) < 2:
        return (), "unreadable", "no two candidates have a readable verdict"
    high, low = max(scores.values()), min(scores.values())
    if high == low:
        return (), "tie", _all_equal(high, matches)
    met = {frozenset((m.a.key, m.b.key)): m for m in matches}
    scored = [c for c in ranking.order if c.key in scores]
    ends = itertools.product([c for c in scored if scores[c.key] == high], [c for c in scored if scores[c.key] == low])
    best, worst = min(ends, key=lambda two: _preferred(two[0], two[1], met, tiebreak))
    return _settled(best, worst, _between(best, worst, met), round(high - low, _DIGITS), min_p_chosen)


def _scores(ranking: Ranking) -> dict[str, float]:
    """Scores of those that have one."""
    found = ((c.key, ranking.scores.get(c.key)) for c in ranking.order)
    return {key: round(score, _DIGITS) for key, score in found if score is not None}


def _all_equal(score: float, matches: Sequence[Match]) -> str:
    """Says whether ties or flips made the scores equal."""
    flips = sum(match.consistent is False for match in matches)
    return f"every score is {score:.3g}; in {flips} of {len(matches)} matches the orders prefer different candidates"


def _between(best: Candidate, worst: Candidate, met: Met) -> Match | None:
    return met.get(frozenset((best.key, worst.key)))


def _p(match: Match, best: Candidate) -> float | None:
    p = match.p_of(best)
    return None if p is None else round(p, _DIGITS)


def _preferred(
    best: Candidate, worst: Candidate, met: Met, tiebreak: Callable[[Candidate], str]
) -> tuple[bool, float, str, str, str, str]:
    """Sorts pairs of equal scores: matches that are evidence first, the clearest of them, then by content."""
    match = _between(best, worst, met)
    p = None if match is None else _p(match, best)
    usable = match is not None and p is not None and match.consistent is not False
    return not usable, 0.0 if p is None else -p, tiebreak(best), tiebreak(worst), best.key, worst.key


def _settled(best: Candidate, worst: Candidate, match: Match | None, margin: float, min_p: float) -> Selected:
    """The pair, if its direct match bears it."""
    p = None if match is None else _p(match, best)
    if match is None or p is None:
        asked = "never compared" if match is None else "no readable verdict in every order asked"
        return (), "unreadable", f"{best.key} against {worst.key}: {asked}"
    if against := _against(best, worst, p, match.consistent, max(min_p, 0.5)):
        drop, why = against
        return (), drop, f"{best.key} against {worst.key}: {why}"
    pair = Pair(
        chosen=best,
        rejected=worst,
        p_chosen=p,
        margin=margin,
        consistent=match.consistent,
        verdict_calls=match.call_ids(),
    )
    return (pair,), None, ""


def _against(
    best: Candidate, worst: Candidate, p: float, consistent: bool | None, min_p: float
) -> tuple[str, str] | None:
    """What speaks against a readable match as a label: the reason and the sentence."""
    if consistent is False:
        return "flip", "the two orders prefer different candidates"
    if p == 0.5:
        return "tie", "a tie"
    if p <= min_p:
        return "low-p", f"P(chosen) = {p:.3g} is not above {min_p:.3g}"
    return ("identical", "the same text") if same(best, worst) else None


def same(a: Candidate, b: Candidate) -> bool:
    """Whether two answers come to the same once they are written and read."""
    return normal(a.text) == normal(b.text) and _called(a) == _called(b)


def _called(candidate: Candidate) -> str:
    """The tool calls without their ids, which every answer draws anew."""
    calls = [{key: value for key, value in call.items() if key != "id"} for call in candidate.tool_calls]
    return normal(canonical_json(calls))
