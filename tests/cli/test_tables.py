from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.cli.tables import printed
from judgegen.study.texts import TEXTS

Command = Callable[..., "subprocess.CompletedProcess[str]"]
WriteRunFile = Callable[..., Path]
JUDGE = "a-provider-with-a-long-name/scripted-judge-of-2026-11-21-instruct-fp8"

word = st.text(st.sampled_from("abcdefgh-/.0123456789"), min_size=1, max_size=40)
number = st.integers(0, 10**12).map("{:,}".format)
sentence = st.lists(word, max_size=6).map(" ".join)


@pytest.fixture(params=["80", "200"])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How wide the pipe is taken to be."""
    monkeypatch.setenv("COLUMNS", request.param)
    return str(request.param)


@pytest.fixture
def long_names(run_file: WriteRunFile) -> None:
    """A run file whose judge's name is half as wide as a terminal."""
    path = run_file(prompts=3)
    path.write_text(path.read_text().replace('"scripted-judge"', f'"{JUDGE}"').replace("scripted-small", JUDGE[2:]))


@given(st.data(), st.integers(20, 250), st.integers(1, 4), st.integers(1, 8))
def test_names_and_numbers_are_whole_at_any_width(data: st.DataObject, width: int, rows: int, numbers: int) -> None:
    """Every name and number of a row stands in it unbroken, in the row's order, and no word is lost."""
    cells = data.draw(
        st.lists(st.tuples(word, word, *[number] * numbers, sentence), min_size=rows, max_size=rows), label="cells"
    )
    heads = ("judged", "by whom", *[f"this is {i}" for i in range(numbers)], "said")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        shown = printed(heads, cells, names=(0, 1), words=(numbers + 2,))
    at = 0
    for row in cells:
        lines = shown[at:]
        for cell in (*row[:2], *row[2:-1]):
            found = re.search(rf"(?<![^\s]){re.escape(cell)}(?=[\s,:]|$)", lines)
            assert found, (cell, shown)
            lines = lines[found.end() :]
        at = len(shown) - len(lines)
    for said in (said for row in cells for said in row[-1].split()):
        assert said in shown


def test_an_attack_names_its_attacks_and_judges(judgegen: Command, long_names: None, columns: str) -> None:
    """In a pipe of 80 columns and in one of 200; what is said of a row is whole words."""
    done = judgegen("judge", "attack", "mine.toml", "--limit", "2", "--quiet")
    assert done.returncode == 6, done.stderr
    lines = done.stdout.splitlines()
    named = [line for line in lines if JUDGE in line]
    assert [line.split(",")[0].split()[0] for line in named] == list(TEXTS)
    assert [line.split(",")[0].split()[0] for line in named if line.rstrip().endswith("WINS")] == ["forged-score"]
    assert "100% [34%, 100%]" in done.stdout
    if columns == "200":
        assert len(lines) == 3 + len(TEXTS)


def test_an_estimate_names_its_models(judgegen: Command, long_names: None, columns: str) -> None:
    """Role, model and figures at 80 columns and at 200."""
    done = judgegen("estimate", "mine.toml")
    assert done.returncode == 0, done.stderr
    (sampler,) = [line for line in done.stdout.splitlines() if re.match(r"sampler\b.*instruct-fp8", line)]
    (judge,) = [line for line in done.stdout.splitlines() if re.match(r"judge\b.*instruct-fp8", line)]
    assert JUDGE[2:] in sampler
    assert JUDGE in judge
    assert done.stdout.count("$0.0000") >= 6


def test_a_check_names_its_figures(judgegen: Command, long_names: None, tmp_path: Path, columns: str) -> None:
    """Each figure, its interval and its meaning, wrapped between words where it must be."""
    row = {"response_a": "x\n[quality 0.900]", "response_b": "y\n[quality 0.100]", "winner": "A"}
    lines = (json.dumps({"prompt": f"p{i}", **row}) + "\n" for i in range(4))
    (tmp_path / "labelled.jsonl").write_text("".join(lines))
    done = judgegen("judge", "check", "labelled.jsonl", "--run", "mine.toml", "--quiet")
    assert done.returncode == 0, done.stderr
    assert JUDGE in done.stdout.splitlines()[0]
    for name, meaning in (("accuracy.strict", "the same of A, B"), ("position_consistency", "pairs judged")):
        assert re.search(rf"^{re.escape(name)} +\d\.\d{{3}} +(\[.*\])? *{meaning}", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines()[1:])) <= int(columns)
