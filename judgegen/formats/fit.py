"""Whether a preference can be written for a consumer, and if not, why: the rules that are data in `Format`.

Each reason is one fixed sentence, so that reasons can be counted. Knows nothing of files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from judgegen.formats import messages, plainly
from judgegen.formats.format import PAIR, Format, Preference, Row, Unfit
from judgegen.llm.calls import Message


def laid_out(preference: Preference, form: Format) -> list[Row]:
    """The rows that `form` makes of a preference.

    Raises:
        Unfit: it does not take it.
    """
    return form.rows(passed(preference, form))


def passed(preference: Preference, form: Format) -> Preference:
    """A preference that `form` takes, as `messages.plain` has it.

    Raises:
        Unfit: it does not take it.
    """
    if plainly.sound(preference, form):
        return preference
    plain = messages.plain(preference)
    check(plain, form)
    return plain


def check(preference: Preference, form: Format) -> None:
    """Pass a preference, already `messages.plain`, that `form` takes.

    Raises:
        Unfit: the first reason why it does not.
    """
    for reason in _reasons(preference, form):
        raise Unfit(reason)


def _reasons(preference: Preference, form: Format) -> Iterator[str]:
    if preference.get("rehearsal"):
        yield "a rehearsal: its answers and labels are made up"
    if preference.get("tie") and not form.ties:
        yield f"a tie: {form.name} takes pairs of which one side is the better one"
    yield from _optional(preference, form)
    yield from _sides(preference, form)
    prompt = preference.get("prompt")
    if not _chat(prompt):
        yield "the prompt is not a list of messages with a role, a content and, if any, a list of tool_calls"
        return
    assert prompt is not None
    yield from _prompt(prompt, form)
    everything = [*prompt, *(preference.get("chosen") or ()), *(preference.get("rejected") or ())]
    yield from _tools(preference, everything, form)
    if any(isinstance(message.get("content"), list) for message in everything):
        yield "content that is not text"
    if form.margin and preference.get("margin") is None:
        yield f"no margin, and {form.name} needs one in every row; the same pairs go out without it as trl-dpo"
    if not form.halves and _has_half(preference):
        yield "holds half of a character (a lone surrogate), which UTF-8 cannot write"


def _number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


_ANSWERS = ("tool", "function")  # which may come to nothing
_OPTIONAL: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "prompt_id": (_is_text, "prompt_id is not a text"),
    "reference": (_is_text, "reference is not a text"),
    "margin": (lambda value: _number(value, 0, 1), "margin is not a number from 0 to 1, the gap of two scores"),
    "consistent": (lambda value: isinstance(value, bool), "consistent is not true or false"),
    "tokens": (
        lambda value: _is_table(value) and all(_number(count, 0, math.inf) for count in value.values()),
        "tokens is not a table of counts",
    ),
    "chosen_from": (_is_table, "chosen_from is not a table"),
    "rejected_from": (_is_table, "rejected_from is not a table"),
    "cost_usd": (_is_table, "cost_usd is not a table"),
    "metadata": (_is_table, "metadata is not a table"),
}
_COUNTED = frozenset({"consistent", "chosen_from", "rejected_from"})  # by every export, for its card


def _optional(preference: Preference, form: Format) -> Iterator[str]:
    """What beside the texts an export writes or counts, and is not what its name says."""
    p = preference.get("p_chosen")
    if p is not None and not _number(p, 0, 1):
        yield "p_chosen is not a probability"
    elif p is not None and p < 0.5 and preference.get("chosen") and preference.get("rejected"):
        yield "p_chosen is below a half: by it the rejected side is the better one"
    for key, (holds, words) in _OPTIONAL.items():
        if (key in form.carries or key in _COUNTED) and preference.get(key) is not None and not holds(preference[key]):
            yield words


def _sides(preference: Preference, form: Format) -> Iterator[str]:
    wanted = form.sides or {side for side in PAIR if preference.get(side)}
    for side in sorted(wanted):
        found = preference.get(side)
        if not found:
            yield f"no {side} side"
        elif not _chat(found):
            yield f"{side} is not one assistant message"
        elif fault := _side(found, side, form):
            yield fault
    chosen, rejected = preference.get("chosen"), preference.get("rejected")
    if wanted == PAIR and chosen and rejected and messages.alike(chosen, rejected):
        yield "chosen and rejected are the same"


def _side(found: list[Message], side: str, form: Format) -> str | None:
    roles = [message["role"] for message in found]
    if len(found) == 1 or not form.steps:
        if len(found) > 1 and roles[0] == "assistant" and set(roles) <= {"assistant", "tool", "function"}:
            return f"{side} is several messages: {form.name} takes one assistant message"
        if roles != ["assistant"]:
            return f"{side} is not one assistant message"
        return f"{side} says nothing" if messages.says_nothing(found[0]) else None
    silent = any(m["role"] == "assistant" and not m.get("tool_calls") for m in found[:-1])
    if roles[0] != "assistant" or set(roles) - {"assistant", "tool", "function"} or silent:
        return f"{side} is not one assistant message, nor calls of tools with their answers and then one"
    return f"{side} ends with what a tool answered, not with the assistant's word" if roles[-1] != "assistant" else None


def _chat(value: object) -> bool:
    return isinstance(value, list | tuple) and all(_is_message(message) for message in value)


def _is_message(message: object) -> bool:
    """Whether a message has a role, content of a known kind, and calls that are objects, if any."""
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        return False
    if not isinstance(message.get("content"), str | list | None):
        return False
    calls = message.get("tool_calls")
    return calls is None or (isinstance(calls, list | tuple) and all(_is_call(call) for call in calls))


def _is_call(call: object) -> bool:
    return isinstance(call, Mapping) and isinstance(call.get("function", call), Mapping)


def _prompt(prompt: list[Message], form: Format) -> Iterator[str]:
    if not prompt:
        yield "the prompt is empty"
        return
    roles = [message["role"] for message in prompt]
    if roles[-1] not in messages.ANSWERED:
        yield f"the prompt ends with a message of role {roles[-1]!r}, not with one to answer"
    if roles[-1] == "user" and messages.says_nothing(prompt[-1]):
        yield "the prompt asks nothing"
    if any(m.get("content") is None and not m.get("tool_calls") and m["role"] not in _ANSWERS for m in prompt[:-1]):
        yield "a message of the prompt says nothing"
    turns = roles[1:] if roles[0] == "system" else roles
    if "system" in turns:
        yield "a system message that is not the first"
    if form.turns == "one" and turns != ["user"]:
        yield f"several turns: {form.name} takes one user message"
    for role in sorted(set(roles) - form.roles - {"tool"}):
        yield f"role {role!r} in the prompt: {form.name} takes {', '.join(sorted(form.roles))}"
    if form.turns == "alternating" and any(a == b for a, b in pairwise(turns)):
        yield f"two messages of one role in a row: {form.name} wants them to alternate"


def _tools(preference: Preference, everything: list[Message], form: Format) -> Iterator[str]:
    if form.tools != "definitions" and preference.get("tools"):
        yield f"tool definitions: {form.name} has no place for them"
    if form.tools == "none" and any(m["role"] == "tool" or m.get("tool_calls") for m in everything):
        yield f"tool calls: {form.name} would lose them"


def _has_half(preference: Preference) -> bool:
    """Whether anything that is exported cannot be encoded."""
    return any(
        _halved(preference.get(key)) for key in ("prompt_id", "prompt", "chosen", "rejected", "tools", "reference")
    )


def _halved(value: Any) -> bool:
    if isinstance(value, str):
        return plainly.has_half(value)
    if isinstance(value, Mapping):
        return any(_halved(key) or _halved(inner) for key, inner in value.items())
    return isinstance(value, list | tuple) and any(_halved(inner) for inner in value)
