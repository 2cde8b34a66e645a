"""Decides: verdicts of both orders into a match, matches into a ranking. Pure arithmetic in candidate coordinates.

Probabilities of the two orders are averaged before deciding (arXiv 2503.03064). An unreadable order is no evidence, and
a judge with one is none either: half a comparison carries the judge's position bias in full.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from judgegen.judge.bradley_terry import Bout, fit
from judgegen.records import Candidate, Comparison, Match, Ranking, Score, Unreadable, Verdict

Shown = tuple[Comparison, Verdict | Unreadable]

DIGITS = 9
CLIP = 0.02
"""No corrected probability is surer than this from 0 or 1."""
_EDGE = 1e-4
"""No pooled share is, so that strengths stay finite."""
_BARELY = 1e-6


def match(a: Candidate, b: Candidate, shown: Sequence[Shown], *, since: int = 0) -> Match:
    """What was said of `a` and `b`, in whatever order they were shown; nothing before `since` counts."""
    counted = readable(shown[since:])
    return Match(a=a, b=b, shown=tuple(shown), p=_p(a, counted), consistent=_consistent(counted), since=since)


def with_third(settled: Match, third: Shown) -> Match:
    """A match whose orders conflict, with one more opinion: it settles the conflict where it is one."""
    comparison, verdict = third
    decided = isinstance(verdict, Verdict) and winner(comparison, verdict) is not None
    heard = match(settled.a, settled.b, [*settled.shown, third], since=settled.since)
    return replace(heard, consistent=None) if decided else replace(heard, p=settled.p, consistent=settled.consistent)


def readable(shown: Sequence[Shown]) -> list[list[tuple[Comparison, Verdict]]]:
    """The displays by judge, without the judges of whom one cannot be read."""
    by_judge: dict[str, list[tuple[Comparison, Verdict]]] = defaultdict(list)
    unreadable = set[str]()
    for comparison, verdict in shown:
        if isinstance(verdict, Unreadable):
            unreadable.add(verdict.judge)
        else:
            by_judge[verdict.judge].append((comparison, verdict))
    return [displays for judge, displays in by_judge.items() if judge not in unreadable]


def _p(a: Candidate, judges: list[list[tuple[Comparison, Verdict]]]) -> float | None:
    leans = [(displays[0][1].weight, _lean(a, displays)) for displays in judges]
    whole = math.fsum(weight for weight, _ in leans)
    if not whole:
        return None
    lean = math.fsum(weight * lean for weight, lean in leans) / whole
    # Rounded, since floats lie denser below 0.5 than above it: a swap must mirror what is decided, exact ties included.
    # Three digits fewer than scores have, so that a mean of two, four or eight never lies between two scores.
    return round(0.5 + lean / 2, DIGITS)


def _lean(a: Candidate, displays: Sequence[tuple[Comparison, Verdict]]) -> float:
    """P(a) - P(the other) of one judge, the mean over its orders."""
    signed = [(1.0 if shown.first.key == a.key else -1.0) * (v.p_first - v.p_second) for shown, v in displays]
    return math.fsum(signed) / len(signed)


def _consistent(judges: list[list[tuple[Comparison, Verdict]]]) -> bool | None:
    """Whether the orders agree; in each, the judges vote by their weights."""
    votes: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for comparison, verdict in itertools.chain.from_iterable(judges):
        for_whom = votes[comparison.first.key]
        if (key := winner(comparison, verdict)) is not None:
            for_whom[key].append(verdict.weight)
    decided = {_majority(order) for order in votes.values()} - {None}
    return None if len(votes) < 2 else len(decided) <= 1


def _majority(votes: dict[str, list[float]]) -> str | None:
    """The key with the most weight, None for none or two."""
    weights = {key: math.fsum(given) for key, given in votes.items()}
    most = [key for key, weight in weights.items() if weight == max(weights.values())]
    return most[0] if len(most) == 1 else None


def winner(comparison: Comparison, verdict: Verdict) -> str | None:
    """The key of the candidate a verdict prefers, None for a tie."""
    if verdict.label == "tie" or verdict.p_first == verdict.p_second:
        return None
    return comparison.first.key if verdict.label == "first" else comparison.second.key


def settles(shown: Sequence[Shown], threshold: float) -> bool:
    """Whether the first order alone is sure enough: one candidate has at least `threshold` by the verdicts' own odds.

    A single verdict without logprobs says nothing of how sure it is, and settles nothing.
    """
    if not all(isinstance(verdict, Verdict) and verdict.shaded for _, verdict in shown):
        return False
    comparison = shown[0][0]
    p = _p(comparison.first, readable(shown))
    return p is not None and p != 0.5 and max(p, 1 - p) >= threshold


def combined(given: Sequence[Score | Unreadable]) -> Score | None:
    """The weighted mean of what several judges gave one candidate; those that cannot be read are left out."""
    heard = [score for score in given if isinstance(score, Score)]
    whole = math.fsum(score.weight for score in heard)
    if not whole:
        return None
    value = math.fsum(score.weight * score.value for score in heard) / whole
    variance = math.fsum((score.weight / whole * score.sd) ** 2 for score in heard)
    ids = tuple(i for score in heard for i in score.call_ids)
    return Score(value=round(value, DIGITS), sd=round(math.sqrt(variance), DIGITS), call_ids=ids)


def by_score(a: Candidate, b: Candidate, scores: Mapping[str, Score | None]) -> Match:
    """What two scores say of the two who never met: P(a judge scores a higher), equal scores half.

    The scores are taken for normal variables that vary by their own spread (Thurstone 1927, case III); without spread
    the higher one is the better and equal ones are a tie.
    """
    one, other = scores.get(a.key), scores.get(b.key)
    if one is None or other is None:
        return Match(a=a, b=b, shown=(), p=None, consistent=None)
    gap, sd = one.value - other.value, math.hypot(one.sd, other.sd)
    p = 0.5 + 0.5 * math.erf(gap / sd / math.sqrt(2)) if sd else 0.5 + 0.5 * ((gap > 0) - (gap < 0))
    ids = tuple(dict.fromkeys((*one.call_ids, *other.call_ids)))
    return Match(a=a, b=b, shown=(), p=round(p, DIGITS), consistent=None, scored=ids)


def score_ranking(
    candidates: Sequence[Candidate], scores: Mapping[str, Score | None], tiebreak: Callable[[Candidate], str]
) -> Ranking:
    """Candidates by their own scores, those without one last."""
    values = {c.key: None if (score := scores.get(c.key)) is None else score.value for c in candidates}
    return Ranking(order=_ordered(candidates, values, tiebreak), scores=values)


def weighed(found: Match, judges: float, grades: Mapping[str, float | None], weight: float) -> Match:
    """The match with a grader's opinion weighed in beside judges of that weight together.

    Where the grader gives both the same, or cannot grade one of them, it has no opinion; where the judges have none,
    its own is not enough. Whether the orders agree stays what it is.
    """
    a, b = grades.get(found.a.key), grades.get(found.b.key)
    if found.p is None or a is None or b is None or a == b:
        return found
    share = 0.5 + (a - b) / 2
    return replace(found, p=round((judges * found.p + weight * share) / (judges + weight), DIGITS))


def doubtful(found: Match, below: float) -> bool:
    """Whether a match goes to the next judge: in conflict, not readable, or nearer to 1/2 than `below`."""
    return found.p is None or found.consistent is False or abs(found.p - 0.5) < below


def corrected(found: Match, b: float, scale: float) -> Match:
    """The match with what length alone is worth taken off: logit P -= b * tanh(length difference / scale).

    The difference is in characters; `b` is in logits. Length-controlled AlpacaEval's term (arXiv 2404.04475). A
    probability of 0 or 1 is taken for `CLIP` from there.
    """
    if not b or found.p is None:
        return found
    p = min(1 - CLIP, max(CLIP, found.p))
    longer = math.tanh((len(found.a.text) - len(found.b.text)) / scale)
    logit = math.log(p / (1 - p)) - b * longer
    return replace(found, p=round(0.5 + 0.5 * math.tanh(logit / 2), DIGITS))


def ranking(
    candidates: Sequence[Candidate],
    matches: Sequence[Match],
    tiebreak: Callable[[Candidate], str],
    *,
    pooled: bool = False,
) -> Ranking:
    """Candidates by their mean win share, those without evidence last.

    Where every two met it is the mean over the matches that are evidence; where not, who met whom matters, and it is
    what the strengths of Bradley and Terry's model expect against all others. `pooled`: the strengths speak for every
    two, whether they met or not, so that all of a prompt's comparisons bear on each.
    """
    if pooled:
        return _by_strength(sorted(candidates, key=tiebreak), matches, tiebreak, pooled=True)
    if len(matches) < len(candidates) * (len(candidates) - 1) // 2:
        return _by_strength(sorted(candidates, key=tiebreak), matches, tiebreak)
    scores = {candidate.key: _score(candidate, matches) for candidate in candidates}
    return Ranking(order=_ordered(candidates, scores, tiebreak), scores=scores)


def _ordered(
    candidates: Iterable[Candidate], scores: dict[str, float | None], tiebreak: Callable[[Candidate], str]
) -> tuple[Candidate, ...]:
    return tuple(sorted(candidates, key=lambda c: (scores[c.key] is None, -(scores[c.key] or 0.0), tiebreak(c))))


def _score(candidate: Candidate, matches: Sequence[Match]) -> float | None:
    mine = [m for m in matches if candidate.key in (m.a.key, m.b.key) and m.p is not None]
    leans = [(m.p or 0.0) - 0.5 if m.a.key == candidate.key else 0.5 - (m.p or 0.0) for m in mine]
    return round(0.5 + math.fsum(leans) / len(leans), 12) if leans else None


def _by_strength(
    candidates: Sequence[Candidate],
    matches: Sequence[Match],
    tiebreak: Callable[[Candidate], str],
    *,
    pooled: bool = False,
) -> Ranking:
    """The order where not all met. Candidates come sorted, so that rounding does not depend on their order."""
    evidence = [m for m in matches if m.p is not None]
    if not evidence:
        return Ranking(order=tuple(candidates), scores=dict.fromkeys((c.key for c in candidates), None))
    place = {key: i for i, key in enumerate(_keys(candidates, evidence))}
    bouts = sorted((_bout(m, place) for m in evidence), key=lambda b: (b.first, b.second))
    if pooled:
        # What is pooled has been believed already: no habit is left in it, no share is a certainty, and the prior is
        # there for the fit alone. Two candidates come to their own comparison.
        found = fit(len(place), [_interior(bout) for bout in bouts], prior=_BARELY, centred=True)
    else:
        found = fit(len(place), bouts, home=any(bout.judge == 0 for bout in bouts))
    scores: dict[str, float | None] = dict.fromkeys((c.key for c in candidates), None)
    for key, i in place.items():
        expected = [found.p(i, j) for j in place.values() if j != i]
        scores[key] = round(math.fsum(expected) / len(expected), 9)
    return Ranking(
        order=_ordered(candidates, scores, tiebreak),
        scores=scores,
        strengths={key: round(found.values[i], 9) for key, i in place.items()},
        errors={key: round(found.errors[i], 9) for key, i in place.items()},
        connected=found.connected,
        pooled=pooled,
    )


def _interior(bout: Bout) -> Bout:
    """The bout of a pooled fit: it counts for the orders it was asked in, and its share lies inside 0..1."""
    share = min(1 - _EDGE, max(_EDGE, bout.share))
    return replace(bout, share=share, judge=0, weight=1.0 + bout.judge)


def _keys(candidates: Sequence[Candidate], evidence: Sequence[Match]) -> list[str]:
    seen = {key for m in evidence for key in (m.a.key, m.b.key)}
    return [c.key for c in candidates if c.key in seen]


def _bout(found: Match, place: dict[str, int]) -> Bout:
    """A match as the model sees it: by its display where one order was asked, which has a home advantage (judge 0).

    A match asked in both orders has none: it stands under a judge of its own, and the lower number first.
    """
    displays = {comparison.first.key: comparison for comparison, _ in found.shown[found.since :]}
    home = len(displays) == 1
    first, second = found.a, found.b
    if home:
        (shown,) = displays.values()
        first, second = shown.first, shown.second
    elif place[first.key] > place[second.key]:
        first, second = second, first
    share = found.p_of(first) or 0.0
    return Bout(first=place[first.key], second=place[second.key], share=round(share, DIGITS), judge=0 if home else 1)
