from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgegen.cli.confirm import may_cost
from judgegen.spec import parse

Command = Callable[..., subprocess.CompletedProcess[str]]
Popen = Callable[..., "subprocess.Popen[bytes]"]
RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.server]
base_url = "http://127.0.0.1:9/v1"
max_retries = 0
price = { input = 20, output = 20 }
[sampler]
endpoint = "server"
model = "small"
[[sampler.variants]]
name = "plain"
n = 3
[judge]
endpoint = "server"
model = "large"
"""


def on_a_terminal(popen: Popen, folder: Path, answer: str, *arguments: str) -> tuple[int, str]:
    """Exit code and what the terminal shows of `judgegen run run.toml …` when `answer` is typed."""
    (folder / "run.toml").write_text(RUN_FILE)
    (folder / "prompts.txt").write_text("one\n")
    ours, theirs = pty.openpty()
    process = popen(
        [sys.executable, "-m", "judgegen", "run", "run.toml", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "TERM": "dumb", "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    shown = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return process.wait(timeout=60), shown.decode()


@pytest.mark.slow
def test_a_terminal_is_asked_before_money_goes_out(popen: Popen, tmp_path: Path) -> None:
    """The expected cost is shown, and at a no nothing is made and nothing sent."""
    code, shown = on_a_terminal(popen, tmp_path, "n\n")
    assert code == 8
    assert re.search(r"expected cost \$0\.\d+ \(\$0\.\d+ to \$0\.\d+\): 1 prompt, 9 calls", shown)
    assert "Spend this? [y/N]" in shown
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "arguments"), [("y\n", []), ("", ["--yes"])])
def test_a_yes_goes_on(popen: Popen, tmp_path: Path, answer: str, arguments: list[str]) -> None:
    """A yes or --yes sends the calls; nobody listens here, so they keep failing."""
    code, shown = on_a_terminal(popen, tmp_path, answer, *arguments)
    assert code == 5
    assert "expected cost $" in shown
    assert ("Spend this?" in shown) == (arguments == [])


@pytest.mark.parametrize("permission", [["--yes"], ["--max-usd", "3"]])
def test_without_a_terminal_nobody_is_asked(judgegen: Command, tmp_path: Path, permission: list[str]) -> None:
    """A script sees the expected cost on stderr, against the cap; --quiet does not even count it."""
    (tmp_path / "run.toml").write_text(RUN_FILE)
    (tmp_path / "prompts.txt").write_text("one\n")
    done = judgegen("run", "run.toml", "--json", *permission)
    assert done.returncode == 5
    assert done.stderr.startswith("expected cost $")
    assert ("the cap of $3.0000 leaves room for all of it" in done.stderr) == ("--max-usd" in permission)
    quiet = judgegen("run", "run.toml", "--json", "--quiet", *permission).stderr
    assert "error: " in quiet
    assert "expected cost" not in quiet


LABELLED = '{"prompt": "p", "response_a": "one", "response_b": "two", "winner": "A"}\n'


@pytest.mark.parametrize(
    "command",
    [
        ["run", "run.toml"],
        ["run", "run.toml", "--quiet"],
        ["run", "run.toml", "--batch"],
        ["probe", "run.toml"],
        ["judge", "check", "labelled.jsonl", "--run", "run.toml"],
        ["judge", "calibrate", "labelled.jsonl", "--run", "run.toml"],
        ["judge", "attack", "run.toml"],
    ],
    ids=" ".join,
)
def test_off_a_terminal_money_is_spent_with_a_word_only(judgegen: Command, tmp_path: Path, command: list[str]) -> None:
    """Every command that sends paid calls refuses where nobody can be asked, unless --yes or a cap allows it."""
    (tmp_path / "run.toml").write_text(RUN_FILE)
    (tmp_path / "prompts.txt").write_text("one\n")
    (tmp_path / "labelled.jsonl").write_text(LABELLED)
    done = judgegen(*command)
    assert (done.returncode, "add --yes, or a cap such as --max-usd" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "runs").exists()
    keyless = RUN_FILE.replace("max_retries = 0", 'api_key_env = "JUDGEGEN_NO_SUCH_KEY"')
    (tmp_path / "run.toml").write_text(keyless)
    for allowed in (judgegen(*command, "--yes"), judgegen(*command, "--max-usd", "1")):
        assert "JUDGEGEN_NO_SUCH_KEY" in allowed.stderr
    (tmp_path / "run.toml").write_text(keyless + "[budget]\nmax_usd = 0.5\n")
    assert "JUDGEGEN_NO_SUCH_KEY" in judgegen(*command).stderr


@pytest.mark.parametrize(("usd", "asked"), [("0.001", False), ("20", True)])
def test_less_than_a_cent_needs_no_word(judgegen: Command, tmp_path: Path, usd: str, asked: bool) -> None:
    """What cannot come to a cent goes on, and its expected cost is shown all the same."""
    (tmp_path / "run.toml").write_text(RUN_FILE.replace("= 20", f"= {usd}"))
    (tmp_path / "labelled.jsonl").write_text(LABELLED * 20)
    done = judgegen("judge", "check", "labelled.jsonl", "--run", "run.toml")
    assert "expected cost $" in done.stderr or "expected cost <$" in done.stderr
    assert ("nobody can be asked" in done.stderr) == asked


def test_what_the_journal_answers_needs_no_word(judgegen: Command, tmp_path: Path) -> None:
    """A run that has nothing left to pay for goes on by itself."""
    free = RUN_FILE.replace("input = 20, output = 20", "input = 0, output = 0")
    for text in (free, free.replace('base_url = "http://127.0.0.1:9/v1"', 'provider = "scripted"')):
        (tmp_path / "run.toml").write_text(text)
        (tmp_path / "prompts.txt").write_text("one\n")
        assert "nobody can be asked" not in judgegen("run", "run.toml").stderr


def test_what_is_free_is_not_asked_about() -> None:
    """Scripted, embedded and zero-priced endpoints cost nothing; one paid side of a run is enough to ask."""
    table: dict[str, Any] = {
        "prompts": "p",
        "endpoints": {
            "world": {"provider": "scripted"},
            "mine": {"base_url": "http://127.0.0.1:9/v1", "price": {"input": 0, "output": 0}},
        },
        "sampler": {"endpoint": "world", "model": "s", "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "mine", "model": "j"},
    }
    assert not may_cost(parse(table))
    assert may_cost(parse({**table, "judge": {"endpoint": "openai", "model": "gpt-4.1"}}))


@pytest.mark.parametrize("allowed", [(), ("--yes",), ("--max-usd", "1")])
def test_rounds_spend_nothing_that_nobody_allowed(judgegen: Command, tmp_path: Path, allowed: tuple[str, ...]) -> None:
    """Off a terminal a judge who is paid in every round needs --yes or a cap; with either the rounds begin."""
    (tmp_path / "run.toml").write_text(RUN_FILE)
    (tmp_path / "prompts.txt").write_text("one\n")
    ended = judgegen("rounds", "run.toml", "--model", str(tmp_path / "nothing"), *allowed)
    assert ended.returncode == 2
    assert ("nobody can be asked" in ended.stderr) == (not allowed)
