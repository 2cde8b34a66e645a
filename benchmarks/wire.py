"""A run beside bare loops that make the same calls: what a further call costs, what the wire bears, what is waited for.

    python benchmarks/wire.py [--rounds 3] [--json FILE] [--page docs/performance.md]

One prompt is two candidates and two verdicts. Everybody asks `mock.c`, a server in C that is built for it and answers
at once or after 200 ms; its own CPU stands beside theirs. judgegen runs as its users run it, from process start to
written files, every answer on disk before it is used; the loops keep nothing, retry nothing and write nothing. What a
further call costs is a run of 24,000 calls less one of 6,000, so that starting up is in neither. Seconds are of whole
processes. It takes some eight minutes on an idle machine; `--rounds 1` and `--parts` take less.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import wire_page

CALLS = 4
"""Of one prompt."""
LATENCY_MS, WIDTHS = 200, (256, 1024)
LOOPS, JUDGED = Path(__file__).with_name("wire_loops.py"), Path(__file__).with_name("wire_judged.py")

SAMPLER = """\
prompts = "{prompts}"
[endpoints.mock]
base_url = "{url}"
identity = "mock"
max_concurrency = {at_once}
price = {{ input = 1, output = 4 }}
[sampler]
endpoint = "mock"
model = "small"
max_tokens = 400
"""
JUDGE = """\
[judge]
endpoint = "mock"
model = "judge"
"""
RUN_FILE = f'{SAMPLER}[[sampler.variants]]\nname = "a"\nn = 2\n{JUDGE}'
"""With places for what differs from one run to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one whole process: seconds, megabytes; and of the server while it ran: its CPU seconds, answers a second."""

    wall: float
    cpu: float
    mb: float
    server_cpu: float
    steady: float


class Mock:
    """A server of its own for one measurement."""

    def __init__(self, binary: Path, **options: float) -> None:
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        self._process = subprocess.Popen([str(binary), *words], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, float]:
        """What it counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as answer:
            return dict(json.load(answer))

    def tell(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


@contextmanager
def mock(binary: Path, **options: float) -> Iterator[Mock]:
    """`mock.c`, running."""
    server = Mock(binary, **options)
    try:
        yield server
    finally:
        server.close()


def built(folder: Path) -> Path:
    """The server, built."""
    binary = folder / "mock"
    subprocess.run(["cc", "-O2", "-o", str(binary), str(Path(__file__).with_name("mock.c"))], check=True)
    return binary


def measured(command: Sequence[str], server: Mock | None = None) -> Cost:
    """What a process took, its imports included.

    The kernel counts this process's own peak as the child's, which was this one until it was another; so this one
    imports nothing large.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {process.returncode}: {said.decode()[-800:]}")
    stats = {} if server is None else server.stats()
    cpu = used.ru_utime + used.ru_stime
    return Cost(
        wall=wall,
        cpu=cpu,
        mb=used.ru_maxrss / 1024,
        server_cpu=stats.get("cpu_s", 0.0),
        steady=stats.get("steady", 0.0),
    )


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it is measured: a folder with the server in it."""

    folder: Path
    binary: Path
    sizes: tuple[int, int]
    run_file: str = RUN_FILE

    def prompts(self, count: int) -> Path:
        """A file of so many prompts."""
        path = self.folder / f"prompts-{count}.txt"
        lines = (f"Explain fact {i} about rivers, and what people along their banks make of it." for i in range(count))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def run(self, url: str, count: int, at_once: int, name: str) -> list[str]:
        """The command of a whole run into folder `name`."""
        file = self.folder / f"{name}.toml"
        text = self.run_file.format(prompts=self.prompts(count), url=url, at_once=at_once)
        file.write_text(text, encoding="utf-8")
        out = self.folder / name
        return [sys.executable, "-m", "judgegen", "run", str(file), "--out", str(out), "--quiet", "--yes"]

    def loop(self, kind: str, url: str, count: int, at_once: int, orders: int = 2) -> list[str]:
        """The command of a bare loop that makes the same calls, in the words that a run of ours was judged in."""
        rest = [str(self.prompts(count)), str(at_once), str(self.folder / "judge.json"), str(orders)]
        return [sys.executable, str(LOOPS), kind, url, *rest]

    def learn(self, name: str) -> None:
        """Keep for the loops the words that the finished run in folder `name` was judged in."""
        if not (words := self.folder / "judge.json").exists():
            subprocess.run([sys.executable, str(JUDGED), str(self.folder / name), str(words)], check=True)


def further(bench: Bench, rounds: int) -> dict[str, Any]:
    """By client, what runs of both sizes took and what a further call costs in CPU milliseconds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for number in range(rounds):
        for kind in ("judgegen", "raw", "sdk"):
            costs = [_at_once(bench, kind, count, f"{kind}-{count}-{number}") for count in bench.sizes]
            calls = (bench.sizes[1] - bench.sizes[0]) * CALLS
            ms = {"cpu_ms": 1000 * (costs[1].cpu - costs[0].cpu) / calls}
            ms |= {"wall_ms": 1000 * (costs[1].wall - costs[0].wall) / calls}
            ms |= {"server_ms": 1000 * (costs[1].server_cpu - costs[0].server_cpu) / calls}
            found.setdefault(kind, []).append({**ms, "runs": [asdict(cost) for cost in costs]})
            told(f"{kind:9} {ms['cpu_ms']:.3f} ms of CPU per further call, peak {costs[1].mb:.0f} MB")
    return {kind: _middle(each) for kind, each in found.items()}


def _at_once(bench: Bench, kind: str, count: int, name: str) -> Cost:
    with mock(bench.binary) as server:
        if kind != "judgegen":
            return measured(bench.loop(kind, server.url, count, 64), server)
        cost = measured(bench.run(server.url, count, 64, name), server)
        bench.learn(name)
        return cost


def _middle(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The round whose CPU per call is the median."""
    return dict(sorted(rounds, key=lambda one: float(one["cpu_ms"]))[(len(rounds) - 1) // 2])


def start(bench: Bench, number: int) -> dict[str, float]:
    """CPU and wall seconds of a run until its first call reaches the server."""
    with mock(bench.binary) as server:
        command = bench.run(server.url, 1_000, 64, f"start-{number}")
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not server.stats()["answered"] and process.poll() is None:
            time.sleep(0.005)
        wall = time.perf_counter() - began
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        process.wait()
    return {"wall": wall, "cpu": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")}


def late(bench: Bench, seconds: float) -> list[dict[str, Any]]:
    """At 200 ms and each width: answers a second of a load generator in C, the raw loop, a whole run, one in shards."""
    found = []
    for width in WIDTHS:
        count = int(width / LATENCY_MS * 1000 * seconds * (1.0 if width < 1000 else 0.5)) // CALLS
        row: dict[str, Any] = {"width": width, "wrk": _wrk(bench, width)}
        for kind in ("raw", "judgegen"):
            with mock(bench.binary, latency_ms=LATENCY_MS) as server:
                ours = bench.run(server.url, count, width, f"late-{width}")
                cost = measured(ours if kind == "judgegen" else bench.loop(kind, server.url, count, width), server)
            row[kind] = cost.steady
        with mock(bench.binary, latency_ms=LATENCY_MS) as server:
            row["shards"] = _in_shards(bench.run(server.url, count, width, f"shards-{width}"), server)
        told(f"{width:5} at once, {LATENCY_MS} ms: {row}")
        found.append(row)
    return found


def _in_shards(command: Sequence[str], server: Mock) -> float:
    """Answers a second of both halves of a run, each a process of its own."""
    parts = [subprocess.Popen([*command, "--shard", f"{part}/2"], stdout=subprocess.DEVNULL) for part in (1, 2)]
    codes = {part.wait() for part in parts}
    if codes != {0}:
        raise SystemExit(f"shards ended with {codes}")
    return server.stats()["steady"]


def _wrk(bench: Bench, width: int) -> float | None:
    """Answers a second of wrk; None where it is not installed (Debian's package of that name)."""
    if (tool := shutil.which("wrk")) is None:
        return None
    script = bench.folder / "post.lua"
    body = (bench.folder / "judge.json").read_text(encoding="utf-8")
    script.write_text(f"wrk.method='POST'\nwrk.body={json.dumps(body)}\n", encoding="utf-8")
    with mock(bench.binary, latency_ms=LATENCY_MS) as server:
        url = f"{server.url}/chat/completions"
        subprocess.run(
            [tool, "-t1", f"-c{width}", "-d6", "-s", str(script), url], check=True, stdout=subprocess.DEVNULL
        )
        return server.stats()["steady"]


def again(bench: Bench) -> dict[str, float]:
    """Of the larger finished run less the smaller: calls a second of CPU, run again and written again.

    Of the larger: the CPU seconds until its table of calls is read, and its journal's KB a call.
    """
    python, calls = [sys.executable, "-m", "judgegen"], (bench.sizes[1] - bench.sizes[0]) * CALLS
    names = [f"judgegen-{size}-0" for size in bench.sizes]
    folders = [bench.folder / name for name in names]
    few, many = (
        measured([*python, "run", str(bench.folder / f"{name}.toml"), "--out", str(folder), "--quiet", "--yes"]).cpu
        for name, folder in zip(names, folders, strict=True)
    )
    less, more = (measured([*python, "write", str(folder)]).cpu for folder in folders)
    code = f"import judgegen; judgegen.load({str(folders[1])!r}).calls"
    load = measured([sys.executable, "-c", code])
    size = (folders[1] / "journal.sqlite").stat().st_size
    return {
        "replay": calls / (many - few),
        "write": calls / (more - less),
        "load_s": load.cpu,
        "journal_kb": size / (bench.sizes[1] * CALLS) / 1000,
    }


def machine() -> dict[str, Any]:
    """Where and under what load these were taken."""
    return {
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "load": os.getloadavg()[0],
        "day": datetime.now(UTC).date().isoformat(),
    }


def told(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr, flush=True)


def put(found: Mapping[str, Any], section: str, file: Path | None, page: Path | None) -> None:
    """Figures into a file and the section of a page that is made of them into it, where there are such; printed."""
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if page is not None:
        page.write_text(wire_page.with_section(page.read_text(encoding="utf-8"), section), encoding="utf-8")
    print(section)


def figures(bench: Bench, rounds: int, seconds: float, parts: Sequence[str]) -> dict[str, Any]:
    """All of it."""
    found: dict[str, Any] = {"machine": machine(), "calls": [count * CALLS for count in bench.sizes]}
    every: dict[str, Callable[[], Any]] = {
        "further": lambda: further(bench, rounds),
        "start": lambda: _medians([start(bench, number) for number in range(3)]),
        "late": lambda: late(bench, seconds),
        "again": lambda: again(bench),
    }
    for name, measure in every.items():
        if name in parts:
            found[name] = measure()
            told(f"{name}: {json.dumps(found[name])}")
    found["machine"]["load_after"] = os.getloadavg()[0]
    return found


def _medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def main() -> None:
    """Print the figures, or write them and the page that is made of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--prompts", type=int, nargs=2, default=(1_500, 6_000), help="of the smaller run and the larger"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--seconds", type=float, default=10.0, help="that a run at 200 ms takes at best")
    parser.add_argument("--parts", nargs="+", default=["further", "start", "late", "again"])
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--page", type=Path, help="the page that is made of them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="judgegen-wire-") as name:
        bench = Bench(Path(name), built(Path(name)), tuple(options.prompts))
        found = figures(bench, options.rounds, options.seconds, options.parts)
    text = json.dumps(found, indent=2)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.page is not None:
        kept = options.page.read_text(encoding="utf-8") if options.page.exists() else ""
        options.page.write_text(wire_page.page(found, kept), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
