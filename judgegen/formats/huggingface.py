"""A data set for the Hugging Face hub: a folder with Parquet splits and a card. TRL reads it as it stands.

Messages have only the keys that some message has: a null tool_calls in every message would be taken for tool calls by
chat templates that ask whether the key is there (Llama 3.1's does). What has no fixed shape is JSON in a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.formats import card, messages, trl_dpo
from judgegen.formats.format import MESSAGE_KEYS, WITH_TOOLS, Format, Preference, Row, Unfit
from judgegen.llm.calls import Message

_JSON = ("tools", "chosen_from", "rejected_from", "cost_usd", "metadata")
_CALL = {"id", "type", "function"}


def rows(preference: Preference) -> list[Row]:
    """One row of the table; what a preference lacks is null.

    Raises:
        Unfit: a message has a key that the table has no place for.
    """
    row: Row = {side: [_message(m) for m in preference[side]] for side in ("prompt", "chosen", "rejected")}
    row["prompt_id"] = preference.get("prompt_id") or messages.prompt_id(preference["prompt"])
    row |= {key: preference.get(key) for key in ("p_chosen", "margin", "consistent", "tokens", "reference")}
    return [row | {key: _json(preference.get(key)) for key in _JSON}]


def _json(value: Any) -> str | None:
    return messages.json_text(value) if value else None


def _message(message: Message) -> Row:
    if unknown := sorted(set(message) - set(MESSAGE_KEYS)):
        raise Unfit(f"a message with the key {unknown[0]!r}, for which the table has no place")
    for call in message.get("tool_calls") or ():
        if set(call) != _CALL or set(call["function"]) != {"name", "arguments"}:
            raise Unfit("a tool call that has not exactly id, type and function {name, arguments}")
    return dict(message)


def columns(keys: frozenset[str]) -> Any:
    """The schema, with the message keys that are used."""
    import pyarrow as pa

    text, number, whole = pa.string(), pa.float64(), pa.int64()
    function = pa.struct([("name", text), ("arguments", text)])
    calls = pa.list_(pa.struct([("id", text), ("type", text), ("function", function)]))
    used = [key for key in MESSAGE_KEYS if key in keys | {"role", "content"}]
    chat = pa.list_(pa.struct([(key, calls if key == "tool_calls" else text) for key in used]))
    tokens = pa.struct([(key, whole) for key in ("prompt", "chosen", "rejected")])
    soft = [("p_chosen", number), ("margin", number), ("consistent", pa.bool_()), ("tokens", tokens)]
    sides = [("prompt", chat), ("chosen", chat), ("rejected", chat)]
    return pa.schema([("prompt_id", text), *sides, *soft, ("reference", text), *((key, text) for key in _JSON)])


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a row.

    Raises:
        Unfit: as `trl_dpo.back`, or a text that should be JSON is not.
    """
    import json

    read = trl_dpo.back(found)
    read |= {key: found[key] for key in ("consistent", "tokens", "reference") if found.get(key) is not None}
    try:
        return read | {key: json.loads(found[key]) for key in _JSON if found.get(key)}
    except (TypeError, ValueError):
        raise Unfit("a column of JSON texts holds something else") from None


FORMAT = Format(
    name="huggingface",
    about="a data set folder with Parquet splits and a card",
    source="huggingface.co/docs/hub/datasets-cards and datasets-manual-configuration; trl 1.16.0, data_utils.py",
    rules=(
        "The card names the files of each split; the licence line is yours to fill in.",
        "tools, chosen_from, rejected_from, cost_usd and metadata are JSON in texts.",
    ),
    rows=rows,
    steps=True,
    back=back,
    carries=trl_dpo.CARRIES
    | {"consistent", "tokens", "reference", "chosen_from", "rejected_from", "cost_usd", "metadata"},
    suffix=".parquet",
    folder=True,
    roles=WITH_TOOLS,
    tools="definitions",
    columns=columns,
    companions=card.companions,
)
