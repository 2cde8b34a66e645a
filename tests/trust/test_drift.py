"""Whether a judge moved on its anchors: exact tests, whatever its own noise."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from judgegen.trust.drift import TESTS, Anchor, drift, least_moves

LABELS = ("A", "B", "tie", None)
anchors = st.builds(
    Anchor,
    id=st.just("c"),
    votes=st.lists(st.sampled_from(("A", "B", "tie")), max_size=3).map(tuple),
    now=st.sampled_from(LABELS),
    then=st.sampled_from(LABELS),
    known=st.booleans(),
    again=st.sampled_from(LABELS),
    asked_again=st.booleans(),
)


def judged(now: str, then: str, again: str | None = None, human: str = "A") -> Anchor:
    told: dict[str, Any] = {"now": now, "then": then, "again": again}
    return Anchor(id="c", votes=(human,) * 3, known=True, asked_again=again is not None, **told)  # type: ignore[arg-type]


@given(st.lists(anchors, max_size=12), st.randoms(use_true_random=False), st.integers(0, 2))
def test_the_order_of_anchors_and_the_names_of_the_sides_change_nothing(
    rows: list[Anchor], lots: random.Random, lacking: int
) -> None:
    """Whoever is called A; counts are parts of one another; nothing is tested while anchors lack answers."""
    found = drift(rows, lacking=lacking)
    other = {"A": "B", "B": "A", "tie": "tie", None: None}

    def turned(row: Anchor) -> Anchor:
        said: dict[str, Any] = {name: other[getattr(row, name)] for name in ("now", "then", "again")}
        votes: Any = tuple(other[vote] for vote in row.votes)
        return replace(row, votes=votes, **said)

    shuffled = [turned(row) for row in rows]
    lots.shuffle(shuffled)
    assert drift(shuffled, lacking=lacking) == found
    assert found.stayed + found.returned <= found.moved <= found.known <= found.judged == len(rows)
    assert found.agreed <= found.decided <= found.judged
    assert (found.p is None) == (found.alarms is None) == (bool(lacking) or not found.known)


def test_the_tests_are_the_binomial_ones() -> None:
    """Seven lost and one gained, six moves that stay and two taken back: SciPy's exact P of both."""
    rows = [judged("B", "A", "B")] * 5 + [judged("B", "A", "A")] * 2 + [judged("A", "B", "A")] + [judged("A", "A")] * 9
    found = drift(rows)
    assert (found.lost, found.gained, found.stayed, found.returned) == (7, 1, 6, 2)
    assert found.p is not None
    assert found.p["agreement"] == pytest.approx(binomtest(7, 8).pvalue)
    assert found.p["moved"] == pytest.approx(binomtest(6, 8, alternative="greater").pvalue)
    assert found.alarms == ()
    assert drift([judged("A", "A")] * 20).p == dict.fromkeys(TESTS, 1.0)


@pytest.mark.parametrize("looks", [1, 4])
def test_so_many_moves_raise_the_alarm_and_one_fewer_does_not(looks: int) -> None:
    """The level is shared by the tests and by the looks; a thousand anchors are no trouble."""
    few = least_moves(looks)
    for moves in (few - 1, few):
        rows = [judged("tie", "A", "tie", human="B")] * moves + [judged("A", "A")] * 2000
        assert drift(rows, looks=looks).alarms == (("moved",) if moves == few else ())


@pytest.mark.parametrize("noise", [0.02, 0.2, 0.5])
def test_a_judge_that_is_the_same_raises_it_in_five_of_a_hundred_at_most(noise: float) -> None:
    """Verdicts redrawn from its own, however often: the tests are exact for any noise."""
    alarms, turns = 0, 400
    for turn in range(turns):
        lots = random.Random(f"{noise} {turn}")
        alarms += bool(drift(_redrawn(lots, noise, noise)).alarms)
    assert alarms <= 0.05 * turns + 2 * (turns * 0.05 * 0.95) ** 0.5


def test_another_judge_raises_it() -> None:
    """One that differs on a third of fifty anchors, and is as noisy as the old one."""
    fired = sum(bool(drift(_redrawn(random.Random(f"x {turn}"), 0.05, 0.05, other=0.35)).alarms) for turn in range(50))
    assert fired >= 45


def _redrawn(lots: random.Random, noise: float, noise_now: float, other: float = 0.0) -> list[Anchor]:
    """Fifty anchors, `other` of them with another usual verdict now."""

    def said(usual: str, share: float) -> str:
        return lots.choice(("A", "B", "tie")) if lots.random() < share else usual

    rows = []
    for _ in range(50):
        human = lots.choice("AB")
        usual = human if lots.random() < 0.8 else lots.choice(("A", "B", "tie"))
        now = lots.choice([one for one in ("A", "B", "tie") if one != usual]) if lots.random() < other else usual
        row = judged(said(now, noise_now), said(usual, noise), human=human)
        rows.append(replace(row, again=said(now, noise_now), asked_again=True) if row.moved else row)  # type: ignore[arg-type]
    return rows
