"""Whoever waits for a commit is told how it ended, whatever ends it."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from judgegen.errors import JournalError
from judgegen.llm.commits import Commits

INSERT = "INSERT INTO kept VALUES (?)"


@contextmanager
def opened(tmp_path: Path) -> Iterator[Commits]:
    path = tmp_path / "some.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE kept (text TEXT)")
    db.close()
    commits = Commits(path)
    yield commits
    commits.close()


def kept(tmp_path: Path) -> list[str]:
    db = sqlite3.connect(tmp_path / "some.sqlite")
    rows = [row[0] for row in db.execute("SELECT text FROM kept ORDER BY rowid")]
    db.close()
    return rows


def committed(commits: Commits, *texts: str) -> list[BaseException | None]:
    """How each commit ended, all of them at once."""

    async def main() -> list[BaseException | None]:
        async with asyncio.timeout(20):
            return await asyncio.gather(
                *(commits.commit([(INSERT, (text,))]) for text in texts), return_exceptions=True
            )

    return asyncio.run(main())


def test_nobody_fails_for_anothers_fault(tmp_path: Path) -> None:
    """A text that cannot be kept, which is no error of SQLite's, fails alone; those beside it are on disk."""
    with opened(tmp_path) as commits:
        ends = committed(commits, "a", "\ud800", "b", "c")
        assert [type(end) for end in ends] == [type(None), JournalError, type(None), type(None)]
        assert kept(tmp_path) == ["a", "b", "c"]


def test_nobody_waits_for_a_thread_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the writer, those in its hands, in its queue and those to come are told."""

    def broken(self: Commits, group: object) -> None:
        raise MemoryError

    with opened(tmp_path) as commits:
        monkeypatch.setattr(Commits, "_commit", broken)
        assert {type(end) for end in committed(commits, *"abcdef")} == {JournalError}
        assert {type(end) for end in committed(commits, "g")} == {JournalError}


def test_the_files_it_needs_are_open_before_there_is_anything_to_lose(tmp_path: Path) -> None:
    """A process that may open nothing more still commits."""
    with opened(tmp_path) as commits:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        loop = asyncio.new_event_loop()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            loop.run_until_complete(commits.commit([(INSERT, ("a",))]))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            loop.close()
        assert kept(tmp_path) == ["a"]


def test_a_disk_without_room_says_so_and_later_room_is_used(tmp_path: Path) -> None:
    """The message speaks of the disk; the next commit is tried again."""
    with opened(tmp_path) as commits:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
            (failed,) = committed(commits, "a" * 100_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert isinstance(failed, JournalError)
        assert "disk" in str(failed)
        assert committed(commits, "b") == [None]


def test_closing_commits_what_is_queued_and_ends_the_thread(tmp_path: Path) -> None:
    """After it nothing is taken, and nobody is left waiting."""
    with opened(tmp_path) as commits:
        assert committed(commits, "a") == [None]
        commits.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "journal"]
        assert {type(end) for end in committed(commits, "b")} == {JournalError}


def test_rows_go_in_together_each_once_in_the_order_of_asking(tmp_path: Path) -> None:
    """However many ask for the same statement in one group, each row gets in once, in the order of asking."""
    rows = "INSERT INTO kept VALUES {rows}"
    with opened(tmp_path) as commits:

        async def main() -> None:
            async with asyncio.timeout(20):
                await asyncio.gather(*(commits.commit([(rows, (str(n),)), (INSERT, (f"+{n}",))]) for n in range(150)))

        asyncio.run(main())
        found = kept(tmp_path)
        assert [int(text) for text in found if text[0] != "+"] == list(range(150))
        assert [int(text[1:]) for text in found if text[0] == "+"] == list(range(150))


def test_nobody_fails_for_anothers_row(tmp_path: Path) -> None:
    """A row that cannot be kept fails alone, though it was to go in with others."""
    with opened(tmp_path) as commits:

        async def main() -> list[BaseException | None]:
            texts = ["a", "\ud800", "b"]
            asked = (commits.commit([("INSERT INTO kept VALUES {rows}", (text,))]) for text in texts)
            return await asyncio.gather(*asked, return_exceptions=True)

        assert [type(end) for end in asyncio.run(main())] == [type(None), JournalError, type(None)]
        assert kept(tmp_path) == ["a", "b"]
