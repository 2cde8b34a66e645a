"""What a judge's words are worth: habits it shows over a whole run, taken off its verdicts. Needs no people.

A judge that repeats itself in the other order only so often is believed only so far, and what it says of whoever stands
first is less news the more it favours that place. Habits are a fold over matches; the matches they are taken off are as
they were. Pure; knows nothing of calls, and of pairs only that two candidates met.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from judgegen.judge import decide
from judgegen.records import Comparison, Habit, Match, Verdict

Display = tuple[Comparison, Verdict]

ALONE = math.log(2)
"""Log odds of one verdict heard in one order: P = 2/3, Laplace's rule of one vote."""
EDGE = 1e-4
"""A probability is cut here before its logit is taken: what is nearer to certainty is the noise of logprobs."""
_STEADY = 4
"""Verdicts that a place is given for nothing: a home advantage of fewer is mostly luck (its variance is 4 / n)."""
_UNIT = 1_000_000


@dataclass(slots=True)
class Habits:
    """Add matches, then ask what each judge's habits are. The order of adding changes nothing."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, matches: Iterable[Match]) -> None:
        """Count the verdicts of one prompt."""
        for match in matches:
            for _, verdict in match.shown:
                if isinstance(verdict, Verdict):
                    self._verdict(verdict)
            for one, other in match.both_orders():
                self.counts[one.judge]["both"] += 1
                self.counts[one.judge]["same"] += _said(one) == _said(other.swap())

    def _verdict(self, verdict: Verdict) -> None:
        counts, said = self.counts[verdict.judge], _said(verdict)
        if verdict.shaded and verdict.p_first + verdict.p_second > 0:
            counts["shaded"] += 1
            counts["logits"] += round(_UNIT * _logit(_among_two(verdict), decide.CLIP))
        elif said != "tie":
            counts["decided"] += 1
            counts["first"] += said == "first"

    def found(self) -> dict[str, Habit]:
        """By judge."""
        return {judge: _habit(self.counts[judge]) for judge in sorted(self.counts)}


def _said(verdict: Verdict) -> str:
    """The verdict as a word: a tie where both sides have the same probability."""
    return "tie" if verdict.label == "tie" or verdict.p_first == verdict.p_second else verdict.label


def _habit(counts: Counter[str]) -> Habit:
    shaded = counts["shaded"] >= counts["decided"]
    n = counts["shaded"] if shaded else counts["decided"]
    first = (counts["first"] + 0.5) / (n + 1)
    mean = counts["logits"] / _UNIT / n if shaded and n else 0.0 if shaded else _logit(first, EDGE)
    return Habit(
        consistency=(counts["same"] + 1) / (counts["both"] + 2),
        home=mean * n / (n + _STEADY),
        comparisons=counts["both"],
        verdicts=n,
    )


def believed(found: Match, habits: Mapping[str, Habit], *, third: str | None = None) -> Match:
    """The match with its P worth what its judges' verdicts are; one that no judge saw, or none could read, as it is.

    A verdict that is a label alone counts as far as its judge repeats itself, and as one vote where it was heard in one
    order; one with probabilities counts as it says. From both the judge's home advantage is taken off. `third` names
    the judge whose opinion counts only where it settled a conflict.
    """
    counted = decide.readable(found.shown[found.since :])
    if found.consistent is False:
        counted = [displays for displays in counted if displays[0][1].judge != third]
    if found.p is None or not counted:
        return found
    whole = math.fsum(displays[0][1].weight for displays in counted)
    leans = [displays[0][1].weight * _lean(found, displays, habits) for displays in counted]
    return replace(found, p=round(0.5 + math.fsum(leans) / whole / 2, decide.DIGITS)) if whole else found


def _lean(found: Match, displays: Sequence[Display], habits: Mapping[str, Habit]) -> float:
    """P(a) - P(the other) of one judge, the mean over its orders."""
    habit = habits.get(displays[0][1].judge, Habit())
    both = len({shown.first.key for shown, _ in displays}) > 1
    signed = [
        (1.0 if shown.first.key == found.a.key else -1.0) * _worth(verdict, habit, both=both)
        for shown, verdict in displays
    ]
    return math.fsum(signed) / len(signed)


def _worth(verdict: Verdict, habit: Habit, *, both: bool) -> float:
    """P(first) - P(second), in -1..1, as far as the verdict is believed."""
    decided = verdict.p_first + verdict.p_second
    if verdict.shaded:
        share = _logistic(_logit(_among_two(verdict), EDGE) - habit.home) if decided and habit.home else None
        return decided * (2 * share - 1) if share is not None else verdict.p_first - verdict.p_second
    if both or not decided:
        return habit.consistency * (verdict.p_first - verdict.p_second)
    # Bayes, with even odds before: what the verdict says of a better and of a worse side shown first.
    toward = 1.0 if verdict.p_first > verdict.p_second else -1.0
    right, wrong = (_logistic(toward * habit.home + side * ALONE) for side in (1, -1))
    return toward * (right - wrong) / (right + wrong)


def _among_two(verdict: Verdict) -> float:
    return verdict.p_first / (verdict.p_first + verdict.p_second)


def _logit(p: float, edge: float) -> float:
    cut = min(1 - edge, max(edge, p))
    return math.log(cut / (1 - cut))


def _logistic(x: float) -> float:
    return 0.5 + 0.5 * math.tanh(x / 2)
