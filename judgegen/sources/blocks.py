"""Anthropic's blocks of content as the chat API has them: calls of tools, and what tools answered in a user's turn.

A message of blocks becomes one or several; one with a block that is neither words, a call nor a result stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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
