"""What the README shows works as it is shown, against the simulator standing in for OpenAI."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from worlds import world

from judgegen import spec
from judgegen.cli import main
from judgegen.exchange.validate import validate

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"(?P<note><!-- not run: [^>]*-->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


START, RUN = "From nothing to a file for upload", "A run"
UPLOAD = "upload.jsonl"


def section(heading: str) -> str:
    """What stands under a heading."""
    return README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def fences(kind: str, text: str = README) -> list[str]:
    return [m["text"] for m in FENCE.finditer(text) if m["kind"] == kind and not m["note"]]


def commands(heading: str = RUN) -> list[list[str]]:
    """Every `judgegen …` line of a section's console fences, without its comment."""
    lines = [line for text in fences("console", section(heading)) for line in text.splitlines()]
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ judgegen")]


def test_every_fence_runs_or_says_why_not() -> None:
    """Text output is the only kind that may stand unrun, and it says why."""
    kinds = {m["kind"] for m in FENCE.finditer(README) if not m["note"]}
    assert kinds <= {"console", "toml", "python"}
    assert all(m["kind"] == "text" for m in FENCE.finditer(README) if m["note"])


def test_the_two_commands_stand_at_the_top() -> None:
    """The quickstart and the tests are the first fence, and the Makefile has both."""
    assert fences("console")[0].split() == ["$", "make", "quickstart", "$", "make", "test"]
    makefile = (Path(__file__).parent.parent / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^quickstart:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)


def test_the_quickstart_shown_is_of_its_prompts() -> None:
    """Each pair shown answers a prompt of the quickstart: its reference is in the chosen answer, not in the other."""
    file = Path(__file__).parent.parent / "examples" / "quickstart" / "prompts.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    references = {row["prompt"]: row["reference"] for row in map(json.loads, lines)}
    shown = re.findall(r"^\d\. prompt +(.+)\n +chosen +(.+)\n +rejected +(.+)$", README, re.MULTILINE)
    assert shown
    for prompt, chosen, rejected in shown:
        assert references[prompt] in chosen
        assert references[prompt] not in rejected


def test_the_run_file_shown_is_one() -> None:
    """The TOML parses into a run file."""
    (text,) = fences("toml")
    found = spec.parse(tomllib.loads(text))
    assert [v.name for v in found.sampler.variants] == ["focused", "loose"]


@pytest.fixture
def shown(tmp_path: Path) -> Any:
    """A folder and an environment in which OpenAI is the simulator."""
    with world() as url:
        yield tmp_path, {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-simulated"}


@pytest.mark.slow
def test_the_commands_run_in_their_order(shown: Any) -> None:
    """From init to write, then the Python that follows, in one folder."""
    folder, environment = shown
    assert [c[1] for c in commands()] == ["init", "estimate", "rehearse", "run", "run", "show", "report", "write"]
    for command in commands():
        called = [sys.executable, "-m", *command]
        done = subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert {p.name for p in (folder / "runs" / "mine").iterdir()} >= set(table("What comes out")) - {"audit/*.parquet"}


@pytest.mark.slow
def test_the_python_runs(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a notebook would run it, with await at the top."""
    folder, environment = shown
    monkeypatch.chdir(folder)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, environment[name])
    for command in commands():
        if command[1] in ("init", "run"):
            subprocess.run([sys.executable, "-m", *command], env=environment, capture_output=True, check=True)
    (text,) = fences("python", section("In Python and Jupyter"))
    assert executed(text)["run"].summary["pairs"] > 0


def executed(text: str) -> dict[str, Any]:
    """The names that a Python fence leaves, run as a notebook would."""
    names: dict[str, Any] = {}
    made = eval(compile(text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(made):
        asyncio.run(made)
    return names


def test_three_commands_or_four_lines_make_a_file_for_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an empty folder each, no key set, nothing edited: the same bytes, which OpenAI takes by all of its rules."""
    (text,) = fences("python", section(START))
    assert len([line for line in text.splitlines() if line]) == 4
    assert [command[1] for command in commands(START)] == ["init", "run", "export"]
    for name, begin in (("python", partial(executed, text)), ("shell", _by_commands)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        begin()
        assert uploads(tmp_path / name / UPLOAD) >= 10
    assert (tmp_path / "python" / UPLOAD).read_bytes() == (tmp_path / "shell" / UPLOAD).read_bytes()


def _by_commands() -> None:
    for command in commands(START):
        with pytest.raises(SystemExit) as ended:
            main(command[1:])
        assert not ended.value.code, command


def uploads(path: Path) -> int:
    """How many rows a file for upload has, all of them in order."""
    assert not validate(path, "openai-dpo").findings
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(row.keys() == {"input", "preferred_output", "non_preferred_output"} for row in rows)
    return len(rows)


def test_the_extras_are_those_of_the_package() -> None:
    """Every extra has its line, those for working on the package aside."""
    metadata = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    extras = metadata["project"]["optional-dependencies"].keys()
    assert set(table("What can be installed beside it")) == extras - {"dev", "docs", "browser"}


def table(heading: str) -> list[str]:
    """The first column of the table under a heading."""
    cells = [line.split("|")[1].strip().strip("`") for line in section(heading).splitlines() if line.startswith("|")]
    return cells[2:]


def test_the_exit_codes_are_those_of_the_errors() -> None:
    """The README's table is the error tree's."""
    from judgegen import errors

    codes = {
        found.exit_code
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.JudgegenError) and found.exit_code != 1
    }
    assert {int(code) for code in table("Exit codes")} == codes | {0}
