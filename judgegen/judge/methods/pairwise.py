"""Pairwise: judges are shown two answers at a time, in both orders, as a schedule pairs them. Scores are a grader's."""

from __future__ import annotations

from collections.abc import Sequence

from judgegen.judge import schedule
from judgegen.judge.bench import Bench, Rulings, Scores, grader_score
from judgegen.judge.judging import Judging
from judgegen.judge.method import WORDED, Absolute, Method, verdicts_saved
from judgegen.llm.calls import REWARDS
from judgegen.records import Candidate, Match
from judgegen.templates import PAIRWISE

KEYS = frozenset(
    "api rewards template orders schedule samples early_stop third escalate criteria checklist rationale panel "
    "grade".split()
)


async def ask(bench: Bench, competing: Sequence[Candidate]) -> Rulings:
    """Round after round as the schedule wants, with a grader's opinion weighed in."""
    notes = await bench.notes()
    if isinstance(notes, str):
        return Rulings(unasked=notes)
    scores = bench.grades(competing)
    following = schedule.SCHEDULES[bench.plan.schedule]
    matches = await bench.rounds(competing, lambda field, found: following(field, found, bench.lot), notes, scores)
    return Rulings(matches=tuple(matches), scores=scores)


def absolute(scores: Scores, _: Judging) -> Absolute:
    """The grader's score alone: judges that compare give none."""
    return {key: grader_score(given) for key, given in scores.items() if given}


def saved(competing: Sequence[Candidate], matches: Sequence[Match], plan: Judging) -> dict[str, int]:
    """Nothing where all are asked about every two in the orders that the run file wants."""
    if plan.schedule == "round-robin" and plan.early_stop is None and plan.third is None and not plan.escalate:
        return {}
    return verdicts_saved(competing, matches, plan)


METHOD = Method(
    name="pairwise",
    keys=KEYS,
    compares=PAIRWISE,
    ask=ask,
    absolute=absolute,
    saved=saved,
    apis=WORDED | REWARDS,
    pools=True,
)
