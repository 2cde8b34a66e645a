"""Items put by on disk, in the order in which they came, and read as often as they are needed.

Few are kept in memory; more go into a file without a name beside the outputs, so that whatever ends the process leaves
nothing behind. Knows nothing of what the items are.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")
_SIZE = struct.Struct("<Q")
MOST_BYTES = 8_000_000
"""Kept in memory."""


class Spool(Generic[T]):
    """Add items, then read them; a context manager, after which they are gone.

    Raises:
        OSError: the disk takes nothing more.
    """

    def __init__(self, folder: Path) -> None:
        self._file = SpooledTemporaryFile(max_size=MOST_BYTES, dir=str(folder))  # noqa: SIM115 - closed by `__exit__`
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, item: T) -> None:
        """Put one by; none may be added once they are read."""
        written = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        self._file.write(_SIZE.pack(len(written)) + written)
        self._count += 1

    def __iter__(self) -> Iterator[T]:
        """Each, as it was, in the order of adding."""
        self._file.seek(0)
        for _ in range(self._count):
            (size,) = _SIZE.unpack(self._file.read(_SIZE.size))
            item: T = pickle.loads(self._file.read(size))  # noqa: S301 - written by this process, where nobody else can
            yield item
