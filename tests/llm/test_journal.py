from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import JournalError
from judgegen.llm.calls import (
    Call,
    Choice,
    Failure,
    Outcome,
    Reply,
    Tag,
    Usage,
    outcome_from_dict,
    outcome_to_dict,
)
from judgegen.llm.journal import Journal, Landing

LANDING = Landing(seconds=0.25, attempts=2)


def call(number: int = 0) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": f"question {number}"},),
        params={"max_tokens": 5},
        tag=Tag(role="sampler", prompt_id=f"p{number}", variant="v"),
    )


def reply(text: str = "yes") -> Reply:
    return Reply(choices=(Choice(text=text),), usage=Usage(input=3, output=1), model="m-1", cost=Decimal("0.0000125"))


def text_of(outcome: Outcome | None) -> str:
    assert isinstance(outcome, Reply)
    return outcome.first.text


outcomes = st.one_of(
    st.builds(
        Reply,
        choices=st.lists(st.builds(Choice, text=st.text(), finish=st.sampled_from(["stop", "length"])), min_size=1).map(
            tuple
        ),
        usage=st.builds(Usage, input=st.integers(0, 9), output=st.integers(0, 9), cached=st.integers(0, 9)),
        model=st.text(),
        cost=st.none() | st.decimals(0, 1, places=12),
    ),
    st.builds(Failure, reason=st.sampled_from(["content_filter", "too_long"]), detail=st.text()),
)


@given(outcomes)
def test_an_outcome_survives_its_json(outcome: Outcome) -> None:
    """What is read back equals what was written, failures as failures."""
    assert outcome_from_dict(outcome_to_dict(outcome), outcome.usage, outcome.cost) == outcome


def test_what_append_returned_for_is_there_after_reopening(tmp_path: Path) -> None:
    """An appended answer is read back whole by the next process, cost to the last digit."""
    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply(), LANDING))
    with Journal(tmp_path, create=False) as journal:
        kept = journal.get(call().id)
        assert isinstance(kept, Reply)
        assert dataclasses.replace(kept, day="") == reply()
        assert len(kept.day) == 10
        assert journal.get(call(1).id) is None


def test_a_lone_surrogate_survives(tmp_path: Path) -> None:
    """Text that UTF-8 cannot hold is kept as it came."""
    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply("\ud800"), LANDING))
        assert text_of(journal.get(call().id)) == "\ud800"


def test_the_first_answer_stays(tmp_path: Path) -> None:
    """A call answered twice keeps its first answer."""

    async def twice(journal: Journal) -> None:
        await journal.append(call(), reply("first"), LANDING)
        await journal.append(call(), reply("second"), LANDING)

    with Journal(tmp_path) as journal:
        asyncio.run(twice(journal))
        assert text_of(journal.get(call().id)) == "first"


def test_what_is_committed_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection, the writer's own too, has synchronous = FULL and a write-ahead log: kill -9 cannot tell."""
    found: dict[str, tuple[int, str]] = {}

    class Watched(sqlite3.Connection):
        def close(self) -> None:
            pragmas = (self.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode"))
            found[threading.current_thread().name] = (next(pragmas), next(pragmas))
            super().close()

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Watched))
    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply(), LANDING))
    assert found == {"MainThread": (2, "wal"), "journal": (2, "wal")}


def test_many_landings_at_once_are_all_kept(tmp_path: Path) -> None:
    """Group commit loses nobody."""

    async def land(journal: Journal) -> None:
        await asyncio.gather(*(journal.append(call(i), reply(str(i)), LANDING) for i in range(500)))

    with Journal(tmp_path) as journal:
        asyncio.run(land(journal))
        assert journal.count() == 500
        assert all(text_of(journal.get(call(i).id)) == str(i) for i in range(500))


def test_a_second_run_cannot_open_it(tmp_path: Path) -> None:
    """The journal has one writer; the second is told so."""
    with Journal(tmp_path), pytest.raises(JournalError, match="another run"):
        Journal(tmp_path)
    Journal(tmp_path).close()


def test_prompts_are_replaced_all_or_none(tmp_path: Path) -> None:
    """A reader that fails half-way leaves the prompts that were there."""

    def broken() -> Iterator[dict[str, str]]:
        yield {"id": "new"}
        raise ValueError("line 2")

    with Journal(tmp_path) as journal:
        assert journal.keep_prompts([{"id": "a"}, {"id": "b"}]) == 2
        with pytest.raises(ValueError, match="line 2"):
            journal.keep_prompts(broken())
        assert [row["id"] for row in journal.prompts()] == ["a", "b"]


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    """A file that is not SQLite is an error that says what to do, and the lock is let go."""
    (tmp_path / "journal.sqlite").write_bytes(b"not a database, not at all" * 100)
    for _ in range(2):
        with pytest.raises(JournalError, match="move the file away"):
            Journal(tmp_path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A journal written by another layout is not guessed at."""
    Journal(tmp_path).close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(JournalError, match="version 99"):
        Journal(tmp_path)


def test_no_journal_where_one_is_expected(tmp_path: Path) -> None:
    """Reading a folder that is no run creates nothing."""
    with pytest.raises(JournalError, match="no journal"):
        Journal(tmp_path / "nowhere", create=False)
    assert not (tmp_path / "nowhere").exists()


DYING = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_journal import call, reply, LANDING
from judgegen.llm.journal import Journal

async def land():
    journal = Journal(Path(sys.argv[1]))
    async def one(i):
        await journal.append(call(i), reply(str(i)), LANDING)
        print(i, flush=True)
    await asyncio.gather(*(one(i) for i in range(40)))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(land())
"""


def test_kill_9_loses_nothing_that_append_returned_for(tmp_path: Path) -> None:
    """Whatever was reported as kept before the kill is in the journal after it, and the lock is free."""
    script = DYING.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    kept = [int(line) for line in done.stdout.split()]
    assert done.returncode == -9, done.stderr
    assert len(kept) == 40
    with Journal(tmp_path, create=False) as journal:
        assert all(text_of(journal.get(call(i).id)) == str(i) for i in kept)


def test_any_sqlite_tool_reads_it(tmp_path: Path) -> None:
    """The columns are plain: id, role, request, outcome, usage, cost, timings, attempts, when."""
    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply(), LANDING))
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    row = db.execute('SELECT id, role, cost, attempts, "when" FROM calls').fetchone()
    db.close()
    assert row[:4] == (call().id, "sampler", "0.0000125", 2)
    assert row[4].endswith("+00:00")
