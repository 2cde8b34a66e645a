"""What a job is expected to take: no luck in it, an interval of use, pairs, and what a cap will do."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.llm.calls import Call, Reply, Tag
from judgegen.llm.guess import Bound, Guess, Length
from judgegen.run.expected import Estimate, ExpectedPairs, Portion
from judgegen.sources import prompts_from_rows

PROMPTS = [f"What is {number}?" for number in range(8)]


def table(*, judge: dict[str, Any] | None = None, max_tokens: int = 512, **more: Any) -> dict[str, Any]:
    """A run file of three candidates whose every call costs money."""
    price = {"input": 0.5, "output": 2}
    return {
        "prompts": "none",
        "endpoints": {"server": {"base_url": "http://127.0.0.1:9/v1", "price": price}},
        "sampler": {
            "endpoint": "server",
            "model": "small",
            "max_tokens": max_tokens,
            "variants": [{"name": "a"}, {"name": "b", "temperature": 1.0, "n": 2}],
        },
        "judge": {"endpoint": "server", "model": "large", **(judge or {})},
        **more,
    }


@pytest.mark.slow
def test_the_high_end_is_no_luck_of_a_seed() -> None:
    """The same prompts under other seeds are the same job, within a per cent for the words that are made up."""
    found = [judgegen.estimate(table(seed=seed), prompts=PROMPTS).cost_usd["high"] for seed in range(4)]
    assert max(found) < min(found) * Decimal("1.01")


JUDGES: list[dict[str, Any]] = [
    {},
    {"orders": "one"},
    {"rationale": "before"},
    *({"model": "gpt-5", "reasoning_effort": effort} for effort in ("low", "medium", "high")),
    {"method": "rubric"},
]


@pytest.mark.slow
@pytest.mark.parametrize("max_tokens", [256, 1024, 8192])
@pytest.mark.parametrize("judge", JUDGES, ids=str)
def test_without_a_pilot_the_interval_is_of_use(judge: dict[str, Any], max_tokens: int) -> None:
    """Less than tenfold, around what is expected."""
    cost = judgegen.estimate(table(judge=judge, max_tokens=max_tokens), prompts=PROMPTS).cost_usd
    assert cost["low"] < cost["expected"] < cost["high"] < 10 * cost["low"]


def test_a_sampler_that_thinks_is_billed_for_it() -> None:
    """Its thought is output, and an estimate without it would be for another model."""
    usual = {"endpoint": "server", "model": "small", "max_tokens": 4096, "variants": [{"name": "a", "n": 2}]}
    thinks = table(sampler={**usual, "model": "gpt-5"})
    found, plain = (judgegen.estimate(given, prompts=PROMPTS).rows[0] for given in (thinks, table(sampler=usual)))
    assert found.output["expected"] > 2 * plain.output["expected"]


@pytest.mark.parametrize(("bound", "unread"), [("low", 0), ("expected", 1), ("high", 3)])
def test_a_share_of_verdicts_is_asked_again_and_not_a_lot_drawn(bound: Bound, unread: int) -> None:
    """Of twelve verdicts with a share of 0.1 to 0.2 that nobody can read: to the nearest, and at the high end up."""
    key = ("judge", "server", "large", "v")
    length = Length(low=5, expected=5, high=5, basis="", asked_again=0.1, asked_again_high=0.2)
    guess = Guess(journal=None, lengths={key: length}, bound=bound, encodings={"large": "o200k_base"})
    schema = {"type": "object", "properties": {"verdict": {"enum": ["A", "B"]}}}

    def ask(number: int) -> str:
        tag = Tag(role="judge", prompt_id=str(number), variant="v", route="server")
        messages = ({"role": "user", "content": str(number)},)
        call = Call(endpoint="e", model="large", messages=messages, params={"schema": schema}, draw=0, tag=tag)
        answer = asyncio.run(guess(call))
        assert isinstance(answer, Reply)
        return answer.choices[0].text or ""

    assert sum(ask(number) == "not a verdict" for number in range(12)) == unread


@pytest.mark.slow
def test_pairs_to_come_are_those_that_a_pilot_made(tmp_path: Path) -> None:
    """After a pilot the interval holds what the whole makes, and what a pair costs is of those to come."""
    given = table(endpoints={"server": {"provider": "scripted", "price": {"input": 0.5, "output": 2}}})
    prompts = [f"What is {number}?" for number in range(60)]
    before = judgegen.estimate(given, out=tmp_path, prompts=prompts)
    asyncio.run(judgegen.generate(given, out=tmp_path, prompts=prompts, limit=20))
    after = judgegen.estimate(given, out=tmp_path, prompts=prompts)
    made = asyncio.run(judgegen.generate(given, out=tmp_path, prompts=prompts)).summary["pairs"]
    assert before.pairs is not None
    assert after.pairs is not None
    assert "assumed" in before.pairs.basis
    assert "20 prompts in the journal" in after.pairs.basis
    assert after.pairs.found["low"] <= made <= after.pairs.found["high"]
    assert after.pairs.found["high"] - after.pairs.found["low"] < 60
    done = judgegen.estimate(given, out=tmp_path, prompts=prompts)
    assert done.pairs is not None
    assert round(done.pairs.found["expected"]) == made
    assert done.usd_per_pair() is None


def expected(low: str, middle: str, high: str, prompts: int = 400) -> Estimate:
    """An estimate of one row with this cost."""
    ends: dict[Bound, Decimal] = {"low": Decimal(low), "expected": Decimal(middle), "high": Decimal(high)}
    tokens: dict[Bound, int] = {"low": 1, "expected": 2, "high": 3}
    row = Portion(
        role="judge", endpoint="e", model="m", calls=9, from_journal=0, input=tokens, cached=tokens, output=tokens,
        usd=ends, usd_batch=None, basis="",
    )  # fmt: skip
    pairs = ExpectedPairs(found={"low": 160.4, "expected": 280, "high": 400}, to_come=280, basis="")
    return Estimate(prompts=prompts, counted=prompts, hours=1, rows=(row,), assumptions=(), pairs=pairs)


@pytest.mark.parametrize(
    ("cap", "said"),
    [
        ("200", "the cap of $200.0000 leaves room for all of it"),
        ("20", "the cap of $20.0000 will stop it at about 71 % of the prompts"),
        ("30", "the cap of $30.0000 may stop it before the end"),
    ],
)
def test_the_line_says_what_a_cap_will_do(cap: str, said: str) -> None:
    """One sentence: the cost with its ends, the pairs and what one costs, the cap, and what a pilot would cost."""
    line = expected("4", "28", "153").line(cap=Decimal(cap))
    assert said in line
    assert "about 280 pairs (160 to 400) at $0.1000 each" in line
    assert "a pilot of 50 prompts (--limit 50) for about $3.5000 narrows this" in line
    assert "pilot" not in expected("20", "28", "40").line()
    assert "pilot" not in expected("4", "28", "153", prompts=60).line()


def test_the_pilot_of_a_job_that_ends_at_so_many_pairs_is_some_of_them() -> None:
    """By --limit other prompts would be asked, and paid for twice; where hardly more are wanted none is advised."""
    line = replace(expected("4", "28", "153"), wanted=280).line()
    assert "a pilot of 50 pairs (--pairs 50) for about $5.0000 narrows this" in line
    assert "--limit" not in line
    assert "pilot" not in replace(expected("4", "28", "153"), wanted=80).line()


def test_the_table_ends_with_its_sum() -> None:
    """The last row is the total of the others, and of the line."""
    found = judgegen.estimate(table(), prompts=PROMPTS)
    *rows, total = found.table()
    assert total[0] == "total"
    assert int(total[2]) == sum(int(row[2]) for row in rows)
    assert total[6] == f"${found.cost_usd['expected']:.4f}"


@pytest.mark.slow
def test_prompts_are_only_read() -> None:
    """Estimating twice is estimating once."""
    items = list(prompts_from_rows(PROMPTS, where="test", warn=print))
    first, second = (judgegen.estimate(table(), prompts=PROMPTS) for _ in itertools.repeat(None, 2))
    assert first == second
    assert first.prompts == len(items)


@pytest.mark.slow
def test_before_a_run_a_sample_is_counted_and_holds_what_all_would_come_to() -> None:
    """Its ends lie outside of those of every prompt counted, for the error of a sample; no run waits for the rest."""
    prompts = [f"What is {number}? {'Say why. ' * (number % 9)}" for number in range(150)]
    whole, quick = (judgegen.estimate(table(), prompts=prompts, quick=quick) for quick in (False, True))
    assert (whole.counted, quick.counted, quick.prompts) == (150, 100, 150)
    assert quick.cost_usd["low"] < whole.cost_usd["low"] < whole.cost_usd["high"] < quick.cost_usd["high"]


def test_what_is_left_of_a_run_is_counted_whole(tmp_path: Path) -> None:
    """A sample might miss the few prompts that lack answers, and say that nothing is left to pay."""
    scripted = {"provider": "scripted", "price": {"input": 1, "output": 4}}
    prompts = [f"What is {number}?" for number in range(101)]
    given = table(endpoints={"server": scripted})
    asyncio.run(judgegen.generate(given, out=tmp_path, prompts=prompts, limit=1))
    assert judgegen.estimate(given, out=tmp_path, prompts=prompts, quick=True).counted == 101
