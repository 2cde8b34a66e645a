"""The known-truth world in the words of Anthropic's Messages API: POST /v1/messages.

A body is put as the chat that it means, and the chat's answer as a message; what the API does not have (logprobs, a
seed, several answers, OpenAI's response_format, a system role) is refused as it refuses unknown names. There is no
seed, so each answer is another. Pure; knows nothing of HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from judgegen.simulator.bodies import Problem

_KNOWN = frozenset(
    "model messages max_tokens system temperature top_p top_k stop_sequences output_config thinking tools tool_choice "
    "metadata service_tier".split()
)
_STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}
_TYPES = {429: "rate_limit_error", 401: "authentication_error", 404: "not_found_error", 529: "overloaded_error"}


def heard(body: Mapping[str, Any], draw: int) -> dict[str, Any] | Problem:
    """The chat that a body means, for the `draw`-th time; or what is wrong with it."""
    if unknown := sorted(set(body) - _KNOWN):
        return Problem(message=f"{unknown[0]}: Extra inputs are not permitted")
    if not isinstance(body.get("max_tokens"), int):
        return Problem(message="max_tokens: Field required")
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(one, Mapping) for one in messages):
        return Problem(message="messages: Field required")
    if any(one.get("role") not in ("user", "assistant") for one in messages):
        return Problem(message='messages: Unexpected role. Allowed roles are "user" or "assistant".')
    form = (body.get("output_config") or {}).get("format")
    told = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": (form or {}).get("schema")}}
    drawn = {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body}
    return {
        "model": body.get("model"),
        "messages": [*told, *messages],
        "max_tokens": body["max_tokens"],
        "seed": draw,
        **({"response_format": wanted} if form else {}),
        **drawn,
    }


def said(completion: Mapping[str, Any]) -> dict[str, Any]:
    """A chat's answer as a message."""
    (choice,), used = completion["choices"], completion["usage"]
    return {
        "id": completion["id"].replace("chatcmpl-", "msg_"),
        "type": "message",
        "role": "assistant",
        "model": completion["model"],
        "content": [{"type": "text", "text": choice["message"]["content"]}],
        "stop_reason": _STOPS.get(choice["finish_reason"], choice["finish_reason"]),
        "stop_sequence": None,
        "usage": {
            "input_tokens": used["prompt_tokens"],
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "output_tokens": used["completion_tokens"],
        },
    }


def error(payload: Any, status: int) -> dict[str, Any]:
    """An error as this API words it."""
    told = payload.get("error") if isinstance(payload, Mapping) else None
    words = told.get("message") if isinstance(told, Mapping) else json.dumps(payload)
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": words}}
