"""A probe costs what it says, is not paid for twice, and ends with 3 where a run could not work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import judgegen
from judgegen.errors import BudgetReached, Incomplete, Interrupted, ProviderRefused
from judgegen.llm.stop import Stop
from judgegen.probing.probe import expected
from judgegen.simulator.server import serving
from judgegen.spec import Scripted

PROMPTS = [{"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(6)]


def run_file(url: str, **judge: Any) -> dict[str, Any]:
    return {
        "prompts": "unused.jsonl",
        "endpoints": {"here": {"base_url": url, "price": {"input": 1.0, "output": 4.0}, "max_retries": 0}},
        "sampler": {
            "endpoint": "here",
            "model": "small",
            "max_tokens": 256,
            "variants": [{"name": "plain", "temperature": 0.7, "n": 2}],
        },
        "judge": {"endpoint": "here", "model": "large", **judge},
    }


def test_a_probe_is_paid_for_once_and_the_run_knows_of_it(tmp_path: Path) -> None:
    """The same command sends nothing; the run's summary tells of the cost beside its own, and nothing else changes."""

    async def main() -> None:
        async with serving(Scripted()) as served:
            spec = run_file(served.url)
            first = await judgegen.probe(spec, out=tmp_path / "run")
            sent = served.tally.row()["seen"]
            again = await judgegen.probe(spec, out=tmp_path / "run")
            assert served.tally.row()["seen"] == sent
            assert (again.from_journal, again.cost_usd, again.summary["models"]) == (
                first.calls,
                first.cost_usd,
                first.summary["models"],
            )
            alone = await judgegen.generate(spec, out=tmp_path / "alone", prompts=PROMPTS)
            run = await judgegen.generate(spec, out=tmp_path / "run", prompts=PROMPTS)
        assert run.summary["probe"] == {"calls": first.calls, "usd": f"{first.cost_usd.normalize():f}"}
        assert run.summary["cost_usd"] == alone.summary["cost_usd"]
        for name in ("summary.json", "preferences.jsonl"):
            assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
        assert first.cost_usd > 0

    asyncio.run(main())


def test_what_a_probe_is_expected_to_take_is_what_it_takes(tmp_path: Path) -> None:
    """As many calls, and no more money than the upper end; afterwards all of it is free."""

    async def main() -> judgegen.Probe:
        async with serving(Scripted()) as served:
            spec = run_file(served.url)
            before = expected(spec, out=tmp_path / "run")
            done = await judgegen.probe(spec, out=tmp_path / "run")
            after = expected(spec, out=tmp_path / "run")
        assert before.calls["sampler"] + before.calls["judge"] == done.calls
        assert 0 < done.cost_usd < before.cost_usd["high"]
        assert after.calls["from_journal"] == done.calls
        assert after.cost_usd["high"] == 0
        return done

    asyncio.run(main())


def test_the_estimate_of_a_run_learns_nothing_from_a_probe(tmp_path: Path) -> None:
    """Answers to a tiny question are no measure of the run's."""
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps(row) + "\n" for row in PROMPTS), encoding="utf-8")

    async def main() -> dict[str, Any]:
        async with serving(Scripted()) as served:
            spec = {**run_file(served.url), "prompts": str(prompts)}
            before = judgegen.estimate(spec, out=tmp_path / "run").to_dict()
            await judgegen.probe(spec, out=tmp_path / "run")
            assert judgegen.estimate(spec, out=tmp_path / "run").to_dict() == before
            return before

    asyncio.run(main())


def test_a_probe_stays_under_its_cap(tmp_path: Path) -> None:
    """With less than one call's worst case nothing is sent; with a higher cap the same probe goes on."""

    async def main() -> None:
        async with serving(Scripted()) as served:
            spec = run_file(served.url)
            with pytest.raises(BudgetReached) as reached:
                await judgegen.probe(spec, out=tmp_path / "run", max_usd=0.0001)
            assert served.tally.row()["seen"] == 0
            assert reached.value.run.calls == 0
            assert (await judgegen.probe(spec, out=tmp_path / "run", max_usd=1)).works

    asyncio.run(main())


def test_a_probe_that_is_stopped_says_so(tmp_path: Path) -> None:
    """Ctrl-C before anything is sent: nothing is."""

    async def main() -> None:
        stop = Stop()
        stop.request(Interrupted("by Ctrl-C"))
        async with serving(Scripted()) as served:
            with pytest.raises(Interrupted):
                await judgegen.probe(run_file(served.url), out=tmp_path / "run", stop=stop)
            assert served.tally.row()["seen"] == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("world", "model", "words"),
    [
        (Scripted(unreadable_rate=1.0), "large", "no verdict of it can be read"),
        (Scripted(truncated_rate=1.0), "small", "its answer may not compete (truncated)"),
    ],
)
def test_a_run_that_could_give_no_pair_ends_with_3(world: Scripted, model: str, words: str, tmp_path: Path) -> None:
    """A judge that gives no verdict, a sampler whose answers all break off: named with the mend, all else found out."""

    async def main() -> None:
        async with serving(world) as served:
            with pytest.raises(ProviderRefused) as refused:
                await judgegen.probe(run_file(served.url), out=tmp_path / "run")
        assert f"{model}: " in str(refused.value)
        assert words in str(refused.value)
        assert not refused.value.run.works
        assert [one.model for one in refused.value.run.models] == ["small", "large"]
        assert all(one.findings for one in refused.value.run.models)

    asyncio.run(main())


@asynccontextmanager
async def answering(status: int, body: Any, *, for_model: str = "") -> AsyncIterator[str]:
    """A server that answers every request so, or only those for one model, and others soundly."""

    async def chat(request: web.Request) -> web.Response:
        asked = await request.json()
        if for_model and asked["model"] != for_model:
            choice = {"message": {"role": "assistant", "content": f"Words of {asked.get('seed')}."}}
            usage = {"prompt_tokens": 20, "completion_tokens": 8}
            return web.json_response({"choices": [{**choice, "finish_reason": "stop"}], "usage": usage})
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "message", "mend"),
    [
        (401, "Incorrect API key provided", "check the key"),
        (402, "This request requires more credits", "top up"),
        (404, "The model `small` does not exist", "sampler.model"),
        (404, "no such route", "base_url"),
        (400, "I will not say why", "refuses whatever it is asked"),
    ],
)
def test_a_server_that_refuses_ends_with_3_and_the_mend(status: int, message: str, mend: str, tmp_path: Path) -> None:
    """Key, money, model, path, or no word why: nothing is answered, nothing paid."""

    async def main() -> None:
        async with answering(status, {"error": {"message": message}}) as url:
            with pytest.raises(ProviderRefused) as refused:
                await judgegen.probe(run_file(url), out=tmp_path / "run")
        assert message in str(refused.value)
        assert mend in str(refused.value)
        assert (refused.value.run.calls, refused.value.run.cost_usd) == (0, 0)

    asyncio.run(main())


def test_one_model_that_is_refused_keeps_nothing_from_being_found_of_the_others(tmp_path: Path) -> None:
    """The judge's name is wrong: the sampler is probed all the same, and the judge is named."""

    async def main() -> None:
        wrong = {"error": {"message": "The model `large` does not exist", "code": "model_not_found"}}
        async with answering(404, wrong, for_model="large") as url:
            with pytest.raises(ProviderRefused, match=r"large: .*judge\.model") as refused:
                await judgegen.probe(run_file(url), out=tmp_path / "run")
        sampler, judge = refused.value.run.models
        assert sampler.findings
        assert (judge.findings, judge.roles) == ((), ("judge",))

    asyncio.run(main())


def test_a_server_that_answers_nothing_is_not_called_unfit(tmp_path: Path) -> None:
    """What fails in passing is tried again by the same command: exit code 5, not 3."""

    async def main() -> None:
        async with answering(503, {"error": {"message": "overloaded"}}) as url:
            with pytest.raises(Incomplete, match="overloaded"):
                await judgegen.probe(run_file(url), out=tmp_path / "run")

    asyncio.run(main())


def test_a_key_that_is_not_set_is_named(tmp_path: Path) -> None:
    """Before anything is sent."""
    spec = run_file("http://127.0.0.1:9/v1")
    spec["endpoints"]["here"]["api_key_env"] = "JUDGEGEN_TEST_NO_SUCH_KEY"
    with pytest.raises(ProviderRefused, match="JUDGEGEN_TEST_NO_SUCH_KEY"):
        asyncio.run(judgegen.probe(spec, out=tmp_path / "run"))


@pytest.mark.parametrize(
    "judge",
    [
        {"method": "rubric"},
        {"method": "hybrid"},
        {"panel": [{"model": "other"}, {"model": "large", "schema": "off"}]},
        {"escalate": [{"model": "dear", "below": 0.1}]},
        {"third": {"model": "third"}},
        {"logprobs": False},
    ],
    ids=lambda one: next(iter(one)),
)
def test_every_judge_of_a_run_file_is_asked(judge: dict[str, Any], tmp_path: Path) -> None:
    """Panel, escalation, third opinion, scorers: each is asked for what a run would ask it for."""
    named = {"large", *(one["model"] for key in ("panel", "escalate") for one in judge.get(key, ()))}
    named |= {judge["third"]["model"]} if "third" in judge else set()
    spec = {**run_file("", **judge)}
    spec["endpoints"] = {"here": {"provider": "scripted"}}

    async def main() -> judgegen.Probe:
        try:
            return await judgegen.probe(spec, out=tmp_path / "run")
        except ProviderRefused as refused:
            done: judgegen.Probe = refused.run
            return done

    done = asyncio.run(main())
    assert {one.model for one in done.models if any("judge" in role for role in one.roles)} == named
    if judge.get("method") is None:  # the known-truth world compares, and scores nothing
        assert done.works
        assert all({"seed", "system"} <= {row.what for row in one.findings} for one in done.models)
