"""Preferences to export: a plain one, one with system and several turns, one with tools."""

from __future__ import annotations

from typing import Any

import pytest

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}


def call(name: str, arguments: str, number: int = 1) -> dict[str, Any]:
    """A tool call as the chat API writes it."""
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def origin(variant: str, model: str) -> dict[str, Any]:
    """Where a side came from."""
    return {"variant": variant, "index": 0, "model": model, "call": f"b2:{variant}", "settings": {"temperature": 0.3}}


def preference(number: int = 0, **given: Any) -> dict[str, Any]:
    """A row of preferences.jsonl."""
    return {
        "prompt_id": f"p-{number}",
        "prompt": [{"role": "user", "content": f"What is {number} + {number}?"}],
        "chosen": [{"role": "assistant", "content": f"It is {2 * number}."}],
        "rejected": [{"role": "assistant", "content": "Nobody knows."}],
        "p_chosen": 0.9,
        "margin": 0.75,
        "consistent": True,
        "tokens": {"prompt": 12, "chosen": 4, "rejected": 3},
        "cost_usd": {"sampling": "0.001", "judging": "0.002", "total": "0.003"},
        "chosen_from": origin("a", "small"),
        "rejected_from": origin("b", "smaller"),
        "verdict_calls": ["b2:v1", "b2:v2"],
        "reference": "It is",
        "candidates": [
            {
                "completion": [{"role": "assistant", "content": f"It is {2 * number}."}],
                "score": 0.75,
                "rank": 1,
                "model": "small",
            },
            {
                "completion": [{"role": "assistant", "content": "Nobody knows."}],
                "score": 0.25,
                "rank": 2,
                "model": "smaller",
            },
        ],
        "rubric": [{"name": "question 1", "description": "Is the sum right?", "weight": 1.0}],
        **given,
    }


def several_turns(number: int = 1) -> dict[str, Any]:
    """With a system message, two user turns and a reference."""
    prompt = [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Grüße\u2028aus Zürich"},
        {"role": "assistant", "content": "Grüezi 👋"},
        {"role": "user", "content": f"And {number}?"},
    ]
    return preference(number, prompt=prompt, reference="It is", metadata={"topic": "sums"})


def with_tools(number: int = 2) -> dict[str, Any]:
    """With tool definitions, a call and its answer in the prompt, and a call as the chosen side."""
    prompt = [
        {"role": "user", "content": f"Weather in Bern and town {number}?"},
        {"role": "assistant", "content": None, "tool_calls": [call("weather", '{"town": "Bern"}')]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]
    chosen = [{"role": "assistant", "content": None, "tool_calls": [call("weather", '{"town": "2"}', 2)]}]
    return preference(number, prompt=prompt, chosen=chosen, tools=[WEATHER])


class Make:
    """The makers of preferences, for tests: test files here cannot import one another."""

    plain = staticmethod(preference)
    several_turns = staticmethod(several_turns)
    with_tools = staticmethod(with_tools)


@pytest.fixture
def make() -> type[Make]:
    """`make.plain(3, p_chosen=0.6)` and its like."""
    return Make


@pytest.fixture
def preferences() -> list[dict[str, Any]]:
    """One of each."""
    return [preference(), several_turns(), with_tools()]
