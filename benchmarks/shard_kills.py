"""Shards killed with -9 at random, in a folder here or at an object store, beside the same run in one piece.

    python benchmarks/shard_kills.py [--shards 1 2 4 16] [--kills 12] [--rpm 240] [--tpm 40000]
    make stores                                            # the same at file, s3, gs, hf: benchmarks/stores_here.py

All shards of a run go at once against one simulator, first under a cap that the run does not fit into, then to their
end; each that is killed is begun again. At a store every second kill takes the machine with it: another goes on with
the copy there and `--take-over`, and the lost one comes back at the end. What is counted is the server's: the most
requests and tokens in any 60 seconds, the most at once, the bill. What it answered twice is held against what was in
flight, or not in the copy, when a process was killed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batch_kills import get, world
from stores_here import PLACES, at

from judgegen.run.afar import MARK, POINT
from judgegen.run.shards import Shard
from judgegen.stores.store import Store
from judgegen.stores.urls import here, url_of

HURRIED = "from judgegen.run import afar; afar.EVERY_S = 1.0; from judgegen.cli import main; main()"
"""judgegen, with a copy of the journal a second, so that some are made between two kills."""
PROMPTS, AT_ONCE, LATENCY_S = 40, 16, 2.5
HELD = "the same bytes"
COLUMNS = ("at", "shards", "kills, machines lost", "most in a minute", "most at once", "USD, capped", "twice", "")
RUN_FILE = """\
prompts = "{prompts}"
[budget]
max_usd = 5
[endpoints.sim]
base_url = "{url}"
identity = "the simulator"
max_concurrency = {at_once}
{limits}
timeout_s = 5
price = {{ input = 1, output = 4 }}
[sampler]
endpoint = "sim"
model = "small"
[[sampler.variants]]
name = "warm"
n = 3
[judge]
endpoint = "sim"
model = "judge"
"""


def written(folder: Path, url: str, *, prompts: int = PROMPTS, at: str = "", **limits: float | None) -> Path:
    """A run file in `folder` that asks the simulator, and its prompts beside it; those named are `at` another place."""
    lines = (f"Explain fact number {number} about rivers.\n" for number in range(prompts))
    (folder / "prompts.txt").write_text("".join(lines), encoding="utf-8")
    said = "\n".join(f"{name} = {value}" for name, value in limits.items() if value is not None)
    path = folder / "mine.toml"
    text = RUN_FILE.format(prompts=at or "prompts.txt", url=url, at_once=AT_ONCE, limits=said)
    path.write_text(text, encoding="utf-8")
    return path


def tokens(stats: dict[str, Any]) -> int:
    """What a server has counted, in and out."""
    return int(stats["prompt_tokens"] + stats["completion_tokens"])


def billed(stats: dict[str, Any]) -> float:
    """USD, at the prices of the run file."""
    return float(stats["prompt_tokens"] * 1 + stats["completion_tokens"] * 4) / 1e6


def answered(folder: Path) -> set[str]:
    """The calls that the journal of a folder holds, whoever was killed while writing it."""
    with tempfile.TemporaryDirectory() as name:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                shutil.copy(folder / f"journal.sqlite{suffix}", name)
        if not (Path(name) / "journal.sqlite").exists():
            return set()
        with closing(sqlite3.connect(Path(name) / "journal.sqlite")) as db:
            begun = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone()
            return {one for (one,) in db.execute("SELECT id FROM calls")} if begun else set()


@dataclass(slots=True)
class Part:
    """A shard, and the machine, a folder, that has it."""

    shard: Shard
    root: str
    folder: Path
    moves: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def machine(self) -> Path:
        """Whose folder it is now."""
        return self.folder / f"machine-{self.shard.number}-{self.moves}"

    @property
    def kept(self) -> Path:
        """Its run folder on its machine."""
        there = str(self.shard.folder(Path("x")).name)
        return self.machine / here(f"{self.root}/{there}") if url_of(self.root) else Path(self.root) / there

    def begin(self, path: Path, *words: str) -> None:
        """Run it, or go on with it."""
        self.machine.mkdir(exist_ok=True, parents=True)
        over = ("--take-over",) if self.moves else ()
        shard = ("--shard", f"{self.shard.number}/{self.shard.of}")
        self.process = judgegen(self.machine, "run", str(path), "--out", self.root, "--yes", *shard, *words, *over)

    def kill(self, *, lost: bool) -> int:
        """End it with -9, and its machine with it where that is `lost`; how many calls may be asked again for it."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        in_flight = AT_ONCE // self.shard.of
        in_flight += in_flight // 4  # answered, and not yet written down
        if not lost:
            return in_flight
        held = answered(self.kept)
        with tempfile.TemporaryDirectory() as name:
            with suppress(FileNotFoundError):  # where none was made yet
                Store(f"{self.root}/{self.kept.name}").fetch("journal.sqlite", Path(name) / "journal.sqlite")
            held -= answered(Path(name))
        self.moves += 1
        return in_flight + len(held)


def judgegen(machine: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HURRIED, *words, "--quiet"]
    return subprocess.Popen(command, cwd=machine, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(process: subprocess.Popen[bytes]) -> None:
    """Wait for a command that has to do what it was told."""
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()


@dataclass(slots=True)
class Counted:
    """What a server had counted, ten times a second: between which two moments, its requests and tokens."""

    url: str
    seen: list[tuple[float, float, int, int]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield
        finally:
            self.over.set()
            watcher.join()

    def _watch(self) -> None:
        while not self.over.wait(0.1):
            before, now = time.monotonic(), get(self.url, "/stats")
            asked = sum(now[kind] for kind in ("sampler", "judge", "refused", "throttled", "faults", "in_flight"))
            self.seen.append((before, time.monotonic(), asked, tokens(now)))

    def most(self, column: int) -> int:
        """The most in any 60 seconds, of those that were no longer for certain."""
        first, found = 0, 0
        for row in self.seen:
            while row[1] - self.seen[first][0] > 60:
                first += 1
            found = max(found, int(row[column] - self.seen[first][column]))
        return found


@dataclass(slots=True)
class Killer:
    """Who kills, and how often still."""

    lot: random.Random
    left: int
    done: int = 0
    lost: int = 0
    again: int = 0
    next: float = 0.0

    def strike(self, parts: Sequence[Part]) -> None:
        """One of those that have begun, now and then."""
        if self.left and time.monotonic() > self.next:
            self.next = time.monotonic() + 2 + 6 * self.lot.random()
            if victims := [part for part in parts if _running(part) and (part.kept / "journal.sqlite").exists()]:
                part = self.lot.choice(victims)
                lost = url_of(part.root) is not None and self.lot.random() < 0.5
                self.again += part.kill(lost=lost)
                self.left, self.done, self.lost = self.left - 1, self.done + 1, self.lost + lost


def _running(part: Part) -> bool:
    return part.process is not None and part.process.poll() is None


def until(code: int, parts: Sequence[Part], killer: Killer, path: Path, *words: str) -> None:
    """Have all shards end with 0 or `code`, begun again for as often as they are killed."""
    left = list(parts)
    for part in left:
        part.begin(path, *words)
    while left:
        time.sleep(0.05)
        killer.strike(left)
        for part in [part for part in left if not _running(part)]:
            assert part.process is not None
            _, errors = part.process.communicate()
            if part.process.returncode in (0, code):
                left.remove(part)
            else:
                assert part.process.returncode in (-signal.SIGKILL, 5), errors.decode()
                part.begin(path, *words)


def outputs(place: Path | str, folder: Path) -> dict[str, bytes]:
    """Every file of a run in `folder`, or brought there from a URL, that is derived of its journal."""
    if (url := url_of(place)) is not None:
        store = Store(url)
        for name in store.names():
            store.fetch(name, folder / name)
    kept = ("journal", "run.toml", "run.log", "expected.jsonl", "shard-", MARK, POINT)
    files = [(path, path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file()]
    return {name: path.read_bytes() for path, name in files if not name.startswith(kept)}


def tried(place: str, root: str, of: int, told: argparse.Namespace, folder: Path) -> str:
    """One run in `of` parts with its outputs at `root`: the row of the table."""
    lot = random.Random(f"{told.seed} {place} {of}")
    with world("--latency-s", "0.05") as url:
        finished(judgegen(folder, "run", str(written(folder, url)), "--out", str(folder / "whole"), "--yes"))
        once = get(url, "/stats")
    cap = billed(once) * 0.6
    with world("--latency-s", str(LATENCY_S)) as url:
        path = written(folder, url, at=_put(root, folder), rpm=told.rpm, tpm=told.tpm)
        parts = [Part(Shard(number, of), root, folder) for number in range(1, of + 1)]
        counted, killer = Counted(url), Killer(lot, told.kills // 2)
        with counted.watching():
            until(4, parts, killer, path, "--max-usd", f"{cap:.6f}")
            bill = billed(get(url, "/stats"))
            killer.left = told.kills - killer.done
            until(0, parts, killer, path)
        (merger := folder / "merger").mkdir()
        finished(judgegen(merger, "merge", root))
        now = get(url, "/stats")
        same = outputs(root, folder / "fetched" if url_of(root) else Path(root)) == outputs("", folder / "whole")
        came_back(parts, path, url)
    problems = {
        "other bytes": not same or now["seen"] != once["seen"],
        "above the cap": bill > cap,
        "above the requests": counted.most(2) > told.rpm or now["throttled"] > 0,
        "above the tokens": told.tpm is not None and counted.most(3) > told.tpm,
        "above the places": now["peak"] > AT_ONCE,
        "paid twice": now["repeats"] > killer.again,
    }
    wrong = [name for name, found in problems.items() if found]
    asked = f"{counted.most(2)} of {told.rpm} requests"
    asked += "" if told.tpm is None else f", {counted.most(3):,} of {told.tpm:,} tokens"
    cells = [
        place,
        of,
        f"{killer.done}, {killer.lost}",
        asked,
        f"{now['peak']} of {AT_ONCE}",
        f"{bill:.4f} of {cap:.4f}",
        f"{now['repeats']} of {killer.again}",
        ", ".join(wrong) or HELD,
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _put(root: str, folder: Path) -> str:
    """Where the prompts are: beside what the runs make, at a store."""
    if url_of(root) is None:
        return ""
    store = Store(root.rpartition("/")[0])
    store.put(folder / "prompts.txt", "prompts.txt")
    return f"{store.url}/prompts.txt"


def came_back(parts: Sequence[Part], path: Path, url: str) -> None:
    """A machine that was lost goes on after all: it takes what the others did, and asks nothing."""
    before = get(url, "/stats")["seen"], get(url, "/stats")["repeats"]
    for part in parts:
        if part.moves:
            part.moves = 0
            part.begin(path)
            assert part.process is not None
            finished(part.process)
    assert (get(url, "/stats")["seen"], get(url, "/stats")["repeats"]) == before


def main() -> None:
    """The table, and exit 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", nargs="+", choices=PLACES, default=["here"])
    parser.add_argument("--shards", nargs="+", type=int, default=[1, 2, 4, 16])
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--rpm", type=int, default=240)
    parser.add_argument("--tpm", type=int)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    rows = list[str]()
    for place in told.at:
        with tempfile.TemporaryDirectory() as name, at(place, Path(name) / "at") as root:
            for of in told.shards:
                (folder := Path(name) / str(of)).mkdir()
                rows.append(tried(place, f"{root}/{of}", of, told, folder))
                print(rows[-1], flush=True)
    sys.exit(not all(HELD in row for row in rows))


if __name__ == "__main__":
    main()
