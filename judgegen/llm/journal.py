"""The journal of a run: one SQLite file with every answered call, and the prompts and templates as they were read.

One writer thread commits in groups without a timer: whatever landed while the last commit was being written goes into
the next, so a slow disk means bigger groups and a lone call waits for nobody. WAL, `synchronous=FULL`: when `append`
returns the answer is on disk. A file lock keeps a second run out. Memory does not grow with the journal.

Knows nothing of providers, prices or what the answers mean.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from judgegen.errors import JournalError
from judgegen.llm.calls import Call, Outcome, Usage, canonical_json, outcome_from_dict, outcome_to_dict

NAME = "journal.sqlite"
VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id TEXT PRIMARY KEY, role TEXT NOT NULL, prompt_id TEXT NOT NULL, variant TEXT NOT NULL,
    request TEXT NOT NULL, outcome TEXT NOT NULL, usage TEXT NOT NULL, cost TEXT,
    timings TEXT NOT NULL, attempts INTEGER NOT NULL, "when" TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS prompts (position INTEGER PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS texts (name TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS intents (
    id TEXT PRIMARY KEY, call_id TEXT NOT NULL, worst TEXT NOT NULL, "when" TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """How an answer came: wall seconds from sending to landing (None: by batch), and the requests it took."""

    seconds: float | None
    attempts: int


@dataclass(slots=True)
class _Entry:
    """Statements that go into one transaction, and who waits for it."""

    statements: list[tuple[str, tuple[Any, ...]]]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


class Journal:
    """The journal in `folder`, locked for this process. Use as a context manager.

    Raises:
        JournalError: another run holds it, it is damaged, or it is of another version.
    """

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        path = folder / NAME
        if not create and not path.is_file():
            raise JournalError(
                f"{folder}: no {NAME} here; give the folder of a run (`judgegen run FILE --out {folder}`)"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = FileLock(str(path) + ".lock", timeout=0, thread_local=False)
        self._take_lock()
        try:
            self._db = self._open()
        except sqlite3.Error as error:
            self._lock.release()
            raise _damaged(path, error) from None
        except JournalError:
            self._lock.release()
            raise
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._intents: dict[str, str] = {}

    def _take_lock(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise JournalError(
                f"{self.path}: another run is writing here; wait for it or choose another --out"
            ) from None

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None)
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, VERSION):
            db.close()
            raise JournalError(
                f"{self.path}: journal version {found}, this judgegen reads {VERSION}; use the one that wrote it"
            )
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version={VERSION}")
        return db

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit what is queued, fold the WAL into the file, let go of the lock."""
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join()
            self._writer = None
        with suppress(sqlite3.Error):  # a damaged file was already reported by whoever met it
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        self._lock.release()

    def get(self, call_id: str) -> Outcome | None:
        """The answer to this call, None where it has none yet."""
        try:
            row = self._db.execute('SELECT outcome, usage, cost, "when" FROM calls WHERE id = ?', (call_id,)).fetchone()
        except sqlite3.Error as error:
            raise _damaged(self.path, error) from None
        return None if row is None else _outcome(*row)

    async def append(self, call: Call, outcome: Outcome, landing: Landing) -> Outcome:
        """Keep an answer; returns it, dated, when it is on disk. The first answer to a call is the one that stays.

        Raises:
            JournalError: it could not be written (disk full, file damaged); the answer is lost with this process.
        """
        when = _now()
        insert = ("INSERT OR IGNORE INTO calls VALUES (?,?,?,?,?,?,?,?,?,?,?)", _row(call, outcome, landing, when))
        await self._commit([insert, *self._forget(call)])
        return replace(outcome, day=when[:10])

    async def intend(self, call: Call, worst: Decimal) -> None:
        """Keep that `call` is about to be sent and may cost `worst` USD, so that a crash cannot hide what was spent.

        Each sending is an intent of its own: one that is never heard of again stays when the next one is answered.
        """
        self._intents[call.id] = intent = uuid.uuid4().hex
        await self._commit([("INSERT INTO intents VALUES (?,?,?,?)", (intent, call.id, format(worst, "f"), _now()))])

    async def forget(self, call: Call) -> None:
        """The call that was intended was certainly not billed."""
        await self._commit(self._forget(call))

    def _forget(self, call: Call) -> list[tuple[str, tuple[Any, ...]]]:
        intent = self._intents.pop(call.id, None)
        return [] if intent is None else [("DELETE FROM intents WHERE id = ?", (intent,))]

    def spent(self) -> Decimal:
        """USD of all that was ever answered here, and the worst of what was sent and never heard of again."""
        rows = self._db.execute("SELECT cost FROM calls UNION ALL SELECT worst FROM intents")
        return sum((Decimal(cost) for (cost,) in rows if cost is not None), Decimal(0))

    async def _commit(self, statements: list[tuple[str, tuple[Any, ...]]]) -> None:
        loop = asyncio.get_running_loop()
        entry = _Entry(statements, loop, loop.create_future())
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
            self._writer.start()
        self._queue.put(entry)
        await entry.done

    def _write(self) -> None:
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA synchronous=FULL")
        open_ = True
        while open_:
            group, open_ = _next_group(self._queue)
            if group:
                _settle(group, _commit(db, self.path, group))
        db.close()

    def keep_prompts(
        self, rows: Iterable[Mapping[str, Any]], *, which: Callable[[int], Iterable[int]] | None = None
    ) -> int:
        """Replace the prompts by `rows`, all or none; returns how many. Whatever `rows` raises leaves the old ones.

        `which` says, of so many prompts, which are kept, as positions from 0.
        """
        count = 0
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("DELETE FROM prompts")
            for count, row in enumerate(rows, start=1):
                self._db.execute("INSERT INTO prompts VALUES (?, ?)", (count, json.dumps(row, ensure_ascii=False)))
            if which is not None:
                self._keep_only(which(count))
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        count = int(self._db.execute("SELECT COUNT(*) FROM prompts").fetchone()[0])
        self._db.execute("COMMIT")
        return count

    def _keep_only(self, positions: Iterable[int]) -> None:
        self._db.execute("CREATE TEMP TABLE kept (position INTEGER PRIMARY KEY)")
        self._db.executemany("INSERT INTO kept VALUES (?)", ((position + 1,) for position in positions))
        self._db.execute("DELETE FROM prompts WHERE position NOT IN (SELECT position FROM kept)")
        self._db.execute("DROP TABLE kept")

    def prompts(self) -> Iterator[dict[str, Any]]:
        """The prompts in order, as they were kept."""
        for (row,) in self._db.execute("SELECT row FROM prompts ORDER BY position"):
            yield json.loads(row)

    def keep_texts(self, texts: Mapping[str, str]) -> None:
        """Keep templates and system prompts by name; a name kept before gets the new text."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?)", sorted(texts.items()))
        self._db.execute("COMMIT")

    def texts(self) -> dict[str, str]:
        """Templates and system prompts by name."""
        return dict(self._db.execute("SELECT name, text FROM texts ORDER BY name"))

    def count(self) -> int:
        """How many calls are answered."""
        return int(self._db.execute("SELECT COUNT(*) FROM calls").fetchone()[0])

    def answers(self) -> Iterator[dict[str, Any]]:
        """Per call what an estimate learns from: role, model, variant, draw, tokens, finish, seconds."""
        query = "SELECT role, variant, request, outcome, usage, timings FROM calls"
        for role, variant, request, outcome, usage, timings in self._db.execute(query):
            asked, answered, used = json.loads(request), json.loads(outcome), json.loads(usage)
            choices = answered.get("choices") or [{"finish": answered.get("failure", "")}]
            yield {
                "role": role,
                "variant": variant,
                "model": asked["model"],
                "draw": asked["draw"],
                "finish": choices[0]["finish"],
                "output": used["output"] / len(choices),
                "answered": len(choices[0].get("text", "")),
                "input": used["input"],
                "characters": sum(len(str(message.get("content") or "")) for message in asked["messages"]),
                "cached": used["cached"],
                "seconds": json.loads(timings)["seconds"],
            }

    def timings(self) -> Iterator[dict[str, Any]]:
        """Per call what depends on the clock and so stands in no output: id, seconds, attempts, when (UTC)."""
        for call_id, timings, attempts, when in self._db.execute('SELECT id, timings, attempts, "when" FROM calls'):
            yield {"id": call_id, **json.loads(timings), "attempts": attempts, "when": when}


def _row(call: Call, outcome: Outcome, landing: Landing, when: str) -> tuple[Any, ...]:
    return (
        call.id,
        call.tag.role,
        call.tag.prompt_id,
        call.tag.variant,
        canonical_json(call.content()),
        json.dumps(outcome_to_dict(outcome)),
        json.dumps(asdict(outcome.usage)),
        None if outcome.cost is None else format(outcome.cost, "f"),
        json.dumps({"seconds": None if landing.seconds is None else round(landing.seconds, 6)}),
        landing.attempts,
        when,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _outcome(outcome: str, usage: str, cost: str | None, when: str) -> Outcome:
    exact = None if cost is None else Decimal(cost)
    return outcome_from_dict(json.loads(outcome), Usage(**json.loads(usage)), exact, when[:10])


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


def _commit(db: sqlite3.Connection, path: Path, group: list[_Entry]) -> JournalError | None:
    try:
        db.execute("BEGIN IMMEDIATE")
        for entry in group:
            for statement, values in entry.statements:
                db.execute(statement, values)
        db.execute("COMMIT")
    except sqlite3.Error as error:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        return _damaged(path, error)
    return None


def _settle(group: list[_Entry], error: JournalError | None) -> None:
    def settle() -> None:
        for entry in group:
            if entry.done.cancelled():
                continue
            if error is None:
                entry.done.set_result(None)
            else:
                entry.done.set_exception(error)

    with suppress(RuntimeError):  # the loop is gone: nobody waits, the rows are on disk
        group[0].loop.call_soon_threadsafe(settle)


def _damaged(path: Path, error: sqlite3.Error) -> JournalError:
    return JournalError(
        f"{path}: {error}; check the disk, then `sqlite3 {path.name} .recover` saves what can be read, "
        f"or move the file away to start over"
    )
