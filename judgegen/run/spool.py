"""Items put by on disk, in the order in which they came, and read as often as they are needed.

Few are kept in memory; more go into a file without a name beside the outputs, so that whatever ends the process leaves
nothing behind. Knows nothing of what the items are.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import lru_cache
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import MemberDescriptorType, TracebackType
from typing import Any, Generic, Self, TypeVar, cast

T = TypeVar("T")
_SIZE = struct.Struct("<Q")
MOST_BYTES = 1_000_000
"""Kept in memory."""
_PARCEL = 32
"""Items that are written as one, so that what names their kinds is written once."""


class Spool(Generic[T]):
    """Add items, then read them; a context manager, after which they are gone.

    Raises:
        OSError: the disk takes nothing more.
    """

    def __init__(self, folder: Path) -> None:
        self._file = SpooledTemporaryFile(max_size=MOST_BYTES, dir=str(folder))  # noqa: SIM115 - closed by `__exit__`
        self._parcels = 0
        self._open: list[T] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, item: T) -> None:
        """Put one by; none may be added once they are read."""
        self._open.append(item)
        if len(self._open) == _PARCEL:
            self._shut()

    def _shut(self) -> None:
        """Write the open parcel, if anything is in it."""
        if self._open:
            packed = BytesIO()
            _Pickler(packed, pickle.HIGHEST_PROTOCOL).dump(self._open)
            written = packed.getvalue()
            self._file.write(_SIZE.pack(len(written)) + written)
            self._parcels += 1
            self._open = []

    def __iter__(self) -> Iterator[T]:
        """Each, as it was, in the order of adding."""
        self._shut()
        self._file.seek(0)
        for _ in range(self._parcels):
            (size,) = _SIZE.unpack(self._file.read(_SIZE.size))
            items: list[T] = pickle.loads(self._file.read(size))  # noqa: S301 - written by this process, for itself
            yield from items


class _Pickler(pickle.Pickler):
    """Records as their values in the order of their fields, which Python by itself looks up anew for each."""

    def reducer_override(self, item: object) -> Any:
        """How an item is written."""
        values = _values(cast("type", type(item)))
        return NotImplemented if values is None else (_made, (type(item), values(item)))


@lru_cache(maxsize=256)
def _values(kind: type) -> Callable[[Any], Any] | None:
    """Takes the values out of a record of this kind; None where it is none, or is not made of slots alone."""
    names = [one.name for one in fields(kind)] if is_dataclass(kind) else []
    slots = all(isinstance(getattr(kind, name, None), MemberDescriptorType) for name in names)
    return attrgetter(*names) if slots and len(names) > 1 else None


@lru_cache(maxsize=256)
def _places(kind: type) -> tuple[Callable[[Any, Any], None], ...]:
    return tuple(getattr(kind, one.name).__set__ for one in fields(kind))


def _made(kind: type, values: tuple[Any, ...]) -> Any:
    """The record again; what it checked when it was made is not checked again."""
    item: Any = object.__new__(kind)
    for place, value in zip(_places(kind), values, strict=True):
        place(item, value)
    return item
