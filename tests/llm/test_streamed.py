from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import ProviderRefused
from judgegen.llm.calls import Call, Reply, Tag
from judgegen.llm.providers.openai import connect
from judgegen.llm.retry import Transient
from judgegen.llm.wire import reading, streamed
from judgegen.spec import Endpoint

CALL = Call(
    endpoint="http://h/v1",
    model="m",
    messages=({"role": "user", "content": "hi"},),
    params={"max_tokens": 64, "schema": {"type": "object"}},
    tag=Tag(role="judge", prompt_id="p", variant="", route="here"),
    wishes=frozenset({"schema"}),
)
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
TOOL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "the sea"}'}}


def completion(text: str, finish: str = "stop", **message: Any) -> dict[str, Any]:
    tokens = [{"token": letter, "logprob": -0.5, "top_logprobs": []} for letter in text]
    said = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": said, "finish_reason": finish, "logprobs": {"content": tokens}}
    return {"object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE}


@pytest.mark.parametrize("around", ["{}\0", "\n\n{}\0\0\n", "\ufeff{}"])
def test_what_stands_around_an_answer_is_no_part_of_it(around: str) -> None:
    """The end of a text in C, ends of lines, a mark of the encoding."""
    whole = completion("yes")
    assert streamed.read(around.format(json.dumps(whole)).encode()) == whole


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(places)]


def events(text: str, cuts: list[int], tool: bool) -> list[str]:
    """The completion as OpenAI streams it: a role, texts with their logprobs, a tool call, an end, the usage."""
    deltas: list[tuple[dict[str, Any], Any]] = [({"role": "assistant", "content": ""}, None)]
    for part in pieces(text, cuts):
        tokens = [{"token": letter, "logprob": -0.5, "top_logprobs": []} for letter in part]
        deltas.append(({"role": "assistant", "content": part}, {"content": tokens}))
    if tool:
        first, second = '{"at": ', '"the sea"}'
        begun = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": first}}
        deltas.append(({"tool_calls": [{"index": 0, **begun}]}, None))
        deltas.append(({"tool_calls": [{"index": 0, "function": {"arguments": second}}]}, None))
    chunks: list[dict[str, Any]] = [
        {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None, "logprobs": logprobs}]}
        for delta, logprobs in deltas
    ]
    chunks.append({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None})
    chunks.append({"model": "m", "choices": [], "usage": USAGE})
    return [f"data: {json.dumps(chunk)}" for chunk in chunks]


@given(
    st.text(max_size=20),
    st.lists(st.integers(0, 50), max_size=4),
    st.booleans(),
    st.sampled_from(["\n\n", "\r\n\r\n", "\n"]),
)
def test_a_stream_says_what_the_completion_says(text: str, cuts: list[int], tool: bool, between: str) -> None:
    """However an answer is cut into events, it is read as the same answer sent whole."""
    stream = [": keep-alive", *events(text, cuts, tool), "data: [DONE]", ""]
    whole = completion(text, tool_calls=[TOOL]) if tool else completion(text)
    assert reading.reply(CALL, streamed.read(between.join(stream).encode())) == reading.reply(CALL, whole)


@given(st.text(max_size=20), st.lists(st.integers(0, 50), max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_chunks_that_stand_on_a_line_each_are_a_stream_too(text: str, cuts: list[int], between: str) -> None:
    """With no mark of an event and no end but the last chunk's."""
    lines = [event.removeprefix("data: ") for event in events(text, cuts, tool=False)]
    found = streamed.read((between.join(lines) + between).encode())
    assert reading.reply(CALL, found) == reading.reply(CALL, completion(text))
    with pytest.raises(Transient, match="broke off"):
        streamed.read(between.join(lines[:-2]).encode())


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda whole: {"result": whole, "success": True, "errors": [], "messages": []},
        lambda whole: {"code": 10000, "msg": "success", "data": whole},
        lambda whole: [whole],
        lambda whole: {"output": {**whole, "usage": USAGE}, "request_id": "r"},
        lambda whole: {"output": {"choices": whole["choices"]}, "usage": whole["usage"], "model": "m"},
    ],
)
def test_a_completion_in_an_envelope_is_that_completion(wrapped: Any) -> None:
    """Over HTTP, at the first request; what is counted beside it counts."""
    (found,), bodies = ask([web.json_response(wrapped(completion('{"verdict": "K"}')))])
    assert found == reading.reply(CALL, completion('{"verdict": "K"}'))
    assert len(bodies) == 1


def test_two_completions_in_an_envelope_are_none() -> None:
    """Nobody knows which is meant."""
    two = {"first": completion("a"), "second": completion("b")}
    assert streamed.read(json.dumps(two).encode()) == two


@given(st.text(max_size=20), st.integers(1, 3), st.sampled_from(["\n", "\n\n", "\r\n"]))
def test_an_answer_behind_comments_is_that_answer(text: str, times: int, between: str) -> None:
    """What keeps the connection alive may stand before an answer that is no stream."""
    sent = between.join([": PROCESSING"] * times + [json.dumps(completion(text))])
    assert streamed.read(sent.encode()) == completion(text)


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_stream_that_breaks_off_is_no_answer(kept: int) -> None:
    """Without its end, what came before is half an answer; "null" in words is no end."""
    half = "\n\n".join(events("hello", [2], tool=False)[:kept])
    for sent in (half, half.replace('"finish_reason": null', '"finish_reason": "null"')):
        with pytest.raises(Transient, match="broke off"):
            streamed.read(sent.encode())


@pytest.mark.parametrize("then", [[], ['data: {"error": {"message": "Worker died"}}']])
def test_a_stream_that_is_closed_before_its_choice_is_over_broke_off(then: list[str]) -> None:
    """A gateway whose server failed may say [DONE]; where no chunk ever speaks of an end, that is the end."""
    half = [*events("hello", [2], tool=False)[:2], *then, "data: [DONE]"]
    with pytest.raises(Transient, match="broke off"):
        streamed.read("\n\n".join(half).encode())
    silent = [one.replace(', "finish_reason": null', "") for one in events("hello", [2], tool=False)[:3]]
    found = streamed.read("\n\n".join([*silent, "data: [DONE]"]).encode())
    assert found["choices"][0]["message"]["content"] == "hello"


def test_an_error_in_a_stream_is_an_error() -> None:
    """A lone event that holds an error is read as that error."""
    assert streamed.read(b'data: {"error": {"message": "no"}}\n\ndata: [DONE]\n\n') == {"error": {"message": "no"}}


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "empty"), (b"Bad gateway", "begins 'Bad gateway'"), (b"data: x\n\n", "broke off")]
)
def test_what_is_no_json_is_named(content: bytes, why: str) -> None:
    """The trouble says what came in place of an answer."""
    with pytest.raises(Transient, match=why):
        streamed.read(content)


def ask(answers: list[web.Response], times: int = 1) -> tuple[list[Any], list[dict[str, Any]]]:
    """What asking a real server so often came to, and the bodies that it saw; the last answer is for all the rest."""
    bodies: list[dict[str, Any]] = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        given = answers[min(len(bodies), len(answers)) - 1]
        return web.Response(status=given.status, body=given.body, content_type=given.content_type)

    async def main() -> list[Any]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        provider = connect(Endpoint.model_validate({"base_url": base_url}), "here")
        try:
            return [(await asyncio.gather(provider(CALL), return_exceptions=True))[0] for _ in range(times)]
        finally:
            await provider.aclose()
            await runner.cleanup()

    return asyncio.run(main()), bodies


PAGE = web.Response(body=b"<!DOCTYPE html><html><title>Open\n chat</title></html>", content_type="text/html")
WHOLE = web.Response(body=json.dumps(completion("{}")).encode(), content_type="application/json")
BROKEN = web.Response(status=500, body=b"Internal Server Error")


def test_a_web_page_that_stays_is_no_hiccup() -> None:
    """An address that leads to a site ends the run on the fourth request of a call, with the key to look at."""
    found, bodies = ask([PAGE], times=4)
    assert [isinstance(one, Transient) for one in found] == [True, True, True, False]
    assert isinstance(found[-1], ProviderRefused)
    assert "a web page ('Open chat')" in str(found[-1])
    assert "base_url" in str(found[-1])
    assert len(bodies) == 4


def test_a_web_page_between_answers_passes() -> None:
    """A server that has answered is asked again, whatever stood in between."""
    found, _ = ask([WHOLE, PAGE, WHOLE], times=3)
    assert [isinstance(one, Reply) for one in found] == [True, False, True]
    assert isinstance(found[1], Transient)


def test_a_server_that_falls_over_a_schema_is_asked_without() -> None:
    """After some 500s in a row what was never answered is left out, and is tried once more before that is believed."""
    found, bodies = ask([BROKEN, BROKEN, BROKEN, WHOLE, BROKEN, BROKEN, WHOLE], times=5)
    assert [isinstance(one, Transient) for one in found] == [True, True, False, False, False]
    kinds = [body.get("response_format", {}).get("type") for body in bodies]
    assert kinds == ["json_schema"] * 3 + [None] + ["json_schema", "json_object", None] + [None]


def test_an_outage_that_ends_meanwhile_costs_no_schema() -> None:
    """A server that answers without a schema after some 500s, and then with one, was not at odds with it."""
    found, bodies = ask([BROKEN, BROKEN, BROKEN, WHOLE], times=5)
    assert [isinstance(one, Transient) for one in found] == [True, True, False, False, False]
    assert ["response_format" in body for body in bodies] == [True] * 3 + [False] + [True] * 2


def test_a_server_that_is_broken_is_not_asked_twice_as_often_for_ever() -> None:
    """Where the barer manner fails as well, each further call costs one request more, and stays a passing trouble."""
    found, bodies = ask([BROKEN], times=6)
    assert all(isinstance(one, Transient) for one in found)
    assert len(bodies) <= 2 * len(found)


def test_a_value_that_is_too_large_is_named_by_its_key() -> None:
    """Where a refusal names a parameter that the run file wrote, the error names its key, in whatever words it came."""
    said = {"error": {"message": "256 is more than the 200 that this model gives", "param": "max_tokens"}}
    (found,), _ = ask([web.Response(status=400, body=json.dumps(said).encode(), content_type="application/json")])
    assert isinstance(found, ProviderRefused)
    assert "judge.max_tokens" in str(found)


@pytest.mark.parametrize("charset", ["iso-8859-1", '"GBK"', "Shift_JIS", "utf-8", "no-such", "hex"])
def test_text_in_the_encoding_that_its_server_declares_is_read_in_it(charset: str) -> None:
    """UTF-8 is read as such whatever is declared; what is no UTF-8 by the declared encoding, if there is one."""
    kind = f"application/json; charset={charset}"
    assert streamed.read('{"a": "caf\u00e9"}'.encode(), kind) == {"a": "caf\u00e9"}
    words = {"iso-8859-1": "caf\u00e9", '"GBK"': "\u4f60\u597d", "Shift_JIS": "\u65e5\u672c"}.get(charset)
    if words is not None:
        encoded = f'{{"a": "{words}"}}'.encode(charset.strip('"'))
        assert streamed.read(encoded, kind) == {"a": words}
