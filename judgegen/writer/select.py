"""Selects which candidates become preferences. Pure; sees one prompt's ranking, matches and absolute scores.

A pair is written only on evidence: a direct match that is readable, not a tie, and not a flip across the two orders,
or, where the two never met, a chain of such matches from the better to the worse. Whatever is dropped says why in one
word.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from judgegen.llm.calls import canonical_json
from judgegen.records import Breach, Candidate, Couple, Match, Met, Pair, Ranking, met
from judgegen.textual import normal

Select = Literal["best-worst", "best-mu-2sigma", "best-random", "all-above-margin", "delta"]
Selected = tuple[tuple[Pair, ...], str | None, str]
"""Pairs, or none with the reason of the drop and a sentence about it."""
Tiebreak = Callable[[Candidate], str]

_DIGITS = 12
"""Beyond these a share is the noise of the order in which floats were added: what differs there is a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which pairs are proposed, and what each must bear.

    Attributes:
        require_consistent: drop a pair whose orders prefer different candidates.
        min_p_chosen: in 0.5..1; the label's probability must be above it.
        min_margin: in 0..1; the score gap must reach it.
        min_score: in 0..1; the absolute score of the chosen must reach it, None for no such rule.
        max_length_ratio: the most that the longer text may be of the shorter, in characters.
        veto: drop a pair whose rejected the grader puts above its chosen.
        stronger, weaker: the variants of `delta`.
    """

    select: Select = "best-worst"
    require_consistent: bool = True
    min_p_chosen: float = 0.5
    min_margin: float = 0.0
    min_score: float | None = None
    max_length_ratio: float | None = None
    veto: bool = False
    stronger: str = ""
    weaker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one prompt's candidates. `absolute` and `grades` hold what was given one at a time."""

    ranking: Ranking
    met: Met
    absolute: Mapping[str, float | None]
    grades: Mapping[str, float | None]
    breaches: Mapping[str, tuple[Breach, ...]]
    tiebreak: Tiebreak


def select(
    ranking: Ranking,
    matches: Sequence[Match],
    rules: Rules,
    *,
    tiebreak: Tiebreak,
    absolute: Mapping[str, float | None] | None = None,
    grades: Mapping[str, float | None] | None = None,
    breaches: Mapping[str, tuple[Breach, ...]] | None = None,
) -> Selected:
    """The pairs that the rules propose and the evidence bears.

    Drop reasons: `unreadable` (no evidence), `unconnected` (no comparisons join the two), `tie` (of the two, or of all
    scores), `flip` (the orders prefer different candidates, of the two or in all matches), `low-p`, `veto`,
    `low-margin`, `low-score`, `length-ratio`, `identical`, `constraint` (every answer that another falls short of
    breaks a rule). Of several proposals that fail, the first says why.

    Args:
        ranking: candidates with their scores.
        matches: every match of the prompt, one for any two candidates.
        rules: what is wanted.
        tiebreak: a text per candidate, drawn by seed, that decides between equals, so that the order of candidates
            never does.
        absolute: scores in 0..1 by candidate, None for one that could not be read.
        grades: a grader's, likewise.
        breaches: by candidate the rules that it breaks; it may be rejected, and never chosen.
    """
    known = Evidence(
        ranking=ranking,
        met=met(matches),
        absolute=absolute or {},
        grades=grades or {},
        breaches=breaches or {},
        tiebreak=tiebreak,
    )
    scores = _scores(ranking)
    if len(scores) < 2:
        return (), "unreadable", "no two candidates have a readable verdict"
    if len(set(scores.values())) == 1:
        return (), _equal(matches), _all_equal(next(iter(scores.values())), matches)
    if not _eligible(scores, known):
        return (), "constraint", _all_broken(scores, known)
    settled = [_settled(*couple, scores, known, rules) for couple in _proposed(scores, known, rules)]
    pairs = tuple(pair for kept, _, _ in settled for pair in kept)
    return (pairs, None, "") if pairs else settled[0]


def best_worst(ranking: Ranking, matches: Sequence[Match], *, min_p_chosen: float, tiebreak: Tiebreak) -> Selected:
    """The best candidate against the worst, by the default rules."""
    return select(ranking, matches, Rules(min_p_chosen=min_p_chosen), tiebreak=tiebreak)


def delta(candidates: Sequence[Candidate], rules: Rules) -> Selected:
    """Without a judge: the first answer of the stronger variant is chosen over the first of the weaker.

    Delta learning (arXiv 2507.06187). Nobody judged, so there is no P(chosen) and no margin. Drop reasons: `too-few`,
    `length-ratio`, `identical`.
    """
    sides = [[c for c in candidates if c.variant == name] for name in (rules.stronger, rules.weaker)]
    if not all(sides):
        return (), "too-few", f"no answer of {rules.weaker if sides[0] else rules.stronger} may compete"
    chosen, rejected = (min(side, key=lambda c: c.index) for side in sides)
    if against := _unfit(chosen, rejected, rules):
        return (), against[0], f"{chosen.key} against {rejected.key}: {against[1]}"
    pair = Pair(chosen=chosen, rejected=rejected, p_chosen=None, margin=None, consistent=None, verdict_calls=())
    return (pair,), None, ""


def _scores(ranking: Ranking) -> dict[str, float]:
    """Scores of those that have one."""
    found = ((c.key, ranking.scores.get(c.key)) for c in ranking.order)
    return {key: round(score, _DIGITS) for key, score in found if score is not None}


def _equal(matches: Sequence[Match]) -> str:
    """What equal scores are: flips where every match that says anything contradicts itself, else a tie."""
    heard = [match for match in matches if match.p is not None]
    return "flip" if heard and all(match.consistent is False for match in heard) else "tie"


def _all_equal(score: float, matches: Sequence[Match]) -> str:
    """Says whether ties or flips made the scores equal."""
    flips = sum(match.consistent is False for match in matches)
    return f"every score is {score:.3g}; in {flips} of {len(matches)} matches the orders prefer different candidates"


def _eligible(scores: Mapping[str, float], known: Evidence) -> list[str]:
    """The keys of those that may be chosen: they break no rule, and another has a lower score."""
    low = min(scores.values())
    return [key for key, score in scores.items() if score > low and not known.breaches.get(key)]


def _all_broken(scores: Mapping[str, float], known: Evidence) -> str:
    """Says of each that might have been chosen what it breaks, the best first."""
    low = min(scores.values())
    above = sorted((key for key in scores if scores[key] > low), key=lambda key: (-scores[key], key))
    return "; ".join(f"{key} {', '.join(map(str, known.breaches[key]))}" for key in above)


def _proposed(scores: Mapping[str, float], known: Evidence, rules: Rules) -> list[Couple]:
    """(chosen, rejected) by the rules; never empty, since not all scores are equal."""
    scored = sorted((c for c in known.ranking.order if c.key in scores), key=known.tiebreak)
    if rules.select == "all-above-margin":
        several = itertools.permutations(scored, 2)
        couples = [(a, b) for a, b in several if scores[a.key] > scores[b.key] and not known.breaches.get(a.key)]
        return sorted(couples, key=lambda two: scores[two[1].key] - scores[two[0].key])
    eligible = set(_eligible(scores, known))
    high = max(scores[key] for key in eligible)
    best = [c for c in scored if scores[c.key] == high and c.key in eligible]
    level = scores[_rejected([c for c in scored if scores[c.key] < high], scores, known, rules).key]
    rest = [c for c in scored if scores[c.key] == level]
    return [min(itertools.product(best, rest), key=lambda two: _preferred(two[0], two[1], known))]


def _rejected(lower: list[Candidate], scores: Mapping[str, float], known: Evidence, rules: Rules) -> Candidate:
    """The candidate to reject, of those below the best: the worst, one by lot, or the one nearest to mean - 2 sd."""
    if rules.select == "best-random":
        return min(lower, key=lambda c: (known.tiebreak(c)[::-1], c.key))
    if rules.select == "best-mu-2sigma":
        values = list(scores.values())
        mean = math.fsum(values) / len(values)
        sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
        return min(lower, key=lambda c: (round(abs(scores[c.key] - (mean - 2 * sd)), _DIGITS), scores[c.key]))
    return min(lower, key=lambda c: scores[c.key])


def _preferred(best: Candidate, worst: Candidate, known: Evidence) -> tuple[bool, float, str, str, str, str]:
    """Sorts pairs of equal scores: matches that are evidence first, the clearest of them, then by content."""
    match = known.met.get(frozenset((best.key, worst.key)))
    p = None if match is None else _p(match, best)
    usable = match is not None and p is not None and match.consistent is not False
    return not usable, 0.0 if p is None else -p, known.tiebreak(best), known.tiebreak(worst), best.key, worst.key


def _p(match: Match, best: Candidate) -> float | None:
    p = match.p_of(best)
    return None if p is None else round(p, _DIGITS)


def _settled(best: Candidate, worst: Candidate, scores: Mapping[str, float], known: Evidence, rules: Rules) -> Selected:
    """The pair, if the evidence bears it."""
    match = known.met.get(frozenset((best.key, worst.key)))
    pair = _by_chain(best, worst, known, rules) if match is None else _direct(best, worst, match, known)
    if isinstance(pair, Pair):
        pair = replace(pair, margin=round(scores[best.key] - scores[worst.key], _DIGITS))
        against = _against(pair, known, rules)
        if against is None:
            return (pair,), None, ""
    else:
        against = pair
    return (), against[0], f"{best.key} against {worst.key}: {against[1]}"


def _direct(best: Candidate, worst: Candidate, match: Match, known: Evidence) -> Pair | tuple[str, str]:
    """The pair as its own match sees it; where all matches are pooled they say how sure it is, if it says so at all."""
    p = _p(match, best)
    if p is None:
        return "unreadable", "no readable verdict in every order asked"
    if known.ranking.pooled and p > 0.5:
        p = round(known.ranking.p(best, worst), _DIGITS)
    return Pair(
        chosen=best,
        rejected=worst,
        p_chosen=p,
        margin=None,
        consistent=match.consistent,
        verdict_calls=match.call_ids(),
    )


def _by_chain(best: Candidate, worst: Candidate, known: Evidence, rules: Rules) -> Pair | tuple[str, str]:
    """The pair of two that never met, by the shortest chain of won matches between them; P from the strengths."""
    strengths = known.ranking.strengths
    if best.key not in strengths or worst.key not in strengths:
        return "unreadable", "never compared"
    chain = _chain(best, worst, known, rules)
    if chain is None:
        joined = "never compared, and no chain of won comparisons leads from one to the other"
        return ("flip", joined) if known.ranking.connected else ("unconnected", f"{joined}: they are not connected")
    return Pair(
        chosen=best,
        rejected=worst,
        p_chosen=round(known.ranking.p(best, worst), _DIGITS),
        margin=None,
        consistent=None if any(m.consistent is None for m in chain) else all(m.consistent for m in chain),
        verdict_calls=tuple(dict.fromkeys(i for m in chain for i in m.call_ids())),
    )


def _chain(best: Candidate, worst: Candidate, known: Evidence, rules: Rules) -> list[Match] | None:
    """The matches, each won by the winner before, that lead from `best` to `worst`; breadth first, by content."""
    ways: list[tuple[str, list[Match]]] = [(best.key, [])]
    seen = {best.key}
    for key, way in ways:
        if key == worst.key:
            return way
        for loser, match in sorted(_won(key, known, rules), key=lambda won: (known.tiebreak(won[0]), won[0].key)):
            if loser.key not in seen:
                seen.add(loser.key)
                ways.append((loser.key, [*way, match]))
    return None


def _won(key: str, known: Evidence, rules: Rules) -> Iterator[tuple[Candidate, Match]]:
    """Who was beaten by the candidate `key`, on evidence."""
    for match in known.met.values():
        winner, loser = (match.a, match.b) if match.a.key == key else (match.b, match.a)
        p = _p(match, winner) if winner.key == key else None
        if p is not None and p > 0.5 and not (rules.require_consistent and match.consistent is False):
            yield loser, match


def _against(pair: Pair, known: Evidence, rules: Rules) -> tuple[str, str] | None:
    """What speaks against a readable pair as a label: the reason and the sentence."""
    p, margin = pair.p_chosen or 0.0, pair.margin or 0.0
    if pair.consistent is False and rules.require_consistent:
        return "flip", "the two orders prefer different candidates"
    if p == 0.5:
        return "tie", "a tie"
    if p <= (least := max(rules.min_p_chosen, 0.5)):
        return "low-p", f"P(chosen) = {p:.3g} is not above {least:.3g}"
    chosen, rejected = known.grades.get(pair.chosen.key), known.grades.get(pair.rejected.key)
    if rules.veto and chosen is not None and rejected is not None and chosen < rejected:
        return "veto", f"the grader gives the chosen {chosen:.3g} and the rejected {rejected:.3g}"
    if margin < rules.min_margin:
        return "low-margin", f"the margin {margin:.3g} is below {rules.min_margin:.3g}"
    return _too_low(pair.chosen, known, rules) or _unfit(pair.chosen, pair.rejected, rules)


def _too_low(chosen: Candidate, known: Evidence, rules: Rules) -> tuple[str, str] | None:
    if rules.min_score is None:
        return None
    score = known.absolute.get(chosen.key)
    if score is None:
        return "unreadable", "the chosen has no readable score, and min_score asks for one"
    if score < rules.min_score:
        return "low-score", f"the chosen's score {score:.3g} is below {rules.min_score:.3g}"
    return None


def _unfit(chosen: Candidate, rejected: Candidate, rules: Rules) -> tuple[str, str] | None:
    """What speaks against two texts side by side."""
    short, long = sorted((len(chosen.text), len(rejected.text)))
    if rules.max_length_ratio is not None and long > rules.max_length_ratio * short:
        return "length-ratio", f"{long} characters against {short} are more than {rules.max_length_ratio:.3g} to 1"
    return ("identical", "the same text") if same(chosen, rejected) else None


def same(a: Candidate, b: Candidate) -> bool:
    """Whether two answers come to the same once they are written and read."""
    return normal(a.text) == normal(b.text) and _called(a) == _called(b)


def _called(candidate: Candidate) -> str:
    """The tool calls without their ids, which every answer draws anew."""
    calls = [{key: value for key, value in call.items() if key != "id"} for call in candidate.tool_calls]
    return normal(canonical_json(calls))
