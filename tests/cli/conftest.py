from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from judgegen.cli import main

RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.world]
provider = "scripted"
{endpoint}
[sampler]
endpoint = "world"
model = "scripted-small"
[[sampler.variants]]
name = "plain"
n = {n}
[judge]
endpoint = "world"
model = "scripted-judge"
{rest}
"""


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would change an output."""
    unwanted = ("OPENAI_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "COLUMNS": "80", **extra}


def command(*arguments: str) -> list[str]:
    """The command line of `python -m judgegen`; a warning of our own making would be an error."""
    return [sys.executable, "-m", "judgegen", *arguments]


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m judgegen …` in a folder of its own."""

    def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=environment(**extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def judgegen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same inside this process, which is much faster and makes an error of any warning."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        shown = capsys.readouterr()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, shown.out, shown.err)

    return run


@pytest.fixture
def started(tmp_path: Path, popen: Callable[..., subprocess.Popen[str]]) -> Callable[..., subprocess.Popen[str]]:
    """Starts `judgegen …` in the same folder and leaves it running; ended with the test."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        return popen(
            command(*arguments),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    return start


@pytest.fixture
def run_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes mine.toml with a scripted world, and its prompts."""

    def write(*, prompts: int = 5, n: int = 2, endpoint: str = "", rest: str = "") -> Path:
        lines = [f"What is worth knowing about the number {i}?" for i in range(prompts)]
        (tmp_path / "prompts.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        path = tmp_path / "mine.toml"
        path.write_text(RUN_FILE.format(n=n, endpoint=endpoint, rest=rest), encoding="utf-8")
        return path

    return write
