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
    """What is kept; nothing where nothing was ever put, or where a row is not as it was written."""
    if not journal.is_file():
        return []
    db = sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return [(key, json.loads(value)) for key, value in db.execute("SELECT key, value FROM facts")]
    except (sqlite3.Error, ValueError, TypeError):
        return []
    finally:
        db.close()
