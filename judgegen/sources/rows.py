"""What a reader hands on: rows with their numbers, bad rows with the reason, and the two ways of failing.

Knows nothing of files or of what a row should hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What stood at `line`, 1-based: a mapping of columns, or a text that is a prompt by itself."""

    line: int
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A row that cannot be read, and why; the rows after it can."""

    line: int
    why: str


Rows = Iterator[Row | Bad]
CheckColumns = Callable[[Sequence[str]], None]
"""Called with a table's column names before its first row; raises RowError when they cannot do."""


class Cell(str):
    """A cell of a table that knows nothing but texts: what begins like a list or an object may have been one."""

    __slots__ = ()


class RowError(Exception):
    """What is wrong with one row, as a phrase without its place; the rows after it can still be read."""


class NoPreference(RowError):  # noqa: N818 - a finding about a row, no fault of it
    """A sound row that prefers nothing: a tie, or two answers to different prompts."""


class ReadError(Exception):
    """Reading cannot go on. `line` is where it ended, None where the file as a whole is at fault."""

    def __init__(self, line: int | None, why: str) -> None:
        super().__init__(why)
        self.line = line


def kind(value: object) -> str:
    """What a value is, in the words of the person who wrote it."""
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object", bytes: "bytes"}
    return "null" if value is None else names.get(type(value), f"a value of type {type(value).__name__}")


def distinct(names: Sequence[str]) -> None:
    """Raise RowError where two columns of a table have one name: a row could keep only one of their cells."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RowError(f"two columns have one name: {quoted(twice)}")


def quoted(names: Sequence[str], most: int = 12) -> str:
    """Names for a message, quoted, at most `most` of them."""
    shown = ", ".join(repr(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown or "none"
