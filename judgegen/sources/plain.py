"""Makes sure that a row is plain JSON: what UTF-8 can write, what canonical JSON allows, not nested without end.

Cells of Parquet files and DataFrames are made plain first (arrays to lists, dates to ISO 8601 text, decimals to text).
Knows nothing of columns and their meaning.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from judgegen.sources.rows import RowError, kind

DEPTH = 100
"""How deep lists and objects may nest; the JSON writers of later stages recurse."""


def check(value: Any) -> None:
    """Raise RowError unless `value` is JSON that every later stage can write."""
    level: list[Any] = [value]
    for _ in range(DEPTH):
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return
    raise RowError(f"is nested more than {DEPTH} deep")


def _inside(item: Any) -> Iterable[Any]:
    """What `item` holds, after a look at `item` itself."""
    if isinstance(item, str):
        _check_text(item)
    elif isinstance(item, float):
        if not math.isfinite(item):
            raise RowError(f"holds {item}, which JSON has no number for")
    elif isinstance(item, dict):
        for key in item:
            _check_key(key)
        return item.values()
    elif isinstance(item, list):
        return item
    elif item is not None and not isinstance(item, int):
        raise RowError(f"holds {kind(item)}, which JSON cannot write")
    return ()


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise RowError(f"holds a key that is {kind(key)}, not text")
    _check_text(key)


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise RowError(
            f"holds {half} at character {error.start + 1}, half of a character; write both or none"
        ) from None


def without_nulls(value: Any, keep: frozenset[str] = frozenset()) -> Any:
    """`value` without the keys that are null, at any depth, but for the names in `keep`."""
    if isinstance(value, Mapping):
        return {k: without_nulls(v, keep) for k, v in value.items() if v is not None or k in keep}
    return [without_nulls(v, keep) for v in value] if isinstance(value, list | tuple) else value


def from_table(cell: Any) -> Any:
    """A cell of a Parquet file or a DataFrame as plain JSON, None where it is absent.

    Tables give every message every other message's keys, as nulls: those are dropped. `content` stays, null beside
    tool calls as the API writes it.
    """
    return None if absent(cell) else without_nulls(_plain(cell, DEPTH), _CONTENT)


def from_memory(cell: Any) -> Any:
    """A cell of a row in memory as plain JSON, None where it is absent; what is JSON already stays as it is."""
    return None if absent(cell) else _plain(cell, DEPTH)


_CONTENT = frozenset({"content"})


def absent(cell: Any) -> bool:
    """Whether a table's cell is empty: None, NaN, NaT or NA (by name, since pandas need not be loaded)."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float) and math.isnan(cell)


def _plain(value: Any, depth: int) -> Any:
    if depth < 0:
        raise RowError(f"is nested more than {DEPTH} deep")
    if isinstance(value, Mapping):
        return {key: _plain(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, depth - 1) for inner in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        return _text(value)
    return _from_numpy(value, depth) if hasattr(value, "tolist") else value


def _text(value: bytes) -> Any:
    """The text that bytes are in UTF-8: many writers of Parquet do not say that a column of bytes is one of texts."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _from_numpy(value: Any, depth: int) -> Any:
    """NumPy's scalars and arrays. Its own dates become text: as Python values they would be bare counts."""
    if value.dtype.kind in "mM":
        return _plain(value.astype(str).tolist(), depth - 1)
    return _plain(value.tolist(), depth - 1)


def columns(row: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """The columns of a row that hold something, each made sure of.

    Raises:
        RowError: naming the column.
    """
    for name, value in row.items():
        _check_key(name)
        if value is None:
            continue
        try:
            check(value)
        except RowError as error:
            raise RowError(f"{name} {error}") from None
        yield name, value
