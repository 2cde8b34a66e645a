"""A copy of a journal as it is at one moment, while it is written; and whether a copy is whole.

Knows SQLite; nothing of where copies go.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from judgegen.errors import JournalError, OutputError


def answers(journal: Path) -> int:
    """How many answers are in a journal; none where there is no file."""
    if not journal.exists():
        return 0
    with closing(_opened(journal)) as db:
        return int(db.execute("SELECT COUNT(*) FROM calls").fetchone()[0])


def _opened(journal: Path) -> sqlite3.Connection:
    """A connection to a file that is there: none is made."""
    return sqlite3.connect(f"{journal.absolute().as_uri()}?mode=rw", uri=True)


def copied(journal: Path, copy: Path) -> int:
    """Write `copy`, the journal as it is at one moment while others write it; how many answers are in it.

    Raises:
        OutputError: it cannot be read, or there is no room.
    """
    copy.unlink(missing_ok=True)
    try:
        with closing(_opened(journal)) as db, closing(sqlite3.connect(copy)) as to:
            db.backup(to)
            to.execute("PRAGMA journal_mode=DELETE")
            return int(to.execute("SELECT COUNT(*) FROM calls").fetchone()[0])
    except sqlite3.Error as error:
        raise OutputError(f"{journal}: cannot be copied ({error})") from None


def check(journal: Path, where: str) -> None:
    """Nothing, where a file is a journal from its first page to its last.

    Raises:
        JournalError: it is not; `where` names it.
    """
    try:
        with closing(_opened(journal)) as db:
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise JournalError(f"{where}: is no whole journal ({found}); put one there that is, or name another --out")


def digest(path: Path) -> str:
    """What tells the bytes of a file from others."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
