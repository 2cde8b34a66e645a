"""The shape that OpenAI, Azure, Together and Fireworks share: input, preferred_output, non_preferred_output.

Exactly these three keys: Together's client refuses a fourth ("Found extra column"), and whether OpenAI does is not
documented. Knows nothing of what each of the four allows inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Preference, Row, Unfit

KEYS = ("input", "preferred_output", "non_preferred_output")
CARRIES = frozenset({"prompt", "chosen", "rejected", "tools"})


def row(preference: Preference) -> Row:
    """One line. `tools` stands in `input`, and only where there are any.

    Raises:
        Unfit: a message has a key that the chat API does not know.
    """
    asked: Row = {"messages": messages.for_api(preference["prompt"])}
    if preference.get("tools"):
        asked["tools"] = preference["tools"]
    chosen, rejected = messages.for_api(preference["chosen"]), messages.for_api(preference["rejected"])
    return {"input": asked, "preferred_output": chosen, "non_preferred_output": rejected}


def rows(preference: Preference) -> list[Row]:
    """`row`, as the exporter asks for it."""
    return [row(preference)]


def back(found: Mapping[str, Any]) -> Row:
    """The preference that a line holds.

    Raises:
        Unfit: a key is missing or is not what it should be.
    """
    asked = found.get("input")
    if not isinstance(asked, Mapping) or not isinstance(asked.get("messages"), Sequence):
        raise Unfit("input is not an object with messages")
    read: Row = {"prompt": messages.told(asked["messages"])}
    for side, key in (("chosen", "preferred_output"), ("rejected", "non_preferred_output")):
        if not isinstance(found.get(key), Sequence):
            raise Unfit(f"{key} is not a list of messages")
        read[side] = messages.told(found[key])
    if tools := messages.tool_list(asked.get("tools")):
        read["tools"] = tools
    return read


def spare(found: Mapping[str, Any]) -> Row:
    """Keys of the documented schema that say nothing, for an input or a message.

    Tools that are none are an empty list; where there are some, parallel_tool_calls says what it says by default.
    """
    if "messages" not in found:
        return {"refusal": None}
    return {"parallel_tool_calls": True} if found.get("tools") else {"tools": []}
