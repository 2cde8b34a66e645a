"""Whether a long run stays as it began: calls a second, its CPU, memory and journal, by tenths of its calls.

    python benchmarks/long_run.py [--prompts 500000]    # a quarter of an hour and 7 GB of disk

Four calls a prompt, 64 at once, answered at once by `mock.c`. The journal is with its write-ahead log. Behind the last
tenth stands the time to the end of the process, in which the outputs are made.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import wire

TENTHS = 10
HEAD = "| calls | a second | CPU ms each | MB | journal, KB a call |\n| --- | --- | --- | --- | --- |"


@dataclass(frozen=True, slots=True)
class Moment:
    """So many calls were answered at this time, for so much CPU of the run in seconds."""

    calls: float
    at: float
    cpu: float


def cpu_s(process: int) -> float:
    """Seconds of a core that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def mb(process: int) -> float:
    """What it holds now."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def rows(prompts: int, folder: Path) -> Iterator[str]:
    """A row for each tenth, and what came behind the last."""
    binary = wire.built(folder)
    bench, out, whole = wire.Bench(folder, binary, (1, 1)), folder / "run", prompts * wire.CALLS
    with wire.mock(binary) as server:
        command = bench.run(server.url, prompts, 64, out.name)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before: Moment | None = None
        while process.poll() is None:
            time.sleep(0.1)
            calls = server.stats()["answered"]
            if (
                process.poll() is not None
                or not calls
                or (before and calls < min(whole, before.calls + whole / TENTHS))
            ):
                continue
            now = Moment(calls, time.monotonic(), cpu_s(process.pid))
            if before is not None and calls > before.calls:
                kept = sum(path.stat().st_size for path in out.glob("journal.sqlite*"))
                yield _row(before, now, mb(process.pid), kept / calls / 1000)
            if before is None or calls > before.calls:
                before = now
    end = time.monotonic() - (before.at if before else 0)
    yield f"\nThe outputs took {end:.0f} s more; exit {process.returncode}."


def _row(before: Moment, now: Moment, held: float, kb: float) -> str:
    calls = now.calls - before.calls
    each = 1000 * (now.cpu - before.cpu) / calls
    return f"| {now.calls:,.0f} | {calls / (now.at - before.at):,.0f} | {each:.2f} | {held:.0f} | {kb:.2f} |"


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=500_000)
    told = parser.parse_args()
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="judgegen-long-") as folder:
        for row in rows(told.prompts, Path(folder)):
            print(row, flush=True)


if __name__ == "__main__":
    main()
