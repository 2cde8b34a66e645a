from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
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
        assert [*map(_kind, full.dtypes.items())] == [*map(_kind, empty.dtypes.items())]
    full, empty = (frames.preferences(tmp_path / run) for run in ("full", "empty"))
    assert list(empty.columns) == list(full.columns)[: len(empty.columns)]
    assert dict(empty.dtypes) == {name: full.dtypes[name] for name in empty.columns}
    verdicts = frames.table(tmp_path / "full", "verdicts")
    assert pd.isna(verdicts[verdicts.prompt_id == "p4"].consistent).all()
    assert pd.isna(frames.table(tmp_path / "full", "prompts").line).sum() == 6


def _kind(column: tuple[Any, Any]) -> tuple[Any, str]:
    """A column and its type; categories are of one type whatever words there are."""
    name, kind = column
    return name, f"category of {kind.categories.dtype}" if isinstance(kind, pd.CategoricalDtype) else str(kind)


def test_every_cell_is_what_the_file_holds(write: Write, tmp_path: Path) -> None:
    """Whatever pandas keeps a column as; and the columns that are asked for are those of the whole, in their order."""
    write(tmp_path, known())
    for name in frames.TABLES:
        rows = pq.read_table(tmp_path / "audit" / f"{name}.parquet").to_pylist()
        frame = frames.table(tmp_path, name)
        assert len(frame) == len(rows) > 0
        for column in rows[0]:
            exact = f"{column}{frames.EXACT}"
            cells = frame[exact if exact in frame else column]
            said = [cell if isinstance(cell, list) or not pd.isna(cell) else None for cell in cells]
            assert said == [row[column] for row in rows], (name, column)
        several = [*frame.columns][::-2]
        pd.testing.assert_frame_equal(frames.table(tmp_path, name, several), frame[several])


def test_names_that_recur_are_kept_once(write: Write, tmp_path: Path) -> None:
    """They are categories, sorted, and are grouped, counted and compared as the texts they stand for."""
    write(tmp_path, known())
    calls = frames.table(tmp_path, "calls")
    assert list(calls.role.cat.categories) == ["judge", "sampler"]
    assert calls.groupby("role", observed=True).size().to_dict() == calls.role.astype("str").value_counts().to_dict()
    assert (calls.role == "judge").sum() == list(calls.role).count("judge") > 0


def test_long_texts_of_a_large_audit_are_read_where_they_are_named(write: Write, tmp_path: Path) -> None:
    """Without being told so a table leaves them out, says which and how to read them, and keeps all else."""
    write(tmp_path, known())
    whole = frames.table(tmp_path, "calls")
    with pytest.warns(UserWarning, match=r"messages, params, text, .*left out; Run.table\('calls', columns="):
        without = frames.table(tmp_path, "calls", most_text=100)
    left_out = [name for name in whole.columns if name in frames.TEXTS]
    pd.testing.assert_frame_equal(without, whole.drop(columns=left_out))
    pd.testing.assert_frame_equal(
        frames.table(tmp_path, "calls", ["call_id", "text"], most_text=100), whole[["call_id", "text"]]
    )


def test_what_is_not_there_is_named(write: Write, tmp_path: Path) -> None:
    """An error says what there is."""
    write(tmp_path, known())
    with pytest.raises(SpecError, match=r"has no column 'txt'; it has prompt_id, candidate, .*text"):
        frames.table(tmp_path, "candidates", ["txt"])
    with pytest.raises(SpecError, match=r"no table 'call'; there are prompts, candidates"):
        frames.table(tmp_path, "call")


def test_usd_is_exact_and_bare(write: Write, tmp_path: Path) -> None:
    """Decimals that sum to the summary's total and carry no idle zeros."""
    summary = write(tmp_path, known())
    calls = frames.table(tmp_path, "calls")
    assert str(sum(calls.cost_usd_exact, Decimal(0))) == summary["cost_usd"]["total"]
    assert {str(usd) for usd in calls.cost_usd_exact} == {"0.001", "0.01"}
    assert set(calls.cost_usd) == {0.001, 0.01}


@pytest.mark.parametrize("read", [frames.preferences, lambda folder: frames.table(folder, "calls")])
def test_a_file_that_is_not_there_says_how_to_make_it(read: Callable[[Path], Any], tmp_path: Path) -> None:
    """The error names the file and the command; of a folder that is no run's, that."""
    with pytest.raises(SpecError, match=r"no run's folder"):
        read(tmp_path)
    (tmp_path / "run.toml").touch()
    with pytest.raises(SpecError, match=r"(preferences.jsonl|calls.parquet): not there; `judgegen write"):
        read(tmp_path)


@pytest.mark.parametrize("line", ['{"prompt_id": "p', "[]"])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str) -> None:
    """A file that someone edited is an error with its line, not a shorter frame."""
    (tmp_path / "preferences.jsonl").write_text(f'{{"prompt_id": "p"}}\n{line}\n')
    with pytest.raises(SpecError, match="line 2"):
        frames.preferences(tmp_path)
