"""Rows of preferences.jsonl. Pure: token counts come as functions.

The row is the shape that formats read: what is asked, both sides as message lists, how sure the label is, what it cost,
and the ids of everything it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from judgegen.llm.calls import Call, Failure, Message, Outcome
from judgegen.records import Candidate, Pair, Prompt, Result
from judgegen.writer.money import plain, total

Asked = tuple[Call, Outcome]
CountMessages = Callable[[Sequence[Message], Sequence[Mapping[str, Any]]], int]
CountTexts = Callable[[Sequence[str]], Sequence[int]]
Share = TypeVar("Share", float, float | None)
Spent = dict[str, Decimal | None]
"""USD of one prompt's calls: sampling, judging, total."""
ROLES = {"sampler": "sampling", "judge": "judging"}


@dataclass(frozen=True, slots=True)
class Bill:
    """What a prompt's rows say of its calls: USD, and by call the tokens of an answer that stands alone in it."""

    spent: Spent
    tokens: Mapping[str, int | None]


def bill(calls: Sequence[Asked]) -> Bill:
    """The bill of one prompt's calls."""
    return Bill(cost(calls), {call.id: _tokens(outcome) for call, outcome in calls if call.tag.role == "sampler"})


def _tokens(outcome: Outcome) -> int | None:
    """Of an answer that stands alone: of several choices nobody says how many tokens each had."""
    return outcome.usage.output if isinstance(outcome, Failure) or len(outcome.choices) == 1 else None


def preferences(
    result: Result,
    *,
    count_messages: CountMessages,
    count_texts: CountTexts,
    thinking: bool = False,
    extra: Mapping[str, Any] | None = None,
    spent: Spent | None = None,
) -> Iterator[dict[str, Any]]:
    """A row per pair of one prompt; what they share is counted once.

    `thinking`: thought stands before its answer. `extra`: what every row says beside its own. `spent`: what its calls
    cost, where they are not at hand.
    """
    if not result.pairs:
        return
    spent = cost(result.calls) if spent is None else spent
    asked = count_messages(result.prompt.messages, result.prompt.tools)
    sides = {c.key: c for pair in result.pairs for c in (pair.chosen, pair.rejected)}
    said = dict(zip(sides, count_texts([spoken(c, thinking=thinking) for c in sides.values()]), strict=True))
    for pair in result.pairs:
        counts = {"prompt": asked, "chosen": said[pair.chosen.key], "rejected": said[pair.rejected.key]}
        yield {**preference(result, pair, tokens=counts, spent=spent, thinking=thinking), **(extra or {})}


def preference(
    result: Result, pair: Pair, *, tokens: Mapping[str, int], spent: Spent, thinking: bool = False
) -> dict[str, Any]:
    """One row. `tokens` are of the prompt as a chat and of what each side says; USD is all that the prompt cost."""
    row = {
        "prompt_id": result.prompt.id,
        "prompt": [dict(message) for message in result.prompt.messages],
        "chosen": [pair.chosen.message(thinking=thinking)],
        "rejected": [pair.rejected.message(thinking=thinking)],
        "p_chosen": None if pair.p_chosen is None else rounded(pair.p_chosen),
        "margin": None if pair.margin is None else rounded(pair.margin),
        "consistent": pair.consistent,
        "tokens": dict(tokens),
        "cost_usd": {name: plain(usd) for name, usd in spent.items()},
        "chosen_from": origin(pair.chosen),
        "rejected_from": origin(pair.rejected),
        "verdict_calls": list(pair.verdict_calls),
    }
    return {**row, **_given(result.prompt)}


def _given(prompt: Prompt) -> dict[str, Any]:
    """What the prompt's row brought along, where it did."""
    brought = {
        "tools": [dict(tool) for tool in prompt.tools],
        "reference": prompt.reference,
        "metadata": dict(prompt.metadata),
    }
    return {name: value for name, value in brought.items() if value not in (None, [], {})}


def spoken(candidate: Candidate, *, thinking: bool = False) -> str:
    """What a model writes to give this answer: its text, and the names and arguments of its tool calls."""
    called = [call.get("function") or {} for call in candidate.tool_calls]
    words = [str(function[key]) for function in called for key in ("name", "arguments") if function.get(key)]
    text = str(candidate.message(thinking=thinking)["content"])
    return "\n".join([text, *words] if text else words)


def origin(candidate: Candidate) -> dict[str, Any]:
    """Which variant, model and call a side came from."""
    return {
        "variant": candidate.variant,
        "index": candidate.index,
        "model": candidate.model,
        "call": candidate.call_id,
        "settings": dict(candidate.settings),
    }


def cost(calls: Iterable[Asked]) -> Spent:
    """USD of a prompt's calls, exact: sampling, judging, total. A call that was asked twice was paid once."""
    paid = {call.id: (call.tag.role, outcome.cost) for call, outcome in calls}.values()
    by_role = {name: total(usd for r, usd in paid if r == role) for role, name in ROLES.items()}
    return {**by_role, "total": total(usd for _, usd in paid)}


def rounded(value: Share) -> Share:
    """Six digits, the same on every machine; never -0.0. None stays None."""
    return None if value is None else round(value, 6) + 0.0
