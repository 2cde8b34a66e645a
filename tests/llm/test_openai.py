from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from judgegen.errors import ProviderRefused
from judgegen.llm.calls import Call, Failure, Reply, Role, Tag, Usage
from judgegen.llm.dialects import limit_name
from judgegen.llm.providers.openai import ChatProvider, connect
from judgegen.llm.retry import Rejected, Transient
from judgegen.llm.wire.body import body as body_of
from judgegen.spec import Endpoint

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "m-2026",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


ON = ["lean"]
"""What carries the calls of the test that runs."""


@pytest.fixture(params=["lean", "sdk"], autouse=True)
def lane(request: pytest.FixtureRequest) -> None:
    """Every law here holds for both."""
    ON[0] = request.param


def call(
    role: Role = "judge", wishes: frozenset[str] = frozenset({"seed", "top_logprobs", "schema"}), **params: Any
) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": "hi"},),
        params={"max_tokens": 7, **params},
        tag=Tag(role=role, prompt_id="p", variant="loose", route="here"),
        wishes=wishes,
    )


@asynccontextmanager
async def served(
    handler: Handler, *, timeout_s: float = 5.0, **endpoint: Any
) -> AsyncIterator[tuple[ChatProvider, list[dict[str, Any]]]]:
    """A provider connected to a real server whose answers come from `handler`; the bodies it saw."""
    bodies: list[dict[str, Any]] = []

    async def keep(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return await handler(request)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", keep)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    given = {"base_url": f"http://127.0.0.1:{port}/v1", "timeout_s": timeout_s, "transport": ON[0], **endpoint}
    provider = connect(Endpoint.model_validate(given), "here")
    try:
        yield provider, bodies
    finally:
        await provider.aclose()
        await runner.cleanup()


def answering(status: int, body: Any, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)

    return handler


def asked(handler: Handler, what: Call | None = None, *, timeout_s: float = 5.0) -> Any:
    async def main() -> Any:
        async with served(handler, timeout_s=timeout_s) as (provider, _):
            return await provider(what or call())

    return asyncio.run(main())


def error(message: str = "no", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def test_a_completion_becomes_a_reply() -> None:
    """Text, finish, served model and every kind of token are read."""
    reply = asked(answering(200, COMPLETION))
    assert isinstance(reply, Reply)
    assert (reply.first.text, reply.first.finish, reply.model) == ("hello", "stop", "m-2026")
    assert reply.usage == Usage(input=9, output=3, cached=4, reasoning=2)


def test_missing_usage_is_counted_and_marked() -> None:
    """A server that does not count does not make the answer free."""
    reply = asked(answering(200, {**COMPLETION, "usage": None}))
    assert reply.usage.estimated
    assert reply.usage.input > 0
    assert reply.usage.output == 1


def test_the_body_is_in_the_apis_words() -> None:
    """Neutral names become the API's: limit, schema, logprobs, extra_body at the top."""
    body = body_of(
        call(temperature=0.5, top_k=40, schema={"type": "object"}, top_logprobs=5, extra_body={"min_p": 0.1})
    )
    assert body["max_tokens"] == 7
    assert body["response_format"]["json_schema"]["strict"] is True
    assert (body["logprobs"], body["top_logprobs"], body["top_k"], body["min_p"]) == (True, 5, 40, 0.1)
    assert "max_completion_tokens" not in body
    assert "extra_body" not in body


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://res.openai.azure.com/openai/v1/", "max_completion_tokens"),
        ("http://127.0.0.1:8000/v1", "max_tokens"),
        ("https://myopenai.com.evil/v1", "max_tokens"),
    ],
)
def test_the_limits_name_follows_the_address(url: str, key: str) -> None:
    """OpenAI and Azure refuse the older name, others may not know the newer."""
    assert limit_name(url) == key


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
def test_passing_trouble_is_transient(status: int) -> None:
    """Server-side trouble is worth asking again."""
    with pytest.raises(Transient):
        asked(answering(status, error()))


def test_a_429_carries_the_servers_wish() -> None:
    """retry-after-ms before retry-after, in seconds."""
    with pytest.raises(Transient) as caught:
        asked(answering(429, error(type="rate_limit_error"), **{"retry-after-ms": "1500", "retry-after": "9"}))
    assert (caught.value.retry_after, caught.value.throttled) == (1.5, True)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (429, {"type": "insufficient_quota", "code": "credit_balance_exhausted"}),
        (429, {"code": "insufficient_quota"}),
        (401, {"code": "invalid_api_key"}),
        (403, {"code": "invalid_api_key"}),
        (404, {"code": "model_not_found"}),
    ],
)
def test_what_waiting_cannot_cure_ends_the_run(status: int, fields: dict[str, str]) -> None:
    """Quota, key and model name are refusals."""
    with pytest.raises(ProviderRefused):
        asked(answering(status, error(**fields)))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"message": "maximum context length is 8192 tokens", "code": "context_length_exceeded"}, "too_long"),
        ({"message": "request exceeds the available context size", "type": "exceed_context_size_error"}, "too_long"),
        ({"message": "flagged", "code": "content_filter"}, "content_filter"),
        ({"message": "triggering Azure OpenAI's content management policy"}, "content_filter"),
    ],
)
def test_a_final_no_to_one_call_is_a_failure(fields: dict[str, str], reason: str) -> None:
    """Too long and filtered are journaled as such, never as text."""
    found = asked(answering(400, {"error": fields}))
    assert isinstance(found, Failure)
    assert found.reason == reason


def test_a_bad_request_that_names_nothing_is_rejected() -> None:
    """Unknown 400s are neither data nor a reason to stop."""
    with pytest.raises(Rejected, match="message 0 is odd"):
        asked(answering(400, error("message 0 is odd")))


@pytest.mark.parametrize("body", ["<html>gateway</html>", {"choices": []}, {"object": "list"}, {"choices": [{}]}])
def test_a_200_that_is_no_completion_is_transient(body: Any) -> None:
    """Half an answer is asked again, never read as an empty one."""
    with pytest.raises(Transient):
        asked(answering(200, body))


def refusing(*names: str, param: bool = True) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        for name in names:
            if name in body:
                named = {"param": name, "code": "unsupported_parameter"} if param else {"code": None}
                return web.json_response(error(f"{name} is not supported by this model", **named), status=400)
        return web.json_response(COMPLETION)

    return handler


@pytest.mark.parametrize("param", [True, False])
def test_a_refused_wish_is_left_out_once_and_for_all(param: bool) -> None:
    """Logprobs and seed nobody wrote are dropped after the first refusal, and not tried again."""

    async def main() -> None:
        async with served(refusing("logprobs", "seed", param=param)) as (provider, bodies):
            for _ in range(3):
                assert isinstance(await provider(call(seed=1, top_logprobs=5)), Reply)
            assert len(bodies) == 5
            assert "logprobs" not in bodies[-1]
            assert "seed" not in bodies[-1]

    asyncio.run(main())


def test_many_at_once_find_out_together() -> None:
    """Calls in flight when the first refusal comes adapt too instead of ending the run."""

    async def main() -> None:
        async with served(refusing("logprobs")) as (provider, bodies):
            replies = await asyncio.gather(*(provider(call(top_logprobs=5, seed=i)) for i in range(20)))
            assert all(isinstance(reply, Reply) for reply in replies)
            assert len(bodies) > 20

    asyncio.run(main())


def test_a_refused_setting_of_the_users_ends_the_run_with_its_key() -> None:
    """What the run file says is not dropped silently."""
    with pytest.raises(ProviderRefused, match=r"sampler\.variants\.loose\.temperature"):
        asked(refusing("temperature"), call(role="sampler", temperature=0.7))
    with pytest.raises(ProviderRefused, match=r"judge\.logprobs"):
        asked(refusing("logprobs"), call(wishes=frozenset(), top_logprobs=5))


def test_an_unknown_extra_ends_the_run_with_its_key() -> None:
    """extra_body is the user's too."""
    with pytest.raises(ProviderRefused, match="min_p"):
        asked(refusing("min_p", param=False), call(extra_body={"min_p": 0.1}))


def test_the_limits_name_is_swapped_when_the_server_says_so() -> None:
    """A server that takes only the other name for the limit is asked in its words."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if "max_tokens" in await request.json():
            message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return web.json_response(error(message, param="max_tokens", code="unsupported_parameter"), status=400)
        return web.json_response(COMPLETION)

    assert isinstance(asked(handler), Reply)


def test_known_refusals_are_not_even_tried() -> None:
    """A reasoning model is not sent the sampling parameters that the call merely wishes for."""

    async def main() -> None:
        async with served(answering(200, COMPLETION)) as (provider, bodies):
            wish = Call(
                endpoint="here",
                model="gpt-6.1-sol",
                messages=(),
                params={"temperature": 0.0, "top_logprobs": 5, "max_tokens": 9},
                tag=Tag(role="judge", prompt_id="p"),
                wishes=frozenset({"temperature", "top_logprobs"}),
            )
            await provider(wish)
            assert bodies == [{"model": "gpt-6.1-sol", "messages": [], "max_tokens": 9}]

    asyncio.run(main())


def test_a_service_tier_goes_with_every_call_and_is_no_part_of_it() -> None:
    """Flex is how a call is processed, not what the model sees; it waits longer."""

    async def main() -> None:
        async with served(answering(200, COMPLETION), service_tier="flex") as (provider, bodies):
            await provider(call())
            assert bodies[0]["service_tier"] == "flex"

    asyncio.run(main())
    flex = Endpoint.model_validate({"base_url": "http://127.0.0.1:9/v1", "service_tier": "flex"})
    assert (flex.timeout_s, flex.processing) == (900.0, "flex")
    assert Endpoint(base_url="http://127.0.0.1:9/v1").processing == "standard"


def test_no_answer_in_time_is_transient() -> None:
    """A timeout passes."""

    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3)
        return web.json_response(COMPLETION)

    with pytest.raises(Transient, match="timed out"):
        asked(slow, timeout_s=0.2)


def test_a_dropped_connection_is_transient() -> None:
    """A server that hangs up is asked again."""

    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    with pytest.raises(Transient, match="no connection") as caught:
        asked(hang_up)
    assert caught.value.billed is None


def test_nobody_there_is_transient_and_free() -> None:
    """A refused connection was certainly not billed."""

    async def main() -> None:
        provider = connect(Endpoint.model_validate({"base_url": "http://127.0.0.1:1/v1", "transport": ON[0]}), "here")
        try:
            await provider(call())
        finally:
            await provider.aclose()

    with pytest.raises(Transient, match="no connection") as caught:
        asyncio.run(main())
    assert caught.value.billed is False


def test_a_missing_key_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable; the key itself never stands in a file."""
    monkeypatch.delenv("VLLM_KEY", raising=False)
    with pytest.raises(ProviderRefused, match="VLLM_KEY"):
        connect(Endpoint(base_url="http://127.0.0.1:9/v1", api_key_env="VLLM_KEY"), "vllm")
