from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from judgegen.errors import SpecError
from judgegen.sources import prompts, prompts_from_rows


def silent(_: str) -> None:
    """Hears no warning."""


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    """Blank lines count; a JSON string with escaped line ends is one line."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\n{"prompt": "a\\nb"}\r\n\r\n  \n{"prompt": "c"}')
    assert [p.line for p in prompts(path, warn=silent)] == [2, 5]


cell = st.text(alphabet='ab ,"\n\r', min_size=1, max_size=8).filter(str.strip)


@given(texts=st.lists(cell, min_size=1, max_size=6, unique=True), blank=st.integers(0, 3))
@settings(deadline=None)
def test_csv_records_are_numbered_by_their_first_line(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], blank: int
) -> None:
    """However many lines the cells before it have, a record's number is the physical line on which it starts."""
    path = tmp_path_factory.getbasetemp() / "numbered.csv"
    starts, line = [], 2
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["prompt"])
        for text in texts:
            file.write("\n" * blank)
            starts.append(line + blank)
            writer.writerow([text])
            line += blank + text.count("\n") + 1
    found = list(prompts(path, warn=silent))
    assert [p.line for p in found] == starts
    assert [p.messages[0]["content"] for p in found] == texts


def test_rows_of_tables_and_lists_are_numbered_from_one(tmp_path: Path) -> None:
    """In JSON, Parquet and in memory `line` is the row."""
    (tmp_path / "a.json").write_text('[\n\n{"prompt": "a"},\n{"prompt": "b"}]')
    parquet.write_table(pa.table({"prompt": ["a", "b"]}), tmp_path / "a.parquet")
    for name in ("a.json", "a.parquet"):
        assert [p.line for p in prompts(tmp_path / name, warn=silent)] == [1, 2]
    assert [p.line for p in prompts_from_rows(["a", "b"], where="rows", warn=silent)] == [1, 2]


def test_a_folder_is_read_as_the_hub_lays_it_out(tmp_path: Path) -> None:
    """The files of the split that is named, one after the other, rows numbered through; several unnamed are refused."""
    data = tmp_path / "data"
    data.mkdir()
    parquet.write_table(pa.table({"question": ["a", "b"]}), data / "train-00000-of-00002.parquet")
    (data / "train-00001-of-00002.jsonl").write_text('{"question": "c"}\n')
    (data / "test.jsonl").write_text('{"question": "d"}\n')
    for folder in (data, tmp_path):
        found = list(prompts(Path(f"{folder}:train"), warn=silent))
        assert [(p.messages[0]["content"], p.line) for p in found] == [("a", 1), ("b", 2), ("c", 3)]
    with pytest.raises(SpecError, match=r"splits 'test', 'train'.+name one: .+data:train"):
        list(prompts(data, warn=silent))
    with pytest.raises(SpecError, match=r"no split 'dev' in it"):
        list(prompts(Path(f"{data}:dev"), warn=silent))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.csv"])
def test_a_file_without_end_gives_its_first_prompts(tmp_path: Path, name: str) -> None:
    """Prompts come as the file is read: the first three of an endless pipe are there, and then nobody reads on."""
    path = tmp_path / name
    os.mkfifo(path)
    heads = {"a.jsonl": (b"", b'{"prompt": "%d"}\n'), "a.txt": (b"", b"%d\n"), "a.csv": (b"prompt\n", b"%d\n")}

    def write() -> None:
        head, row = heads[name]
        try:
            with path.open("wb") as pipe:
                pipe.write(head)
                for n in range(10_000_000):
                    pipe.write(row % n)
        except BrokenPipeError:
            return

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    found = prompts(path, warn=silent)
    assert [p.messages[0]["content"] for p in islice(found, 3)] == ["0", "1", "2"]
    found.close()  # type: ignore[attr-defined]  # a generator
    writer.join()


def test_rows_in_memory_are_taken_one_at_a_time() -> None:
    """The first prompt of an endless iterator is there."""

    def rows() -> Iterator[str]:
        n = 0
        while True:
            yield str(n)
            n += 1

    assert next(prompts_from_rows(rows(), where="rows", warn=silent)).messages[0]["content"] == "0"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.jsonl.gz", "a.parquet"])
def test_memory_does_not_grow_with_the_text(tmp_path: Path, name: str) -> None:
    """Of 24 MB of prompts, less than a tenth is ever held (Parquet: what Python holds, beside its own buffers)."""
    path = tmp_path / name
    texts = (f"{n} " + "x" * 12_000 for n in range(2_000))
    if name == "a.parquet":
        parquet.write_table(pa.table({"prompt": list(texts)}), path)
    else:
        with gzip.open(path, "wt", compresslevel=1) if name.endswith("gz") else path.open("w") as file:
            file.write("prompt\n" if name == "a.csv" else "")
            file.writelines(json.dumps({"prompt": t}) + "\n" if "jsonl" in name else t + "\n" for t in texts)
    tracemalloc.start()
    try:
        assert sum(1 for _ in prompts(path, warn=silent)) == 2_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_400_000


def test_nothing_is_read_before_the_first_prompt_is_asked_for(tmp_path: Path) -> None:
    """The error of a missing file comes with the first prompt, as every other error does."""
    found = prompts(tmp_path / "none.jsonl", warn=silent)
    with pytest.raises(SpecError):
        next(found)


def test_reading_imports_no_tables() -> None:
    """Neither pandas nor pyarrow is loaded before a table is read."""
    names = "sorted({'pandas', 'pyarrow'} & set(sys.modules))"
    code = f"import sys, judgegen.sources, judgegen.sources.labelled; print({names})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
