"""Kill -9 at random points of a batch run against the simulator, again and again, until it is done.

    python benchmarks/batch_kills.py [--kills 200] [--seed 0]

Every round is a fresh run folder and simulator; rounds repeat until the kills are spent. The simulator counts how often
each custom_id was answered in a batch: more than once would be paid twice. The labels are compared with a live run's
(the rows differ in price alone: a batch costs half).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.sim]
base_url = "{url}"
identity = "the simulator"
batch_tokens = 4000
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
temperature = 1.2
[judge]
endpoint = "sim"
model = "judge"
"""
WORLD = ("--unreadable-rate", "0.05")
FAULTS = (
    *("--batch-seconds", "0.3", "--batch-missing-rate", "0.1", "--batch-failed-rate", "0.1"),
    *("--batch-expired-rate", "0.2", "--batch-errors-only-rate", "0.1"),
    *("--batch-busy-rate", "0.2", "--batch-crash-rate", "0.3"),
)


@contextmanager
def world(*flags: str) -> Iterator[str]:
    command = [sys.executable, "-m", "judgegen", "simulate", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def get(url: str, path: str) -> Any:
    with urllib.request.urlopen(url.removesuffix("/v1") + path) as answer:
        return json.load(answer)


def start(path: Path, out: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "judgegen", "run", str(path), "--out", str(out), "--yes", "--quiet", *flags]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def labels(out: Path) -> list[dict[str, Any]]:
    """The preferences without what a batch pays less for."""
    rows = map(json.loads, (out / "preferences.jsonl").read_text(encoding="utf-8").splitlines())
    return [{key: value for key, value in row.items() if key != "cost_usd"} for row in rows]


def write_run_file(folder: Path, url: str) -> Path:
    prompts = "\n".join(f"Explain fact {i} about rivers." for i in range(12))
    (folder / "prompts.txt").write_text(prompts + "\n", encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(RUN_FILE.format(url=url), encoding="utf-8")
    return path


def disturbed(folder: Path, lot: random.Random, budget: int, live: list[dict[str, Any]]) -> int:
    """One run killed until it ends by itself or the kills are spent; how many kills it took."""
    kills, out = 0, folder / f"run-{lot.getrandbits(32):x}"
    with world(*WORLD, *FAULTS) as url:
        path = write_run_file(folder, url)
        for _ in range(10_000):
            process = start(path, out, "--batch")
            if kills < budget:
                time.sleep(0.35 + lot.random() * 0.9)
            if kills < budget and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            if process.wait() == 0:
                break
        paid = get(url, "/stats/paid")
        counts = paid.values() if isinstance(paid, dict) else []
        twice = sum(times > 1 for times in counts)
        assert labels(out) == live, "labels differ from the live run's"
        print(f"{kills} kills, {len(counts)} calls paid, {twice} of them twice, same labels as live", flush=True)
        assert not twice
    return kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lot = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with world(*WORLD) as url:
            assert start(write_run_file(folder, url), folder / "live").wait() == 0
        left, live = options.kills, labels(folder / "live")
        while left > 0:
            left -= disturbed(folder, lot, min(left, 25), live)
    print(f"{options.kills} kills: nothing paid twice, nothing lost, the same labels")


if __name__ == "__main__":
    main()
