"""The work on one batch of the simulator: from validation through its rows to the files of results.

A batch validates for a tenth of its seconds, is in progress for eight tenths and finalizes for the rest. Its rows are
answered by the speaker in an order of their own, without latency, faults or rate limit; a row counts as paid when it is
answered. What is left when a batch expires or is cancelled stands in the error file. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from judgegen.llm.calls import digest
from judgegen.simulator.altered import altered, refused
from judgegen.simulator.batch_state import InputFile, ServedBatch, Status
from judgegen.simulator.bodies import Problem
from judgegen.simulator.faults import Fault, Strikes
from judgegen.simulator.files import MOST_BATCH_BYTES, KeptFiles
from judgegen.simulator.lots import Lots
from judgegen.simulator.scripted import Kind, Speaker
from judgegen.simulator.tally import ServerTally

SLICE = 20
"""Rows that are answered before other requests have their turn."""
LEFT = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "The batch was cancelled before this request was executed.",
    "request_timeout": "The call to the model timed out.",
}
FAILED = (
    Problem(status=429, message="Rate limit reached.", type="rate_limit_error", code="rate_limit_exceeded"),
    Problem(status=500, message="The server had an error while processing your request.", type="server_error"),
    Problem(status=503, message="The engine is currently overloaded.", type="server_error"),
    None,  # no response at all: request_timeout
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """How batches go. Rates are of rows, of batches or of submissions; what they strike is drawn by lot."""

    seconds: float = 1.0  # from submission to completion
    missing_rate: float = 0.0  # rows that stand in neither file and were not answered
    failed_rate: float = 0.0  # rows with a 429, a 500, a 503 or a timeout in the error file
    expired_rate: float = 0.0  # batches that expire part of the way
    errors_only_rate: float = 0.0  # batches that are "completed" with every row in the error file
    busy_rate: float = 0.0  # submissions met by a 429
    crash_rate: float = 0.0  # submissions that are accepted and whose connection is then dropped
    enqueued_tokens: int | None = None  # input tokens of a model's open batches; above it a new one fails
    most_requests: int = 50_000
    most_bytes: int = MOST_BATCH_BYTES


class Submissions:
    """What meets those who submit a batch, and the work on what was accepted, a task for each."""

    def __init__(self, name: str, seed: int, settings: BatchSettings, tally: ServerTally) -> None:
        self._lots, self._settings, self._tally = Lots(name, seed), settings, tally
        self._tasks: set[asyncio.Task[None]] = set()

    def busy(self) -> bool:
        """Whether this one is met by a 429."""
        return self._struck(self._settings.busy_rate, "throttled")

    def begin(self, work: Coroutine[Any, Any, None]) -> bool:
        """Count a batch and take it to its end; whether who submitted it hears nothing of that."""
        self._tally.counts["batches"] += 1
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return self._struck(self._settings.crash_rate, "fault")

    def _struck(self, rate: float, kind: Kind) -> bool:
        struck = self._lots.unit() < rate
        if struck:
            self._tally.came_to(kind)
        return struck

    async def aclose(self) -> None:
        """Stop working."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class BatchWork:
    """Takes one batch to its end."""

    def __init__(
        self,
        batch: ServedBatch,
        lots: Lots,
        settings: BatchSettings,
        speaker: Speaker,
        files: KeptFiles,
        tally: ServerTally,
        enqueued: Callable[[str | None], int],
        strikes: Strikes | None = None,
    ) -> None:
        self._strikes = strikes
        self._batch, self._lots, self._settings = batch, lots, settings
        self._speaker, self._files, self._tally, self._enqueued = speaker, files, tally, enqueued
        self._paths = {name: files.place() for name in ("output", "error")}
        self._source = files.place()
        self._source.hardlink_to(batch.input.path)  # the upload may be deleted while the batch is open

    async def done(self) -> None:
        """Validate, answer, write the files."""
        try:
            await self._work()
        finally:
            self._source.unlink(missing_ok=True)

    async def _work(self) -> None:
        batch, seconds = self._batch, self._settings.seconds
        await self._pause(0.1 * seconds)
        reading = await self._read()
        batch.errors = reading.errors
        if batch.errors:
            batch.enter("failed")
            return
        batch.counts["total"] = len(reading.offsets)
        batch.enter("in_progress")
        end = await self._answer(reading.offsets)
        batch.enter("finalizing")
        await self._pause(0.1 * seconds)
        for name, path in self._paths.items():
            batch.files[name] = self._files.keep_results(path, f"{batch.id}_{name}.jsonl")
        batch.enter("cancelled" if batch.cancelled.is_set() else end)

    async def _read(self) -> InputFile:
        reading, offset = InputFile(self._settings.most_requests), 0
        with self._input() as lines:
            for number, line in enumerate(lines, start=1):
                reading.take(number, offset, line)
                offset += len(line)
                if number % (10 * SLICE) == 0:
                    await asyncio.sleep(0)
        reading.finish()
        self._admit(reading)
        return reading

    def _admit(self, reading: InputFile) -> None:
        """Take up the model's enqueued tokens, or fail for want of room."""
        most = self._settings.enqueued_tokens
        if most is not None and self._enqueued(reading.model) + reading.tokens > most:
            said = (
                f"Enqueued token limit reached for {reading.model}. Limit: {most:,} enqueued tokens. "
                "Please try again once some in_progress batches have been completed."
            )
            reading.errors.append({"code": "token_limit_exceeded", "message": said, "line": None, "param": None})
        if not reading.errors:
            self._batch.model, self._batch.tokens = reading.model, reading.tokens

    @contextmanager
    def _input(self) -> Iterator[IO[bytes]]:
        with self._source.open("rb") as lines:
            yield lines

    @contextmanager
    def _results(self) -> Iterator[dict[str, IO[bytes]]]:
        with self._paths["output"].open("wb") as output, self._paths["error"].open("wb") as error:
            yield {"output": output, "error": error}

    async def _answer(self, offsets: list[int]) -> Status:
        """Answer the rows; how the batch ends unless it is cancelled."""
        n, begun, lots = len(offsets), asyncio.get_running_loop().time(), self._lots
        order = sorted(range(n), key=lambda _: lots.unit())
        expires = int(n * lots.unit()) if lots.unit() < self._settings.expired_rate else n
        barren = lots.unit() < self._settings.errors_only_rate
        with self._input() as lines, self._results() as results:
            for turn, index in enumerate(order):
                if turn % SLICE == 0:
                    await self._until(begun + 0.8 * self._settings.seconds * turn / n)
                lines.seek(offsets[index])
                self._row(json.loads(lines.readline()), results, self._left(turn >= expires), barren=barren)
        await self._until(begun + 0.8 * self._settings.seconds)
        return "expired" if expires < n else "completed"

    async def _until(self, moment: float) -> None:
        await self._pause(moment - asyncio.get_running_loop().time())

    async def _pause(self, seconds: float) -> None:
        """Let others have their turn, and let time pass unless the batch is cancelled."""
        await asyncio.sleep(0)
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._batch.cancelled.wait(), seconds)

    def _left(self, expired: bool) -> str | None:
        """Why a row has no turn any more."""
        if self._batch.cancelled.is_set():
            return "batch_cancelled"
        return "batch_expired" if expired else None

    def _row(self, row: Mapping[str, Any], results: Mapping[str, IO[bytes]], left: str | None, *, barren: bool) -> None:
        """Write what one row came to into one of the files, or nowhere."""
        lot, name = self._lots.unit(), row["custom_id"]
        if left is not None:
            found = "error", self._line(name, error=left)
        elif barren or lot < self._settings.failed_rate:
            found = "error", self._failed(name)
        elif lot < self._settings.failed_rate + self._settings.missing_rate:
            return
        else:
            found = self._answered(name, row["body"])
        results[found[0]].write(json.dumps(found[1]).encode("ascii") + b"\n")
        self._batch.counts["completed" if found[0] == "output" else "failed"] += 1

    def _failed(self, name: str) -> dict[str, Any]:
        how = self._lots.one(FAILED)
        return self._line(name, error="request_timeout") if how is None else self._line(name, how.status, how.payload())

    def _answered(self, name: str, body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        fault = self._struck(body)
        if fault is not None and (status := refused(fault)) is not None:
            return "error", self._line(name, *status)
        answer = self._speaker.answer(body)
        if answer.status != 200:
            self._tally.came_to("refused")
            return "error", self._line(name, answer.status, answer.payload)
        said, billed = altered(fault, answer.payload)
        self._tally.answered(answer.kind, billed, custom_id=name)
        usage = billed["usage"] or {}
        self._batch.usage.update({key: usage.get(key, 0) for key in ("prompt_tokens", "completion_tokens")})
        return "output", self._line(name, 200, said)

    def _struck(self, body: Mapping[str, Any]) -> Fault | None:
        """What the plan has for a row."""
        found = None if self._strikes is None else self._strikes.struck("rows", body, time.monotonic())
        if found is not None:
            self._tally.came_to("fault")
        return found

    def _line(
        self, name: str, status: int | None = None, body: Mapping[str, Any] | None = None, error: str | None = None
    ) -> dict[str, Any]:
        number = digest([self._batch.id, name], size=12)
        said = None if error is None else {"code": error, "message": LEFT[error]}
        response = {"status_code": status, "request_id": f"req_{number}", "body": body} if status else None
        return {"id": f"batch_req_{number}", "custom_id": name, "response": response, "error": said}
