"""JSONL, an object a line, and JSON, a list of objects: read strictly, since what a lenient reader drops is lost.

A key that stands twice is refused. JSONL is read a line at a time, a JSON list an item at a time, numbered from 1.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from judgegen.sources import jsonlist
from judgegen.sources.lines import Line, lines
from judgegen.sources.rows import Bad, ReadError, Row, RowError, Rows, kind, quoted


def jsonl(path: Path) -> Rows:
    """One row per line that is not blank; a file that is a list of rows is read as one, whatever its name.

    Raises:
        ReadError: see `judgegen.sources.lines.lines`.
    """
    first = True
    for line in lines(path):
        if line.raw.isspace():
            continue
        if first and (begun := line.raw.strip())[:1] == b"[":
            yield from listed(path)
            return
        if first and begun == b"{":
            raise ReadError(line.number, "an object over several lines; write each on one line, or a list named .json")
        first = False
        try:
            yield Row(line=line.number, value=_object(spelled(line)))
        except RowError as error:
            yield Bad(line=line.number, why=str(error))


def listed(path: Path, size: int = 1 << 20) -> Rows:
    """One row per item of the list that the file is, which is read `size` bytes at a time, or an item.

    A file with an object a line is read as such, whatever its name.

    Raises:
        ReadError: not JSON, not a list, or see `judgegen.sources.lines.lines`.
    """
    done = 0
    try:
        for raw in jsonlist.items(path, size):
            value = swift(raw)
            yield _row(done + 1, _sound(raw) if value is UNSURE else value)
            done += 1
    except jsonlist.Irregular:
        if not done and _by_line(path):
            yield from jsonl(path)
            return
        yield from (_row(number, value) for number, value in enumerate(_list(path), 1) if number > done)


def _by_line(path: Path) -> bool:
    """Whether the first line is an object by itself and another follows it."""
    first, second = [*islice((line.raw.strip() for line in lines(path) if not line.raw.isspace()), 2), b"", b""][:2]
    return first[:1] == second[:1] == b"{" and isinstance(swift(first), dict)


def spelled(line: Line) -> Any:
    """The value that a line of JSON spells.

    Raises:
        RowError: not UTF-8, or as `parse`.
    """
    value = swift(line.raw)
    if value is not UNSURE:
        return value
    try:
        return parse(line.text())
    except RowError as error:
        raise RowError(f"{error}{_hint(line.raw)}") from None


def _hint(raw: bytes) -> str:
    """What else a line may be that is not JSON in UTF-8."""
    if raw[1:2] == b"\0" or raw[:1] == b"\0":
        return "; it looks like UTF-16 without its mark: name it, like --encoding utf-16-le"
    if raw.rstrip().endswith(b"},"):
        return "; a comma stands behind the object: leave it out, or write a JSON list"
    return "; it looks like Python's print of an object: write it by json.dumps" if raw[:2] == b"{'" else ""


def swift(raw: bytes) -> Any:
    """What `parse` makes of JSON in UTF-8, several times as fast; `UNSURE` where it could be another thing or an error.

    A key that stands twice is lost in reading, and its quotes with it: they are counted.
    """
    try:
        value = orjson.loads(raw)
        texts, quotes = _counted(value)
    except (ValueError, RecursionError):  # no JSON, or what `parse` alone reads or tells
        return UNSURE
    if raw.count(b'"') != 2 * texts + quotes or (quotes and _QUOTE in raw):
        return UNSURE
    return value


def _counted(value: Any) -> tuple[int, int]:
    """How many texts there are, keys among them, and how many quotes are in them.

    Raises:
        ValueError: a number so large that it may be what rounding made of a whole one.
    """
    kind = type(value)
    if kind is str:
        return 1, value.count('"')
    texts = quotes = 0
    if kind is dict:
        for key, inner in value.items():
            more, found = (1, inner.count('"')) if type(inner) is str else _counted(inner)
            texts += more + 1
            quotes += found + key.count('"')
    elif kind is list:
        for inner in value:
            more, found = _counted(inner)
            texts += more
            quotes += found
    elif kind is float and not -_ROUNDED < value < _ROUNDED:
        raise ValueError("a number that may be rounded")
    return texts, quotes


def _row(number: int, value: Any) -> Row | Bad:
    try:
        return Row(line=number, value=_object(value))
    except RowError as error:
        return Bad(line=number, why=str(error))


def _sound(raw: bytes) -> Any:
    """An item as `parse` reads it.

    Raises:
        Irregular: it cannot, and the reader of the whole file says where that is.
    """
    try:
        return parse(raw.decode())
    except (RowError, UnicodeDecodeError):
        raise jsonlist.Irregular from None


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
    if isinstance(value, dict) and (found := _under(value)) is not None:
        return found
    if not isinstance(value, list):
        raise ReadError(None, f"not a list of rows but {kind(value)}; {_mend(value)}")
    return value


def _under(value: dict[str, Any]) -> list[Any] | None:
    """The one list of objects in an object; None where there is none.

    Raises:
        ReadError: several, or a table of columns.
    """
    rows = {k: v for k, v in value.items() if isinstance(v, list) and v and all(isinstance(one, dict) for one in v)}
    if len(rows) > 1 and "messages" not in rows:
        raise ReadError(None, f"an object with rows under {quoted(list(rows))}; save one of them as a list of its own")
    if value and all(isinstance(column, dict) and "0" in column for column in value.values()):
        raise ReadError(None, f"a table by columns, as pandas writes it; {_RECORDS}")
    return next(iter(rows.values())) if len(rows) == 1 and jsonlist.UNDER & rows.keys() else None


def _mend(value: Any) -> str:
    """What to do with JSON that is no list of rows."""
    if not isinstance(value, dict):
        return _LINES
    if {"columns", "data"} <= value.keys() or "0" in value:
        return f"if pandas wrote it, {_RECORDS}"
    found = _lists(value)
    return f"rows stand in it under {quoted(found)}; save one of them as a list of its own" if found else _LINES


def _lists(value: dict[str, Any], before: str = "", depth: int = 3) -> list[str]:
    """Where in an object lists of objects stand, as paths."""
    found = []
    for key, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
            found.append(f"{before}{key}")
        elif isinstance(inner, dict) and depth:
            found += _lists(inner, f"{before}{key}.", depth - 1)
    return found


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


_RECORDS = "df.to_json(path, orient='records', lines=True) writes rows"
_LINES = "a file with an object a line is named .jsonl"
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs)
UNSURE = object()
_QUOTE = b"\\u0022"  # a quote in disguise, which would not be counted
_ROUNDED = 2.0**63
