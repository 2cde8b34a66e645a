"""Answers as rows of the journal, and back; what an estimate learns from one. Pure; knows nothing of SQLite."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from judgegen.llm.calls import Call, Outcome, Reply, Usage, outcome_from_dict, outcome_to_dict
from judgegen.llm.quoting import characters
from judgegen.textual import parsed

_USAGE = '{"input": %d, "output": %d, "cached": %d, "cache_write": %d, "reasoning": %d, "estimated": %s}'
_WORD = {True: "true", False: "false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """How an answer came: wall seconds from sending to landing (None: by batch), and the requests it took."""

    seconds: float | None
    attempts: int


def learned(role: str, variant: str, request: str, outcome: str, usage: str, timings: str) -> dict[str, Any]:
    """Role, model, variant, draw, tokens, finish, seconds of one row."""
    asked, answered, used = parsed(request), parsed(outcome), parsed(usage)
    choices = answered.get("choices") or [{"finish": answered.get("failure", "")}]
    return {
        "role": role,
        "variant": variant,
        "model": asked["model"],
        "draw": asked["draw"],
        "finish": choices[0]["finish"],
        "output": used["output"] / len(choices),
        "answered": len(choices[0].get("text", "")),
        "input": used["input"],
        "characters": sum(characters(str(message.get("content") or "")) for message in asked["messages"]),
        "cached": used["cached"],
        "seconds": parsed(timings)["seconds"],
    }


def row_of(call: Call, asked: str, outcome: Outcome, landing: Landing, when: str) -> tuple[Any, ...]:
    """The row of table `calls`, in the order of its columns; `asked` is what it keeps of the question."""
    used = outcome.usage
    return (
        call.id,
        call.tag.role,
        call.tag.prompt_id,
        call.tag.variant,
        asked,
        _answered(outcome),
        _USAGE % (used.input, used.output, used.cached, used.cache_write, used.reasoning, _WORD[used.estimated]),
        None if outcome.cost is None else format(outcome.cost, "f"),
        '{"seconds": null}' if landing.seconds is None else f'{{"seconds": {round(landing.seconds, 6)!r}}}',
        landing.attempts,
        when,
    )


def _answered(outcome: Outcome) -> str:
    """What `json.dumps` makes of `outcome_to_dict`; one text and nothing else, the commonest, is put together here."""
    if isinstance(outcome, Reply) and len(outcome.choices) == 1:
        one = outcome.choices[0]
        if not one.tool_calls and one.logprobs is None and not one.thought and not one.left_out:
            said = f'{{"text": {_quoted(one.text)}, "finish": {_quoted(one.finish)}}}'
            return f'{{"model": {_quoted(outcome.model)}, "choices": [{said}]}}'
    return json.dumps(outcome_to_dict(outcome))


def outcome_of(outcome: str, usage: str, cost: str | None, when: str) -> Outcome:
    """The answer that a row holds."""
    exact = None if cost is None else Decimal(cost)
    return outcome_from_dict(parsed(outcome), Usage(**parsed(usage)), exact, when[:10])
