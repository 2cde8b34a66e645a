"""How a run stands, seen from beside it: read from its journal while another process writes there. Changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm.journal import NAME
from judgegen.llm.outbox import IN_FOLDER
from judgegen.show.words import duration, money
from judgegen.writer.money import total

LATELY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStanding:
    """A batch that the run waits for, as its journal has it: what the provider makes of it is known to the provider.

    Attributes:
        provider_id: its name there, "file:" and a name for a file in a folder; None where it is not known that it was
            submitted.
        calls: how many wait in it.
        waited_s: seconds since it was written down.
    """

    endpoint: str
    model: str
    provider_id: str | None
    calls: int
    waited_s: float

    @property
    def in_folder(self) -> bool:
        """Whether it is a file that somebody answers, and with no provider."""
        return self.provider_id is not None and self.provider_id.startswith(IN_FOLDER)

    def line(self) -> str:
        """In words."""
        name = (self.provider_id or "being submitted").removeprefix(IN_FOLDER)
        calls = "1 call" if self.calls == 1 else f"{self.calls:,} calls"
        return f"{calls} of {self.model} at {self.endpoint}, for {duration(self.waited_s)}: {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the journal holds by now.

    Attributes:
        prompts: of the run as it was started; `begun`: those with an answer.
        calls: answers by role; `again`: requests beyond one per answer.
        usd: None where an answer's price is not known; `cap`: None without one.
        lately: answers in the last minute.
        quiet_s: seconds since the last answer; None before the first.
        batches: those that the run waits for; `fetched` are taken in.
        unsent: calls that are collected and in no batch yet.
    """

    prompts: int
    begun: int
    calls: dict[str, int]
    again: int
    usd: Decimal | None
    cap: Decimal | None
    lately: int
    quiet_s: float | None
    batches: tuple[BatchStanding, ...] = ()
    fetched: int = 0
    unsent: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        amounts = {name: None if v is None else f"{v:f}" for name, v in (("usd", self.usd), ("cap", self.cap))}
        rest = ("prompts", "begun", "calls", "again", "lately", "quiet_s", "fetched", "unsent")
        batches = [asdict(batch) for batch in self.batches]
        return {**{name: getattr(self, name) for name in rest}, "batches": batches, **amounts}

    def lines(self) -> Iterator[str]:
        """In words."""
        counted = ", ".join(f"{count:,} {role}" for role, count in sorted(self.calls.items())) or "none yet"
        again = f"; {self.again:,} requests sent again" if self.again else ""
        yield f"{self.begun:,} of {self.prompts:,} prompts begun; answers: {counted}{again}"
        spent = "spend not known" if self.usd is None else f"{money(self.usd)} spent"
        yield spent if self.cap is None else f"{spent}, of ${self.cap:f} at most"
        if self.quiet_s is None:
            yield "no answer yet"
        else:
            yield f"{self.lately:,} answers in the last minute; the last one {duration(self.quiet_s)} ago"
        yield from self._batched()

    def _batched(self) -> Iterator[str]:
        files = [batch for batch in self.batches if batch.in_folder]
        away = [batch for batch in self.batches if not batch.in_folder]
        yield from _standing(away, "batch with its provider", "batches with their provider")
        yield from _standing(files, "file waits for its answers", "files wait for their answers")
        if self.fetched:
            yield f"{self.fetched:,} taken in before"
        if self.unsent:
            yield f"{self.unsent:,} collected, in no batch yet"
        if away:
            yield "the command that began the run fetches what is done; with --wait it stays until all is"
        if files:
            yield "the command that began the run takes in what was answered"


def _standing(batches: list[BatchStanding], one: str, many: str) -> Iterator[str]:
    """So many batches of a kind, each on a line of its own; nothing where there are none."""
    if batches:
        yield f"{len(batches):,} {one if len(batches) == 1 else many}"
    yield from (f"  {batch.line()}" for batch in batches)


def status(folder: Path, cap: Decimal | None, now: datetime | None = None) -> Status:
    """How the run in `folder` stands.

    Raises:
        SpecError: there is no journal, or it cannot be read.
    """
    path = folder / NAME
    if not path.is_file():
        raise SpecError(f"{path}: not there; a run folder has its journal from its first call on")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute('SELECT role, prompt_id, cost, attempts, "when" FROM calls').fetchall()
            prompts = {name for (name,) in db.execute("SELECT json_extract(row, '$.id') FROM prompts")}
            batched = _batched(db)
    except sqlite3.Error as error:
        raise SpecError(f"{path}: cannot be read ({error})") from None
    at = datetime.now(UTC) if now is None else now
    ages = [(at - datetime.fromisoformat(when)).total_seconds() for *_, when in rows]
    roles, asked = [role for role, *_ in rows], {prompt for _, prompt, *_ in rows}
    return Status(
        prompts=len(prompts),
        begun=len(asked & prompts if prompts else asked),
        calls={role: roles.count(role) for role in sorted(set(roles))},
        again=sum(attempts - 1 for *_, attempts, _ in rows),
        usd=total(None if cost is None else Decimal(cost) for _, _, cost, _, _ in rows),
        cap=cap,
        lately=sum(age <= LATELY_S for age in ages),
        quiet_s=max(0.0, min(ages)) if ages else None,
        batches=tuple(
            BatchStanding(
                endpoint=route,
                model=model,
                provider_id=name,
                calls=calls,
                waited_s=max(0.0, (at - datetime.fromisoformat(when)).total_seconds()),
            )
            for route, model, name, state, when, calls in batched.rows
            if state != "settled"
        ),
        fetched=sum(state == "settled" for *_, state, _, _ in batched.rows),
        unsent=batched.unsent,
    )


@dataclass(frozen=True, slots=True)
class _Batched:
    """Every batch (endpoint, model, name there, state, when, calls), and the calls that are in none."""

    rows: tuple[tuple[str, str, str | None, str, str, int], ...] = ()
    unsent: int = 0


def _batched(db: sqlite3.Connection) -> _Batched:
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'batches'").fetchone():
        return _Batched()
    rows = db.execute(
        'SELECT route, model, provider_id, state, "when", (SELECT count(*) FROM outbox WHERE batch = batches.id) '
        "FROM batches ORDER BY rowid"
    ).fetchall()
    return _Batched(tuple(rows), db.execute("SELECT count(*) FROM outbox WHERE batch IS NULL").fetchone()[0])
