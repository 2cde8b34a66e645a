"""A mapping of one's own: which column says what, where no list knows its name. Read, and held against the rows.

Knows nothing of what stands in the cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from judgegen.sources.columns import MAPPABLE, SIDES, VALUES, Mapped
from judgegen.sources.rows import Bad, ReadError, Row, RowError, Rows, quoted

AHEAD = 1000
"""Rows among which a mapped column is looked for before the first is read."""
_MESSAGES = ("role", "from")


def parsed_mapping(given: Mapping[str, str] | Sequence[str]) -> Mapped:
    """A mapping from `chosen=resp_good,prompt=q`, or from a table; what it may name is `MAPPABLE` and the sides.

    Raises:
        RowError: not of that shape, or a meaning that is none.
    """
    if isinstance(given, Mapping):
        pairs = [(key, str(value)) for key, value in given.items()]
    else:
        parts = [part for text in given for part in text.split(",") if part.strip()]
        if wrong := next((part for part in parts if "=" not in part), None):
            raise RowError(f"{wrong!r} is no mapping; write it like chosen=resp_good,prompt=q")
        pairs = [(key.strip(), value.strip()) for key, _, value in (part.partition("=") for part in parts)]
    allowed = (*MAPPABLE, *SIDES, *VALUES, "margin", "p_chosen", "id", "chat", "answers", "scores", "ranks", "rater")
    if wrong := next((key for key, _ in pairs if key not in allowed), None):
        raise RowError(f"{wrong!r} is nothing that a column can be mapped to; known are {quoted(allowed, 30)}")
    return tuple(sorted(pairs))


def met(rows: Rows, mapped: Mapped, *, joined: Sequence[str] = ("prompt",)) -> Rows:
    """The rows. A mapped column that none of them has is an error: without it the others would be guessed.

    The error comes before the first row where there are fewer than `AHEAD`, else in place of the end. `joined` are the
    meanings that several columns may have together, as a+b. Columns within a text are not looked for.

    Raises:
        ReadError: as said.
    """
    sought, head = _Sought(mapped, joined), list[Row | Bad]()
    try:
        while sought.columns and len(head) < AHEAD:
            head.append(next(rows))
            sought.look(head[-1])
    except StopIteration:
        sought.check()
    except ReadError as error:
        yield from head
        raise error from None
    yield from head
    for row in rows:
        sought.look(row)
        yield row
    sought.check()


class _Sought:
    """The mapped columns that no row has had so far, each with what it is to be; and the names that rows had."""

    def __init__(self, mapped: Mapped, joined: Sequence[str]) -> None:
        self.columns = {
            part: meaning
            for meaning, column in mapped
            if meaning not in VALUES
            for part in (column.split("+") if meaning in joined else (column,))
        }
        self._there: dict[str, None] = {}
        self._texts = False

    def look(self, row: Row | Bad) -> None:
        if not self.columns or not isinstance(row, Row):
            return
        if not isinstance(row.value, Mapping):
            self._texts = True
            return
        self._there |= dict.fromkeys(_names(row.value))
        firsts = (value[0] if isinstance(value, list) and value else value for value in row.value.values())
        starts = (row.value, *(value for value in firsts if isinstance(value, Mapping)))
        for column in list(self.columns):
            if column in self._there or ("." in column and any(_leads(start, column) for start in starts)):
                del self.columns[column]

    def check(self) -> None:
        """Raise ReadError where a column is left."""
        for column, meaning in self.columns.items():
            if self._there:
                hint = "".join(f"is {near!r} meant? " for near in get_close_matches(column, self._there, n=1))
                there = quoted(tuple(self._there), 30)
                raise ReadError(None, f"no row has a column {column!r} to be {meaning}; {hint}there are {there}")
            if self._texts:
                raise ReadError(None, f"the rows are texts, and have no column {column!r} to be {meaning}")


def _leads(start: Any, path: str) -> bool:
    """Whether keys of a path lead on to something."""
    for key in path.split("."):
        if not isinstance(start, Mapping) or key not in start:
            return False
        start = start[key]
    return True


def _names(row: Mapping[Any, Any]) -> Iterator[str]:
    """Of a row, and of what wraps one in it; a message's are none."""
    for name, value in row.items():
        yield str(name)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, Mapping) and not any(key in one for key in _MESSAGES):
                yield from map(str, one)
