"""A run folder's files as pandas frames. Knows their names; columns are as the audit's schemas describe them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.run.kept_file import lacking
from judgegen.writer.money import bare

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow import ChunkedArray
    from pyarrow.parquet import ParquetFile

TABLES = ("prompts", "candidates", "verdicts", "calls", "pairs")
COLUMNS = (
    *("prompt_id", "prompt", "chosen", "rejected", "p_chosen", "margin", "consistent", "tokens", "cost_usd"),
    *("chosen_from", "rejected_from", "verdict_calls"),
)
"""Of preferences.jsonl; `tools`, `reference` and `metadata` are there where some row has them."""
EXACT = "_exact"
"""What the name of a column of decimals ends with, beside one of floats."""
WORDS = frozenset(
    "role variant endpoint model model_answered outcome finish day settings candidate first second chosen rejected "
    "chosen_model rejected_model".split()
)
"""Columns of names that recur from row to row: who was asked, for which of few things, and how."""
TEXTS = frozenset(
    "messages reference tools metadata scores text tool_calls params more_texts chosen_text rejected_text".split()
)
"""Columns whose texts are long: nearly all that a large audit takes."""
MOST_TEXT = 2_000_000_000
"""Bytes of long texts in an audit up to which its tables have them without being told so."""


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


def table(folder: Path, name: str, columns: Sequence[str] | None = None, *, most_text: int = MOST_TEXT) -> DataFrame:
    """One of the audit's tables: prompts, candidates, verdicts, calls or pairs; of `columns`, those alone.

    Without `columns` it has all of them; where the audit's long texts take more bytes than `most_text`, all but those,
    and a warning says how they are read.

    Ids and texts are pandas' `str`, names that recur categories, lists Arrow's, counts and flags that can be null
    pandas' nullable ones; JSON stays text. USD are floats, to be plotted and grouped; beside each column stands its
    `_exact` one, of decimals, whose sums are those of the summary.

    Raises:
        SpecError: no such table or column, or the file is not there.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    if name not in TABLES:
        raise SpecError(f"no table {name!r}; there are {', '.join(TABLES)}")
    path = _there(folder / "audit" / f"{name}.parquet", folder)
    there = pq.read_schema(path).names
    every = [column for one in there for column in _made_of(one)]
    with pq.ParquetFile(path, read_dictionary=[one for one in there if one in WORDS]) as file:
        if columns is None:
            wanted = _bearable(every, folder, name, most_text)
        elif odd := [column for column in columns if column not in every]:
            raise SpecError(f"{path}: has no column {odd[0]!r}; it has {', '.join(every)}")
        else:
            wanted = list(dict.fromkeys(columns))
        # One after the other, so that what Arrow read of one is gone before the next.
        read = dict.fromkeys(column.removesuffix(EXACT) for column in wanted)
        cells: dict[str, Any] = {}
        for one in read:
            cells.update(_cells(file, one))
            pa.default_memory_pool().release_unused()
    return pd.DataFrame({column: cells[column] for column in wanted}, copy=False)


def _made_of(name: str) -> tuple[str, ...]:
    """The columns of a frame that one of the file becomes."""
    return (name, f"{name}{EXACT}") if name.endswith("_usd") else (name,)


def _bearable(every: list[str], folder: Path, name: str, most_text: int) -> list[str]:
    """All columns, or all but the long texts, which is told."""
    size = sum(map(_bytes_of_texts, sorted((folder / "audit").glob("*.parquet"))))
    left_out = TEXTS.intersection(every) if size > most_text else frozenset()
    if left_out:
        said = ", ".join(one for one in every if one in left_out)
        warnings.warn(
            f"the texts of this audit take {size / 1e9:.1f} GB: {said} are left out; "
            f"Run.table({name!r}, columns=[...]) reads the columns that it is told",
            stacklevel=6,
        )
    return [one for one in every if one not in left_out]


def _bytes_of_texts(path: Path) -> int:
    """What the long texts of a table take in memory, each column at least as it is packed by itself."""
    import pyarrow.parquet as pq

    found = pq.read_metadata(path)
    places = [i for i in range(found.num_columns) if found.schema.column(i).path.partition(".")[0] in TEXTS]
    groups = (found.row_group(number) for number in range(found.num_row_groups))
    return sum(group.column(place).total_uncompressed_size for group in groups for place in places)


def _cells(file: ParquetFile, name: str) -> Iterator[tuple[str, Any]]:
    """The columns of the frame that one of the file becomes, as pandas keeps them."""
    import pandas as pd
    import pyarrow as pa

    table = file.read(columns=[name])
    column = table.column(0)
    if pa.types.is_decimal(column.type):
        yield from zip(_made_of(name), _usd(column), strict=True)
    elif pa.types.is_dictionary(column.type):
        coded = column.unify_dictionaries().combine_chunks().to_pandas().array
        yield name, coded.set_categories(pd.Index(sorted(coded.categories), dtype="str"))
    elif pa.types.is_list(column.type):
        yield name, pd.arrays.ArrowExtensionArray(column.combine_chunks())
    else:
        kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        yield name, table.to_pandas(types_mapper=kinds.get)[name].array


def _usd(column: ChunkedArray) -> tuple[Any, Any]:
    """Amounts as floats, and as decimals as people write them; most recur, so each is made once."""
    import numpy as np

    coded = column.combine_chunks().dictionary_encode()
    exact = np.array([None, *map(bare, coded.dictionary.to_pylist())], dtype=object)
    places = coded.indices.to_numpy(zero_copy_only=False)
    places = np.where(np.isnan(places), -1, places).astype("int64") + 1
    return exact.astype("float64")[places], exact[places]


def _there(path: Path, folder: Path) -> Path:
    if not path.is_file():
        raise lacking(path, folder)
    return path
