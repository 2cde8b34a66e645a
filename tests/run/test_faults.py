"""A plan of faults is played as it says, and a run comes through each kind: pairs or rows that say why, its bill."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import judgegen
from judgegen.errors import BudgetReached, Incomplete, JudgegenError, SpecError
from judgegen.simulator.faults import KINDS, FaultPlan, Strikes, Whom, parse, read
from judgegen.simulator.server import Served, serving
from judgegen.simulator.work import BatchSettings
from judgegen.spec import Scripted

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
PROMPTS = [{"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(4)]
INPUT, OUTPUT = Decimal(1) / 1_000_000, Decimal(4) / 1_000_000


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits before another try are short."""
    monkeypatch.setattr("judgegen.llm.retry.FIRST_WAIT_S", 0.01)


def run_file(url: str, **endpoint: Any) -> dict[str, Any]:
    here = {"base_url": url, "price": {"input": 1.0, "output": 4.0}, "timeout_s": 1.0, **endpoint}
    return {
        "prompts": "-",
        "endpoints": {"here": here},
        "sampler": {"endpoint": "here", "model": "small", "max_tokens": 256, "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "here", "model": "large"},
    }


def bill(served: Served) -> Decimal:
    row = served.tally.row()
    return row["prompt_tokens"] * INPUT + row["completion_tokens"] * OUTPUT


async def outcome(spec: dict[str, Any], out: Path, **options: Any) -> tuple[judgegen.Run, JudgegenError | None]:
    """The run, and how it ended; an error that carries no run, or is not ours, is none of a run's."""
    try:
        return await judgegen.generate(spec, out=out, prompts=PROMPTS, **options), None
    except JudgegenError as error:
        if not isinstance(error.run, judgegen.Run):
            raise
        return error.run, error


FAULTS: dict[str, dict[str, Any]] = {
    "500": {"fault": "status", "status": 500},
    "503 in HTML": {"fault": "status", "status": 503, "body": "<html>Bad gateway</html>"},
    "429": {"fault": "status", "status": 429, "headers": {"retry-after-ms": "20"}},
    "529 with a body": {"fault": "status", "status": 529, "body": {"error": {"message": "Overloaded"}}},
    "hang": {"fault": "hang"},
    "late": {"fault": "hang", "seconds": 0.05},
    "slow": {"fault": "slow", "bytes": 20, "pause_s": 0.5},
    "cut": {"fault": "cut"},
    "cut at once": {"fault": "cut", "after_bytes": 0},
    "drop": {"fault": "drop"},
    "malformed": {"fault": "malformed"},
    "text": {"fault": "text"},
    "other JSON": {"fault": "text", "body": '{"hello": [1]}', "content_type": "application/json"},
    "error in a 200": {"fault": "text", "body": '{"error": {"message": "busy", "code": 502}}'},
    "no choices": {"fault": "change", "set": {"choices": []}},
    "a choice of null": {"fault": "change", "set": {"choices.0": None}},
    "half a character": {"fault": "change", "set": {"choices.0.message.content": "\ud83d broken"}},
    "content of null": {"fault": "change", "set": {"choices.0.message.content": None}},
    "logprobs of text": {"fault": "change", "set": {"choices.0.logprobs": "none"}},
    "finish error": {"fault": "finish"},
    "finish unknown": {"fault": "finish", "reason": "tired"},
    "finish length": {"fault": "finish", "reason": "length"},
    "finish filter": {"fault": "finish", "reason": "content_filter", "empty": True},
    "finish null": {"fault": "finish", "reason": None},
    "empty": {"fault": "finish", "reason": "stop", "empty": True},
    "usage absent": {"fault": "usage", "said": "absent"},
    "usage zero": {"fault": "usage", "said": "zero"},
    "usage text": {"fault": "usage", "said": "text"},
    "overbilled": {"fault": "usage", "times": 3},
    "storm": {"fault": "status", "status": 429, "headers": {"retry-after": "0.1"}, "for_s": 0.2},
    "down": {"fault": "drop", "for_s": 0.2},
}  # fmt: skip
UNKNOWN_USAGE = ("usage absent", "usage zero", "usage text")
"""Where the server does not say what it bills: what is counted here is an opinion."""
SOMETIMES = {"first": 2}, {"every": 3}
CASES = [
    pytest.param(name, whom, marks=() if index == place % 2 else (pytest.mark.slow,), id=f"{name}-{next(iter(whom))}")
    for place, name in enumerate(FAULTS)
    for index, whom in enumerate(SOMETIMES)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "whom"), CASES)
def test_a_run_comes_through_every_kind_of_fault(name: str, whom: dict[str, int], tmp_path: Path) -> None:
    """Each prompt is pairs or a row that says why; what is spent and in doubt holds the bill; again, it goes on."""
    fault = FAULTS[name] if "for_s" in FAULTS[name] else {**FAULTS[name], **whom}

    async def main() -> None:
        async with serving(Scripted(accuracy=1.0), faults=parse({"faults": [fault]})) as served:
            spec, last = run_file(served.url), None
            for _ in range(4):
                run, last = await outcome(spec, tmp_path / "run")
                assert run.summary["pairs"] + sum(run.summary["drops"].values()) == len(PROMPTS)
                words = Decimal(
                    run.summary.get("probe", {}).get("usd", "0")
                )  # that a model was asked to see if it lives
                spent = Decimal(str(run.summary["cost_usd"]["total"])) + words
                doubt = Decimal(run.summary.get("in_doubt", {}).get("usd_at_most", "0"))
                assert name in UNKNOWN_USAGE or spent <= bill(served) <= spent + doubt
                if not isinstance(last, Incomplete):
                    break
            assert not isinstance(last, Incomplete), last
            assert served.tally.row()["faults"] > 0

    asyncio.run(main())


def test_a_cap_holds_against_a_server_that_bills_more_than_agreed(tmp_path: Path) -> None:
    """The overrun is told of and ends the run with 4; a higher cap goes on to the end."""

    async def main() -> None:
        plan = parse({"faults": [{"fault": "usage", "times": 50}]})
        async with serving(Scripted(accuracy=1.0), faults=plan) as served:
            run, error = await outcome(run_file(served.url), tmp_path / "run", max_usd=0.02)
            assert isinstance(error, BudgetReached)
            run, error = await outcome(run_file(served.url), tmp_path / "run", max_usd=50)
            assert error is None
            assert Decimal(str(run.summary["cost_usd"]["total"])) == bill(served)

    asyncio.run(main())


@pytest.mark.parametrize(
    "fault",
    [
        {"where": "files", "fault": "drop", "first": 2},
        {"where": "files", "fault": "text", "first": 1},
        {"where": "batches", "fault": "status", "status": 503, "every": 3},
        {"where": "rows", "fault": "status", "status": 500, "first": 3},
        {"where": "rows", "fault": "finish", "reason": "tired", "first": 2},
        {"where": "rows", "fault": "usage", "times": 4},
    ],
    ids=lambda fault: f"{fault['where']}-{fault['fault']}",
)
def test_batches_come_through(fault: dict[str, Any], tmp_path: Path) -> None:
    """The same command goes on until all is answered, and what was spent is half of what the rows cost live."""

    async def main() -> None:
        batches = BatchSettings(seconds=0.0)
        async with serving(Scripted(accuracy=1.0), batches=batches, faults=parse({"faults": [fault]})) as served:
            spec = run_file(served.url)
            for _ in range(12):
                try:
                    run = await judgegen.generate(
                        spec, out=tmp_path / "run", prompts=PROMPTS, batch=True, wait=True, poll_s=0.01
                    )
                    break
                except Incomplete:
                    continue
            assert run.summary["pairs"] + sum(run.summary["drops"].values()) == len(PROMPTS)
            assert Decimal(str(run.summary["cost_usd"]["total"])) * 2 == bill(served)
            assert served.tally.row()["faults"] > 0

    asyncio.run(main())


def test_faults_are_played_in_a_dialect(tmp_path: Path) -> None:
    """What a family refuses is found out all the same."""

    async def main() -> None:
        plan = parse({"faults": [{"fault": "status", "status": 503, "every": 4}, {"fault": "cut", "first": 1}]})
        async with serving(Scripted(accuracy=1.0, dialect="gemini"), faults=plan) as served:
            run, error = await outcome(run_file(served.url), tmp_path / "run")
            assert error is None
            assert run.summary["pairs"] >= 2
            assert served.tally.row()["refused"] > 0

    asyncio.run(main())


def body(number: int, model: str = "m") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": f"Question {number}"}]}


def met(plan: FaultPlan, bodies: list[dict[str, Any]], at: float = 0.0) -> list[bool]:
    strikes = Strikes(plan)
    return [strikes.struck("chat", one, at) is not None for one in bodies]


@given(seed=st.integers(0, 99), order=st.permutations(range(12)))
def test_whom_a_share_meets_is_known_beforehand(seed: int, order: list[int]) -> None:
    """In whatever order requests come, the same ones are met; another time is another lot."""
    plan = parse({"seed": seed, "faults": [{"fault": "drop", "share": 0.5}]})
    twice = [body(number) for number in order] * 2
    found = dict(zip([*((n, 0) for n in order), *((n, 1) for n in order)], met(plan, twice), strict=True))
    straight = [body(number) for number in range(12)] * 2
    expected = zip([(n, turn) for turn in (0, 1) for n in range(12)], met(plan, straight), strict=True)
    assert found == dict(expected)


@pytest.mark.parametrize(
    ("whom", "expected"),
    [
        ({}, "xxxxxx"),
        ({"every": 2}, ".x.x.x"),
        ({"first": 2}, "xx...."),
        ({"first": 2, "after": 3}, "...xx."),
        ({"model": "n*"}, "......"),
        ({"role": "sampler", "first": 1}, "x....."),
        ({"role": "judge"}, "......"),
        ({"from_s": 5.0}, "......"),
        ({"where": "files"}, "......"),
    ],
)
def test_whom_a_fault_meets(whom: dict[str, Any], expected: str) -> None:
    """By count, model, role, time and place."""
    found = met(parse({"faults": [{"fault": "drop", **whom}]}), [body(number) for number in range(6)])
    assert "".join("x" if one else "." for one in found) == expected


def test_a_time_begins_with_the_first_request() -> None:
    """from_s and for_s are of the server's own clock."""
    strikes = Strikes(parse({"faults": [{"fault": "drop", "from_s": 1, "for_s": 2}]}))
    found = [strikes.struck("chat", body(0), 100 + since) is not None for since in (0, 0.9, 1, 2.9, 3, 9)]
    assert found == [False, False, True, True, False, False]


def test_the_first_that_would_meet_a_request_does() -> None:
    """Each counts all the requests that it could have met."""
    plan = parse(
        {"faults": [{"fault": "drop", "every": 2}, {"fault": "hang", "every": 4}, {"fault": "text", "after": 4}]}
    )
    strikes = Strikes(plan)
    found = [strikes.struck("chat", body(number), 0.0) for number in range(6)]
    assert [None if one is None else one.fault for one in found] == [None, "drop", None, "drop", "text", "drop"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "faults"),
        ({"faults": []}, "at least 1"),
        ({"faults": [{"status": 500}]}, "missing key 'fault', one of: status, hang"),
        ({"faults": [{"fault": "hangs"}]}, "'hangs' is not one of: status, hang"),
        ({"faults": [{"fault": "status", "stats": 500}]}, "faults.1.stats: unknown key; known: where"),
        ({"faults": [{"fault": "drop"}, {"fault": "status", "status": 200}]}, "faults.2.status"),
        ({"faults": [{"fault": "drop", "every": 2, "share": 0.5}]}, "every and share"),
        ({"faults": [{"fault": "drop", "share": 1.5}]}, "share"),
        ({"faults": [{"fault": "change"}]}, "write set or remove"),
        ({"faults": [{"fault": "usage"}]}, "one of said and times"),
        ({"faults": [{"fault": "cut", "where": "rows"}]}, 'where = "rows" takes: status'),
        ({"faults": [{"fault": "drop", "where": "files", "role": "judge"}]}, "has neither"),
    ],
)
def test_a_plan_that_is_none_is_refused_by_its_key(table: dict[str, Any], said: str) -> None:
    """With the place and what would be right."""
    with pytest.raises(SpecError, match=re.escape(said)) as refused:
        parse(table, "plan.toml")
    assert all(line.startswith("plan.toml: ") for line in str(refused.value).splitlines())


def test_a_plan_is_read_from_toml(tmp_path: Path) -> None:
    """The page's own plan is one; what is no TOML, or not there, is named."""
    fence = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert fence is not None
    path = tmp_path / "plan.toml"
    path.write_text(fence[1])
    assert [one.fault for one in read(path).faults] == ["status", "cut", "usage"]
    path.write_text("faults = [")
    with pytest.raises(SpecError, match="not TOML"):
        read(path)
    with pytest.raises(SpecError, match="cannot be read"):
        read(tmp_path / "none.toml")


def test_the_page_has_every_fault_and_every_key() -> None:
    """docs/simulator.md leaves none out."""
    page = PAGE.read_text(encoding="utf-8")
    shared = set(Whom.model_fields)
    for name, kind in KINDS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        for key, field in kind.model_fields.items():
            assert f"`{field.alias or key}`" in (page if key in shared else row) or key == "fault", (name, key)
