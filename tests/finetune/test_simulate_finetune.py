from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.fine_tuning import FineTuningJob

T = TypeVar("T")
Start = Callable[..., Any]
USER = {"role": "user", "content": "Name a colour."}
SAID = {"role": "assistant", "content": "Red."}
PAIR = {"input": {"messages": [USER]}, "preferred_output": [SAID], "non_preferred_output": [{**SAID, "content": "No."}]}
CHAT = {"messages": [USER, SAID]}
DPO: Any = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}}
MARK = b"\xef\xbb\xbf"


def asked(url: str, then: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
    async def main() -> T:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            return await then(client)

    return asyncio.run(main())


def jsonl(rows: list[Any], mark: bytes = b"") -> bytes:
    return mark + b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


async def upload(client: AsyncOpenAI, content: bytes, purpose: Any = "fine-tune") -> str:
    return (await client.files.create(file=("train.jsonl", io.BytesIO(content)), purpose=purpose)).id


async def create(client: AsyncOpenAI, content: bytes | None = None, **changes: Any) -> FineTuningJob:
    """A job; what is not said otherwise is right."""
    file = await upload(client, content or jsonl([PAIR] * 10))
    return await client.fine_tuning.jobs.create(
        **{"model": "gpt-4.1-mini", "training_file": file, "method": DPO, **changes}
    )


def test_a_job_goes_its_way(provider: Start) -> None:
    """Validating, queued, running, succeeded, in this order, with what only a finished job has at its end."""
    server = provider(seconds=1000.0)

    async def then(client: AsyncOpenAI) -> None:
        job = await create(client, metadata={"mine": "1"}, suffix="s", seed=3)
        seen = []
        for share in (0.0, 0.05, 0.1, 0.29, 0.3, 0.99, 1.0):
            assert (job.fine_tuned_model, job.trained_tokens, job.finished_at) == (None, None, None)
            server.jobs[0].began = time.monotonic() - 1000.0 * share - 1e-3
            job = await client.fine_tuning.jobs.retrieve(job.id)
            seen.append(job.status)
        assert seen == [*["validating_files"] * 2, *["queued"] * 2, *["running"] * 2, "succeeded"]
        assert (job.metadata, job.seed, job.error) == ({"mine": "1"}, 3, None)
        assert (job.fine_tuned_model or "").startswith("ft:gpt-4.1-mini:scripted:s:")
        assert job.trained_tokens == 3 * (len(jsonl([PAIR] * 10)) // 4)

    asked(server.url, then)


@pytest.mark.parametrize(
    ("rows", "method", "words"),
    [
        ([PAIR] * 9, "dpo", "has 9 example(s), but must have at least 10"),
        ([PAIR] * 9 + [b"{\n"], "dpo", "Line 10: not valid JSON"),
        ([PAIR] * 9 + [b"\n"], "dpo", "Line 10: not valid JSON"),
        ([PAIR] * 9 + [{**PAIR, "margin": 1}], "dpo", "Line 10: unexpected key 'margin'"),
        ([PAIR] * 9 + [{**PAIR, "preferred_output": [SAID, SAID]}], "dpo", "must have exactly one message"),
        ([PAIR] * 9 + [{**PAIR, "preferred_output": [{**SAID, "content": ""}]}], "dpo", "'preferred_output' is empty"),
        ([PAIR] * 9 + [{**PAIR, "input": {"messages": [USER, SAID]}}], "dpo", "must not end with an assistant"),
        ([PAIR] * 10, "supervised", "Line 1: unexpected key 'input'"),
        ([CHAT] * 10, "dpo", "Line 1: missing key 'input'"),
        ([CHAT] * 9 + [{"messages": [USER]}], "supervised", "the last message must be from the assistant"),
        (
            [CHAT] * 9 + [{"messages": [{**USER, "role": "developer"}, SAID]}],
            "supervised",
            "must be one of system, user",
        ),
    ],
)
def test_a_faulty_file_fails_its_job(provider: Start, rows: list[Any], method: Any, words: str) -> None:
    """The job is accepted and fails while its files are validated, with line and reason, as an event too."""

    async def then(client: AsyncOpenAI) -> None:
        job = await create(client, jsonl(rows), method={"type": method})
        assert job.status == "failed"
        assert job.error is not None
        assert (job.error.code, job.error.param) == ("invalid_training_file", "training_file")
        assert words in job.error.message
        (newest, *_) = (await client.fine_tuning.jobs.list_events(job.id)).data
        assert (newest.level, newest.message) == ("error", job.error.message)

    asked(provider(seconds=0.0).url, then)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": "gpt-6-luna"}, "model"),
        ({"training_file": "file-none"}, "training_file"),
        ({"validation_file": "file-none"}, "validation_file"),
        ({"method": {"type": "ppo"}}, "method.type"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0}}}}, "method.dpo.hyperparameters.beta"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 2.1}}}}, "method.dpo.hyperparameters.beta"),
        (
            {"method": {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 51}}}},
            "method.dpo.hyperparameters.n_epochs",
        ),
        (
            {"method": {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 1.5}}}},
            "method.dpo.hyperparameters.n_epochs",
        ),
        (
            {"method": {"type": "supervised", "supervised": {"hyperparameters": {"beta": 1}}}},
            "method.supervised.hyperparameters.beta",
        ),
        (
            {"method": {"type": "reinforcement", "reinforcement": {"grader": {"type": "label_model"}}}},
            "method.reinforcement.grader",
        ),
        ({"suffix": "x" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"extra_body": {"trainingType": "Standard"}}, "trainingType"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_at_once(provider: Start, changes: dict[str, Any], param: str) -> None:
    """400 with the parameter at fault; no job is made."""

    async def then(client: AsyncOpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await create(client, **changes)
        assert caught.value.param == param
        assert (await client.fine_tuning.jobs.list()).data == []

    asked(provider().url, then)


def test_a_file_for_something_else_is_refused(provider: Start) -> None:
    """Its purpose is looked at, and whether it has been processed."""

    async def then(client: AsyncOpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="purpose is not 'fine-tune'"):
            await create(client, training_file=await upload(client, b"{}\n", "batch"))
        with pytest.raises(openai.BadRequestError, match="still being processed"):
            await create(client)

    asked(provider(processing_s=60.0).url, then)


def test_lists_have_pages_and_filters(provider: Start) -> None:
    """Newest first; after and limit; metadata[key]=value; events likewise."""

    async def then(client: AsyncOpenAI) -> None:
        made = [await create(client, metadata={"n": str(n % 2)}) for n in range(5)]
        ids = [job.id for job in made[::-1]]
        first = await client.fine_tuning.jobs.list(limit=2)
        assert ([job.id for job in first.data], first.has_more) == (ids[:2], True)
        assert [job.id async for job in client.fine_tuning.jobs.list(limit=2)] == ids
        odd = client.fine_tuning.jobs.list(metadata={"n": "1"})
        assert [job.id async for job in odd] == [made[3].id, made[1].id]
        events = [event.id async for event in client.fine_tuning.jobs.list_events(ids[0], limit=2)]
        assert len(events) == len(set(events)) > 2
        assert events == [event.id for event in (await client.fine_tuning.jobs.list_events(ids[0])).data]

    asked(provider(seconds=0.0).url, then)


def test_a_job_can_be_cancelled_until_it_is_over(provider: Start) -> None:
    """It stops where it is; a finished one and an unknown one are refused."""

    async def then(client: AsyncOpenAI) -> None:
        job = await client.fine_tuning.jobs.cancel((await create(client)).id)
        assert (job.status, job.fine_tuned_model) == ("cancelled", None)
        (newest, *_) = (await client.fine_tuning.jobs.list_events(job.id)).data
        assert newest.message == "Fine-tuning job cancelled"
        with pytest.raises(openai.BadRequestError, match="its status is 'cancelled'"):
            await client.fine_tuning.jobs.cancel(job.id)
        for ask in (
            client.fine_tuning.jobs.cancel,
            client.fine_tuning.jobs.retrieve,
            client.fine_tuning.jobs.list_events,
        ):
            with pytest.raises(openai.NotFoundError):
                await ask("ftjob-none")

    asked(provider(seconds=60.0).url, then)


def test_azure_is_another_service(provider: Start) -> None:
    """Its files begin with a byte order mark, its suffixes have no dot, its jobs are not OpenAI's, any model is its."""
    server = provider(seconds=0.0)

    async def then(client: AsyncOpenAI) -> str:
        tuned: dict[str, Any] = {"model": "gpt-5", "extra_body": {"trainingType": "GlobalStandard"}}
        good = await create(client, jsonl([PAIR] * 10, MARK), **tuned)
        assert (good.status, (good.model_extra or {})["trainingType"]) == ("succeeded", "GlobalStandard")
        bare = await create(client, **tuned)
        assert bare.error is not None
        assert "byte order mark" in bare.error.message
        twice = {**PAIR, "preferred_output": [SAID, SAID]}  # Azure's page asks for at least one
        assert (await create(client, jsonl([twice] * 10, MARK), **tuned)).status == "succeeded"
        for wrong in ({"suffix": "v1.0"}, {"extra_body": {"trainingType": "Cheap"}}):
            with pytest.raises(openai.BadRequestError):
                await create(client, **{**tuned, **wrong})
        return good.id

    job_id = asked(server.azure, then)

    async def other(client: AsyncOpenAI) -> None:
        assert (await client.fine_tuning.jobs.list()).data == []
        with pytest.raises(openai.NotFoundError):
            await client.fine_tuning.jobs.retrieve(job_id)
        marked = await create(client, jsonl([PAIR] * 10, MARK))
        assert marked.status == "failed"

    asked(server.url, other)


def test_an_answer_is_lost_and_the_job_is_there(provider: Start) -> None:
    """The connection drops after the job was made."""

    async def then(client: AsyncOpenAI) -> None:
        with pytest.raises(openai.APIConnectionError):
            await create(client)
        assert len((await client.fine_tuning.jobs.list()).data) == 1

    asked(provider(crash_rate=1.0).url, then)


def test_a_tune_is_as_good_as_its_pairs_taught(provider: Start) -> None:
    """Better where better answers were preferred, worse where they were not; what was never tuned does not answer."""
    server, (good, poor) = (
        provider(seconds=0.0),
        [{**SAID, "content": f"Red.\n[quality {q}]"} for q in ("0.900", "0.300")],
    )
    world = server.simulator.provider.world

    async def then(client: AsyncOpenAI) -> None:
        rows = [
            {**PAIR, "preferred_output": [one], "non_preferred_output": [two]}
            for one, two in ((good, poor), (poor, good))
        ]
        up, down = [(await create(client, jsonl([row] * 10))).fine_tuned_model or "" for row in rows]
        base = world.quality_of_model("gpt-4.1-mini")
        assert (world.quality_of_model(up), world.quality_of_model(down)) == pytest.approx((base + 0.3, base - 0.3))
        messages: Any = [USER]
        assert (await client.chat.completions.create(model=up, messages=messages)).choices
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            await client.chat.completions.create(model=up + "x", messages=messages)

    asked(server.url, then)
