"""What a way of judging is: a frozen record, one in each method's file, read by run file, plan and pipeline.

Knows nothing of any particular method.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.judge import decide
from judgegen.judge.bench import Bench, Rulings, Scores
from judgegen.judge.judging import Judging
from judgegen.judge.schedule import Lot
from judgegen.llm.calls import Api
from judgegen.records import Candidate, Match, Ranking, Score
from judgegen.templates import Kind

WORDED: frozenset[Api] = frozenset({"chat", "decisions", "systemone"})
"""What is asked in words: a judge is told what better means."""
Absolute = Mapping[str, Score | None]
"""By a candidate's key its score by itself, None where it has none."""
Ranks = Callable[[Sequence[Candidate], Sequence[Match], Absolute, Lot], Ranking]


def by_matches(competing: Sequence[Candidate], matches: Sequence[Match], _: Absolute, lot: Lot) -> Ranking:
    """The order that the matches give."""
    return decide.ranking(competing, matches, lot)


def by_scores(competing: Sequence[Candidate], _: Sequence[Match], scores: Absolute, lot: Lot) -> Ranking:
    """The order of the scores by themselves."""
    return decide.score_ranking(competing, scores, lot)


def nothing_saved(_: Sequence[Candidate], __: Sequence[Match], ___: Judging) -> dict[str, int]:
    """For methods that ask the same of every prompt."""
    return {}


def verdicts_saved(competing: Sequence[Candidate], matches: Sequence[Match], plan: Judging) -> dict[str, int]:
    """What was spared, against every two in the orders the run file asks for.

    `verdicts_saved` are the panel's, `escalations_saved` those of the judges after it.
    """
    members = {asking.name for asking in plan.panel}
    orders, every = 2 if plan.both_orders else 1, len(competing) * (len(competing) - 1) // 2
    matches = [match for match in matches if match.shown]
    counts = Counter(comparisons=len(matches), of_every_two=every)
    for match in matches:
        by = [verdict.judge for _, verdict in match.shown]
        first = sum(judge in members for judge in by)
        third = sum(plan.third is not None and judge == plan.third.name for judge in by)
        counts["settled_by_one_order"] += plan.early_stop is not None and first == len(members)
        counts["third_opinions"] += third
        counts["escalated"] += match.since > 0
        counts["escalations_saved"] += 2 * len(plan.escalate) - (len(by) - first - third)
    unasked = orders * (every - len(matches)) + counts["settled_by_one_order"]
    counts["verdicts_saved"] = unasked * len(members)
    return dict(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way of judging, as the run file names it.

    Attributes:
        keys: the keys of [judge] that say something to it, of those that some methods would read and ignore.
        needs: of these, the ones without which it cannot be.
        compares: the kind of template by which judges are shown answers side by side; None where they are not. The run
            file's `template` names the file, of this kind's own name unless it is written.
        scores: the kind by which they score one answer at a time, `rubric` in the run file; None where they do not.
        ask: (bench, candidates that may compete) to what was said of them.
        absolute: what scores a candidate has by itself, from what judges and graders gave it.
        ranks_by: the order of the candidates.
        saved: what was spared of the calls that every two in both orders would have taken.
        alone: the method by which one of its judges is asked alone; itself unless it is named.
        apis: what the judges that are asked at first may be asked.
        pools: whether its order comes of comparisons alone, so that all of a prompt's may bear on each P.
    """

    name: str
    keys: frozenset[str]
    needs: tuple[str, ...] = ()
    compares: Kind | None = None
    scores: Kind | None = None
    ask: Callable[[Bench, Sequence[Candidate]], Coroutine[Any, Any, Rulings]]
    absolute: Callable[[Scores, Judging], Absolute]
    ranks_by: Ranks = by_matches
    saved: Callable[[Sequence[Candidate], Sequence[Match], Judging], dict[str, int]] = nothing_saved
    alone: str = ""
    apis: frozenset[Api] = WORDED
    pools: bool = False

    @property
    def asks_models(self) -> bool:
        """Whether a model judges."""
        return self.compares is not None or self.scores is not None
