"""Killed at any moment, a run continues to the same bytes and pays for nothing that the journal held."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from worlds import derived, stats, world

RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.sim]
base_url = "{url}"
identity = "the simulator"
max_concurrency = {at_once}
price = {{ input = 1, output = 4 }}
[sampler]
endpoint = "sim"
model = "small"
max_tokens = 200
[[sampler.variants]]
name = "cool"
temperature = 0.3
n = 2
[[sampler.variants]]
name = "warm"
temperature = {{ low = 0.9, high = 1.4 }}
[judge]
endpoint = "sim"
model = "judge"
"""
Popen = Callable[..., "subprocess.Popen[bytes]"]
PROMPTS = "\n".join(f"Explain fact number {i} about rivers." for i in range(6)) + "\n"


def run_file(folder: Path, url: str, at_once: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "prompts.txt").write_text(PROMPTS, encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(RUN_FILE.format(url=url, at_once=at_once), encoding="utf-8")
    return path


def start(popen: Popen, path: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "judgegen", "run", str(path), "--out", str(out), "--quiet", "--yes"]
    return popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> int:
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    return process.returncode


def answered(out: Path) -> int:
    if not (out / "journal.sqlite").exists():
        return 0
    db = sqlite3.connect(f"file:{out / 'journal.sqlite'}?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT COUNT(*) FROM calls").fetchone()[0])
    except sqlite3.OperationalError:  # killed before its tables were there
        return 0
    finally:
        db.close()


@pytest.mark.slow
@pytest.mark.parametrize(("at_once", "seed"), [(4, 1), (16, 2)])
def test_kill_9_again_and_again(popen: Popen, tmp_path: Path, at_once: int, seed: int) -> None:
    """Same bytes as an undisturbed run; calls asked again are at most those in flight at the kills."""
    with world("--latency-s", "0.02", "--fault-rate", "0.05") as url:
        path = run_file(tmp_path, url, at_once)
        assert finish(start(popen, path, tmp_path / "calm")) == 0
        calm = derived(tmp_path / "calm")
    lot, kills, disturbed = random.Random(seed), 0, tmp_path / "disturbed"
    with world("--latency-s", "0.02", "--fault-rate", "0.05") as url:
        path = run_file(tmp_path, url, at_once)
        while kills < 60:
            process = start(popen, path, disturbed)
            held, allowed = answered(disturbed), lot.randint(1, 16)
            while process.poll() is None and answered(disturbed) < held + allowed:
                time.sleep(0.005)
            if process.poll() is None:
                time.sleep(lot.random() * 0.03)
                os.kill(process.pid, signal.SIGKILL)
            if finish(process) == 0:
                break
            kills += 1
        assert kills >= 3
        assert stats(url)["repeats"] <= kills * at_once
    assert derived(disturbed) == calm


@pytest.mark.slow
def test_an_answer_the_journal_held_is_never_asked_again(popen: Popen, tmp_path: Path) -> None:
    """After a whole run, running again asks nothing, and writing again makes the same bytes."""
    with world() as url:
        path = run_file(tmp_path, url, 8)
        assert finish(start(popen, path, tmp_path / "run")) == 0
        asked, first = stats(url), derived(tmp_path / "run")
        assert finish(start(popen, path, tmp_path / "run")) == 0
        assert stats(url) == asked
        assert derived(tmp_path / "run") == first
        for name in first:
            (tmp_path / "run" / name).unlink()
        command = [sys.executable, "-m", "judgegen", "write", str(tmp_path / "run")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        assert stats(url) == asked
        assert derived(tmp_path / "run") == first
