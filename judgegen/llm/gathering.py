"""Several journals become one: what each holds is copied into another, and copying it again changes nothing.

Knows the tables; nothing of why a run was in parts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from judgegen.llm.commits import connected, unwritten
from judgegen.llm.journal import Journal

_COPY = (
    ("calls", "INSERT OR REPLACE INTO main.calls SELECT * FROM part.calls"),
    ("prompts", "INSERT OR REPLACE INTO main.prompts SELECT * FROM part.prompts"),
    ("texts", "INSERT OR REPLACE INTO main.texts SELECT * FROM part.texts"),
    ("intents", "INSERT OR REPLACE INTO main.intents SELECT * FROM part.intents"),
    ("sums", "INSERT OR REPLACE INTO main.sums SELECT * FROM part.sums"),
    ("troubles", "INSERT OR REPLACE INTO main.troubles SELECT * FROM part.troubles"),
    ("facts", "INSERT OR REPLACE INTO main.facts SELECT * FROM part.facts"),
    ("altered", "INSERT INTO main.altered SELECT * FROM part.altered EXCEPT SELECT * FROM main.altered"),
)
"""Tables, as they are copied. Those that an older or a shorter run never made are made as it made them."""
_PAID_TWICE = (
    "INSERT INTO main.altered SELECT theirs.* FROM part.calls AS theirs JOIN main.calls AS ours USING (id) "
    'WHERE theirs."when" <> ours."when" EXCEPT SELECT * FROM main.altered'
)
_JOIN = (
    ("calls", _PAID_TWICE),
    ("sums", "INSERT OR IGNORE INTO main.sums SELECT * FROM part.sums WHERE kind = 'call'"),
    ("calls", "INSERT OR IGNORE INTO main.calls SELECT * FROM part.calls"),
    ("intents", "INSERT OR IGNORE INTO main.intents SELECT * FROM part.intents"),
    ("troubles", "INSERT OR IGNORE INTO main.troubles SELECT * FROM part.troubles"),
    ("facts", "INSERT OR IGNORE INTO main.facts SELECT * FROM part.facts"),
    ("altered", "INSERT INTO main.altered SELECT * FROM part.altered EXCEPT SELECT * FROM main.altered"),
)
"""What a journal takes of another one of its run, where both went on apart."""
_COUNT = "INSERT OR REPLACE INTO sums SELECT 'count', 'prompt', CAST(COUNT(*) AS TEXT) FROM prompts"


def gather(into: Path, folders: Iterable[Path]) -> None:
    """Copy prompts (at the positions they have), texts, answers and what is known beside them into `into`'s journal.

    What stood there under the same key gives way. Each journal is locked while it is read.

    Raises:
        JournalError: one is not there, is in use or damaged, or there is no room.
    """
    with Journal(into) as whole, closing(connected(whole.path)) as db:
        for folder in folders:
            with Journal(folder, create=False) as part:
                try:
                    _copy(db, part.path)
                except sqlite3.Error as error:
                    raise unwritten(part.path, error) from None


def joined(into: Path, other: Path) -> None:
    """Copy what another journal of the same run holds into that of `into`; prompts and texts stay as they are there.

    Where both hold an answer to one call, both were paid for: the one here stays, the other counts as spent.

    Raises:
        JournalError: as `gather`.
    """
    with Journal(into) as whole, Journal(other, create=False) as part, closing(connected(whole.path)) as db:
        try:
            _copy(db, part.path, _JOIN)
        except sqlite3.Error as error:
            raise unwritten(part.path, error) from None


def _copy(db: sqlite3.Connection, part: Path, tables: Iterable[tuple[str, str]] = _COPY) -> None:
    db.execute("ATTACH ? AS part", (str(part),))
    try:
        made = dict(db.execute("SELECT name, sql FROM part.sqlite_master WHERE type = 'table'").fetchall())
        here = {name for (name,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}
        db.execute("BEGIN IMMEDIATE")
        for table, copy in tables:
            if table in made:
                if table not in here:
                    db.execute(made[table])
                db.execute(copy)
        db.execute("DELETE FROM main.troubles WHERE call_id IN (SELECT id FROM main.calls)")
        db.execute(_COUNT)
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("DETACH part")
