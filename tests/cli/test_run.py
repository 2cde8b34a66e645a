from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
WriteRunFile = Callable[..., Path]


def derived(folder: Path) -> dict[str, bytes]:
    """Every file of a run folder that is made from the journal, but the summary, by its path."""
    kept = ("journal", "run.log", "expected.jsonl")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(kept)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def summary_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object on stdout."""
    assert done.stdout.count("\n") == 1
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def test_a_run_ends_in_words(process: Command, run_file: WriteRunFile, tmp_path: Path) -> None:
    """The end says what came of it, where it is, and shows the first pairs; progress is on stderr only."""
    run_file(prompts=5)
    done = process("run", "mine.toml")
    assert done.returncode == 0
    summary = json.loads((tmp_path / "runs" / "mine" / "summary.json").read_text())
    assert done.stdout.startswith(f"{summary['pairs']} pairs from 5 prompts\n")
    for words in ("calls", "tokens", "spend", "preferences.jsonl", "audit/", "summary.json", "chosen", "rejected"):
        assert words in done.stdout
    assert "poor judge" not in done.stdout
    assert done.stderr.startswith("5 prompts -> runs/mine\n")
    assert "5/5 prompts" in done.stderr


def test_json_is_one_object_and_the_second_run_sends_nothing(judgegen: Command, run_file: WriteRunFile) -> None:
    """--json prints the summary and nothing else; asked again, every call comes from the journal."""
    run_file(prompts=4)
    first, second = (summary_of(judgegen("run", "mine.toml", "--json", "--quiet")) for _ in range(2))
    calls = first["calls"]["sampler"] + first["calls"]["judge"]
    assert calls >= 4 * 4
    assert first["calls"]["from_journal"] == 0
    assert second["calls"]["from_journal"] == calls
    assert {**first, "calls": None} == {**second, "calls": None}


def test_quiet_leaves_nothing_on_stderr(judgegen: Command, run_file: WriteRunFile) -> None:
    """--quiet takes the progress away and keeps the end."""
    run_file()
    done = judgegen("run", "mine.toml", "--quiet")
    assert done.stderr == ""
    assert "pairs from 5 prompts" in done.stdout


def test_out_and_limit(judgegen: Command, run_file: WriteRunFile, tmp_path: Path) -> None:
    """--limit takes the first prompts, --out says where; a later run without the limit pays only for the rest."""
    run_file(prompts=6)
    few = summary_of(judgegen("run", "mine.toml", "--out", "elsewhere", "--limit", "2", "--json"))
    assert few["prompts"] == 2
    assert (tmp_path / "elsewhere" / "preferences.jsonl").is_file()
    assert not (tmp_path / "runs").exists()
    every = summary_of(judgegen("run", "mine.toml", "--out", "elsewhere", "--json"))
    assert every["prompts"] == 6
    assert every["calls"]["from_journal"] == few["calls"]["sampler"] + few["calls"]["judge"]


def test_write_gives_the_same_bytes(
    judgegen: Command, process: Command, run_file: WriteRunFile, tmp_path: Path
) -> None:
    """What is derived can be deleted: `judgegen write` makes it again, byte for byte."""
    run_file()
    assert judgegen("run", "mine.toml").returncode == 0
    folder = tmp_path / "runs" / "mine"
    before = derived(folder)
    for name in before:
        if name != "run.toml":
            (folder / name).unlink()
    done = process("write", "runs/mine", "--json")
    assert done.returncode == 0
    assert derived(folder) == before
    assert summary_of(done)["prompts"] == 5


def test_write_without_a_run_says_so(judgegen: Command) -> None:
    """A folder without a run is an error with exit code 2; nothing is made."""
    done = judgegen("write", "runs/none", "--json")
    assert done.returncode == 2
    assert set(summary_of(done)) == {"error"}
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_missing_key_exits_3(judgegen: Command, run_file: WriteRunFile) -> None:
    """An endpoint whose key is not in the environment is refused by name before anything is sent."""
    path = run_file()
    path.write_text(path.read_text().replace('provider = "scripted"', REMOTE))
    done = judgegen("run", "mine.toml", "--json", "--yes")
    assert done.returncode == 3
    error = summary_of(done)["error"]
    assert error["type"] == "ProviderRefused"
    assert "JUDGEGEN_TEST_KEY" in error["message"]
    assert "JUDGEGEN_TEST_KEY" in done.stderr


REMOTE = """\
base_url = "https://api.invalid/v1"
api_key_env = "JUDGEGEN_TEST_KEY"
price = { input = 1, output = 2 }
"""


@pytest.mark.slow
def test_what_kept_failing_exits_5_and_the_printed_command_mends_it(
    process: Command, run_file: WriteRunFile, tmp_path: Path
) -> None:
    """Calls that still fail: outputs and summary are there, the error beside them, and the same command tries again."""
    run_file(endpoint="max_retries = 0\n[endpoints.world.scripted]\nfault_rate = 1.0")
    done = process("run", "mine.toml", "--json")
    assert done.returncode == 5
    found = summary_of(done)
    assert found["error"]["type"] == "Incomplete"
    assert found["drops"] == {"incomplete": 5}
    again = done.stderr.splitlines()[-1].removeprefix("to try again: ")
    assert shlex.split(again) == [sys.executable, "-m", "judgegen", "run", "mine.toml", "--json"]
    run_file()
    done = subprocess.run(again, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "incomplete" not in summary_of(done)["drops"]


def test_a_failed_run_ends_in_words_too(judgegen: Command, run_file: WriteRunFile) -> None:
    """Without --json the figures stand on stdout and the error on stderr, without a traceback."""
    run_file(endpoint="max_retries = 0\n[endpoints.world.scripted]\nfault_rate = 1.0")
    done = judgegen("run", "mine.toml")
    assert done.returncode == 5
    assert done.stdout.startswith("0 pairs from 5 prompts\n  to come   5 prompts whose calls lack answers\n")
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_locked_journal_exits_2(judgegen: Command, run_file: WriteRunFile, started: Any, tmp_path: Path) -> None:
    """Two runs cannot write one journal; the second says so and the first goes on."""
    run_file(prompts=4, endpoint="[endpoints.world.scripted]\nlatency_s = 0.5")
    first = started("run", "mine.toml")
    assert first.stderr.readline() == "4 prompts -> runs/mine\n"
    second = judgegen("run", "mine.toml")
    assert second.returncode == 2
    assert "error: " in second.stderr
    first.communicate()
    assert first.returncode == 0


def test_files_that_cannot_be_written_are_an_error_in_words(
    judgegen: Command, run_file: WriteRunFile, tmp_path: Path
) -> None:
    """A run folder that cannot be made ends with the path and the reason, not with a traceback."""
    run_file()
    (tmp_path / "taken").write_text("a file stands here")
    done = judgegen("run", "mine.toml", "--out", "taken/inside")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "taken" in done.stderr


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_its_answer(process: Command, run_file: WriteRunFile) -> None:
    """Prompts and answers that the terminal cannot show are shown escaped; the run does not fail for it."""
    path = run_file(prompts=2)
    (path.parent / "prompts.txt").write_text("What is 水?\nWhat is 火?\n", encoding="utf-8")
    done = process("run", "mine.toml", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "\\u6c34" in done.stdout


PRICED = "price = { input = 1.0, output = 4.0 }"


@pytest.mark.slow
def test_a_cap_exits_4_and_a_higher_one_continues(judgegen: Command, run_file: WriteRunFile, tmp_path: Path) -> None:
    """--max-usd: what fits is done and written, and with a higher cap the outputs are those of a run without one."""
    run_file(prompts=6, endpoint=PRICED)
    whole = summary_of(judgegen("run", "mine.toml", "--out", "whole", "--json"))
    cap = float(whole["cost_usd"]["total"]) / 2
    # The cap must leave room for a call's worst case, which is all of its max_tokens.
    text = (tmp_path / "mine.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"scripted-judge"', '"scripted-judge"\nmax_tokens = 16'))
    whole = summary_of(judgegen("run", "mine.toml", "--out", "whole", "--json"))
    done = judgegen("run", "mine.toml", "--out", "capped", "--max-usd", f"{cap:.6f}", "--json")
    assert done.returncode == 4
    found = summary_of(done)
    assert found["error"]["type"] == "BudgetReached"
    assert 0 < float(found["cost_usd"]["total"]) <= cap
    assert "with a higher cap this continues: " in done.stderr
    assert judgegen("run", "mine.toml", "--out", "capped", "--max-usd", "1").returncode == 0
    assert derived(tmp_path / "capped") == derived(tmp_path / "whole")


@pytest.mark.slow
def test_estimate_in_words_and_as_json(process: Command, judgegen: Command, run_file: WriteRunFile) -> None:
    """What a run will take, by role and model; after the run the journal answers all of it and it costs nothing."""
    run_file(prompts=4, endpoint=PRICED)
    words = process("estimate", "mine.toml")
    assert words.returncode == 0
    assert words.stdout.startswith("expected cost $")
    assert "4 prompts, 16 calls" in words.stdout
    for word in ("sampler", "scripted-small", "judge", "scripted-judge", "what it rests on:"):
        assert word in words.stdout
    before = summary_of(judgegen("estimate", "mine.toml", "--json"))
    assert before["calls"] == {"sampler": 8, "judge": 8, "from_journal": 0}
    assert judgegen("run", "mine.toml").returncode == 0
    after = summary_of(judgegen("estimate", "mine.toml", "--json"))
    assert after["calls"]["from_journal"] == 16
    assert float(after["cost_usd"]["high"]) == 0 < float(before["cost_usd"]["low"])
    assert summary_of(judgegen("estimate", "mine.toml", "--json", "--limit", "2", "--out", "new"))["prompts"] == 2


def test_batch_is_refused_where_there_is_none(judgegen: Command, run_file: WriteRunFile) -> None:
    """--batch reaches the run: an endpoint without a Batch API is exit code 2; --wait alone means nothing."""
    run_file()
    done = judgegen("run", "mine.toml", "--batch")
    assert done.returncode == 2
    assert "no Batch API" in done.stderr
    alone = judgegen("run", "mine.toml", "--wait")
    assert alone.returncode == 2
    assert "--batch" in alone.stderr


def test_init_writes_what_run_reads(judgegen: Command, process: Command, tmp_path: Path) -> None:
    """The files are named, so is the next command, and it reads them; asked again, nothing is overwritten."""
    done = process("init", "my dir")
    assert done.returncode == 0
    assert done.stdout.startswith(f"wrote {Path('my dir/run.toml')}, ")
    following = shlex.split(done.stdout.splitlines()[-1].removeprefix("next: "))
    assert following == [sys.executable, "-m", "judgegen", "run", str(Path("my dir/run.toml"))]
    assert summary_of(judgegen("estimate", *following[4:], "--json"))["prompts"] > 0
    before = {path: path.read_bytes() for path in (tmp_path / "my dir").iterdir()}
    again = judgegen("init", "my dir")
    assert again.returncode == 2
    assert "not overwritten" in again.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "my dir").iterdir()} == before
