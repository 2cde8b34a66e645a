"""CSV and TSV with a header line, quoted as RFC 4180 says; a record is numbered by the line on which it starts.

A record with more or fewer cells than the header is refused, not padded: it is the trace of an unquoted comma or line
end, and the text in it is cut. An empty cell is absent (None); a line without any content is skipped, and Excel's first
line `sep=;` is no record but says what separates cells.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from judgegen.sources.lines import lines
from judgegen.sources.rows import Bad, Cell, CheckColumns, ReadError, Row, RowError, Rows, distinct

_OPENING = ("[", "{")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SEPARATOR = re.compile(r"sep=([,;|\t])", re.IGNORECASE)
_LONGEST = 2**31 - 1  # characters in a cell; the module's own limit of 131,072 is shorter than some prompts


def rows(path: Path, *, delimiter: str, check: CheckColumns) -> Rows:
    """One row per record; where the header has another mark than the one expected, that is what separates the cells.

    Raises:
        ReadError: no header that will do, broken quoting (what follows it is not read), not UTF-8, or see `lines`.
    """
    texts, head = _texts(path), []
    for text in texts:
        head.append(text)
        if not text.isspace():
            break
    delimiter, told = _separator(head[-1] if head else "", delimiter)
    records = _records(chain(head, texts), delimiter)
    if told:
        next(records)
    start, header = next(records, (1, []))
    names = _names(start, [cell.strip() for cell in header], delimiter, check)
    for line, cells in records:
        if len(cells) != len(header):
            why = f"has {len(cells)} cells where the header has {len(header)}; quote a text with commas or line ends"
            yield Bad(line=line, why=why)
        else:
            yield Row(line=line, value=dict(zip(names, map(_cell, cells), strict=True)))


def _separator(first: str, expected: str) -> tuple[str, bool]:
    """What separates cells, and whether the first line is Excel's that says so; a mark in quotes separates none."""
    if said := _SEPARATOR.fullmatch(first.strip("\r\n ")):
        return said[1], True
    bare = _QUOTED.sub("", first)
    other = next((mark for mark in ";\t|," if mark in bare), expected)
    return expected if expected in bare else other, False


def _cell(text: str) -> str | None:
    return Cell(text) if text[:1] in _OPENING else text or None


def _names(line: int, names: list[str], delimiter: str, check: CheckColumns) -> list[str]:
    """The header's names. An unnamed column, such as the row numbers that pandas writes, is `column N`."""
    named = [name or f"column {place}" for place, name in enumerate(names, 1)]
    try:
        distinct(named)
        if named:
            check(named)
    except RowError as error:
        other = next((mark for mark in ";\t|," if mark != delimiter and mark in "".join(named)), "")
        mend = f"; if {other!r} separates its columns, save it with {delimiter!r}" if other else ""
        raise ReadError(line, f"{error}{mend}") from None
    return named


def _records(texts: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not blank, with the number of the line on which it starts."""
    reader: Any = csv.reader(texts, delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        before = csv.field_size_limit(_LONGEST)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ReadError(start, f"{_quoting(error)}; nothing after it is read") from None
        finally:  # the limit is the whole process's; it is not ours to leave changed
            csv.field_size_limit(before)
        if any(cells):
            yield start, cells


def _texts(path: Path) -> Iterator[str]:
    for line in lines(path):
        try:
            yield line.text()
        except RowError as error:
            raise ReadError(line.number, str(error)) from None


def _quoting(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "a quote that opens in this record is never closed"
    if "new-line character" in str(error):
        return "its lines end with a carriage return alone; save it with line feeds"
    return f"broken quoting ({error}); a quote inside a quoted cell is written twice"
