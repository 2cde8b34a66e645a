"""How refusals of any shape are read, and how a model's manner is found out by what it answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import ProviderRefused
from judgegen.llm.calls import Call, Failure, Reply, Tag
from judgegen.llm.learned import Learned
from judgegen.llm.providers.openai import ChatProvider
from judgegen.llm.retry import Doubtful, Odd
from judgegen.llm.wire import refusals

SCHEMA = {"type": "object", "properties": {"verdict": {"type": "string", "enum": ["C", "D", "tie"]}}}
WISHES = frozenset({"seed", "schema", "top_logprobs", "temperature", "max_tokens"})
Body = Mapping[str, Any]
Rule = Callable[[Body], bool]

REFUSES: dict[str, Rule] = {
    "schema": lambda body: body.get("response_format", {}).get("type") == "json_schema",
    "any format": lambda body: "response_format" in body,
    "logprobs": lambda body: "logprobs" in body,
    "more than five": lambda body: body.get("top_logprobs", 0) > 5,
    "seed": lambda body: "seed" in body,
    "temperature": lambda body: "temperature" in body,
    "system": lambda body: any(message["role"] == "system" for message in body["messages"]),
    "older limit": lambda body: "max_tokens" in body,
}


def judge_call(number: int = 0, **more: Any) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "system", "content": "Judge."}, {"role": "user", "content": f"Which? {number}"}),
        params={"max_tokens": 7, "schema": SCHEMA, "top_logprobs": 20, "temperature": 0.0, "seed": number},
        tag=Tag(role="judge", prompt_id=str(number), route="here"),
        wishes=WISHES,
        **more,
    )


def completion(text: str = '{"verdict": "C"}', finish: str = "stop") -> dict[str, Any]:
    choice = {"finish_reason": finish, "message": {"content": text}}
    return {"model": "m", "choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}


class Server:
    """Answers in process; `problem` says of a body why it is refused."""

    def __init__(self, problem: Callable[[Body], tuple[int, Any] | None]) -> None:
        self.problem = problem
        self.bodies: list[Body] = []

    async def __call__(self, body: Body) -> tuple[int, Mapping[str, str], bytes]:
        self.bodies.append(body)
        status, payload = self.problem(body) or (200, completion())
        return status, {}, json.dumps(payload).encode()

    async def aclose(self) -> None:
        """Nothing is held."""


def provider(server: Server, **more: Any) -> ChatProvider:
    return ChatProvider(server, tokens_key="max_tokens", close=server.aclose, **more)


def asked(server: Server, *calls: Call, learned: Learned | None = None) -> list[Any]:
    async def main() -> list[Any]:
        asking = provider(server)
        if learned is not None:
            asking.learns(learned)
        return [await asking(call) for call in calls]

    return asyncio.run(main())


NOES: list[tuple[int, Any]] = [
    (400, {"error": "No."}),
    (400, ["E4711: einmal anders"]),
    (403, {"message": "Not for your tier"}),
    (404, {"error": {"message": "No endpoints found that can handle the requested parameters."}}),
    (422, {}),
    (501, "not implemented"),
    (200, {"code": 20015, "msg": "\u53c2\u6570\u9519\u8bef", "data": None}),
    (200, {"success": False, "message": "no"}),
]
"""Refusals by words that name nothing."""


@given(st.sets(st.sampled_from(sorted(REFUSES))), st.sampled_from(NOES))
def test_whatever_is_refused_in_whatever_words_every_call_is_answered(refused: set[str], no: tuple[int, Any]) -> None:
    """No call is asked more than a few times, and after some all are asked once, with nothing left out in vain."""
    server = Server(lambda body: no if any(REFUSES[name](body) for name in refused) else None)
    replies = asked(server, *map(judge_call, range(20)))
    assert all(isinstance(reply, Reply) for reply in replies)
    assert len(server.bodies) <= 20 + 16
    last = server.bodies[-1]
    assert len({json.dumps(body["messages"]) for body in server.bodies[-3:]}) == 3
    assert ("seed" in last) == ("seed" not in refused)
    assert ("temperature" in last) == ("temperature" not in refused)
    assert any(message["role"] == "system" for message in last["messages"]) == ("system" not in refused)
    assert "Judge." in json.dumps(last["messages"])
    logprobs = 0 if "logprobs" in refused else 5 if "more than five" in refused else 20
    assert last.get("top_logprobs", 0) == logprobs
    kind = None if "any format" in refused else "json_object" if "schema" in refused else "json_schema"
    assert (last.get("response_format") or {"type": None})["type"] == kind


FIELDS = "`model`, `messages`, `max_tokens`, `temperature`, `response_format`, `top_p`"


@pytest.mark.parametrize(
    ("said", "left_out"),
    [
        (f"unknown field `seed`, expected one of {FIELDS} at line 1 column 2", "seed"),
        (f"Unrecognized argument: seed. Supported parameters are {FIELDS}.", "seed"),
        ("not supported parameters: seed", "seed"),
        ("Unsupported parameters: top_logprobs", "logprobs"),
    ],
)
def test_what_a_refusal_lists_as_taken_is_not_at_fault(said: str, left_out: str) -> None:
    """The limit of the user's own in such a list ended the run; only what is not taken is left out."""
    server = Server(lambda body: (422, said) if left_out in body else None)
    replies = asked(server, *map(judge_call, range(3)))
    assert all(isinstance(reply, Reply) for reply in replies)
    assert len(server.bodies) <= 5
    assert {name for name in server.bodies[0] if name not in server.bodies[-1]} <= {left_out, "top_logprobs"}


def test_what_was_found_out_is_said_once_and_known_to_the_next_provider() -> None:
    """A second connection over the same knowledge asks in the right manner at once."""
    told: list[str] = []
    learned = Learned(say=told.append)
    server = Server(lambda body: (400, {"error": {"message": "what is a seed?"}}) if "seed" in body else None)
    asked(server, judge_call(0), judge_call(1), learned=learned)
    assert len(server.bodies) == 3
    asked(server, judge_call(2), learned=learned)
    assert len(server.bodies) <= 5
    assert sum("seed" in sentence for sentence in told) == 1
    assert len(told) == len(set(told))


def test_a_prompt_that_is_refused_where_others_are_answered_is_a_final_no() -> None:
    """Not at the first sight: only when the model has answered another call in between."""
    server = Server(lambda body: (400, {"error": "take turns"}) if "Which? 3" in json.dumps(body["messages"]) else None)

    async def main() -> Any:
        asking = provider(server)
        await asking(judge_call(1))
        with pytest.raises(Doubtful, match="take turns"):
            await asking(judge_call(3))
        await asking(judge_call(4))
        return await asking(judge_call(3))

    found = asyncio.run(main())
    assert isinstance(found, Failure)
    assert (found.reason, found.detail) == ("rejected", "take turns")


def test_every_2xx_that_holds_an_answer_is_one_and_an_empty_one_passes() -> None:
    """201 and 203 answer as 200 does; 204 is a hiccup, and says nothing of the request."""
    server = Server(lambda _: (203 if len(server.bodies) > 1 else 201, completion()))
    assert all(isinstance(reply, Reply) for reply in asked(server, judge_call(0), judge_call(1)))
    with pytest.raises(Odd):
        asked(Server(lambda _: (204, {})), judge_call(2))


def test_a_failure_by_chance_is_asked_again_at_once() -> None:
    """Constrained decoding that fails is no word about the request."""
    server = Server(
        lambda _: (400, {"error": {"code": "json_validate_failed", "message": "x"}}) if len(server.bodies) < 3 else None
    )
    (reply,) = asked(server, judge_call())
    assert isinstance(reply, Reply)
    assert server.bodies[0] == server.bodies[2]


@pytest.mark.parametrize(
    ("status", "payload", "kind"),
    [
        (200, {"error": {"message": "provider error", "code": 402, "metadata": {"raw": "credits used up"}}}, "money"),
        (200, {"choices": [{"error": {"code": 502, "message": "Provider returned error"}}]}, "passing"),
        (200, {"choices": [{"error": {"code": 429, "message": "x"}, "message": {"content": ""}}]}, "throttled"),
        (403, {"message": "Rate limit exceeded. Try again in 2s"}, "throttled"),
        (400, {"error": {"message": "Too many requests, please wait.", "type": "x"}}, "throttled"),
        (400, {"error": {"code": "rate_limit_exceeded", "message": "x"}}, "throttled"),
        (413, {"error": {"code": "rate_limit_exceeded", "message": "Request too large: 7000 a minute"}}, "too_long"),
        (424, {"error": "Request failed during generation: Server error", "error_type": "generation"}, "passing"),
        (400, {"type": "error", "error": {"type": "x", "message": "credit balance is too low"}}, "money"),
        (400, {"code": "Arrearage", "message": "Access denied, account not in good standing"}, "money"),
        (402, {"title": "Payment Required", "detail": "x"}, "money"),
        (403, {"error": "Your team has used all available credits"}, "money"),
        (429, {"error": {"message": "You have reached your monthly spending cap. Upgrade your plan."}}, "money"),
        (400, {"error": {"message": "Budget has been exceeded! Current cost: 10.1"}}, "money"),
        (429, {"error": {"code": "insufficient_quota", "message": "x"}}, "money"),
        (429, [{"error": {"code": 429, "message": "You exceeded your current quota. Retry in 3.5s."}}], "throttled"),
        (403, {"code": "no permission", "error": "Content violates usage guidelines. Failed check: SAFETY"}, "flagged"),
        (400, {"error": {"message": "Content Exists Risk"}}, "flagged"),
        (400, {"error": {"code": "data_inspection_failed", "message": "x"}}, "flagged"),
        (400, {"error": {"message": "filtered", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "flagged"),
        (403, {"error": {"message": "Forbidden"}}, "forbidden"),
        (401, {"message": "x"}, "key"),
        (400, [{"error": {"message": "Bad.", "details": [{"reason": "API_KEY_INVALID"}]}}], "key"),
        (404, {"error": {"message": 'model "x" not found, try pulling it first'}}, "model"),
        (400, {"message": "The provided model identifier is invalid."}, "model"),
        (404, {"detail": "Not Found"}, "path"),
        (200, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}, "path"),
        (500, {"error": {"code": 500, "message": "Jinja Exception: System role not supported"}}, "request"),
        (500, {"error": {"message": "The server had an error"}}, "passing"),
        (500, {"error": {"message": "the request exceeds the available context size"}}, "too_long"),
        (500, {"error": {"message": "The request took too long to complete"}}, "passing"),
        (200, {"code": 500, "msg": "\u7cfb\u7edf\u7e41\u5fd9", "data": None}, "passing"),
        (503, {"error": {"code": "model_not_found", "message": "No available channel for model x"}}, "model"),
        (403, {"error": {"code": "insufficient_user_quota", "message": "x"}}, "money"),
        (403, {"error": {"message": "\u8d26\u6237\u4f59\u989d\u4e0d\u8db3\uff0c\u8bf7\u5145\u503c"}}, "money"),
        (400, {"error": {"message": "\u8f93\u5165\u957f\u5ea6\u8d85\u8fc7\u9650\u5236"}}, "too_long"),
        (499, {"error": {"status": "CANCELLED"}}, "passing"),
        (400, {"__type": "com.amazon#x", "code": "ThrottlingException"}, "passing"),
        (400, {"error": {"type": "api_error", "message": "no"}}, "unclear"),
        (501, "not implemented", "unclear"),
        (420, "Enhance your calm", "throttled"),
        (413, "too much", "too_long"),
        (400, {"message": "This model's maximum context length is 4096 tokens, max_tokens included"}, "too_long"),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}, "unclear"),
    ],
)  # fmt: skip
def test_the_kinds_of_refusals_are_told_from_their_fields(status: int, payload: Any, kind: str) -> None:
    """Whatever shape the error has: object, list, text, nested, inside a 200."""
    found = refusals.inside(payload) if status == 200 else refusals.read(status, json.dumps(payload).encode())
    assert found is not None
    assert refusals.kind(found) == kind


@pytest.mark.parametrize("status", [200, 400, 403, 429])
def test_a_throttle_of_any_status_says_when_to_come_back(status: int) -> None:
    """By its words or its headers; what is no throttle asks for no wait, whatever its words are."""
    said: dict[str, Any] = {"error": {"code": 429, "message": "Rate limit reached. Try again in 7.5s"}}
    found = refusals.of(status, {}, json.dumps(said).encode(), said)
    assert found is not None
    assert (refusals.kind(found), found.retry_after) == ("throttled", 7.5)
    other = {"error": {"code": 502, "message": "upstream reset after 30s"}}
    gateway = refusals.of(200 if status == 200 else 502, {}, json.dumps(other).encode(), other)
    assert gateway is not None
    assert gateway.retry_after is None


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"error": {"code": 502}, "message": {"content": "Half an"}}]},
        {"choices": [{"error": {"code": 502}, "message": {"content": ""}}], "usage": {"completion_tokens": 9}},
        {"choices": [{"error": {"code": 502}}, {"message": {"content": "Fine."}}]},
    ],
)
def test_an_error_beside_what_was_said_or_billed_is_no_refusal(answer: Any) -> None:
    """What was paid for is kept, as an answer that failed."""
    assert refusals.inside(answer) is None


names = st.text() | st.sampled_from(["error", "message", "code", "loc", "detail", "choices"])
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.integers(400, 599), json_values | st.binary())
def test_no_error_body_is_more_than_a_refusal(status: int, payload: Any) -> None:
    """Reading never fails, a kind is always found, and there are always words for people."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    found = refusals.read(status, content)
    assert found.message
    assert refusals.kind(found)
    refusals.inside(None if isinstance(payload, bytes) else payload)


def test_a_judge_that_is_cut_off_is_given_room() -> None:
    """The limit on the wire grows after an answer that was cut off; the call stays what it is."""
    server = Server(lambda body: None if body["max_tokens"] > 1000 else (200, completion("", "length")))
    learned = Learned()
    first, second = judge_call(0), judge_call(1)
    asked(server, first, learned=learned)
    assert server.bodies[0]["max_tokens"] == 7
    room = learned.room(second)
    assert room > 1000
    asked(server, judge_call(1, room=room), learned=learned)
    assert server.bodies[-1]["max_tokens"] == 7 + room
    assert judge_call(1, room=room).id == second.id


def test_a_schema_that_never_ends_is_left_out_before_more_room_is_paid_for() -> None:
    """An answer that fills its limit with white space has found no way out of the form; thought is no such answer."""
    blank = completion('{"verdict":' + " \n" * 100, "length")
    server = Server(lambda body: (200, blank) if "response_format" in body else None)
    learned = Learned()
    asked(server, judge_call(0), judge_call(1), learned=learned)
    assert ["response_format" in body for body in server.bodies] == [True, False]
    assert (learned.of(judge_call()).cut, learned.of(judge_call()).most) == (0, 0)


def test_what_the_user_wrote_is_not_left_out() -> None:
    """A refused parameter of the run file ends the run with its key."""
    server = Server(
        lambda body: (400, {"error": {"message": "`temperature` is not supported", "param": "temperature"}})
    )
    call = Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": "hi"},),
        params={"temperature": 0.7, "seed": 1},
        tag=Tag(role="sampler", prompt_id="p", variant="loose", route="here"),
        wishes=frozenset({"seed"}),
    )
    with pytest.raises(ProviderRefused, match=r"sampler\.variants\.loose\.temperature"):
        asked(server, call)


TOO_MUCH = [
    "max_tokens is too large: 8192. This model supports at most 4096 completion tokens, whereas you provided 8192.",
    "Invalid max_tokens value, the valid range of max_tokens is [1, 4,096]",
    (
        "`max_tokens` must be less than or equal to `4096`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model"
    ),
    "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3-haiku-20240307",
    "The maximum tokens you requested exceeds the model limit of 4096. Try again with a lower value.",
    "Input validation error: `max_new_tokens` must be <= 4096. Given: 8192",
    "it has a maxOutputTokens value of 8192 but the supported range is from 1 (inclusive) to 4097 (exclusive)",
    (
        "This model's maximum context length is 4096 tokens. However, you requested 8202 tokens (10 in the messages, "
        "8192 in the completion)."
    ),
]
TOO_LONG = [
    (
        "This model's maximum context length is 8200 tokens. However, you requested 8300 tokens (108 in the messages, "
        "8192 in the completion)."
    ),
    "`inputs` tokens + `max_new_tokens` must be <= 9000. Given: 1000 `inputs` tokens and 8192 `max_new_tokens`",
    "prompt is too long: 9000 tokens > 5000 maximum",
]


def limited(role: Any, number: int = 0, **more: Any) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": f"Which? {number}"},),
        params={"max_tokens": 8192},
        tag=Tag(role=role, prompt_id=str(number), variant="a" if role == "sampler" else "", route="here"),
        **more,
    )


@pytest.mark.parametrize("words", TOO_MUCH)
@pytest.mark.parametrize(("role", "key"), [("judge", "judge.max_tokens"), ("sampler", "sampler.max_tokens")])
def test_a_token_limit_that_no_answer_may_have_names_its_key(role: str, key: str, words: str) -> None:
    """After one request, in the server's words: whatever the prompt is, the next would be refused alike."""
    server = Server(lambda _: (400, {"error": {"message": words}}))
    with pytest.raises(ProviderRefused, match=f"8,192.*lower {re.escape(key)}") as refused:
        asked(server, limited(role))
    assert words in str(refused.value)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("words", TOO_LONG)
def test_a_prompt_that_is_too_long_beside_its_limit_is_a_row_s_own_fault(words: str) -> None:
    """A shorter prompt would fit, and none of the run is ended for it."""
    (found,) = asked(Server(lambda _: (400, {"error": {"message": words}})), limited("sampler"))
    assert isinstance(found, Failure)
    assert found.reason == "too_long"


@given(st.integers(64, 8_191), st.booleans(), st.integers(1, 9_000))
def test_room_for_thought_that_a_model_has_not_is_left_out_before_the_user_is_told(
    most: int, coded: bool, room: int
) -> None:
    """What judgegen adds to a limit by itself is never the user's to lower."""

    def problem(body: Body) -> tuple[int, Any] | None:
        words = f"max_tokens is too large: {body['max_tokens']}. This model supports at most {most} completion tokens."
        error = {"message": words, **({"param": "max_tokens"} if coded else {})}
        return (400, {"error": error}) if body["max_tokens"] > most else None

    server = Server(problem)
    call = replace(limited("judge", room=room), params={"max_tokens": 64})
    (found,) = asked(server, call)
    assert isinstance(found, Reply)
    assert [body["max_tokens"] for body in server.bodies] == ([64 + room, 64] if 64 + room > most else [64 + room])
