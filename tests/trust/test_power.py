"""How many labels a promise takes, whose pairs it counts, and that few prompts count for few."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import beta, binom

from judgegen.trust import Judged, Showing, gate, promised
from judgegen.trust.power import least_agreed, needed, plan, shown
from judgegen.trust.report import report
from judgegen.trust.words import figures


@pytest.mark.parametrize(("pairs", "power"), [(100, 0.43), (200, 0.79), (400, 0.98)])
def test_power_is_that_of_the_exact_test(pairs: int, power: float) -> None:
    """At target .9 and a true .95, by summing over every count that could come."""
    passing = [k for k in range(pairs + 1) if k and beta.ppf(0.05, k, pairs - k + 1) >= 0.9]
    exact = sum(binom.pmf(k, pairs, 0.95) for k in passing)
    assert least_agreed(pairs, 0.9) == passing[0]
    assert shown(pairs, 0.95, 0.9) == pytest.approx(exact)
    assert exact == pytest.approx(power, abs=0.03)


@pytest.mark.parametrize(("true", "target"), [(0.95, 0.9), (0.9, 0.8), (0.99, 0.9)])
def test_so_many_labels_probably_settle_it_and_fewer_do_not(true: float, target: float) -> None:
    """At the number that is told the power is at .8, a tenth below it is not yet."""
    least = needed(true, target)
    assert least is not None
    assert shown(least, true, target) >= 0.8
    assert shown(least - 1, true, target) < 0.8


def test_a_judge_at_the_target_is_never_settled() -> None:
    """No number of labels shows what is not true; the nearer to the target the more it takes."""
    assert needed(0.9, 0.9) is None
    assert needed(0.85, 0.9) is None
    takes = [pairs for _, pairs in plan(0.9)]
    known = [pairs for pairs in takes if pairs is not None]
    assert all(a > b for a, b in itertools.pairwise(known))


def pairs_of(prompts: int, each: int, right: int) -> list[Judged]:
    """So many pairs of each prompt, in the first `right` prompts all right and in the rest all wrong."""
    return [
        Judged(prompt_id=f"p{i}", votes=("A",), p=0.9 if i < right else 0.1)
        for i in range(prompts)
        for _ in range(each)
    ]


def test_many_pairs_of_a_prompt_vouch_for_no_more_than_one() -> None:
    """Where a prompt's pairs stand or fall together, the bound is not above that of one pair to a prompt."""
    many, one = (promised(pairs_of(30, each, 27), 0.5) for each in (7, 1))
    assert many.bound is not None
    assert one.bound is not None
    assert many.bound <= one.bound + 1e-9


def test_few_prompts_tell_their_own_spread_badly() -> None:
    """Independent pairs of few prompts vouch for less than the same pairs of prompts of their own."""
    rng = np.random.default_rng(0)
    right = rng.random(140) < 0.9
    p = np.full(140, 0.9)
    few = gate(p, right, [f"p{i % 20}" for i in range(140)], 0.5)
    own = gate(p, right, [f"p{i}" for i in range(140)], 0.5)
    assert few.bound is not None
    assert own.bound is not None
    assert few.bound < own.bound


def mixed() -> list[Judged]:
    """A hundred pairs that people decide for the judge's side, a hundred on which they are two against two."""
    agreed = [Judged(prompt_id=f"a{i}", votes=("A", "A", "tie", "A"), p=0.9) for i in range(100)]
    split = [Judged(prompt_id=f"s{i}", votes=("A", "A", "B", "B"), p=0.9) for i in range(100)]
    return [*agreed, *split]


def test_a_promise_says_whose_pairs_it_counts_and_what_the_others_are() -> None:
    """Over the pairs people decide it holds; over all that are kept it does not, and both are told, and the votes."""
    decided, every = promised(mixed(), 0.9), promised(mixed(), 0.9, over="all")
    assert (decided.threshold, every.threshold) == (0.9, None)
    assert (decided.pairs, every.pairs) == (100, 200)
    for found in (decided, every):
        assert (found.every, found.every_agreed, found.votes) == (200, 100, 800)
        assert found.votes_agreed == 100 * 3.5 + 100 * 2
    assert promised(mixed(), 0.4, over="all").threshold == 0.9


def test_beside_no_habit_stands_the_least_that_would_have_shown() -> None:
    """Ten verdicts each way leave a habit of a third open, and say so; a habit that shows has no such word."""

    def said(firsts: int) -> str:
        orders = [
            Showing(first="A", label="first" if i < firsts else "second", p_first=float(i < firsts)) for i in range(20)
        ]
        rows = [Judged(prompt_id=f"p{i}", orders=(order,)) for i, order in enumerate(orders)]
        return next(meaning for name, _, _, meaning in figures(report(rows, resamples=20)) if name == "p_first")

    assert "would probably have shown" in said(10)
    assert "would probably have shown" not in said(19)
