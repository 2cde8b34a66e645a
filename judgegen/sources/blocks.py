"""Anthropic's blocks of content as the chat API has them: calls of tools, and what tools answered in a user's turn.

So with definitions of tools, Anthropic's and those of functions by themselves, as LLaMA-Factory and OpenAI's first had.

A message of blocks becomes one or several; one with a block that is neither words, a call nor a result stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_PLAIN = ("custom", "function")
"""Types of a definition that may stand beside its name: Anthropic's own, and the Responses API's."""
_USE, _RESULT, _TEXT = "tool_use", "tool_result", "text"


def expanded(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's blocks as messages."""
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(one, Mapping) for one in blocks):
        return [message]
    kinds = {str(one.get("type")) for one in blocks}
    if message.get("role") == "assistant" and _USE in kinds and kinds <= {_USE, _TEXT}:
        words, calls = _words(blocks), [_call(one) for one in blocks if one["type"] == _USE]
        return [{**message, "content": words or None, "tool_calls": calls}]
    if message.get("role") == "user" and _RESULT in kinds and kinds <= {_RESULT, _TEXT}:
        answered = [_answered(one) for one in blocks if one["type"] == _RESULT]
        words = _words(blocks)
        return [*answered, *([{**message, "content": words}] if words else [])]
    return [message]


def definition(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool's definition as the chat API has it; one that is none of the known spellings stays as it is."""
    if not isinstance(tool.get("name"), str) or "function" in tool or tool.get("type", "custom") not in _PLAIN:
        return tool
    plain = {key: value for key, value in tool.items() if key not in ("type", "input_schema")}
    schema = {"parameters": tool["input_schema"]} if "input_schema" in tool else {}
    return {"type": "function", "function": {**plain, **schema}}


def _words(blocks: list[Any]) -> str:
    return "".join(str(one.get("text", "")) for one in blocks if one.get("type") == _TEXT)


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": block.get("name"), "arguments": json.dumps(block.get("input") or {}, ensure_ascii=False)}
    return {"id": block.get("id"), "type": "function", "function": function}


def _answered(block: Mapping[str, Any]) -> dict[str, Any]:
    content = block.get("content")
    if isinstance(content, list):
        content = _words([one for one in content if isinstance(one, Mapping)])
    return {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": content or ""}
