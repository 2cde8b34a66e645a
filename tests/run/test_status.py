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


def test_before_the_first_answer_there_is_none(tmp_path: Path) -> None:
    """An empty journal is a state; no journal is an error."""
    with Journal(tmp_path):
        assert "no answer yet" in "\n".join(status(tmp_path, None).lines())
    with pytest.raises(SpecError, match="first call"):
        status(tmp_path / "elsewhere", None)
