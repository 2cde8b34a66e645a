"""Recorded real verdicts through the benchmarks: the figures that the data are known to hold."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from judgegen import trust
from judgegen.trust import words

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recorded sets are not beside the checkout")
pytest.importorskip("sklearn", reason="the extra `trust` is not installed")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    """The module that the test is named for."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module(request.node.callspec.params["name"])


def line(lines: list[dict[str, Any]], **where: str) -> dict[str, Any]:
    return next(item for item in lines if all(item[key] == value for key, value in where.items()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prd_labels"])
def test_prd_labels_are_what_they_are_expected_to_be(benchmark: ModuleType, name: str) -> None:
    """Consistent only, calibration, panel and escalation on human votes: every expectation holds."""
    found = benchmark.study(importlib.import_module("recorded").prd_rows(DATA), 20)
    for expected, value, holds in benchmark.expectations(found):
        assert holds, f"{name}: {expected}: {value}"
    kept = {item["labels"]: item["kept"]["value"] for item in found["strategies"]}
    assert kept["gpt4, one order"] < kept["gpt4, both orders"] < kept["gpt4, consistent only"]
    assert 0.2 < found["escalated"] < 0.5
    for item in found["brier"]:
        assert item["after"] < item["before"]


@pytest.mark.parametrize("name", ["prd_tournament"])
def test_min_max_is_as_good_as_the_round_robin_for_less(
    benchmark: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gpt4: the same label within .02, at 30 % of the calls or fewer."""
    recorded = importlib.import_module("recorded")
    trust = importlib.import_module("judgegen.trust")
    monkeypatch.setattr(benchmark, "DRAWS", 40)
    human = {key: trust.majority(votes) for key, votes in recorded.prd_votes(DATA).items()}
    found = benchmark.study({"gpt4": recorded.prd_verdicts(DATA)["gpt4"]}, human)
    quick = line(found, schedule="min-max, one order")
    assert abs(quick["less"][0]) <= 0.02, name
    assert quick["share"] <= 0.3


@pytest.mark.slow
def test_both_pages_say_what_the_recordings_say(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GPT-4 on LLMBar Natural: the README's figures to the digit, and those that benchmarks/README.md repeats."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    rows = importlib.import_module("recorded").llmbar_rows(shared / "data")["GPT-4", "Vanilla"]["Natural"]
    found = {row[0]: row[1:3] for row in words.figures(trust.report(rows))}
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^([a-z_.]+) +(-?\d\.\d{3}) +(\[.*?\])  ", page, re.MULTILINE)
    assert len(shown) == 6
    for name, value, interval in shown:
        assert found[name] == (value, interval), name
    other = " ".join((ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8").split())
    said = re.search(r"Natural (\.\d+) \(Vanilla; kappa (\.\d+), (\.\d+) of the pairs judged alike", other)
    assert said is not None
    repeated = [found[name][0] for name in ("accuracy.ties_half", "kappa", "position_consistency")]
    assert [f"0{figure}" for figure in said.groups()] == repeated


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llmbar_metrics"])
def test_llmbar_recounts_and_the_gate_refuses_the_confidently_wrong(benchmark: ModuleType, name: str) -> None:
    """The paper's accuracies come back; on Neighbor no confidently wrong judge gets a threshold."""
    found = benchmark.study(DATA, 10)
    for strategy, subset, accuracy in (("Vanilla", "Natural", 0.955), ("CoT", "Natural", 0.945)):
        each = line(found, judge="GPT-4", strategy=strategy, subset=subset)
        assert each["accuracy"]["ties_half"]["value"] == pytest.approx(accuracy), name
    vanilla = line(found, judge="ChatGPT", strategy="Vanilla", subset="Natural")
    assert vanilla["position_consistency"]["value"] == pytest.approx(0.71)
    assert vanilla["consistent_accuracy"]["value"] == pytest.approx(0.944, abs=0.0005)
    wrong = [each for each in found if each["subset"] == "Neighbor" and benchmark.confidently_wrong(each)]
    assert len(wrong) > 20
    assert all(gate["threshold"] is None for each in wrong for gate in each["gates"].values())
    good = line(found, judge="GPT-4", strategy="Vanilla", subset="Natural")
    assert good["gates"]["0.9"]["threshold"] == 1.0


@pytest.mark.parametrize("name", ["compare"])
def test_judges_that_share_a_fault_agree_with_one_another_and_not_with_people(benchmark: ModuleType, name: str) -> None:
    """On adversarial pairs kappa tells ChatGPT and LLaMA2 from GPT-4; their agreement with each other would not."""
    judges = dict(benchmark.sets(DATA))["LLMBar Neighbor, Vanilla"]
    found = benchmark.study({judge: judges[judge] for judge in ("ChatGPT", "GPT-4", "LLaMA2")}, 10)
    kappa = {judge: figures["kappa"]["value"] for judge, figures in found["judges"].items()}
    assert kappa["ChatGPT"] < 0 < kappa["GPT-4"], name
    assert found["judges"]["GPT-4"]["as_people"]["value"] == pytest.approx(0.808, abs=0.0005)
    alike = {pair: one["agreement"]["value"] for pair, one in found["pairs"].items()}
    assert alike["ChatGPT | LLaMA2"] > 2 * alike["ChatGPT | GPT-4"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alpaca_verdicts"])
def test_alpaca_probabilities_and_habits_come_back(benchmark: ModuleType, name: str) -> None:
    """P(label) is the recorded one; second place is worth several times first; the null model wins all the same."""
    found = benchmark.study(DATA, 10)
    assert found["largest_difference"] < 1e-6, name
    for label, _, _, (second, first) in benchmark.BANDS:
        band = found["bands"][label]
        assert band["second"]["low"] < second < band["second"]["high"]
        assert band["first"]["low"] < first < band["first"]["high"]
        assert band["second"]["value"] > 2.5 * band["first"]["value"]
    null = found["models"]["NullModel"]
    for place, known in zip(("both", "second", "first"), benchmark.NULL, strict=True):
        assert null[place]["low"] < known < null[place]["high"]
