from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from judgegen.cli.interrupt import stoppable
from judgegen.show.progress import Quiet

Command = Callable[..., "subprocess.CompletedProcess[str]"]
WriteRunFile = Callable[..., Path]
Start = Callable[..., "subprocess.Popen[str]"]
SLOW = "max_concurrency = 4\n[endpoints.world.scripted]\nlatency_s = {}"


def answered(folder: Path) -> int:
    """How many calls the journal holds, read while another process writes it."""
    import sqlite3

    path = folder / "journal.sqlite"
    if not path.is_file():
        return 0
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return int(database.execute("select count(*) from calls").fetchone()[0])
    except sqlite3.OperationalError:  # it is only just being made
        return 0
    finally:
        database.close()


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it did not come to that in 30 s")


def preferences(folder: Path) -> bytes:
    return (folder / "preferences.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_lets_what_is_in_flight_land(
    judgegen: Command, started: Start, run_file: WriteRunFile, tmp_path: Path, number: signal.Signals
) -> None:
    """Outputs are written, the exit code is 130, and the command that is printed continues to the same bytes."""
    run_file(prompts=8, endpoint=SLOW.format(0.15))
    folder = tmp_path / "runs" / "my run"
    process = started("run", "mine.toml", "--out", "runs/my run")
    wait_until(lambda: answered(folder) >= 4)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, (stdout, stderr)
    assert re.match(r"  to come   \d prompts? whose calls lack answers$", stdout.splitlines()[1])
    assert "stopped: " in stderr
    assert "Traceback" not in stderr
    held = answered(folder)
    again = shlex.split(stderr.splitlines()[-1].removeprefix("to continue: "))
    assert again == [sys.executable, "-m", "judgegen", "run", "mine.toml", "--out", "runs/my run"]

    run_file(prompts=8)
    assert f"{held} from the journal" in judgegen(*again[3:]).stdout
    assert judgegen("run", "mine.toml", "--out", "undisturbed").returncode == 0
    assert preferences(folder) == preferences(tmp_path / "undisturbed")


def test_a_second_signal_ends_at_once(
    judgegen: Command, started: Start, run_file: WriteRunFile, tmp_path: Path
) -> None:
    """It does not wait for what is in flight; the journal is whole and the printed command continues."""
    run_file(prompts=3, endpoint=SLOW.format(600))
    process: Any = started("run", "mine.toml")
    assert process.stderr.readline() == "3 prompts -> runs/mine\n"
    wait_until((tmp_path / "runs/mine/journal.sqlite").is_file)
    process.send_signal(signal.SIGINT)
    assert "once more ends at once" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert shlex.split(stderr.splitlines()[-1].partition("to continue: ")[2])[-2:] == ["run", "mine.toml"]
    assert not (tmp_path / "runs/mine/summary.json").exists()

    run_file(prompts=3)
    assert judgegen("run", "mine.toml").returncode == 0


def test_what_a_loop_closes_with_is_of_the_run() -> None:
    """A Ctrl-C that comes when the job is done and its loop is closing is one like any other: no KeyboardInterrupt."""

    async def closing() -> AsyncIterator[None]:
        try:
            yield
        finally:
            signal.raise_signal(signal.SIGINT)

    left: list[AsyncIterator[None]] = [closing()]

    async def job(**_: object) -> str:
        await anext(left[0])
        return "done"

    assert stoppable(job, Quiet(sys.stderr)) == "done"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
