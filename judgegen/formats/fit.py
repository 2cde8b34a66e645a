"""Whether a preference can be written for a consumer, and if not, why: the rules that are data in `Format`.

Each reason is one fixed sentence, so that reasons can be counted. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import PAIR, Format, Preference, Row, Unfit
from judgegen.llm.calls import Message

ANSWERED = ("user", "tool", "function")


def laid_out(preference: Preference, form: Format) -> list[Row]:
    """The rows that `form` makes of a preference.

    Raises:
        Unfit: it does not take it.
    """
    plain = messages.plain(preference)
    check(plain, form)
    return form.rows(plain)


def check(preference: Preference, form: Format) -> None:
    """Pass a preference, already `messages.plain`, that `form` takes.

    Raises:
        Unfit: the first reason why it does not.
    """
    for reason in _reasons(preference, form):
        raise Unfit(reason)


def _reasons(preference: Preference, form: Format) -> Iterator[str]:
    yield from _sides(preference, form)
    prompt = preference.get("prompt")
    if not _chat(prompt):
        yield "the prompt is not a list of messages with a role"
        return
    assert prompt is not None
    yield from _prompt(prompt, form)
    everything = [*prompt, *(preference.get("chosen") or ()), *(preference.get("rejected") or ())]
    yield from _tools(preference, everything, form)
    if any(isinstance(message.get("content"), list) for message in everything):
        yield "content that is not text"
    p = preference.get("p_chosen")
    if p is not None and not (isinstance(p, int | float) and 0 <= p <= 1):
        yield "p_chosen is not a probability"
    if form.margin and not isinstance(preference.get("margin"), int | float):
        yield f"no margin, and {form.name} needs one in every row; the same pairs go out without it as trl-dpo"
    if not form.halves and _has_half(preference):
        yield "holds half of a character (a lone surrogate), which UTF-8 cannot write"


def _sides(preference: Preference, form: Format) -> Iterator[str]:
    wanted = form.sides or {side for side in PAIR if preference.get(side)}
    for side in sorted(wanted):
        found = preference.get(side)
        if not found:
            yield f"no {side} side"
        elif not _chat(found) or len(found) != 1 or found[0]["role"] != "assistant":
            yield f"{side} is not one assistant message"
        elif messages.says_nothing(found[0]):
            yield f"{side} says nothing"
    chosen, rejected = preference.get("chosen"), preference.get("rejected")
    if wanted == PAIR and chosen and rejected and messages.essence(chosen[0]) == messages.essence(rejected[0]):
        yield "chosen and rejected are the same"


def _chat(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(m, Mapping) and isinstance(m.get("role"), str) for m in value
    )


def _prompt(prompt: list[Message], form: Format) -> Iterator[str]:
    if not prompt:
        yield "the prompt is empty"
        return
    roles = [message["role"] for message in prompt]
    if roles[-1] not in ANSWERED:
        yield f"the prompt ends with a message of role {roles[-1]!r}, not with one to answer"
    if roles[-1] == "user" and messages.says_nothing(prompt[-1]):
        yield "the prompt asks nothing"
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
        return not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, Mapping):
        return any(_halved(key) or _halved(inner) for key, inner in value.items())
    return isinstance(value, list | tuple) and any(_halved(inner) for inner in value)
