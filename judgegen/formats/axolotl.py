"""Axolotl's DPO with `type: chat_template.default`: messages, chosen, rejected.

Axolotl finds an answer in the text that the chat template made of it by searching for its characters, from the
beginning of a chat whose user says "[[dummy_message]]" (prompt_strategies/dpo/chat_template.py, 0.19.0). An answer
that stands in that sentence, or whose outer white space the template trims away, is cut at the wrong place in silence:
the first is left out by name, the second is trimmed here, as Axolotl itself trims its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Format, Preference, Row, Unfit

_BEFORE_THE_ANSWER = ("[[dummy_message]]", "user", "assistant")


def rows(preference: Preference) -> list[Row]:
    """One line.

    Raises:
        Unfit: an answer would be found in the wrong place.
    """
    sides = {side: _side(messages.text(preference[side][0])) for side in ("chosen", "rejected")}
    asked = [{"role": message["role"], "content": messages.text(message)} for message in preference["prompt"]]
    return [{"messages": asked, **sides}]


def _side(said: str) -> Row:
    words = said.strip()
    if any(words in before for before in _BEFORE_THE_ANSWER):
        raise Unfit("an answer so short that axolotl finds it in its own chat template and cuts it there")
    return {"role": "assistant", "content": words}


def seen(found: Mapping[str, Any]) -> Row:
    """A line as a preference; sides may be a text, a message, or a list whose last message counts.

    Raises:
        Unfit: no messages, or a side axolotl cannot find.
    """
    if not isinstance(found.get("messages"), list):
        raise Unfit("messages is not a list of messages")
    read: Row = {"prompt": found["messages"]}
    for side in ("chosen", "rejected"):
        given = found.get(side)
        last = given[-1] if isinstance(given, list) and given else given
        read[side] = messages.answer(last) if isinstance(last, str) else [last]
        if isinstance(last, Mapping):
            _side(messages.text(last))
    return read


FORMAT = Format(
    name="axolotl",
    about="Axolotl, rl: dpo with type: chat_template.default",
    source="axolotl 0.19.0, prompt_strategies/dpo/chat_template.py",
    as_of=date(2026, 11, 29),
    rules=(
        (
            "In the configuration: rl: dpo; datasets: - path: FILE, ds_type: json, type: chat_template.default, "
            "field_messages: messages, field_chosen: chosen, field_rejected: rejected."
        ),
        "Of a message only role and content are read, so rows with tool calls are left out.",
        "Outer white space of answers is removed.",
    ),
    rows=rows,
    seen=seen,
)
