"""Answers out of the batch files of a folder into the journal, and engines over those that wait.

Any .jsonl file there is read, in any order, however far it is written: rows count by their custom_id alone, and what is
odd about a file is told. How far a file was read is kept in the journal, so that an error of an earlier round is not
counted against the next. Answers to what the run comes to ask later only are found again then. Knows nothing of stages.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judgegen.errors import Incomplete, JudgegenError, SpecError
from judgegen.llm.batch import AT_ONCE, Postman
from judgegen.llm.calls import Call, Outcome
from judgegen.llm.facts import Facts
from judgegen.llm.outbox import Batch
from judgegen.llm.secrets import masked
from judgegen.llm.stop import Stop
from judgegen.llm.wire import batchrows
from judgegen.llm.wire.refusals import Refusal
from judgegen.run import engine
from judgegen.run.tray import Tray, is_file
from judgegen.watch import Watch

HEAD = 4096
"""Bytes of a file's beginning that tell whether it is the one that was read before."""
LOOK_S = 1.0
"""Seconds between looks at an engine that an earlier run has left at work."""
_DATED = re.compile(r"[-@:]\d{4}[\d-]*\Z")


@dataclass(slots=True)
class _Seen:
    """What one file held, but for what there is nothing to say of."""

    taken: int = 0
    again: int = 0
    foreign: int = 0
    odd: int = 0
    cut: bool = False
    others: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def words(self) -> Iterator[str]:
        """What is odd, in parts of a sentence."""
        if self.again:
            yield f"{self.again:,} came for calls that were answered before (the first answer is kept)"
        if self.foreign:
            yield f"{self.foreign:,} for no call that this run asks"
        for (asked, said), count in self.others.most_common(3):
            yield (
                f"{count:,} say that {said} answered, not {asked} (not taken, asked again: serve it under the name in "
                f"the run file, vLLM by --served-model-name, or name that model there)"
            )
        if self.errors:
            common = "; ".join(f"{why} ({count:,})" for why, count in self.errors.most_common(3))
            yield f"{self.errors.total():,} bring an error: {common}"
        if self.odd:
            yield f"{self.odd:,} lines are no rows of a batch file"
        if self.cut:
            yield "the last line is cut off"


@dataclass(slots=True)
class _Heap:
    """What the files of one round came to: batches that had any row, refusals and other errors by call."""

    touched: set[str] = field(default_factory=set)
    refused: dict[str, tuple[Call, Refusal]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    landed: int = 0


@dataclass(slots=True)
class Files:
    """The batch files of some endpoints, by name, all in one folder."""

    trays: Mapping[str, Tray]
    postman: Postman
    facts: Facts
    watch: Watch
    stop: Stop

    async def begin(self) -> None:
        """Write again what should lie there and does not.

        Raises:
            OutputError: it cannot be written.
        """
        outbox = self.postman.outbox
        for tray, batch in self._under_way():
            if await tray.find(batch, outbox) is None:
                outbox.submitted(batch, await tray.submit(batch, outbox))

    async def take(self) -> None:
        """Journal every answer that has come since the last time, and tell what is odd about the files."""
        await self._rested()
        if self.stop.requested:
            return
        heap, marks = _Heap(), dict[str, Any]()
        for path in self._paths():
            before = self._mark(path)
            start = before["size"] if before else 0
            if start == path.stat().st_size:
                continue
            seen = _Seen()
            end = await self._read(path, start, seen, heap)
            foreign = seen.foreign + (before["foreign"] if before else 0)
            marks[_key(path)] = {"size": end, "head": _head(path, end), "foreign": foreign}
            if odd := "; ".join(seen.words()):
                self.watch.warned(f"{path}: {seen.taken:,} answers taken in; {odd}")
        await self._settle(heap)
        for key, mark in marks.items():
            self.facts.put(key, mark)

    async def recovered(self) -> int:
        """Take in what answers the calls that were not asked when their files were read; how many."""
        heap = _Heap()
        if not self.trays or not self.postman.outbox.waiting()["unsent"]:
            return 0
        for path in self._paths():
            if (mark := self._mark(path)) is not None and mark["foreign"]:
                await self._read(path, 0, _Seen(), heap, answers_alone=True)
        await self._settle(heap)
        return heap.landed

    async def worked(self) -> bool:
        """Run the engines over the batches that have one; whether there were any."""
        ours = [(tray, batch) for tray, batch in self._under_way() if tray.command is not None]
        for tray, batch in ours:
            if not self.stop.requested:
                await self._work(tray, batch)
        return bool(ours)

    def by_hand(self) -> list[str]:
        """The commands that would answer what waits for somebody to do it."""
        return [tray.line_for_a_shell(batch) for tray, batch in self._under_way() if tray.command is None]

    def _under_way(self) -> list[tuple[Tray, Batch]]:
        known = ((self.trays.get(batch.route), batch) for batch in self.postman.outbox.under_way() if is_file(batch))
        return [(tray, batch) for tray, batch in known if tray is not None]

    async def _rested(self) -> None:
        """Wait until no engine is at work that an earlier run has left: what it will answer is not asked twice."""
        for tray, batch in self._under_way():
            lock = tray.beside(batch, "lock")
            while engine.at_work(lock) and not self.stop.requested:
                self.watch.waits(f"an engine that was started before is still at work on {tray.input(batch)}")
                await self.stop.sleep(LOOK_S)
            if not self.stop.requested:
                engine.Printed(tray.beside(batch, "log"), self._printed).close()

    async def _work(self, tray: Tray, batch: Batch) -> None:
        words, where = tray.words(batch), f"endpoint {batch.route!r}: command"
        self.watch.waits(f"the engine of endpoint {batch.route!r} is at work on {tray.input(batch)}")
        lock, printed = tray.beside(batch, "lock"), tray.beside(batch, "log")
        try:
            status, last = await engine.run(words, lock, printed, self._printed, self.stop)
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from None
        await self.take()
        if self.stop.requested:
            return
        if status:
            said = f", saying: {masked(last)[:300]}" if last else ""
            raise Incomplete(
                f"{where} {engine.how(status)}{said}; what it printed is in run.log, what it answered is kept; mend "
                f"it, then the same command goes on with the rest"
            )
        if any(batch.id == other.id for _, other in self._under_way()):
            raise Incomplete(
                f"{where} ended well and wrote no answer to {tray.output(batch)}; what it printed is in run.log; mend "
                f"it (it has to write to {{output}}), then the same command goes on"
            )

    def _printed(self, line: str) -> None:
        self.watch.engine(masked(line))

    def _paths(self) -> Iterator[Path]:
        """The files that may hold answers."""
        asked = {tray.input(batch) for tray, batch in self._under_way()}
        for folder in sorted({tray.folder for tray in self.trays.values()}):
            for path in sorted(folder.glob("*.jsonl")):
                if path not in asked and path.is_file():
                    yield path

    def _mark(self, path: Path) -> dict[str, Any] | None:
        """How far a file was read before; None where it was not, or is another one by now."""
        mark = self.facts.get(_key(path))
        if not isinstance(mark, dict) or path.stat().st_size < mark["size"]:
            return None
        return mark if _head(path, mark["size"]) == mark["head"] else None

    async def _read(self, path: Path, start: int, seen: _Seen, heap: _Heap, *, answers_alone: bool = False) -> int:
        """Journal a file's answers from byte `start` on; where the next reading begins."""
        landing: dict[str, Outcome] = {}
        calls: dict[str, Call] = {}
        with path.open("rb") as file:
            file.seek(start)
            for line in file:
                row = _parsed(line)
                if row is None and not line.endswith(b"\n"):
                    seen.cut = True
                    break
                start += len(line)
                found = self._row(row, seen, heap, calls, answers_alone=answers_alone) if line.strip() else None
                if found is not None:
                    calls[found[0].id], landing[found[0].id] = found
                if len(landing) >= AT_ONCE:
                    await self._land(calls, landing, heap)
        await self._land(calls, landing, heap)
        return start

    def _row(
        self, row: Any, seen: _Seen, heap: _Heap, pending: Mapping[str, Call], *, answers_alone: bool
    ) -> tuple[Call, Outcome] | None:
        """The call that a row answers, and its answer; None where there is nothing to journal."""
        found = None if _asks(row) else batchrows.read(row)
        if found is None:
            seen.odd += not _asks(row)
            return None
        call = self._waiting(found.custom_id, seen, pending)
        if call is None or (answers_alone and found.completion is None):
            return None
        heap.touched.add(self.postman.outbox.batch_of(call.id) or "")
        if self._known(call.id):  # landed before a kill that came before it was told here
            self.postman.outbox.answered([call.id])
            return None
        answer = self._answer(call, found, seen, heap)
        return None if answer is None else (call, answer)

    def _waiting(self, custom_id: str, seen: _Seen, pending: Mapping[str, Call]) -> Call | None:
        """The call of a row, if it waits for an answer."""
        call = self.postman.outbox.call(custom_id)
        if call is not None and call.tag.route in self.trays and call.id not in pending:
            return call
        known = call is not None or self._known(custom_id)
        seen.again, seen.foreign = seen.again + known, seen.foreign + (not known)
        return None

    def _answer(self, call: Call, found: batchrows.Returned, seen: _Seen, heap: _Heap) -> Outcome | None:
        """What a row says to its call; None where that is no answer, which is noted."""
        said = "" if found.completion is None else str(found.completion.get("model") or "")[:100]
        if _another(call.model, said):
            heap.errors[call.id] = f"{said} answered, not {call.model}"
            seen.others[call.model, said] += 1
            return None
        reply = self.trays[call.tag.route].answer(call, found)
        if isinstance(reply, Refusal):
            heap.refused[call.id] = (call, reply)
            seen.errors[reply.message[:120]] += 1
            return None
        seen.taken += 1
        return reply

    async def _land(self, calls: dict[str, Call], landing: dict[str, Outcome], heap: _Heap) -> None:
        await asyncio.gather(*(self.postman.land(calls[name], outcome) for name, outcome in landing.items()))
        self.postman.outbox.answered(list(landing))
        heap.landed += len(landing)
        landing.clear()
        calls.clear()

    def _known(self, call_id: str) -> bool:
        """Whether the journal answers it; one that is not as it was written is told of elsewhere."""
        try:
            return self.postman.journal.get(call_id) is not None
        except JudgegenError:
            return True

    async def _settle(self, heap: _Heap) -> None:
        """Take what is final of the errors; what else had a row in some batch waits for another one."""
        outbox, errors = self.postman.outbox, dict(heap.errors)
        for route, tray in self.trays.items():
            mine = [found for found in heap.refused.values() if found[0].tag.route == route]
            open_ = [(call, refusal) for call, refusal in mine if outbox.holds(call.id)]
            final: list[str] = []
            errors.update(await self.postman.mean(tray, open_, final))
            outbox.answered(final)
        for tray, batch in self._under_way():
            if batch.id in heap.touched:
                tray.withdraw(batch)
                outbox.settled(batch, [], list(errors.items()))


def _parsed(line: bytes) -> Any:
    """A line's JSON; None where it is none."""
    try:
        return json.loads(masked(line.decode("utf-8-sig")))
    except (ValueError, RecursionError):
        return None


def _asks(row: Any) -> bool:
    """Whether a row is a request, ours or somebody's."""
    told = ("response", "result", "error", "status")
    return isinstance(row, dict) and "body" in row and "url" in row and not any(name in row for name in told)


def _another(asked: str, said: str) -> bool:
    """Whether the name in an answer is another model's: a path and a date say nothing about that."""
    if not said or said == asked:
        return False
    ours, theirs = (_DATED.sub("", name.casefold().rstrip("/")) for name in (asked, said))
    if ours == theirs:
        return False
    paths = [name.startswith((".", "/", "~")) or "/" not in name for name in (ours, theirs)]
    return not any(paths) or ours.rsplit("/", 1)[-1] != theirs.rsplit("/", 1)[-1]


def _key(path: Path) -> str:
    return f"batch-file/{path.resolve()}"


def _head(path: Path, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(min(size, HEAD)), digest_size=8).hexdigest()
