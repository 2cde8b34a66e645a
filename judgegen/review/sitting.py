"""One annotator before a queue: what comes next, what a vote means, how far the judge agrees so far.

Knows nothing of HTTP. The judge's word on a comparison leaves here only after the annotator's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from judgegen.errors import SpecError
from judgegen.review.labels import Labels
from judgegen.review.queue import Queued, a_on_the_left
from judgegen.show.words import said
from judgegen.sources.annotated import standing
from judgegen.trust import Judged, Vote, lower_bound, report
from judgegen.trust.figures import enough

TARGET = 0.9
"""The agreement that `judgegen judge calibrate` asks for unless told otherwise."""
RESAMPLES = 200
SAID = {"1": "left", "2": "right", "0": "tie", "skip": "skip"}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class Sitting:
    """The queue, the labels, who labels.

    Attributes:
        skipped: comparisons passed over in this sitting; they come again in the next.
        done: comparisons voted on in this sitting, the last one last: what undo goes by.
    """

    queue: Sequence[Queued]
    labels: Labels
    annotator: str
    seed: int = 0
    now: Callable[[], str] = _now
    skipped: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._items = {item.id: item for item in self.queue}

    def mine(self) -> dict[str, Vote]:
        """This annotator's standing labels on the queue."""
        lines = standing(self.labels.lines)
        return {i: line["winner"] for (i, who), line in lines.items() if who == self.annotator and i in self._items}

    def next(self) -> Queued | None:
        """The first that is neither labelled nor skipped."""
        gone = self.mine().keys() | self.skipped
        return next((item for item in self.queue if item.id not in gone), None)

    def vote(self, name: str, key: str, note: str = "") -> None:
        """Keep a vote: "1" for the left answer, "2" for the right one, "0" for a tie, "skip" for none.

        Raises:
            SpecError: no such comparison or key.
        """
        if name not in self._items or key not in SAID:
            raise SpecError(f"no comparison {name!r}, or no vote {key!r}: 1, 2, 0 or skip")
        if key == "skip":
            self.skipped.add(name)
            return
        left = a_on_the_left(self._items[name], self.annotator, self.seed)
        winner: Vote = "tie" if key == "0" else "A" if (key == "1") == left else "B"
        self._keep(name, winner, note)
        self.done.append(name)

    def undo(self) -> None:
        """Take the last vote of this sitting back; the comparison comes again."""
        if self.done:
            self._keep(self.done.pop(), None, "")

    def _keep(self, name: str, winner: Vote | None, note: str) -> None:
        given = {"annotator": self.annotator, "winner": winner, "note": note, "at": self.now()}
        self.labels.add({**self._items[name].row(), **given})

    def state(self) -> dict[str, Any]:
        """All that the page shows: the comparison to label, the judge on the last one, progress, figures."""
        item, mine = self.next(), self.mine()
        return {
            "item": None if item is None else self._shown(item),
            "last": self._revealed(self.done[-1], mine) if self.done else None,
            "progress": {"done": len(mine), "skipped": len(self.skipped), "of": len(self.queue)},
            "figures": figures(self.queue, self.labels.lines, self.annotator),
        }

    def _shown(self, item: Queued) -> dict[str, Any]:
        left, right = (item.a, item.b) if a_on_the_left(item, self.annotator, self.seed) else (item.b, item.a)
        prompt = [[str(m.get("role", "")), said([m])] for m in item.messages]
        return {"id": item.id, "prompt": prompt, "left": left, "right": right}

    def _revealed(self, name: str, mine: dict[str, Vote]) -> dict[str, Any]:
        """The judge on a comparison that was voted on, with A and B as they stood: 1 and 2."""
        item, own = self._items[name], mine[name]
        left = a_on_the_left(item, self.annotator, self.seed)
        names = {"A": "1" if left else "2", "B": "2" if left else "1", "tie": "a tie"}
        judge = Judged(prompt_id=item.prompt_id, p=item.p).label
        return {
            "you": names[own],
            "judge": None if judge is None else names[judge],
            "p": None if item.p is None else (item.p if left else 1 - item.p),
            "said": [line.replace("⟨A⟩", names["A"]).replace("⟨B⟩", names["B"]) for line in item.said],
        }


def judged(queue: Iterable[Queued], lines: Iterable[Any], annotator: str | None = None) -> list[Judged]:
    """Rows for the figures: every comparison of the queue that somebody labelled (or this one) and the judge read."""
    votes: dict[str, list[Vote]] = {}
    for (name, who), line in standing(lines).items():
        if annotator in (None, who):
            votes.setdefault(name, []).append(line["winner"])
    return [
        Judged(prompt_id=item.prompt_id, votes=tuple(votes[item.id]), p=item.p, len_a=len(item.a), len_b=len(item.b))
        for item in queue
        if item.id in votes
    ]


def figures(queue: Sequence[Queued], lines: Sequence[Any], annotator: str) -> list[list[str]]:
    """Agreement and κ with their intervals, and how many labels are still wanted: names and words."""
    mine = [row for row in judged(queue, lines, annotator) if row.p is not None]
    if len(mine) < 2:
        return [["agreement", "after two labels of pairs that the judge read"]]
    found = report(mine, resamples=RESAMPLES)
    shown = [["agreement", str(found.accuracy.strict)], ["κ", str(found.kappa)], ["labels wanted", wanted(mine)]]
    every = judged(queue, lines)
    if any(len(row.votes) > 1 for row in every):
        shown.append(["people among themselves", str(report(every, resamples=RESAMPLES).ceiling)])
    return shown


def wanted(rows: Sequence[Judged], target: float = TARGET) -> str:
    """How many more labels `judgegen judge calibrate` needs if agreement goes on as it is, in words."""
    sides = [(row.label, row.human) for row in rows if {row.label, row.human} <= {"A", "B"}]
    n, right = len(sides), sum(judge == human for judge, human in sides)
    least = enough(target)
    if n < least:
        return f"{least - n:,} more at least, for a target of {target:.0%}"
    share = right / n
    if share <= target:
        return f"no number will show {target:.0%} of all pairs; calibrate may find a surer part of them"
    need = next((m for m in range(n, 20_001) if lower_bound(share * m, m) >= target), None)
    if need is None:
        return f"more than 20,000 in all for a target of {target:.0%}"
    return "enough" if need == n else f"about {need - n:,} more for a target of {target:.0%}"
