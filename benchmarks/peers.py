"""The job of the peers by each of them, by bare loops and by judgegen, against the same server: clock, CPU, memory.

    make peers        # an environment for each peer, then this with --page docs/performance.md
    python benchmarks/peers.py --environments DIR [--rounds 2] [--only NAME ...] [--json FILE] [--page FILE]

A thousand prompts, two answers to each at two temperatures and one verdict: 3,000 calls, 64 at once, answered at once
by `mock.c`, which says how many it counted. A process is measured whole: its CPU with that of the children it waited
for, its clock from start to exit, the peak of memory of it and all below it together (pages that several share count
once), and when its first call came. `peers_jobs.py` is what each peer runs, by the Python of `DIR/peers-NAME`; one that
is not there or does not do the job is left out with a line. All speak to 127.0.0.1 alone. Some two minutes a round on
an idle machine.
"""

from __future__ import annotations

import argparse
import gzip
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import wire
import wire_page

JOBS = Path(__file__).with_name("peers_jobs.py")
OURS = ("judgegen", "raw", "sdk")
PEERS = {"oumi": "oumi", "data-designer": "data-designer", "curator": "bespokelabs-curator", "distilabel": "distilabel"}
"""By name, what it is called in the package index."""

AT_ONCE, CALLS, PATIENCE_S = 64, 3, 240.0
QUIET = {
    "CURATOR_DISABLE_CACHE": "1",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "DO_NOT_TRACK": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NEMO_TELEMETRY_ENABLED": "false",
    "TELEMETRY_ENABLED": "false",
    "TOKENIZERS_PARALLELISM": "false",
}
"""No caches, no telemetry, no look-ups elsewhere, in each peer's own words."""

VARIANTS = """\
[[sampler.variants]]
name = "a"
temperature = 0.3
[[sampler.variants]]
name = "b"
temperature = 0.9
"""
RUN_FILE = f'{wire.SAMPLER}{VARIANTS}{wire.JUDGE}orders = "one"\n'


class LeftOutError(Exception):
    """Who is not here, or did not do the job: a clause that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """Of one whole process with its children: seconds, megabytes, calls and verdicts that the server answered."""

    wall: float
    cpu: float
    mb: float
    first: float
    calls: int
    verdicts: int


def below(pid: int) -> Iterator[int]:
    """A process and all that came of it and are still there."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = file.read_text(encoding="ascii").split()
        except OSError:  # gone since it was listed
            continue
        for child in children:
            yield from below(int(child))


def together(pids: Sequence[int]) -> float:
    """MB that these processes hold, a shared page counted once."""
    return sum(map(_share, pids)) / 1024


def _share(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


def watched(process: subprocess.Popen[bytes]) -> tuple[int, float, float]:
    """Wait for a process: its status, CPU seconds, and peak MB of it and its children together.

    Of a single process the kernel itself keeps the peak; where there are several it is looked at four times a second.
    """
    ends, looks, peak = time.monotonic() + PATIENCE_S, 0.0, 0.0
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, used.ru_utime + used.ru_stime, max(peak, used.ru_maxrss / 1024)
        if time.monotonic() > ends:
            os.killpg(process.pid, signal.SIGKILL)
        if time.monotonic() > looks and len(alive := list(below(process.pid))) > 1:
            peak, looks = max(peak, together(alive)), time.monotonic() + 0.25
        time.sleep(0.01)


def took(command: Sequence[str], server: wire.Mock, home: Path, environment: Mapping[str, str]) -> Took:
    """What a command took, run in an empty home of its own."""
    log = home / "said.txt"
    started = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, cwd=home, env=environment, start_new_session=True
        )
        status, cpu, mb = watched(process)
    with suppress(ProcessLookupError):  # what it left behind
        os.killpg(process.pid, signal.SIGKILL)
    wall, stats = time.monotonic() - started, server.stats()
    if status:
        last = " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-300:]
        raise LeftOutError(f"which ended with {status} after {wall:.0f} s: {last}")
    first = stats["first"] - started if stats["answered"] else float("nan")
    return Took(wall=wall, cpu=cpu, mb=mb, first=first, calls=int(stats["answered"]), verdicts=int(stats["verdicts"]))


@dataclass(frozen=True, slots=True)
class Field:
    """Where they meet: the bench, how many prompts, and the folder of the peers' environments."""

    bench: wire.Bench
    count: int
    environments: Path

    def python(self, name: str) -> Path:
        """The Python of a peer's environment."""
        return self.environments / f"peers-{name}" / "bin" / "python"

    def once(self, name: str, number: int) -> Took:
        """One round of one of them; `LeftOutError` where it is not here or ends otherwise than well."""
        if name not in OURS and not self.python(name).exists():
            raise LeftOutError("which is not installed (`make peers`)")
        home = self.bench.folder / f"{name}-{number}"
        home.mkdir()
        said = {**os.environ, **QUIET, "HOME": str(home), "TIKTOKEN_CACHE_DIR": str(self.vocabulary())}
        with wire.mock(self.bench.binary) as server:
            if name in OURS:
                return self._ours(name, server, home, said)
            said.pop("PYTHONPATH", None)
            prompts = str(self.bench.prompts(self.count))
            command = [str(self.python(name)), "-P", str(JOBS), name, server.url, prompts, str(AT_ONCE), str(home)]
            return took(command, server, home, said)

    def _ours(self, name: str, server: wire.Mock, home: Path, said: Mapping[str, str]) -> Took:
        if name != "judgegen":
            return took(self.bench.loop(name, server.url, self.count, AT_ONCE, orders=1), server, home, said)
        found = took(self.bench.run(server.url, self.count, AT_ONCE, f"{home.name}/run"), server, home, said)
        self.bench.learn(f"{home.name}/run")
        return found

    def vocabulary(self) -> Path:
        """A cache of tiktoken with the one vocabulary that peers count by, which they would otherwise fetch."""
        folder = self.bench.folder / "vocabulary"
        folder.mkdir(exist_ok=True)
        file = folder / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"  # SHA-1 of the address where tiktoken would look
        if not file.exists():
            spec = find_spec("judgegen")
            assert spec is not None
            assert spec.origin is not None
            packed = Path(spec.origin).parent / "llm" / "vocab" / "cl100k_base.tiktoken.gz"
            file.write_bytes(gzip.decompress(packed.read_bytes()))
        return folder

    def version(self, name: str) -> str:
        """Of a peer, as installed; empty of ours."""
        if name in OURS:
            return ""
        code = f"import importlib.metadata as m; print(m.version({PEERS[name]!r}))"
        return subprocess.run(
            [self.python(name), "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()


def least(rounds: Sequence[Took]) -> Took:
    """The least seconds of each kind, which others on the machine disturbed least; the most memory and calls."""
    seconds = {part: min(getattr(one, part) for one in rounds) for part in ("wall", "cpu", "first")}
    counts = {part: max(getattr(one, part) for one in rounds) for part in ("mb", "calls", "verdicts")}
    return Took(**seconds, **counts)


def figures(field: Field, names: Sequence[str], rounds: int) -> dict[str, Any]:
    """By name, what it took at the least; and why who is left out is."""
    found: dict[str, list[Took]] = {}
    left: dict[str, str] = {}
    machine = wire.machine()
    for number in range(rounds):
        for name in (each for each in names if each not in left):
            try:
                found.setdefault(name, []).append(one := field.once(name, number))
                wire.told(f"{name}: {one}")
            except LeftOutError as error:
                left[name] = str(error)
                wire.told(f"{name}: left out, {error}")
    machine["load_after"] = os.getloadavg()[0]
    best = {name: least(each) for name, each in found.items() if name not in left}
    rows = {name: {**asdict(one), "version": field.version(name)} for name, one in best.items()}
    job = {"prompts": field.count, "calls": field.count * CALLS, "at_once": AT_ONCE, "rounds": rounds}
    return {**job, "machine": machine, "rows": rows, "left_out": left}


def main() -> None:
    """Print the table, or write the figures and the page's section that is made of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--environments", type=Path, default=Path(".venv"), help="the folder with peers-NAME in it")
    parser.add_argument("--prompts", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=2, help="of which the least seconds count, each")
    parser.add_argument("--only", nargs="+", choices=[*OURS, *PEERS], default=[*OURS, *PEERS], help="judgegen always")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--page", type=Path, help="the page whose last section is made of them")
    options = parser.parse_args()
    names = ["judgegen", *(name for name in options.only if name != "judgegen")]
    with tempfile.TemporaryDirectory(prefix="judgegen-peers-") as name:
        size = (options.prompts, options.prompts)
        bench = wire.Bench(Path(name), wire.built(Path(name)), size, RUN_FILE)
        found = figures(Field(bench, options.prompts, options.environments.absolute()), names, options.rounds)
    wire.put(found, wire_page.peers(found), options.json, options.page)


if __name__ == "__main__":
    main()
