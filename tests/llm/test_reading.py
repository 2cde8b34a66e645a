"""A server's answer is read whatever it looks like: what comes of it can be journaled, read back and judged."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.judge.guard import Frame
from judgegen.judge.read import verdict
from judgegen.llm.answers import Landing
from judgegen.llm.calls import Call, Failure, Outcome, Reply, Tag, Usage, outcome_from_dict, outcome_to_dict
from judgegen.llm.journal import Journal
from judgegen.llm.retry import Transient
from judgegen.llm.wire.reading import reply
from judgegen.records import Unreadable, Verdict
from judgegen.sampler.read import candidates
from judgegen.sampler.screen import screen
from judgegen.writer.audit import called

SHOWN = Frame(first="K", second="M", fence="quote-1")
CALL = Call(
    endpoint="e",
    model="m",
    messages=({"role": "user", "content": "Which is better?"},),
    params={"max_tokens": 9},
    tag=Tag(role="judge", prompt_id="p", variant="v"),
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**18, 10**400, -5, 0])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.sampled_from(["\ud83d", "stop", "text", "</think>"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that has these fields or lacks them, of the right shape or of any."""
    return st.fixed_dictionaries({}, optional={name: field | JSON for name, field in fields.items()})


TOKEN = some(token=st.text(max_size=5), logprob=NUMBERS, top_logprobs=st.lists(some(token=st.text(), logprob=NUMBERS)))
PARTS = st.lists(some(type=st.sampled_from(["text", "thinking", "image_url"]), text=st.text()), max_size=3)
MESSAGE = some(
    content=st.text() | st.just('{"verdict": "K"}') | PARTS,
    refusal=st.text(),
    tool_calls=st.lists(some(function=some(name=st.text(), arguments=st.text())), max_size=2),
    reasoning_content=st.text(),
    thinking=PARTS,
)
CHOICE = some(message=MESSAGE, finish_reason=st.text() | st.just("stop"), logprobs=some(content=st.lists(TOKEN)))
USAGE = some(prompt_tokens=NUMBERS, completion_tokens=NUMBERS, total_tokens=NUMBERS, prompt_tokens_details=JSON)
ANSWER = some(choices=st.lists(CHOICE, max_size=3), usage=USAGE, model=st.text())


def completion(content: Any = "hello", *, usage: Any = None, **choice: Any) -> dict[str, Any]:
    row = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop", **choice}
    return {"choices": [row], "usage": usage}


def read(answer: Any) -> Reply:
    found = reply(CALL, answer)
    assert isinstance(found, Reply)
    return found


def again(outcome: Outcome) -> Outcome:
    """As it comes back from disk."""
    kept = json.loads(json.dumps(outcome_to_dict(outcome)))
    return outcome_from_dict(kept, outcome.usage, outcome.cost)


@settings(deadline=None)
@given(ANSWER | JSON)
def test_any_json_is_an_answer_that_can_be_kept_and_judged_or_a_passing_trouble(answer: Any) -> None:
    """Nothing that a server sends raises what is not ours; what is read is whole, bounded, the same from disk."""
    try:
        found = reply(CALL, answer)
    except Transient:
        return
    assert again(found) == found
    json.dumps(outcome_to_dict(found), ensure_ascii=False, allow_nan=False).encode()
    assert all(0 <= getattr(found.usage, name) <= 2 * 10**7 for name in ("input", "output", "cached", "reasoning"))
    assert isinstance(verdict(CALL, found, SHOWN), Verdict | Unreadable)
    for candidate in screen(candidates(CALL, found), near_identical=0.95):
        json.dumps(candidate.message(), allow_nan=False).encode()
    called(CALL, found)


@settings(deadline=None, max_examples=30)
@given(answer=ANSWER)
def test_what_is_read_is_read_back_from_the_journal(tmp_path_factory: pytest.TempPathFactory, answer: Any) -> None:
    """The journal gives back what it was given."""
    try:
        found = reply(CALL, answer)
    except Transient:
        return
    folder: Path = tmp_path_factory.mktemp("run")
    with Journal(folder) as journal:
        asyncio.run(journal.append(CALL, found, Landing(seconds=1.0, attempts=1)))
        kept = journal.get(CALL.id)
    assert kept is not None
    assert outcome_to_dict(kept) == outcome_to_dict(found)


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}, Usage(input=9, output=3)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 412}, Usage(input=9, output=403, reasoning=400)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 3,
                "total_tokens": 412,
                "completion_tokens_details": {"reasoning_tokens": 400},
            },
            Usage(input=9, output=403, reasoning=400),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 400}},
            Usage(input=9, output=403, reasoning=400),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 30, "reasoning_tokens": 20},
            Usage(input=9, output=30, reasoning=20),
        ),
        ({"prompt_tokens": "9", "completion_tokens": 3.0}, Usage(input=9, output=3)),
        (
            {"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 8},
            Usage(input=9, output=3, cached=8),
        ),
        (
            {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2},
            Usage(input=16, output=3, cached=5, cache_write=2),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "cache_read_input_tokens": 8},
            Usage(input=9, output=3, cached=8),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 112, "cache_read_input_tokens": 100},
            Usage(input=109, output=3, cached=100),
        ),
    ],
)
def test_tokens_are_found_in_every_place_where_servers_put_them(usage: Any, wanted: Usage) -> None:
    """Thought that stands beside the output, or in the total alone, was billed; so was a cache that stands beside."""
    assert read(completion(usage=usage)).usage == wanted


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [1],
        "abc",
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": -9, "completion_tokens": 3},
        {"prompt_tokens": 10**18, "completion_tokens": 3},
        {"prompt_tokens": 10**400, "completion_tokens": 3},
        {"prompt_tokens": float("nan"), "completion_tokens": float("inf")},
        {"prompt_tokens": "many", "completion_tokens": "few"},
        {"prompt_tokens": True, "completion_tokens": True},
    ],
)
def test_a_count_that_cannot_be_is_counted_here_and_marked(usage: Any) -> None:
    """Unknown is never zero, nothing and never the end of the world: eleven tokens were asked and one answered."""
    found = read(completion(usage=usage)).usage
    assert found.estimated
    assert (found.input, found.output in (1, 3)) == (11, True)


def test_a_billed_answer_that_cannot_be_read_is_kept_as_it_came() -> None:
    """It was paid: a Failure with its tokens and its words, that another draw may mend; without a bill it passes."""
    found = reply(CALL, {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}, "oddity": 1})
    assert isinstance(found, Failure)
    assert (found.reason, found.final, found.usage) == ("unreadable-reply", False, Usage(input=9, output=3))
    assert "oddity" in found.detail
    with pytest.raises(Transient):
        reply(CALL, {"choices": [], "usage": None})


FORMED = Call(
    endpoint="here",
    model="m",
    messages=({"role": "user", "content": "which?"},),
    params={"schema": {"type": "object", "properties": {"verdict": {"type": "string"}}}},
    tag=Tag(role="judge", prompt_id="p"),
)
VERDICT = '{"verdict": "K"}'


def tool_call(arguments: Any) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": "json_tool_call", "arguments": arguments}}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None, "reasoning_content": VERDICT}, VERDICT),
        ({"content": " ", "reasoning": f"\n{VERDICT}\n"}, VERDICT),
        ({"content": None, "tool_calls": [tool_call(VERDICT)]}, VERDICT),
        ({"content": None, "tool_calls": [tool_call(json.loads(VERDICT))]}, VERDICT),
        ({"content": "I think K.", "reasoning_content": VERDICT}, "I think K."),
        ({"content": None, "reasoning_content": f"So it is {VERDICT}"}, ""),
        ({"content": None, "reasoning_content": '{"verdict": "K", "more": 1}'}, ""),
        ({"content": None, "reasoning_content": '["verdict"]'}, ""),
        ({"content": None, "reasoning_content": "{" * 5_000}, ""),
        ({"content": None, "tool_calls": [tool_call(VERDICT), tool_call(VERDICT)]}, ""),
    ],
)
def test_what_a_schema_forced_is_the_text_wherever_its_server_puts_it(message: Any, text: str) -> None:
    """As a thought or a tool's call, where that is the whole object that was asked for and there is no text.

    Thought that speaks of a verdict is none, and what ended by its limit is no answer.
    """
    row = {"message": message, "finish_reason": "stop"}
    found = reply(FORMED, {"choices": [row]})
    assert isinstance(found, Reply)
    assert found.first.text.strip() == text
    cut = reply(FORMED, {"choices": [{**row, "finish_reason": "length"}]})
    assert isinstance(cut, Reply)
    assert cut.first.text == (message["content"] or "")


@pytest.mark.parametrize(
    ("message", "text", "thought"),
    [
        ({"content": "hi", "reasoning_content": "hm"}, "hi", "hm"),
        ({"content": "hi", "reasoning": "hm"}, "hi", "hm"),
        ({"content": "hi", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}, "hi", "hm"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "hi"]}, "hi", "hm"),
        ({"content": [{"type": "text", "text": "hi"}]}, "hi", ""),
        ({"content": {"type": "text", "text": "hi"}}, "hi", ""),
        ({"content": {"verdict": "K"}}, '{"verdict": "K"}', ""),
        ({"content": None, "refusal": "no"}, "no", ""),
    ],
)
def test_text_and_thought_are_told_apart_wherever_they_stand(message: Any, text: str, thought: str) -> None:
    """A thought that a server hands over by itself is kept, and is no part of the answer."""
    first = read({"choices": [{"message": message, "finish_reason": "stop"}]}).first
    assert (first.text, first.thought) == (text, thought)


@pytest.mark.parametrize(
    ("choice", "lacking"),
    [
        ({"logprobs": 5}, "logprobs"),
        ({"logprobs": {"content": [{"token": "K", "logprob": None}]}}, "logprobs"),
        ({"logprobs": {"content": [{"token": None, "logprob": -0.1}]}}, "logprobs"),
        ({"logprobs": {"content": [{"token": "K", "logprob": 1000}]}}, "logprobs"),
        ({"message": {"content": '{"verdict": "K"}', "tool_calls": "abc"}}, "tool_calls"),
        ({"message": {"content": '{"verdict": "K"}', "tool_calls": [None]}}, "tool_calls"),
    ],
)
def test_what_is_optional_never_fails_an_answer(choice: Any, lacking: str) -> None:
    """It is left out and named; the verdict beside it counts."""
    found = read(completion('{"verdict": "K"}', **choice))
    assert found.first.left_out == (lacking,)
    said = verdict(CALL, found, SHOWN)
    assert isinstance(said, Verdict)
    assert (said.label, said.soft) == ("first", False)


def test_the_older_apis_logprobs_are_read_as_todays() -> None:
    """Lists side by side hold the same numbers."""
    older = {"tokens": ["K"], "token_logprobs": [-0.5], "top_logprobs": [{"K": -0.5, "M": -1.0}]}
    (token,) = read(completion("K", logprobs=older)).first.logprobs or ()
    assert token["top_logprobs"] == [{"token": "K", "logprob": -0.5}, {"token": "M", "logprob": -1.0}]


MARKED = ('{"', "verdict", '":', '\u0120"', "K", '"}')


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ('{"verdict": "K"}', ('{"', "verdict", '":', ' "', "K", '"}')),
        ("".join(MARKED), MARKED),
        ("quite another text", MARKED),
    ],
)
def test_white_space_that_a_vocabulary_marks_is_white_space_where_the_text_has_it(text: str, tokens: Any) -> None:
    """Tokens are as the text is; marks that stand in the text itself, or in tokens of another one, stay."""
    given = [{"token": token, "logprob": -0.1, "top_logprobs": {token: -0.1}} for token in MARKED]
    found = read(completion(text, logprobs={"content": given})).first.logprobs or ()
    assert tuple(one["token"] for one in found) == tokens
    assert tuple(one["top_logprobs"][0]["token"] for one in found) == tokens


@pytest.mark.parametrize("error", [None, {}, "", {"code": 0, "message": "", "type": None}])
def test_an_error_that_says_nothing_is_none(error: Any) -> None:
    """As servers send it whose answers always have all of their fields."""
    assert read({**completion(error=error), "error": error}).first.finish == "stop"


@pytest.mark.parametrize(
    ("choice", "output", "finish"),
    [
        ({"finish_reason": None}, 3, "stop"),
        ({"finish_reason": None}, 9, "length"),
        ({"finish_reason": {"type": "stop"}}, 3, "stop"),
        ({"finish_reason": "stop", "error": {"code": 502}}, 3, "error"),
        ({"finish_reason": "MAX_TOKENS"}, 3, "MAX_TOKENS"),
        ({"finish_reason": 7, "stop_reason": "end_turn"}, 3, "end_turn"),
        ({"finish_reason": 7}, 3, "7"),
        ({"finish_reason": False}, 3, "False"),
        ({"finish_reason": ["length"]}, 3, "length"),
        ({"finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}, 3, "MAX_TOKENS"),
        ({"finish_reason": "stop", "native_finish_reason": "whatever"}, 3, "stop"),
        ({"finish_reason": None, "stop_reason": 128009}, 3, "stop"),
        ({"finish_reason": "null"}, 3, "stop"),
        ({"finish_reason": "None"}, 9, "length"),
    ],
)
def test_the_word_for_the_end_is_kept_as_it_came(choice: Any, output: int, finish: str) -> None:
    """A missing one is a cut where all that was allowed was used; an error beside the choice is a failed end."""
    usage = {"prompt_tokens": 5, "completion_tokens": output}
    assert read(completion("half an ans", usage=usage, **choice)).first.finish == finish


@pytest.mark.parametrize(
    "kept",
    [
        {"text": "fine \ud83d", "finish": "stop"},
        {"text": "fine", "finish": "stop", "tool_calls": ["a", "b"]},
        {"text": "fine", "finish": "stop", "tool_calls": [None]},
        {"text": "fine", "finish": "stop", "logprobs": [{"token": "K", "logprob": None, "top_logprobs": []}]},
        {"text": "fine", "finish": "stop", "logprobs": [{"token": 5, "logprob": 1000}]},
        {"text": "[" * 5000, "finish": "stop"},
    ],
)
def test_what_older_journals_hold_no_longer_ends_a_run(kept: Any) -> None:
    """Odd parts that were kept unseen are left out when they are read."""
    found = outcome_from_dict({"model": "m", "choices": [kept]}, Usage(input=10**18, output=10**400), None)
    assert found.usage.estimated
    assert found.usage.input + found.usage.output <= 2 * 10**7
    assert isinstance(verdict(CALL, found, SHOWN), Unreadable)
    (candidate,) = candidates(CALL, found)
    json.dumps(candidate.message(), ensure_ascii=False, allow_nan=False).encode()
