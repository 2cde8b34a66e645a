"""Consensus: an answer is as good as the share of the other answers that come to the same result as it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judgegen.judge.bench import Bench, Rulings, Scores, filled
from judgegen.judge.judging import Judging
from judgegen.judge.method import Method, by_scores
from judgegen.records import Candidate, Score


def result(text: str) -> str:
    """What an answer comes to: its last line, without case, dots and spaces."""
    lines = text.strip().splitlines() or [""]
    return lines[-1].casefold().strip(" .*")


async def ask(_: Bench, competing: Sequence[Candidate]) -> Rulings:
    """Nobody is asked: each answer has the share of the others that agree with it."""
    found = Counter(result(one.text) for one in competing)
    others = max(1, len(competing) - 1)
    scores = {one.key: (Score(value=(found[result(one.text)] - 1) / others),) for one in competing}
    by_itself = {key: score for key, (score,) in scores.items()}
    return Rulings(matches=tuple(filled(competing, [], by_itself)), scores=scores)


def absolute(scores: Scores, _: Judging) -> dict[str, Score | None]:
    """The share that `ask` counted."""
    return {key: given[0] if given and isinstance(given[0], Score) else None for key, given in scores.items()}


METHOD = Method(name="consensus", keys=frozenset(), ask=ask, absolute=absolute, ranks_by=by_scores)
