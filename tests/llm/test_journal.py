from __future__ import annotations

import asyncio
import dataclasses
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import JournalError
from judgegen.llm.answers import Landing, row_of
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
from judgegen.llm.journal import AlteredError, Journal

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


def test_half_a_character_comes_out_as_one_that_can_be_sent_on(tmp_path: Path) -> None:
    """Older journals hold text that UTF-8 cannot; a judge must be able to be asked about it."""
    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply("\ud800"), LANDING))
        assert text_of(journal.get(call().id)) == "\ufffd"


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
    found: list[tuple[int, str]] = []

    class Watched(sqlite3.Connection):
        writes = False

        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            self.writes = self.writes or statement.startswith("BEGIN")
            return super().execute(statement, *values)

        def close(self) -> None:
            if self.writes:
                pragmas = (self.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode"))
                found.append((next(pragmas), next(pragmas)))
            super().close()

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Watched))
    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply(), LANDING))
    assert found == [(2, "wal"), (2, "wal")]


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
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db:
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


COLUMNS = ("role", "prompt_id", "variant", "request", "outcome", "usage", "cost", "timings", "attempts", "when")


def altered(folder: Path, statement: str, *values: object) -> None:
    """Change the file behind the journal's back."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db, db:
        assert db.execute(statement, values).rowcount == 1


@pytest.mark.parametrize("column", COLUMNS)
def test_an_altered_answer_is_found_and_the_rest_is_usable(column: str, tmp_path: Path) -> None:
    """Whichever column a bit flipped in, the call is named; the answer beside it is read."""
    with Journal(tmp_path) as journal:
        for number in range(2):
            asyncio.run(journal.append(call(number), reply(), LANDING))
    altered(
        tmp_path,
        f'UPDATE calls SET "{column}" = replace("{column}", substr("{column}", 1, 1), 7) WHERE id = ?',
        call().id,
    )
    with Journal(tmp_path) as journal:
        with pytest.raises(AlteredError, match=call().id) as caught:
            journal.get(call().id)
        assert caught.value.call_id == call().id
        assert text_of(journal.get(call(1).id)) == "yes"


LONG = "It depends on the river, and on who is asked. " * 20


def test_a_journal_is_text_that_anybody_can_read(tmp_path: Path) -> None:
    """What was asked and answered, however long, stands in its table as JSON; bytes in its place are found."""
    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply(LONG), LANDING))
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db:
        ((request, outcome),) = db.execute("SELECT request, outcome FROM calls")
    assert json.loads(request) == json.loads(call().canonical)
    assert json.loads(outcome) == outcome_to_dict(reply(LONG))
    altered(tmp_path, "UPDATE calls SET outcome = x'789c01'")
    with Journal(tmp_path) as journal, pytest.raises(AlteredError, match=call().id):
        journal.get(call().id)


def test_little_of_a_journal_is_empty(tmp_path: Path) -> None:
    """A call that asks and answers in 200 tokens each takes little more than its row: pages hold several such rows."""
    asked, path = ({"role": "user", "content": LONG},), tmp_path / "journal.sqlite"

    def size_with(draws: range) -> int:
        async def kept(journal: Journal) -> None:
            calls = (dataclasses.replace(call(), messages=asked, draw=draw) for draw in draws)
            await asyncio.gather(*(journal.append(one, reply(LONG), LANDING) for one in calls))

        with Journal(tmp_path) as journal:
            asyncio.run(kept(journal))
        return path.stat().st_size

    few, many = size_with(range(100)), size_with(range(100, 400))
    with closing(sqlite3.connect(path)) as db:
        columns = 'id, role, prompt_id, variant, request, outcome, usage, cost, timings, attempts, "when"'.split(", ")
        ((row,),) = db.execute(f"SELECT avg({' + '.join(f'length({name})' for name in columns)}) FROM calls")
    assert (many - few) / 300 < 1.35 * row


def test_an_altered_answer_makes_way_and_stays_paid_for(tmp_path: Path) -> None:
    """Put aside, its call can be answered again; both answers were paid."""

    async def again(journal: Journal) -> None:
        await journal.put_aside(call().id)
        assert journal.get(call().id) is None
        await journal.append(call(), reply("again"), LANDING)

    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply(), LANDING))
    altered(tmp_path, "UPDATE calls SET outcome = 'x'")
    with Journal(tmp_path) as journal:
        asyncio.run(again(journal))
        assert text_of(journal.get(call().id)) == "again"
        assert journal.spent() == 2 * Decimal("0.0000125")


def test_rows_from_before_there_were_checksums_are_taken(tmp_path: Path) -> None:
    """A journal without the table of checksums is read, its answers, prompts and texts."""
    with Journal(tmp_path) as journal:
        asyncio.run(journal.append(call(), reply(), LANDING))
        journal.keep_prompts([{"id": "a"}])
        journal.keep_texts({"t": "text"})
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db, db:
        db.execute("DROP TABLE sums")
        db.execute("DROP TABLE altered")
    with Journal(tmp_path, create=False) as journal:
        assert text_of(journal.get(call().id)) == "yes"
        assert list(journal.prompts()) == [{"id": "a"}]
        assert journal.texts() == {"t": "text"}


def test_altered_prompts_and_texts_are_found(tmp_path: Path) -> None:
    """A prompt, a template: never read as if they were what was kept."""
    with Journal(tmp_path) as journal:
        journal.keep_prompts([{"id": "a"}, {"id": "b"}])
        journal.keep_texts({"t": "text"})
    altered(tmp_path, 'UPDATE prompts SET row = \'{"id": "c"}\' WHERE position = 2')
    altered(tmp_path, "UPDATE texts SET text = 'test'")
    with Journal(tmp_path) as journal:
        with pytest.raises(AlteredError, match="prompt 2"):
            list(journal.prompts())
        with pytest.raises(AlteredError, match="'t'"):
            journal.texts()


def test_prompts_that_are_gone_are_missed(tmp_path: Path) -> None:
    """Nothing is written over good files for the want of prompts."""
    with Journal(tmp_path) as journal:
        journal.keep_prompts([{"id": "a"}, {"id": "b"}], which=lambda _: [1])
        assert list(journal.prompts()) == [{"id": "b"}]
    altered(tmp_path, "DELETE FROM prompts")
    with Journal(tmp_path) as journal, pytest.raises(AlteredError, match="0 of 1"):
        list(journal.prompts())


@pytest.mark.slow
@given(bits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=4))
def test_flipped_bits_are_never_read_as_other_answers(bits: list[tuple[float, int]]) -> None:
    """Wherever bits flip in the file: what is read is what was written, or a JournalError; no other exception."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Journal(folder) as journal:
            journal.keep_prompts([{"id": "a" * 50}])
            journal.keep_texts({"t": "text " * 50})
            for number in range(3):
                asyncio.run(journal.append(call(number), reply(f"answer {number} " * 20), LANDING))
        path = folder / "journal.sqlite"
        data = bytearray(path.read_bytes())
        for place, bit in bits:
            data[int(place * len(data))] ^= 1 << bit
        path.write_bytes(data)
        try:
            with Journal(folder) as journal:
                list(journal.timings())
                list(journal.answers())
                assert journal.texts() in ({}, {"t": "text " * 50})
                assert list(journal.prompts()) == [{"id": "a" * 50}]
                for number in range(3):
                    with suppress(AlteredError):
                        kept = journal.get(call(number).id)
                        assert kept is None or text_of(kept) == f"answer {number} " * 20
        except JournalError:
            pass


def test_prompts_are_read_in_steps_that_grow_as_they_do(tmp_path: Path) -> None:
    """Twice as many prompts take SQLite twice the steps and not four times as many: each finds its checksum by key."""
    steps: dict[int, int] = {}
    for count in (300, 600):
        with Journal(tmp_path / str(count)) as journal:
            journal.keep_prompts({"id": f"p{number}"} for number in range(count))
            ticks: list[None] = []
            journal._db.set_progress_handler(partial(ticks.append, None), 10)
            assert sum(1 for _ in journal.prompts()) == count
            steps[count] = len(ticks)
    assert steps[600] < 3 * steps[300]


@given(outcomes, st.one_of(st.none(), st.floats(0, 1e6)))
def test_a_row_holds_the_json_of_its_answer(outcome: Outcome, seconds: float | None) -> None:
    """Byte for byte what the standard library writes, however it is put together."""
    row = row_of(call(), "{}", outcome, Landing(seconds=seconds, attempts=1), "")
    assert row[5] == json.dumps(outcome_to_dict(outcome))
    assert row[8] == json.dumps({"seconds": None if seconds is None else round(seconds, 6)})


def test_an_answer_is_dated_by_the_moment_of_its_landing(tmp_path: Path) -> None:
    """In UTC, to the millisecond, as ISO 8601 has it."""
    with Journal(tmp_path) as journal:
        before = datetime.now(UTC)
        asyncio.run(journal.append(call(), reply(), LANDING))
        (timing,) = journal.timings()
    when = datetime.fromisoformat(timing["when"])
    assert timing["when"] == when.isoformat(timespec="milliseconds")
    assert before - timedelta(milliseconds=1) <= when <= datetime.now(UTC)


def test_prompts_that_are_being_read_hold_nothing_up(tmp_path: Path) -> None:
    """What is appended meanwhile is found, and goes out of the log; every prompt comes once, in its place."""
    with Journal(tmp_path) as journal:
        journal.keep_prompts({"id": str(number)} for number in range(1_000))
        prompts = journal.prompts()
        read = [next(prompts)]
        for number in range(3):
            asyncio.run(journal.append(call(number), reply(), LANDING))
        assert journal.get(call(0).id) is not None
        with closing(sqlite3.connect(journal.path)) as db:
            assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        read += prompts
        assert [row["id"] for row in read] == [str(number) for number in range(1_000)]
