"""Rows that are in memory already: mappings, texts, or a pandas DataFrame. They are numbered from 1."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from judgegen.sources.plain import from_memory, from_table
from judgegen.sources.rows import Bad, CheckColumns, ReadError, Row, RowError, Rows, distinct, kind


def rows(given: Iterable[Any], *, check: CheckColumns) -> Rows:
    """One row per item, or per row of a DataFrame.

    Raises:
        ReadError: `given` is one row instead of many, or a DataFrame whose columns will not do.
    """
    if isinstance(given, str | bytes | Mapping):
        raise ReadError(None, f"{kind(given)} is not a list of rows; put it in a list")
    yield from _frame(given, check) if _is_frame(given) else _numbered(given, from_memory)


def _is_frame(given: object) -> bool:
    """Whether it is a DataFrame; nobody can hold one without having imported pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(given, pandas.DataFrame)


def _frame(frame: Any, check: CheckColumns) -> Rows:
    names = [str(name) for name in frame.columns]
    try:
        distinct(names)
        check(names)
    except RowError as error:
        raise ReadError(None, str(error)) from None
    tuples = frame.itertuples(index=False, name=None)
    return _numbered((dict(zip(names, cells, strict=True)) for cells in tuples), from_table)


def _numbered(items: Iterable[Any], plain: Callable[[Any], Any]) -> Rows:
    for number, item in enumerate(items, 1):
        try:
            yield Row(line=number, value=_value(item, plain))
        except RowError as error:
            yield Bad(line=number, why=str(error))


def _value(item: Any, plain: Callable[[Any], Any]) -> Any:
    if isinstance(item, str):
        return item
    if not isinstance(item, Mapping):
        raise RowError(f"not an object or a text but {kind(item)}")
    return {name: plain(cell) for name, cell in item.items()}
