"""How far a judge agrees with humans, and what it does that needs no humans: position, ties, length, price.

Rows become columns, one number per row, whose totals every measure is a function of. Nothing here depends on which
answer is called A: renaming the sides of any row leaves every total as it is. Knows nothing of resampling.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from judgegen.trust.bootstrap import Floats, Kind, Measure, Totals, divide, ratio
from judgegen.trust.judged import Judged, Vote, majority

_CODE: dict[Vote | None, int] = {"A": 0, "B": 1, "tie": 2, None: -1}


def share(top: str, bottom: str, kind: Kind = "share") -> Measure:
    """One total over another, carried by the prompts that have some of the latter."""
    return Measure(of=ratio(top, bottom), kind=kind, evidence=bottom)


def measures() -> dict[str, Measure]:
    """The figures of agreement and habit, by name."""
    return {
        "strict": share("same", "known"),
        "ties_half": share("half", "known"),
        "non_tie": share("right", "decided"),
        "coverage": share("decided", "human_decided"),
        "consistent_accuracy": share("consistent_right", "consistent_kept"),
        "consistent_coverage": share("consistent_kept", "both_orders"),
        "kappa": Measure(of=_kappa, kind="free", evidence="known"),
        "ceiling": share("other_same", "other"),
        "ceiling_non_tie": share("other_right", "other_decided"),
        "tie_rate": share("ties", "readable"),
        "unreadable_rate": share("unreadable", "verdicts"),
        "longer_judge": share("judge_longer", "judge_lengths"),
        "longer_humans": share("human_longer", "human_lengths"),
        "length_excess": Measure(of=_length_excess, kind="free", evidence="judge_lengths"),
        "usd": share("cost", "costed", "amount"),
        "seconds": share("seconds", "timed", "amount"),
    }


def _kappa(totals: Totals) -> Floats:
    """Cohen's kappa over A, B and tie, of the pairs and their mirror images.

    Which answer is called A is an accident of the file: where every label is A, the plain marginals would make chance
    agreement perfect. Mirrored, each of A and B has half of what is not a tie.
    """
    known = totals("known")
    ties = divide(totals("tie_judge"), known), divide(totals("tie_human"), known)
    chance = ties[0] * ties[1] + (1 - ties[0]) * (1 - ties[1]) / 2
    return divide(divide(totals("same"), known) - chance, 1 - chance)


def _length_excess(totals: Totals) -> Floats:
    return divide(totals("judge_longer"), totals("judge_lengths")) - divide(
        totals("human_longer"), totals("human_lengths")
    )


def columns(rows: Sequence[Judged]) -> dict[str, Floats]:
    """One number per row for every name that `measures` reads."""
    human = np.array([_CODE[row.human] for row in rows])
    judge = np.array([_CODE[row.label] for row in rows])
    consistent = np.array([row.consistent is True for row in rows])
    both = np.array([len({order.first for order in row.orders}) == 2 for row in rows])
    known = (human >= 0) & (judge >= 0)
    same = known & (human == judge)
    one_tie = known & ((human == 2) != (judge == 2))
    human_decided = (human == 0) | (human == 1)
    decided = human_decided & ((judge == 0) | (judge == 1))
    found = {
        "known": known,
        "same": same,
        "half": same + one_tie / 2,
        "human_decided": human_decided,
        "both_orders": human_decided & both,
        "decided": decided,
        "right": decided & same,
        "consistent_kept": decided & consistent,
        "consistent_right": decided & consistent & same,
        "tie_judge": known & (judge == 2),
        "tie_human": known & (human == 2),
    }
    counted = _counted(rows)
    return {name: np.asarray(column, dtype=np.float64) for name, column in (found | counted).items()}


def _counted(rows: Sequence[Judged]) -> dict[str, Floats]:
    """The columns that need a look inside each row."""
    table = [_Counts.of(row) for row in rows]
    return {name: np.array([getattr(counts, name) for counts in table]) for name in _Counts.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """What one row adds to the totals of verdicts, votes and prices."""

    verdicts: int
    unreadable: int
    readable: int
    ties: int
    judge_lengths: int
    judge_longer: int
    human_lengths: int
    human_longer: int
    other: int
    other_same: int
    other_decided: int
    other_right: int
    costed: int
    cost: float
    timed: int
    seconds: float

    @classmethod
    def of(cls, row: Judged) -> _Counts:
        """Counts of one row; where no display was recorded, the row is its own verdict."""
        said = [order.winner for order in row.orders] if row.orders else [row.label]
        readable = [winner for winner in said if winner is not None]
        judge_longer, judge_lengths = _longer(row, readable)
        human_longer, human_lengths = _longer(row, row.votes)
        others = _others(row.votes)
        decided = [(vote, rest) for vote, rest in others if "tie" not in (vote, rest)]
        return cls(
            verdicts=len(said),
            unreadable=len(said) - len(readable),
            readable=len(readable),
            ties=readable.count("tie"),
            judge_lengths=judge_lengths,
            judge_longer=judge_longer,
            human_lengths=human_lengths,
            human_longer=human_longer,
            other=len(others),
            other_same=sum(vote == rest for vote, rest in others),
            other_decided=len(decided),
            other_right=sum(vote == rest for vote, rest in decided),
            costed=int(row.cost_usd is not None),
            cost=row.cost_usd or 0.0,
            timed=int(row.seconds is not None),
            seconds=row.seconds or 0.0,
        )


def _longer(row: Judged, said: Sequence[Vote]) -> tuple[int, int]:
    """How many of the decided votes went to the longer side, and how many there were; none where lengths are equal."""
    if row.len_a is None or row.len_b is None or row.len_a == row.len_b:
        return 0, 0
    decided = [vote for vote in said if vote != "tie"]
    return decided.count("A" if row.len_a > row.len_b else "B"), len(decided)


@functools.lru_cache(maxsize=4096)  # rows have the same few sets of votes, over and over
def _others(votes: tuple[Vote, ...]) -> tuple[tuple[Vote, Vote], ...]:
    """Each vote beside what most of the others said; votes whose others have no majority are left out."""
    found: list[tuple[Vote, Vote]] = []
    for i, vote in enumerate(votes):
        rest = majority((*votes[:i], *votes[i + 1 :]))
        if rest is not None:
            found.append((vote, rest))
    return tuple(found)


def positions(rows: Sequence[Judged]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Successes and trials of position consistency (over pairs) and of P(first) (over verdicts that are no tie)."""
    consistent = [row.consistent for row in rows if row.consistent is not None]
    spoken = [order.label for row in rows for order in row.orders if order.label in ("first", "second")]
    return (sum(consistent), len(consistent)), (spoken.count("first"), len(spoken))
