"""Anthropic's Messages API over real HTTP: what is sent, what is read, and a whole run in its words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from run.test_decisions import generated, quality, rows, table
from worlds import stats, world

from judgegen.errors import ProviderRefused
from judgegen.llm import prices
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Reply, Tag, Usage
from judgegen.llm.journal import Journal
from judgegen.llm.providers.anthropic import PROVIDER, answered, asked
from judgegen.llm.retry import Transient
from judgegen.llm.wire import reading
from judgegen.spec import Endpoint

pytest.importorskip("anthropic")
SCHEMA = {"type": "object", "properties": {"verdict": {"type": "string", "enum": ["K", "T"]}}}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "K"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 70,
        "cache_creation_input_tokens": 20,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    },
}


def call(**params: Any) -> Call:
    return Call(
        endpoint="here",
        model="claude-x",
        messages=({"role": "system", "content": "Judge."}, {"role": "user", "content": "K or T?"}),
        params={"max_tokens": 64, "seed": 3, "top_logprobs": 20, "temperature": 0.0, "schema": SCHEMA, **params},
        tag=Tag(role="judge", prompt_id="p", route="here"),
        wishes=frozenset({"seed", "top_logprobs", "temperature", "schema"}),
    )


def told(answer: Callable[[dict[str, Any]], web.Response], *calls: Call) -> tuple[list[Outcome], list[Any]]:
    """What the provider makes of a server's answers, and what that was sent."""
    seen: list[Any] = []

    async def served(request: web.Request) -> web.Response:
        body = await request.json()
        seen.append((request.path, request.headers.get("Authorization"), body))
        return answer(body)

    async def main() -> list[Outcome]:
        app = web.Application()
        app.router.add_post("/{path:.*}", served)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        provider = PROVIDER.connect(Endpoint(provider="anthropic", base_url=url), "here")
        try:
            return [await provider(one) for one in calls]
        finally:
            await provider.aclose()
            await runner.cleanup()

    return asyncio.run(main()), seen


def refusal(status: int, kind: str, words: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": words}}, status=status)


def test_a_chat_goes_in_its_words_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """System beside, schema as output format, no logprobs, no seed; thought apart, tokens of the cache counted."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    (found,), seen = told(lambda _: web.json_response(MESSAGE), call())
    assert seen == [
        (
            "/v1/messages",
            "Bearer sk-ant-test",
            {
                "model": "claude-x",
                "max_tokens": 64,
                "system": "Judge.",
                "messages": [{"role": "user", "content": "K or T?"}],
                "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
                "temperature": 0.0,
            },
        )
    ]
    assert isinstance(found, Reply)
    assert found.first == Choice(text="K", finish="end_turn", thought="hm")
    assert found.usage == Usage(input=100, cached=70, cache_write=20, output=9, reasoning=4)


def test_a_setting_that_a_model_takes_no_more_is_left_out_and_not_tried_again() -> None:
    """Newer ones refuse a temperature: asked without, once and for all."""

    def answer(body: dict[str, Any]) -> web.Response:
        if "temperature" in body:
            return refusal(400, "invalid_request_error", "`temperature` is deprecated for this model.")
        return web.json_response(MESSAGE)

    found, seen = told(answer, call(), call(max_tokens=65))
    assert all(isinstance(one, Reply) for one in found)
    assert ["temperature" in body for _, _, body in seen] == [True, False, False]


@pytest.mark.parametrize(
    ("stop", "finish"),
    [("max_tokens", "length"), ("refusal", "filter"), ("stop_sequence", "stop"), ("end_turn", "stop")],
)
def test_reasons_for_stopping_are_understood(stop: str, finish: str) -> None:
    """In its own words, which the table of ends knows."""
    from judgegen.llm.ends import end

    (found,), _ = told(lambda _: web.json_response({**MESSAGE, "stop_reason": stop}), call())
    assert isinstance(found, Reply)
    assert end(found.first.finish) == finish


def test_errors_mean_what_they_mean_elsewhere() -> None:
    """Too long is a final no, overload passes, a wrong key ends the run."""
    (found,), _ = told(
        lambda _: refusal(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), call()
    )
    assert isinstance(found, Failure)
    assert found.reason == "too_long"
    with pytest.raises(Transient):
        told(lambda _: refusal(529, "overloaded_error", "Overloaded"), call())
    with pytest.raises(ProviderRefused, match="api_key_env"):
        told(lambda _: refusal(401, "authentication_error", "invalid x-api-key"), call())


def test_tools_and_pictures_are_put_as_it_takes_them() -> None:
    """An assistant's calls, what they gave, definitions, an image by what it holds and by its address."""
    arguments = json.dumps({"city": "Rome"})
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Where?"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [_called("c1", arguments)]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    row = asked({"model": "m", "messages": messages, "max_tokens": 5, "tools": [tool], "reasoning_effort": "low"})
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    used = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Rome"}}
    given = {"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}
    assert row == {
        "model": "m",
        "max_tokens": 5,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Where?"}, {"type": "image", "source": source}]},
            {"role": "assistant", "content": [used]},
            {"role": "user", "content": [given]},
        ],
        "output_config": {"effort": "low"},
        "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
    }
    said = json.loads(answered(json.dumps({**MESSAGE, "content": [used]}).encode()))
    assert said["choices"][0]["message"]["tool_calls"] == [_called("c1", arguments)]


def _called(name: str, arguments: str) -> dict[str, Any]:
    return {"id": name, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def test_the_sdk_knows_the_words() -> None:
    """Every key that is sent is a parameter of the SDK's own method, or one of sampling that older models take."""
    import inspect

    from anthropic.resources.messages import AsyncMessages

    row = asked({"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5, "tools": [], "stop": 1})
    taken = set(inspect.signature(AsyncMessages.create).parameters)
    assert row.keys() - {"stop"} <= taken
    assert {"system", "output_config", "tools"} <= taken


def test_its_prices_are_listed_with_the_caches() -> None:
    """USD per token, cheaper from the cache, dearer into it."""
    found = prices.rate(Endpoint(provider="anthropic"), "claude", "claude-sonnet-4-5")
    assert 0 < found.cached < found.input < found.cache_write < found.output


def test_a_whole_run_judges_by_several_verdicts(tmp_path: Path) -> None:
    """Candidates and judge in its words; P comes of votes, better answers are chosen, and a resume asks nothing."""
    with world("--accuracy", "1") as url:
        given = table(url, tmp_path, {"samples": 3}, number=4)
        given["endpoints"]["w"]["provider"] = "anthropic"
        given["sampler"]["variants"] = [{"name": "a", "n": 2}]
        generated(given, out=tmp_path / "out")
        before = stats(url)
        generated(given, out=tmp_path / "out")
        assert stats(url) == before
    made = rows(tmp_path / "out")
    assert len(made) == 4
    for row in made:
        assert quality(row["chosen"]) > quality(row["rejected"])
        assert 0.5 < row["p_chosen"] < 1
    with Journal(tmp_path / "out") as journal:
        judged = [row for row in journal.answers() if row["role"] == "judge"]
    assert len(judged) == 4 * 2 * 3
    assert {row["finish"] for row in judged} == {"end_turn"}


odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([1]) | st.just({"a": "b"})


@given(st.dictionaries(st.sampled_from([*MESSAGE["usage"], "more"]), odd) | odd)
def test_whatever_is_counted_fails_no_answer(usage: Any) -> None:
    """Counts of any shape: the answer beside them is read, and what cannot be a count is none."""
    found = reading.reply(call(), json.loads(answered(json.dumps({**MESSAGE, "usage": usage}).encode())))
    assert isinstance(found, Reply)
    assert found.choices[0].text == "K"
    assert found.usage.input >= 0 <= found.usage.output


@pytest.mark.parametrize("arguments", ['{"a": 1}', {"a": 1}, "[1]", "not JSON", [1], None, ""])
def test_what_a_tool_is_called_with_is_an_object_there(arguments: Any) -> None:
    """Text, object, list or nothing: as the API takes it, and nothing of it is lost."""
    function = {"name": "look", "arguments": arguments}
    turn = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": function}]}
    (used,) = asked({"model": "m", "max_tokens": 5, "messages": [turn]})["messages"][0]["content"]
    assert used["input"] in ({"a": 1}, {}, {"arguments": [1]}, {"arguments": "not JSON"})
    assert bool(used["input"]) == bool(arguments)
