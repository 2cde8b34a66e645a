"""Reward: models score every answer by itself, and of two the P is what the difference of their scores comes to.

All are scored once, so that every two are compared at no further cost. Judges in [[judge.escalate]] are asked where
that leaves in doubt who is best and who is worst: the best two, the worst two, the best and the worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judgegen.judge import decide, schedule
from judgegen.judge.bench import Bench, Rulings, graded, weighed
from judgegen.judge.judging import Judging
from judgegen.judge.method import Method, verdicts_saved
from judgegen.judge.methods.pairwise import absolute
from judgegen.llm.calls import REWARDS
from judgegen.llm.recording import together
from judgegen.records import Candidate, Match
from judgegen.templates import PAIRWISE

KEYS = frozenset("api rewards template escalate panel grade criteria".split())


async def ask(bench: Bench, competing: Sequence[Candidate]) -> Rulings:
    """Scores first; then, of the pairs that matter, those that the scores leave in doubt."""
    notes = await bench.notes()
    if isinstance(notes, str):
        return Rulings(unasked=notes)
    scores = bench.grades(competing)
    first = replace(bench, plan=replace(bench.plan, escalate=(), length_correction=0.0, grade_weight=None))
    found = await first.rounds(competing, schedule.round_robin, notes, scores)
    asked = _ends(competing, found, bench.lot)
    later = iter(await together(bench.escalated(match, notes) for match in found if match in asked))
    settled = [next(later) if match in asked else match for match in found]
    return Rulings(matches=tuple(weighed(match, bench.plan, graded(scores)) for match in settled), scores=scores)


def _ends(competing: Sequence[Candidate], found: Sequence[Match], lot: schedule.Lot) -> list[Match]:
    """The matches of the best two, of the worst two, of the best and the worst; who ties with one of them joins."""
    ranking = decide.ranking(competing, found, lot)
    order = [one for one in ranking.order if ranking.scores[one.key] is not None]
    near = {frozenset((c.first.key, c.second.key)) for c in schedule.shortlist(competing, ranking.scores)}
    near |= {frozenset((one.key, other.key)) for one, other in zip(order[:1], order[-1:], strict=True)}
    lost = {one.key for one in competing if ranking.scores[one.key] is None}
    return [m for m in found if {m.a.key, m.b.key} & lost or frozenset((m.a.key, m.b.key)) in near]


def saved(competing: Sequence[Candidate], matches: Sequence[Match], plan: Judging) -> dict[str, int]:
    """Nothing where nobody is asked after the scores."""
    return verdicts_saved(competing, matches, plan) if plan.escalate else {}


METHOD = Method(
    name="reward",
    keys=KEYS,
    needs=("api",),
    compares=PAIRWISE,
    ask=ask,
    absolute=absolute,
    saved=saved,
    apis=REWARDS,
    pools=True,
)
