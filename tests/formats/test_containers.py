"""The same rows in every wrapping are the same preferences; what is not data, or of another split, stays out."""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published import BAD, EXTRA, GOOD, SHAPES, TIES, Q
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
    "quoted.csv": lambda path: path.write_text(re.sub(r"[^;\n]+", r'"\g<0>"', CSV), "utf-8"),
    "excel.csv": lambda path: path.write_text(f"sep=\t\n{CSV.replace(';', chr(9))}", "utf-8"),
    "comma.tsv": lambda path: path.write_text(CSV.replace(";", ","), "utf-8"),
    "tab.csv": lambda path: path.write_text(CSV.replace(";", "\t"), "utf-16"),
    "rows.jsonl.xz": lambda path: path.write_bytes(lzma.compress(JSONL.encode())),
    "rows.jsonl.bz2": lambda path: path.write_bytes(bz2.compress(JSONL.encode())),
    "rows.jsonl.zst": zstd,
    "stream.arrow": lambda path: arrow(path, ipc.new_stream),
    "file.arrow": lambda path: arrow(path, ipc.new_file),
    "file.ipc": lambda path: arrow(path, ipc.new_file),
    "rows.parquet": lambda path: parquet.write_table(pa.Table.from_pylist(ROWS), path),
    "bytes.parquet": lambda path: parquet.write_table(
        pa.Table.from_pylist([{key: cell.encode() for key, cell in row.items()} for row in ROWS]), path
    ),
    "lines.json": lambda path: path.write_text(f"\n{JSONL}", "utf-8"),
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
        ("mac.csv", b"question,chosen,rejected\rq,a,b\r", "end with a carriage return alone"),
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


def test_a_cell_that_json_has_no_word_for_is_named(tmp_path: Path) -> None:
    """By its column, whatever it is about."""
    for cell in (b"\xff", float("inf"), dt.timedelta(1)):
        rows = [{"question": "q", "chosen": "a", "rejected": "b", "thumb": cell}]
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
        (found,) = imported(tmp_path / "a.parquet")
        assert isinstance(found, Reject)
        assert found.reason.startswith("thumb holds something that JSON has no word for")


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


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Cells as a table has them: texts, JSON for what is more, nothing for null."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: json.dumps(v) if isinstance(v, list | dict) else v for key, v in row.items()})
    return out.getvalue()


TEXTS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "rows.jsonl": lambda rows: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
    "rows.json": lambda rows: json.dumps(rows, ensure_ascii=False, indent=1),
    "list.jsonl": lambda rows: json.dumps(rows, ensure_ascii=False),
    "wrapped.json": lambda rows: json.dumps({"data": rows}, ensure_ascii=False),
    "rows.csv": as_csv,
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
}


def arrow_table(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, ipc.new_file(sink, table.schema) as out:
        out.write_table(table)


TABLES = {"rows.parquet": parquet.write_table, "rows.arrow": arrow_table}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str, bytes | pa.Table, str]:
    """A shape's name; a file's name and what is in it: its row and others' columns, in any order; its encoding."""
    shape = draw(st.sampled_from([*SHAPES, *TIES]))
    more = draw(st.lists(st.sampled_from([*EXTRA, "où"]), unique=True))
    row = {**SHAPES, **TIES}[shape] | {key: (EXTRA | {"où": "Là-bas, à Zürich."})[key] for key in more}
    row = {key: row[key] for key in draw(st.permutations(list(row)))}
    name = draw(st.sampled_from([*TEXTS, *TABLES]))
    if name in TABLES:
        return shape, name, pa.Table.from_pylist([row]), "utf-8"
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    ending = draw(st.sampled_from(list(PACKED)))
    return shape, name + ending, PACKED[ending](TEXTS[name]([row]).encode(encoding)), encoding


@given(files())
def test_a_shape_is_read_right_in_every_wrapping_and_encoding(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[str, str, bytes | pa.Table, str]
) -> None:
    """Packed or not, with a mark or in another encoding that is named: right, or refused; never wrong."""
    shape, name, content, encoding = file
    path = tmp_path_factory.mktemp("rows") / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        TABLES[name](content, path)
    (found,) = imported(path, encoding="cp1252" if encoding == "cp1252" else "utf-8")
    if isinstance(found, Reject):
        assert shape in TIES or (".csv" in name and not all(isinstance(v, str) for v in SHAPES[shape].values()))
        return
    assert shape in SHAPES
    assert [(m["role"], m["content"]) for m in found["prompt"]] == [("user", Q)]
    assert found.get("chosen", [{"content": GOOD}])[-1]["content"] == GOOD
    assert found.get("rejected", [{"content": BAD}])[-1]["content"] == BAD


@given(st.sampled_from(list(TEXTS)), st.sampled_from(list(PACKED)))
def test_another_encoding_that_is_not_named_is_refused_with_the_mend(
    tmp_path_factory: pytest.TempPathFactory, name: str, ending: str
) -> None:
    """Never letters that nobody wrote."""
    path = tmp_path_factory.mktemp("rows") / f"{name}{ending}"
    path.write_bytes(PACKED[ending](TEXTS[name](ROWS[:1]).encode("cp1252")))
    try:
        told = [row.reason if isinstance(row, Reject) else "read" for row in imported(path)]
    except SpecError as error:
        told = [str(error)]
    assert len(told) == 1
    assert "name its encoding, like --encoding cp1252" in told[0]
