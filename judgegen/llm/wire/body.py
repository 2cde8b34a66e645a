"""A call as the JSON body of an OpenAI chat completion, in the manner that its server takes. Pure.

Knows the words of the API and of its relatives (vLLM, llama.cpp, Azure), nothing of connections.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from judgegen.llm.calls import Call, Message
from judgegen.llm.manner import Manner, ways

_NOT_SENT = ("max_tokens", "schema", "schema_as", "top_logprobs", "extra_body")
"""Parameters that have another name or shape in a body."""
WIRE_NAMES = {
    "top_logprobs": ("logprobs", "top_logprobs"),
    "schema": ("response_format", "json_schema"),
    "max_tokens": ("max_completion_tokens", "max_tokens"),
}
"""By the name of a parameter, those that it has in a body, where they are others."""


def body(call: Call, manner: Manner | None = None) -> dict[str, Any]:
    """The request body: neutral names in the API's words, wishes as `manner` has them (None: all in full)."""
    if manner is None:
        manner = {wish: choice[0] for wish, choice in ways(call).items()}
    row: dict[str, Any] = {"model": call.model, "messages": _messages(call, manner)}
    if call.max_tokens is not None:
        row[manner["limit"]] = call.most_tokens if manner.get("room", True) else call.max_tokens
    if (schema := call.params.get("schema")) is not None and (shape := _format(schema, manner)) is not None:
        row["response_format"] = shape
    if top := manner.get("top_logprobs", call.params.get("top_logprobs")):
        row["logprobs"], row["top_logprobs"] = True, top
    plain = {name: value for name, value in call.params.items() if name not in _NOT_SENT and manner.get(name, True)}
    return {**row, **plain, **call.params.get("extra_body", {})}


def _format(schema: Mapping[str, Any], manner: Manner) -> dict[str, Any] | None:
    way = manner.get("schema", "json_schema")
    if way == "json_schema":
        return {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema, "strict": True}}
    return {"type": "json_object"} if way == "json_object" else None


def _messages(call: Call, manner: Manner) -> list[dict[str, Any]]:
    messages = [dict(message) for message in call.messages]
    if manner.get("schema", "json_schema") != "json_schema":
        messages = _told_the_form(messages, call.params["schema"])
    role = manner.get("system", "system")
    if role == "user":
        return _without_system(messages)
    if role == "developer":
        return [{**one, "role": "developer"} if one.get("role") == "system" else one for one in messages]
    return messages


def _told_the_form(messages: list[dict[str, Any]], schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The form of the answer in words, where the messages do not name all of its keys anyway."""
    said = json.dumps(messages, ensure_ascii=False)
    if not messages or all(f'\\"{name}\\"' in said for name in schema.get("properties", {})):
        return messages
    form = f"Reply with one JSON object and nothing else. It has to fit this JSON schema:\n{json.dumps(schema)}"
    return [*messages[:-1], _joined(messages[-1], after=form)]


def _without_system(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """System messages before the user's next words; where there are none, as the user's."""
    kept: list[dict[str, Any]] = []
    held: list[str] = []
    for message in messages:
        if message.get("role") in ("system", "developer"):
            held.append(_text(message))
        elif held and message.get("role") == "user":
            kept.append(_joined(message, before="\n\n".join(held)))
            held = []
        else:
            kept.append(dict(message))
    return [*kept, {"role": "user", "content": "\n\n".join(held)}] if held else kept


def _joined(message: Message, *, before: str = "", after: str = "") -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list | tuple):
        parts = [{"type": "text", "text": text} for text in (before, after)]
        return {**message, "content": [*parts[: bool(before)], *content, *parts[1 : 1 + bool(after)]]}
    return {**message, "content": "\n\n".join(text for text in (before, str(content or ""), after) if text)}


def _text(message: Message) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)
