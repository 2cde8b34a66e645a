"""From an empty folder to a file that a provider takes, without a run file: in the shell and in Python."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds import world

import judgegen
from judgegen.errors import SpecError
from judgegen.exchange.validate import validate

# Enough of them that a judge who flips or ties on one in five leaves a pair: what it says depends on the server's port.
PROMPTS = [
    f"{ask} {what}?"
    for ask in ("What is", "Why is there", "How do I draw")
    for what in ("a noun", "a sky", "an egg", "rain")
]
MODELS = ("--sampler", "gpt-6-luna", "--judge", "gpt-6.1-sol")


@pytest.fixture(scope="module")
def openai() -> Iterator[str]:
    with world() as url:
        yield url


def shell(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """One command, where the folder's .env alone says who OpenAI is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    called = [sys.executable, "-m", "judgegen", *command]
    return subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path, openai: str) -> Path:
    """A folder with twelve prompts and the provider's address and key in .env."""
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
    (tmp_path / ".env").write_text(f"OPENAI_BASE_URL={openai}\nOPENAI_API_KEY=sk-simulated\n")
    return tmp_path


@pytest.mark.slow
def test_two_commands_make_a_file_that_its_consumer_takes(folder: Path) -> None:
    """Prompts and two models in, rows in OpenAI's shape out, and the same in another's, nothing edited."""
    made = shell(folder, "run", "prompts.txt", *MODELS, "--max-usd", "5")
    assert made.returncode == 0, made.stderr
    rows = [json.loads(line) for line in (folder / "runs" / "prompts" / "openai-dpo.jsonl").read_text().splitlines()]
    assert rows
    assert all(row.keys() == {"input", "preferred_output", "non_preferred_output"} for row in rows)
    exported = shell(folder, "export", "runs/prompts", "--to", "trl-dpo", "--out", "out.jsonl")
    assert exported.returncode == 0, exported.stderr
    assert len((folder / "out.jsonl").read_text().splitlines()) == len(rows)


@pytest.mark.slow
def test_init_run_export_is_three_commands(folder: Path) -> None:
    """The starter needs no editing either."""
    commands = (
        ["init", "mine"],
        ["run", "mine/run.toml"],
        ["export", "runs/mine", "--to", "trl-dpo", "-o", "out.jsonl"],
    )
    for command in commands:
        done = shell(folder, *command)
        assert done.returncode == 0, done.stderr
    assert not validate(folder / "out.jsonl", "trl-dpo").refused


@pytest.mark.slow
def test_the_run_file_it_means_is_shown_and_kept(folder: Path) -> None:
    """What stands on the terminal is a run file, and the folder's says the same; run by itself, it pays for nothing."""
    made = shell(folder, "run", "prompts.txt", *MODELS, "--variants", "focused, loose", "--max-usd", "5")
    shown = made.stderr.split("the run file this means:")[1].split("expected cost")[0]
    table = tomllib.loads("\n".join(line.removeprefix("  ") for line in shown.splitlines()))
    kept = tomllib.loads((folder / "runs" / "prompts" / "run.toml").read_text())
    assert [way["name"] for way in table["sampler"]["variants"]] == ["focused", "loose"]
    assert kept["sampler"]["model"] == table["sampler"]["model"] == "gpt-6-luna"
    assert "scripted" not in json.dumps(kept)
    again = shell(folder, "run", "runs/prompts/run.toml", "--out", "runs/prompts", "--json", "--yes")
    summary = json.loads(again.stdout)
    assert summary["calls"]["from_journal"] == summary["calls"]["sampler"] + summary["calls"]["judge"]


@pytest.mark.slow
def test_set_goes_before_what_the_run_file_says(folder: Path) -> None:
    """A number, a text and a variant's key by its name; what does not fit is refused like the file's own."""
    shell(folder, "init", "mine")
    sets = ["--set", "judge.max_attempts=2", "--set", "sampler.variants.loose.n=2", "--set", "judge.template=style"]
    made = shell(folder, "run", "mine/run.toml", *sets, "--seed", "7", "-n", "2", "-o", "runs/x", "--yes")
    assert made.returncode == 0, made.stderr
    kept = tomllib.loads((folder / "runs" / "x" / "run.toml").read_text())
    assert (kept["seed"], kept["judge"]["max_attempts"], kept["judge"]["template"]) == (7, 2, "style")
    assert [way["n"] for way in kept["sampler"]["variants"]] == [1, 2]
    for wrong, said in (
        ("judge.sampels=3", "did you mean 'samples'"),
        ("judge", "write KEY=VALUE"),
        ("sampler.variants.x.n=1", "'x' is not one of: focused, loose"),
    ):
        refused = shell(folder, "run", "mine/run.toml", "--set", wrong)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["run", "prompts.txt"], "name two models"),
        (
            ["run", "prompts.txt", *MODELS, "--variants", "wild"],
            "'wild' is not one of: focused, loose, terse, thorough",
        ),
        (["run", "mine.toml", "--sampler", "x"], "a run file says this itself"),
    ],
)
def test_what_is_missing_or_too_much_is_said(folder: Path, command: list[str], said: str) -> None:
    """Exit 2 with the mend."""
    done = shell(folder, *command)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_four_lines_of_python_do_the_same(openai: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts and two models in, a frame of pairs and the same file out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", openai)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-simulated")
    run = asyncio.run(judgegen.generate(prompts=PROMPTS, sampler="gpt-6-luna", judge="gpt-6.1-sol", max_usd=5))
    assert len(run.preferences) == run.summary["pairs"] > 0
    assert (run.folder / "openai-dpo.jsonl").is_file()


def test_python_says_what_goes_together() -> None:
    """A run file and models beside it, or models without prompts, are no run."""
    for given in ({"sampler": "a", "judge": "b"}, {"prompts": PROMPTS}, {"spec": {}, "sampler": "a"}):
        with pytest.raises(SpecError):
            judgegen.estimate(**given)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["formats", "origins", "methods", "variants", "templates", "models"])
def test_lists_are_printed(tmp_path: Path, what: str) -> None:
    """Every list has a header and rows; an unknown one names them all."""
    done = shell(tmp_path, "list", what)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 3
    assert what in shell(tmp_path, "list", "nothing").stderr


@pytest.mark.slow
def test_the_environment_goes_before_the_file(folder: Path) -> None:
    """A variable that is set stays as it is, whatever .env says."""
    environment = {**os.environ, "OPENAI_BASE_URL": "ftp://nowhere"}
    called = [sys.executable, "-m", "judgegen", "estimate", "prompts.txt", *MODELS]
    done = subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "OPENAI_BASE_URL" in done.stderr) == (2, True)
