"""A row of a batch's output file is read the same whoever wrote it, and whatever it holds."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest

from judgegen.llm.calls import Call, Failure, Outcome, Reply, Tag
from judgegen.llm.retry import Transient
from judgegen.llm.wire import batchrows, reading, refusals

CALL = Call(
    endpoint="e",
    model="m",
    messages=({"role": "user", "content": "Say hello."},),
    params={"max_tokens": 64},
    tag=Tag(role="sampler", prompt_id="p", variant="v"),
)
OPENAI: dict[str, Any] = {
    "model": "m-1",
    "choices": [{"finish_reason": "stop", "message": {"content": "hello", "reasoning_content": "greet"}}],
    "usage": {
        "prompt_tokens": 12,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}
CLAUDE = {
    "model": "m-1",
    "content": [{"type": "thinking", "thinking": "greet"}, {"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 8, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0, "output_tokens": 5},
}
GEMINI = {
    "modelVersion": "m-1",
    "candidates": [
        {"finishReason": "STOP", "content": {"parts": [{"text": "greet", "thought": True}, {"text": "hello"}]}}
    ],
    "usageMetadata": {
        "promptTokenCount": 12,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 17,
        "cachedContentTokenCount": 4,
    },
}
ANSWERED = [
    {"custom_id": "c", "response": {"status_code": 200, "body": OPENAI}, "error": None},
    {"custom_id": "c", "response": OPENAI},
    {"custom_id": "c", "response": {"status_code": 200, "body": {**OPENAI, "choices": OPENAI["choices"][0]}}},
    {"custom_id": "c", "result": {"type": "succeeded", "message": CLAUDE}},
    {"custom_id": "c", "response": {"status_code": 200, "body": GEMINI}},
    {"key": "c", "response": GEMINI},
]


def outcome(row: dict[str, Any]) -> Outcome:
    found = batchrows.read(row)
    assert found is not None
    assert found.custom_id == "c"
    assert found.completion is not None
    return reading.reply(CALL, found.completion)


@pytest.mark.parametrize("row", ANSWERED, ids=["openai", "vllm-older", "sglang", "anthropic", "gemini", "gemini-key"])
def test_one_answer_is_one_reply_in_every_file(row: dict[str, Any]) -> None:
    """Text, thought, end, tokens in, out and from the cache are those that each provider documents."""
    reply = outcome(row)
    assert isinstance(reply, Reply)
    assert (reply.model, reply.choices[0].text, reply.choices[0].thought) == ("m-1", "hello", "greet")
    assert reply.choices[0].finish.casefold() in ("stop", "end_turn")
    usage = reply.usage
    assert (usage.input, usage.output, usage.cached, usage.cache_write, usage.estimated) == (12, 5, 4, 0, False)


@pytest.mark.parametrize(
    ("row", "status", "kind"),
    [
        ({"response": {"status_code": 400, "body": {"error": {"message": "bad schema"}}}}, 400, "unclear"),
        ({"response": {"status_code": 429, "body": {"error": {"code": "insufficient_quota"}}}}, 429, "money"),
        ({"result": {"type": "errored", "error": {"error": {"type": "overloaded_error"}}}}, 529, "passing"),
        ({"result": {"type": "errored", "error": {"type": "invalid_request_error"}}}, 400, "unclear"),
        ({"response": None, "error": {"code": 503, "message": "try again"}}, 503, "passing"),
        ({"status": {"code": 8, "message": "RESOURCE_EXHAUSTED"}}, 200, None),
        ({"result": {"type": "expired"}}, 200, None),
        ({"response": {}}, 200, None),
        ({"response": {"status_code": 400, "body": None}, "error": "maximum context length is 2048"}, 400, "too_long"),
        (
            {"response": {"status_code": 404, "body": None}, "error": {"error": {"message": "no model", "code": 404}}},
            404,
            None,
        ),
        ({"error": "the file was cut off"}, 200, None),
        ({"response": {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}}, 200, "flagged"),
    ],
)
def test_a_row_without_an_answer_keeps_its_words(row: dict[str, Any], status: int, kind: str | None) -> None:
    """Its status is the one it speaks of, else none that decides; the sentence is the provider's."""
    found = batchrows.read({"custom_id": "c", **row})
    assert found is not None
    assert found.completion is None
    assert found.refusal is not None
    assert found.refusal.status == status
    assert found.refusal.message
    assert kind is None or refusals.kind(found.refusal) == kind


@pytest.mark.parametrize("row", [None, 3, "c", [], {}, {"custom_id": None}, {"custom_id": 7, "response": OPENAI}])
def test_a_row_that_names_no_request_is_none(row: Any) -> None:
    """So it can be passed over, and the request it was for is missed and asked again."""
    assert batchrows.read(row) is None


ODD: list[Any] = [None, True, 0, -3, 1.5, 10**30, "", "x", "\ud83d", [], ["x"], [[]], {}, {"x": 1}, [{"text": 3}]]


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in [(value, key), *places(value[key])]]


@pytest.mark.parametrize("row", ANSWERED, ids=["openai", "vllm-older", "sglang", "anthropic", "gemini", "gemini-key"])
def test_anything_in_any_place_of_a_row_is_no_exception(row: dict[str, Any]) -> None:
    """An answer, an answer that cannot be read, or a refusal: never an AttributeError of ours."""
    for number in range(len(places(row))):
        for value in ODD:
            odd = deepcopy(row)
            container, key = places(odd)[number]
            container[key] = value
            found = batchrows.read(odd)
            if found is None:  # it names no request any more
                assert key in ("custom_id", "key")
            elif found.completion is None:
                assert found.refusal is not None
            else:
                with suppress(Transient):
                    assert isinstance(reading.reply(CALL, found.completion), Reply | Failure)
