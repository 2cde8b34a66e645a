"""The pace that finds itself: how wide a gate is, how long a server is waited for, and when it says to come back."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judgegen.errors import Incomplete, Unanswered
from judgegen.llm.limits import Turnstile
from judgegen.llm.outage import Outage
from judgegen.llm.stop import Stop
from judgegen.llm.width import Width
from judgegen.llm.wire.delay import asked_s, span

NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(1, 500), st.lists(st.sampled_from(["answered", "late", "busy", "close"]), max_size=200))
def test_a_gate_is_never_shut_and_never_wider_than_allowed(ceiling: int, events: list[str]) -> None:
    """Whatever happens, at least one may go and at most as many as the run file says."""
    clock = Clock()
    width = Width(ceiling, timeout_s=100, clock=clock)
    for event in events:
        began = clock.now
        clock.now += 1
        if event == "answered":
            width.answered(began, full=True)
        elif event == "close":
            width.close()
        else:
            width.cut(began, late=event == "late")
        assert 1 <= width.places <= ceiling


def rounds(width: Width, clock: Clock, seconds: float, most: int) -> int:
    """Rounds of a full gate, each answered after `seconds`, until it is as wide as it gets."""
    for number in range(most):
        before, began, flying = width.places, clock.now, width.places
        clock.now += seconds
        for _ in range(flying):
            width.answered(began, full=True)
        if width.places == before:
            return number
    return most


def test_a_healthy_server_has_all_of_it_within_a_few_rounds() -> None:
    """Doubled by every round from the beginning: 1,024 at once take seven."""
    clock = Clock()
    width = Width(1024, timeout_s=120, clock=clock)
    assert rounds(width, clock, 0.2, 50) <= 8
    assert width.places == 1024


def test_trouble_cuts_once_for_all_that_was_sent_before() -> None:
    """Sixty late answers of one wave are one cut; after it the gate grows by little, and reaches its width again."""
    clock = Clock()
    width = Width(64, timeout_s=120, clock=clock)
    rounds(width, clock, 0.2, 50)
    began, clock.now = clock.now, clock.now + 1
    for _ in range(60):
        width.cut(began, late=True)
    assert width.places == 32
    assert 4 <= rounds(width, clock, 0.2, 100) <= 20
    assert width.places == 64


def test_answers_that_wait_in_a_line_make_it_no_longer() -> None:
    """A server whose answers take half of the time they may take gets no more at once."""
    clock = Clock()
    width = Width(64, timeout_s=2, clock=clock)
    before = width.places
    rounds(width, clock, 1.0, 50)
    assert width.places == before


def test_a_gate_that_is_not_full_does_not_grow() -> None:
    """What was never tried is not known."""
    width = Width(64)
    before = width.places
    for _ in range(100):
        width.answered(0, full=False)
    assert width.places == before


def test_a_gate_with_a_pace_widens_as_fast_as_one_without() -> None:
    """By every answer while it is full, though answers that come together leave places that its pace fills later."""

    async def main() -> int:
        gate = Turnstile(concurrency=256, rpm=600_000, tpm=None, stop=Stop())

        async def ask() -> None:
            async with gate.slot(0) as slot:
                await asyncio.sleep(0.05)
                slot.answered()

        await asyncio.gather(*(ask() for _ in range(600)))
        await gate.aclose()
        return gate.width.places

    assert asyncio.run(main()) == 256


@pytest.mark.parametrize(("wait_s", "places"), [(1.0, 22), (24.0, 1)])
def test_a_pace_that_is_known_needs_no_narrow_gate(wait_s: float, places: int) -> None:
    """Refusals narrow it until a pace is known by them, which is once; after a minute without room it begins anew."""

    async def main() -> int:
        gate = Turnstile(concurrency=32, rpm=None, tpm=None, stop=Stop())

        async def ask(*, refused: bool) -> None:
            async with gate.slot(0) as slot:
                await asyncio.sleep(0.01)
                if refused:
                    slot.refused(wait_s)
                else:
                    slot.answered()

        await asyncio.gather(*(ask(refused=False) for _ in range(200)))
        assert gate.width.places == 32
        await asyncio.gather(*(ask(refused=True) for _ in range(32)))
        await ask(refused=True)
        await gate.aclose()
        return gate.width.places

    assert asyncio.run(main()) == places


def test_a_server_that_never_answered_is_not_waited_for() -> None:
    """A mistyped address is no outage; one that answered is looked for, ever more seldom, for minutes."""
    clock = Clock()
    outage = Outage(clock)
    assert not outage.begins()
    assert outage.wait_s() is None
    assert not outage.answered()
    assert outage.begins()
    assert not outage.begins()
    waits = []
    while (wait := outage.wait_s()) is not None:
        waits.append(wait)
        clock.now += wait
    assert sum(waits) > 120
    assert len(waits) < 40
    assert outage.over
    assert outage.answered()
    assert outage.wait_s() is None


def date(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


def in_ms(moment: float) -> str:
    return str(int(moment * 1000))


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, None, 1.5),
        ({"retry-after": "40000"}, None, 40000),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)}, None, 90),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True)}, None, 0),
        ({"retry-after": "9" * 400}, None, 1e9),
        ({"retry-after": "-5"}, None, None),
        ({"retry-after": "soon"}, None, None),
        ({}, [{"error": {"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "14.20s"}]}}], 14.2),
        ({}, {"error": {"details": [{"retryDelay": {"seconds": 7}}]}}, 7),
        ({}, {"error": {"message": "Rate limit reached. Please try again in 7.66s. Visit"}}, 7.66),
        ({}, {"error": {"message": "Please try again in 1m30s"}}, 90),
        ({}, {"error": {"message": "please retry after 20 seconds."}}, 20),
        ({}, {"error": {"message": "try again in 340ms"}}, 0.34),
        ({}, {"error": {"message": "Please retry in 2 hours"}}, 7200),
        ({}, "Too many requests, try again in 3 minutes", 180),
        ({}, {"detail": {"retry_after": 12}}, 12),
        ({}, {"error": {"message": "too many requests a minute; the limit is 60 s"}}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, {}, 360),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "6m0s"}, {}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int((NOW + 30) * 1000))}, {}, 30),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW + 30))}, {}, 30),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": datetime.fromtimestamp(NOW + 45, UTC).isoformat(),
            },
            {},
            45,
        ),
        ({"retry-after": "2s"}, None, 2),
        ({"retry-after": "PT1M30S"}, None, 90),
        ({"retry-after": str(int(NOW + 30))}, None, 30),
        ({"retry-after": datetime.fromtimestamp(NOW + 30, UTC).isoformat()}, None, 30),
        ({"date": date(NOW + 3600), "retry-after": date(NOW + 3630)}, None, 30),  # a clock that is an hour ahead
        ({"date": date(NOW - 3600), "retry-after": date(NOW - 3570)}, None, 30),
        ({"date": "yesterday", "retry-after": date(NOW + 30)}, None, 30),
        ({"ratelimit": "limit=10, remaining=0, reset=7"}, None, 7),
        ({"ratelimit": '"burst";r=0;t=7, "day";r=90;t=5000'}, None, 7),
        ({"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "7"}, None, 7),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(NOW + 7))}, None, 7),
        ({"x-ratelimit-reset-after": "7.5"}, None, 7.5),
        ({"x-ratelimit-reset-requests": "7s", "x-ratelimit-reset-tokens": "90s"}, None, 7),
        (
            {},
            {"error": {"metadata": {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": in_ms(NOW + 9)}}}},
            9,
        ),
        ({}, {"error": "Model is loading", "estimated_time": 20.5}, 20.5),
        ({}, {"error": {"message": "\u8bf7\u5728 5 \u79d2\u540e\u91cd\u8bd5"}}, 5),
        ({}, {"error": {"message": "6\u79d2\u5f8c\u306b\u518d\u8a66\u884c"}}, 6),
        ({}, {"error": {"message": "\u8bf7 2 \u5206\u949f\u540e\u518d\u8bd5"}}, 120),
        ({}, {"error": {"message": "Bitte in 20 Sekunden erneut versuchen."}}, 20),
        ({}, {"error": {"message": "R\u00e9essayez dans 180 secondes"}}, 180),
        ({}, {"error": {"message": "60 \u79d2\u5185\u6700\u591a 10 \u6b21"}}, None),
        ({}, {"retry_after_ms": "2000"}, 2),
        ({}, {"error": {"resets_at": int(NOW + 60), "type": "usage_limit_reached"}}, 60),
        ({}, [[[[]]]], None),
        ({}, None, None),
    ],
)
def test_when_to_come_back_is_read_wherever_it_stands(
    headers: dict[str, str], body: Any, seconds: float | None
) -> None:
    """Seconds, milliseconds, dates; fields of the body, in lists too; sentences; limits that are used up."""
    content = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    found = asked_s(429, headers, content, now=NOW)
    assert (found is None) == (seconds is None)
    assert found is None or found == pytest.approx(seconds, abs=1e-3)


def test_what_is_no_throttling_has_no_delay_in_its_words() -> None:
    """A bad request that speaks of seconds asks nobody to wait; a header counts whatever the status."""
    body = b'{"error": {"message": "audio is too long, try again in 10 seconds of it"}}'
    assert asked_s(400, {}, body) is None
    assert asked_s(503, {"retry-after": "3"}) == 3


@example("0\x1f", b"", {})
@given(st.text(), st.binary(max_size=200), st.dictionaries(st.text(max_size=30), st.text(max_size=30), max_size=4))
def test_whatever_a_server_says_is_a_delay_or_none(text: str, content: bytes, headers: dict[str, str]) -> None:
    """No exception, no negative wait, nothing beyond what can be meant."""
    said = {"retry-after": text, "x-ratelimit-reset": text, "x-ratelimit-remaining": "0", **headers}
    found = asked_s(429, said, content)
    assert found is None or 0 <= found <= 1e9
    assert asked_s(429, {}, json.dumps({"retry_after": text, "message": f"try again in {text}"}).encode()) != -1
    assert (span(text) or 0) >= 0


def test_whoever_waits_hears_of_a_dispatcher_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception while turns are given stops the run with its cause; nobody hangs, now or later."""

    async def broken(self: Turnstile, tokens: float) -> None:
        await asyncio.sleep(0.01)
        raise OSError("no clock")

    async def main() -> tuple[list[Any], Stop]:
        stop = Stop()
        gate = Turnstile(concurrency=4, rpm=6_000, tpm=None, stop=stop)

        async def ask() -> None:
            async with gate.slot(0):
                pass

        ends = await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(9)), return_exceptions=True), 5)
        ends += await asyncio.wait_for(asyncio.gather(ask(), return_exceptions=True), 5)
        await gate.aclose()
        return ends, stop

    monkeypatch.setattr(Turnstile, "_pace", broken)
    ends, stop = asyncio.run(main())
    assert {type(end) for end in ends} == {Unanswered}
    assert isinstance(stop.error, Incomplete)
    assert "no clock" in str(stop.error)
