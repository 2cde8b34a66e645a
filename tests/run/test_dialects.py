"""A run against every family of servers, as the simulator plays it, over real HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.llm.dialects import DIALECTS, Dialect
from judgegen.simulator.server import serving
from judgegen.spec import Scripted

FLAGGED = {"id": "p3", "prompt": "Tell me of amber. [flagged]"}
PROMPTS = [FLAGGED if i == 3 else {"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(8)]


def run_file(url: str) -> dict[str, Any]:
    return {
        "prompts": "unused.jsonl",
        "endpoints": {"here": {"base_url": url, "price": {"input": 1.0, "output": 4.0}}},
        "sampler": {
            "endpoint": "here",
            "model": "small",
            "max_tokens": 256,
            "variants": [{"name": "plain", "temperature": 0.7, "n": 2, "system": "Be terse."}],
        },
        "judge": {"endpoint": "here", "model": "large"},
    }


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_every_dialect_ends_with_pairs_and_the_servers_bill(dialect: Dialect, tmp_path: Path) -> None:
    """What the family refuses costs a few requests in all, the flagged prompt is a row, and again asks nothing."""

    async def main() -> None:
        async with serving(Scripted(accuracy=1.0, dialect=dialect.name)) as served:
            spec = run_file(served.url)
            first = await judgegen.generate(spec, out=tmp_path / "run", prompts=PROMPTS)
            row = Counter(served.tally.row())
            again = await judgegen.generate(spec, out=tmp_path / "run", prompts=PROMPTS)
            assert served.tally.row()["refused"] == row["refused"]
            assert served.tally.row()["sampler"] == row["sampler"]
        assert first.summary["drops"]
        assert sum(first.summary["drops"].values()) + first.summary["pairs"] == 8
        assert first.summary["pairs"] >= 5
        assert again.summary["pairs"] == first.summary["pairs"]
        bill = Decimal(row["prompt_tokens"]) / 1_000_000 + Decimal(row["completion_tokens"]) * 4 / 1_000_000
        assert Decimal(str(first.summary["cost_usd"]["total"])) == bill
        assert row["refused"] <= 24
        assert row["repeats"] == 0

    asyncio.run(main())
