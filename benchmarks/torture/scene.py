"""A small run to be tried: its folder, its command, and what of it must come out the same whatever happened."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = ("run", "run.toml", "--out", "out", "--yes", "--quiet")
IN_MEMORY = Path("/dev/shm")
"""Where there is one: nothing here is lost to a power cut, and thousands of commits need no disk."""
RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.world]
provider = "scripted"
price = {{ input = 1, output = 4 }}
max_concurrency = 3
[endpoints.world.scripted]
latency_s = 0.001
fault_rate = {faults}
[budget]
max_usd = 1
[sampler]
endpoint = "world"
model = "small"
[[sampler.variants]]
name = "one"
n = 2
[judge]
endpoint = "world"
model = "judge"
"""


@contextmanager
def scene(prompts: int = 2, *, faults: float = 0.0) -> Iterator[Path]:
    """A folder with a run file for the scripted world, priced and capped."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as name:
        folder = Path(name)
        (folder / "prompts.txt").write_text("".join(f"Say what {n} is.\n" for n in range(prompts)))
        (folder / "run.toml").write_text(RUN_FILE.format(faults=faults))
        yield folder


def derived(folder: Path) -> dict[str, str]:
    """Digest of every file of the run that is made from its journal, by name."""
    out = folder / "out"
    kept = ("journal", "run.toml", "run.log")
    files = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(kept)]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def journaled(folder: Path) -> set[str]:
    """Ids of the calls that the journal has answers to."""
    path = folder / "out" / "journal.sqlite"
    if not path.exists():
        return set()
    db = sqlite3.connect(path)
    try:
        return {row[0] for row in db.execute("SELECT id FROM calls")}
    except sqlite3.OperationalError:  # ended before its tables were there
        return set()
    finally:
        db.close()
