from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from results import prompt, sampled

from judgegen.errors import SpecError
from judgegen.llm.answers import Landing
from judgegen.llm.journal import Journal
from judgegen.llm.outbox import Outbox, Size
from judgegen.run.status import status


def filled(journal: Journal, count: int) -> None:
    async def fill() -> None:
        for number in range(count):
            call, outcome = sampled(prompt(f"p{number}"), "loose", "an answer", cost="0.25")
            await journal.append(call, outcome, Landing(seconds=1.0, attempts=2))

    asyncio.run(fill())


def test_a_run_is_seen_while_another_holds_its_journal(tmp_path: Path) -> None:
    """Answers, spend, requests sent again and pace, read beside the writer; later they are old."""
    with Journal(tmp_path) as journal:
        filled(journal, 3)
        found = status(tmp_path, Decimal(5))
        later = status(tmp_path, None, datetime.now(UTC) + timedelta(hours=2))
        filled(journal, 4)
    assert (found.begun, found.calls, found.again, found.usd) == (3, {"sampler": 3}, 3, Decimal("0.75"))
    assert (found.lately, later.lately) == (3, 0)
    assert any("$5 at most" in line for line in found.lines())
    assert later.quiet_s is not None
    assert later.quiet_s > 7000
    assert status(tmp_path, None).begun == 4


def test_no_more_prompts_are_begun_than_are_asked_now(tmp_path: Path) -> None:
    """Answers to prompts that the run no longer has are answers, and no prompt of the run."""
    with Journal(tmp_path) as journal:
        filled(journal, 3)
        journal.keep_prompts([{"id": "p1"}, {"id": "new"}])
        found = status(tmp_path, None)
    assert (found.begun, found.prompts, found.calls) == (1, 2, {"sampler": 3})


def test_before_the_first_answer_there_is_none(tmp_path: Path) -> None:
    """An empty journal is a state; no journal is an error."""
    with Journal(tmp_path):
        assert "no answer yet" in "\n".join(status(tmp_path, None).lines())
    with pytest.raises(SpecError, match="first call"):
        status(tmp_path / "elsewhere", None)


def test_a_file_that_waits_is_said_to_be_with_no_provider(tmp_path: Path) -> None:
    """Beside a batch that is, each is told by itself, with what goes on."""
    with Journal(tmp_path) as journal, Outbox(journal.path) as outbox:
        for number in range(2):
            call, _ = sampled(prompt(f"p{number}"), "loose", "an answer", cost="0.25")
            outbox.add(call, Size(bytes=9, tokens=9, worst=Decimal(0)))
        name = "file:small-1f3c9a2b.jsonl"
        assert outbox.write_down(*outbox.kinds()[0], most_tokens=9, most_usd=None, named=lambda _: name)
        alone = "\n".join(status(tmp_path, None).lines())
        away = outbox.write_down(*outbox.kinds()[0], most_tokens=9, most_usd=None)
        assert away is not None
        outbox.submitted(away, "batch_1")
        both = "\n".join(status(tmp_path, None).lines())
    assert "1 file waits for its answers\n  1 call of" in alone
    assert "small-1f3c9a2b.jsonl\n1 collected" in alone
    assert alone.endswith("the command that began the run takes in what was answered")
    assert "provider" not in alone
    assert "1 batch with its provider\n" in both
    assert "1 file waits for its answers\n" in both


def test_a_run_that_waits_for_batches_says_so(tmp_path: Path) -> None:
    """What is with the provider, since when and under which name; what was fetched; what is in no batch yet."""
    with Journal(tmp_path) as journal, Outbox(journal.path) as outbox:
        for number in range(6):
            call, _ = sampled(prompt(f"p{number}"), "loose", "an answer", cost="0.25")
            outbox.add(call, Size(bytes=9, tokens=9, worst=Decimal(number >= 5)))
        done = outbox.write_down(*outbox.kinds()[0], most_tokens=18, most_usd=None)
        assert done is not None
        outbox.submitted(done, "batch_1")
        outbox.settled(done, [call.id for call in outbox.calls(done)], [])
        waits = outbox.write_down(*outbox.kinds()[0], most_tokens=27, most_usd=None)
        assert waits is not None
        outbox.submitted(waits, "batch_2")
        found = status(tmp_path, None, datetime.now(UTC) + timedelta(hours=2))
    (batch,) = found.batches
    assert (batch.provider_id, batch.calls, found.fetched, found.unsent) == ("batch_2", 3, 1, 1)
    assert batch.waited_s >= 7200
    said = "\n".join(found.lines())
    assert "1 batch with its provider\n" in said
    assert "1 taken in before" in said
    assert "batch_2" in said
    assert "1 collected, in no batch yet" in said
    assert found.to_dict()["batches"][0]["calls"] == 3
