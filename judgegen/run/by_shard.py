"""The merged audit once more as a Parquet data set, a folder per shard, as what reads tables in parallel wants it.

    dataset/calls/shard=1/calls.parquet

The rows are the merged audit's: what is learned over the whole run (a judge's habits, answers that win everywhere) is
in no shard's own audit. Knows the audit's files and the journal's prompts; nothing of what a row means.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from judgegen.errors import JournalError
from judgegen.llm.journal import Journal
from judgegen.run.shards import Shard, owner
from judgegen.writer.columns import TABLES
from judgegen.writer.files import part_of
from judgegen.writer.parquet import ROWS_PER_GROUP

FOLDER, COLUMN = "dataset", "shard"


def written(out: Path, journal: Journal, shards: Sequence[Shard]) -> Path:
    """Write the audit in `out` by shard, in place of what was there; the folder, whole or not there.

    Raises:
        JournalError: the audit is not of the journal's prompts.
    """
    place = out / FOLDER
    part = part_of(place)
    shutil.rmtree(part, ignore_errors=True)
    for name in TABLES:
        _divided(out / "audit" / f"{name}.parquet", part / name, shards, _whose(journal, shards))
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)
    return place


def _whose(journal: Journal, shards: Sequence[Shard]) -> Callable[[str], Shard]:
    """Whose a prompt is, asked in prompt order: the audit's rows are in it, so that nothing need be remembered."""
    ahead = journal.prompts()
    at: tuple[str | None, Shard] = (None, shards[0])

    def whose(prompt_id: str) -> Shard:
        nonlocal at
        if at[0] != prompt_id:
            row = next((row for row in ahead if row["id"] == prompt_id), None)
            if row is None:
                raise JournalError(
                    f"{journal.path}: prompt {prompt_id!r} of the audit is not in its place; `judgegen merge` again"
                )
            at = prompt_id, shards[owner(row, len(shards)) - 1]
        return at[1]

    return whose


def _divided(table: Path, folder: Path, shards: Sequence[Shard], whose: Callable[[str], Shard]) -> None:
    """One table's rows into a file per shard, in the order they have; a shard without rows has a file with none."""
    with ExitStack() as stack:
        source = stack.enter_context(pq.ParquetFile(table))
        writers = {}
        for shard in shards:
            inside = folder / f"{COLUMN}={shard.number}"
            inside.mkdir(parents=True)
            file = pq.ParquetWriter((inside / table.name).absolute(), source.schema_arrow, compression="zstd")
            writers[shard] = stack.enter_context(file)
        for batch in source.iter_batches(batch_size=ROWS_PER_GROUP):
            for shard, rows in _by_shard(batch, whose):
                writers[shard].write_batch(rows)


def _by_shard(batch: Any, whose: Callable[[str], Shard]) -> Iterator[tuple[Shard, Any]]:
    places: dict[Shard, list[int]] = {}
    for place, prompt_id in enumerate(batch.column("prompt_id").to_pylist()):
        places.setdefault(whose(prompt_id), []).append(place)
    for shard, those in sorted(places.items()):
        yield shard, batch.take(pa.array(those, pa.int64()))
