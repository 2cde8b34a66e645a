from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from judgegen.exchange.comparisons import labelled
from judgegen.exchange.inspect import inspect
from judgegen.sources.reading import prompts_from_rows

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


USES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "preferences": ({"prompt": "Q {0}", "chosen": "Yes.", "rejected": "No."}, (4, 4, 4)),
    "votes": ({"prompt": "Q {0}", "response_a": "Yes.", "response_b": "No.", "winner": "A"}, (4, 4, 4)),
    "ties": ({"prompt": "Q {0}", "response_a": "Yes.", "response_b": "No.", "winner": "tie"}, (0, 4, 4)),
    "answers": ({"question": "Q {0}", "answer": "Yes."}, (4, 0, 4)),
    "wanted": ({"prompt": "Q {0}", "completion": "Yes.", "label": False}, (4, 0, 4)),
    "prompts": ({"prompt": "Q {0}", "lang": "en"}, (0, 0, 4)),
    "several raters": ({"prompt": "Q", "response": "A {0}", "relevance": 3, "coherence": 4, "rater": "ann"}, (0, 6, 1)),
}


@pytest.mark.parametrize("name", USES)
def test_what_rows_are_good_for_is_what_their_readers_take(
    name: str, tmp_path: Path, judgegen: Callable[..., Ended]
) -> None:
    """Preferences for import, comparisons for judge check, prompts for a run; three are shown."""
    row, counts = USES[name]
    rows = [{k: v.format(n) if isinstance(v, str) else v for k, v in row.items()} for n in range(4)]
    found = inspect(tmp_path / written(tmp_path, rows))
    assert tuple(found.uses[use].count for use in ("preferences", "comparisons", "prompts")) == counts
    assert (len(list(labelled(rows, None, print))) if counts[1] else 0) == counts[1]
    assert len(list(prompts_from_rows(rows, where="rows", warn=print))) == counts[2]
    kind = "preference" if counts[0] else "comparison" if counts[1] else "prompt"
    ended = judgegen("inspect", "pairs.jsonl")
    assert (ended.returncode, f"\n{kind} 1\n" in ended.stdout) == (0, True)
    for line, count in zip(("judgegen import: ", "judgegen judge check: ", "prompts of a run: "), counts, strict=True):
        assert line + (f"{count} " if count else "no; ") in ended.stdout


def test_one_row_that_is_no_prompt_stops_a_run_and_inspect_says_so(tmp_path: Path) -> None:
    """A run reads its prompts strictly; import leaves such a row out."""
    uses = inspect(tmp_path / written(tmp_path, [*ROWS, {"lot": 7}])).uses
    assert uses["preferences"].count == len(ROWS)
    for name in ("comparisons", "prompts"):
        assert uses[name].count == 0
        assert str(uses[name].refused).startswith(f"row {len(ROWS) + 1}: ")


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
    assert "none of its first 5 rows is a preference, a comparison or a prompt" in refused.stderr
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
