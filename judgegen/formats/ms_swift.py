"""ms-swift's DPO, reward model and KTO-like trainings: messages that end with the answer, and rejected_messages.

`rejected_response` exists as well, but a row in which it is null is dropped (dataset/preprocessor/core.py, 4.6.0), so
that rows with and without tool calls could not stand in one file; `rejected_messages` takes both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import WITH_TOOLS, Format, Preference, Row, Unfit


def rows(preference: Preference) -> list[Row]:
    """One line. Tools are JSON in a text: Arrow would give each tool every other tool's keys."""
    prompt = list(preference["prompt"])
    row: Row = {"messages": [*prompt, *preference["chosen"]], "rejected_messages": [*prompt, *preference["rejected"]]}
    if preference.get("tools"):
        row["tools"] = messages.json_text(preference["tools"])
    if preference.get("margin") is not None:
        row["margin"] = float(preference["margin"])
    return [row]


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a line; `rejected_response` is read too, as a text or a list of messages.

    Raises:
        Unfit: a side is missing, or the two part before their last message.
    """
    chosen, rejected = found.get("messages"), found.get("rejected_messages")
    if not isinstance(chosen, list) or not chosen:
        raise Unfit("messages is not a list of messages")
    if rejected is None:
        rejected = _response(chosen, found.get("rejected_response"))
    prompt, good, bad = messages.parted(messages.told(chosen), messages.told(rejected))
    read: Row = {"prompt": prompt, "chosen": good, "rejected": bad}
    if tools := messages.tool_list(found.get("tools")):
        read["tools"] = tools
    if found.get("margin") is not None:
        read["margin"] = found["margin"]
    return read


def _response(chosen: list[Any], given: Any) -> list[Any]:
    if isinstance(given, str):
        return [*chosen[:-1], *messages.answer(given)]
    if isinstance(given, list) and given:
        return [*chosen[:-1], *given]
    raise Unfit("neither rejected_messages nor rejected_response")


FORMAT = Format(
    name="ms-swift",
    about="ms-swift, rlhf with dpo, rm and their kin",
    source="ms-swift 4.6.0, dataset/preprocessor/core.py and template/template_inputs.py",
    as_of=date(2026, 11, 29),
    rules=(
        "messages ends with the chosen answer, rejected_messages with the rejected one.",
        "A row whose two answers are the same is an error there.",
        "OpenAI's tool_calls are turned into its own tool_call turns; arguments are read from their JSON text.",
    ),
    rows=rows,
    back=back,
    carries=frozenset({"prompt", "chosen", "rejected", "tools", "margin"}),
    fill={"tools": "null"},
    steps=True,
    roles=WITH_TOOLS,
    tools="definitions",
)
