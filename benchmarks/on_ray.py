"""What Ray costs on one machine: a run in one piece beside the same run in shards on a Ray that it starts.

    make .venv/ray && .venv/ray/bin/python benchmarks/on_ray.py
    .venv/ray/bin/python benchmarks/on_ray.py --prompts 150 --latency-s 0.2 --shards 2

The simulator answers, with one latency. CPU is that of every process of the run, Ray's daemons included, by /proc
(Linux). "First call" is when the server had one. Nothing is heard outside 127.0.0.1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shard_kills import written

LOOK_S = 0.1
MARK = "MEASURED_RUN"


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds by the clock, to the first call and of a core; what the pairs are."""

    wall_s: float
    first_s: float
    cpu_s: float
    digest: str


def calls(url: str) -> int:
    """How many the server has had."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as answer:
        found = json.load(answer)
    return int(found["sampler"]) + int(found["judge"])


def cpu(mark: str) -> Iterator[tuple[str, float]]:
    """Each process that has this mark in its environment, with its seconds of a core."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}\0".encode() in (path / "environ").read_bytes():
                fields = (path / "stat").read_text().rsplit(") ", 1)[1].split()
                yield path.name, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:  # gone meanwhile, or another user's
            continue


def measured(folder: Path, name: str, latency_s: float, prompts: int, words: Sequence[str]) -> Measured:
    """One run against a server of its own."""
    serve = [sys.executable, "-m", "judgegen", "simulate", "--port", "0", "--latency-s", str(latency_s)]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        path = written(folder, url, prompts=prompts)
        environ = {**os.environ, MARK: name, "HOME": str(folder), "RAY_TMPDIR": str(folder)}
        command = [sys.executable, "-m", "judgegen", "run", str(path), "--out", str(folder / name), "--quiet", "--yes"]
        begun, first, used = time.perf_counter(), 0.0, dict[str, float]()
        with subprocess.Popen([*command, *words], env=environ, stdout=subprocess.DEVNULL) as run:
            while run.poll() is None:
                used |= dict(cpu(name))
                first = first or (time.perf_counter() - begun if calls(url) else 0.0)
                time.sleep(LOOK_S)
        wall = time.perf_counter() - begun
        server.terminate()
    assert run.returncode == 0
    pairs = (folder / name / "preferences.jsonl").read_bytes()
    return Measured(wall, first, sum(used.values()), hashlib.sha256(pairs).hexdigest())


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=150)
    parser.add_argument("--latency-s", type=float, default=0.2)
    parser.add_argument("--shards", type=int, default=2)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="r") as name:
        folder = Path(name)
        ways = {"one": (), "ray": ("--engine", "ray", "--shards", str(told.shards))}
        found = {way: measured(folder, way, told.latency_s, told.prompts, words) for way, words in ways.items()}
    print("| run | wall | first call after | CPU |\n| --- | --- | --- | --- |")
    for way, said in {"one": "in one piece", "ray": f"{told.shards} shards on Ray"}.items():
        one = found[way]
        print(f"| {said} | {one.wall_s:.1f} s | {one.first_s:.1f} s | {one.cpu_s:.1f} s |")
    print(f"\nthe same bytes of pairs: {found['one'].digest == found['ray'].digest}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
