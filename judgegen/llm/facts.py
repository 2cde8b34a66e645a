"""Facts that a run finds out and needs again, by key, in the journal's own file: what a server takes, and what it did.

A fact changes nothing in an answer's identity; one that cannot be kept is found out once more. Knows nothing of what
the facts say.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from judgegen.llm.commits import connected

_SCHEMA = "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL)"


class Facts:
    """The facts in a journal's file, under the journal's lock. Use as a context manager."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._db: sqlite3.Connection | None = None
        self._held: dict[str, Any] = dict(_rows(journal))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()

    def get(self, key: str) -> Any:
        """The value last put under this key, None where there is none."""
        return self._held.get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value under this key."""
        if self._held.get(key) == value:
            return
        self._held[key] = value
        with suppress(sqlite3.Error):  # a disk that takes nothing more is the journal's to tell of
            if self._db is None:
                self._db = connected(self._journal)
                self._db.execute(_SCHEMA)
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, json.dumps(value)))

    def under(self, start: str) -> dict[str, Any]:
        """The facts whose key begins so."""
        return {key: value for key, value in self._held.items() if key.startswith(start)}


def _rows(journal: Path) -> list[tuple[str, Any]]:
    """What is kept, without what is not as it was written."""
    found: list[tuple[str, Any]] = []
    for key, value in _read(journal, "SELECT key, value FROM facts"):
        with suppress(ValueError):
            found.append((str(key), json.loads(value)))
    return found


def _read(journal: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query; none where the file or the table is not there."""
    if not journal.is_file():
        return []
    db = sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):  # the second where a bit flipped in what SQLite says of the first
        return []
    finally:
        db.close()


def asked(journal: Path) -> set[tuple[str, str]]:
    """(endpoint's identity, model) of the answers in a journal, as far as its facts and its two ends tell."""
    found = {
        (row["endpoint"], row["model"]) for _, row in _rows(journal) if isinstance(row, dict) and "endpoint" in row
    }
    ends = "SELECT request FROM calls WHERE rowid IN (SELECT MIN(rowid) FROM calls UNION SELECT MAX(rowid) FROM calls)"
    for (request,) in _read(journal, ends):
        with suppress(ValueError, KeyError, TypeError):
            row = json.loads(request)
            found.add((row["endpoint"], row["model"]))
    return found
