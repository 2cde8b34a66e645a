"""A finished run that would come to the same does nothing; whatever differs, all is made again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import judgegen
from judgegen.errors import BudgetReached, JournalError, SpecError
from judgegen.llm.calls import Call, Outcome
from judgegen.llm.journal import Journal
from judgegen.run.unchanged import NAME
from judgegen.watch import Watch

SPEC: dict[str, Any] = {
    "prompts": "prompts.jsonl",
    "endpoints": {"world": {"provider": "scripted", "price": {"input": 1.0, "output": 4.0}}},
    "sampler": {"endpoint": "world", "model": "scripted-small", "variants": [{"name": "plain", "n": 2}]},
    "judge": {"endpoint": "world", "model": "scripted-judge"},
    "output": {"formats": ["openai-dpo"]},
}
PROMPTS = [{"prompt": f"What is fact {number}?"} for number in range(12)]
DERIVED = ("preferences.jsonl", "openai-dpo.jsonl", "summary.json", "audit")


class Seen(Watch):
    """What was asked, what was said, and whether there was nothing to do."""

    def __init__(self) -> None:
        self.landings = 0
        self.fresh = 0
        self.said: list[str] = []
        self.nothing = False

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        self.landings += 1
        self.fresh += fresh

    def warned(self, message: str) -> None:
        self.said.append(message)

    def unchanged(self, summary: Any) -> None:
        self.nothing = True


def written(folder: Path) -> dict[str, bytes]:
    """Every derived file."""
    paths = [*folder.glob("*.json*"), *folder.glob("audit/*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.name != NAME}


def prompts(rows: list[dict[str, Any]]) -> None:
    Path("prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def generated(**options: Any) -> tuple[judgegen.Run, Seen]:
    """The run in folder "run", and what was seen of it."""
    seen = Seen()
    given = {"out": "run", **options}
    spec = given.pop("spec", SPEC)
    return asyncio.run(judgegen.generate(spec, watch=seen, **given)), seen


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> judgegen.Run:
    """A finished run, in the working directory."""
    monkeypatch.chdir(tmp_path)
    prompts(PROMPTS)
    return generated()[0]


def test_a_finished_run_does_nothing(finished: judgegen.Run) -> None:
    """No call is looked up, no file is written, and what is returned and said is what making it again comes to."""
    folder = finished.folder
    shutil.copytree(folder, "copy")
    (Path("copy") / NAME).unlink()
    again, seen_again = generated(out="copy")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != "run.log"}
    run, seen = generated()
    assert (seen.nothing, seen.landings) == (True, 0)
    assert (seen_again.nothing, seen_again.fresh, seen_again.landings) == (False, 0, 48)
    assert (run.summary, seen.said) == (again.summary, seen_again.said)
    assert run.summary["calls"]["from_journal"] == 48
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [json.loads(line)["event"] for line in (folder / "run.log").read_text().splitlines()][-2:] == [
        "unchanged",
        "ended",
    ]


def test_it_does_nothing_where_the_folder_is_a_copy_or_was_made_again(finished: judgegen.Run) -> None:
    """Neither a moment nor a place is part of what makes a file; who reads the journal leaves it as it is."""
    shutil.copytree(finished.folder, "copy")
    assert generated(out="copy")[1].nothing
    judgegen.rewrite(finished.folder)
    assert len(judgegen.load(finished.folder).timings) == 48
    assert generated()[1].nothing


def _edited(folder: Path) -> None:
    path = folder / "preferences.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))


def _flipped(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "journal.sqlite", isolation_level=None)) as db:
        db.execute("UPDATE calls SET outcome = replace(outcome, 'a', 'b') WHERE rowid = 5")


def _lost(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "journal.sqlite", isolation_level=None)) as db:
        db.execute("DELETE FROM calls WHERE rowid = 5")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a row edited": _edited,
    "preferences gone": lambda folder: (folder / "preferences.jsonl").unlink(),
    "a table gone": lambda folder: (folder / "audit" / "calls.parquet").unlink(),
    "a table emptied": lambda folder: (folder / "audit" / "calls.parquet").write_bytes(b""),
    "the summary edited": lambda folder: (folder / "summary.json").write_text("{}"),
    "a format gone": lambda folder: (folder / "openai-dpo.jsonl").unlink(),
    "an answer altered": _flipped,
    "an answer lost": _lost,
    "the record gone": lambda folder: (folder / NAME).unlink(),
    "the record torn": lambda folder: (folder / NAME).write_text((folder / NAME).read_text()[:100]),
    "the record of another shape": lambda folder: (folder / NAME).write_text('{"made_of": 1}'),
    "a prompt more": lambda _: prompts([*PROMPTS, {"prompt": "One more?"}]),
    "a prompt less": lambda _: prompts(PROMPTS[1:]),
    "a prompt edited": lambda _: prompts([{"prompt": "Another?"}, *PROMPTS[1:]]),
    "prompts turned": lambda _: prompts(PROMPTS[::-1]),
    "metadata": lambda _: prompts([{**PROMPTS[0], "note": 1}, *PROMPTS[1:]]),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_whatever_is_not_as_it_was_is_made_again(finished: judgegen.Run, change: str) -> None:
    """Every file is what a run without any record makes of the same journal; after it nothing is to do again."""
    CHANGES[change](finished.folder)
    shutil.copytree(finished.folder, "bare")
    (Path("bare") / NAME).unlink(missing_ok=True)
    run, seen = generated()
    other, _ = generated(out="bare")
    assert not seen.nothing
    assert written(finished.folder) == written(other.folder)
    again, seen = generated()
    assert seen.nothing
    assert again.summary["pairs"] == run.summary["pairs"]


@pytest.mark.parametrize(
    "told",
    [
        {"spec": {**SPEC, "pairs": {"min_p_chosen": 0.6}}},
        {"spec": {**SPEC, "output": {"formats": ["trl-dpo"]}}},
        {"spec": {**SPEC, "seed": 1}},
        {"limit": 5},
        {"prompts": ["What is fact 0?"]},
    ],
)
def test_another_run_is_made(finished: judgegen.Run, told: dict[str, Any]) -> None:
    """One key, one limit or other prompts: it is another run, and the first one again after it."""
    first = written(finished.folder)
    assert not generated(**told)[1].nothing
    assert not generated()[1].nothing
    assert {name: data for name, data in written(finished.folder).items() if name in first} == first
    assert generated()[1].nothing


def test_a_run_that_ended_early_is_not_finished(finished: judgegen.Run) -> None:
    """What lacks answers is asked for again, whatever stands in the folder of an earlier end."""
    prompts([*PROMPTS, *({"prompt": f"And fact {number}?"} for number in range(40))])
    for _ in range(2):
        with pytest.raises(BudgetReached):
            generated(max_usd=float(finished.summary["cost_usd"]["total"]) * 1.5)
    run, seen = generated()
    assert seen.fresh
    assert run.summary["prompts"] == 52
    assert "incomplete" not in run.summary["drops"]


def test_what_no_digest_holds_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of the user's may have changed, and a shard is part of a run that is merged."""
    monkeypatch.chdir(tmp_path)
    prompts(PROMPTS)
    Path("mine_unchanged.py").write_text("def grade(prompt, candidate):\n    return len(candidate.text) % 7 / 7\n")
    spec = {**SPEC, "judge": {**SPEC["judge"], "grade": {"grader": "mine_unchanged:grade", "weight": 0.5}}}
    for _ in range(2):
        assert not generated(spec=spec)[1].nothing
        assert not generated(out="parts", shard="1/2")[1].nothing
    assert not list(tmp_path.rglob(NAME))


def test_who_holds_the_journal_is_told_of(finished: judgegen.Run) -> None:
    """Two at once are refused as ever."""
    with Journal(finished.folder, create=False), pytest.raises(JournalError, match="another run is writing"):
        generated()


def test_prompts_that_are_wrong_now_are_told(finished: judgegen.Run) -> None:
    """As by a run that begins, and the files stay."""
    before = written(finished.folder)
    with Path("prompts.jsonl").open("a", encoding="utf-8") as file:
        file.write("{torn\n")
    with pytest.raises(SpecError, match="line 13"):
        generated()
    assert written(finished.folder) == before


@pytest.mark.slow
def test_nothing_is_foretold_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line counts what a run may cost where it may cost anything, and says what came of it either way."""
    monkeypatch.chdir(tmp_path)
    prompts(PROMPTS)
    Path("mine.toml").write_text(tomli_w.dumps({**SPEC, "budget": {"max_usd": 1.0}}), encoding="utf-8")
    command = [sys.executable, "-m", "judgegen", "run", "mine.toml", "--out", "run"]
    first, second = (subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(2))
    assert ("expected cost" in first.stderr, "expected cost" in second.stderr) == (True, False)
    assert "12/12 prompts" in second.stderr
    assert "0 sent now, 48 from the journal" in second.stdout
    Path("run/preferences.jsonl").unlink()
    assert "expected cost" in subprocess.run(command, check=True, capture_output=True, text=True).stderr


@pytest.mark.slow
def test_another_version_of_this_program_makes_it_again(finished: judgegen.Run, tmp_path: Path) -> None:
    """One line more in one module is another program; what it makes is kept as its own."""
    home = Path(judgegen.__file__).parent
    shutil.copytree(home, tmp_path / "other" / "judgegen", ignore=shutil.ignore_patterns("__pycache__"))
    if (home.parent / "prompts").is_dir():
        shutil.copytree(home.parent / "prompts", tmp_path / "other" / "prompts")
    code = "import asyncio, json, sys, judgegen; asyncio.run(judgegen.generate(json.loads(sys.argv[1]), out='run'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "other"), "PYTHONDONTWRITEBYTECODE": "1"}
    made = []
    for line in ("", "", "\n# another\n", ""):
        with (tmp_path / "other" / "judgegen" / "textual.py").open("a", encoding="utf-8") as file:
            file.write(line)
        subprocess.run([sys.executable, "-c", code, json.dumps(SPEC)], check=True, env=environment)
        made.append((finished.folder / "summary.json").stat().st_mtime_ns)
    assert made[0] == made[1] != made[2] == made[3]
