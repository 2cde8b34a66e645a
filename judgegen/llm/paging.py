"""Rows of a table in the order of their positions, some at a time.

A query that stays open as long as a run keeps SQLite from moving what was written out of the write-ahead log, which
came to 20 KB a call, and lets its connection see nothing that was written since. Knows nothing of what rows are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

AT_ONCE = 256


def paged(db: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of `query`, whose first column is `position`, from 1, and which has no condition and no order yet."""
    last, page = 0, f"{query} WHERE position > ? ORDER BY position LIMIT {AT_ONCE}"
    while rows := db.execute(page, (last,)).fetchall():
        yield from rows
        last = rows[-1][0]
