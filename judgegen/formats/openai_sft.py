"""OpenAI's supervised fine-tuning: the chosen side alone, for the recipe that tunes on answers before preferences.

"Fine-tune the base model using SFT on the preferred responses first" is what OpenAI's DPO guide recommends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.formats.format import WITH_TOOLS, Format, Limits, Preference, Row, Unfit
from judgegen.formats.messages import for_api, told, tool_list
from judgegen.llm.calls import digest


def rows(preference: Preference) -> list[Row]:
    """One line: the chat with the chosen answer at its end.

    Raises:
        Unfit: a message has a key that the chat API does not know.
    """
    row: Row = {"messages": for_api([*preference["prompt"], *preference["chosen"]])}
    if preference.get("tools"):
        row["tools"] = preference["tools"]
    return [row]


def back(found: Mapping[str, Any]) -> Row:
    """The prompt and the chosen answer of a line; it holds no rejected one.

    Raises:
        Unfit: no messages.
    """
    messages = found.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Unfit("messages is not a list of messages")
    read: Row = {"prompt": told(messages[:-1]), "chosen": told(messages[-1:])}
    if tools := tool_list(found.get("tools")):
        read["tools"] = tools
    return read


FORMAT = Format(
    name="openai-sft",
    about="OpenAI, supervised fine-tuning on the chosen answers",
    source="developers.openai.com/api/docs/guides/supervised-fine-tuning; "
    "openai-openapi f7f4b05, FineTuneChatRequestInput",
    rules=(
        "A line is messages, and tools where there are any; the last message is the assistant's.",
        "Of pairs with one prompt and one chosen answer the first is written.",
        "At least ten lines; examples longer than the model's training context are cut at the end.",
    ),
    rows=rows,
    back=back,
    carries=frozenset({"prompt", "chosen", "tools"}),
    loose=frozenset({"tools"}),
    sides=frozenset({"chosen"}),
    roles=WITH_TOOLS,
    tools="definitions",
    halves=True,
    once=digest,
    limits=Limits(rows=10, size=512 * 10**6, tokens=65_536),
)
