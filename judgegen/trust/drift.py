"""Whether a judge's verdicts on anchors moved beyond chance since a reference saw them: two exact tests.

An anchor is a labelled comparison, one of each prompt, that is judged again. For the same judge its verdict of then and
its verdict of now are two draws of one lot. So of the anchors that moved from right to wrong or from wrong to right
each way is as likely (McNemar's exact test, two-sided); and of those whose verdict moved at all and, asked once more,
is one of the two again, either is as likely (a sign test, one-sided: a judge that changed repeats what it says now).
Both hold whatever the judge's own noise is, without knowing it. The level is divided by the two tests, and by the
number of looks that are taken with one reference. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from judgegen.trust.judged import Vote, majority

LEVEL = 0.05
"""How often a judge that did not change raises an alarm, at most, over all looks together."""
TESTS = {"agreement": "how many it judges as people do", "moved": "what it says"}
"""What is tested, by name."""
Said = Vote | None
"""A verdict; None where it could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A comparison as it was judged again.

    Attributes:
        id: the comparison's own.
        votes: what people said.
        now: the verdict.
        then: that of the reference, where `known`.
        again: what was said once more, where that was asked.
    """

    id: str
    votes: tuple[Vote, ...]
    now: Said
    then: Said = None
    known: bool = False
    again: Said = None
    asked_again: bool = False

    @property
    def moved(self) -> bool:
        """Whether the verdict is another than the reference's."""
        return self.known and self.now != self.then


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What anchors came to.

    Attributes:
        judged: anchors that were judged.
        lacking: those that lack an answer.
        decided, agreed: anchors on which people have a majority, and those of them on which the judge is with it.
        known: anchors that the reference knows; the rest is of these.
        moved: those with another verdict than then; `stayed` say the new one once more, `returned` the old one.
        lost, gained: those that were right and are wrong, and the other way round.
        p: of each test, by name; None where nothing could be tested.
        level: of each test.
        alarms: the tests below their level; None where nothing could be tested.
    """

    judged: int
    lacking: int
    decided: int
    agreed: int
    known: int
    moved: int
    stayed: int
    returned: int
    lost: int
    gained: int
    p: dict[str, float] | None
    level: float
    alarms: tuple[str, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        whole = {name: getattr(self, name) for name in self.__slots__}
        return {**whole, "alarms": None if self.alarms is None else list(self.alarms)}


def drift(anchors: Iterable[Anchor], *, lacking: int = 0, looks: int = 1) -> Drift:
    """The tests over what was judged; nothing is tested while anchors lack answers, or where none is known.

    Args:
        anchors: in any order.
        lacking: how many more lack an answer.
        looks: how many times the reference is looked at in all.
    """
    rows = list(anchors)
    known = [row for row in rows if row.known]
    decided = [row for row in rows if majority(row.votes) is not None]
    moved = [row for row in known if row.moved]
    lost, gained = (sum(_right(row, then) and not _right(row, now) for row in moved) for then, now in _WAYS)
    stayed = sum(row.asked_again and row.again == row.now for row in moved)
    returned = sum(row.asked_again and row.again == row.then for row in moved)
    whole = bool(known) and not lacking
    p = {"agreement": _two_sided(lost, gained), "moved": _at_least(stayed, stayed + returned)} if whole else None
    level = LEVEL / len(TESTS) / looks
    return Drift(
        judged=len(rows),
        lacking=lacking,
        decided=len(decided),
        agreed=sum(_right(row, "now") for row in decided),
        known=len(known),
        moved=len(moved),
        stayed=stayed,
        returned=returned,
        lost=lost,
        gained=gained,
        p=p,
        level=level,
        alarms=None if p is None else tuple(name for name in TESTS if p[name] <= level),
    )


_WAYS = (("then", "now"), ("now", "then"))


def _right(row: Anchor, when: str) -> bool:
    """Whether the verdict of then or now is what most people said; not where they have no majority."""
    human = majority(row.votes)
    return human is not None and getattr(row, when) == human


def _at_least(k: int, n: int) -> float:
    """P of k heads or more in n throws of a fair coin."""
    return float(Fraction(sum(math.comb(n, i) for i in range(k, n + 1)), 2**n))


def _two_sided(one: int, other: int) -> float:
    """P of so uneven a split of so many throws, either way."""
    return min(1.0, 2 * _at_least(max(one, other), one + other))


def least_moves(looks: int = 1) -> int:
    """The fewest anchors that have to move, and stay, before an alarm can be raised."""
    return math.ceil(-math.log2(LEVEL / len(TESTS) / looks) - 1e-9)
