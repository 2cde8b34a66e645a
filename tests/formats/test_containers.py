"""The same rows in every wrapping are the same preferences; what is not data, or of another split, stays out."""

from __future__ import annotations

import bz2
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from judgegen.errors import SpecError
from judgegen.exchange.import_ import Reject, imported
from judgegen.exchange.inspect import inspect

ROWS = [{"question": f"Où est {i}?", "chosen": "Là-bas.", "rejected": "Ici."} for i in range(3)]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = "question;chosen;rejected\n" + "".join(";".join(row.values()) + "\n" for row in ROWS)


def arrow(path: Path, writer: Callable[..., Any]) -> None:
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(path), "wb") as sink, writer(sink, table.schema) as out:
        out.write_table(table)


def zstd(path: Path) -> None:
    with pa.output_stream(str(path), compression="zstd") as out:
        out.write(JSONL.encode())


WRITERS: dict[str, Callable[[Path], object]] = {
    "rows.jsonl": lambda path: path.write_text(JSONL, "utf-8"),
    "list.jsonl": lambda path: path.write_text(json.dumps(ROWS, indent=1), "utf-8"),
    "wrapped.json": lambda path: path.write_text(json.dumps({"version": "1", "data": ROWS}), "utf-8"),
    "utf16.jsonl": lambda path: path.write_text(JSONL, "utf-16"),
    "bom.jsonl": lambda path: path.write_text(JSONL, "utf-8-sig"),
    "semicolon.csv": lambda path: path.write_text(CSV, "utf-8"),
    "tab.csv": lambda path: path.write_text(CSV.replace(";", "\t"), "utf-16"),
    "rows.jsonl.xz": lambda path: path.write_bytes(lzma.compress(JSONL.encode())),
    "rows.jsonl.bz2": lambda path: path.write_bytes(bz2.compress(JSONL.encode())),
    "rows.jsonl.zst": zstd,
    "stream.arrow": lambda path: arrow(path, ipc.new_stream),
    "file.arrow": lambda path: arrow(path, ipc.new_file),
    "rows.parquet": lambda path: parquet.write_table(pa.Table.from_pylist(ROWS), path),
}


def questions(source: Path | str) -> list[str]:
    return [row["prompt"][0]["content"] for row in imported(source) if not isinstance(row, Reject)]


@pytest.mark.parametrize("name", list(WRITERS))
def test_a_wrapping_changes_nothing(name: str, tmp_path: Path) -> None:
    """Packed, listed, under a key, in UTF-16, with other separators."""
    WRITERS[name](tmp_path / name)
    assert questions(tmp_path / name) == [row["question"] for row in ROWS]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{\n "prompt": "a"\n}\n', "an object over several lines"),
        ("a.json", b'{"prompt": {"0": "a"}, "chosen": {"0": "b"}}', "a table by columns, as pandas writes it"),
        ("a.json", b'{"train": [{"a": 1}], "test": [{"a": 1}]}', "rows under 'train', 'test'"),
        ("a.jsonl.zst", b"no zstd", "cannot be read"),
        ("a.arrow", b"no arrow", "not an Arrow file"),
        ("a.txt", b'{"prompt": "a", "chosen": "b"}\n', "holds JSON under another name"),
        ("a.txt", b'[\n  {"prompt": "a"}\n]\n', "holds JSON under another name"),
        ("missing.jsonl.zst", None, "No such file"),
    ],
)
def test_a_wrapping_that_cannot_be_opened_says_the_mend(
    name: str, content: bytes | None, told: str, tmp_path: Path
) -> None:
    """Never rows of pieces."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SpecError, match=told):
        list(imported(tmp_path / name))


def hub(folder: Path, **splits: str) -> None:
    (folder / "data").mkdir(exist_ok=True)
    for place, name in splits.items():
        (folder / "data" / f"{name}-00000-of-00001.jsonl").write_text(JSONL.replace("Où est", f"{place}:"), "utf-8")
    for side in ("dataset_infos.json", "state.json", "dataset_info.json"):
        (folder / side).write_text(json.dumps({"a": {"b": 1}}))


def test_splits_are_kept_apart(tmp_path: Path) -> None:
    """Several are named and none is read; one that is chosen is read alone; side files are no data."""
    hub(tmp_path, a="train", b="test", c="train_sft")
    with pytest.raises(SpecError, match="holds the splits 'test', 'train', 'train_sft'"):
        questions(tmp_path)
    assert questions(f"{tmp_path}:test") == [f"b: {i}?" for i in range(3)]
    with pytest.raises(SpecError, match="no split 'dev'"):
        questions(f"{tmp_path}:dev")


def test_a_folder_of_one_split_is_read_whole(tmp_path: Path) -> None:
    """One split, or files whose names speak of none."""
    hub(tmp_path, a="train")
    assert len(questions(tmp_path)) == 3


def test_a_look_tells_shape_columns_and_rows(tmp_path: Path) -> None:
    """What import would read, and how many rows it would refuse, without writing anything."""
    path = tmp_path / "rows.jsonl"
    tie = {"prompt": "a", "response_a": "b", "response_b": "c", "winner": "tie"}
    path.write_text(JSONL + json.dumps(tie) + "\n" + json.dumps({"lang": "en"}) + "\n", "utf-8")
    found = inspect(path)
    assert (found.rows, found.whole, found.sure) == (5, True, 0.6)
    assert list(found.shapes.values()) == [3, 1]
    assert set(found.columns) == {"question", "chosen", "rejected", "prompt", "response_a", "response_b", "winner"}
    assert sum(found.refused.values()) == 2
    assert [row["prompt"][0]["content"] for row in found.shown] == [row["question"] for row in ROWS]
    assert list(tmp_path.iterdir()) == [path]
