from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import ProviderRefused, SpecError
from judgegen.finetune import tuner as tuners
from judgegen.finetune.book import Book, Booked, book_of, entry_named
from judgegen.finetune.order import JobOrder
from judgegen.finetune.plan import JobFiles, cost_of, order_of
from judgegen.finetune.submit import Submitted, standing, submit
from judgegen.finetune.tuner import Job, JobEvent, Tuner
from judgegen.finetune.watch import follow
from judgegen.simulator.wire import dropped, in_json

T = TypeVar("T")
Write = Callable[..., Path]
Start = Callable[..., Any]
NOVEMBER = date(2026, 11, 21)


def order(
    file: Path,
    *,
    service: Any = "openai",
    model: str = "gpt-4.1-mini",
    method: Any = None,
    today: date = NOVEMBER,
    settings: Any = None,
    validation: Path | None = None,
    grader: Path | None = None,
    **named: Any,
) -> JobOrder:
    files = JobFiles(train=file, validation=validation, grader=grader)
    return order_of(files, service, model, method, today=today, settings=settings or {}, **named)


def at(url: str, then: Callable[[Tuner], Awaitable[T]], service: Any = "openai") -> T:
    async def main() -> T:
        async with tuners.at(service, url) as tuner:
            return await then(tuner)

    return asyncio.run(main())


async def once(asked: JobOrder, tuner: Tuner, book: Book, *, again: bool = False) -> Submitted:
    """What the command does once it may spend."""
    return await standing(asked, tuner, book, again=again) or await submit(asked, tuner, book)


def test_a_job_is_made_with_what_was_asked_for(provider: Start, write: Write) -> None:
    """Files, method, hyperparameters, suffix, seed and our id; nothing that was not given; and it is written down."""
    server, file = provider(), write()
    asked = order(file, settings={"beta": 0.2, "n_epochs": 2, "batch_size": None}, suffix="mine", seed=7)
    book = book_of(file)
    done = at(server.url, lambda tuner: once(asked, tuner, book))
    (job,) = server.jobs
    assert job.body == {
        "model": "gpt-4.1-mini",
        "training_file": done.job.training_file,
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 2}}},
        "metadata": {"judgegen_job": asked.id},
        "suffix": "mine",
        "seed": 7,
    }
    stored = server.simulator.files.get(done.job.training_file)
    assert stored.path.read_bytes() == file.read_bytes()
    assert (done.made, done.findable) == (True, True)
    (entry,) = book.entries()
    assert (entry.job, entry.order, entry.base_url) == (job.id, asked.id, server.url)
    assert (entry.file_digest, entry.settings) == (asked.file_digest, {"beta": 0.2, "n_epochs": 2})


def test_what_is_not_given_is_not_sent(provider: Start, write: Write) -> None:
    """The provider's "auto" is the provider's to choose."""
    server, file = provider(), write()
    at(server.url, lambda tuner: once(order(file), tuner, book_of(file)))
    (job,) = server.jobs
    assert job.body.keys() == {"model", "training_file", "method", "metadata"}
    assert job.body["method"] == {"type": "dpo"}


@pytest.mark.slow
def test_the_same_again_finds_the_job(provider: Start, write: Write) -> None:
    """In the record, else in the provider's list, however many stand before it; another order makes another."""
    server, file = provider(), write()
    asked, book = order(file), book_of(file)
    first = at(server.url, lambda tuner: once(asked, tuner, book))

    async def others(tuner: Tuner) -> None:
        for seed in range(101):
            body = replace(asked, seed=seed).body(first.job.training_file, None)
            await tuner.client.fine_tuning.jobs.create(**body)

    at(server.url, others)
    second = at(server.url, lambda tuner: once(asked, tuner, book))
    book.path.unlink()
    third = at(server.url, lambda tuner: once(asked, tuner, book))
    assert (second.made, third.made) == (False, False)
    assert {done.job.id for done in (first, second, third)} == {server.jobs[0].id}
    assert len(server.jobs) == 102
    assert book.last().job == first.job.id
    other = at(server.url, lambda tuner: once(replace(asked, settings={"n_epochs": 3}), tuner, book))
    assert (other.made, len(book.entries()), server.uploads) == (True, 2, 1)


class DiedError(BaseException):
    """The end of a process."""


class Dying:
    """A tuner and a record whose process ends before or after their n-th step."""

    def __init__(self, tuner: Tuner, book: Book, left: int) -> None:
        self.tuner, self.book, self.left = tuner, book, left
        self.base_url, self.path = tuner.base_url, book.path

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise DiedError

    def find(self, *arguments: Any) -> Any:
        return self.book.find(*arguments) if len(arguments) == 2 else self._asked("find", *arguments)

    async def _asked(self, name: str, *arguments: Any) -> Any:
        self._step()
        answer = await getattr(self.tuner, name)(*arguments)
        self._step()
        return answer

    async def job(self, *arguments: Any) -> Any:
        return await self._asked("job", *arguments)

    async def upload(self, *arguments: Any) -> Any:
        return await self._asked("upload", *arguments)

    async def create(self, *arguments: Any) -> Any:
        return await self._asked("create", *arguments)

    def put(self, entry: Booked) -> None:
        self._step()
        self.book.put(entry)
        self._step()


@pytest.mark.parametrize("steps", range(9))
def test_a_crash_between_any_two_steps_makes_no_second_job(provider: Start, write: Write, steps: int) -> None:
    """Search, upload, creation, record: die before or after each, run again: one upload, one job, written down."""
    server, file = provider(), write()
    asked, book = order(file), book_of(file)

    async def dies(tuner: Tuner) -> bool:
        dying: Any = Dying(tuner, book, steps)
        try:
            await once(asked, dying, dying)
        except DiedError:
            return True
        return False

    assert at(server.url, dies) == (steps < 8)
    done = at(server.url, lambda tuner: once(asked, tuner, book))
    assert [job.id for job in server.jobs] == [done.job.id]
    assert server.uploads == 1
    assert book.last().job == done.job.id
    assert done.made == (steps < 5)


def test_a_lost_answer_makes_no_second_job(provider: Start, write: Write) -> None:
    """The provider makes the job and the connection drops: it is found before anything is asked again."""
    server, file = provider(crash_rate=1.0), write()
    done = at(server.url, lambda tuner: once(order(file), tuner, book_of(file)))
    assert [job.id for job in server.jobs] == [done.job.id]
    assert server.count("POST", "/fine_tuning/jobs") == 1


def test_every_request_may_fail(provider: Start, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three in ten meet a 500, a 503, a 429 or a dropped connection; the job is made once and followed to its end."""
    monkeypatch.setattr("judgegen.llm.retry.FIRST_WAIT_S", 0.002)
    monkeypatch.setattr("judgegen.llm.retry.LONGEST_WAIT_S", 0.01)
    server, file = provider(fault_rate=0.3), write()
    told: list[JobEvent] = []

    async def then(tuner: Tuner) -> Job:
        done = await once(order(file), tuner, book_of(file))
        return await follow(tuner, done.job.id, told.append, every=0.02)

    job = at(server.url, then)
    assert (job.status, len(server.jobs), server.uploads) == ("succeeded", 1, 1)
    assert server.simulator.tally.row()["faults"] > 0
    assert [event.id for event in told] == [event["id"] for event in server.jobs[0].events()]


def test_a_failed_job_is_made_again_only_when_told(provider: Start, write: Write) -> None:
    """It is found like any; with `again` a new one is made, once, after a crash too."""
    server, file = provider(failed_rate=1.0, seconds=0.0), write()
    asked, book = order(file), book_of(file)
    first = at(server.url, lambda tuner: once(asked, tuner, book))
    found = at(server.url, lambda tuner: once(asked, tuner, book))
    assert (found.job.id, found.made, found.job.status) == (first.job.id, False, "failed")
    server.simulator.tunings._settings = replace(server.simulator.tunings._settings, failed_rate=0.0)
    second = at(server.url, lambda tuner: once(asked, tuner, book, again=True))
    assert (second.made, len(server.jobs), len(book.entries())) == (True, 2, 2)
    book.path.unlink()
    book.put(first.entry)  # a crash came before the second was written down
    third = at(server.url, lambda tuner: once(asked, tuner, book, again=True))
    assert (third.job.id, third.made, third.job.status) == (second.job.id, False, "succeeded")
    assert at(server.url, lambda tuner: once(asked, tuner, book)).job.id == second.job.id


def test_a_job_that_lives_is_found_before_one_that_does_not(provider: Start, write: Write) -> None:
    """However much newer the cancelled one is."""
    server, file = provider(seconds=60.0), write()
    asked, book = order(file), book_of(file)

    async def then(tuner: Tuner) -> Submitted:
        first = await once(asked, tuner, book)
        other = await tuner.client.fine_tuning.jobs.create(**asked.body(first.job.training_file, None))
        await tuner.cancel(other.id)
        book.path.unlink()
        return await once(asked, tuner, book, again=True)

    assert at(server.url, then).job.id == server.jobs[0].id
    assert len(server.jobs) == 2


def test_another_provider_has_another_job(provider: Start, write: Write) -> None:
    """The record of one address says nothing of another; both stand in it."""
    one, other, file = provider(), provider(), write()
    asked, book = order(file), book_of(file)
    for server in (one, other, one, other):
        at(server.url, lambda tuner: once(asked, tuner, book))
    assert (len(one.jobs), len(other.jobs), len(book.entries())) == (1, 1, 2)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("You exceeded your current quota.", "insufficient_quota"),
        ("Spend too much.", "organization_spend_limit_exceeded"),
        ("Your balance is too low.", None),
    ],
)
def test_an_empty_purse_is_no_passing_trouble(provider: Start, write: Write, message: str, code: str | None) -> None:
    """A 429 for want of money, told by its code or its sentence, is said at once; want of patience is waited for."""
    server, file = provider(), write()
    said = {"error": {"message": message, "code": code}}
    server.before.append(lambda _: in_json(said, 429))
    with pytest.raises(ProviderRefused, match=message):
        at(server.url, lambda tuner: once(order(file), tuner, book_of(file)))
    assert len(server.seen) == 1


def test_a_lost_request_for_a_second_attempt_is_sent_again(provider: Start, write: Write) -> None:
    """The job that failed before is not taken for the one that was asked for and never made."""
    server, file = provider(failed_rate=1.0, seconds=0.0), write()
    asked, book = order(file), book_of(file)
    first = at(server.url, lambda tuner: once(asked, tuner, book))
    losing = iter([True])
    creates = ("POST", "/v1/fine_tuning/jobs")

    def lose(request: Any) -> Any:
        return dropped(request) if (request.method, request.path) == creates and next(losing, False) else None

    server.before.append(lose)
    second = at(server.url, lambda tuner: once(asked, tuner, book, again=True))
    assert second.job.id != first.job.id
    assert [job.id for job in server.jobs] == [first.job.id, second.job.id]


def test_an_upload_is_waited_for(provider: Start, write: Write) -> None:
    """A file that is still being processed cannot be used; the job is made when it can."""
    server, file = provider(processing_s=0.4), write()
    done = at(server.url, lambda tuner: once(order(file), tuner, book_of(file)))
    assert done.made
    assert server.count("POST", "/fine_tuning/jobs") == 1
    assert server.count("GET", done.job.training_file) >= 2


def test_a_file_that_changes_meanwhile_is_not_sent(provider: Start, write: Write) -> None:
    """What was checked and agreed to is what is uploaded."""
    server, file = provider(), write()
    asked = order(file)
    file.write_text(file.read_text() * 2)
    with pytest.raises(SpecError, match="was changed while"):
        at(server.url, lambda tuner: once(asked, tuner, book_of(file)))
    assert (server.uploads, server.jobs) == (0, [])


def test_azure_has_its_own_ways(provider: Start, write: Write) -> None:
    """A byte order mark, trainingType beside the SDK's arguments, a suffix without a dot, the v1 address, no price."""
    server, file = provider(), write(mark=True)
    asked = order(file, service="azure", model="gpt-5", training_type="Developer", suffix="mine")
    cost = cost_of(asked, today=NOVEMBER)
    assert (cost.usd, cost.new_jobs_end, cost.count.examples) == (None, None, 12)
    done = at(server.azure, lambda tuner: once(asked, tuner, book_of(file)), "azure")
    (job,) = server.jobs
    assert (job.azure, job.body["trainingType"]) == (True, "Developer")
    assert done.entry.base_url == server.azure.rstrip("/")
    found = at(server.azure, lambda tuner: tuner.find(asked.id), "azure")
    assert found is not None
    assert (found.id, found.order) == (done.job.id, asked.id)
    with pytest.raises(SpecError, match="has a dot"):
        order(file, service="azure", suffix="v1.0")
    with pytest.raises(SpecError, match=r"give --base-url https://RESOURCE\.openai\.azure\.com/openai/v1/"):
        tuners.address("azure", None)
    with pytest.raises(SpecError, match="is not Azure's v1 endpoint"):
        tuners.address("azure", server.url)


def test_azure_can_be_tuned_after_openai_closes(write: Write) -> None:
    """OpenAI's dates are not Azure's: the same model on the same day."""
    late = date(2027, 1, 6)
    with pytest.raises(SpecError, match="no new fine-tuning jobs since 2027-01-06"):
        order(write(), today=late)
    assert order(write(mark=True), service="azure", today=late).service == "azure"
    with pytest.raises(SpecError, match=r"gpt-4\.1-nano was shut down on 2026-10-23"):
        order(write(), model="gpt-4.1-nano")


def test_reinforcement_has_a_grader_and_validation(provider: Start, write: Write, tmp_path: Path) -> None:
    """The grader beside the file is taken, as the export writes it; without grader or validation it is refused."""
    item = {"messages": [{"role": "user", "content": "Name a colour."}], "reference": "red"}
    file, held_out = write([item] * 3, "items.jsonl", mark=True), write([item], "val.jsonl", mark=True)
    server = provider()
    asks: dict[str, Any] = {"service": "azure", "model": "o4-mini"}
    with pytest.raises(SpecError, match="needs a validation file"):
        order(file, **asks)
    with pytest.raises(SpecError, match="needs a grader"):
        order(file, **asks, validation=held_out)
    compared = {"input": "{{sample.output_text}}", "reference": "{{item.reference}}", "operation": "eq"}
    grader = {"type": "string_check", "name": "r", **compared}
    (tmp_path / "items.grader.json").write_text(json.dumps(grader))
    done = at(server.azure, lambda tuner: once(order(file, **asks, validation=held_out), tuner, book_of(file)), "azure")
    (job,) = server.jobs
    assert job.body["method"] == {"type": "reinforcement", "reinforcement": {"grader": grader}}
    assert job.body["validation_file"] == done.job.validation_file
    assert server.uploads == 2
    (tmp_path / "bad.json").write_text("[1]")
    bad, gone = tmp_path / "bad.json", tmp_path / "gone.json"
    for path, words in ((bad, "no grader"), (gone, "cannot be read"), (file, "not JSON")):
        with pytest.raises(SpecError, match=words):
            order(file, **asks, validation=held_out, grader=path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "sft", "settings": {"beta": 0.1}}, "--beta is a setting of dpo"),
        ({"suffix": "x" * 65}, "--suffix has 65 characters"),
        ({"suffix": ""}, "--suffix has 0 characters"),
        ({"training_type": "Standard"}, "--training-type is Azure's"),
    ],
)
def test_options_that_do_not_go_together_are_refused(write: Write, changes: dict[str, Any], words: str) -> None:
    """Before anything is sent, with the option's name."""
    with pytest.raises(SpecError, match=words):
        order(write(), **changes)


def test_the_validation_file_is_looked_at_too(write: Write) -> None:
    """By the same rules, under its own name."""
    file, held_out = write(), write([{"messages": []}], "held-out.jsonl")
    with pytest.raises(SpecError, match=r"held-out\.jsonl:1: input is missing"):
        order(file, validation=held_out)


def test_a_grader_is_for_reinforcement(write: Write, tmp_path: Path) -> None:
    """It is not silently left out of another method."""
    (tmp_path / "g.json").write_text('{"type": "python"}')
    with pytest.raises(SpecError, match="--grader is a setting of rft"):
        order(write(), grader=tmp_path / "g.json")


BASE = JobOrder(service="openai", model="m", method="dpo", file=Path("a"), file_digest="0")
CHANGES: list[dict[str, Any]] = [
    {"file_digest": "1"},
    {"validation_digest": "1"},
    {"model": "n"},
    {"method": "sft"},
    {"settings": {"beta": 0.1}},
    {"settings": {"n_epochs": 1}},
    {"grader": {"type": "python"}},
    {"seed": 1},
    {"training_type": "Standard"},
]


@given(st.lists(st.sampled_from(CHANGES), max_size=4), st.lists(st.sampled_from(CHANGES), max_size=4))
def test_an_order_is_what_is_trained_on_what_and_how(one: list[Any], other: list[Any]) -> None:
    """Two orders have one id exactly where all of that is the same; names of files and of the tune do not count."""
    a, b = BASE, replace(BASE, file=Path("b"), suffix="x", service="azure")
    for change in one:
        a = replace(a, **change)
    for change in other:
        b = replace(b, **change)
    parts = ("file_digest", "validation_digest", "model", "method", "settings", "grader", "seed", "training_type")
    assert (a.id == b.id) == all(getattr(a, part) == getattr(b, part) for part in parts)


def test_the_record_is_held_by_one(write: Write) -> None:
    """Another submission of the same file waits for its turn; after a crash the lock is free."""
    book = book_of(write())
    other = Book(book.path)
    with book.held(), pytest.raises(SpecError, match="another process is submitting"), other.held():
        pass
    with book.held():
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1, "jobs": [{}]}', '{"version": 1, "jobs": 5}'])
def test_a_damaged_record_is_said(write: Write, text: str) -> None:
    """With its path and what to do; never taken for an empty one, which would make a second job."""
    book = book_of(write())
    book.path.write_text(text)
    with pytest.raises(SpecError, match=r"train\.jsonl\.finetune\.json: damaged; move it away"):
        book.entries()
    book.path.write_text('{"version": 2, "jobs": []}')
    with pytest.raises(SpecError, match="version 2"):
        book.entries()


def test_a_job_has_many_names(provider: Start, write: Write, tmp_path: Path) -> None:
    """Its file, its record, its run folder; its own id is none of them; what is not there is said."""
    server, file = provider(), write()
    run = tmp_path / "runs"
    run.mkdir()

    async def then(tuner: Tuner) -> None:
        for book in (book_of(file), book_of(file, run)):
            await once(order(file), tuner, book)

    at(server.url, then)
    for name in (file, tmp_path / "train.jsonl.finetune.json", run, run / "finetune.json"):
        found = entry_named(str(name))
        assert found is not None
        assert found[1].job == server.jobs[0].id
    assert entry_named("ftjob-123") is None
    for name, words in ((tmp_path / "gone.jsonl", "no such file"), (tmp_path, "no job is recorded")):
        with pytest.raises(SpecError, match=words):
            entry_named(str(name))
    with pytest.raises(SpecError, match="no folder"):
        book_of(file, tmp_path / "nowhere")


def test_a_job_is_followed_from_its_first_event_to_its_last(provider: Start, write: Write) -> None:
    """Each event once, in order, whenever one begins to look."""
    server, file = provider(seconds=0.3), write()
    told: list[str] = []

    async def then(tuner: Tuner) -> Job:
        done = await once(order(file), tuner, book_of(file))
        return await follow(tuner, done.job.id, lambda event: told.append(event.message), every=0.02)

    job = at(server.url, then)
    assert told[0] == f"Created fine-tuning job: {job.id}"
    assert told[-1] == "The job has successfully completed"
    assert len(told) == len(set(told)) == len(server.jobs[0].events())
    assert (job.status, job.fine_tuned_model is None, job.trained_tokens is None) == ("succeeded", False, False)


def test_a_cancelled_job_stays_cancelled(provider: Start, write: Write) -> None:
    """A second request finds it so; a job that has succeeded is not cancelled, and an unknown one is said."""
    server, file = provider(seconds=60.0), write()

    async def then(tuner: Tuner) -> None:
        done = await once(order(file), tuner, book_of(file))
        assert (await tuner.cancel(done.job.id)).status == "cancelled"
        assert (await tuner.cancel(done.job.id)).status == "cancelled"
        assert (await follow(tuner, done.job.id, lambda _: None)).status == "cancelled"
        with pytest.raises(ProviderRefused, match=r"openai fine-tuning API: .*Could not find fine tune"):
            await tuner.cancel("ftjob-unknown")

    at(server.url, then)
    quick = provider(seconds=0.0)
    done = at(quick.url, lambda tuner: once(order(file), tuner, Book(file.with_name("other.json"))))
    with pytest.raises(ProviderRefused, match="already completed"):
        at(quick.url, lambda tuner: tuner.cancel(done.job.id))


def test_jobs_are_listed_newest_first(provider: Start, write: Write) -> None:
    """As many as were asked for."""
    server, file = provider(), write()

    async def then(tuner: Tuner) -> list[Job]:
        for seed in range(5):
            await once(order(file, seed=seed), tuner, book_of(file))
        return await tuner.jobs(3)

    assert [job.id for job in at(server.url, then)] == [job.id for job in server.jobs[:1:-1]]


def test_what_the_provider_refuses_is_said_in_its_words(provider: Start, write: Write) -> None:
    """At once, and no job is made."""
    server, file = provider(), write()
    asked = replace(order(file), model="gpt-6-luna")
    with pytest.raises(ProviderRefused, match="Model gpt-6-luna is not available for fine-tuning"):
        at(server.url, lambda tuner: once(asked, tuner, book_of(file)))
    assert (server.jobs, book_of(file).entries()) == ([], [])


def test_without_a_key_nothing_is_asked(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that should hold it is named."""
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    with pytest.raises(ProviderRefused, match="AZURE_OPENAI_API_KEY"):
        at("https://mine.openai.azure.com/openai/v1/", lambda tuner: tuner.jobs(1), "azure")
    with pytest.raises(ProviderRefused, match="OPENAI_API_KEY"):
        at("https://api.openai.com/v1", lambda tuner: tuner.jobs(1))
