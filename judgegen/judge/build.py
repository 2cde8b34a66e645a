"""Builds a comparison into the call that asks for a verdict.

The candidates stand in display order and the schema's labels are first, second, tie in that order. Knows nothing of
the run file, the journal or how verdicts are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from judgegen.judge.guard import Frame, frame, neutral
from judgegen.llm.calls import Call, Message, Tag, digest
from judgegen.records import Candidate, Comparison, Prompt
from judgegen.templates import Template

WISHES = frozenset({"seed", "schema", "top_logprobs", "temperature"})
"""What a judge is asked for where it can: it is left out for a model that refuses it, unless the run file wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A judge, resolved: where to ask, and how. `name` tells it from other judges of the same run."""

    route: str
    endpoint: str
    model: str
    template: Template
    max_tokens: int
    fixed: Mapping[str, Any] = field(default_factory=dict)
    wishes: frozenset[str] = WISHES
    name: str = ""
    weight: float = 1.0


def call(prompt: Prompt, comparison: Comparison, asking: Asking, *, seed: int, draw: int) -> Call:
    """The call that shows `comparison` in its order; `draw` counts the times it was asked before."""
    shown = framed(prompt, comparison, seed=seed, draw=draw)
    return Call(
        endpoint=asking.endpoint,
        model=asking.model,
        messages=_messages(prompt, comparison, asking.template, shown),
        params={
            "max_tokens": asking.max_tokens,
            "schema": schema(shown),
            "seed": int(digest([seed, prompt.id, *shown.labels, draw], size=4), 16) % 2**31,
            **asking.fixed,
        },
        draw=draw,
        tag=Tag(role="judge", prompt_id=prompt.id, route=asking.route),
        wishes=asking.wishes,
    )


def framed(prompt: Prompt, comparison: Comparison, *, seed: int, draw: int) -> Frame:
    """The labels and fence under which `comparison` is shown."""
    first, second = comparison.first, comparison.second
    quoted = (request(prompt), answer(first), answer(second), prompt.reference or "")
    return frame(quoted, seed, prompt.id, first.call_id, first.index, second.call_id, second.index, draw)


def _messages(prompt: Prompt, comparison: Comparison, template: Template, shown: Frame) -> tuple[Message, ...]:
    return template.messages(
        {
            "request": request(prompt),
            "first": neutral(answer(comparison.first))[0],
            "second": neutral(answer(comparison.second))[0],
            "first_label": shown.first,
            "second_label": shown.second,
            "tie_label": shown.tie,
            "fence": shown.fence,
            "reference": prompt.reference,
        }
    )


def schema(shown: Frame) -> dict[str, Any]:
    """The strict JSON schema of a verdict."""
    return {
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": list(shown.labels)}},
        "required": ["verdict"],
        "additionalProperties": False,
    }


def request(prompt: Prompt) -> str:
    """The conversation as the judge reads it: a lone user message as it stands, else each turn under its role."""
    if len(prompt.messages) == 1:
        return content(prompt.messages[0])
    return "\n\n".join(f"[{message['role']}]\n{content(message)}" for message in prompt.messages)


def answer(candidate: Candidate) -> str:
    """A candidate as the judge reads it: its text, and its tool calls as JSON."""
    return content(candidate.message())


def suspicions(candidate: Candidate) -> tuple[str, ...]:
    """The kinds of a judge's frame that a candidate imitates; it is shown with a mark in each."""
    return neutral(answer(candidate))[1]


def content(message: Message) -> str:
    """The text of a message, content parts joined, tool calls as JSON lines."""
    text = message.get("content") or ""
    if not isinstance(text, str):
        text = "\n".join(str(part.get("text") or f"[{part.get('type')}]") for part in text)
    tools = [json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in message.get("tool_calls") or ()]
    return "\n".join(part for part in (text, *tools) if part)
