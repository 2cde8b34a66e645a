"""The merged audit by shard is the merged audit: every row once, of one schema whatever a shard holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from run.test_shards import run
from worlds import derived

import judgegen
from judgegen.llm.journal import Journal
from judgegen.run.shards import Shard
from judgegen.writer.columns import TABLES

PROMPTS = [f"Explain fact number {number} about lakes." for number in range(7)]
OF = 5
"""Of so many shards one takes none of these prompts: its tables have no row to tell a type from."""


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in parts, merged and laid out by shard."""
    out = tmp_path_factory.mktemp("parts")
    for number in range(1, OF + 1):
        run(out, prompts=PROMPTS, shard=f"{number}/{OF}")
    judgegen.merge(out, dataset=True)
    return out


def rows_of(table: Any) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in table.to_pylist())


@pytest.mark.parametrize("name", TABLES)
def test_the_data_set_is_the_table_row_by_row(merged: Path, name: str) -> None:
    """Read as hive partitions are, without the shard it holds the merged rows, each once, in their order by shard."""
    whole = pq.read_table(merged / "audit" / f"{name}.parquet")
    found = ds.dataset(merged / "dataset" / name, partitioning="hive").to_table()
    assert found.num_rows == whole.num_rows > 0
    assert rows_of(found.drop_columns(["shard"])) == rows_of(whole)
    with Journal(merged) as journal:
        prompts = list(journal.prompts())
    for number in range(1, OF + 1):
        theirs = {row["id"] for row in prompts if Shard(number, OF).takes(row)}
        part = found.filter(ds.field("shard") == number).drop_columns(["shard"])
        assert part.to_pylist() == [row for row in whole.to_pylist() if row["prompt_id"] in theirs]


@pytest.mark.parametrize("name", TABLES)
def test_every_part_has_the_schema_of_the_whole(merged: Path, name: str) -> None:
    """Types, descriptions and what made it, in a shard without rows too: no type is told from values."""
    parts = sorted((merged / "dataset" / name).glob("shard=*/*.parquet"))
    assert len(parts) == OF
    assert 0 in {pq.read_metadata(part).num_rows for part in parts}
    whole = pq.read_schema(merged / "audit" / f"{name}.parquet")
    assert all(pq.read_schema(part).equals(whole, check_metadata=True) for part in parts)


def test_shards_have_one_schema_themselves(merged: Path) -> None:
    """Their own audits are one table by a glob; of calls, on which nothing that is learned bears, the merged one."""
    for name in TABLES:
        parts = sorted(merged.glob(f"shard-*/audit/{name}.parquet"))
        assert len({pq.read_schema(part).to_string() for part in parts}) == 1
    calls = ds.dataset(sorted(merged.glob("shard-*/audit/calls.parquet"))).to_table()
    assert rows_of(calls) == rows_of(pq.read_table(merged / "audit" / "calls.parquet"))


def test_pandas_reads_it_as_a_folder(merged: Path) -> None:
    """One call, the shard a column beside the others."""
    frame = pd.read_parquet(merged / "dataset" / "pairs")
    whole = pd.read_parquet(merged / "audit" / "pairs.parquet")
    assert set(frame.columns) == {*whole.columns, "shard"}
    assert sorted(frame["chosen_call"]) == sorted(whole["chosen_call"])


def test_merged_again_it_is_written_again(merged: Path) -> None:
    """Unasked, so that it is never of another audit; the other files are those of a merge without it."""
    (stale := merged / "dataset" / "calls" / "shard=6").mkdir()
    before = {name: digest for name, digest in derived(merged).items() if "shard=6" not in name}
    judgegen.merge(merged)
    assert not stale.exists()
    assert derived(merged) == before
