from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from results import compared, known, prompt, two

from judgegen.errors import SpecError
from judgegen.run import frames

Write = Callable[..., dict[str, Any]]


def test_preferences_are_the_rows(write: Write, tmp_path: Path) -> None:
    """Every cell is what the file holds, and what a row lacks is missing."""
    write(tmp_path, known())
    frame = frames.preferences(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "preferences.jsonl").read_bytes().splitlines()]
    assert len(frame) == len(rows) == 3
    for (_, cells), row in zip(frame.iterrows(), rows, strict=True):
        assert {name: value for name, value in cells.items() if name in row} == row
        assert all(cells[name] is None for name in set(frame.columns) - set(row))


def test_what_looks_like_a_number_stays_a_text(write: Write, tmp_path: Path) -> None:
    """Ids and references keep their zeros."""
    asked = [prompt("007", reference="1e3"), prompt("008", reference="42")]
    write(tmp_path, [compared(p, two(p), ("second", "first")) for p in asked])
    frame = frames.preferences(tmp_path)
    assert list(frame.prompt_id) == ["007", "008"]
    assert list(frame.reference) == ["1e3", "42"]
    assert list(frames.table(tmp_path, "prompts").prompt_id) == ["007", "008"]


def test_columns_have_their_types_with_and_without_rows(write: Write, tmp_path: Path) -> None:
    """An empty run has the same columns of the same types; unknown flags and counts are not zero."""
    write(tmp_path / "full", known())
    write(tmp_path / "empty", [])
    for name in frames.TABLES:
        full, empty = (frames.table(tmp_path / run, name) for run in ("full", "empty"))
        assert len(full) > len(empty) == 0
        assert dict(full.dtypes) == dict(empty.dtypes)
    full, empty = (frames.preferences(tmp_path / run) for run in ("full", "empty"))
    assert list(empty.columns) == list(full.columns)[: len(empty.columns)]
    assert dict(empty.dtypes) == {name: full.dtypes[name] for name in empty.columns}
    verdicts = frames.table(tmp_path / "full", "verdicts")
    assert pd.isna(verdicts[verdicts.prompt_id == "p4"].consistent).all()
    assert pd.isna(frames.table(tmp_path / "full", "prompts").line).sum() == 6


def test_usd_is_exact_and_bare(write: Write, tmp_path: Path) -> None:
    """Decimals that sum to the summary's total and carry no idle zeros."""
    summary = write(tmp_path, known())
    calls = frames.table(tmp_path, "calls")
    assert str(sum(calls.cost_usd_exact, Decimal(0))) == summary["cost_usd"]["total"]
    assert {str(usd) for usd in calls.cost_usd_exact} == {"0.001", "0.01"}
    assert set(calls.cost_usd) == {0.001, 0.01}


@pytest.mark.parametrize("read", [frames.preferences, lambda folder: frames.table(folder, "calls")])
def test_a_file_that_is_not_there_says_how_to_make_it(read: Callable[[Path], Any], tmp_path: Path) -> None:
    """The error names the file and the command."""
    with pytest.raises(SpecError, match=r"(preferences.jsonl|calls.parquet): not there; `judgegen write"):
        read(tmp_path)


@pytest.mark.parametrize("line", ['{"prompt_id": "p', "[]"])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str) -> None:
    """A file that someone edited is an error with its line, not a shorter frame."""
    (tmp_path / "preferences.jsonl").write_text(f'{{"prompt_id": "p"}}\n{line}\n')
    with pytest.raises(SpecError, match="line 2"):
        frames.preferences(tmp_path)
