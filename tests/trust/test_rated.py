"""Scores beside ratings: tau-b within a prompt by hand, and what it may not depend on."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.trust.rated import Rating, Ratings, rated

Keyed = dict[tuple[str, str], float]


def of(rows: dict[str, list[tuple[float, ...]]], *, named: bool = False) -> Ratings:
    """By prompt each answer's marks of one criterion, a number a rater."""
    return {
        (prompt, f"a{place}"): [
            Rating(rater=f"r{who}" if named else None, marks={"c": mark}) for who, mark in enumerate(marks)
        ]
        for prompt, answers in rows.items()
        for place, marks in enumerate(answers)
    }


def scores(rows: dict[str, list[float]]) -> Keyed:
    return {(prompt, f"a{place}"): score for prompt, each in rows.items() for place, score in enumerate(each)}


def test_by_hand() -> None:
    """Of three answers one couple the other way round: (2 - 1) / 3; beside a prompt in one order: the mean of both."""
    people = of({"p": [(1,), (2,), (3,)], "q": [(1,), (2,)]})
    found = rated(scores({"p": [0.1, 0.9, 0.5], "q": [0.2, 0.3]}), people, {}, resamples=50)
    assert found.tau.value == pytest.approx((1 / 3 + 1) / 2)
    assert (found.prompts, found.answers, found.left_out) == (2, 5, 0)
    assert found.ceiling.value is None


def test_ties_by_hand() -> None:
    """People tie two of three, the judge none: (2 - 0) / sqrt(2 x 3), tau-b's."""
    found = rated(scores({"p": [0.1, 0.2, 0.9]}), of({"p": [(1,), (1,), (3,)]}), {}, resamples=50)
    assert found.tau.value == pytest.approx(2 / math.sqrt(6))
    assert found.tau.low is None


def test_what_has_no_order_is_left_out_and_never_zero() -> None:
    """One answer, all alike to people, all alike to the judge, none scored: counted, and no figure."""
    people = of({"one": [(3,)], "alike": [(2,), (2,)], "flat": [(1,), (2,)], "mute": [(1,), (2,)]})
    judge = scores({"one": [0.5], "alike": [0.1, 0.9], "flat": [0.5, 0.5]})
    found = rated(judge, people, {}, resamples=50)
    assert found.tau.value is None
    assert (found.prompts, found.answers, found.left_out) == (0, 0, 4)
    assert rated({}, {}, {}).tau.value is None
    more = rated(judge | scores({"two": [0.1, 0.2]}), {**people, **of({"two": [(1,), (2,)]})}, {}, resamples=50)
    assert (more.tau.value, more.prompts, more.left_out) == (1.0, 1, 4)


def test_missing_raters_and_nan_are_no_rating() -> None:
    """A mark that is NaN is as if it were not there; so is an answer with nothing else, and a score that is NaN."""
    people = {
        ("p", "x"): [Rating(marks={"c": 1.0, "d": math.nan}), Rating(marks={"c": math.nan})],
        ("p", "y"): [Rating(marks={"c": 2.0, "d": 4.0})],
        ("p", "z"): [Rating(marks={"d": math.nan})],
        ("p", "w"): [Rating(marks={"c": 9.0})],
    }
    judge = {("p", "x"): 0.1, ("p", "y"): 0.2, ("p", "z"): 0.0, ("p", "w"): math.nan}
    found = rated(judge, people, {}, resamples=50)
    assert (found.tau.value, found.answers) == (1.0, 2)


def test_a_rater_counts_once_however_many_criteria_it_filled() -> None:
    """The mean over raters of the mean over criteria: (1 + 4) / 2 is below 3, the mean of all marks is above."""
    people = {
        ("p", "x"): [Rating(marks={"c": 1.0}), Rating(marks={"c": 4.0, "d": 4.0, "e": 4.0})],
        ("p", "y"): [Rating(marks={"c": 3.0})],
    }
    assert rated({("p", "x"): 0.1, ("p", "y"): 0.2}, people, {}, resamples=50).tau.value == 1.0


def test_an_aspect_is_held_against_its_criterion_alone() -> None:
    """The whole may be the other way round."""
    people = {
        ("p", "x"): [Rating(marks={"c": 1.0, "d": 9.0})],
        ("p", "y"): [Rating(marks={"c": 2.0, "d": 1.0})],
    }
    judge = {("p", "x"): 0.1, ("p", "y"): 0.2}
    found = rated(judge, people, {"c": judge}, resamples=50)
    assert (found.tau.value, found.criteria["c"].tau.value) == (-1.0, 1.0)


def test_the_ceiling_by_hand() -> None:
    """Two people who agree, and a third in reverse: -1 against the mean of the two; against them one has no order.

    One of the two has 1, 2, 3 beside (1 + 3) / 2, (2 + 2) / 2, (3 + 1) / 2, which are all alike.
    """
    people = of({"p": [(1, 1, 3), (2, 2, 2), (3, 3, 1)]}, named=True)
    found = rated(scores({"p": [1, 2, 3]}), people, {}, resamples=50)
    assert found.ceiling.value == -1.0
    assert found.tau.value == 1.0
    alike = of({"p": [(1, 1), (2, 2), (4, 4)], "q": [(5, 5), (1, 1)]})
    assert rated({}, alike, {}, resamples=50).ceiling.value == 1.0


mark = st.integers(1, 4).map(float)
prompts = st.dictionaries(
    st.sampled_from("pqrst"), st.lists(st.lists(mark, min_size=1, max_size=3).map(tuple), min_size=1, max_size=4)
)


@settings(max_examples=40, deadline=None)
@given(prompts, st.integers(0, 99))
def test_only_order_counts(rows: dict[str, list[tuple[float, ...]]], seed: int) -> None:
    """Any rising map of scores, another of each prompt, and raters without a name in another order change nothing."""
    lot = random.Random(seed)
    people = of(rows)
    judge = {key: float(lot.randrange(4)) for key in people}
    found = rated(judge, people, {"c": judge}, resamples=20)
    risen = {key: math.exp(value) + 100 * "pqrst".index(key[0]) for key, value in judge.items()}
    keys = lot.sample(sorted(people), len(people))
    turned = {key: lot.sample(list(people[key]), len(people[key])) for key in keys}
    assert rated(risen, turned, {"c": risen}, resamples=20) == found
    assert found.prompts + found.left_out == len({key[0] for key in people})
    reversed_ = rated({key: -value for key, value in judge.items()}, people, {}, resamples=20)
    if found.tau.value is not None:
        assert reversed_.tau.value == pytest.approx(-found.tau.value)
    assert reversed_.ceiling == found.ceiling


def test_named_raters_in_another_order_are_the_same_people() -> None:
    """Whose place in an answer's list is another is still who he was."""
    people = of({"p": [(1, 4), (2, 3), (3, 2), (4, 1)]}, named=True)
    turned = {key: list(given)[:: -1 if place % 2 else 1] for place, (key, given) in enumerate(people.items())}
    judge = scores({"p": [1, 2, 3, 4]})
    assert rated(judge, people, {}, resamples=20) == rated(judge, turned, {}, resamples=20)
    assert rated(judge, people, {}, resamples=20).ceiling.value == -1.0
