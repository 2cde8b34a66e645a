"""Whether a preference is of the common kind that every rule of `fit` passes: a question in plain words, plain answers.

It takes a few microseconds where the rules take a hundred, and answers False wherever they might find something. Pure.
"""

from __future__ import annotations

from typing import Any

from judgegen.formats.format import PAIR, SYSTEM_USER_ASSISTANT, Format, Preference
from judgegen.formats.messages import differ

_TYPES: dict[str, type] = {
    **dict.fromkeys(("p_chosen", "margin"), float),
    **dict.fromkeys(("prompt_id", "reference"), str),
    **dict.fromkeys(("tokens", "chosen_from", "rejected_from", "cost_usd", "metadata"), dict),
    "consistent": bool,
    **dict.fromkeys(("rehearsal", "tie"), type(None)),
    "tools": type(None),
}
"""Of what has one, the type that passes; the rules take others, too."""


def sound(preference: Preference, form: Format) -> bool:
    """Whether `form` certainly takes a preference as it stands; False where it may."""
    for key, value in preference.items():
        if value is not None and key in _TYPES and type(value) is not _TYPES[key]:
            return False
    prompt, chosen, rejected = preference.get("prompt"), preference.get("chosen"), preference.get("rejected")
    if not _is_chat(prompt, form) or not (_is_side(chosen, "chosen", form) and _is_side(rejected, "rejected", form)):
        return False
    if chosen and rejected and not differ(chosen[0]["content"], rejected[0]["content"]):
        return False
    return _in_range(preference, form) and (form.halves or not has_half(_words(preference)))


def _in_range(preference: Preference, form: Format) -> bool:
    p, margin, counts = preference.get("p_chosen"), preference.get("margin"), preference.get("tokens")
    if (margin is None and form.margin) or (margin is not None and not 0 <= margin <= 1):
        return False
    if counts and not (set(map(type, counts.values())) == {int} and min(counts.values()) >= 0):
        return False
    return p is None or 0.5 <= p <= 1


def _is_chat(prompt: Any, form: Format) -> bool:
    if type(prompt) is not list or not prompt:
        return False
    before = ""
    for place, message in enumerate(prompt):
        if not _is_plain(message):
            return False
        role = message["role"]
        if role not in form.roles or role not in SYSTEM_USER_ASSISTANT or (role == "system" and place):
            return False
        if form.turns == "alternating" and role == before:
            return False
        before = role
    if before != "user" or not prompt[-1]["content"].strip():
        return False
    return form.turns != "one" or len(prompt) == 1 or (len(prompt) == 2 and prompt[0]["role"] == "system")


def _is_plain(message: Any) -> bool:
    return (
        type(message) is dict
        and len(message) == 2
        and type(message.get("content")) is str
        and type(message.get("role")) is str
    )


def _is_side(side: Any, name: str, form: Format) -> bool:
    if not side:
        return name not in form.sides and (side is None or type(side) is list)
    if type(side) is not list or len(side) != 1 or not _is_plain(side[0]):
        return False
    return bool(side[0]["role"] == "assistant" and side[0]["content"] and not side[0]["content"].isspace())


def has_half(text: str) -> bool:
    """Whether a text holds half of a character (a lone surrogate)."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _words(preference: Preference) -> str:
    """Every text that an export may write."""
    named = [preference.get("prompt_id") or "", preference.get("reference") or ""]
    named += [message["content"] for message in preference["prompt"]]
    return "".join(named + [message["content"] for side in PAIR for message in preference.get(side) or ()])
