"""Arrow files, as `datasets` keeps them: a stream of record batches or a file of them; rows are numbered from 1."""

from __future__ import annotations

from pathlib import Path

from judgegen.sources.lines import opened
from judgegen.sources.parquet import batch_rows, check_names
from judgegen.sources.rows import CheckColumns, ReadError, Rows

_FILE = b"ARROW1"


def rows(path: Path, *, check: CheckColumns) -> Rows:
    """One row per row.

    Raises:
        ReadError: no such file, not Arrow or damaged, or columns that will not do.
    """
    import pyarrow as pa
    from pyarrow import ipc

    number = 0
    try:
        with opened(path) as stream:
            begun = stream.peek(len(_FILE))[: len(_FILE)]  # type: ignore[attr-defined]  # as every stream of `opened`
            if begun == _FILE:
                file = ipc.open_file(stream)
                batches = (file.get_batch(place) for place in range(file.num_record_batches))
            else:
                file = ipc.open_stream(stream)
                batches = iter(file)
            check_names(file.schema.names, check)
            for batch in batches:
                yield from batch_rows(batch, number)
                number += batch.num_rows
    except (pa.ArrowException, EOFError, OSError) as error:
        raise ReadError(None, f"not an Arrow file, or damaged: {str(error).splitlines()[0]}") from None
