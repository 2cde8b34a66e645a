"""A run whose first results are all of no use stops before it pays for more, with the mend, unless that is meant."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.errors import GateFailed, ProviderRefused
from judgegen.judge import decide
from judgegen.records import Candidate, Comparison, Prompt, Result, Unreadable, Verdict
from judgegen.run.hope import Hope
from judgegen.simulator.server import serving
from judgegen.spec import Scripted
from judgegen.spec.reading import parse

MANY = 400
PROMPTS = [{"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(MANY)]


def run_file(url: str, **gates: Any) -> dict[str, Any]:
    return {
        "prompts": "unused.jsonl",
        "endpoints": {"here": {"base_url": url, "price": {"input": 1.0, "output": 4.0}, "max_concurrency": 8}},
        "sampler": {"endpoint": "here", "model": "small", "variants": [{"name": "plain", "n": 2}]},
        "judge": {"endpoint": "here", "model": "large"},
        **({"gates": gates} if gates else {}),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "role", "words"),
    [
        (Scripted(unreadable_rate=1.0), "judge", r"no verdict that can be read .*judge\.model"),
        (Scripted(truncated_rate=1.0), "sampler", r"no answer that may compete \(16 truncated\).*sampler\.max_tokens"),
    ],
)
def test_nothing_more_is_paid_for_where_the_first_results_are_of_no_use(
    world: Scripted, role: str, words: str, tmp_path: Path
) -> None:
    """A judge that nobody can read, answers that all break off: 3, a few calls of hundreds, the outputs written."""

    async def main() -> None:
        async with serving(world) as served:
            with pytest.raises(ProviderRefused, match=words) as refused:
                await judgegen.generate(run_file(served.url), out=tmp_path / "run", prompts=PROMPTS)
            assert served.tally.row()[role] < MANY / 2
        assert refused.value.run.summary["prompts"] == MANY
        assert (tmp_path / "run" / "summary.json").is_file()

    asyncio.run(main())


@pytest.mark.slow
def test_a_run_that_is_meant_to_be_of_no_use_goes_on(tmp_path: Path) -> None:
    """With the gate open the judge is asked about every prompt."""

    async def main() -> None:
        async with serving(Scripted(unreadable_rate=1.0)) as served:
            spec = run_file(served.url, max_unreadable_rate=1.0)
            with pytest.raises(GateFailed, match="min_pairs"):
                await judgegen.generate(spec, out=tmp_path / "run", prompts=PROMPTS[:30])
            assert served.tally.row()["judge"] == 30 * 2 * 3

    asyncio.run(main())


def candidate(name: str, refused: str | None) -> Candidate:
    return Candidate(
        prompt_id="p",
        variant=name,
        index=0,
        model="m",
        text=name,
        finish="stop",
        call_id=f"b2:{name}",
        refused=refused,
    )


def result(*, refused: str | None = None, verdict: str | None = None, drop: str | None = None) -> Result:
    one, other = candidate("a", refused), candidate("b", refused)
    said = Unreadable(reason=verdict) if verdict else Verdict(label="first", p_first=1, p_second=0, p_tie=0)
    matches = () if refused else (decide.match(one, other, [(Comparison(first=one, second=other), said)]),)
    prompt = Prompt(id="p", messages=({"role": "user", "content": "?"},))
    return Result(prompt=prompt, candidates=(one, other), matches=matches, drop=drop)


def lost(*results: Result, fresh: bool = True) -> bool:
    hope = Hope(parse(run_file("http://127.0.0.1:1/v1")))
    errors = [hope.add(one, fresh=fresh) for one in results]
    return any(error is not None for error in errors)


BAD = result(verdict="no-verdict")


def test_one_result_of_use_is_enough() -> None:
    """After it nothing ends the run in this way, and before it eight do."""
    assert lost(*[BAD] * 8)
    assert not lost(*[BAD] * 7)
    assert not lost(result(), *[BAD] * 50)
    assert not lost(*[BAD] * 7, result(), *[BAD] * 50)


@pytest.mark.parametrize(
    "own",
    [
        result(refused="content-filtered"),
        result(refused="rejected"),
        result(refused="too-long"),
        result(verdict="content-filter"),
        result(verdict="no-verdict", drop="incomplete"),
    ],
)
def test_what_is_refused_for_a_prompts_own_sake_says_nothing_of_the_others(own: Result) -> None:
    """However many flagged prompts stand at the head of a file, the run goes on."""
    assert not lost(*[own] * 100)
    assert lost(*[own] * 100, *[BAD] * 8)


def test_answers_of_the_journal_end_nothing() -> None:
    """Where nothing is being paid for there is nothing to save."""
    assert not lost(*[BAD] * 100, fresh=False)
