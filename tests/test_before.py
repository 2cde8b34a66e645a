"""Run folders that were made before the package was laid out in rooms still mean what they meant."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

BEFORE = Path(__file__).parent / "before"
METHODS = ("graded", "hybrid", "pairwise", "rubric", "tournament")
COMPARING = ("hybrid", "pairwise", "tournament")


def calls(folder: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        return set(db.execute("SELECT id, outcome FROM calls"))


def tables(folder: Path) -> dict[str, object]:
    """What the audit holds, whichever pyarrow wrote it."""
    return {path.name: parquet.read_table(path).to_pylist() for path in sorted((folder / "audit").iterdir())}


def texts(folder: Path) -> dict[str, bytes]:
    """Every derived file that is text, as its bytes; what was said of the cost is said anew."""
    files = [path for path in folder.iterdir() if path.suffix in (".json", ".jsonl") and path.name != "expected.jsonl"]
    return {path.name: path.read_bytes() for path in files}


def resumed(method: str, tmp_path: Path, *, stated: bool) -> tuple[Path, Path]:
    """(The run as it was, the same resumed with its derived files removed); `stated`: with that key in its run file."""
    home, was, folder = tmp_path / "before" / method, BEFORE / method / "run", tmp_path / "run"
    shutil.copytree(BEFORE, tmp_path / "before")
    shutil.copytree(was, folder)
    for path in [*folder.glob("*.json*"), *(folder / "audit").iterdir()]:
        path.unlink()
    if stated:
        text = (home / "mine.toml").read_text(encoding="utf-8")
        head, pairs, tail = text.partition("[pairs]\n")
        (home / "mine.toml").write_text(
            head + (pairs or "[pairs]\n") + 'p_chosen = "stated"\n' + tail, encoding="utf-8"
        )
    command = [sys.executable, "-m", "judgegen", "run", "mine.toml", "--out", str(folder), "--yes"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert calls(folder) == calls(was)
    return was, folder


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_run_made_before_is_resumed_without_a_call_and_to_the_same_bytes(method: str, tmp_path: Path) -> None:
    """The journal answers every call (the endpoints' server is gone), and outputs removed come back as they were.

    Where judges compare, P(chosen) has come to be what their verdicts are worth: `p_chosen = "stated"` is what it was.
    """
    was, folder = resumed(method, tmp_path, stated=method in COMPARING)
    assert texts(folder) == texts(was)
    assert tables(folder) == tables(was)
    stamp = (parquet.read_schema(was / "audit" / "pairs.parquet").metadata or {})[b"judgegen.pyarrow"]
    if stamp.decode() == pa.__version__:
        assert all(
            (folder / "audit" / path.name).read_bytes() == path.read_bytes() for path in (was / "audit").iterdir()
        )


@pytest.mark.slow
@pytest.mark.parametrize("method", COMPARING)
def test_a_run_file_made_before_is_resumed_without_a_call_and_to_the_same_pairs(method: str, tmp_path: Path) -> None:
    """As it was written: the same verdicts, the same sides; P and margins alone are what the verdicts are worth."""
    was, folder = resumed(method, tmp_path, stated=False)
    kept = ("prompts.parquet", "verdicts.parquet", "calls.parquet")
    before, after = tables(was), tables(folder)
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert sides(folder) == sides(was)


def sides(folder: Path) -> list[tuple[object, object]]:
    rows = [json.loads(line) for line in (folder / "preferences.jsonl").read_text(encoding="utf-8").splitlines()]
    return sorted((str(row["chosen"]), str(row["rejected"])) for row in rows)
