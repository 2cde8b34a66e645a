from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge.decide import match
from judgegen.records import Candidate, Comparison, Label, Unreadable, Verdict
from judgegen.trust import Judged, Showing, Vote, judged, majority, mean_p

orders = st.lists(
    st.one_of(
        st.builds(
            Showing, first=st.sampled_from("AB"), label=st.sampled_from(get_args(Label)), p_first=st.floats(0, 1)
        ),
        st.builds(Showing, first=st.sampled_from("AB"), label=st.none(), p_first=st.none()),
    ),
    max_size=4,
)
votes = st.lists(st.sampled_from(get_args(Vote)), max_size=5)


@given(orders, votes)
def test_renaming_the_sides_renames_the_label_and_nothing_else(shown: list[Showing], said: list[Vote]) -> None:
    """swap() is its own inverse; label and human majority change sides, consistency stays."""
    other: dict[Vote | None, Vote | None] = {"A": "B", "B": "A", "tie": "tie", None: None}
    row = Judged(prompt_id="p", votes=tuple(said), p=mean_p(shown), orders=tuple(shown), len_a=1, len_b=2)
    mirror = row.swap()
    assert mirror.label == other[row.label]
    assert mirror.human == other[row.human]
    assert mirror.consistent == row.consistent
    assert mirror.swap().orders == row.orders
    assert (mirror.len_a, mirror.len_b) == (2, 1)


@given(orders)
def test_an_order_that_cannot_be_read_leaves_no_probability(shown: list[Showing]) -> None:
    """The mean over orders exists exactly when there are orders and each one was read."""
    assert (mean_p(shown) is None) == (not shown or any(order.label is None for order in shown))


@pytest.mark.parametrize(
    ("said", "most"),
    [
        ((), None),
        (("A",), "A"),
        (("A", "B"), None),
        (("A", "B", "tie"), None),
        (("A", "tie", "tie"), "tie"),
        (("A", "A", "B", "B", "tie"), None),
        (("B", "A", "B"), "B"),
    ],
)
def test_a_split_has_no_majority(said: tuple[Vote, ...], most: Vote | None) -> None:
    """Humans who disagree evenly have not called a tie."""
    assert majority(said) == most


@pytest.mark.parametrize(
    ("ab", "ba", "consistent"),
    [
        ("first", "second", True),
        ("first", "first", False),
        ("tie", "tie", True),
        ("first", "tie", False),
        ("first", None, None),
    ],
)
def test_consistency_is_the_same_verdict_twice(ab: Label, ba: Label | None, consistent: bool | None) -> None:
    """A win one way and a tie the other is a verdict that the order changed; an unread order says nothing."""
    row = Judged(
        prompt_id="p",
        orders=(
            Showing(first="A", label=ab, p_first=0.9),
            Showing(first="B", label=ba, p_first=None if ba is None else 0.1),
        ),
    )
    assert row.consistent is consistent


@pytest.mark.parametrize("p", [0.5, 0.5 - 2**-54, 0.5 + 2**-53])
def test_a_lean_that_rounding_made_is_a_tie_both_ways(p: float) -> None:
    """1 - p is not always exact: a pair and its mirror image must still get mirrored labels."""
    row = Judged(prompt_id="p", p=p)
    assert (row.label, row.swap().label) == ("tie", "tie")


def test_one_order_twice_is_no_test_of_position() -> None:
    """Two verdicts on the same display leave position consistency unknown."""
    shown = Showing(first="A", label="first", p_first=1.0)
    assert Judged(prompt_id="p", orders=(shown, shown)).consistent is None


def test_a_match_becomes_a_row_in_its_own_coordinates() -> None:
    """`a` is side A whatever was shown first; an unreadable order stays one."""
    a, b = (
        Candidate(prompt_id="q", variant=name, index=0, model="m", text=name * size, finish="stop", call_id=name)
        for name, size in (("x", 3), ("y", 5))
    )
    seen = Comparison(first=b, second=a)
    verdict = Verdict(label="second", p_first=0.1, p_second=0.7, p_tie=0.2)
    row = judged(match(a, b, [(seen, verdict)]), votes=("A",), cost_usd=0.5)
    assert row.orders == (Showing(first="B", label="second", p_first=verdict.share),)
    assert (row.label, row.human, row.len_a, row.len_b, row.cost_usd) == ("A", "A", 3, 5, 0.5)
    assert row.p == mean_p(row.orders)
    lost = judged(match(a, b, [(seen, Unreadable(reason="empty"))]))
    assert (lost.p, lost.orders[0].label) == (None, None)
