"""Answers scored by two routes: what is sent, and what the shapes of several servers are read as."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge import rewards as judged
from judgegen.judge.build import Asking
from judgegen.llm.calls import Api, Call, Failure, Reply, Tag
from judgegen.llm.providers.openai import connect
from judgegen.llm.retry import Transient
from judgegen.llm.wire import rewards
from judgegen.records import Candidate, Comparison, Unreadable, Verdict
from judgegen.spec import Endpoint
from judgegen.templates import REWARD, parse

TEXTS = ("one answer", "another", "a third")
NAN = float("nan")


def call(api: Api = "rerank", *texts: str, **params: Any) -> Call:
    said = ({"role": "user", "content": "Why?"}, *({"role": "assistant", "content": text} for text in texts or TEXTS))
    tag = Tag(role="judge", prompt_id="p", variant="reward", route="here")
    return Call(endpoint="here", model="m", messages=said, params={"api": api, **params}, tag=tag)


def scores(answer: Any, api: Api = "rerank") -> list[str]:
    found = rewards.reply(call(api, *(TEXTS if api == "rerank" else TEXTS[:1])), answer)
    assert isinstance(found, Reply)
    return [choice.text or choice.finish for choice in found.choices]


def ranked(*rows: tuple[int, float], name: str = "relevance_score") -> list[dict[str, Any]]:
    return [{"index": i, name: score} for i, score in rows]


@pytest.mark.parametrize(
    "answer",
    [
        {"model": "m", "usage": {"prompt_tokens": 30, "total_tokens": 30}, "results": ranked((2, 3), (0, 1), (1, -2))},
        {
            "id": "rerank-1",
            "model": "m",
            "usage": {"total_tokens": 30},
            "results": ranked((2, 3.0), (0, 1.0), (1, -2.0)),
        },
        ranked((2, 3), (0, 1), (1, -2), name="score"),
        {"object": "list", "data": ranked((0, 1.0), (1, -2.0), (2, 3.0), name="score")},
        {"scores": [1, -2, 3]},
    ],
    ids=["llama.cpp", "vllm", "tei", "vllm /score", "bare"],
)
def test_scores_are_placed_by_their_index(answer: Any) -> None:
    """Servers answer with the best first; whose score it is stands in the row."""
    assert scores(answer) == ["1.0", "-2.0", "3.0"]


@pytest.mark.parametrize(
    "row",
    [
        {"data": [0.5]},
        {"data": 0.5},
        {"data": [[0.1], [0.5]]},
        {"probs": [0.5], "num_classes": 1},
        {"embedding": [0.5]},
    ],
    ids=["pooling", "scalar", "every token", "classify", "sglang"],
)
def test_a_conversation_has_one_score(row: dict[str, Any]) -> None:
    """Alone in a list, by itself, or the last token's."""
    assert scores({"object": "list", "data": [{"index": 0, **row}]}, "pooling") == ["0.5"]


@pytest.mark.parametrize("score", [NAN, math.inf, None, True, "3", [0.1, 0.9], [[0.1, 0.2]], {}])
def test_what_is_not_one_number_is_no_score(score: Any) -> None:
    """Two classes say not which is good; a step of a process is no outcome."""
    assert scores({"data": [{"index": 0, "data": score}]}, "pooling") == ["malformed_response"]


def test_a_text_without_its_own_row_has_no_score() -> None:
    """One is missing, one stands there twice: neither is guessed from the order."""
    assert scores({"results": ranked((0, 1), (2, 3), (2, 4))}) == ["1.0", "malformed_response", "malformed_response"]
    assert scores({"scores": [1, 2]}) == ["malformed_response"] * 3


def test_tokens_are_counted_where_the_server_counts_them() -> None:
    """One number is all input; without any the query is counted with every text."""
    told = rewards.reply(call(), {"usage": {"total_tokens": 77}, "results": ranked((0, 1), (1, 2), (2, 3))})
    assert (told.usage.input, told.usage.output, told.usage.estimated) == (77, 0, False)
    alone = [rewards.reply(call("rerank", text), {"results": ranked((0, 1))}).usage.input for text in TEXTS]
    whole = rewards.reply(call(), {"results": ranked((0, 1), (1, 2), (2, 3))}).usage
    assert whole.estimated
    assert whole.input == sum(alone) - 3 * (len(TEXTS) - 1)  # the tokens that prime a reply are counted once


def test_nothing_is_no_score() -> None:
    """Where something was billed it is not asked for again, else it is."""
    with pytest.raises(Transient, match="no scores"):
        rewards.reply(call(), {"detail": "?"})
    assert isinstance(rewards.reply(call(), {"usage": {"prompt_tokens": 3}, "results": []}), Failure)


def test_texts_cut_in_silence_are_told_by_their_count() -> None:
    """A reranker of 512 tokens says nothing of what it left out."""
    long = call("rerank", "salt " * 3_000)
    found = rewards.reply(long, {"usage": {"prompt_tokens": 512}, "results": ranked((0, 1))})
    assert isinstance(found, Failure)
    assert found.reason == "too_long"


def test_each_route_is_sent_what_it_takes() -> None:
    """Over HTTP: the query and the texts; the conversation as it is, beside /v1, without a sigmoid for logits."""
    seen: list[tuple[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        seen.append((request.path, body))
        count = len(body.get("documents", ["one"]))
        return web.json_response({"results": [{"index": i, "score": i} for i in range(count)]})

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider = connect(Endpoint(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/v1"), "here")
        try:
            for one in (call(), call("pooling", "last", raw=True), call("pooling", "last", extra_body={"user": "me"})):
                assert isinstance(await provider(one), Reply)
        finally:
            await provider.aclose()
            await runner.cleanup()

    asyncio.run(main())
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "last"}]
    whole = {"model": "m", "messages": said, "task": "classify"}
    assert seen == [
        ("/v1/rerank", {"model": "m", "query": "Why?", "documents": list(TEXTS)}),
        ("/pooling", {**whole, "use_activation": False}),
        ("/pooling", {**whole, "user": "me"}),
    ]


TEMPLATE = parse('+++\nkind = "reward"\n+++\n# user\n{{ request }}\n', "reward", REWARD)


def asking(**more: Any) -> Asking:
    return Asking(route="here", endpoint="here", model="m", template=TEMPLATE, max_tokens=1, api="rerank", **more)


def two() -> Comparison:
    both = [
        Candidate(prompt_id="p", variant="v", index=i, model="s", text=f"t{i}", finish="stop", call_id=f"c{i}")
        for i in (0, 1)
    ]
    return Comparison(first=both[0], second=both[1])


finite = st.floats(-1e6, 1e6)


@given(finite, finite, st.booleans())
def test_a_swap_mirrors_what_two_scores_say(first: float, second: float, probable: bool) -> None:
    """To the last digit; the higher score is the better one's, equal ones are a tie."""
    shown, who = two(), asking(rewards="probabilities" if probable else "logits")
    if probable:
        first, second = abs(first) / 1e6, abs(second) / 1e6
    said = rewards.reply(call("rerank", "a", "b"), {"scores": [first, second]})
    found = dict(zip((shown.first.key, shown.second.key), judged.heard(call(), said, who, 2), strict=True))
    one, other = judged.verdict(shown, found, who), judged.verdict(shown.swap(), found, who)
    assert isinstance(one, Verdict)
    assert isinstance(other, Verdict)
    assert one.swap() == other
    assert one.p_first + one.p_second == 1
    assert (one.label == "first") <= (first > second)
    assert (one.label == "second") <= (second > first)


def test_one_score_beyond_0_and_1_makes_all_of_a_prompt_unreadable() -> None:
    """Where probabilities are expected and one is none, the others are logits that happen to lie between."""
    shown, who = two(), asking(rewards="probabilities")
    reply = rewards.reply(call(), {"scores": [0.2, 0.9, 1.7]})
    assert isinstance(reply, Reply)
    found = dict(zip((shown.first.key, shown.second.key, "third"), judged.heard(call(), reply, who, 3), strict=True))
    said = judged.verdict(shown, found, who)
    assert isinstance(said, Unreadable)
    assert said.reason == judged.NO_PROBABILITY
    assert json.dumps(said.call_ids)
