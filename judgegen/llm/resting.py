"""A journal that nobody has open: all of it in its one file, as it was left. Knows nothing of what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from judgegen.llm.journal import NAME


@contextmanager
def resting(folder: Path) -> Iterator[bool]:
    """Whether the journal in `folder` is there and nobody has it open; nobody opens it until the block ends."""
    path = folder / NAME
    lock = FileLock(f"{path}.lock", timeout=0)
    try:
        if path.is_file():
            lock.acquire()
    except (Timeout, OSError, NotImplementedError):  # whoever opens it next tells of that
        pass
    try:
        yield lock.is_locked
    finally:
        lock.release()


def whole(folder: Path) -> bool:
    """Whether the journal's file is all there is of it: nothing waits beside it to be folded in."""
    beside = (folder / f"{NAME}{end}" for end in ("-wal", "-journal"))
    return not any(path.exists() and path.stat().st_size for path in beside)
