"""Is a probability worth its name: Brier score, calibration error with its table, accuracy against coverage.

Confidence is P(the chosen side), max(p, 1 - p), so that nothing depends on which side is called A. Columns and
measures like `agreement`'s; knows nothing of resampling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from judgegen.trust.agreement import share
from judgegen.trust.bootstrap import Floats, Measure, Totals, divide
from judgegen.trust.judged import Judged, Vote

BINS = 10
STEPS = 20
_WORTH: dict[Vote, float] = {"A": 1.0, "B": 0.0, "tie": 0.5}


class Probabilities:
    """Rows as arrays: confidence in the chosen side and what the humans said of it.

    Attributes:
        votes: votes of each row that has a p; 0 elsewhere.
        confidence: max(p, 1 - p); NaN without p. Rounded so that a pair and its mirror image fall together.
        agree: the share of the votes that chose the same side, ties half; half where p is 1/2.
        squared: sum over the votes of (p - vote)².
        several: votes of each row that has two or more.
        divided: of those the squares that no P can take away: votes times their unbiased variance.
        decided: humans have a majority for one side.
        kept: of those, the judge has a side too.
        right: of those, it is the same.
    """

    def __init__(self, rows: Sequence[Judged]) -> None:
        """Read the rows once."""
        p = np.array([np.nan if row.p is None else row.p for row in rows])
        worth = [[_WORTH[vote] for vote in row.votes] for row in rows]
        read = ~np.isnan(p)
        self.votes: Floats = np.array([len(w) for w in worth]) * read.astype(np.float64)
        total = np.array([sum(w) for w in worth])
        squares = np.array([sum(x * x for x in w) for w in worth])
        mean = divide(total, self.votes)
        self.confidence: Floats = np.round(np.maximum(p, 1 - p), 12)
        self.squared: Floats = np.where(read, self.votes * p * p - 2 * p * total + squares, 0.0)
        self.several: Floats = np.where(self.votes > 1, self.votes, 0.0)
        self.divided: Floats = np.where(
            self.votes > 1, (squares - total * mean) * divide(self.votes, self.votes - 1), 0.0
        )
        label = np.array([row.label or "" for row in rows])
        agree = np.where(label == "A", mean, np.where(label == "B", 1 - mean, 0.5))
        self.agree: Floats = np.where(self.votes > 0, agree, 0.0)
        human = [row.human for row in rows]
        self.decided = np.array([h in ("A", "B") for h in human])
        self.kept = self.decided & np.array([x in ("A", "B") for x in label])
        self.right = self.kept & np.array([x == h for x, h in zip(label, human, strict=True)])


def columns(rows: Probabilities, bins: NDArray[np.int64], steps: Floats) -> dict[str, Floats]:
    """One number per row for every name that `measures` reads."""
    found: dict[str, Floats] = {"votes": rows.votes, "squared": rows.squared, "everyone": rows.decided * 1.0}
    found |= {"several": rows.several, "divided": rows.divided}
    confidence = np.nan_to_num(rows.confidence, nan=0.0)
    for i in range(BINS):
        inside = rows.votes * (bins == i)
        found |= {f"bin{i}": inside, f"said{i}": inside * confidence, f"agree{i}": inside * rows.agree}
    for i, step in enumerate(steps):
        above = rows.kept & (confidence >= step)
        found |= {f"kept{i}": above * 1.0, f"right{i}": (above & rows.right) * 1.0}
    return found


def measures(steps: Floats) -> dict[str, Measure]:
    """Brier, ECE, what each bin saw, and accuracy and coverage at each step."""
    found = {
        "brier": share("squared", "votes"),
        "brier_floor": share("divided", "several", "amount"),
        "ece": Measure(of=_ece, kind="free", evidence="votes", noise=_noise),
    }
    for i in range(BINS):
        found |= {f"said{i}": share(f"said{i}", f"bin{i}", "amount"), f"agree{i}": share(f"agree{i}", f"bin{i}")}
    for i in range(len(steps)):
        found |= {f"accuracy{i}": share(f"right{i}", f"kept{i}"), f"coverage{i}": share(f"kept{i}", "everyone")}
    return found


def _ece(totals: Totals) -> Floats:
    """The mean over votes of how far a bin's confidence is from what its votes said."""
    return sum((np.abs(_gap(totals, i)) for i in range(BINS)), np.zeros(()))


def _noise(totals: Totals, resampled: Totals) -> Floats:
    """What the gaps move by in each resample: by the triangle inequality the most that noise can add to the error."""
    return sum((np.abs(_gap(resampled, i) - _gap(totals, i)) for i in range(BINS)), np.zeros(()))


def _gap(totals: Totals, i: int) -> Floats:
    return divide(totals(f"said{i}") - totals(f"agree{i}"), totals("votes"))


def equal_mass(rows: Probabilities) -> NDArray[np.int64]:
    """The bin of each row, -1 without p or votes: ten bins of equal votes, equal confidences never parted."""
    used = rows.votes > 0
    found = np.full(len(rows.votes), -1, dtype=np.int64)
    if not used.any():
        return found
    _, inverse = np.unique(rows.confidence[used], return_inverse=True)
    mass = np.bincount(inverse, weights=rows.votes[used])
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    found[used] = np.minimum((middle * BINS).astype(np.int64), BINS - 1)[inverse]
    return found


def steps(rows: Probabilities, most: int = STEPS) -> Floats:
    """Confidences to cut at, strict to lax: every distinct one where they are few, else equal shares of the pairs."""
    values: Floats = np.sort(rows.confidence[rows.kept])[::-1]
    if len(values) == 0:
        return values
    distinct = np.unique(values)[::-1]
    if len(distinct) <= most:
        return distinct
    places = np.ceil(np.arange(1, most + 1) * len(values) / most).astype(int) - 1
    return np.unique(values[places])[::-1]
