"""Lays out a pair as the row of preferences.jsonl. Pure; token counts come as a function.

The row is the shape that formats read: what is asked, both sides as message lists, how sure the label is, what it cost,
and the ids of everything it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from judgegen.llm.calls import Message
from judgegen.records import Candidate, Pair, Prompt, Result

CountMessages = Callable[[Sequence[Message], Sequence[Mapping[str, Any]]], int]
CountText = Callable[[str], int]


def preference(result: Result, pair: Pair, *, count_messages: CountMessages, count: CountText) -> dict[str, Any]:
    """One row. Tokens are of the prompt as a chat and of each side's text; USD is all that the prompt cost."""
    prompt = result.prompt
    row = {
        "prompt_id": prompt.id,
        "prompt": [dict(message) for message in prompt.messages],
        "chosen": [pair.chosen.message()],
        "rejected": [pair.rejected.message()],
        "p_chosen": rounded(pair.p_chosen),
        "margin": rounded(pair.margin),
        "consistent": pair.consistent,
        "tokens": {
            "prompt": count_messages(prompt.messages, prompt.tools),
            "chosen": count(pair.chosen.text),
            "rejected": count(pair.rejected.text),
        },
        "cost_usd": cost(result),
        "chosen_from": origin(pair.chosen),
        "rejected_from": origin(pair.rejected),
        "verdict_calls": list(pair.verdict_calls),
    }
    return {**row, **_given(prompt)}


def _given(prompt: Prompt) -> dict[str, Any]:
    """What the prompt's row brought along, where it did."""
    brought = {
        "tools": [dict(tool) for tool in prompt.tools],
        "reference": prompt.reference,
        "metadata": dict(prompt.metadata),
    }
    return {name: value for name, value in brought.items() if value not in (None, [], {})}


def origin(candidate: Candidate) -> dict[str, Any]:
    """Which variant, model and call a side came from."""
    return {
        "variant": candidate.variant,
        "index": candidate.index,
        "model": candidate.model,
        "call": candidate.call_id,
        "settings": dict(candidate.settings),
    }


def cost(result: Result) -> dict[str, str]:
    """USD of a prompt's calls, exact: sampling, judging, total."""
    sampling = _spent(result, "sampler")
    judging = _spent(result, "judge")
    return {"sampling": plain(sampling), "judging": plain(judging), "total": plain(sampling + judging)}


def _spent(result: Result, role: str) -> Decimal:
    return sum((o.cost for c, o in result.calls if c.tag.role == role and o.cost is not None), Decimal(0))


def plain(value: Decimal) -> str:
    """A decimal as people write it: no exponent, no trailing zeros, "0" for nothing."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if text not in ("", "-0") else "0"


def rounded(value: float) -> float:
    """Six digits, the same on every machine; never -0.0."""
    return round(value, 6) + 0.0
