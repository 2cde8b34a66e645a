"""LLaMA-Factory's preference data in its sharegpt formatting, with the entry for dataset_info.json.

Not its `openai` formatting: that writes "detailed thinking off" into the system message of every example without tools
(data/converter.py, 0.9.5). What does not alternate is skipped there with a warning; here it is left out by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.formats import messages
from judgegen.formats.format import WITH_TOOLS, Done, Format, Preference, Row, Unfit
from judgegen.llm.calls import Message

_TAGS = {"system": "system", "user": "human", "tool": "observation", "assistant": "gpt"}
_ASKING = ("human", "observation")


def rows(preference: Preference) -> list[Row]:
    """One line: conversations of {from, value}. `tools` is always there, since its loader looks for the column.

    Raises:
        Unfit: turns that do not alternate, or that its shape cannot hold.
    """
    turns = [_turn(message) for message in preference["prompt"]]
    _alternate([turn["from"] for turn in turns if turn["from"] != "system"])
    chosen, rejected = _turn(preference["chosen"][0]), _turn(preference["rejected"][0])
    tools = messages.json_text(preference["tools"]) if preference.get("tools") else ""
    return [{"conversations": turns, "chosen": chosen, "rejected": rejected, "tools": tools}]


def _turn(message: Message) -> Row:
    calls = message.get("tool_calls")
    if not calls:
        return {"from": _TAGS[message["role"]], "value": messages.text(message)}
    if messages.text(message).strip():
        raise Unfit("a message with both text and tool calls: llama-factory keeps one of the two")
    named = [dict(zip(("name", "arguments"), messages.arguments(call), strict=True)) for call in calls]
    return {"from": "function_call", "value": messages.json_text(named if len(named) > 1 else named[0])}


def _alternate(tags: list[str]) -> None:
    for place, tag in enumerate(tags):
        if (tag in _ASKING) != (place % 2 == 0):
            raise Unfit("turns that do not alternate: llama-factory would skip the row")


def seen(found: Mapping[str, Any]) -> Row:
    """A line as a preference; function calls stand for themselves, without ids.

    Raises:
        Unfit: not conversations of {from, value} that alternate.
    """
    turns = found.get("conversations")
    sides = [found.get(side) for side in ("chosen", "rejected")]
    if not isinstance(turns, list) or not all(_is_turn(turn) for turn in [*turns, *sides]):
        raise Unfit("conversations, chosen and rejected are not turns of {from, value}")
    _alternate([turn["from"] for turn in turns if turn["from"] != "system"])
    chosen, rejected = ([_message(side)] for side in sides if side is not None)
    tools = messages.tool_list(found.get("tools"))
    row = {"prompt": [_message(turn) for turn in turns], "chosen": chosen, "rejected": rejected}
    return row | ({"tools": tools} if tools else {})


def _is_turn(turn: Any) -> bool:
    known = (*_TAGS.values(), "function_call")
    return isinstance(turn, Mapping) and turn.get("from") in known and isinstance(turn.get("value"), str)


def _message(turn: Mapping[str, Any]) -> Row:
    if turn["from"] == "function_call":
        return {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": turn["value"]}}]}
    return {"role": next(role for role, tag in _TAGS.items() if tag == turn["from"]), "content": turn["value"]}


def companions(done: Done) -> Iterator[tuple[Path, str]]:
    """dataset_info.json beside the data, one entry a file; entries of other data sets that stand in it are kept.

    Raises:
        SpecError: there is a dataset_info.json that is not one.
    """
    path = next(iter(done.files.values())).parent / "dataset_info.json"
    entries = _existing(path)
    for file in done.files.values():
        entries[file.name.removesuffix(".jsonl").replace(".", "_")] = entry(file.name)
    yield path, json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def entry(file_name: str) -> Row:
    """What dataset_info.json says of a file."""
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "tools": "tools"}
    return {"file_name": file_name, "formatting": "sharegpt", "ranking": True, "columns": columns}


def _existing(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecError(f"{path}: not JSON ({error}); mend it, or export into another folder") from None
    if not isinstance(found, Mapping):
        raise SpecError(f"{path}: not an object; mend it, or export into another folder")
    return dict(found)


FORMAT = Format(
    name="llama-factory",
    about="LLaMA-Factory, dpo, with its dataset_info entry",
    source="llamafactory 0.9.5, data/converter.py and data/parser.py",
    as_of=date(2026, 11, 29),
    rules=(
        "Name the entry of dataset_info.json in `dataset`, and the folder in `dataset_dir`.",
        "Without the system message turns alternate: human or observation, gpt or function_call; the last asks.",
        "A function_call is JSON of name and arguments; text beside it has no place.",
        "Several tool answers in a row do not alternate and are left out.",
        "Calls have no ids there: of a file that is read back they are counted (call_1, …).",
    ),
    rows=rows,
    seen=seen,
    roles=WITH_TOOLS,
    tools="definitions",
    companions=companions,
)
