from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.llm.calls import Call, Reply, Tag
from judgegen.llm.providers.openai import ChatProvider
from judgegen.llm.retry import Transient
from judgegen.simulator.scripted import ScriptedProvider, quality_of
from judgegen.simulator.weather import Weather
from judgegen.spec import Scripted

BODY = {"model": "m", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}


def statuses(settings: Scripted, n: int, body: dict[str, Any] = BODY) -> list[int]:
    """The status of `n` requests one after another; 0 for a dropped connection."""

    async def ask(provider: ScriptedProvider) -> int:
        try:
            return (await provider(body))[0]
        except ConnectionError:
            return 0

    async def main() -> list[int]:
        provider = ScriptedProvider(settings)
        try:
            return [await ask(provider) for _ in range(n)]
        finally:
            await provider.aclose()

    return asyncio.run(main())


def test_an_answer_is_a_status_headers_and_json() -> None:
    """The provider gives what a transport gives; a refusal has its status and OpenAI's error object."""
    provider = ScriptedProvider(Scripted())
    status, _, content = asyncio.run(provider(BODY))
    assert (status, json.loads(content)) == (200, provider.world.answer(BODY))
    status, _, content = asyncio.run(provider({"model": "m"}))
    assert (status, json.loads(content)["error"]["param"]) == (400, "messages")


def test_faults_come_at_their_rate_and_in_every_kind() -> None:
    """500, 503, 429 and dropped connections, together fault_rate of all requests."""
    found = Counter(statuses(Scripted(fault_rate=0.4), 2000))
    assert set(found) == {200, 0, 429, 500, 503}
    assert found[200] / 2000 == pytest.approx(0.6, abs=5 * math.sqrt(0.24 / 2000))
    assert all(found[kind] > 100 for kind in (0, 429, 500, 503))


def test_faults_are_a_row_that_starts_at_the_seed() -> None:
    """The same row for the same seed; the same body is not met by the same fault for ever."""
    assert statuses(Scripted(fault_rate=0.5), 60) == statuses(Scripted(fault_rate=0.5), 60)
    assert statuses(Scripted(fault_rate=0.5), 60) != statuses(Scripted(fault_rate=0.5, seed=1), 60)
    assert 200 in statuses(Scripted(fault_rate=0.9), 200)


def test_faults_do_not_change_answers() -> None:
    """What comes through is what would have come without them."""

    async def main() -> bytes:
        provider = ScriptedProvider(Scripted(fault_rate=0.5))
        while True:
            try:
                status, _, content = await provider(BODY)
            except ConnectionError:
                continue
            if status == 200:
                return content

    assert json.loads(asyncio.run(main())) == ScriptedProvider(Scripted()).world.answer(BODY)


def test_a_throttling_fault_says_when_to_come_back() -> None:
    """An injected 429 carries retry-after-ms and comes at once, whatever the latency."""

    async def main() -> tuple[float, str]:
        provider = ScriptedProvider(Scripted(fault_rate=1.0, latency_s=3600))
        while True:
            asked = asyncio.ensure_future(provider(BODY))
            await asyncio.sleep(0)
            if not asked.done():
                asked.cancel()
                continue
            _, headers, content = await asked
            return float(headers["retry-after-ms"]), json.loads(content)["error"]["type"]

    assert asyncio.run(main()) == (50.0, "rate_limit_error")


def test_latency_is_kept_on_average_and_not_in_order() -> None:
    """Between half and one and a half of latency_s, so that answers overtake one another."""
    weather = Weather(Scripted(latency_s=2.0))
    found = [weather.latency() for _ in range(2000)]
    assert min(found) >= 1.0
    assert max(found) < 3.0
    assert math.fsum(found) / 2000 == pytest.approx(2.0, abs=5 * 2.0 / math.sqrt(12 * 2000))
    assert Weather(Scripted()).latency() == 0.0


@given(rpm=st.integers(1, 300), gaps=st.lists(st.floats(0, 30), max_size=200))
def test_no_more_is_let_through_than_the_bucket_holds(rpm: int, gaps: list[float]) -> None:
    """At most rpm at once and rpm a minute after, however requests come; who waits as told is let in."""
    weather, now, passed = Weather(Scripted(rpm=rpm)), 100.0, 0
    for gap in gaps:
        now += gap
        refused = weather.throttle(now)
        passed += refused is None
        assert passed <= rpm * (1 + (now - 100.0) / 60) + 1e-6
    for _ in range(rpm + 1):
        if (refused := weather.throttle(now)) is not None:
            now += float(refused.headers["retry-after"]) + 0.001
            assert weather.throttle(now) is None


def test_above_rpm_requests_are_throttled() -> None:
    """429 rate_limit_exceeded with retry-after and the limit's headers; below it, the room that is left."""

    async def main() -> list[Any]:
        provider = ScriptedProvider(Scripted(rpm=3))
        return [await provider(BODY) for _ in range(4)]

    *passed, (status, headers, content) = asyncio.run(main())
    assert [answer[0] for answer in passed] == [200, 200, 200]
    assert [answer[1]["x-ratelimit-remaining-requests"] for answer in passed] == ["2", "1", "0"]
    error = json.loads(content)["error"]
    assert (status, error["code"], error["type"]) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert 0 < float(headers["retry-after"]) <= 20
    assert headers["x-ratelimit-limit-requests"] == "3"


def test_the_chat_provider_reads_the_world_like_any_server() -> None:
    """Behind this project's own parsing an answer is a Reply and a fault is Transient."""
    call = Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": "Why?"},),
        params={"max_tokens": 300, "seed": 1},
        tag=Tag(role="sampler", prompt_id="p"),
    )

    def connected(settings: Scripted) -> ChatProvider:
        world = ScriptedProvider(settings)
        return ChatProvider(world, tokens_key="max_completion_tokens", close=world.aclose)

    reply = asyncio.run(connected(Scripted())(call))
    assert isinstance(reply, Reply)
    assert quality_of(reply.first.text) is not None
    assert reply.usage.output == math.ceil(len(reply.first.text) / 4)
    with pytest.raises(Transient):
        asyncio.run(connected(Scripted(fault_rate=1.0))(call))
