"""Every family of servers, whatever is asked of it and however: pairs or a row that says why, and the server's bill.

A slice that goes round all needs is always on; the rest of the matrix is marked slow.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.errors import Incomplete, Interrupted
from judgegen.llm.calls import Call, Outcome
from judgegen.llm.dialects import DIALECTS, Dialect
from judgegen.llm.stop import Stop
from judgegen.simulator.server import Served, serving
from judgegen.simulator.work import BatchSettings
from judgegen.spec import Scripted
from judgegen.watch import Watch

PROMPTS = [
    {"id": "p0", "prompt": "What is the use of amber?"},
    {"id": "p1", "prompt": "Tell me of amber. [flagged]"},
    {"id": "p2", "prompt": "What is the use of basalt?"},
    {"id": "p3", "prompt": "What is the use of chalk?"},
]
JUDGES: dict[str, dict[str, Any]] = {
    "sampler": {"pairs": {"select": "delta", "stronger": "plain", "weaker": "hot"}},
    "pairwise": {"judge": {}},
    "rubric": {"judge": {"method": "rubric"}},
    "reference": {"judge": {"reference": "judge", "template": "pairwise-reference"}},
}
INPUT, OUTPUT = Decimal(1) / 1_000_000, Decimal(4) / 1_000_000


def matrix(dialects: tuple[Dialect, ...], usual: int) -> list[Any]:
    """(dialect, need) of all, those marked slow that do not belong to the slice."""
    found = []
    for row, dialect in enumerate(dialects):
        for column, need in enumerate(JUDGES):
            slow = () if column == (row + usual) % len(JUDGES) else (pytest.mark.slow,)
            found.append(pytest.param(dialect, need, marks=slow, id=f"{dialect.name}-{need}"))
    return found


def run_file(url: str, need: str) -> dict[str, Any]:
    table = {
        "prompts": "-",
        "endpoints": {"here": {"base_url": url, "price": {"input": 1.0, "output": 4.0}}},
        "sampler": {
            "endpoint": "here",
            "model": "small",
            "max_tokens": 256,
            "variants": [
                {"name": "plain", "temperature": 0.7, "system": "Be terse."},
                {"name": "hot", "temperature": 1.4},
            ],
        },
        **JUDGES[need],
    }
    return (
        table if "judge" not in table else {**table, "judge": {"endpoint": "here", "model": "large", **table["judge"]}}
    )


class Until(Watch):
    """Ends a run from outside when so many answers are there."""

    def __init__(self, answers: int) -> None:
        self.stop, self._left = Stop(), answers

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        self._left -= fresh
        if self._left == 0:
            self.stop.request(Interrupted("by the test"))


def bill(served: Served) -> Decimal:
    row = served.tally.row()
    return row["prompt_tokens"] * INPUT + row["completion_tokens"] * OUTPUT


def spent(run: judgegen.Run) -> Decimal:
    words = Decimal(run.summary.get("probe", {}).get("usd", "0"))  # that a model was asked to see if it lives
    return Decimal(str(run.summary["cost_usd"]["total"])) + words


def check_whole(run: judgegen.Run, served: Served) -> None:
    """Pairs, and rows that say why for the rest; nothing that was answered was asked for twice."""
    assert run.summary["pairs"] + sum(run.summary["drops"].values()) == len(PROMPTS)
    assert run.summary["pairs"] >= 2
    assert "incomplete" not in run.summary["drops"]
    assert served.tally.row()["repeats"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "need"), matrix(DIALECTS, 0))
def test_live_interrupted_and_resumed(dialect: Dialect, need: str, tmp_path: Path) -> None:
    """What was paid before and after comes to the bill; what is refused is found out once; then all is silent."""

    async def main() -> None:
        async with serving(Scripted(accuracy=1.0, dialect=dialect.name)) as served:
            spec, out, until = run_file(served.url, need), tmp_path / "run", Until(3)
            with pytest.raises(Interrupted) as ended:
                await judgegen.generate(spec, out=out, prompts=PROMPTS, watch=until, stop=until.stop)
            assert spent(ended.value.run) == bill(served)
            assert ended.value.run.summary["pairs"] + sum(ended.value.run.summary["drops"].values()) == len(PROMPTS)
            run = await judgegen.generate(spec, out=out, prompts=PROMPTS)
            assert spent(run) == bill(served)
            assert served.tally.row()["refused"] <= 24
            check_whole(run, served)
            before = served.tally.row()
            again = await judgegen.generate(spec, out=out, prompts=PROMPTS)
            assert served.tally.row() == before
            assert again.summary["pairs"] == run.summary["pairs"]

    asyncio.run(main())


BATCHING = tuple(one for one in DIALECTS if one.batch)


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "need"), matrix(BATCHING, 1))
def test_in_batches(dialect: Dialect, need: str, tmp_path: Path) -> None:
    """The first command ends while its batch is under way; the next ones go on with it, at half the price."""

    async def main() -> None:
        settings = Scripted(accuracy=1.0, dialect=dialect.name)
        async with serving(settings, batches=BatchSettings(seconds=0.0)) as served:
            spec, out = run_file(served.url, need), tmp_path / "run"
            with pytest.raises(Incomplete):
                await judgegen.generate(spec, out=out, prompts=PROMPTS, batch=True)
            for _ in range(20):
                try:
                    run = await judgegen.generate(spec, out=out, prompts=PROMPTS, batch=True, wait=True, poll_s=0.02)
                    break
                except Incomplete:
                    continue
            assert spent(run) * 2 == bill(served)
            assert served.tally.row()["batch_rows"] == served.tally.row()["sampler"] + served.tally.row()["judge"]
            check_whole(run, served)

    asyncio.run(main())


WITHOUT = next(one for one in DIALECTS if not one.batch)


def test_a_family_without_batches_says_so(tmp_path: Path) -> None:
    """--batch ends with words that name the endpoint, and nothing is answered."""

    async def main() -> None:
        async with serving(Scripted(dialect=WITHOUT.name)) as served:
            with pytest.raises(judgegen.errors.JudgegenError, match="here"):
                await judgegen.generate(run_file(served.url, "pairwise"), out=tmp_path, prompts=PROMPTS, batch=True)
            assert served.tally.row()["sampler"] == 0

    asyncio.run(main())
