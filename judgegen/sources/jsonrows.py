"""JSONL, an object a line, and JSON, a list of objects: read strictly, since what a lenient reader drops is lost.

A key that stands twice is refused. JSONL is read a line at a time; a JSON list is read whole, its rows numbered from 1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from judgegen.sources.lines import lines
from judgegen.sources.rows import Bad, ReadError, Row, RowError, Rows, kind


def jsonl(path: Path) -> Rows:
    """One row per line that is not blank.

    Raises:
        ReadError: see `judgegen.sources.lines.lines`.
    """
    for line in lines(path):
        if line.raw.isspace():
            continue
        try:
            yield Row(line=line.number, value=_object(parse(line.text())))
        except RowError as error:
            yield Bad(line=line.number, why=str(error))


def listed(path: Path) -> Rows:
    """One row per item of the list that the file is.

    Raises:
        ReadError: not JSON, not a list, or see `judgegen.sources.lines.lines`.
    """
    for number, value in enumerate(_list(path), 1):
        try:
            yield Row(line=number, value=_object(value))
        except RowError as error:
            yield Bad(line=number, why=str(error))


def parse(text: str) -> Any:
    """The value that one line, or one cell, of JSON spells.

    Raises:
        RowError: not JSON, with the column; a key twice; nested too deep to read.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise RowError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise RowError("JSON nested too deep to read") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise RowError(f"not readable as JSON: {error}") from None


def _list(path: Path) -> list[Any]:
    text = _whole(path)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        mend = "; a file with an object a line is named .jsonl" if error.msg == "Extra data" else ""
        raise ReadError(error.lineno, f"not JSON: {error.msg} at column {error.colno}{mend}") from None
    except RecursionError:
        raise ReadError(None, "JSON nested too deep to read") from None
    except (RowError, ValueError) as error:
        raise ReadError(None, str(error)) from None
    if not isinstance(value, list):
        raise ReadError(None, f"not a list of rows but {kind(value)}; a file with an object a line is named .jsonl")
    return value


def _whole(path: Path) -> str:
    parts = []
    for line in lines(path):
        try:
            parts.append(line.text())
        except RowError as error:
            raise ReadError(line.number, str(error)) from None
    return "".join(parts)


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise RowError(f"not an object but {kind(value)}")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, refused when a key stands twice: JSON readers keep one of the two in silence."""
    built = dict(pairs)
    if len(built) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RowError(f"the key {twice!r} stands twice in one object")
    return built


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs)
