"""A server that moved is told of before its answers are paid for again, and the mend that is printed keeps them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from worlds import derived, stats, world

import judgegen
from judgegen.watch import Watch


class Heard(Watch):
    """What is said of servers that moved."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def warned(self, message: str) -> None:
        if "holds answers of" in message:
            self.words.append(message)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-simulated")


def run(folder: Path, heard: Heard, *, max_usd: float | None = None, **endpoint: str) -> None:
    file: dict[str, Any] = {
        "prompts": "unused",
        "endpoints": {"here": {"price": {"input": 1, "output": 1}, **endpoint}},
        "sampler": {"endpoint": "here", "model": "small", "variants": [{"name": "v", "n": 2}]},
        "judge": {"endpoint": "here", "model": "judge"},
        "gates": {"min_pairs": 0},
    }
    asyncio.run(judgegen.generate(file, prompts=["Name a river."], out=folder, watch=heard, max_usd=max_usd))


@pytest.mark.slow
def test_the_old_address_as_identity_keeps_what_was_paid_for(tmp_path: Path) -> None:
    """From there a run says so before it pays; with the line it names nothing is asked and no byte changes."""
    heard = Heard()
    with world() as old, world() as new:
        run(tmp_path, heard, base_url=old)
        assert heard.words == []
        before, asked = derived(tmp_path), stats(new)
        with pytest.raises(judgegen.BudgetReached):
            run(tmp_path, heard, base_url=new, max_usd=0.000001)
        named = re.search(r"identity = '([^']+)' under \[endpoints\.here\]", heard.words.pop())
        assert named is not None
        assert named[1] == old
        run(tmp_path, heard, base_url=new, identity=named[1])
        assert (derived(tmp_path), stats(new), heard.words) == (before, asked, [])


@pytest.mark.slow
def test_a_second_server_of_one_model_is_told_of_once(tmp_path: Path) -> None:
    """When the journal holds both, neither has moved."""
    heard = Heard()
    with world() as first, world() as second:
        run(tmp_path, heard, base_url=first)
        run(tmp_path, heard, base_url=second)
        assert len(heard.words) == 1
        run(tmp_path, heard, base_url=first)
        run(tmp_path, heard, base_url=second)
        assert len(heard.words) == 1
