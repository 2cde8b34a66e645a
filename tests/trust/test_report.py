from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import SpecError
from judgegen.records import Label
from judgegen.trust import Figure, Judged, Report, Showing, Vote, lower_bound, mean_p, report, wilson

pytest.importorskip("scipy", reason="the extra `trust` is not installed")
Scripted = Callable[..., list[Judged]]
KEYS = {
    *("n", "accuracy", "kappa", "ceiling", "position_consistency", "p_first", "tie_rate", "unreadable_rate"),
    *("length_excess", "brier", "ece", "usd_per_1000", "seconds_per_1000", "reliability", "risk_coverage"),
}


def _orders(read: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[Showing, ...]]:
    label = st.sampled_from([*get_args(Label), None])

    def order(first: str, name: Label | None, lean: float) -> Showing:
        share = {"first": 0.5 + lean, "second": 0.5 - lean, "tie": 0.5, None: None}[name]
        return Showing(first=first, label=name, p_first=share)  # type: ignore[arg-type]

    both = st.tuples(label, label, read, read).map(lambda x: (order("A", x[0], x[2]), order("B", x[1], x[3])))
    return st.one_of(both, st.tuples(label, read).map(lambda x: (order("B", x[0], x[1]),)), st.just(()))


# Eighths: sums of them are exact, so that laws may be held to rounding of the last few digits only.
_LEANS = st.integers(1, 4).map(lambda eighths: eighths / 8)
ROWS = st.lists(
    st.builds(
        lambda prompt, votes, orders, lengths, cost: Judged(
            prompt_id=prompt,
            votes=tuple(votes),
            p=mean_p(orders),
            orders=orders,
            len_a=lengths[0],
            len_b=lengths[1],
            cost_usd=cost,
        ),
        st.sampled_from("abcde"),
        st.lists(st.sampled_from(get_args(Vote)), max_size=4),
        _orders(_LEANS),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        st.one_of(st.none(), st.integers(0, 8).map(float)),
    ),
    max_size=24,
)


def small(rows: list[Judged]) -> dict[str, Any]:
    return report(rows, resamples=40).to_dict()


def same(one: Any, other: Any) -> bool:
    """Equal up to rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(x, y) for x, y in zip(one, other, strict=True))
    return bool(one == other if one is None or other is None else abs(one - other) < 1e-9)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: list[Judged], lot: random.Random) -> None:
    """Every figure and interval is the same for any permutation of the rows."""
    assert same(small(rows), small(lot.sample(rows, len(rows))))


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(ROWS, st.randoms(use_true_random=False))
def test_renaming_the_sides_of_any_row_changes_nothing(rows: list[Judged], lot: random.Random) -> None:
    """Which answer is called A is an accident: mirror any of the rows and every figure stays."""
    assert same(small(rows), small([row.swap() if lot.random() < 0.5 else row for row in rows]))


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_every_report_is_json_with_the_promised_keys(rows: list[Judged]) -> None:
    """Whatever the rows, the object has its keys, no NaN, and intervals that hold their value."""
    found = small(rows)
    assert found.keys() >= KEYS
    json.loads(json.dumps(found, allow_nan=False))
    assert found["accuracy"].keys() == {"strict", "ties_half", "non_tie"}
    for figure in [*found["accuracy"].values(), found["kappa"], found["brier"], found["ece"], found["p_first"]]:
        assert figure.keys() == {"value", "low", "high"}
        if figure["low"] is not None:
            assert figure["low"] <= figure["value"] <= figure["high"]


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_a_figure_without_evidence_is_unknown_and_not_zero(rows: list[Judged]) -> None:
    """No votes: no accuracy. No prices: no price. No displays: no P(first)."""
    found = report([replace(row, votes=(), cost_usd=None, orders=()) for row in rows], resamples=40)
    for figure in (found.accuracy.strict, found.kappa, found.ceiling, found.brier, found.ece, found.length_excess):
        assert figure == Figure()
    assert (found.usd_per_1000, found.p_first, found.position_consistency) == (Figure(), Figure(), Figure())


@settings(deadline=None, max_examples=20)
@given(ROWS, st.integers(2, 4))
def test_a_prompt_said_twice_is_no_more_evidence(rows: list[Judged], times: int) -> None:
    """Repeating every row within its prompt leaves values and bootstrap intervals as they are."""
    one, more = small(rows), small(rows * times)
    for name in ("accuracy", "kappa", "brier", "length_excess", "tie_rate"):
        assert same(one[name], more[name])


GOLDEN = [
    # human A, judge A in both orders; the longer side is A
    Judged(
        prompt_id="1",
        votes=("A", "A", "B"),
        p=1.0,
        orders=(Showing(first="A", label="first", p_first=1.0), Showing(first="B", label="second", p_first=0.0)),
        len_a=9,
        len_b=5,
        cost_usd=0.25,
    ),
    # human B, the judge says first both times: a tie by position
    Judged(
        prompt_id="2",
        votes=("B", "B"),
        p=0.5,
        orders=(Showing(first="A", label="first", p_first=1.0), Showing(first="B", label="first", p_first=1.0)),
        len_a=4,
        len_b=8,
        cost_usd=0.75,
    ),
    # human A, judge B at .75: a tie and a win
    Judged(
        prompt_id="3",
        votes=("A",),
        p=0.25,
        orders=(Showing(first="A", label="tie", p_first=0.5), Showing(first="B", label="first", p_first=1.0)),
        len_a=7,
        len_b=7,
    ),
    # humans split, one order unreadable
    Judged(
        prompt_id="4",
        votes=("A", "B"),
        p=None,
        orders=(Showing(first="A", label=None, p_first=None), Showing(first="B", label="second", p_first=0.0)),
        len_a=1,
        len_b=2,
    ),
]


def test_figures_of_four_pairs_are_those_of_a_hand_count() -> None:
    """Each figure against arithmetic done on paper."""
    found = report(GOLDEN, resamples=50)
    values = {
        "strict": (found.accuracy.strict, 1 / 3),
        "ties_half": (found.accuracy.ties_half, 1.5 / 3),
        "non_tie": (found.accuracy.non_tie, 1 / 2),
        "coverage": (found.coverage, 2 / 3),
        "consistent": (found.consistent_accuracy, 1.0),
        # one tie of three by the judge, none by humans: chance 0 + (2/3)(1)/2
        "kappa": (found.kappa, (1 / 3 - 1 / 3) / (2 / 3)),
        # 1: A|AB none, A|AB none, B|AA no; 2: B|B yes, yes; 4: A|B no, B|A no
        "ceiling": (found.ceiling, 2 / 5),
        "consistency": (found.position_consistency, 1 / 3),
        "p_first": (found.p_first, 4 / 6),
        "ties": (found.tie_rate, 1 / 7),
        "unreadable": (found.unreadable_rate, 1 / 8),
        # verdicts for the longer: 2 of 2, 1 of 2, 0 of 1 (row 4: A is shorter); votes: 2 of 3, 2 of 2, 1 of 2
        "excess": (found.length_excess, 3 / 5 - 5 / 7),
        # (1-1)², (1-1)², (1-0)²; .25, .25; (.25-1)²
        "brier": (found.brier, (1 + 0.5 + 0.5625) / 6),
        # 3 votes of variance 1/3, 2 of none
        "floor": (found.brier_floor, 1 / 5),
        "usd": (found.usd_per_1000, 500.0),
        "seconds": (found.seconds_per_1000, None),
    }
    for name, (figure, value) in values.items():
        assert figure.value == pytest.approx(value), name


def test_a_ten_bin_table_is_behind_the_calibration_error() -> None:
    """ECE is the votes' mean of |said - agreed| over the table, and the bins hold every vote."""
    rng = np.random.default_rng(0)
    rows = [
        Judged(prompt_id=str(i), votes=("A" if rng.random() < 0.5 else "B",), p=float(rng.random())) for i in range(500)
    ]
    found = report(rows, resamples=50)
    assert [row.votes for row in found.reliability] == [50] * 10
    gaps = [row.votes * abs(row.said - (row.agreed.value or 0.0)) for row in found.reliability]
    assert found.ece.value == pytest.approx(sum(gaps) / 500)
    assert [row.said for row in found.reliability] == sorted(row.said for row in found.reliability)


def test_kappa_is_cohens_on_the_pairs_and_their_mirror_images(scripted: Scripted) -> None:
    """scikit-learn's kappa of the doubled table is ours of the single one."""
    metrics = pytest.importorskip("sklearn.metrics")
    rows = scripted(3, accuracy=0.7, tie=0.3, voters=3, human=0.8)
    known = [row for row in rows if row.label is not None and row.human is not None]
    both = known + [row.swap() for row in known]
    expected = metrics.cohen_kappa_score([row.label for row in both], [row.human for row in both])
    assert report(rows, resamples=20).kappa.value == pytest.approx(expected)


def test_kappa_does_not_sink_where_every_label_is_a(scripted: Scripted) -> None:
    """A file that always calls the better answer A measures the same judge."""
    rows = scripted(4, accuracy=0.9)
    turned = [row if row.human == "A" else row.swap() for row in rows]
    kappa = report(turned, resamples=20).kappa.value
    assert kappa == pytest.approx(report(rows, resamples=20).kappa.value)
    assert kappa is not None
    assert kappa > 0.5


def test_the_curve_runs_from_strict_to_lax(scripted: Scripted) -> None:
    """Thresholds fall, coverage rises, and the last point is the accuracy and coverage of everything decided."""
    rows = scripted(5, accuracy=0.8, tie=0.2, sure=0.9)
    found = report(rows, resamples=20)
    cuts = [point.threshold for point in found.risk_coverage]
    covers = [point.coverage.value or 0.0 for point in found.risk_coverage]
    assert cuts == sorted(cuts, reverse=True)
    assert covers == sorted(covers)
    assert found.risk_coverage[-1].accuracy.value == pytest.approx(found.accuracy.non_tie.value)
    assert covers[-1] == pytest.approx(found.coverage.value)


def test_certainty_is_not_claimed_of_a_few_prompts(scripted: Scripted) -> None:
    """All right of twenty is not [1, 1]; of one prompt nothing is claimed at all."""
    found = report(scripted(6, 20, accuracy=1.0), resamples=50).accuracy.strict
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(wilson(20, 20).low)
    lone = report(scripted(6, 20, accuracy=1.0, per_prompt=20), resamples=50).accuracy.strict
    assert lone == Figure(value=1.0)


RIGHT = 0.8
WORLDS: list[tuple[dict[str, float], dict[str, float]]] = [
    (
        {},
        {
            "accuracy.strict": RIGHT**2,
            "accuracy.ties_half": RIGHT,
            "accuracy.non_tie": RIGHT**2 / (RIGHT**2 + (1 - RIGHT) ** 2),
            "brier": 2 * RIGHT * (1 - RIGHT) / 4 + (1 - RIGHT) ** 2,
        },
    ),
    # says "first" whatever it saw, three times in ten
    ({"first": 0.3}, {"p_first": 0.3 + 0.7 / 2, "position_consistency": 0.7**2 * 0.68 + 0.3 * 0.7}),
    ({"tie": 0.15, "unreadable": 0.1}, {"tie_rate": 0.15, "unreadable_rate": 0.1}),
    # the two others agree with chance .68, on the truth with chance .64
    (
        {"voters": 3, "human": 0.8, "longer_is_better": 0.9},
        {
            "ceiling": (0.8**3 + 0.2**3) / (0.8**2 + 0.2**2),
            "longer_humans": 0.8 * 0.9 + 0.2 * 0.1,
            "length_excess": 0.0,
            "brier_floor": 0.8 * 0.2,
        },
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("world", "truths"), WORLDS)
def test_a_scripted_judge_is_recovered_within_its_intervals(
    scripted: Scripted, world: dict[str, float], truths: dict[str, float]
) -> None:
    """Of a hundred seeds at least ninety have each known truth inside the 95 % interval."""
    found = [report(scripted(seed, 120, accuracy=RIGHT, **world), resamples=120) for seed in range(100)]
    for name, truth in truths.items():
        figures = [_part(each, name) for each in found]
        inside = sum((figure.low or 0.0) <= truth <= (figure.high or 0.0) for figure in figures)
        assert inside >= 90, name


def _part(found: Any, name: str) -> Figure:
    for part in name.split("."):
        found = getattr(found, part)
    assert isinstance(found, Figure)
    return found


def test_intervals_widen_where_pairs_share_a_prompt(scripted: Scripted) -> None:
    """Ten pairs of one fate per prompt are one pair's worth of evidence."""
    once = scripted(8, 60)
    rows = [replace(row, prompt_id=f"{i}") for i, row in enumerate(once) for _ in range(10)]
    apart = [replace(row, prompt_id=f"{i}") for i, row in enumerate(rows)]

    def width(of: Report) -> float:
        return (of.accuracy.strict.high or 0) - (of.accuracy.strict.low or 0)

    assert width(report(rows, resamples=300)) > 2.5 * width(report(apart, resamples=300))


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "truth"), [(1.0, 0.0), (0.2, 0.2)])
def test_calibration_error_is_recovered_though_noise_raises_it(slope: float, truth: float) -> None:
    """The true error, nothing included, lies inside the interval in nine of ten seeds; a bad one is told from none."""
    inside = above = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        sure = 0.5 + rng.random(200) / 2
        right = rng.random(200) < 0.5 + slope * (sure - 0.5)
        rows = [
            Judged(prompt_id=str(i), votes=("A" if ok else "B",), p=float(p))
            for i, (ok, p) in enumerate(zip(right, sure, strict=True))
        ]
        found = report(rows, resamples=100).ece
        inside += (found.low or 0.0) <= truth <= (found.high or 0.0)
        above += (found.low or 0.0) > 0.02
    assert inside >= 27
    assert above >= 27 if truth else above <= 3


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_intervals_of_counts_are_scipys(n: int, part: float, confidence: float) -> None:
    """Wilson's interval and Clopper and Pearson's bound equal `binomtest(...).proportion_ci`."""
    stats = pytest.importorskip("scipy.stats")
    k = round(part * n)
    score = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson(k, n, confidence=confidence) == Figure(value=k / n, low=score.low, high=score.high)
    exact = stats.binomtest(k, n, alternative="greater").proportion_ci(confidence, method="exact").low
    assert lower_bound(k, n, confidence=confidence) == pytest.approx(exact, abs=1e-9)


def test_the_room_opens_without_scipy() -> None:
    """Importing the metrics loads neither SciPy nor scikit-learn; they are an extra."""
    code = "import sys, judgegen.trust; sys.exit(any(m.split('.')[0] in ('scipy', 'sklearn') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_extra_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SciPy a figure that needs it is an error with the command that installs it."""
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(SpecError, match=r"pip install 'judgegen\[trust\]'"):
        wilson(1, 2)
