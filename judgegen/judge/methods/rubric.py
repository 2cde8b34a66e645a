"""Rubric: judges score one answer at a time, aspect by aspect; of two the one with the higher score is the better."""

from __future__ import annotations

from collections.abc import Sequence

from judgegen.judge import decide
from judgegen.judge.bench import Bench, Rulings, Scores, filled, judges_score
from judgegen.judge.judging import Judging
from judgegen.judge.method import Method, by_scores
from judgegen.records import Candidate, Score
from judgegen.templates import RUBRIC

KEYS = frozenset("api rubric weights samples criteria checklist rationale panel grade".split())


async def ask(bench: Bench, competing: Sequence[Candidate]) -> Rulings:
    """Every judge's score of every answer."""
    notes = await bench.notes()
    if isinstance(notes, str):
        return Rulings(unasked=notes)
    scores = await bench.scores(competing, notes)
    return Rulings(matches=tuple(filled(competing, [], absolute(scores, bench.plan))), scores=scores)


def absolute(scores: Scores, plan: Judging) -> dict[str, Score | None]:
    """The judges' scores and, where it weighs in, the grader's, as one; none without a judge's."""
    weighs = plan.grade_weight is not None
    return {key: decide.combined(judges_score(given, weighs=weighs)) for key, given in scores.items()}


METHOD = Method(name="rubric", keys=KEYS, scores=RUBRIC, ask=ask, absolute=absolute, ranks_by=by_scores)
