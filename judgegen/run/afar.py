"""A run whose folder is at a store: kept on this machine, its journal copied there as it goes, everything at its end.

    writer.json         who is writing: one at a time, told by a mark that is removed at the end
    checkpoint.json     which copy of the journal lies beside it
    journal.sqlite      that copy, of one moment

A mark that stays is of a run that was killed: its own folder goes on with it, another machine is told. Where the copy
at the store is not the one that this folder last made or took, it is taken and joined with what is here, so that no
answer that is known anywhere is paid for again. Knows run folders and stores; nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from judgegen.errors import JournalError, JudgegenError, OutputError, SpecError
from judgegen.llm.copying import answers, check, copied, digest
from judgegen.llm.gathering import joined
from judgegen.llm.journal import NAME as JOURNAL
from judgegen.llm.stop import Stop
from judgegen.stores.store import Store
from judgegen.watch import Watch
from judgegen.writer.files import SUFFIX, write_text
from judgegen.writer.outputs import SUMMARY

T = TypeVar("T")
MARK, POINT, HERE = "writer.json", "checkpoint.json", "store.json"
EVERY_S, SHARE = 60.0, 20
"""Seconds from one copy of the journal to the next; more where a copy takes more than one in SHARE of them."""
_TAKEN, _SHARD, RUN_FILE = "taken", "shard-", "run.toml"
_LOCAL = ("journal.", HERE, MARK, POINT)
_KEPT = ("labels.jsonl", "finetune.json", "expected.jsonl", "run.log", "shard.json")
"""What a run folder holds that nothing makes again, beside its journal and its run file."""


class Afar:
    """The run folder `folder`, kept here for the one at `url`.

    Raises:
        SpecError: nothing here speaks with such a store.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.store, self.folder = Store(url), folder
        self._session = uuid.uuid4().hex
        self._sum = ""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(self.folder / f"{HERE}.lock"), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise JournalError(f"{self.folder}: another run is writing here; wait for it") from None
        try:
            yield
        finally:
            lock.release()

    def _here(self) -> dict[str, Any]:
        """What this folder remembers: its token, and which copy of the journal it last made or took."""
        with suppress(OSError, ValueError):
            found = json.loads((self.folder / HERE).read_text(encoding="utf-8"))
            if isinstance(found, dict) and {"token", "checkpoint"} <= found.keys():
                return found
        fresh = {"store": self.store.shown, "token": uuid.uuid4().hex, "checkpoint": None}
        write_text(self.folder / HERE, _json(fresh))
        return fresh

    def _read(self, name: str) -> dict[str, Any] | None:
        found = self.store.read(name)
        if found is None:
            return None
        with suppress(ValueError):
            row = json.loads(found)
            if isinstance(row, dict):
                return row
        raise JournalError(f"{self.store.shown}/{name}: is not as it was written; remove it, then run again")

    def begin(self, *, take_over: bool = False) -> str | None:
        """Mark the store as this run's, and take what it holds that is not here; what to warn of.

        Raises:
            JournalError: another run is writing there, or the copy there is damaged.
            OutputError: the store cannot be read or written.
        """
        here = self._here()
        mark = {
            "token": here["token"],
            "session": self._session,
            "machine": platform.node(),
            "pid": os.getpid(),
            "since": _now(),
            "folder": str(self.folder.resolve()),
        }
        told = self._taken_over(here, take_over=take_over)
        fresh = told is None and self.store.create(MARK, _json(mark).encode())
        if not fresh:
            if told is None:  # the mark is of this folder, whose run was killed, or another one came first
                self._taken_over(here, take_over=False)
            self.store.write(MARK, _json(mark).encode())
        self._check_ours()
        try:
            self.fetch()
        except JudgegenError:
            if fresh:
                self.leave()
            raise
        return told

    def _taken_over(self, here: dict[str, Any], *, take_over: bool) -> str | None:
        """What is lost by taking over from another writer; None where there is none, or it was in this folder."""
        mark = self._read(MARK)
        if mark is None or mark.get("token") == here["token"]:
            return None
        who = f"{mark.get('machine')} (process {mark.get('pid')}, since {mark.get('since')})"
        point = self._read(POINT)
        copy = "no copy of its journal"
        if point is not None:
            copy = f"the copy of {point.get('when')}, {point.get('answers'):,} answers"
        if take_over:
            return f"taken over from {who} with {copy}; what it asked after that is asked and paid for again"
        raise JournalError(
            f"{self.store.shown}: a run on {who} is writing there. Let it end. If it was killed, the same command "
            f"there goes on: {mark.get('folder')} on that machine holds all that was paid for. If that is gone, "
            f"--take-over goes on with {copy}; what it asked after that is asked and paid for again"
        )

    def fetch(self) -> None:
        """Take from the store what another folder added to the run, and what is not here.

        Raises:
            JournalError: the copy there is damaged.
            OutputError: it cannot be read.
        """
        here, point = self._here(), self._read(POINT)
        known = None if point is None else point.get("id")
        missing = not (self.folder / JOURNAL).exists()
        if missing or known != here["checkpoint"]:
            try:
                self._take(missing=missing)
            except FileNotFoundError:
                if known is not None:
                    raise JournalError(
                        f"{self.store.shown}: {POINT} tells of a {JOURNAL} that is not there; put it back, or remove "
                        f"{POINT} to begin with what is in {self.folder}"
                    ) from None
            write_text(self.folder / HERE, _json({**here, "checkpoint": known}))
        for name in _KEPT:
            if not (self.folder / name).exists():
                with suppress(FileNotFoundError):
                    self.store.fetch(name, self.folder / name)

    def look(self) -> None:
        """`fetch` for who only wants to know; nothing where there is no run yet."""
        if self._read(POINT) is not None:
            with self._alone():
                self.fetch()

    def bring(self) -> None:
        """Take a whole run folder, to look into it; nothing where what is here is of the same copy of its journal.

        Raises:
            SpecError: there is no run.
            JournalError, OutputError: as `fetch`.
        """
        with self._alone():
            point, known = self._read(POINT), self._here()["checkpoint"]
            if point is None:
                raise SpecError(f"{self.store.shown}: no run is there ({POINT} tells of one)")
            same = point.get("id") == known and (self.folder / SUMMARY).exists()
            self.fetch()
            for name in [] if same else filter(_goes, self.store.names()):
                self.store.fetch(name, self.folder / name)

    def bring_shards(self) -> None:
        """Take what a merge needs of the shards beside it.

        Raises:
            JournalError: one is still running.
        """
        names = {name.split("/", maxsplit=1)[0] for name in self.store.names()}
        for name in sorted(name for name in names if name.startswith(_SHARD)):
            part = Afar(f"{self.store.url}/{name}", self.folder / name)
            with part._alone():
                here = part._here()
                part._taken_over(here, take_over=False)
                part.fetch()
                if not (part.folder / RUN_FILE).exists():
                    with suppress(FileNotFoundError):
                        part.store.fetch(RUN_FILE, part.folder / RUN_FILE)

    def merged(self, work: Callable[[], T]) -> T:
        """What `work` makes of the shards that are at the store, and there as well by then.

        Raises:
            JournalError: a run is writing there.
            OutputError: the store cannot be read or written.
        """
        with self._alone():
            self.begin()
            try:
                self.bring_shards()
                done = work()
            except JudgegenError as error:
                self.leave() if error.run is None else self.end()
                error.args = (str(error).replace(str(self.folder), self.store.shown),)
                raise
            self.end()
            return done

    def _take(self, *, missing: bool) -> None:
        taken = self.folder / _TAKEN / JOURNAL
        try:
            self.store.fetch(JOURNAL, taken)
            check(taken, f"{self.store.shown}/{JOURNAL}")
            if missing:
                taken.replace(self.folder / JOURNAL)
            else:
                joined(self.folder, taken.parent)
        finally:
            for path in taken.parent.glob("*"):
                path.unlink()
            with suppress(OSError):
                taken.parent.rmdir()

    def _check_ours(self) -> None:
        """Raise JournalError where another run took over."""
        mark = self._read(MARK)
        if mark is None or mark.get("session") != self._session:
            who = "somebody" if mark is None else f"{mark.get('machine')} (process {mark.get('pid')})"
            raise JournalError(
                f"{self.store.shown}: {who} took the run over; what was answered here is in {self.folder}, and joins "
                f"it when the same command is run here once that is done"
            )

    def checkpoint(self) -> None:
        """Copy the journal to the store, as it is at one moment, unless it is there already.

        Raises:
            JournalError: another run took over; nothing was copied.
            OutputError: it cannot be written there.
        """
        self._check_ours()
        copy = self.folder / f"{JOURNAL}.copy"
        try:
            count = copied(self.folder / JOURNAL, copy)
            if (found := digest(copy)) == self._sum:
                return
            self.store.put(copy, JOURNAL)
        finally:
            copy.unlink(missing_ok=True)
        point = {"id": uuid.uuid4().hex, "when": _now(), "answers": count, "machine": platform.node()}
        self.store.write(POINT, _json(point).encode())
        write_text(self.folder / HERE, _json({**self._here(), "checkpoint": point["id"]}))
        self._sum = found

    def end(self) -> None:
        """Copy everything to the store and take the mark away; the journal first, which everything else is made of.

        Raises:
            JournalError, OutputError: it cannot be done; all of it is here.
        """
        if not (self.folder / SUMMARY).exists() and not answers(self.folder / JOURNAL):
            self.leave()  # nothing came of it
            return
        self.checkpoint()
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and _goes(name):
                self.store.put(path, name)
        self.leave()

    def leave(self) -> None:
        """Take the mark away."""
        self._check_ours()
        self.store.remove(MARK)

    async def kept(self, job: Coroutine[Any, Any, T], watch: Watch, stop: Stop, *, take_over: bool) -> T:
        """What `job` comes to, its folder being at the store by then.

        Raises:
            JournalError: another run is writing there.
            OutputError: the job is done, and not all of it could be copied; with the run.
        """
        with _closing(job), self._alone():
            told = await asyncio.to_thread(self.begin, take_over=take_over)
            watch.warned(
                f"the run is kept in {self.folder}, and copied to {self.store.shown}: its journal every "
                f"{EVERY_S:.0f} seconds or so, everything at the end"
            )
            if told is not None:
                watch.warned(told)
            copying = asyncio.create_task(self._copying(watch, stop))
            try:
                done = await job
            except JudgegenError as error:
                await self._over(copying)
                if (failed := await self._ended()) is not None:
                    watch.warned(str(failed))
                raise error from None
            finally:
                await self._over(copying)
            if (failed := await self._ended()) is not None:
                failed.run = done
                raise failed
            return done

    async def _over(self, copying: asyncio.Task[None]) -> None:
        copying.cancel()
        with suppress(asyncio.CancelledError):
            await copying

    async def _ended(self) -> JudgegenError | None:
        """Everything copied; what stood in the way of it."""
        try:
            await asyncio.to_thread(self.end)
        except JournalError as error:
            return error
        except (OutputError, OSError) as error:
            return OutputError(
                f"{error}; everything is in {self.folder} on this machine: the same command copies it, and asks "
                f"nothing again"
            )
        return None

    async def _copying(self, watch: Watch, stop: Stop) -> None:
        """Copy the journal every now and then; what fails once is tried at the next time."""
        pause = EVERY_S
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                if (self.folder / JOURNAL).exists():
                    await _to_its_end(asyncio.create_task(asyncio.to_thread(self.checkpoint)))
            except JournalError as error:
                stop.request(error)
                return
            except (OutputError, OSError) as error:
                watch.warned(f"{error}; the run goes on, its journal is copied later")
            pause = max(EVERY_S, SHARE * (time.monotonic() - began))


async def _to_its_end(task: asyncio.Task[None]) -> None:
    """Await a thread's work, also where the awaiting is cancelled: what comes next uses the same files."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(JudgegenError, OSError):
            await task
        raise


@contextmanager
def _closing(job: Coroutine[Any, Any, Any]) -> Iterator[None]:
    """Close a job that was never begun."""
    try:
        yield
    finally:
        job.close()


def _goes(name: str) -> bool:
    """Whether a file of the run folder is copied to the store as it is; a shard's folder is a run folder itself."""
    first, last = name.split("/", maxsplit=1)[0], name.rpartition("/")[2]
    passing = last.startswith(_LOCAL) or last.endswith((SUFFIX, ".lock")) or first in (_TAKEN, "batch-files")
    return not passing and not first.startswith(_SHARD)


def _json(row: dict[str, Any]) -> str:
    return json.dumps(row, indent=2) + "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
