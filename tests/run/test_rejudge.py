from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.errors import SpecError

SPEC: dict[str, Any] = {
    "prompts": "none",
    "endpoints": {"world": {"provider": "scripted", "price": {"input": 1.0, "output": 4.0}}},
    "sampler": {"endpoint": "world", "model": "scripted-small", "variants": [{"name": "plain", "n": 2}]},
    "judge": {"endpoint": "world", "model": "scripted-judge"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> judgegen.Run:
    """A run of four prompts."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return asyncio.run(judgegen.generate(SPEC, out=out, prompts=["One?", "Two?", "Three?", "Four?"]))


def test_another_judge_is_paid_for_and_nothing_else(run: judgegen.Run, tmp_path: Path) -> None:
    """The answers are those of the run, from its journal; what the journal knew costs nothing again."""
    again = asyncio.run(run.rejudge(template="style", out=tmp_path / "again"))
    assert again.folder == tmp_path / "again"
    assert again.summary["calls"]["from_journal"] == run.summary["calls"]["sampler"]
    assert list(again.candidates.text) == list(run.candidates.text)
    assert set(again.calls.call_id[again.calls.role == "judge"]).isdisjoint(run.calls.call_id)
    assert again.summary["cost_usd"]["sampler"] == run.summary["cost_usd"]["sampler"]
    assert judgegen.load(run.folder).summary["pairs"] == run.summary["pairs"]


def test_the_new_run_can_be_written_again(run: judgegen.Run, tmp_path: Path) -> None:
    """Its folder is whole: its own run file, templates and journal make the same bytes."""
    again = asyncio.run(run.rejudge(judge="scripted-other", settings=["seed=3"], out=tmp_path / "again"))
    before = (again.folder / "preferences.jsonl").read_bytes()
    (again.folder / "preferences.jsonl").unlink()
    judgegen.rewrite(again.folder)
    assert (again.folder / "preferences.jsonl").read_bytes() == before
    assert "scripted-other" in (again.folder / "run.toml").read_text(encoding="utf-8")


def test_another_folder_is_named_unless_given(run: judgegen.Run) -> None:
    """Beside the old one, by what is changed; the same change leads to the same folder and asks for nothing."""
    first, second = (asyncio.run(run.rejudge(template="style")) for _ in range(2))
    assert first.folder == second.folder
    assert first.folder.parent == run.folder.parent
    calls = second.summary["calls"]
    assert calls["from_journal"] == calls["sampler"] + calls["judge"]


def test_nothing_changed_is_no_new_run(run: judgegen.Run) -> None:
    """It would be the same folder's content under another name."""
    with pytest.raises(SpecError, match="nothing is changed"):
        asyncio.run(run.rejudge())


def test_costs_are_floats_with_the_exact_ones_beside(run: judgegen.Run) -> None:
    """A frame can be plotted and grouped as it is; the sums of the exact column are the summary's to the last digit."""
    calls = run.calls
    assert calls.cost_usd.dtype == "float64"
    assert calls.cost_usd_exact.sum() == Decimal(run.summary["cost_usd"]["total"])
    assert calls.cost_usd.sum() == pytest.approx(float(run.summary["cost_usd"]["total"]))
    columns = list(calls.columns)
    assert columns.index("cost_usd_exact") == columns.index("cost_usd") + 1


def test_a_run_hands_its_pairs_on(run: judgegen.Run, tmp_path: Path) -> None:
    """As a consumer's file, checked by its rules, and imported again; as a Dataset."""
    done = run.export("trl-dpo", tmp_path / "pairs.jsonl")
    assert done.paths == (tmp_path / "pairs.jsonl",)
    assert done.counts["train"] == run.summary["pairs"]
    assert not judgegen.validate(str(tmp_path / "pairs.jsonl"), "trl-dpo").refused
    back = judgegen.import_(str(tmp_path / "pairs.jsonl"), tmp_path / "back.jsonl")
    assert back.rows == run.summary["pairs"]
    assert judgegen.export(run.folder, "openai-dpo", tmp_path / "o.jsonl").counts == done.counts
    datasets = pytest.importorskip("datasets")
    found = run.to_dataset()
    assert isinstance(found, datasets.Dataset)
    assert found[0]["chosen"] == run.preferences.chosen[0]


@pytest.mark.slow
def test_a_card_shows_the_figures(run: judgegen.Run, tmp_path: Path) -> None:
    """A data set for the hub has the report's charts as pictures, each named in its card; they load nothing."""
    done = run.export("huggingface", tmp_path / "set")
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    pictures = sorted((tmp_path / "set" / "figures").glob("*.svg"))
    assert {"flow", "margin", "p_chosen", "wins"} <= {path.stem for path in pictures}
    assert set(pictures) <= set(done.paths)
    for path in pictures:
        assert f"](figures/{path.name})" in card
        text = path.read_text(encoding="utf-8")
        assert text.startswith("<svg")
        assert "<script" not in text
        assert not re.findall(r'(?:href|src)="(?!#)', text)


def test_pairs_and_verdicts_have_faces(run: judgegen.Run) -> None:
    """A pair and a verdict show themselves in a notebook: what was asked, both sides, what was said."""
    entry = run.sample(1)[0]
    card = entry._repr_html_()
    assert entry.chosen is not None
    assert entry.chosen.key in card
    assert "<table" in card
    opinion = entry.opinions[0]
    assert opinion.first in opinion._repr_html_()
    assert json.dumps(opinion._repr_html_()).count("<script") == 0
