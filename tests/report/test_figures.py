from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results import generated
from shown import written

from judgegen.records import Result
from judgegen.report import figures
from judgegen.report.charts import Plots, drawings
from judgegen.report.intervals import share, wilson
from judgegen.report.judgment import LEVELS, remarks, verdict
from judgegen.report.tables import Tables

ROWS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=40)


@given(ROWS)
def test_an_interval_holds_its_share_and_stays_in_bounds(rows: list[tuple[int, float]]) -> None:
    """The share is the mean; both ends in 0..1 around it; mirrored values mirror it."""
    found, mirrored = share(rows), share([(group, 1 - value) for group, value in rows])
    assert found is not None
    assert mirrored is not None
    assert found.value == pytest.approx(float(Fraction(sum(int(2 * v) for _, v in rows), 2 * len(rows))))
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value <= found.high + 1e-9 <= 1 + 1e-9
    assert mirrored.low == pytest.approx(1 - found.high, abs=1e-9)


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(2, 20))
def test_rows_said_over_again_within_their_prompts_narrow_nothing(values: list[bool], times: int) -> None:
    """One row per prompt, or the same row many times: the interval is of prompts."""
    rows = [(number, float(value)) for number, value in enumerate(values)]
    once, often = share(rows), share(rows * times)
    assert once is not None
    assert often is not None
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_wilson_gives_what_scipy_gives() -> None:
    """On whole counts it is the textbook's interval."""
    stats = pytest.importorskip("scipy.stats")
    for right, n in ((0, 5), (3, 10), (50, 80), (80, 80)):
        expected = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
        assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_nothing_has_no_share() -> None:
    """Unknown is not zero."""
    assert share([]) is None


@pytest.mark.slow
@settings(max_examples=30)  # each writes a run folder
@given(generated())
def test_the_figures_count_what_the_run_counts(results: list[Result]) -> None:
    """Flow, confidence and places add up to prompts, pairs and verdicts, whatever the results."""
    with TemporaryDirectory() as folder:
        summary = written(Path(folder), results)
        tables = Tables(Path(folder))
        flow, sure = figures.flow(tables), figures.confidence(tables, "p_chosen")
        places, lengths = figures.positions(tables), figures.lengths(tables)
    assert flow[0]["prompts"] == len(results)
    assert sum(row["prompts"] for row in flow[1:]) == len(results)
    assert all(row["high"] - row["low"] == row["prompts"] for row in flow)
    assert sum(row["pairs"] for row in sure) == summary["pairs"]
    assert all(0 <= row["from"] < row["to"] <= 1 for row in sure)
    shown = sum(len(match.shown) for result in results for match in result.matches)
    assert sum(row["verdicts"] for row in places) == shown
    assert sum(row["verdicts"] for row in lengths) <= shown


def test_each_chart_is_drawn_and_has_its_numbers(tables: Tables) -> None:
    """All that has something to show is a valid chart with a description for those who cannot see it."""
    found = drawings(tables)
    assert [drawing.name for drawing in found] == [
        *("flow", "p_chosen", "margin", "wins", "position", "length", "cost"),
    ]
    for drawing in found:
        assert drawing.rows
        assert drawing.chart.to_dict()["description"]


def test_a_chart_of_nothing_is_still_a_chart(tmp_path: Path) -> None:
    """In a notebook somebody may ask for a chart that a page would leave out."""
    written(tmp_path, [])
    plots = Plots(Tables(tmp_path))
    for name in (
        "flow",
        "p_chosen",
        "margin",
        "wins",
        "position",
        "length",
        "spend",
        "cost",
        "pace",
        "coverage",
        "rounds",
    ):
        assert getattr(plots, name)().to_dict()


def test_rounds_are_drawn_where_they_were_compared(tmp_path: Path) -> None:
    """Every figure that is known is a point with its interval; round 0 has won against nobody; other runs have none."""
    right = [{"value": value, "low": value - 0.1, "high": value + 0.1} for value in (0.25, 0.5)]
    unknown = {"value": None, "low": None, "high": None}
    wins = {"rate": {"value": 0.6, "low": 0.4, "high": 0.8}}
    done = [
        {"round": 0, "right": right[0], "first": None},
        {"round": 1, "right": right[1], "first": wins},
        {"round": 2, "right": unknown, "first": {"rate": unknown}},
    ]
    (tmp_path / "rounds.json").write_text(json.dumps({"rounds": done}), encoding="utf-8")
    for name in ("held", "round-1"):
        written(tmp_path / name, [])
    rows = figures.rounds(Tables(tmp_path / "held"))
    assert [(row["round"], row["figure"], row["share"], row["low"], row["high"]) for row in rows] == [
        (0, "right", 0.25, 0.15, 0.35),
        (1, "right", 0.5, 0.4, 0.6),
        (1, "wins against round 0", 0.6, 0.4, 0.8),
    ]
    assert next(iter(drawings(Tables(tmp_path / "held")))).name == "rounds"
    assert not figures.rounds(Tables(tmp_path / "round-1"))


def test_a_static_picture_is_made_without_a_browser(tables: Tables, tmp_path: Path) -> None:
    """For cards and docs."""
    path = tmp_path / "flow.svg"
    Plots(tables).flow().save(path)
    assert "tie" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"flip_rate": 0.6}, "bad", "coin"),
        ({"p_first": 0.9}, "bad", "goes by place"),
        ({"flip_rate": 0.3}, "beware", "shaky"),
        ({"unreadable_rate": 0.5}, "bad", "could not be read"),
        ({"longer_chosen": 0.8}, "beware", "reward length"),
        ({"flip_rate": None}, "unknown", "nobody knows"),
    ],
)
def test_a_bad_figure_is_said_first(changed: dict[str, float | None], level: str, words: str) -> None:
    """The worst remark stands first and decides the sentence at the top."""
    sound = {"flip_rate": 0.05, "p_first": 0.5, "unreadable_rate": 0.0, "longer_chosen": 0.5}
    summary = {
        "prompts": 100,
        "pairs": 90,
        "drops": {"flip": 10},
        "calls": {"judge": 400},
        "cost_usd": {"total": "1"},
        "diagnostics": {**sound, **changed},
    }
    found = remarks(summary, cap=None)
    assert any(words in remark.text for remark in found if remark.level == level)
    assert [LEVELS.index(r.level) for r in found] == sorted(LEVELS.index(r.level) for r in found)
    assert verdict(found).level == level


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"calls": {"judge": 6}}, "6 verdicts: too few"),
        ({"calls": {"judge": 0}}, "No judge was asked"),
        ({"rehearsal": True}, "made up"),
        ({"drops": {"incomplete": 10}, "lacking": [{"why": "no connection", "prompts": 10}]}, "no connection"),
        ({"pairs": 1, "prompts": 1, "drops": {}}, "1 pair; 1 of 1 prompt gave one."),
    ],
)
def test_what_nobody_can_know_yet_is_not_called_fine(changed: dict[str, Any], words: str) -> None:
    """Few verdicts, none, made-up ones, prompts without answers: it is said, and no habit of a judge is praised."""
    diagnostics = {"flip_rate": 0.0, "p_first": 0.5} if changed.get("calls") != {"judge": 0} else {}
    summary = {"prompts": 100, "pairs": 90, "drops": {"flip": 10}, "calls": {"judge": 400}, "cost_usd": {"total": "1"}}
    found = remarks({**summary, "diagnostics": diagnostics, **changed}, cap=None)
    assert any(words in remark.text for remark in found)
    praised = any("changed its mind" in remark.text for remark in found)
    assert praised == ("calls" not in changed)


def test_no_pair_is_bad_and_an_unknown_price_is_not_nothing() -> None:
    """A run without a pair is not to be trained on; what a call cost may be unknown, and is said to be."""
    nothing = {
        "prompts": 3,
        "pairs": 0,
        "drops": {"flip": 3},
        "calls": {"judge": 12},
        "cost_usd": {"total": None},
        "diagnostics": {},
    }
    found = remarks(nothing, cap=None)
    assert verdict(found).level == "bad"
    assert any("not known" in remark.text for remark in found)
