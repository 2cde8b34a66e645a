"""Parquet, a batch of rows at a time; rows are numbered from 1. A null cell is absent, and so is a float's NaN.

A gzipped file is unpacked to a temporary one first, since Parquet is read from its end.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from judgegen.sources.lines import opened, torn, zipped
from judgegen.sources.plain import from_table
from judgegen.sources.rows import Bad, CheckColumns, ReadError, Row, RowError, Rows, distinct

_BATCH = 256  # rows in memory at once beside what Parquet itself holds of a row group


def rows(path: Path, *, check: CheckColumns) -> Rows:
    """One row per row.

    Raises:
        ReadError: no such file, not Parquet or damaged, or columns that will not do.
    """
    import pyarrow as pa
    from pyarrow import parquet

    number = 0
    try:
        with _seekable(path) as stream, parquet.ParquetFile(stream) as file:
            check_names(file.schema_arrow.names, check)
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from batch_rows(batch, number)
                number += batch.num_rows
    except (pa.ArrowException, EOFError, zlib.error, OSError) as error:
        raise _unreadable(error, number) from None


def check_names(names: list[str], check: CheckColumns) -> None:
    """Refuse columns of one name, and those that will not do.

    Raises:
        ReadError: which.
    """
    try:
        distinct(names)
        check(names)
    except RowError as error:
        raise ReadError(None, str(error)) from None


def batch_rows(batch: Any, before: int) -> Iterator[Row | Bad]:
    """The rows of a batch; one by one, so that a text that is not UTF-8 costs its own row only."""
    for index in range(batch.num_rows):
        number = before + index + 1
        try:
            cells = batch.slice(index, 1).to_pylist(maps_as_pydicts="strict")[0]
            yield Row(line=number, value={name: from_table(cell) for name, cell in cells.items()})
        except UnicodeDecodeError as error:
            yield Bad(line=number, why=f"holds text that is not UTF-8 ({error.reason} at byte {error.start} of it)")
        except KeyError as error:
            yield Bad(line=number, why=f"holds a map with a key twice: {error}")
        except RowError as error:
            yield Bad(line=number, why=str(error))


def _unreadable(error: Exception, number: int) -> ReadError:
    import pyarrow as pa

    gzip_or_disk = isinstance(error, EOFError | zlib.error | gzip.BadGzipFile) or getattr(error, "strerror", None)
    if gzip_or_disk:
        return torn(error, 0)
    after = f" after row {number}" if number else ""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    name = "not a Parquet file" if isinstance(error, pa.ArrowInvalid) and not number else "damaged Parquet"
    return ReadError(None, f"{name}{after}: {first}")


@contextmanager
def _seekable(path: Path) -> Iterator[BinaryIO]:
    with opened(path) as stream:
        if not zipped(path):
            yield stream
            return
        with tempfile.TemporaryFile() as unpacked:
            shutil.copyfileobj(stream, unpacked)
            unpacked.seek(0)
            yield unpacked
