"""Run folders that were made before the package was laid out in rooms still mean what they meant."""

from __future__ import annotations

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


def calls(folder: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        return set(db.execute("SELECT id, outcome FROM calls"))


def tables(folder: Path) -> dict[str, object]:
    """What the audit holds, whichever pyarrow wrote it."""
    return {path.name: parquet.read_table(path).to_pylist() for path in sorted((folder / "audit").iterdir())}


def texts(folder: Path) -> dict[str, bytes]:
    """Every derived file that is text, as its bytes."""
    files = [path for path in folder.iterdir() if path.suffix in (".json", ".jsonl")]
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize("method", METHODS)
def test_a_run_made_before_is_resumed_without_a_call_and_to_the_same_bytes(method: str, tmp_path: Path) -> None:
    """The journal answers every call (the endpoints' server is gone), and outputs removed come back as they were."""
    was, folder = BEFORE / method / "run", tmp_path / "run"
    shutil.copytree(was, folder)
    for path in [*folder.glob("*.json*"), *(folder / "audit").iterdir()]:
        path.unlink()
    command = [sys.executable, "-m", "judgegen", "run", "mine.toml", "--out", str(folder), "--yes"]
    done = subprocess.run(command, cwd=BEFORE / method, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert calls(folder) == calls(was)
    assert texts(folder) == texts(was)
    assert tables(folder) == tables(was)
    stamp = (parquet.read_schema(was / "audit" / "pairs.parquet").metadata or {})[b"judgegen.pyarrow"]
    if stamp.decode() == pa.__version__:
        assert all(
            (folder / "audit" / path.name).read_bytes() == path.read_bytes() for path in (was / "audit").iterdir()
        )
