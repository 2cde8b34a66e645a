"""Of a server's limits a run uses nearly all, and is refused hardly anything, whether it is told of them or finds them.

    python benchmarks/rates.py [--minutes 4] [--only 6,000 ...] [--json FILE] [--page FILE]

The server is `mock.c`, an answer after half a second. It counts the requests, or the tokens, of any sixty seconds, and
answers 429 with the time until there is room. A run of more than there is time for is stopped after `--minutes`; what
the server answered and refused is read from it twice a second. Limits that need little CPU are played side by side,
then the others. One is halved after two minutes; its figures are from the minute after that on.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wire
import wire_page

LATENCY_MS = 500
HALVED_S = 120.0
TOKENS = 900
"""About what a call reserves: a quarter of its characters, and what its answer may have."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, and whether the run file states it; `halved` while the run goes on."""

    unit: str
    size: int
    told: bool
    halved: bool = False

    @property
    def words(self) -> str:
        """As the page has it."""
        unit = {"rpm": "requests a minute", "tpm": "tokens a minute"}[self.unit]
        return f"{self.size:,} {unit}" + (", halved after two" if self.halved else "")

    @property
    def requests(self) -> float:
        """About how many a minute it lets through."""
        return self.size if self.unit == "rpm" else self.size / TOKENS


LIGHT = (
    *(Limit("rpm", 600, told) for told in (True, False)),
    *(Limit("rpm", 6_000, told) for told in (True, False)),
    *(Limit("tpm", 2_000_000, told) for told in (True, False)),
    Limit("rpm", 6_000, told=True, halved=True),
)
HEAVY = tuple(Limit("rpm", 60_000, told) for told in (True, False))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the server had counted, so many seconds after its first answer."""

    at: float
    used: float
    answered: float
    refused: float


def played(limit: Limit, folder: Path, binary: Path, minutes: float) -> list[Seen]:
    """What the server counted while a run went on."""
    stated = f"{limit.unit} = {limit.size}\n" if limit.told else ""
    text = wire.RUN_FILE.replace("price =", f"{stated}price =")
    folder.mkdir()
    bench = wire.Bench(folder, binary, (1, 1), text)
    prompts = int(limit.requests * (minutes + 2) / wire.CALLS) + 100
    at_once = max(64, int(2 * limit.requests / 60 * LATENCY_MS / 1000))
    with wire.mock(binary, latency_ms=LATENCY_MS, **{limit.unit: limit.size}) as server:
        command = bench.run(server.url, prompts, at_once, "run")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return _watched(server, limit, process, minutes)
        finally:
            process.kill()
            process.wait()


def _watched(server: wire.Mock, limit: Limit, process: subprocess.Popen[bytes], minutes: float) -> list[Seen]:
    seen: list[Seen] = []
    began, halved = None, not limit.halved
    while process.poll() is None and (not seen or seen[-1].at < 60 * minutes):
        time.sleep(0.5)
        counted = server.stats()
        now = time.monotonic()
        if began is None and not counted["answered"]:
            continue
        began = now if began is None else began
        if not halved and now - began >= HALVED_S:
            server.tell(signal.SIGUSR1)
            halved = True
        used = counted["reserved"] if limit.unit == "tpm" else counted["answered"]
        seen.append(Seen(now - began, used, counted["answered"], counted["refused"]))
    if not seen or seen[-1].at < 60 * minutes:
        raise SystemExit(f"the run ended after {seen[-1].at if seen else 0:.0f} s: it had too few prompts, or failed")
    return seen


def row(limit: Limit, seen: Sequence[Seen]) -> dict[str, Any]:
    """The figures of one run: of the minutes after the first, or after the one in which the limit was halved."""
    size, start = (limit.size / 2, HALVED_S + 60) if limit.halved else (limit.size, 60.0)
    first, last = next(one for one in seen if one.at >= start), seen[-1]
    minute = next(one for one in seen if one.at >= 60)
    return {
        "limit": limit.words,
        "told": limit.told,
        "used": (last.used - first.used) / (size * (last.at - first.at) / 60),
        "refused": _share(last.refused - first.refused, last.answered - first.answered),
        "refused_first": _share(minute.refused, minute.answered),
    }


def _share(refused: float, answered: float) -> float:
    return refused / (refused + answered)


def figures(limits: Sequence[Limit], folder: Path, minutes: float) -> dict[str, Any]:
    """What the page says."""
    binary, machine = wire.built(folder), wire.machine()

    def one(number: int, limit: Limit) -> Mapping[str, Any]:
        found = row(limit, played(limit, folder / str(number), binary, minutes))
        wire.told(json.dumps(found))
        return found

    rows: list[Mapping[str, Any]] = []
    for together in (LIGHT, HEAVY):
        numbered = [(i, limit) for i, limit in enumerate(limits) if limit in together]
        with ThreadPoolExecutor(max(1, len(numbered))) as pool:
            rows += pool.map(lambda each: one(*each), numbered)
    return {"minutes": minutes, "machine": machine, "rows": rows}


def main() -> None:
    """Print the table, or write the page's section that is made of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=4.0, help="of each run; the halved limit needs four")
    parser.add_argument("--only", nargs="+", default=[], help="limits whose words hold one of these")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--page", type=Path, help="the page whose section is made of them")
    options = parser.parse_args()
    limits = [one for one in (*LIGHT, *HEAVY) if not options.only or any(word in one.words for word in options.only)]
    with tempfile.TemporaryDirectory(prefix="judgegen-rates-") as name:
        found = figures(limits, Path(name), options.minutes)
    wire.put(found, wire_page.rates(found), options.json, options.page)


if __name__ == "__main__":
    main()
