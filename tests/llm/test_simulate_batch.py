from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import openai
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from judgegen.simulator.scripted import World
from judgegen.simulator.server import Served, serving
from judgegen.simulator.work import BatchSettings
from judgegen.spec import Scripted

T = TypeVar("T")
QUICK = 0.02
OVER = ("completed", "failed", "expired", "cancelled")


def body(draw: int, **params: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Why is the sky blue?"}], "seed": draw, **params}


def line(draw: int, **changes: Any) -> dict[str, Any]:
    row = {"custom_id": f"call-{draw}", "method": "POST", "url": "/v1/chat/completions", "body": body(draw)}
    return {**row, **changes}


def lines(n: int) -> list[dict[str, Any]]:
    return [line(draw) for draw in range(n)]


class Desk:
    """An SDK client of one simulator, with the steps of a batch."""

    def __init__(self, client: AsyncOpenAI, served: Served) -> None:
        self.client, self.served = client, served

    async def upload(self, rows: Sequence[dict[str, Any] | bytes]) -> str:
        """A batch's input file."""
        content = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
        return (await self.client.files.create(file=("in.jsonl", content), purpose="batch")).id

    async def create(self, file_id: str, **changes: Any) -> Batch:
        """Submit it."""
        asked = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": file_id}
        return await self.client.batches.create(**{**asked, **changes})

    async def over(self, batch: Batch) -> Batch:
        """The batch once nothing more happens to it."""
        while batch.status not in OVER:
            await asyncio.sleep(QUICK / 4)
            batch = await self.client.batches.retrieve(batch.id)
        return batch

    async def done(self, rows: Sequence[dict[str, Any] | bytes]) -> Batch:
        """Upload, submit, wait."""
        return await self.over(await self.create(await self.upload(rows)))

    async def rows(self, file_id: str | None) -> list[dict[str, Any]]:
        """The rows of a file of results; none where there is no file."""
        if file_id is None:
            return []
        return [json.loads(row) for row in (await self.client.files.content(file_id)).text.splitlines()]

    async def results(self, batch: Batch) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The rows of the output and the error file."""
        return await self.rows(batch.output_file_id), await self.rows(batch.error_file_id)


def served(then: Callable[[Desk], Awaitable[T]], *, world: Scripted | None = None, **settings: Any) -> T:
    async def main() -> T:
        batches = BatchSettings(**{"seconds": QUICK, **settings})
        async with (
            serving(world or Scripted(), batches=batches) as server,
            AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0) as client,
        ):
            return await then(Desk(client, server))

    return asyncio.run(main())


def names(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [row["custom_id"] for row in rows]


def test_a_batch_gives_the_worlds_answers() -> None:
    """The very answers of live calls, each row once, in another order than they were asked in."""

    async def then(desk: Desk) -> None:
        asked = lines(60)
        batch = await desk.done(asked)
        output, errors = await desk.results(batch)
        assert (batch.status, batch.error_file_id, errors) == ("completed", None, [])
        assert sorted(names(output)) == sorted(names(asked))
        assert names(output) != names(asked)
        bodies = {row["custom_id"]: row["response"]["body"] for row in output}
        assert bodies == {row["custom_id"]: World(Scripted()).answer(row["body"]) for row in asked}
        assert all((row["response"]["status_code"], row["error"]) == (200, None) for row in output)
        assert batch.request_counts is not None
        assert (batch.request_counts.total, batch.request_counts.completed) == (60, 60)
        assert batch.usage is not None
        assert batch.usage.output_tokens == sum(body["usage"]["completion_tokens"] for body in bodies.values())

    served(then)


def test_what_batches_cost_is_counted() -> None:
    """Batches, their rows, tokens, and how often each custom_id was answered; a body asked live before is a repeat."""

    async def then(desk: Desk) -> None:
        await desk.client.chat.completions.create(**body(0))
        batch = await desk.done(lines(5))
        await desk.done([line(9, custom_id="call-4")])
        found, paid = desk.served.tally.row(), desk.served.tally.paid.times
        assert (found["batches"], found["batch_rows"], found["sampler"], found["repeats"]) == (2, 6, 7, 1)
        assert {name: n for name, n in paid.items() if name.startswith("call-")} == {
            **{f"call-{draw}": 1 for draw in range(4)},
            "call-4": 2,
        }
        assert batch.usage is not None
        assert found["completion_tokens"] > batch.usage.output_tokens > 0

    served(then)


def test_a_batch_goes_through_its_states() -> None:
    """Never backwards, each with its time, files only at the end."""

    async def then(desk: Desk) -> None:
        batch = await desk.create(await desk.upload(lines(45)), metadata={"ours": "x"})
        seen = [batch]
        while seen[-1].status not in OVER:
            await asyncio.sleep(QUICK / 4)
            seen.append(await desk.client.batches.retrieve(batch.id))
        order = ["validating", "in_progress", "finalizing", "completed"]
        states = [order.index(found.status) for found in seen]
        assert states == sorted(states)
        assert (states[0], states[-1]) == (0, 3)
        assert all(found.output_file_id is None for found in seen[:-1] if found.status != "completed")
        last = seen[-1]
        stamps = [last.created_at, last.in_progress_at, last.finalizing_at, last.completed_at]
        assert stamps == sorted(stamp for stamp in stamps if stamp is not None)
        assert (last.metadata, last.model, last.expires_at) == ({"ours": "x"}, "m", last.created_at + 86_400)

    served(then, seconds=0.2)


def test_failed_rows_stand_in_the_error_file() -> None:
    """With a status, or without a response; each row stands in one file, and what failed is not paid."""

    async def then(desk: Desk) -> None:
        output, errors = await desk.results(await desk.done(lines(80)))
        assert sorted(names(output) + names(errors)) == sorted(names(lines(80)))
        statuses = {row["response"] and row["response"]["status_code"] for row in errors}
        assert statuses == {429, 500, 503, None}
        for row in errors:
            found = row["error"] if row["response"] is None else row["response"]["body"]["error"]
            assert found["message"]
        assert set(desk.served.tally.paid.times) == set(names(output))

    served(then, failed_rate=0.5)


def test_a_row_the_world_refuses_has_its_status() -> None:
    """A malformed body is a 400 in the error file, beside the answers to the others."""

    async def then(desk: Desk) -> None:
        output, errors = await desk.results(await desk.done([line(0), line(1, body=body(1, temperature=3))]))
        assert names(output) == ["call-0"]
        assert errors[0]["response"]["status_code"] == 400
        assert errors[0]["response"]["body"]["error"]["param"] == "temperature"

    served(then)


def test_missing_rows_stand_nowhere() -> None:
    """The batch is completed all the same; what is missing is not paid."""

    async def then(desk: Desk) -> None:
        batch = await desk.done(lines(60))
        output, errors = await desk.results(batch)
        assert (batch.status, errors) == ("completed", [])
        assert 10 < len(output) < 50
        assert set(desk.served.tally.paid.times) == set(names(output))

    served(then, missing_rate=0.5)


def test_a_completed_batch_may_have_only_an_error_file() -> None:
    """Every row failed and there is no output file."""

    async def then(desk: Desk) -> None:
        batch = await desk.done(lines(10))
        assert (batch.status, batch.output_file_id) == ("completed", None)
        assert sorted(names(await desk.rows(batch.error_file_id))) == sorted(names(lines(10)))
        assert desk.served.tally.row()["batch_rows"] == 0

    served(then, errors_only_rate=1.0)


def test_an_expired_batch_keeps_what_it_has() -> None:
    """Answered rows are paid and in the output, the others say batch_expired."""

    async def then(desk: Desk) -> int:
        batch = await desk.done(lines(40))
        output, errors = await desk.results(batch)
        assert batch.status == "expired"
        assert batch.expired_at is not None
        assert sorted(names(output) + names(errors)) == sorted(names(lines(40)))
        assert {(row["response"], row["error"]["code"]) for row in errors} == {(None, "batch_expired")}
        assert set(desk.served.tally.paid.times) == set(names(output))
        return len(output)

    kept = {served(then, world=Scripted(seed=seed), expired_rate=1.0) for seed in range(5)}
    assert len(kept) > 1
    assert max(kept) < 40


def test_a_cancelled_batch_stops_where_it_is() -> None:
    """It says cancelling, then cancelled; rows that had no turn say so and are not paid; nothing is left to cancel."""

    async def then(desk: Desk) -> None:
        batch = await desk.create(await desk.upload(lines(200)))
        while batch.status != "in_progress":
            batch = await desk.client.batches.retrieve(batch.id)
        batch = await desk.client.batches.cancel(batch.id)
        assert batch.status == "cancelling"
        batch = await desk.over(batch)
        output, errors = await desk.results(batch)
        assert (batch.status, len(output) + len(errors)) == ("cancelled", 200)
        assert {row["error"]["code"] for row in errors} == {"batch_cancelled"}
        assert set(desk.served.tally.paid.times) == set(names(output))
        with pytest.raises(openai.ConflictError):
            await desk.client.batches.cancel(batch.id)

    served(then, seconds=3.0)


@pytest.mark.parametrize(
    ("rows", "code", "number"),
    [
        ([], "empty_file", None),
        ([line(0), b"{", line(1)], "invalid_json_line", 2),
        ([line(0), line(0)], "duplicate_custom_id", 2),
        ([line(0), line(1, url="/v1/completions")], "url_mismatch", 2),
        ([line(0), line(1, method="GET")], "invalid_method", 2),
        ([line(0), line(1, body={**body(1), "model": "other"})], "model_mismatch", 2),
        ([line(0, custom_id=None)], "missing_required_parameter", 1),
        ([line(0, body=None)], "missing_required_parameter", 1),
        ([line(0, body={"model": "m"})], "missing_required_parameter", 1),
        (lines(8), "too_many_tasks", None),
    ],
)
def test_a_file_that_is_no_batch_fails(rows: list[Any], code: str, number: int | None) -> None:
    """The batch is accepted and then failed, naming code and line; nothing is answered."""

    async def then(desk: Desk) -> None:
        batch = await desk.done(rows)
        assert (batch.status, batch.output_file_id, batch.error_file_id) == ("failed", None, None)
        assert batch.errors is not None
        assert batch.errors.data is not None
        assert [(error.code, error.line) for error in batch.errors.data] == [(code, number)]
        assert desk.served.tally.row()["batch_rows"] == 0

    served(then, most_requests=7)


def test_enqueued_tokens_are_limited_by_model() -> None:
    """A batch without room fails with token_limit_exceeded; another model's fits, and this one's when there is room."""

    async def entered(desk: Desk, rows: Sequence[dict[str, Any]]) -> Batch:
        """A batch as it is once it was validated."""
        batch = await desk.create(await desk.upload(rows))
        while batch.status == "validating":
            await asyncio.sleep(QUICK / 4)
            batch = await desk.client.batches.retrieve(batch.id)
        return batch

    async def then(desk: Desk) -> None:
        first, second = await entered(desk, lines(10)), await entered(desk, lines(10))
        assert (first.status, second.status) == ("in_progress", "failed")
        assert second.errors is not None
        assert second.errors.data is not None
        assert second.errors.data[0].code == "token_limit_exceeded"
        other = [line(draw, body={**body(draw), "model": "other"}) for draw in range(10)]
        assert (await entered(desk, other)).status == "in_progress"
        assert (await desk.over(await desk.client.batches.cancel(first.id))).status == "cancelled"
        assert (await entered(desk, lines(10))).status == "in_progress"

    served(then, seconds=1.0, enqueued_tokens=150)


def test_submissions_may_be_throttled() -> None:
    """A 429 with retry-after-ms, and no batch."""

    async def then(desk: Desk) -> None:
        file_id = await desk.upload(lines(2))
        with pytest.raises(openai.RateLimitError) as caught:
            await desk.create(file_id)
        assert caught.value.response.headers["retry-after-ms"] == "50"
        assert (await desk.client.batches.list()).data == []
        assert desk.served.tally.row()["throttled"] == 1

    served(then, busy_rate=1.0)


def test_an_accepted_batch_may_get_no_response() -> None:
    """The connection drops after the batch was taken on: it is in the list, with its metadata, and is worked on."""

    async def then(desk: Desk) -> None:
        file_id = await desk.upload(lines(4))
        with pytest.raises(openai.APIConnectionError):
            await desk.create(file_id, metadata={"ours": "b1"})
        (found,) = [batch async for batch in desk.client.batches.list() if batch.metadata == {"ours": "b1"}]
        assert (await desk.over(found)).status == "completed"
        assert desk.served.tally.row()["batch_rows"] == 4

    served(then, crash_rate=1.0)


def test_batches_are_listed_page_by_page() -> None:
    """Newest first, `limit` at a time, each once."""

    async def then(desk: Desk) -> None:
        file_id = await desk.upload(lines(1))
        made = [(await desk.create(file_id)).id for _ in range(25)]
        page = await desk.client.batches.list(limit=10)
        assert [batch.id for batch in page.data] == made[:14:-1]
        assert page.has_more
        assert [batch.id async for batch in desk.client.batches.list(limit=10)] == made[::-1]
        assert len((await desk.client.batches.list()).data) == 20
        for asked in ({"limit": 0}, {"limit": 101}, {"after": "batch_none"}):
            with pytest.raises(openai.BadRequestError):
                await desk.client.batches.list(**asked)

    served(then)


@pytest.mark.parametrize(
    "change",
    [
        {"input_file_id": "file-none"},
        {"endpoint": "/v1/embeddings"},
        {"completion_window": "1h"},
        {"metadata": {"k" * 65: "v"}},
        {"metadata": {"k": "v" * 513}},
        {"metadata": {str(i): "v" for i in range(17)}},
        {"metadata": {"k": 1}},
    ],
)
def test_a_wrong_submission_is_refused(change: dict[str, Any]) -> None:
    """400, naming the parameter."""

    async def then(desk: Desk) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await desk.create(await desk.upload(lines(1)), **change)
        assert caught.value.param == next(iter(change))

    served(then)


def test_files_are_kept_described_and_deleted() -> None:
    """The bytes that were sent, large ones too; what is not there is a 404."""

    async def then(desk: Desk) -> None:
        files = desk.client.files
        content = b'{"a": "' + b"x" * 3_000_000 + b'"}\n'
        kept = await files.create(file=("train.jsonl", content), purpose="fine-tune")
        assert (kept.bytes, kept.filename, kept.purpose, kept.status) == (
            len(content),
            "train.jsonl",
            "fine-tune",
            "processed",
        )
        assert (await files.content(kept.id)).content == content
        assert await files.retrieve(kept.id) == kept
        batch_id = await desk.upload(lines(1))
        assert [file.id async for file in files.list()] == [batch_id, kept.id]
        assert [file.id async for file in files.list(purpose="batch")] == [batch_id]
        assert (await files.delete(kept.id)).deleted
        for ask in (files.retrieve, files.content, files.delete, desk.client.batches.retrieve):
            with pytest.raises(openai.NotFoundError):
                await ask(kept.id)

    served(then)


@pytest.mark.parametrize(
    ("name", "purpose", "content"),
    [("in.txt", "batch", b"{}"), ("in.jsonl", "party", b"{}"), ("in.jsonl", "batch", b"x" * 1001)],
)
def test_a_wrong_upload_is_refused(name: str, purpose: Any, content: bytes) -> None:
    """Batches are .jsonl and have a largest size; purposes are OpenAI's. Nothing is kept."""

    async def then(desk: Desk) -> None:
        with pytest.raises(openai.BadRequestError):
            await desk.client.files.create(file=(name, content), purpose=purpose)
        assert (await desk.client.files.list()).data == []

    served(then, most_bytes=1000)


def test_an_upload_that_is_no_form_is_refused() -> None:
    """A body without parts is a 400, not a server error."""

    async def then(desk: Desk) -> None:
        for content in ({}, {"purpose": "batch"}):
            with pytest.raises(openai.BadRequestError):
                await desk.client.post("/files", cast_to=object, body=content)

    served(then)


def contents(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


HALF_AN_UPLOAD = (
    "POST /v1/files HTTP/1.1\r\nHost: x\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999\r\n\r\n"
    '--b\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n{"custom_id'
)
HALF_A_CHAT = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"model"'


@pytest.mark.parametrize("sent", [HALF_AN_UPLOAD, HALF_A_CHAT])
def test_a_client_that_dies_while_it_sends_leaves_nothing_behind(
    sent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No file, no count, no error in the log."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def then(desk: Desk) -> None:
        port = int(desk.served.url.split(":")[2].removesuffix("/v1"))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent.encode())
        await writer.drain()
        await asyncio.sleep(QUICK)
        writer.close()
        await writer.wait_closed()
        await desk.client.models.list()
        assert (await desk.client.files.list()).data == []
        assert contents(tmp_path) == []
        assert set(desk.served.tally.row().values()) == {0}

    served(then)
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


def test_an_input_file_may_be_deleted_while_its_batch_runs() -> None:
    """What was submitted is worked on."""

    async def then(desk: Desk) -> None:
        file_id = await desk.upload(lines(3))
        batch = await desk.create(file_id)
        await desk.client.files.delete(file_id)
        assert len((await desk.results(await desk.over(batch)))[0]) == 3

    served(then)


def test_faults_meet_files_and_batches_too() -> None:
    """With patience everything is done, and nothing is answered twice."""

    async def persist(ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except (openai.InternalServerError, openai.RateLimitError, openai.APIConnectionError):
                continue

    async def then(desk: Desk) -> None:
        file_id = await persist(lambda: desk.upload(lines(5)))
        batch = await persist(lambda: desk.create(file_id))
        done = await persist(lambda: desk.over(batch))
        rows = await persist(lambda: desk.rows(done.output_file_id))
        assert sorted(names(rows)) == sorted(names(lines(5)))
        assert desk.served.tally.row()["faults"] > 0
        assert set(desk.served.tally.paid.times.values()) == {1}

    served(then, world=Scripted(fault_rate=0.5))
