from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.judge.bradley_terry import Bout, Strengths, fit

SIZE = 5


def bout(first: int, step: int, share: float, judge: int, weight: int) -> Bout:
    return Bout(first=first, second=(first + step) % SIZE, share=share, judge=judge, weight=weight)


BOUTS = st.lists(
    st.builds(
        bout, st.integers(0, SIZE - 1), st.integers(1, SIZE - 1), st.floats(0, 1), st.integers(0, 1), st.integers(1, 3)
    ),
    max_size=20,
)


def close(one: Strengths, values: list[float]) -> bool:
    return bool(np.allclose(one.values, values, atol=1e-7))


@settings(deadline=None)
@given(BOUTS, st.permutations(range(SIZE)), st.booleans(), st.randoms(use_true_random=False))
def test_names_and_arrival_order_do_not_matter(
    bouts: list[Bout], new: list[int], home: bool, lot: random.Random
) -> None:
    """Renumbering the candidates renumbers the strengths, whatever the order of the bouts."""
    renamed = [replace(b, first=new[b.first], second=new[b.second]) for b in lot.sample(bouts, len(bouts))]
    one, other = fit(SIZE, bouts, home=home), fit(SIZE, renamed, home=home)
    assert close(one, [other.values[new[i]] for i in range(SIZE)])
    assert np.allclose(one.errors, [other.errors[new[i]] for i in range(SIZE)], atol=1e-7)
    assert one.connected == other.connected


@settings(deadline=None)
@given(BOUTS, st.booleans())
def test_reversing_all_outcomes_reverses_the_strengths(bouts: list[Bout], home: bool) -> None:
    """Swap winners and losers everywhere and every strength and home advantage changes sign."""
    one = fit(SIZE, bouts, home=home)
    other = fit(SIZE, [replace(b, share=1 - b.share) for b in bouts], home=home)
    assert close(one, [-value for value in other.values])
    assert np.allclose(one.home, [-value for value in other.home], atol=1e-7)


@settings(deadline=None)
@given(BOUTS)
def test_without_home_advantage_the_order_shown_is_nothing(bouts: list[Bout]) -> None:
    """Showing a pair the other way round, with its share turned, is the same bout."""
    turned = [replace(b, first=b.second, second=b.first, share=1 - b.share) for b in bouts]
    assert close(fit(SIZE, bouts), list(fit(SIZE, turned).values))


@settings(deadline=None)
@given(BOUTS, st.integers(0, SIZE - 1), st.integers(1, SIZE - 1))
def test_a_further_win_never_lowers_a_strength(bouts: list[Bout], who: int, step: int) -> None:
    """The winner of an added bout does not fall, the loser does not rise."""
    extra = bout(who, step, 1.0, 0, 1)
    before, after = fit(SIZE, bouts), fit(SIZE, [*bouts, extra])
    assert after.values[extra.first] >= before.values[extra.first] - 1e-9
    assert after.values[extra.second] <= before.values[extra.second] + 1e-9


def test_two_candidates_have_the_strength_of_their_odds() -> None:
    """With a small prior and many bouts, the gap is the log odds of the wins and its error the textbook's."""
    bouts = [Bout(first=0, second=1, share=1.0, weight=300), Bout(first=1, second=0, share=1.0, weight=100)]
    found = fit(2, bouts, prior=1e-6)
    assert found.values[0] - found.values[1] == pytest.approx(math.log(3), abs=1e-4)
    assert found.p(0, 1) == pytest.approx(0.75, abs=1e-4)
    assert sum(found.values) == pytest.approx(0.0, abs=1e-9)


def test_the_unbeaten_have_a_finite_strength() -> None:
    """Half a win each way: the strength is where one win is balanced by what the prior expects."""
    found = fit(2, [Bout(first=0, second=1, share=1.0)])
    strength = found.values[0]
    expected = 1 / (1 + math.exp(-2 * strength)) + 1 / (1 + math.exp(-strength))
    assert expected == pytest.approx(1.5)
    assert found.p(0, 1) > 0.5
    assert found.values[0] == pytest.approx(-found.values[1])


def test_errors_halve_with_four_times_the_evidence() -> None:
    """Standard errors go with one over the root of the weight; with no bout at all they are the prior's, 2."""
    bouts = [Bout(first=0, second=1, share=0.8), Bout(first=1, second=2, share=0.4)]
    once = fit(3, bouts, prior=0.5)
    again = fit(3, [replace(b, weight=4.0) for b in bouts], prior=2.0)
    assert np.allclose(np.array(once.errors) / 2, again.errors)
    assert fit(1, []).errors[0] == pytest.approx(2.0)


def test_truth_is_recovered_from_an_incomplete_design() -> None:
    """Strengths and a judge's favour for the first come back within two errors, and about as often as they should."""
    inside = total = 0
    truth, favour = np.array([1.0, 0.5, 0.0, -0.5, -1.0]), 0.8
    for seed in range(20):
        rng = np.random.default_rng(seed)
        bouts = []
        for _ in range(150):
            a, b = rng.choice(SIZE, 2, replace=False)
            wins = rng.random() < 1 / (1 + math.exp(-(truth[a] - truth[b] + favour)))
            bouts.append(Bout(first=int(a), second=int(b), share=float(wins)))
        found = fit(SIZE, bouts, home=True)
        gaps = np.array(found.values) - np.mean(found.values) - truth
        inside += int(np.sum(np.abs(gaps) < 2 * np.array(found.errors)))
        inside += abs(found.home[0] - favour) < 2 * found.home_errors[0]
        total += SIZE + 1
    assert inside / total > 0.9


def test_a_judge_that_favours_the_first_is_not_mistaken_for_strength() -> None:
    """Two equals, one always shown first: without the term it looks better, with it the favour is the judge's."""
    bouts = [Bout(first=0, second=1, share=0.8, weight=20)]
    bouts += [Bout(first=2, second=3, share=0.8, weight=10), Bout(first=3, second=2, share=0.8, weight=10)]
    plain, fair = fit(4, bouts), fit(4, bouts, home=True)
    assert fair.home[0] > 0.8
    assert abs(fair.values[0] - fair.values[1]) < 0.5 < plain.values[0] - plain.values[1]


@pytest.mark.parametrize(
    ("pairs", "whole"),
    [([(0, 1), (1, 2), (2, 3), (3, 4)], True), ([(0, 1), (2, 3), (3, 4)], False), ([], False)],
)
def test_a_graph_in_parts_is_said_to_be(pairs: list[tuple[int, int]], whole: bool) -> None:
    """`connected` is false where two candidates were never compared, not even through others."""
    assert fit(SIZE, [Bout(first=a, second=b, share=0.7) for a, b in pairs]).connected is whole


@pytest.mark.parametrize(
    "wrong",
    [
        Bout(first=1, second=1, share=0.5),
        Bout(first=0, second=9, share=0.5),
        Bout(first=0, second=1, share=1.1),
        Bout(first=0, second=1, share=0.5, weight=-1.0),
    ],
)
def test_an_impossible_bout_is_refused(wrong: Bout) -> None:
    """A bout with oneself, a stranger or an impossible share is an error, not a number."""
    with pytest.raises(ValueError, match="Bout"):
        fit(SIZE, [wrong])


def test_without_a_prior_there_is_no_maximum() -> None:
    """A prior of nothing is refused: the unbeaten would be infinitely strong."""
    with pytest.raises(ValueError, match="prior"):
        fit(2, [Bout(first=0, second=1, share=1.0)], prior=0.0)
