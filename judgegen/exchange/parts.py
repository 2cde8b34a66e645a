"""Data files on their way out: rows gathered as lines, then JSONL or Parquet, and in place all at once or not at all.

The lines of an export have one schema (`columns`), which is known when all of them are there. Rows pass through the
disk, so memory does not grow with them. The same rows give the same bytes: Parquet's row groups are of a fixed number
of rows, and nothing of the clock or the machine is written. Knows nothing of preferences.
"""

from __future__ import annotations

import codecs
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from judgegen.errors import SpecError
from judgegen.exchange.columns import HEAD, KeysSeen, Layout
from judgegen.writer.files import json_line, part_of, put_in_place

Spare = Callable[[Mapping[str, Any]], Mapping[str, Any]]
_BUFFER = 1 << 18  # bytes that are written at once
_GROUP = 1024  # rows of a Parquet row group, the most that are in memory at once


def check_apart(source: Any, out: Path) -> None:
    """Nothing is written over what it is read from, which would be gone.

    Raises:
        SpecError: `out` is the file `source`, or the pairs of the run in that folder.
    """
    if not isinstance(source, str | Path) or not out.exists():
        return
    read = (Path(source), Path(source) / "preferences.jsonl")
    if any(path.exists() and path.samefile(out) for path in read):
        raise SpecError(f"{out}: is what is read, and would be written over; name another file with --out")


def spool(beside: Path) -> IO[bytes]:
    """A nameless file on the disk where `beside` will stand; the system's folder for such files may be memory."""
    near = next(folder for folder in beside.absolute().parents if folder.is_dir())
    return cast(IO[bytes], tempfile.TemporaryFile(dir=near))


class Part:
    """One data file. `rows` counts what it holds so far, `columns` knows their keys where rows were told with lines."""

    def __init__(self, path: Path, *, bom: bool = False, as_they_come: bool = False) -> None:
        self.path = path
        self.rows = 0
        self.columns = KeysSeen()
        self._size = 0
        self._bom = bom
        self._open = ExitStack()
        self._straight = as_they_come and path.parent.is_dir()
        self._lines = (
            self._open.enter_context(part_of(path).open("wb", buffering=_BUFFER)) if self._straight else self._spool()
        )
        self._later: IO[bytes] | None = None

    def add(self, data: bytes, *, row: Mapping[str, Any] | None = None, later: bool = False) -> None:
        """Take one line, and the row that it spells; `later` puts it behind all that are not."""
        if later and self._later is None:
            self._later = self._spool()
        if row is not None:
            self.columns.add(row, HEAD if later else self._size)
        (self._later if later and self._later is not None else self._lines).write(data)
        self._size += len(data)
        self.rows += 1

    def _spool(self) -> IO[bytes]:
        return self._open.enter_context(spool(self.path))

    def write(self, schema: Any | None, plan: Layout, spare: Spare) -> None:
        """Write the file beside its place: JSONL as `plan` has it, or Parquet with that Arrow schema."""
        if self._straight:
            self._lines.flush()
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with part_of(self.path).open("wb") as out:
            if schema is not None:
                _parquet(self._read(), schema, out)
                return
            out.write(codecs.BOM_UTF8 if self._bom else b"")
            if plan.changes:
                out.writelines(self._planned(plan, spare))
            else:
                for lines in self._spooled():
                    shutil.copyfileobj(lines, out, 1 << 20)

    def _planned(self, plan: Layout, spare: Spare) -> Iterator[bytes]:
        """The lines in the order and with the columns of a plan."""
        for number, data in enumerate(self._ordered(plan.first)):
            if plan.names is None and number:
                yield data
            else:
                row = plan.of(json.loads(data))
                yield json_line(row if number else plan.head(row, spare), halves=True)

    def _ordered(self, first: Collection[int]) -> Iterator[bytes]:
        for wanted in (True, False) if first else (False,):
            lines = (data for spool in self._spooled() for data in spool)
            yield from (data for number, data in enumerate(lines) if (number in first) == wanted)

    def _spooled(self) -> Iterator[IO[bytes]]:
        for lines in (self._lines, self._later):
            if lines is not None:
                lines.seek(0)
                yield lines

    def _read(self) -> Iterator[Any]:
        return (json.loads(data) for lines in self._spooled() for data in lines)

    def land(self) -> None:
        """Put the written file in its place."""
        put_in_place(self.path)

    def close(self) -> None:
        """Let go of everything that is not in its place."""
        self._open.close()
        part_of(self.path).unlink(missing_ok=True)


def _parquet(rows: Iterator[Any], schema: Any, out: IO[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _GROUP)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema), row_group_size=_GROUP)


class Parts:
    """The data files of one export, by split. Inside `with`; leaves nothing behind unless `land` was reached."""

    def __init__(self, files: Mapping[str, Path], *, bom: bool = False, as_they_come: bool = False) -> None:
        """`as_they_come`: lines are written once and stay as they are: no plan, no schema, none `later`, no mark."""
        how = {"bom": bom, "as_they_come": as_they_come}
        self._parts = {split: Part(path, **how) for split, path in files.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for part in self._parts.values():
            part.close()

    def __getitem__(self, split: str) -> Part:
        return self._parts[split]

    @property
    def rows(self) -> dict[str, int]:
        """Rows by split."""
        return {split: part.rows for split, part in self._parts.items()}

    @property
    def columns(self) -> list[KeysSeen]:
        """What keys the rows of each file have."""
        return [part.columns for part in self._parts.values()]

    def land(
        self,
        schema: Any | None = None,
        plans: Sequence[Layout] | None = None,
        spare: Spare = dict,
    ) -> None:
        """Write every file, then put every file in its place.

        Args:
            schema: of Parquet; None for JSONL.
            plans: what makes the lines of each file fit; None leaves them as they came.
            spare: for an object the keys that open it, which no other has.
        """
        for part, plan in zip(self._parts.values(), plans or [Layout() for _ in self._parts], strict=True):
            part.write(schema, plan, spare)
        for part in self._parts.values():
            part.land()
