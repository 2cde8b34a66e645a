"""What a correct pair costs: the pages show what was kept, and what was kept comes back from the recordings."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def benchmark(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the benchmarks, which stand in no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module(name)


def kept() -> Any:
    return json.loads((ROOT / "benchmarks" / "cost_per_pair.json").read_text(encoding="utf-8"))


def test_the_pages_show_the_figures_that_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """README's table of five answers and the benchmarks' of two are the kept figures, to the byte, for every split."""
    page = benchmark("cost_page", monkeypatch)
    for answers, file in (("5", "README.md"), ("2", "benchmarks/README.md")):
        shown = page.block((ROOT / file).read_text(encoding="utf-8"), answers)["table"]
        assert shown == page.table(kept()[answers]), f"{file}: python benchmarks/cost_per_pair.py --clone PRD --write"
        assert "held back" in shown


def test_a_table_goes_between_its_marks_and_nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What stands around a table stays; a page without its marks is an error and is left as it is."""
    page = benchmark("cost_page", monkeypatch)
    mark = "<!-- cost of a pair, 5 answers -->"
    (tmp_path / "page.md").write_text(f"before\n\n{mark}\n\nold\n\n{mark}\n\nafter\n", encoding="utf-8")
    monkeypatch.setattr(page, "PAGES", {"5": tmp_path / "page.md"})
    monkeypatch.setattr(page, "KEPT", tmp_path / "kept.json")
    page.write(kept())
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert text == f"before\n\n{mark}\n\n{page.table(kept()['5'])}\n\n{mark}\n\nafter\n"
    with pytest.raises(ValueError, match="2 answers"):
        page.block(text, "2")


def test_what_was_kept_comes_back_from_the_recordings(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest way with five answers, played again on the questions that are at hand: the same figures."""
    cost = benchmark("cost_per_pair", monkeypatch)
    name = "gpt35 as a decision model"
    found = asyncio.run(cost.way(cost.Recordings(shared / "data"), name, 5, 1000))
    assert found["seen"] == kept()["5"][name]["seen"]


def test_a_clone_of_the_recordings_is_read_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was shown first and who judged stand in a file's name alone; a comparison made twice counts once."""
    source = tmp_path / "data" / "vicuna80"

    def put(name: str, *rows: Any) -> None:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    put("prompts/vicuna_questions.jsonl", {"question_id": 2, "text": "Why?"}, {"question_id": 3, "text": "How?"})
    for model in ("bard", "claude", "gpt35", "gpt4", "vicuna-13b"):
        put(f"generations/answer_{model}.jsonl", {"question_id": 2, "text": model})
    put("ratings-gpt35/answer-gpt4-vs-answer-vicuna-13b-gpt35-reviewer-three.jsonl", {"question_id": 2, "score": 1})
    put("ratings-gpt35/answer_gpt4-vs-answer_vicuna-13b-gpt35-reviewer_three.jsonl", {"question_id": 2, "score": 3})
    put("ratings-human/answer_vicuna-13b-vs-answer_bard-human-reviewer_x.jsonl", {"question_id": 3, "score": 1})
    clone, recorded = (benchmark(name, monkeypatch) for name in ("prd_clone", "recorded"))
    data = clone.laid_out(tmp_path, tmp_path / "out")
    assert recorded.prd_verdicts(data) == {"gpt35": {(2, "gpt4", "vicuna-13b"): "first"}}
    assert recorded.prd_votes(data) == {(3, "bard", "vicuna-13b"): ("B",)}
    assert recorded.prd_lengths(data)[2, "vicuna-13b"] == len("vicuna-13b")
    assert [question for question in (2, 3) if clone.held_back(question)] == [2]
