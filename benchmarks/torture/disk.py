"""A disk that is full, or broken, at every single operation of a run on its files; then there is room again.

`full.c`, built with the system's C compiler and preloaded, lets the operations of all threads and libraries fail: those
of SQLite, of Arrow and of Python. What must hold: exit 2 with the mend and no traceback, or a run that is whole all the
same; with room the same command ends with the same bytes, and asks nothing again that the journal holds.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torture.forge import End, Forge
from torture.scene import COMMAND, derived, journaled, scene

MODES = ("full", "once", "broken", "kill")
"""No room from an operation on; none for one only; an error of the device at one; SIGKILL at one."""
_MENDS = ("make room", "check the disk", "disk is full")
_BEYOND = 5
"""Operations in a row that came in no run: runs differ a little in length."""
BROKEN = ("hung", "tracebacks", "odd_code", "no_mend", "not_whole", "other_bytes", "paid_twice")


@contextmanager
def failing() -> Iterator[Path]:
    """The library that `Forge` preloads.

    Raises:
        FileNotFoundError: there is no C compiler here.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("a C compiler (cc) is needed to let a disk fail")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "full.so"
        source = Path(__file__).with_name("full.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", built, source, "-ldl", "-lpthread"], check=True)
        yield built


def operations(forge: Forge, *, every: int = 1, first: int = 1, modes: tuple[str, ...] = MODES) -> Counter[str]:
    """Each mode at operation `first` on files and at each `every`th after it, to the end of the run."""
    found: Counter[str] = Counter(dict.fromkeys(("operations", "trials", *BROKEN), 0))
    with scene() as folder:
        assert forge.run(folder, *COMMAND).code == 0
        whole = derived(folder)
    for mode in modes:
        at, missed = first, 0
        while missed * every < _BEYOND:
            with scene() as folder:
                end = forge.run(folder, *COMMAND, fail=at, mode=mode)
                if end.fired:
                    found.update(_after(forge, folder, f"{mode} at {at}", end, whole))
                    found["operations"] = max(found["operations"], at)
            at, missed = at + every, 0 if end.fired else missed + 1
    return found


def _after(forge: Forge, folder: Path, what: str, end: End, whole: Mapping[str, str]) -> Counter[str]:
    """What did not hold of a run that met it, and of the same command with room."""
    kept, killed = journaled(folder), what.startswith("kill")
    unharmed = end.code == 0 and derived(folder) == whole
    again = forge.run(folder, *COMMAND)
    found = Counter(
        trials=1,
        hung=end.hung + again.hung,
        tracebacks=end.traceback + again.traceback,
        odd_code=end.code != (-9 if killed else 2) and not unharmed,
        no_mend=end.code == 2 and not any(mend in end.said for mend in _MENDS),
        not_whole=again.code != 0,
        other_bytes=derived(folder) != whole,
        paid_twice=len(kept & set(again.asked)),
    )
    found[f"{what.split(maxsplit=1)[0]}: exit {end.code}"] = 1
    if any(found[name] for name in BROKEN):
        print(f"{what}: exit {end.code}, then {again.code}: {dict(found)}\n{end.said}\n{again.said}", flush=True)
    return found
