"""The journal of a run: one SQLite file with every answered call, and the prompts and templates as they were read.

WAL, `synchronous=FULL`: when `append` returns the answer is on disk. A file lock keeps a second run out. Every row has
a checksum, so that a bit that flipped is found and named; rows written before there were any are taken as they are.
Memory does not grow with the journal.

Knows nothing of providers, prices or what the answers mean.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from judgegen.errors import JournalError, Unanswered
from judgegen.llm.answers import Landing, learned, outcome_of, row_of
from judgegen.llm.calls import PROBE, Call, Outcome, digest, landed
from judgegen.llm.commits import Commits, Statements, connected, unlocked, unwritten, version
from judgegen.llm.paging import paged
from judgegen.llm.quoting import Quotable
from judgegen.llm.schema import ASKED, TABLES
from judgegen.textual import parsed

NAME = "journal.sqlite"
VERSION = 1
_CALL, _PROMPT, _TEXT, _COUNT = "call", "prompt", "text", "count"
_SUM = "INSERT OR REPLACE INTO sums VALUES (?,?,?)"
_INSERT = "INSERT OR IGNORE INTO calls VALUES {rows}"
_SUMMED_FIRST = (
    "INSERT OR IGNORE INTO sums SELECT * FROM (VALUES {rows}) WHERE NOT EXISTS (SELECT 1 FROM calls WHERE id = column2)"
)
_SUMMED_ONE = "SELECT calls.*, sum FROM calls LEFT JOIN sums ON kind = 'call' AND name = id WHERE id = ?"


class AlteredError(JournalError):
    """A row is not as it was written; `call_id` is the call whose answer it holds, None where it is no answer."""

    def __init__(self, message: str, call_id: str | None = None) -> None:
        super().__init__(message)
        self.call_id = call_id


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
            with self._using():
                self._db = self._open()
                self._troubled = bool(self._db.execute("SELECT EXISTS (SELECT 1 FROM troubles)").fetchone()[0])
                self._viewless = not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'asked'").fetchone()
                self._commits = Commits(path)
        except JournalError:
            self._lock.release()
            raise
        self._intents: dict[str, str] = {}
        self._quotable = Quotable()

    @contextmanager
    def _using(self) -> Iterator[None]:
        """What SQLite says within is said in words, with the mend."""
        try:
            yield
        except sqlite3.Error as error:
            raise unwritten(self.path, error) from None
        except UnicodeDecodeError:  # SQLite quotes what is not as it was written, and Python cannot read that
            raise unwritten(self.path, sqlite3.DatabaseError("malformed database")) from None

    def _take_lock(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise JournalError(
                f"{self.path}: another run is writing here; wait for it or choose another --out"
            ) from None
        except (OSError, NotImplementedError) as error:
            raise unlocked(self.path, error) or error from None

    def _open(self) -> sqlite3.Connection:
        found = version(self.path)
        if found not in (0, VERSION):
            raise JournalError(
                f"{self.path}: journal version {found}, this judgegen reads {VERSION}; use the one that wrote it"
            )
        db = connected(self.path)
        db.executescript(TABLES)
        if found != VERSION:  # whoever only reads leaves every byte as it is
            db.execute(ASKED)
            db.execute(f"PRAGMA user_version={VERSION}")
        db.text_factory = _readable
        return db

    @classmethod
    @contextmanager
    def if_any(cls, folder: Path) -> Iterator[Self | None]:
        """The journal in `folder`, None where there is none."""
        if not (folder / NAME).is_file():
            yield None
            return
        with cls(folder, create=False) as journal:
            yield journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def held(self) -> FileLock:
        """Keeps everybody else out until its block ends, though this is closed by then."""
        return self._lock

    def close(self) -> None:
        """Commit what is queued, fold the WAL into the file, let go of the lock."""
        self._commits.close()
        with suppress(sqlite3.Error):  # a damaged file was already reported by whoever met it
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        self._lock.release()

    def get(self, call_id: str) -> Outcome | None:
        """The answer to this call, None where it has none yet.

        Raises:
            AlteredError: there is one, and it is not as it was written.
        """
        try:
            row = self._db.execute(_SUMMED_ONE, (call_id,)).fetchone()
        except (sqlite3.Error, UnicodeDecodeError):
            with self._using():
                raise
        if row is None:
            return None
        *columns, written = row
        _, role, prompt, *_, usage, cost, _, _, when = columns
        with suppress(ValueError, KeyError, TypeError, InvalidOperation):
            if written in (None, digest(columns, size=8)):
                outcome = outcome_of(columns[5], usage, cost, when)
                self._quotable.heard(prompt, call_id, outcome)
                return outcome
        raise AlteredError(
            f"{self.path}: the answer to call {call_id} ({role}, prompt {prompt!r}) is not as it was written; "
            f"check the disk; `judgegen run` asks that call again",
            call_id,
        )

    async def append(self, call: Call, outcome: Outcome, landing: Landing) -> Outcome:
        """Keep an answer; returns it, dated, when it is on disk. The first answer to a call is the one that stays.

        Raises:
            JournalError: it could not be written (disk full, file damaged); the answer is lost with this process.
        """
        when = _now()
        row = row_of(call, asked := self._quotable.marked(call), outcome, landing, when)
        self._quotable.heard(call.tag.prompt_id, call.id, outcome)
        kept: Statements = [(_SUMMED_FIRST, (_CALL, call.id, digest(row, size=8))), (_INSERT, row)]
        if self._viewless and "«" in asked:
            kept.append((ASKED, ()))
        if self._troubled:
            kept.append(("DELETE FROM troubles WHERE call_id = ?", (call.id,)))
        await self._commits.commit([*kept, *self._forget(call)])
        self._viewless = self._viewless and "«" not in asked
        return landed(outcome, outcome.cost, when[:10])

    async def lost(self, call: Call, trouble: Unanswered) -> None:
        """Keep why `call` has no answer now, so that whoever writes the outputs again says it too."""
        self._troubled = True
        values = (call.id, trouble.reason, str(trouble))
        await self._commits.commit([("INSERT OR REPLACE INTO troubles VALUES (?,?,?)", values)])

    def trouble(self, call_id: str) -> Unanswered:
        """Why this call has no answer: what was met when it was last asked, or that it never was."""
        with self._using():
            query = "SELECT reason, message FROM troubles WHERE call_id = ?"
            row = self._db.execute(query, (call_id,)).fetchone()
        return Unanswered("not asked yet") if row is None else Unanswered(row[1], reason=row[0])

    async def put_aside(self, call_id: str) -> None:
        """Take an altered answer out of the way of another; what it cost still counts as spent."""
        moved: Statements = [
            ("INSERT INTO altered SELECT * FROM calls WHERE id = ?", (call_id,)),
            ("DELETE FROM calls WHERE id = ?", (call_id,)),
            ("DELETE FROM sums WHERE kind = ? AND name = ?", (_CALL, call_id)),
        ]
        await self._commits.commit(moved)

    async def intend(self, call: Call, worst: Decimal) -> None:
        """Keep that `call` is about to be sent and may cost `worst` USD, so that a crash cannot hide what was spent.

        Each sending is an intent of its own: one that is never heard of again stays when the next one is answered.
        """
        self._intents[call.id] = await self.doubt(call, worst)

    async def doubt(self, call: Call, worst: Decimal) -> str:
        """Keep that `call` was sent and may have been billed up to `worst` USD, whatever comes of it later."""
        intent = uuid.uuid4().hex
        values = (intent, call.id, format(worst, "f"), _now())
        await self._commits.commit([("INSERT INTO intents VALUES (?,?,?,?)", values)])
        return intent

    async def forget(self, call: Call) -> None:
        """The call that was intended was certainly not billed."""
        await self._commits.commit(self._forget(call))

    def _forget(self, call: Call) -> Statements:
        intent = self._intents.pop(call.id, None)
        return [] if intent is None else [("DELETE FROM intents WHERE id = ?", (intent,))]

    def spent(self) -> Decimal:
        """USD of all that was ever answered here, and the worst of what was sent and never heard of again."""
        return self._sum(
            "SELECT cost FROM calls UNION ALL SELECT cost FROM altered UNION ALL SELECT worst FROM intents"
        )

    def unheard(self) -> tuple[int, Decimal]:
        """Of requests that were sent and never answered, and may have been billed: how many, and USD at most."""
        with self._using():
            count = int(self._db.execute("SELECT COUNT(*) FROM intents").fetchone()[0])
        return count, self._sum("SELECT worst FROM intents")

    def probed(self) -> tuple[int, Decimal]:
        """Of a probe's calls: how many are answered, and USD that they cost."""
        with self._using():
            count = self._db.execute("SELECT COUNT(*) FROM calls WHERE prompt_id = ?", (PROBE,)).fetchone()[0]
        return int(count), self._sum("SELECT cost FROM calls WHERE prompt_id = ?", PROBE)

    def _sum(self, query: str, *values: str) -> Decimal:
        try:
            with self._using():
                rows = self._db.execute(query, values)
                return sum((Decimal(cost) for (cost,) in rows if cost is not None), Decimal(0))
        except InvalidOperation:
            raise AlteredError(f"{self.path}: a cost is not as it was written; check the disk") from None

    def keep_prompts(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        which: Callable[[int], Iterable[int]] | None = None,
        takes: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> int:
        """Replace the prompts by `rows`, all or none; returns how many. Whatever `rows` raises leaves the old ones.

        `which` says, of so many prompts, which are kept, as positions from 0; `takes` says it of a row. What is kept
        keeps its position among all.
        """
        with self._using(), self._all_or_none():
            self._db.execute("DELETE FROM prompts")
            self._db.execute("DELETE FROM sums WHERE kind IN (?,?)", (_PROMPT, _COUNT))
            count = 0
            for count, row in enumerate(rows, start=1):
                if takes is not None and not takes(row):
                    continue
                text = json.dumps(row, ensure_ascii=False)
                self._db.execute("INSERT INTO prompts VALUES (?, ?)", (count, text))
                self._db.execute(_SUM, (_PROMPT, count, digest(text, size=8)))
            if which is not None:
                self._keep_only(which(count))
            count = int(self._db.execute("SELECT COUNT(*) FROM prompts").fetchone()[0])
            self._db.execute(_SUM, (_COUNT, _PROMPT, str(count)))
        return count

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _keep_only(self, positions: Iterable[int]) -> None:
        self._db.execute("CREATE TEMP TABLE kept (position INTEGER PRIMARY KEY)")
        self._db.executemany("INSERT INTO kept VALUES (?)", ((position + 1,) for position in positions))
        self._db.execute("DELETE FROM prompts WHERE position NOT IN (SELECT position FROM kept)")
        self._db.execute("DROP TABLE kept")

    def prompts(self) -> Iterator[dict[str, Any]]:
        """The prompts in order, as they were kept.

        Raises:
            AlteredError: one is not as it was kept, or some are missing.
        """
        count, mend = 0, "`judgegen run` with its run file puts the prompts right"
        summed = "FROM prompts LEFT JOIN sums ON kind = 'prompt' AND name = +position"  # with a plus the index serves
        with self._using():
            for position, row, written in paged(self._db, f"SELECT position, row, sum {summed}"):
                if written not in (None, digest(row, size=8)):
                    raise AlteredError(f"{self.path}: prompt {position} is not as it was kept; check the disk; {mend}")
                count += 1
                yield self._loads(row)
            known = self._db.execute("SELECT sum FROM sums WHERE kind = ? AND name = ?", (_COUNT, _PROMPT)).fetchone()
        if (known is not None and known[0] != str(count)) or (not count and self.count()):
            of = "" if known is None else f" of {known[0]}"
            raise AlteredError(f"{self.path}: {count}{of} prompts are here and the others are gone; {mend}")

    def _loads(self, text: str) -> Any:
        try:
            return parsed(text)
        except (ValueError, RecursionError):
            raise AlteredError(f"{self.path}: a row is not as it was written ({text[:60]!r}); check the disk") from None

    def copied(self, folder: Path) -> None:
        """Copy all of it to `folder`, whole or not at all, unless there is a journal already."""
        if (folder / NAME).exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{NAME}.part"
        with self._using(), closing(sqlite3.connect(part)) as copy:
            self._db.backup(copy)
        part.replace(folder / NAME)

    def keep_texts(self, texts: Mapping[str, str]) -> None:
        """Keep templates and system prompts by name; a name kept before gets the new text."""
        with self._using(), self._all_or_none():
            for name, text in sorted(texts.items()):
                self._db.execute("INSERT OR REPLACE INTO texts VALUES (?, ?)", (name, text))
                self._db.execute(_SUM, (_TEXT, name, digest(text, size=8)))

    def texts(self) -> dict[str, str]:
        """Templates and system prompts by name.

        Raises:
            AlteredError: one is not as it was kept.
        """
        query = "SELECT texts.name, text, sum FROM texts LEFT JOIN sums ON kind = 'text' AND sums.name = texts.name"
        with self._using():
            rows = self._db.execute(f"{query} ORDER BY 1").fetchall()
        for name, text, written in rows:
            if written not in (None, digest(text, size=8)):
                raise AlteredError(
                    f"{self.path}: the text {name!r} is not as it was kept; check the disk; "
                    f"`judgegen run` with its run file puts it right"
                )
        return {name: text for name, text, _ in rows}

    def count(self) -> int:
        """How many calls are answered."""
        with self._using():
            return int(self._db.execute("SELECT COUNT(*) FROM calls").fetchone()[0])

    def answers(self) -> Iterator[dict[str, Any]]:
        """Per call but a probe's what an estimate learns from: role, model, variant, draw, tokens, finish, seconds."""
        query = "SELECT role, variant, request, outcome, usage, timings FROM calls WHERE prompt_id <> ?"
        with self._using():
            for row in self._db.execute(query, (PROBE,)):
                try:
                    yield learned(*row)
                except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                    raise AlteredError(f"{self.path}: an answer is not as it was written; check the disk") from None

    def timings(self) -> Iterator[dict[str, Any]]:
        """Per call what depends on the clock and so stands in no output: id, seconds, attempts, when (UTC)."""
        with self._using():
            for call_id, timings, attempts, when in self._db.execute('SELECT id, timings, attempts, "when" FROM calls'):
                yield {"id": call_id, **self._loads(timings), "attempts": attempts, "when": when}


def _readable(text: bytes) -> str:
    """Text whose bytes a flipped bit made no text is still read: its checksum tells of it."""
    return text.decode("utf-8", "replace")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
