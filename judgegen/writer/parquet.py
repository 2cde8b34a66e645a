"""One Parquet file of the audit, written as its rows come.

Knows nothing of what rows mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from judgegen.writer import arrays
from judgegen.writer.files import part_of, put_in_place

ROWS_PER_GROUP, CHARACTERS_PER_GROUP = 5_000, 16_000_000
"""A row group ends at whichever comes first, so that neither many rows nor long ones fill the memory."""
ROWS_LAID_OUT = 1_024
"""At once, since rows of Python take twice the memory of Arrow's: as many as the Parquet writer takes, so its pages end
where they would anyway."""


class AuditTable:
    """One Parquet file being written beside its place."""

    def __init__(self, path: Path, schema: pa.Schema, stamp: Mapping[str, str]) -> None:
        self.path = path
        self._schema = schema.with_metadata({f"judgegen.{key}": value for key, value in sorted(stamp.items())})
        self._writer = pq.ParquetWriter(part_of(path).absolute(), self._schema, compression="zstd")
        self._blank: dict[str, None] = dict.fromkeys(schema.names)
        self._rows: list[tuple[Any, ...]] = []
        self._laid_out: list[pa.Table] = []
        self._held = self._characters = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one row; whole groups go to the file. A key that it lacks is null, one that has no column is left out."""
        values = arrays.values(row, self._blank)
        self._rows.append(values)
        self._held += 1
        self._characters += sum([len(value) for value in values if value.__class__ is str])
        if self._held >= ROWS_PER_GROUP or self._characters >= CHARACTERS_PER_GROUP:
            self._flush()
        elif len(self._rows) >= ROWS_LAID_OUT:
            self._lay_out()

    def _lay_out(self) -> None:
        if not self._rows:
            return
        self._laid_out.append(arrays.table(self._rows, self._schema))
        self._rows.clear()

    def _flush(self) -> None:
        self._lay_out()
        self._writer.write_table(pa.concat_tables(self._laid_out))
        self._laid_out.clear()
        self._held = self._characters = 0

    def close(self) -> None:
        """Write what is left; the file is whole beside its place."""
        if self._held:
            self._flush()
        self._writer.close()

    def land(self) -> None:
        """Put the closed file in its place."""
        put_in_place(self.path)

    def abandon(self) -> None:
        """Leave what was there as it was."""
        self._rows.clear()
        self._laid_out.clear()
        with suppress(OSError, pa.ArrowException):  # on a full disk it cannot end its file, which goes anyway
            self._writer.close()
        self._writer.is_open = False  # else it tries again when it is collected, and prints a traceback
        part_of(self.path).unlink(missing_ok=True)
