"""Hybrid: judges score every answer, then compare side by side only those whose scores leave the ends in doubt."""

from __future__ import annotations

from collections.abc import Sequence

from judgegen.judge import schedule
from judgegen.judge.bench import Bench, Rulings, filled
from judgegen.judge.method import Method, verdicts_saved
from judgegen.judge.methods.rubric import absolute
from judgegen.records import Candidate, Comparison, Match
from judgegen.templates import PAIRWISE, RUBRIC

KEYS = frozenset(
    "api template early_stop third escalate rubric weights samples criteria checklist rationale panel grade".split()
)


async def ask(bench: Bench, competing: Sequence[Candidate]) -> Rulings:
    """Scores first; one round of comparisons; what did not meet is settled by the scores."""
    notes = await bench.notes()
    if isinstance(notes, str):
        return Rulings(unasked=notes)
    scores = await bench.scores(competing, notes)
    whole = absolute(scores, bench.plan)
    values = {key: None if one is None else one.value for key, one in whole.items()}

    def wanted(field: Sequence[Candidate], found: Sequence[Match]) -> tuple[Comparison, ...]:
        return () if found else schedule.shortlist(field, values)

    met = await bench.rounds(competing, wanted, notes, scores)
    return Rulings(matches=tuple(filled(competing, met, whole)), scores=scores)


METHOD = Method(
    name="hybrid",
    keys=KEYS,
    compares=PAIRWISE,
    scores=RUBRIC,
    ask=ask,
    absolute=absolute,
    saved=verdicts_saved,
    alone="pairwise",
)
