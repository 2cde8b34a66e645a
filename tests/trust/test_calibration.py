from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import SpecError
from judgegen.trust import CalibrationMap, Judged, brier, by_vote, fit_map, longer_by_vote
from judgegen.trust.calibration import Method

pytest.importorskip("sklearn", reason="the extra `trust` is not installed")
Scripted = Callable[..., list[Judged]]
METHODS: tuple[Method, ...] = ("shrink", "platt", "isotonic")
GRID = np.linspace(0, 1, 101)


def world(seed: int, n: int = 400, *, slope: float = 0.4) -> tuple[Any, Any, list[str]]:
    """Votes that bear out a judge's log odds only `slope` times; four pairs to a prompt."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 3, n)
    p = 1 / (1 + np.exp(-logit))
    y = (rng.random(n) < 1 / (1 + np.exp(-slope * logit))).astype(float)
    return p, y, [f"p{i // 4}" for i in range(n)]


FITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from("abcde")), min_size=2, max_size=40
).filter(lambda rows: len({group for _, _, group in rows}) > 1)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(FITS, st.sampled_from([*METHODS, "auto"]))
def test_a_map_keeps_order_symmetry_and_doubt(rows: list[tuple[float, float, str]], method: Any) -> None:
    """Whatever the votes: rising, map(1 - p) = 1 - map(p), never beyond [.02, .98]; and JSON keeps it to the bit."""
    p, y, groups = (list(column) for column in zip(*rows, strict=True))
    found = fit_map(np.array(p), np.array(y), groups, method=method)
    mapped = found.many(GRID)
    assert (np.diff(mapped) >= -1e-12).all()
    assert np.allclose(mapped, 1 - found.many(1 - GRID), atol=1e-9)
    assert mapped.min() >= 0.02 - 1e-12
    assert mapped.max() <= 0.98 + 1e-12
    again = CalibrationMap.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert again == found
    assert [found(value) for value in (0.0, 0.3, 0.5, 1.0)] == [again(value) for value in (0.0, 0.3, 0.5, 1.0)]


@settings(deadline=None, max_examples=25)
@given(FITS, st.randoms(use_true_random=False), st.sampled_from([*METHODS, "auto"]))
def test_neither_row_order_nor_names_of_sides_matter(rows: Any, lot: Any, method: Any) -> None:
    """The map is the same for any permutation of the votes with any of them mirrored."""
    turned = [(1 - p, 1 - y, g) if lot.random() < 0.5 else (p, y, g) for p, y, g in lot.sample(rows, len(rows))]
    one, other = (
        fit_map(np.array([r[0] for r in each]), np.array([r[1] for r in each]), [r[2] for r in each], method=method)
        for each in (rows, turned)
    )
    assert one.method == other.method
    assert np.allclose(one.many(GRID), other.many(GRID), atol=1e-6)


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_an_overconfident_judge_is_mended_on_prompts_unseen(method: Any) -> None:
    """Held-out Brier falls, and what it says is near what fresh votes of the same world show."""
    p, y, groups = world(0)
    found = fit_map(p, y, groups, method=method)
    assert found.brier_before == pytest.approx(brier(p, y))
    assert found.brier_after is not None
    assert found.brier_before is not None
    assert found.brier_after < found.brier_before - 0.02
    fresh_p, fresh_y, _ = world(1, 20_000)
    assert brier(found.many(fresh_p), fresh_y) == pytest.approx(found.brier_after, abs=0.03)


def test_noise_cannot_be_learnt() -> None:
    """Votes that ignore the judge: a bending map fits them, but on prompts unseen it is no better than saying 1/2."""
    rng = np.random.default_rng(7)
    p, y = rng.random(300), (rng.random(300) < 0.5).astype(float)
    found = fit_map(p, y, [str(i) for i in range(300)], method="isotonic")
    assert brier(found.many(p), y) < 0.249
    assert found.brier_after is not None
    assert found.brier_after > 0.25


def test_platt_finds_the_slope_of_a_logistic_world() -> None:
    """With many votes the fitted slope is the true one."""
    assert fit_map(*world(2, 20_000), method="platt").strength == pytest.approx(0.4, abs=0.02)


def test_shrinking_is_least_squares() -> None:
    """No factor on a grid beats the fitted one, and hard verdicts right three times in four shrink by half."""
    p = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    y = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    found = fit_map(p, y, ["a", "b"] * 4, method="shrink")
    assert found.strength == pytest.approx(0.5)
    assert min(brier(0.5 + f * (p - 0.5), y) for f in GRID) >= brier(found.many(p), y) - 1e-12


def test_isotonic_is_scikit_learns_on_the_mirrored_votes() -> None:
    """Our upper half is the fit of the votes and their mirror images, within the clip."""
    isotonic = importlib.import_module("sklearn.isotonic").IsotonicRegression()
    p, y, groups = world(3)
    model = isotonic.fit(np.concatenate([p, 1 - p]), np.concatenate([y, 1 - y]))
    assert np.allclose(
        fit_map(p, y, groups, method="isotonic").many(p), np.clip(model.predict(p), 0.02, 0.98), atol=1e-9
    )


def test_a_judge_worse_than_chance_is_silenced_and_not_turned_round() -> None:
    """Where the votes contradict the judge the map says 1/2: order is kept, so nothing is inverted."""
    p, y, groups = world(4)
    for method in METHODS:
        assert np.allclose(fit_map(p, 1 - y, groups, method=method).many(GRID), 0.5, atol=0.02)


@pytest.mark.slow
def test_auto_takes_the_method_that_holds_on_prompts_unseen() -> None:
    """Steps where the middle means nothing, a slope for logistic votes; the calibrated are left nearly alone."""
    rng = np.random.default_rng(8)
    p = rng.choice(np.array([0.5, 0.6, 0.7, 0.8, 1.0]), 2000)
    y = (rng.random(2000) < np.where(p == 1.0, 0.95, 0.5)).astype(float)
    assert fit_map(p, y, [str(i) for i in range(2000)]).method == "isotonic"
    assert fit_map(*world(9, 2000)).method == "platt"
    p, y, groups = world(5, 4000, slope=1.0)
    found = fit_map(p, y, groups)
    assert np.abs(found.many(p) - np.clip(p, 0.02, 0.98)).mean() < 0.03


def test_a_weight_is_a_repetition() -> None:
    """A vote of weight 3 counts as three votes."""
    p, y, groups = world(6, 60)
    weights = np.where(np.arange(60) % 2, 3.0, 1.0)
    rows = np.repeat(np.arange(60), weights.astype(int))
    for method in METHODS:
        one = fit_map(p, y, groups, weights=weights, method=method)
        other = fit_map(p[rows], y[rows], [groups[i] for i in rows], method=method)
        assert np.allclose(one.many(GRID), other.many(GRID), atol=1e-6)


def test_each_vote_is_an_entry_and_an_unread_pair_none(scripted: Scripted) -> None:
    """by_vote unfolds the votes of readable pairs; its Brier score is the report's."""
    from judgegen.trust import report

    rows = scripted(1, 80, voters=3, human=0.8, unreadable=0.2)
    p, y, groups = by_vote(rows)
    readable = [row for row in rows if row.p is not None]
    assert len(p) == len(y) == len(groups) == 3 * len(readable) < 240
    assert brier(p, y) == pytest.approx(report(rows, resamples=10).brier.value)


def lengths(seed: int, worth: float) -> tuple[Any, Any, list[str], Any]:
    """The world of a judge's log odds, with votes to which a much longer answer is worth so much besides."""
    rng = np.random.default_rng(seed)
    logit, longer = rng.normal(0, 2, 2000), rng.normal(0, 700, 2000)
    chance = 1 / (1 + np.exp(-0.5 * logit - worth * np.tanh(longer / 700)))
    return 1 / (1 + np.exp(-logit)), (rng.random(2000) < chance).astype(float), [str(i) for i in range(2000)], longer


@pytest.mark.parametrize("worth", [-1.5, 1.2])
def test_what_length_is_worth_to_people_is_found_beside_what_the_judge_says(worth: float) -> None:
    """Slope and length of a world that has both, whichever way; a better score on prompts unseen; JSON keeps it."""
    p, y, groups, longer = lengths(1, worth)
    found, without = fit_map(p, y, groups, longer=longer), fit_map(p, y, groups)
    assert [found.strength, found.length] == [pytest.approx(0.5, abs=0.1), pytest.approx(worth, abs=0.25)]
    assert (found.brier_after or 1) < (without.brier_after or 0) - 0.01
    assert CalibrationMap.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert np.allclose(found.many(p, longer), 1 - found.many(1 - p, -longer), atol=1e-9)
    again = fit_map(1 - p, 1 - y, groups, longer=-longer)
    assert np.allclose(again.many(p, longer), found.many(p, longer), atol=1e-4)


def test_length_that_foretells_nothing_is_left_out() -> None:
    """Where it does not hold on prompts unseen the map is the one that knows no length."""
    p, y, groups, longer = lengths(2, 0.0)
    found = fit_map(p, y, groups, longer=longer)
    assert found.length == 0
    assert found == fit_map(p, y, groups)


def test_a_judge_worse_than_chance_is_not_turned_round_by_length_either() -> None:
    """Its slope is 0: what it says counts for nothing, what length is worth stays."""
    p, y, groups, longer = lengths(3, 1.2)
    found = fit_map(1 - p, y, groups, longer=longer)
    assert found.strength == 0
    assert found.length > 0.5


def test_lengths_stand_beside_the_votes_and_are_never_made_up(scripted: Scripted) -> None:
    """One entry for each of by_vote's; of an answer whose length nobody knows there is no map."""
    rows = scripted(1, 40, voters=3, unreadable=0.2)
    assert len(longer_by_vote(rows)) == len(by_vote(rows)[0])
    assert set(longer_by_vote(rows)) == {-100.0, 100.0}
    with pytest.raises(SpecError, match="'p0': how long its answers are is not known"):
        longer_by_vote([Judged(prompt_id="p0", votes=("A",), p=0.9)])


def test_one_prompt_cannot_check_itself() -> None:
    """With nothing to hold out there is no map, and the error says what is missing."""
    with pytest.raises(SpecError, match="at least 2 prompts to check itself on; found 1"):
        fit_map(np.array([0.9, 0.8]), np.array([1.0, 0.0]), ["a", "a"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": "magic"}, "method is 'magic'"),
        ({"strength": None}, "strength is None"),
        ({"strength": -1.0}, "strength is -1.0"),
        ({"length": "long"}, "length is 'long'"),
        ({"slope": 1.0}, "'slope' is not a key"),
        ({"method": "isotonic", "knots": []}, "knots must rise"),
        ({"method": "isotonic", "knots": [[0.5, 0.9], [0.7, 0.6]]}, "knots must rise"),
        ({"method": "isotonic", "knots": [[0.2, 0.5]]}, "knots must rise"),
        ({"method": "isotonic", "knots": ["x"]}, "must be a list of"),
    ],
)
def test_a_damaged_map_is_refused_by_what_is_wrong(change: dict[str, Any], says: str) -> None:
    """A map from a file either keeps order or is an error that names the fault."""
    whole = {"method": "shrink", "strength": 0.5, "knots": [], "votes": 3, "prompts": 2}
    assert CalibrationMap.from_dict(whole).strength == 0.5
    with pytest.raises(SpecError, match=says):
        CalibrationMap.from_dict(whole | change)
