"""Labelled comparisons as a run would believe them: habits taken off, and pooled where every two of a prompt met.

So that what a calibration is fitted to is the P that a run writes. Pure; knows nothing of files or of votes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from judgegen.errors import SpecError
from judgegen.judge import decide
from judgegen.judge.belief import Habits
from judgegen.judge.bench import believed
from judgegen.judge.methods import METHODS
from judgegen.judge.schedule import SCHEDULES, Lot
from judgegen.pipeline import Plan, lot
from judgegen.records import Candidate, Comparison, Habit, Match, Meaning, Ranking, Result, met


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What comparisons come to.

    Attributes:
        matches: one per result, in their order, each with P of that kind.
        kind: of their P.
        schedule: the one that was played to pool them.
        habits: that were taken off; None where P is as the judge stated it.
    """

    matches: tuple[Match, ...]
    kind: Meaning
    schedule: str
    habits: Mapping[str, Habit] | None


def worth(results: Sequence[Result], steps: Plan) -> Worth:
    """The one match of each result, with its P as a run of this plan would say it.

    Pooled where the plan pools and every couple of each prompt's responses was compared; else of its own comparison.
    """
    assert steps.judging is not None, "somebody compared"
    schedule, stated = steps.judging.schedule, tuple(result.matches[0] for result in results)
    if steps.meaning == "stated" or not steps.judging.panel:
        return Worth(matches=stated, kind="stated", schedule="round-robin", habits=None)
    habits = Habits()
    habits.add(stated)
    known = habits.found()
    direct = tuple(believed(result.matches, result.scores, steps.judging, known)[0] for result in results)
    if steps.meaning == "pooled" and METHODS[steps.judging.method].pools and complete(results):
        return Worth(matches=_pooled(results, direct, steps), kind="pooled", schedule=schedule, habits=known)
    return Worth(matches=direct, kind="direct", schedule="round-robin", habits=known)


def check_schedule(found: Worth, steps: Plan) -> None:
    """Refuse a P that a run of this plan could not use.

    Raises:
        SpecError: the run's schedule leaves pairs that never met, and the labelled prompts do not show what those are
            worth.
    """
    assert steps.judging is not None, "somebody compared"
    if steps.judging.schedule != found.schedule:
        raise SpecError(
            f'schedule = "{steps.judging.schedule}" makes pairs of two that never met, and what those are worth shows '
            f"only where every two of three or more responses to a prompt are labelled; label those, or calibrate "
            f'with schedule = "round-robin"'
        )


def complete(results: Sequence[Result]) -> bool:
    """Whether every couple of each prompt's responses was compared, three or more of them to each prompt."""
    groups = list(_by_prompt(results).values())
    return bool(groups) and all(_every_couple([results[i].matches[0] for i in group]) for group in groups)


def _every_couple(matches: Sequence[Match]) -> bool:
    couples = {frozenset((m.a.call_id, m.b.call_id)) for m in matches}
    texts = set[str]().union(*couples)
    return len(texts) > 2 and len(couples) == len(texts) * (len(texts) - 1) // 2


def _by_prompt(results: Sequence[Result]) -> dict[str, list[int]]:
    groups = defaultdict[str, list[int]](list)
    for i, result in enumerate(results):
        groups[result.prompt.id].append(i)
    return groups


def _pooled(results: Sequence[Result], direct: Sequence[Match], steps: Plan) -> tuple[Match, ...]:
    """Every match with the P that the prompt's comparisons give it, those that the schedule would have asked for."""
    found = list(direct)
    for group in _by_prompt(results).values():
        tiebreak = partial(lot, results[group[0]].prompt, steps)
        named = {i: _named(direct[i]) for i in group}
        field = sorted({c.key: c for m in named.values() for c in (m.a, m.b)}.values(), key=tiebreak)
        played = _played(field, list(named.values()), steps, tiebreak)
        ranking = decide.ranking(field, played, tiebreak, pooled=True)
        for i, match in named.items():
            found[i] = replace(direct[i], p=_said(match, ranking, asked=match in played))
    return tuple(found)


def _said(match: Match, ranking: Ranking, *, asked: bool) -> float | None:
    """P(a) as all comparisons give it; no side where a run, too, would see none: its own does not say the same."""
    if not {match.a.key, match.b.key} <= ranking.strengths.keys() or (asked and match.p is None):
        return None
    pooled = round(ranking.p(match.a, match.b), decide.DIGITS)
    return 0.5 if asked and ((match.p or 0.5) - 0.5) * (pooled - 0.5) <= 0 else pooled


def _named(match: Match) -> Match:
    """The match, and what was shown of it, of responses by their own names."""
    shown = tuple((Comparison(first=_by_text(c.first), second=_by_text(c.second)), said) for c, said in match.shown)
    return replace(match, a=_by_text(match.a), b=_by_text(match.b), shown=shown)


def _by_text(candidate: Candidate) -> Candidate:
    """The response under a name that is its text's: the same one stands in several comparisons."""
    return replace(candidate, variant=candidate.call_id)


def _played(field: Sequence[Candidate], matches: Sequence[Match], steps: Plan, tiebreak: Lot) -> list[Match]:
    """Those of the matches that the plan's schedule would have asked for."""
    assert steps.judging is not None, "somebody compared"
    following, known = SCHEDULES[steps.judging.schedule], met(matches)
    played: list[Match] = []
    while wanted := following(field, played, tiebreak):
        played += [known[frozenset((pair.first.key, pair.second.key))] for pair in wanted]
    return played
