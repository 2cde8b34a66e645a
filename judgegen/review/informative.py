"""Which comparisons to ask people about next: those whose label is likeliest to be wrong, as their votes have taught.

How often the judge errs is a logistic function of how sure it is, whether its verdicts differ, how often they do on the
same prompt, and how much longer the answer that it prefers is. Each coefficient begins where nothing is known of this
judge (it is wrong as often as its own P says) and moves by the votes that are there. Without a vote the least sure come
first. Knows nothing of pages or files.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from judgegen.judge.bradley_terry import likeliest
from judgegen.review.queue import Queued, queue
from judgegen.sources.annotated import standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SUREST, LONGEST = 4.0, 3.0
"""The most log odds, and the most of a logarithm of a ratio of lengths, that count: votes on few pairs say no more."""
PRIOR = ((0.5, 0.4), (0.268941, 5.0), (0.5, 4.0), (0.5, 4.0), (0.5, 4.0))
"""Of each coefficient what stands for it before any vote: so many observations with this share of errors.

The second is of the judge's log odds, and its share is that of -1: the coefficient -1 says that the judge errs as often
as P says. The others say nothing, and hold the fit where votes are few.
"""


def informative(found: Sequence[Queued], count: int, lines: Iterable[Mapping[str, Any]], seed: int) -> list[Queued]:
    """The next `count` of those that nobody labelled yet, by what the labels in `lines` teach; equals by lot.

    Those that no judge compared come last: nothing says which of them to prefer.
    """
    import numpy as np

    drawn = queue(found, len(found), "random", seed)
    votes: dict[str, list[str]] = defaultdict(list)
    for (name, _), line in standing(lines).items():
        votes[name].append(line["winner"])
    known = [item for item in drawn if item.p is not None]
    if not known:
        return [item for item in drawn if item.id not in votes][:count]
    design = np.array(_features(known))
    odds = design @ _coefficients(design, known, votes)
    wrong = {item.id: float(value) for item, value in zip(known, odds, strict=True)}
    left = [item for item in drawn if item.id not in votes]
    return sorted(left, key=lambda item: -round(wrong.get(item.id, -math.inf), 9))[:count]


def _features(items: Sequence[Queued]) -> list[list[float]]:
    """Of each: 1, the judge's log odds, whether it contradicts itself, how often it does there, and what it favours."""
    every = Counter(item.prompt_id for item in items)
    at_odds = Counter(item.prompt_id for item in items if item.conflict)
    return [
        [1.0, _sure(item), float(item.conflict), at_odds[item.prompt_id] / every[item.prompt_id], _longer(item)]
        for item in items
    ]


def _sure(item: Queued) -> float:
    p = _p(item)
    return SUREST if p in (0.0, 1.0) else min(SUREST, abs(math.log(p / (1 - p))))


def _longer(item: Queued) -> float:
    """By how much the preferred answer is longer than the other, as a logarithm."""
    ratio = math.log((len(item.a) + 1) / (len(item.b) + 1))
    return max(-LONGEST, min(LONGEST, ratio if _p(item) > 0.5 else -ratio if _p(item) < 0.5 else 0.0))


def _p(item: Queued) -> float:
    assert item.p is not None
    return item.p


def _coefficients(design: Floats, items: Sequence[Queued], votes: Mapping[str, Sequence[str]]) -> Floats:
    """What makes the errors so far likeliest, and what is known without them."""
    import numpy as np

    asked = [(row, item) for row, item in zip(design, items, strict=True) if item.id in votes and _p(item) != 0.5]
    shares = [_against(_p(item) > 0.5, votes[item.id]) for _, item in asked]
    rows = [*np.eye(design.shape[1]), *(row for row, _ in asked)]
    before, weights = zip(*PRIOR, strict=True)
    return likeliest(np.array(rows), np.array([*before, *shares]), np.array([*weights, *(1.0 for _ in asked)]))[0]


def _against(judge_says_a: bool, winners: Sequence[str]) -> float:
    """The share of people who say the contrary, ties half."""
    other = "B" if judge_says_a else "A"
    return sum(1.0 if one == other else 0.5 if one == "tie" else 0.0 for one in winners) / len(winners)
