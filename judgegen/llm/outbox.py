"""Calls that wait for a provider's Batch API, on disk beside the journal: collected, in a batch, or to be asked again.

Tables of the journal's own file, so that a run folder stays one unit. A batch is written down before it is submitted,
under an id of ours that travels in its metadata: a crash between the two is mended by looking for it. Knows nothing of
HTTP or of what the answers mean.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from judgegen.llm.calls import Call, Tag

MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
IN_FOLDER = "file:"
"""What stands before a file's name where batches lie in a folder, and a provider's have its id."""
MOST_TRIES = 3
"""How often a call may fail in a batch before this run leaves it to the next."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    call_id TEXT PRIMARY KEY, route TEXT NOT NULL, model TEXT NOT NULL, call TEXT NOT NULL, bytes INTEGER NOT NULL,
    tokens INTEGER NOT NULL, worst TEXT NOT NULL, batch TEXT, tries INTEGER NOT NULL DEFAULT 0, error TEXT
);
CREATE INDEX IF NOT EXISTS outbox_batch ON outbox (batch);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, route TEXT NOT NULL, model TEXT NOT NULL, provider_id TEXT, state TEXT NOT NULL,
    "when" TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch; `provider_id` is None until its submission is known of, unless its name there is ours to give."""

    id: str
    route: str
    model: str
    provider_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a call takes of a batch's limits: bytes of its line, about how many input tokens, USD at worst."""

    bytes: int
    tokens: int
    worst: Decimal


class Outbox:
    """The outbox in a journal's file. Use as a context manager, under the journal's lock."""

    def __init__(self, journal: Path) -> None:
        self._db = sqlite3.connect(journal, isolation_level=None, timeout=60)
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextmanager
    def _together(self) -> Iterator[None]:
        """What is written within is written whole or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add(self, call: Call, size: Size) -> None:
        """Keep a call until it is answered; one that is here already stays as it is."""
        self.add_all([(call, size)])

    def add_all(self, found: Iterable[tuple[Call, Size]]) -> None:
        """Keep many calls at once."""
        statement = (
            "INSERT OR IGNORE INTO outbox (call_id, route, model, call, bytes, tokens, worst) VALUES (?,?,?,?,?,?,?)"
        )
        rows = (
            (call.id, call.tag.route, call.model, _dump(call), size.bytes, size.tokens, format(size.worst, "f"))
            for call, size in found
        )
        with self._together():
            self._db.executemany(statement, rows)

    def holds(self, call_id: str) -> bool:
        """Whether the call waits here."""
        return self._db.execute("SELECT 1 FROM outbox WHERE call_id = ?", (call_id,)).fetchone() is not None

    def drop_unsent(self) -> None:
        """Forget what was collected and is in no batch: the next pass collects what it still needs."""
        self._db.execute("DELETE FROM outbox WHERE batch IS NULL AND tries = 0")

    def kinds(self) -> list[tuple[str, str]]:
        """(route, model) of the calls that are in no batch and may be tried."""
        query = "SELECT DISTINCT route, model FROM outbox WHERE batch IS NULL AND tries < ? ORDER BY route, model"
        return list(self._db.execute(query, (MOST_TRIES,)))

    def write_down(
        self,
        route: str,
        model: str,
        *,
        most_tokens: float,
        most_usd: Decimal | None,
        least: float = 0.0,
        named: Callable[[Batch], str | None] | None = None,
    ) -> Batch | None:
        """Put the next calls of this kind into a new batch, as many as the limits take; None when none fits.

        `least` is the share of them that has to fit under `most_usd`: what is fewer is not worth a batch. `named` gives
        the name that it will have there, None where whoever takes it gives one.
        """
        query = (
            "SELECT call_id, bytes, tokens, worst FROM outbox "
            "WHERE batch IS NULL AND tries < ? AND route = ? AND model = ? ORDER BY rowid LIMIT ?"
        )
        rows = self._db.execute(query, (MOST_TRIES, route, model, MOST_REQUESTS)).fetchall()
        taken = _fitting(rows, most_tokens, most_usd)
        if not taken or (len(taken) < least * len(rows) and taken != _fitting(rows, most_tokens, None)):
            return None
        batch = Batch(id=f"judgegen-{uuid.uuid4().hex}", route=route, model=model, provider_id=None)
        batch = batch if named is None else replace(batch, provider_id=named(batch))
        with self._together():
            self._db.execute(
                "INSERT INTO batches VALUES (?,?,?,?,'intended',?)",
                (batch.id, route, model, batch.provider_id, datetime.now(UTC).isoformat(timespec="seconds")),
            )
            self._db.executemany("UPDATE outbox SET batch = ? WHERE call_id = ?", [(batch.id, i) for i in taken])
        return batch

    def calls(self, batch: Batch) -> Iterator[Call]:
        """The calls of a batch, in the order of collecting."""
        for (row,) in self._db.execute("SELECT call FROM outbox WHERE batch = ? ORDER BY rowid", (batch.id,)):
            yield _load(row)

    def call(self, call_id: str) -> Call | None:
        """One waiting call."""
        row = self._db.execute("SELECT call FROM outbox WHERE call_id = ?", (call_id,)).fetchone()
        return None if row is None else _load(row[0])

    def batch_of(self, call_id: str) -> str | None:
        """Our id of the batch that a waiting call is in."""
        row = self._db.execute("SELECT batch FROM outbox WHERE call_id = ?", (call_id,)).fetchone()
        return None if row is None else row[0]

    def standing(self, batch: Batch) -> tuple[int, str, frozenset[str]]:
        """Its calls, when it was written down (ISO 8601), and the providers' ids of all other batches there were."""
        (size,) = self._db.execute("SELECT COUNT(*) FROM outbox WHERE batch = ?", (batch.id,)).fetchone()
        (when,) = self._db.execute('SELECT "when" FROM batches WHERE id = ?', (batch.id,)).fetchone()
        query = "SELECT provider_id FROM batches WHERE id != ? AND provider_id IS NOT NULL"
        return int(size), str(when), frozenset(found for (found,) in self._db.execute(query, (batch.id,)))

    def submitted(self, batch: Batch, provider_id: str) -> None:
        """The provider has it, under this id."""
        self._db.execute(
            "UPDATE batches SET provider_id = ?, state = 'submitted' WHERE id = ?", (provider_id, batch.id)
        )

    def under_way(self) -> list[Batch]:
        """Batches that were written down and are not settled."""
        query = (
            "SELECT id, route, model, provider_id FROM batches WHERE state IN ('intended', 'submitted') ORDER BY rowid"
        )
        return [Batch(id=i, route=r, model=m, provider_id=p) for i, r, m, p in self._db.execute(query)]

    def settled(self, batch: Batch, answered: Sequence[str], errors: Sequence[tuple[str, str]]) -> None:
        """The batch is over: answered calls leave, the rest waits for another, with what went wrong."""
        with self._together():
            self._db.executemany("DELETE FROM outbox WHERE call_id = ?", [(i,) for i in answered])
            self._db.executemany("UPDATE outbox SET error = ? WHERE call_id = ?", [(e, i) for i, e in errors])
            self._db.execute("UPDATE outbox SET batch = NULL, tries = tries + 1 WHERE batch = ?", (batch.id,))
            self._db.execute("UPDATE batches SET state = 'settled' WHERE id = ?", (batch.id,))

    def answered(self, call_ids: Sequence[str]) -> None:
        """These calls wait no more, whichever batch they are in."""
        with self._together():
            self._db.executemany("DELETE FROM outbox WHERE call_id = ?", [(i,) for i in call_ids])

    def withdrawn(self, batch: Batch) -> None:
        """The batch never came to be; its calls wait for another and have not failed."""
        with self._together():
            self._db.execute("UPDATE outbox SET batch = NULL WHERE batch = ?", (batch.id,))
            self._db.execute("DELETE FROM batches WHERE id = ?", (batch.id,))

    def try_again(self) -> None:
        """A new invocation gives calls that failed too often another chance."""
        self._db.execute("UPDATE outbox SET tries = 0 WHERE batch IS NULL AND tries >= ?", (MOST_TRIES,))

    def why(self) -> str:
        """What most of the calls that were given up failed with, in the provider's words."""
        query = (
            "SELECT error FROM outbox WHERE batch IS NULL AND tries >= ? GROUP BY error ORDER BY COUNT(*) DESC, error"
        )
        row = self._db.execute(f"{query} LIMIT 1", (MOST_TRIES,)).fetchone()
        return "" if row is None or row[0] is None else str(row[0])

    def waiting(self) -> dict[str, Any]:
        """Calls with the provider, to be sent, given up for now; and USD at worst with the provider."""
        sent, unsent, lost = self._db.execute(
            "SELECT COUNT(batch), SUM(batch IS NULL AND tries < ?), SUM(batch IS NULL AND tries >= ?) FROM outbox",
            (MOST_TRIES, MOST_TRIES),
        ).fetchone()
        worst = self._db.execute("SELECT worst FROM outbox WHERE batch IS NOT NULL")
        return {
            "with_provider": sent,
            "unsent": unsent or 0,
            "given_up": lost or 0,
            "worst": sum((Decimal(w) for (w,) in worst), Decimal(0)),
        }


def _fitting(rows: Sequence[tuple[str, int, int, str]], most_tokens: float, most_usd: Decimal | None) -> list[str]:
    """The first calls that together stay within bytes, tokens and USD; a call too large for the tokens goes alone."""
    taken: list[str] = []
    room, tokens_left, usd_left = MOST_BYTES, most_tokens, most_usd
    for call_id, size, tokens, worst in rows:
        room, tokens_left = room - size, tokens_left - tokens
        usd_left = None if usd_left is None else usd_left - Decimal(worst)
        if (taken and (room < 0 or tokens_left < 0)) or (usd_left is not None and usd_left < 0):
            break
        taken.append(call_id)
    return taken


def _dump(call: Call) -> str:
    return json.dumps({**call.content(), "tag": asdict(call.tag), "wishes": sorted(call.wishes), "room": call.room})


def _load(text: str) -> Call:
    row = json.loads(text)
    return Call(
        endpoint=row["endpoint"],
        model=row["model"],
        messages=tuple(row["messages"]),
        params=row["params"],
        draw=row["draw"],
        tag=Tag(**row["tag"]),
        wishes=frozenset(row["wishes"]),
        room=row.get("room", 0),
    )
