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
price = { input = 1, output = 1 }
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


def test_a_terminal_is_asked_before_money_goes_out(popen: Popen, tmp_path: Path) -> None:
    """The expected cost is shown, and at a no nothing is made and nothing sent."""
    code, shown = on_a_terminal(popen, tmp_path, "n\n")
    assert code == 8
    assert re.search(r"expected cost \$0\.\d+ \(\$0\.\d+ to \$0\.\d+\): 1 prompt, 9 calls", shown)
    assert "Spend this? [y/N]" in shown
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("answer", "arguments"), [("y\n", []), ("", ["--yes"])])
def test_a_yes_goes_on(popen: Popen, tmp_path: Path, answer: str, arguments: list[str]) -> None:
    """A yes or --yes sends the calls; nobody listens here, so they keep failing."""
    code, shown = on_a_terminal(popen, tmp_path, answer, *arguments)
    assert code == 5
    assert "expected cost $" in shown
    assert ("Spend this?" in shown) == (arguments == [])


@pytest.mark.parametrize("permission", [[], ["--yes"], ["--max-usd", "3"]])
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
