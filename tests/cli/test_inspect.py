from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Ended = CompletedProcess[str]
ROWS = [
    {"prompt": f"Name a colour, number {n}.", "chosen": f"Blue {n}.", "rejected": f"A loud noise {n}. " * 12, "lot": n}
    for n in range(5)
]
CALLED = {
    "prompt": "What is the time?",
    "chosen": [
        {"role": "user", "content": "What is the time?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
        },
    ],
    "rejected": [{"role": "user", "content": "What is the time?"}, {"role": "assistant", "content": "Noon, always."}],
}


def written(folder: Path, rows: list[dict[str, Any]], name: str = "pairs.jsonl") -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def test_a_file_is_shown_as_it_would_be_read(tmp_path: Path, judgegen: Callable[..., Ended]) -> None:
    """Its shape, what becomes of each column, and three rows with both sides; nothing is written."""
    ended = judgegen("inspect", written(tmp_path, ROWS))
    assert ended.returncode == 0
    assert "5 rows" in ended.stdout
    assert "kept as metadata, or empty: lot" in ended.stdout
    assert ended.stdout.count("\npreference ") == 3
    assert "  user: Name a colour, number 0." in ended.stdout
    assert "  chosen: Blue 0." in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 110, "a long answer is cut"
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


def test_json_says_the_same_to_a_script(tmp_path: Path, judgegen: Callable[..., Ended]) -> None:
    """One object and nothing else, with how sure the reading is."""
    ended = judgegen("inspect", written(tmp_path, ROWS), "--json")
    found = json.loads(ended.stdout)
    assert found["rows"] == 5
    assert found["sure"] == 1
    assert len(found["shown"]) == 3


def test_a_tool_call_is_shown(tmp_path: Path, judgegen: Callable[..., Ended]) -> None:
    """An answer that is a call is no empty answer."""
    ended = judgegen("inspect", written(tmp_path, [CALLED]))
    assert ended.returncode == 0, ended.stderr
    assert "clock" in ended.stdout


def test_a_column_that_no_list_knows_is_given(tmp_path: Path, judgegen: Callable[..., Ended]) -> None:
    """Refused without, with what was found; read with --map."""
    rows = [{"q": row["prompt"], "liked": row["chosen"], "disliked": row["rejected"]} for row in ROWS]
    name = written(tmp_path, rows)
    refused = judgegen("inspect", name)
    assert refused.returncode == 2
    assert "none of its first 5 rows is a preference" in refused.stderr
    assert judgegen("inspect", name, "--map", "prompt=q,chosen=liked,rejected=disliked").returncode == 0


@pytest.mark.parametrize("more", [("--from", "no-such-shape"), ("--encoding", "no-such-encoding"), ("--map", "chosen")])
def test_what_is_no_option_of_it_is_named(
    tmp_path: Path, judgegen: Callable[..., Ended], more: tuple[str, str]
) -> None:
    """A wrong name ends with 2 and the name."""
    ended = judgegen("inspect", written(tmp_path, ROWS), *more)
    assert ended.returncode == 2
    assert more[1] in ended.stderr


def test_a_file_that_is_not_there_is_named(judgegen: Callable[..., Ended]) -> None:
    """No file, exit code 2."""
    ended = judgegen("inspect", "nowhere.jsonl")
    assert ended.returncode == 2
    assert "nowhere.jsonl" in ended.stderr
