"""What a person sees of a run on a terminal: real processes under pseudo-terminals of two widths, and without one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import judgegen

WriteRunFile = Callable[..., Path]
ROOT = Path(judgegen.__file__).parents[1]
"""The package that this process tests is the one that the processes here run."""
SLOW = "rpm = 6000\nprice = {input = 1.0, output = 4.0}\n[endpoints.world.scripted]\nlatency_s = 0.2"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")


def environment(**extra: str) -> dict[str, str]:
    unwanted = ("OPENAI_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "PYTHON", "_JUDGEGEN", "COMP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **extra}


def on_a_terminal(folder: Path, width: int, *arguments: str, **extra: str) -> tuple[str, int]:
    """Everything that a command writes to a terminal, and its exit code."""
    pexpect = pytest.importorskip("pexpect")
    process = pexpect.spawn(
        sys.executable,
        ["-m", "judgegen", *arguments],
        cwd=str(folder),
        env=environment(**extra),
        dimensions=(30, width),
        encoding="utf-8",
        timeout=60,
    )
    process.expect(pexpect.EOF)
    return str(process.before), int(process.wait())


def drawn(written: str) -> list[list[str]]:
    """The pictures that were drawn one over the other: what stands between two movements of the cursor up."""
    return [CONTROL.sub("", part).splitlines() for part in re.split(r"(?:\x1b\[\d*A|\x1b\[2K|\r(?!\n))+", written)]


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 200])
def test_a_run_shows_a_bar_per_role_and_two_lines(run_file: WriteRunFile, tmp_path: Path, width: int) -> None:
    """While it goes: calls by role with their seconds, pairs, time left, pace, spend, cap and projection; all fits."""
    run_file(prompts=30, n=2, endpoint=SLOW, rest="[budget]\nmax_usd = 5")
    written, code = on_a_terminal(tmp_path, width, "run", "mine.toml", "--yes")
    assert code == 0, written
    lines = [line for picture in drawn(written) for line in picture]
    assert max(map(len, lines)) <= width
    shown = "\n".join(lines)
    for words in (
        r"sampler +.*60  p50 \d+ms, p95 \d+ms",
        r"judge +.*/60  p50 \d+ms, p95 \d+ms",
        r"\d+/30 prompts, \d+ pairs, \d+% flipped, \d+s left, \d+s gone",
        r"\d+\.\d calls/s.*\$0\.\d{4} of \$5, about \$0\.\d{4} in all",
    ):
        assert re.search(words, shown), words
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert COLOUR.search(written)
    plain, _ = on_a_terminal(tmp_path, width, "run", "mine.toml", "--yes", "--out", "plain", NO_COLOR="1")
    assert not COLOUR.search(plain)


@pytest.mark.slow
def test_without_a_terminal_there_are_lines(run_file: WriteRunFile, tmp_path: Path) -> None:
    """In a pipe: nothing but text, and the last line has all that the pictures had."""
    run_file(prompts=4, n=2, endpoint=SLOW, rest="[budget]\nmax_usd = 5")
    command = [sys.executable, "-m", "judgegen", "run", "mine.toml"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert "\x1b" not in done.stdout + done.stderr
    last = done.stderr.splitlines()[-1]
    assert re.search(r"4/4 prompts, 4 pairs, \d+% flipped; .*\$0\.\d{4} of \$5.*; sampler p50 .*; judge p50 ", last)


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 200])
def test_tables_hold_at_any_width(run_file: WriteRunFile, tmp_path: Path, width: int) -> None:
    """What the commands about a run print fits the terminal."""
    run_file(prompts=4, n=2)
    on_a_terminal(tmp_path, width, "run", "mine.toml", "--quiet")
    for command in (["status", "runs/mine"], ["show", "runs/mine"], ["estimate", "mine.toml"], ["--help"]):
        written, code = on_a_terminal(tmp_path, width, *command)
        assert code == 0, written
        assert max(len(line) for line in CONTROL.sub("", written).splitlines()) <= width, command


@pytest.mark.slow
def test_everything_is_told_where_that_is_asked(run_file: WriteRunFile, tmp_path: Path) -> None:
    """--verbose: each request that was sent again with its address and reason; run.log has the same without it."""
    endpoint = "[endpoints.world.scripted]\nfault_rate = 0.3"
    run_file(prompts=6, n=2, endpoint=endpoint)
    written, code = on_a_terminal(tmp_path, 200, "run", "mine.toml", "--verbose")
    assert code == 0, written
    assert re.search(
        r"sent again in [\d.]+ s: (sampler|judge) call to scripted-\w+ at \S+ \(prompt [\w-]+\): ", written
    )
    log = (tmp_path / "runs" / "mine" / "run.log").read_text(encoding="utf-8")
    assert '"event": "retried"' in log


SHELLS: Mapping[str, Mapping[str, str]] = {
    "bash": {"_JUDGEGEN_COMPLETE": "complete_bash", "COMP_WORDS": "judgegen run --verb", "COMP_CWORD": "2"},
    "zsh": {"_JUDGEGEN_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "judgegen run --verb"},
    "fish": {
        "_JUDGEGEN_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": "judgegen run --verb",
    },
}


def asked(*arguments: str, **extra: str) -> str:
    command = [sys.executable, "-m", "judgegen", *arguments]
    return subprocess.run(command, env=environment(**extra), capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_complete_commands_and_their_options(shell: str) -> None:
    """Each shell's script asks the program, which knows the options of a command that it has not loaded yet."""
    script = asked("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_JUDGEGEN_COMPLETE" in script
    assert "--verbose" in asked(**SHELLS[shell])


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_at_its_prompt(tmp_path: Path) -> None:
    """With the script sourced, tab completes a command's name."""
    pexpect = pytest.importorskip("pexpect")
    script = asked("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    (tmp_path / "judgegen").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m judgegen "$@"\n', encoding="utf-8")
    (tmp_path / "judgegen").chmod(0o755)
    (tmp_path / "rc").write_text(f"PS1='> '\n{script}", encoding="utf-8")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    shell = pexpect.spawn(
        "bash", ["--noprofile", "--rcfile", str(tmp_path / "rc")], env=environment(PATH=path), encoding="utf-8"
    )
    shell.expect("> ", timeout=20)
    shell.send("judgegen rehea\t")
    shell.expect("judgegen rehearse ", timeout=20)
    shell.sendcontrol("c")
    shell.close()
    assert not shell.isalive()
