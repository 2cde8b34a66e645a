"""Python: a grader scores every answer, and nobody else is asked."""

from __future__ import annotations

from collections.abc import Sequence

from judgegen.judge.bench import Bench, Rulings, Scores, filled
from judgegen.judge.decide import combined
from judgegen.judge.judging import Judging
from judgegen.judge.method import Method, by_scores
from judgegen.records import Candidate, Score


async def ask(bench: Bench, competing: Sequence[Candidate]) -> Rulings:
    """The grader's scores."""
    scores = bench.grades(competing)
    return Rulings(matches=tuple(filled(competing, [], absolute(scores, bench.plan))), scores=scores)


def absolute(scores: Scores, _: Judging) -> dict[str, Score | None]:
    """The grader's."""
    return {key: combined(given) for key, given in scores.items()}


METHOD = Method(
    name="python",
    keys=frozenset({"grader", "options"}),
    needs=("grader",),
    ask=ask,
    absolute=absolute,
    ranks_by=by_scores,
)
