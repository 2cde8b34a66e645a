"""A run folder's files as pandas frames. Knows their names; columns are as the audit's schemas describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.writer.money import bare

if TYPE_CHECKING:
    from pandas import DataFrame

TABLES = ("prompts", "candidates", "verdicts", "calls", "pairs")
COLUMNS = (
    *("prompt_id", "prompt", "chosen", "rejected", "p_chosen", "margin", "consistent", "tokens", "cost_usd"),
    *("chosen_from", "rejected_from", "verdict_calls"),
)
"""Of preferences.jsonl; `tools`, `reference` and `metadata` are there where some row has them."""


def preferences(folder: Path) -> DataFrame:
    """One row per pair, as in preferences.jsonl: messages as lists, `tokens` and `cost_usd` as mappings.

    The table `pairs` has the same numbers as columns.

    Raises:
        SpecError: the file is not there, or holds what is no row.
    """
    import pandas as pd

    path = _there(folder / "preferences.jsonl", folder)
    rows = [_row(path, number, line) for number, line in enumerate(path.read_bytes().splitlines(), start=1)]
    columns = list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))
    # Cell by cell: pandas' own reader makes numbers of texts that look like some, and 0.0 of False.
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns})
    return frame.astype({"prompt_id": "str", "p_chosen": "float64", "margin": "float64", "consistent": "boolean"})


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SpecError(f"{path}: line {number} is not JSON ({error}); `judgegen write` makes the file anew") from None
    if not isinstance(row, dict):
        raise SpecError(f"{path}: line {number} is not a row; `judgegen write` makes the file anew")
    return row


def table(folder: Path, name: str) -> DataFrame:
    """One of the audit's tables: prompts, candidates, verdicts, calls or pairs.

    Counts and flags that can be null are pandas' nullable ones; JSON stays text. USD are floats, to be plotted and
    grouped; beside each column stands its `_exact` one, of decimals, whose sums are those of the summary.

    Raises:
        SpecError: the file is not there.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _there(folder / "audit" / f"{name}.parquet", folder)
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: DataFrame = pq.ParquetFile(path).read().to_pandas(types_mapper=nullable.get)
    for column in [column for column in frame.columns if column.endswith("_usd")]:
        exact = frame[column].map(bare, na_action="ignore")
        frame[column] = exact.astype("float64")
        frame.insert(int(frame.columns.get_loc(column)) + 1, f"{column}_exact", exact)  # type: ignore[arg-type]
    return frame


def _there(path: Path, folder: Path) -> Path:
    if not path.is_file():
        raise SpecError(f"{path}: not there; `judgegen write {folder}` makes it from the journal")
    return path
