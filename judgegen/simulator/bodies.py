"""What the simulated server refuses of a request, in OpenAI's words: the status, the message, the parameter at fault.

Checks the parameters that OpenAI's chat completions check; names it does not know are taken, as vLLM takes top_k. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_RANGES: Mapping[str, tuple[type, float, float]] = {
    "temperature": (float, 0, 2),
    "top_p": (float, 0, 1),
    "presence_penalty": (float, -2, 2),
    "frequency_penalty": (float, -2, 2),
    "n": (int, 1, 128),
    "max_tokens": (int, 1, 10**9),
    "max_completion_tokens": (int, 1, 10**9),
    "top_logprobs": (int, 0, 20),
    "seed": (int, -(2**63), 2**63 - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An answer that is an error. `param` is the parameter at fault, where one is."""

    message: str
    status: int = 400
    param: str | None = None
    code: str | None = None
    type: str = "invalid_request_error"

    def payload(self) -> dict[str, Any]:
        """The JSON body of the response."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


NOT_JSON = Problem(message="The body of this request is not a JSON object.")
NO_LOGPROBS = Problem(
    message="logprobs are not supported by this model", param="logprobs", code="unsupported_parameter"
)


def problem(body: Mapping[str, Any]) -> Problem | None:
    """The first thing wrong with a chat-completions body; None where it can be answered."""
    return next(_problems(body), None)


def limit(body: Mapping[str, Any]) -> int | None:
    """The most tokens one choice may have, under its newer name or its older."""
    found: int | None = body.get("max_completion_tokens", body.get("max_tokens"))
    return found


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, its text parts joined."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)


def _problems(body: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("model", "messages"):
        if body.get(name) is None:
            yield _bad(name, f"Missing required parameter: '{name}'.", "missing_required_parameter")
    if not isinstance(body["model"], str) or not body["model"]:
        yield _bad("model", "Invalid 'model': expected the name of a model.", "invalid_type")
    yield from _messages(body["messages"])
    for name, (kind, low, high) in _RANGES.items():
        if (value := body.get(name)) is not None:
            yield from _number(name, value, kind, low, high)
    yield from _together(body)
    yield from _format(body.get("response_format"))


def _messages(messages: Any) -> Iterator[Problem]:
    if not isinstance(messages, list | tuple) or not messages:
        yield _bad("messages", "Invalid 'messages': expected an array of at least one message.", "invalid_type")
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping):
            yield _bad(f"messages[{i}]", f"Invalid 'messages[{i}]': expected an object.", "invalid_type")
        if message.get("role") not in ROLES:
            where = f"messages[{i}].role"
            yield _bad(where, f"Invalid value for '{where}'; supported: {', '.join(ROLES)}.", "invalid_value")
        if not _is_content(message.get("content"), silent=message["role"] == "assistant"):
            where = f"messages[{i}].content"
            yield _bad(where, f"Invalid '{where}': expected a string or an array of parts.", "invalid_type")


def _is_content(content: Any, *, silent: bool) -> bool:
    """`silent`: the message may say nothing, as an assistant's does that calls tools."""
    if isinstance(content, list | tuple):
        return all(isinstance(part, Mapping) and "type" in part for part in content)
    return isinstance(content, str) or (content is None and silent)


def _number(name: str, value: Any, kind: type, low: float, high: float) -> Iterator[Problem]:
    word = "integer" if kind is int else "decimal"
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        yield _bad(name, f"Invalid type for '{name}': expected {word}, but got {value!r} instead.", "invalid_type")
    elif not value >= low:
        said = f"Invalid '{name}': {word} below minimum value. Expected a value >= {low}, but got {value} instead."
        yield _bad(name, said, f"{word}_below_min_value")
    elif not value <= high:
        said = f"Invalid '{name}': {word} above maximum value. Expected a value <= {high}, but got {value} instead."
        yield _bad(name, said, f"{word}_above_max_value")


def _together(body: Mapping[str, Any]) -> Iterator[Problem]:
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        said = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        yield _bad("max_tokens", said, "invalid_parameter_combination")
    if body.get("logprobs") is not None and not isinstance(body["logprobs"], bool):
        yield _bad("logprobs", "Invalid type for 'logprobs': expected a boolean.", "invalid_type")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        yield _bad("top_logprobs", "'top_logprobs' needs 'logprobs' to be true.", "invalid_parameter_combination")
    if body.get("stream"):
        yield _bad("stream", "Streaming is not supported by this model.", "unsupported_value")


def _format(asked: Any) -> Iterator[Problem]:
    if asked is None:
        return
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if kind not in ("text", "json_object", "json_schema"):
        where = "response_format.type"
        yield _bad(where, f"Invalid '{where}'; supported: text, json_object, json_schema.", "invalid_value")
    elif kind == "json_schema":
        described = asked.get("json_schema")
        for name in ("name", "schema"):
            where = f"response_format.json_schema.{name}"
            if not isinstance(described, Mapping) or not described.get(name):
                yield _bad(where, f"Missing required parameter: '{where}'.", "missing_required_parameter")


def _bad(param: str, message: str, code: str) -> Problem:
    return Problem(message=message, param=param, code=code)
