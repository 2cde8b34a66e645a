"""How many of many lines say what an earlier one says, counted exactly in memory that does not grow with them.

Of each line sixteen bytes of its SHA-256 are kept, sorted, a run at a time on the disk, and the runs are merged at the
end. Knows nothing of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from heapq import merge
from itertools import pairwise
from types import TracebackType
from typing import IO, Self

_MARK = 16  # bytes
_RUN = 65_536  # lines whose marks are in memory at once, some 4 MB


class Repeats:
    """Inside `with`; `spool` opens a file for a run of `run` lines, which is closed at the end."""

    def __init__(self, spool: Callable[[], IO[bytes]], run: int = _RUN) -> None:
        self._run = run
        self._spool = spool
        self._marks: list[bytes] = []
        self._runs: list[IO[bytes]] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def add(self, line: bytes) -> None:
        """Take a line."""
        self._marks.append(hashlib.sha256(line).digest()[:_MARK])
        if len(self._marks) == self._run:
            run = self._open.enter_context(self._spool())
            run.write(b"".join(sorted(self._marks)))
            self._runs.append(run)
            self._marks.clear()

    def count(self) -> int:
        """The lines so far that were there before."""
        runs = [_marks(run) for run in self._runs]
        return sum(one == other for one, other in pairwise(merge(sorted(self._marks), *runs)))


def _marks(run: IO[bytes]) -> Iterator[bytes]:
    run.seek(0)
    return iter(partial(run.read, _MARK), b"")
