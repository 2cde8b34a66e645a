"""Group commit without a timer: what came while the last commit was being written goes into the next.

One thread with a connection of its own, opened before there is anything to lose. Whoever waits for a commit is told how
it ended, whatever ends the thread. Knows nothing of what the statements mean.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgegen.errors import JournalError

Statements = list[tuple[str, tuple[Any, ...]]]
ROWS = "{rows}"
"""Stands in a statement for rows of values: all who ask for the same in one group get theirs in by one statement. Each
statement is a turn of Python's lock, for which a thread waits as long as another one is busy."""
_MOST_ROWS = 64
_PAGE = 8192
"""Bytes of a page of a new file. What was asked and answered is 1 to 4 KB: of SQLite's own 4 KB a third stays empty."""
_FULL = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")
_ALONE = (
    *("SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMLOCK", "SQLITE_IOERR_LOCK"),
    *("SQLITE_IOERR_RDLOCK", "SQLITE_IOERR_UNLOCK", "SQLITE_PROTOCOL"),
)
"""What SQLite says of a file system that gives no locks, or no memory that two connections share. Where that memory's
file cannot grow (SHMSIZE, SHMOPEN) the disk is full."""
_HELD = ("SQLITE_BUSY", "SQLITE_LOCKED")
"""What it says where somebody holds the file; a file system without locks looks the same."""
_LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(slots=True)
class _Entry:
    """Statements that go into one transaction, and who waits for it."""

    statements: Statements
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


def connected(path: Path) -> sqlite3.Connection:
    """A connection that has opened every file it will ever need.

    Raises:
        sqlite3.Error: it cannot, or the file is no database.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size={_PAGE}")
        db.execute("PRAGMA temp_store=MEMORY")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        db.execute("COMMIT")
    except sqlite3.Error:
        db.close()
        raise
    except UnicodeDecodeError:  # SQLite quotes the table's text in which a bit flipped, and Python cannot read that
        db.close()
        raise sqlite3.DatabaseError("malformed database schema") from None
    return db


def version(path: Path) -> int:
    """The version that a database says it has; 0 of one that is new."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def unlocked(path: Path, error: BaseException) -> JournalError | None:
    """What to say where the file system at `path` gives no locks; None where `error` says something else."""
    if isinstance(error, NotImplementedError) or getattr(error, "errno", None) in _LOCKLESS:
        return _alone(path, error)
    return None


def _alone(path: Path, error: BaseException) -> JournalError:
    return JournalError(
        f"{path}: this file system gives no locks, or no memory that connections share ({error}), as some of networks: "
        f"a journal cannot be kept safe there; choose another --out, on a disk of this machine, and copy the folder "
        f"when the run is not running, or have it mounted with locks (docs/scale.md)"
    )


def unwritten(path: Path, error: BaseException) -> JournalError:
    """What stands between us and the file at `path`, with the mend."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(_ALONE):
        return _alone(path, error)
    if name.startswith(_HELD):
        return JournalError(
            f"{path}: {error}: another program holds it (an sqlite3 shell, a copy being made), or its file system "
            f"gives no locks; let go of it, or choose another --out on a disk of this machine, then the same command "
            f"goes on"
        )
    if not isinstance(error, sqlite3.Error):
        return JournalError(f"{path}: an answer cannot be kept ({error!r}); please report this")
    if name.startswith(_FULL):
        return JournalError(
            f"{path}: cannot be written ({error}): the disk is full, a quota is reached, or the file may not be "
            f"opened for writing; make room, then the same command goes on"
        )
    return JournalError(
        f"{path}: {error}; check the disk, then `sqlite3 {path.name} .recover` saves what can be read, "
        f"or move the file away to start over"
    )


class Commits:
    """The one writer of the database at `path`.

    Raises:
        sqlite3.Error: it cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = connected(path)
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._over = False

    async def commit(self, statements: Statements) -> None:
        """Return when `statements`, all or none, are on disk.

        Raises:
            JournalError: they are not.
        """
        if self._over:
            raise JournalError(f"{self._path}: its writer has ended; run the same command again")
        loop = asyncio.get_running_loop()
        entry = _Entry(statements, loop, loop.create_future())
        if self._thread is None:
            self._start()
        self._queue.put(entry)
        await entry.done

    def _start(self) -> None:
        thread = threading.Thread(target=self._write, name="journal", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise JournalError(
                f"{self._path}: no thread to write it with ({error}); raise the limit of threads"
            ) from None
        self._thread = thread

    def close(self) -> None:
        """Commit what is queued and end the thread."""
        self._over = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        self._db.close()

    def _write(self) -> None:
        group: list[_Entry] = []
        open_ = True
        try:
            while open_:
                group, open_ = _next_group(self._queue)
                self._commit(group)
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody may wait for a thread that is gone
            self._over = True
            _settle(group, unwritten(self._path, error))
        while not self._queue.empty():
            if (entry := self._queue.get()) is not None:
                _settle([entry], JournalError(f"{self._path}: its writer has ended; run the same command again"))

    def _commit(self, group: list[_Entry]) -> None:
        """Commit the group as one; where that fails, each by itself, so that none fails for another's fault."""
        error = self._committed(group) if group else None
        if error is None or len(group) == 1:
            _settle(group, error)
            return
        for entry in group:
            _settle([entry], self._committed([entry]))

    def _committed(self, group: list[_Entry]) -> JournalError | None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, values in _merged(group):
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - a text that UTF-8 cannot hold is no sqlite3.Error
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            return unwritten(self._path, error)
        return None


def _merged(group: Sequence[_Entry]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The statements of a group, those that take rows first, with the rows of all that ask for the same."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    others: Statements = []
    for entry in group:
        for statement, values in entry.statements:
            if ROWS in statement:
                rows.setdefault(statement, []).append(values)
            else:
                others.append((statement, values))
    for statement, every in rows.items():
        yield from _at_once(statement, every)
    yield from others


def _at_once(statement: str, rows: list[tuple[Any, ...]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """As few statements as take all the rows, in sizes that are few, so that SQLite reads each of them once."""
    marks, at, size = f"({','.join('?' * len(rows[0]))})", 0, _MOST_ROWS
    while at < len(rows):
        while size > len(rows) - at:
            size //= 2
        taken = rows[at : at + size]
        yield statement.replace(ROWS, ",".join([marks] * size)), tuple(itertools.chain.from_iterable(taken))
        at += size


def _next_group(entries: queue.SimpleQueue[_Entry | None]) -> tuple[list[_Entry], bool]:
    """Waits for one entry and takes all that is there; False once the closing mark was met."""
    group: list[_Entry] = []
    entry = entries.get()
    while entry is not None:
        group.append(entry)
        try:
            entry = entries.get_nowait()
        except queue.Empty:
            return group, True
    return group, False


def _settle(group: list[_Entry], error: JournalError | None) -> None:
    """Tell those who wait, each on its own loop; one that is gone waits no more."""
    waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for entry in group:
        waiting.setdefault(entry.loop, []).append(entry.done)
    for loop, futures in waiting.items():
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, futures, error)


def _tell(futures: list[asyncio.Future[None]], error: JournalError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
