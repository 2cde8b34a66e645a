"""Whether comparisons are like those that a calibration saw, told without people."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ttest_ind

from judgegen.trust import Judged
from judgegen.trust.shift import FIGURES, LEAST, Seen, from_dict, seen, shifts

Scripted = Callable[..., list[Judged]]


@pytest.mark.slow
def test_halves_of_one_set_are_told_apart_no_more_often_than_the_level_says(scripted: Scripted) -> None:
    """Several pairs of a prompt are of one fate, and count as one: two hundred halvings, five in a hundred at most."""
    alarms = 0
    for turn in range(200):
        rows = scripted(turn, n=240, per_prompt=3, accuracy=0.7, first=0.2, tie=0.1)
        prompts = sorted({row.prompt_id for row in rows})
        half = set(random.Random(turn).sample(prompts, len(prompts) // 2))
        one = seen([row for row in rows if row.prompt_id in half], 0.8)
        other = seen([row for row in rows if row.prompt_id not in half], 0.8)
        alarms += bool(shifts(one, other))
    assert alarms <= 0.05 * 200 + 2 * (200 * 0.05 * 0.95) ** 0.5


def test_another_judge_in_kind_is_told(scripted: Scripted) -> None:
    """One that favours the first place, one that ties, one that is surer, longer answers: each by its figure."""
    then = seen(scripted(1, n=300, accuracy=0.8), 0.8)
    for change, name in (({"first": 0.5}, "first"), ({"accuracy": 0.5}, "flips"), ({"sure": 0.7}, "sure")):
        now = seen(scripted(2, n=300, **{"accuracy": 0.8, **change}), 0.8)
        found = shifts(then, now)
        assert found
        assert name in {one.name for one in found}
        assert str(found[0]).startswith(FIGURES[found[0].name])


def test_few_prompts_tell_nothing(scripted: Scripted) -> None:
    """Fewer than a score of either: unknown, which is not the same as no difference."""
    few, many = seen(scripted(1, n=LEAST - 1), None), seen(scripted(2, n=200, first=1.0), None)
    assert shifts(few, many) is None
    assert shifts(many, {}) is None
    assert shifts(many, many) == ()


def test_the_quantile_is_students() -> None:
    """Beside SciPy's Welch test, down to the fewest prompts that are tested."""
    rng = np.random.default_rng(0)
    for n, m in ((20, 20), (25, 90), (300, 40)):
        a, b = rng.normal(0.0, 1.0, n), rng.normal(0.7, 2.0, m)
        moments = [Seen(prompts=len(x), mean=float(np.mean(x)), variance=float(np.var(x, ddof=1))) for x in (a, b)]
        found = shifts({"sure": moments[0]}, {"sure": moments[1]}, level=1.0)
        assert found
        assert abs(found[0].p - ttest_ind(a, b, equal_var=False).pvalue) < 2e-3


def test_it_is_kept_as_it_was(scripted: Scripted) -> None:
    """Through JSON and back; what a later version adds is left aside."""
    found = seen(scripted(3, n=60), 0.7)
    assert from_dict({**{name: one.to_dict() for name, one in found.items()}, "new": {}}) == found
    assert seen([Judged(prompt_id="p")], None) == {}
