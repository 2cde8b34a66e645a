from __future__ import annotations

import hashlib
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.simulator.quoted import quoted
from judgegen.simulator.scripted import Problem, Speaker, World, body_digest, quality_of
from judgegen.spec import Scripted

QUESTION = "How do I keep a sourdough starter alive while travelling for two weeks?"


def sampler(draw: int = 0, **params: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": QUESTION}], "seed": draw, **params}


def judge(first: str, second: str, draw: int = 0, **params: Any) -> dict[str, Any]:
    asked = f"Compare.\n\nAnswer A:\n<quote>\n{first}\n</quote>\n\nAnswer B:\n<quote>\n{second}\n</quote>\n\nWhich?"
    return {"model": "j", "messages": [{"role": "user", "content": asked}], "seed": draw, **params}


def marked(quality: float, length: int = 100) -> str:
    return f"{'word ' * (length // 5)}\n[quality {quality:.3f}]"


def texts(world: World, body: dict[str, Any]) -> list[str]:
    answer = world.answer(body)
    assert not isinstance(answer, Problem), answer
    return [choice["message"]["content"] for choice in answer["choices"]]


def said(world: World, body: dict[str, Any]) -> str:
    return texts(world, body)[0]


def share(world: World, label: str, first: str, second: str, n: int = 1500) -> float:
    return sum(said(world, judge(first, second, draw)) == label for draw in range(n)) / n


def within(p: float, n: int = 1500) -> float:
    """Five standard deviations of a share of `n` draws that come with probability `p`."""
    return 5 * math.sqrt(max(p * (1 - p), 1e-9) / n)


def mean_quality(world: World, n: int = 400, **params: Any) -> float:
    return math.fsum(quality_of(said(world, sampler(draw, **params))) or 0.0 for draw in range(n)) / n


def test_an_answer_is_the_same_on_every_machine() -> None:
    """The world is a function of settings and body; this answer is written down."""
    text = said(World(Scripted()), sampler(temperature=0.9, max_tokens=200))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "c9f404ffbed370e4"


@given(draw=st.integers(0, 10**6), temperature=st.floats(0, 2), seed=st.integers(0, 50), n=st.integers(1, 4))
@settings(max_examples=40)
def test_the_same_body_gets_the_same_answer(draw: int, temperature: float, seed: int, n: int) -> None:
    """Another World of the same settings answers alike, in whatever order the body's keys stand."""
    body = sampler(draw, temperature=temperature, n=n)
    backwards = dict(reversed(body.items()))
    assert World(Scripted(seed=seed)).answer(body) == World(Scripted(seed=seed)).answer(backwards)


def test_what_the_limit_is_called_makes_no_difference() -> None:
    """In-process and over HTTP the limit goes by different names; the answers are the same."""
    old, new = sampler(max_tokens=300), sampler(max_completion_tokens=300)
    assert World(Scripted()).answer(old) == World(Scripted()).answer(new)
    assert body_digest(sampler(max_tokens=300)) != body_digest(sampler(max_tokens=301))


@pytest.mark.parametrize("other", [{"draw": 1}, {"temperature": 0.5}, {"user": "x"}])
def test_another_body_gets_another_answer(other: dict[str, Any]) -> None:
    """Every part of a body is part of the draw."""
    assert said(World(Scripted()), sampler()) != said(World(Scripted()), sampler(**other))


def test_another_seed_is_another_world() -> None:
    """The settings' seed changes what is drawn."""
    assert said(World(Scripted(seed=1)), sampler()) != said(World(Scripted(seed=2)), sampler())


def test_candidates_differ_and_carry_their_quality() -> None:
    """Draws differ in text and length; each states a quality between 0 and 1 and takes up the question's words."""
    found = [said(World(Scripted()), sampler(draw)) for draw in range(200)]
    assert len(set(found)) == 200
    assert all(0 <= (quality_of(text) or -1) <= 1 for text in found)
    assert max(map(len, found)) > 2 * min(map(len, found))
    assert sum("sourdough" in text or "starter" in text for text in found) > 100


def test_a_text_without_a_mark_has_no_quality() -> None:
    """What the world did not write is unknown to it, not zero."""
    assert quality_of("an answer") is None
    assert quality_of("[quality 0.250] and then [quality 0.750]") == 0.75


@pytest.mark.slow
def test_quality_follows_the_variant() -> None:
    """Observed means stand where `expected_quality` says: model, heat, nucleus and system prompt move them."""
    world = World(Scripted())
    cool: dict[str, Any] = {"temperature": 0.2}
    hot: dict[str, Any] = {"temperature": 1.5}
    trimmed, told = {**hot, "top_p": 0.5}, {**cool, "model": "other"}
    for params in (cool, hot, trimmed, told):
        expected = world.expected_quality(sampler(**params))
        spread = 0.06 * (1 + params["temperature"])
        assert mean_quality(world, **params) == pytest.approx(expected, abs=5 * spread / math.sqrt(400))
    assert world.expected_quality(sampler(**cool)) > world.expected_quality(sampler(**trimmed))
    assert world.expected_quality(sampler(**trimmed)) > world.expected_quality(sampler(**hot))
    system = sampler(temperature=0.2)
    system["messages"] = [{"role": "system", "content": "Be terse."}, *system["messages"]]
    assert world.expected_quality(system) != world.expected_quality(sampler(**cool))


def test_choices_are_draws_of_their_own() -> None:
    """Several choices differ, and all are counted."""
    answer = World(Scripted()).answer(sampler(n=5))
    assert not isinstance(answer, Problem)
    found = [choice["message"]["content"] for choice in answer["choices"]]
    assert len(set(found)) == 5
    assert answer["usage"]["completion_tokens"] == sum(math.ceil(len(text) / 4) for text in found)


@given(limit=st.integers(1, 300), draw=st.integers(0, 50), logprobs=st.booleans())
@settings(max_examples=60)
def test_no_answer_is_longer_than_its_limit(limit: int, draw: int, logprobs: bool) -> None:
    """A cut answer says "length" and is the beginning of what it would have been; usage stays under the limit."""
    world = World(Scripted())
    answer = world.answer(sampler(draw, max_tokens=limit, logprobs=logprobs))
    assert not isinstance(answer, Problem)
    (choice,) = answer["choices"]
    text, whole = choice["message"]["content"], quality_of(choice["message"]["content"]) is not None
    assert answer["usage"]["completion_tokens"] <= limit
    assert choice["finish_reason"] == ("stop" if whole else "length")
    assert len(text) == 4 * limit or whole
    if logprobs:
        assert "".join(entry["token"] for entry in choice["logprobs"]["content"]) == text


def test_some_candidates_break_off() -> None:
    """truncated_rate of them end early, say "length" and have lost their mark."""
    answers = [World(Scripted(truncated_rate=0.3)).answer(sampler(draw)) for draw in range(1500)]
    choices = [answer["choices"][0] for answer in answers if not isinstance(answer, Problem)]
    broken = [choice for choice in choices if choice["finish_reason"] == "length"]
    assert len(broken) / 1500 == pytest.approx(0.3, abs=within(0.3))
    assert all(quality_of(choice["message"]["content"]) is None for choice in broken)


def test_usage_is_as_openai_writes_it() -> None:
    """Four characters to a token, three more for each message and for the reply; every field is there."""
    answer = World(Scripted()).answer(sampler())
    assert not isinstance(answer, Problem)
    usage = answer["usage"]
    assert usage["prompt_tokens"] == 3 + math.ceil(len(QUESTION) / 4) + 3
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 0}


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("gap", [0.001, 0.5])
def test_the_better_candidate_wins_as_often_as_accuracy_says(accuracy: float, gap: float) -> None:
    """Whatever the gap and whichever is shown first."""
    world = World(Scripted(accuracy=accuracy))
    better, worse = marked(0.4 + gap), marked(0.4)
    assert share(world, "A", better, worse) == pytest.approx(accuracy, abs=within(accuracy))
    assert share(world, "B", worse, better) == pytest.approx(accuracy, abs=within(accuracy))


def test_equals_win_half_the_time() -> None:
    """No accuracy tells apart what is equally good."""
    found = share(World(Scripted(accuracy=1.0)), "A", marked(0.5), marked(0.5))
    assert found == pytest.approx(0.5, abs=within(0.5))


@pytest.mark.parametrize("bias", [-1.0, 0.7])
def test_position_bias_is_recovered(bias: float) -> None:
    """The log odds of the first among equals are the bias."""
    p = 1 / (1 + math.exp(-bias))
    found = share(World(Scripted(position_bias=bias)), "A", marked(0.5), marked(0.5))
    assert found == pytest.approx(p, abs=within(p))


def test_length_bias_is_per_doubling() -> None:
    """Four times the length is two doublings; the fence around an answer is no part of it."""
    p = 1 / (1 + math.exp(-2 * 0.6))
    world = World(Scripted(length_bias=0.6))
    long, short = marked(0.5, 400), marked(0.5, 100)
    assert [one.length for one in quoted(judge(long, short)["messages"][0]["content"]).answers] == [399, 99]
    assert share(world, "A", long, short) == pytest.approx(p, abs=within(p) + 0.01)
    assert share(world, "B", short, long) == pytest.approx(p, abs=within(p) + 0.01)


@pytest.mark.parametrize(
    "frame", ["<a>\n{}\n</a>", "[Start of Answer]\n{}\n[End]", "### Response\n{}", "Answer 1:\n\n{}", "{}"]
)
def test_an_answers_length_is_its_own(frame: str) -> None:
    """Tags, brackets, headings and labels around an answer do not count; without a frame the last mark ends it."""
    asked = frame.format(marked(0.1, 60)) + "\n\n" + frame.format(marked(0.9, 600)) + "\nWhich is better?"
    found = quoted(asked).answers
    assert [(one.quality, one.length) for one in found] == [(0.1, 59), (0.9, 599)]


qualities = st.floats(0, 1)


@given(a=qualities, b=qualities, doublings=st.floats(-4, 4), accuracy=qualities, bias=st.floats(-3, 3))
def test_swapping_the_display_swaps_the_odds(
    a: float, b: float, doublings: float, accuracy: float, bias: float
) -> None:
    """Without position bias the odds belong to the candidates, not to their places."""
    world = World(Scripted(accuracy=accuracy, length_bias=bias))
    there, back = world.p_first(a, b, doublings=doublings), world.p_first(b, a, doublings=-doublings)
    assert there + back == pytest.approx(1.0)


def test_ties_come_at_their_rate() -> None:
    """tie_rate of all verdicts; the rest go as they would."""
    world = World(Scripted(accuracy=0.8, tie_rate=0.4))
    assert share(world, "tie", marked(0.9), marked(0.1)) == pytest.approx(0.4, abs=within(0.4))
    assert share(world, "A", marked(0.9), marked(0.1)) == pytest.approx(0.48, abs=within(0.48))


def test_some_verdicts_are_unreadable() -> None:
    """unreadable_rate of the replies name no label."""
    world = World(Scripted(unreadable_rate=0.25))
    replies = [said(world, judge(marked(0.9), marked(0.1), draw)) for draw in range(1500)]
    garbage = [reply for reply in replies if reply not in ("A", "B", "tie")]
    assert len(garbage) / 1500 == pytest.approx(0.25, abs=within(0.25))


def refused(world: World, body: dict[str, Any]) -> Problem:
    answer = world.answer(body)
    assert isinstance(answer, Problem)
    return answer


def test_logprobs_can_be_refused() -> None:
    """As some servers do: 400, naming the parameter."""
    found = refused(World(Scripted(logprobs=False)), sampler(logprobs=True))
    assert (found.status, found.param, found.code) == (400, "logprobs", "unsupported_parameter")
    assert found.payload()["error"]["message"] == "logprobs are not supported by this model"
    assert not isinstance(World(Scripted(logprobs=False)).answer(sampler(logprobs=False)), Problem)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "boss", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, "messages[0].content"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"stream": True}, "stream"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.name"),
    ],
)
def test_a_malformed_body_is_refused_by_its_parameter(change: dict[str, Any], param: str) -> None:
    """400 that names what is at fault."""
    found = refused(World(Scripted()), {**sampler(), **change})
    assert (found.status, found.type, found.param) == (400, "invalid_request_error", param)


def test_content_parts_and_silent_assistants_are_read() -> None:
    """Chats with parts and tool calls are answered; names the world does not know are taken."""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Describe starters."}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "done"},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    assert quality_of(said(World(Scripted()), sampler(messages=messages, top_k=40))) is not None


def test_a_verdict_that_cannot_be_given_is_refused() -> None:
    """One answer or three under a verdict's schema, three without: never a guess."""
    schema = {"type": "json_schema", "json_schema": {"name": "v", "schema": {"enum": ["A", "B"]}}}
    lone = {**sampler(), "messages": [{"role": "user", "content": marked(0.5)}]}
    three = judge(marked(0.1) + "\n" + marked(0.3), marked(0.2))
    assert refused(World(Scripted()), {**lone, "response_format": schema}).param == "messages"
    assert "shows 3 answers" in refused(World(Scripted()), {**three, "response_format": schema}).message
    assert "shows 3 answers" in refused(World(Scripted()), three).message
    assert quality_of(said(World(Scripted()), lone)) is not None


@given(st.lists(st.integers(0, 3), max_size=12), st.randoms(use_true_random=False))
def test_without_a_seed_an_answer_hangs_on_its_own_body_alone(asked: list[int], lot: random.Random) -> None:
    """A server that takes no seed gives another answer each time, and the same ones in whatever order others ask."""

    def answers(numbers: list[int]) -> dict[int, list[str]]:
        speaker, found = Speaker(Scripted(dialect="gemini")), dict[int, list[str]]()
        for number in numbers:
            body = {"model": "m", "messages": [{"role": "user", "content": f"{QUESTION} {number}"}]}
            said = speaker.answer(body).payload["choices"][0]["message"]["content"]
            found.setdefault(number, []).append(said)
        return found

    first = answers(asked)
    assert answers(lot.sample(asked, len(asked))) == first
    assert all(len(set(texts)) == len(texts) for texts in first.values())
