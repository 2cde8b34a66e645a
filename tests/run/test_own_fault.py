"""A fault of the program's own, wherever it comes from, loses neither answers nor what they come to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from judgegen import api
from judgegen.records import Result
from judgegen.watch import Watch

TABLE: dict[str, Any] = {
    "endpoints": {"w": {"provider": "scripted", "max_concurrency": 1}},
    "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2}]},
    "judge": {"endpoint": "w", "model": "j"},
}


class Broken(Watch):
    """Fails at the second prompt that is done."""

    done = 0

    def finished(self, result: Result) -> None:
        self.done += 1
        if self.done == 2:
            raise ZeroDivisionError


def test_what_was_answered_is_written_before_the_fault_is_told(tmp_path: Path) -> None:
    """The outputs are what `write` makes of the journal; the same command goes on to what a calm run gives."""
    table = {**TABLE, "prompts": str(tmp_path / "none.txt")}
    rows = [f"question {n}" for n in range(6)]
    with pytest.raises(ZeroDivisionError):
        asyncio.run(api.generate(table, out=tmp_path / "out", prompts=rows, watch=Broken()))
    saved = (tmp_path / "out" / "preferences.jsonl").read_bytes()
    assert 2 <= len(saved.splitlines()) < len(rows)
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["prompts"] == len(rows)

    asyncio.run(api.generate(table, out=tmp_path / "out", prompts=rows))
    asyncio.run(api.generate(table, out=tmp_path / "calm", prompts=rows))
    ends = [(tmp_path / name / "preferences.jsonl").read_bytes() for name in ("out", "calm")]
    assert ends[0] == ends[1] != saved
