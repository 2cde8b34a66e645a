"""Every family of servers, as the simulator plays it, is probed over real HTTP and found to be what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import judgegen
from judgegen.llm.dialects import DIALECTS
from judgegen.probing.report import Probe
from judgegen.simulator.server import serving
from judgegen.spec import Scripted

ASPECTS = ("schema", "logprobs", "seed", "system", "n", "thinking", "context")
EXPECTED: dict[str, tuple[str, ...]] = {
    # what a verdict is asked for by, logprobs, seed, system message, several at once, thought, context
    "openai": ("taken", "honoured", "honoured", "taken", "honoured", "none seen", "not known"),
    "azure": ("taken", "honoured", "honoured", "taken", "honoured", "none seen", "not known"),
    "vllm": ("taken", "honoured", "honoured", "otherwise", "honoured", "tags", "known"),
    "llama.cpp": ("taken", "honoured", "honoured", "taken", "honoured", "field", "known"),
    "ollama": ("taken", "none came", "honoured", "taken", "looks ignored", "field", "not known"),
    "lmstudio": ("taken", "none came", "honoured", "taken", "looks ignored", "tags", "not known"),
    "together": ("taken", "fewer", "honoured", "taken", "honoured", "tags", "known"),
    "fireworks": ("taken", "fewer", "honoured", "taken", "honoured", "tags", "known"),
    "deepseek": ("otherwise", "honoured", "looks ignored", "taken", "looks ignored", "field", "not known"),
    "gemini": ("taken", "refused", "refused", "taken", "honoured", "field", "not known"),
    "openrouter": ("taken", "none came", "looks ignored", "taken", "looks ignored", "field", "known"),
    "anthropic": ("taken", "none came", "looks ignored", "taken", "refused", "none seen", "not known"),
    "groq": ("otherwise", "refused", "honoured", "taken", "refused", "field", "known"),
    "mistral": ("taken", "refused", "refused", "taken", "honoured", "field", "known"),
    "xai": ("taken", "fewer", "honoured", "taken", "honoured", "field", "not known"),
    "bedrock": ("otherwise", "refused", "refused", "taken", "refused", "tags", "not known"),
    "dashscope": ("otherwise", "fewer", "honoured", "taken", "honoured", "field", "not known"),
    "cohere": ("taken", "refused", "honoured", "taken", "refused", "none seen", "not known"),
    "nim": ("otherwise", "refused", "honoured", "taken", "honoured", "tags", "not known"),
    "databricks": ("taken", "honoured", "refused", "taken", "honoured", "none seen", "not known"),
    "sambanova": ("taken", "refused", "refused", "taken", "honoured", "tags", "known"),
}
PROMPTS = [{"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(4)]


def run_file(url: str) -> dict[str, Any]:
    several = {"name": "several", "temperature": 0.9, "top_p": 0.95, "top_k": 40, "n": 2, "n_in_one_call": True}
    return {
        "prompts": "unused.jsonl",
        "endpoints": {"here": {"base_url": url, "price": {"input": 1.0, "output": 4.0}}},
        "sampler": {
            "endpoint": "here",
            "model": "scripted-small",
            "max_tokens": 256,
            "variants": [{"name": "plain", "temperature": 0.7, "system": "Be terse."}, several],
        },
        "judge": {"endpoint": "here", "model": "scripted-judge"},
    }


def probed(name: str, folder: Path) -> tuple[Probe, dict[str, Any], dict[str, Any]]:
    """The probe of a family, what its server counted by then, and what after a run in the same folder."""

    async def main() -> tuple[Probe, dict[str, Any], dict[str, Any]]:
        async with serving(Scripted(accuracy=1.0, dialect=name)) as served:
            done = await judgegen.probe(run_file(served.url), out=folder)
            seen = dict(served.tally.row())
            await judgegen.generate(run_file(served.url), out=folder, prompts=PROMPTS)
            return done, seen, dict(served.tally.row())

    return asyncio.run(main())


def states(done: Probe, model: str) -> dict[str, str]:
    (found,) = [one for one in done.models if one.model == model]
    return {one.what: one.state for one in found.findings}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_family_does_is_found(name: str, tmp_path: Path) -> None:
    """Its refusals, silences and places, whatever its words; the cost is the bill; a run has nothing left to learn."""
    done, at_first, after = probed(name, tmp_path / "run")
    sampler, judge = states(done, "scripted-small"), states(done, "scripted-judge")
    asked_of = {"schema": judge, "logprobs": judge, "system": judge}
    found = tuple(asked_of.get(aspect, sampler)[aspect] for aspect in ASPECTS)
    assert found == EXPECTED[name]
    assert [sampler[name] for name in ("temperature", "top_p", "top_k")] == ["honoured"] * 3
    assert (sampler["usage"], judge["usage"], sampler["max_tokens"]) == ("sane", "sane", "honoured")
    assert done.works
    bill = at_first["prompt_tokens"] + 4 * at_first["completion_tokens"]
    assert done.cost_usd * 1_000_000 == bill
    assert after["refused"] == at_first["refused"]


def test_every_family_is_expected_to_be_something() -> None:
    """A family that is added to the table is added here."""
    assert {one.name for one in DIALECTS} == set(EXPECTED)


Change = Callable[[dict[str, Any]], dict[str, Any]]


def without(*names: str) -> Change:
    return lambda body: {name: value for name, value in body.items() if name not in names}


def behind(folder: Path, *, asked: Change = dict, answered: Change = dict, **spec: Any) -> Probe:
    """The probe of vLLM behind a gateway that changes what is asked and what is answered."""

    async def main() -> Probe:
        async with serving(Scripted(accuracy=1.0, dialect="vllm")) as served, aiohttp.ClientSession() as inner:

            async def chat(request: web.Request) -> web.Response:
                body = asked(await request.json())
                async with inner.post(f"{served.url}/chat/completions", json=body) as response:
                    payload = await response.json()
                    return web.json_response(answered(payload), status=response.status)

            app = web.Application()
            app.router.add_post("/v1/chat/completions", chat)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
                return await judgegen.probe({**run_file(url), **spec}, out=folder)
            finally:
                await runner.cleanup()

    return asyncio.run(main())


def test_a_gateway_that_ignores_what_it_takes_is_found(tmp_path: Path) -> None:
    """Draws under settings that leave no choice differ from their first words on, and one seed gives two texts."""
    settings = ("temperature", "top_p", "top_k", "seed")
    sampler = states(behind(tmp_path, asked=without(*settings)), "scripted-small")
    assert [sampler[name] for name in settings] == ["looks ignored"] * 4


def test_a_gateway_that_answers_all_alike_is_found(tmp_path: Path) -> None:
    """At temperature 0 whatever is asked, or out of a cache: free draws are one text."""
    sampler = states(behind(tmp_path, asked=lambda body: {**body, "temperature": 0}), "scripted-small")
    assert (sampler["temperature"], sampler["seed"]) == ("looks ignored", "taken")


def test_a_limit_that_is_not_kept_is_found(tmp_path: Path) -> None:
    """More is billed than was allowed."""
    longer = behind(tmp_path, asked=lambda body: {**body, "max_tokens": 256})
    assert states(longer, "scripted-small")["max_tokens"] == "passed"


def test_counts_that_are_not_told_are_told_of(tmp_path: Path) -> None:
    """Without usage tokens are counted here; with twice what was sent the server's count is odd."""
    assert states(behind(tmp_path / "none", answered=without("usage")), "scripted-small")["usage"] == "absent"

    def more(answer: dict[str, Any]) -> dict[str, Any]:
        usage = answer.get("usage")
        return answer if usage is None else {**answer, "usage": {**usage, "prompt_tokens": 5_000}}

    assert states(behind(tmp_path / "more", answered=more), "scripted-small")["usage"] == "odd"


def test_a_schema_that_is_dropped_in_silence_shows_where_the_form_is_broken(tmp_path: Path) -> None:
    """The verdict stands in a fence although a schema was taken: it is read, and the schema is called ignored."""

    def fenced(answer: dict[str, Any]) -> dict[str, Any]:
        for choice in answer.get("choices", ()):
            content = choice["message"]["content"]
            if '"verdict"' in content:
                choice["message"]["content"] = f"```json\n{content}\n```"
                choice["logprobs"] = None
        return answer

    done = behind(tmp_path, answered=fenced)
    assert states(done, "scripted-judge")["schema"] == "looks ignored"
    assert done.works
