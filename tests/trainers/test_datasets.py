"""Hugging Face `datasets` loads every export: both files of a split together, and more than ten megabytes alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgegen.exchange.export import export
from judgegen.formats.consumers import CONSUMERS

UPLOADED = ("openai-sft", "openai-rft")
"""Read line by line by an API that takes no empty list of tools; so a file whose rows have none has no such column."""
RUBRIC = [{"name": "right", "description": "Is it right?", "weight": 1.0}]
Judged = Callable[[int, str], dict[str, Any]]


@pytest.fixture
def judged(pairs: list[dict[str, Any]], tool_pairs: list[dict[str, Any]]) -> Judged:
    """A preference with all that an export may write; some have tools, a system message, or lack what others have."""

    def made(number: int, said: str) -> dict[str, Any]:
        answers = [{"role": "assistant", "content": f"{said}{number}"}], [{"role": "assistant", "content": "Nobody."}]
        candidates = [
            {"completion": side, "score": score, "rank": rank, "model": "m"}
            for rank, (side, score) in enumerate(zip(answers, (1.0, 0.0), strict=True), 1)
        ]
        row = pairs[0] | {"prompt_id": f"p-{number}", "prompt": [{"role": "user", "content": f"{said}{number}?"}]}
        row |= {"chosen": answers[0], "rejected": answers[1], "candidates": candidates, "absolute": True}
        return row | {"rubric": RUBRIC, "reference": "gold"}

    return made


def odd(row: dict[str, Any], tools: dict[str, Any], kind: str) -> dict[str, Any]:
    """A preference with what the others have not."""
    asked = row["prompt"][0]["content"]
    if kind == "tools":
        prompt = [{"role": "user", "content": asked}, *tools["prompt"][1:]]
        return row | {"prompt": prompt, "chosen": tools["chosen"], "tools": tools["tools"]}
    if kind == "system":
        return row | {"prompt": [{"role": "system", "content": "Be terse."}, *row["prompt"]]}
    if kind == "name":
        return row | {"prompt": [{"role": "user", "name": "Ann", "content": asked}]}
    return {key: value for key, value in row.items() if key not in ("p_chosen", "margin", "candidates")}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    """Files by split, or a folder, as one data set."""
    datasets: Any = pytest.importorskip("datasets")

    def loaded(paths: dict[str, Path]) -> Any:
        kind = "parquet" if next(iter(paths.values())).suffix == ".parquet" else "json"
        files = {side: str(path) for side, path in paths.items()}
        return datasets.load_dataset(kind, data_files=files, cache_dir=str(tmp_path / "cache"))

    return loaded


@pytest.mark.parametrize("kind", ["tools", "system", "name", "bare"])
@pytest.mark.parametrize("name", list(CONSUMERS))
def test_both_sides_of_a_split_load_together(
    name: str, kind: str, judged: Judged, tool_pairs: list[dict[str, Any]], load: Callable[..., Any], tmp_path: Path
) -> None:
    """One row unlike the others, on whichever side, named first or last."""
    if name in UPLOADED and kind == "tools":
        pytest.skip("no loader of types reads it")
    rows = [judged(number, "said ") for number in range(24)]
    rows[7] = odd(rows[7], tool_pairs[0], kind)
    done = export(rows, name, tmp_path / f"out{CONSUMERS[name].suffix}", split=0.5)
    sides = dict(zip(("train", "test"), done.paths, strict=False))
    for order in (sides, dict(reversed(sides.items()))):
        both = load(order)
        assert {side: len(both[side]) for side in both} == dict(done.counts)


@pytest.mark.parametrize("kind", ["tools", "system", "name", "bare"])
@pytest.mark.parametrize("name", list(CONSUMERS))
def test_more_than_ten_megabytes_load(
    name: str, kind: str, judged: Judged, tool_pairs: list[dict[str, Any]], load: Callable[..., Any], tmp_path: Path
) -> None:
    """Rows unlike the others behind the ten megabytes by which a loader decides."""
    words = "far " * 20_000
    rows = [judged(number, words) for number in range(140)]
    late = [odd(judged(number, "late "), tool_pairs[0], kind) for number in range(200, 203)]
    done = export([*rows, *late], name, tmp_path / f"out{CONSUMERS[name].suffix}")
    if CONSUMERS[name].suffix == ".jsonl":
        assert done.paths[0].stat().st_size > 11_000_000
    assert len(load({"train": done.paths[0]})["train"]) == done.counts["train"]
