"""Checks a chat that is to be answered, and its tools; what is in order comes back untouched.

Knows the shape of the chat API's messages, not what any one provider takes of it.
"""

from __future__ import annotations

from typing import Any

from judgegen.sources.rows import RowError, kind

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
ANSWERED = ("user", "tool", "function")
"""The roles after which an assistant's turn may come."""


def messages(value: Any, name: str = "messages") -> list[dict[str, Any]]:
    """The chat in the column `name`.

    Raises:
        RowError: empty, a message that is malformed (named by its place, from 1), or no turn to answer at the end.
    """
    if not isinstance(value, list):
        raise RowError(f"{name} is {kind(value)}, not a list of messages")
    if not value:
        raise RowError(f"{name} is empty")
    for place, message in enumerate(value, 1):
        try:
            _check(message)
        except RowError as error:
            raise RowError(f"{name}: message {place} {error}") from None
    if (role := value[-1]["role"]) not in ANSWERED:
        raise RowError(f"{name} ends with a message of role {role!r}; the last must be one to answer (user or tool)")
    return value


def under_system(chat: list[dict[str, Any]], system: str | None) -> list[dict[str, Any]]:
    """The chat with `system` as its first message.

    Raises:
        RowError: the chat has a system message of its own.
    """
    if system is None:
        return chat
    if any(message["role"] in ("system", "developer") for message in chat):
        raise RowError("has a system column and a system message in its chat; keep one")
    return [{"role": "system", "content": system}, *chat]


def tools(value: Any) -> list[dict[str, Any]]:
    """The tool definitions in a row.

    Raises:
        RowError: not a list of objects.
    """
    if not isinstance(value, list):
        raise RowError(f"tools is {kind(value)}, not a list of tool definitions")
    for place, tool in enumerate(value, 1):
        if not isinstance(tool, dict):
            raise RowError(f"tools: definition {place} is {kind(tool)}, not an object")
        if not tool:
            raise RowError(f"tools: definition {place} is empty")
    return value


def _check(message: Any) -> None:
    if not isinstance(message, dict):
        raise RowError(f"is {kind(message)}, not an object with role and content")
    role = message.get("role")
    if role not in ROLES:
        raise RowError("has no role" if role is None else f"has the role {role!r}; known are {', '.join(ROLES)}")
    content, called = message.get("content"), _has_calls(message)
    if isinstance(content, list):
        _check_parts(content)
    elif content is not None and not isinstance(content, str):
        raise RowError(f"has content that is {kind(content)}, not text or a list of parts")
    # A tool may well return nothing; anybody else who speaks says something.
    elif not (content or called or (content == "" and role in ("tool", "function"))):
        raise RowError("has no content" if content is None else "has empty content")


def _has_calls(message: dict[str, Any]) -> bool:
    """Whether an assistant's message calls a tool, in the API's present spelling or its first."""
    found = [name for name in ("tool_calls", "function_call") if message.get(name) is not None]
    if found and message["role"] != "assistant":
        raise RowError(f"has {found[0]}, which only an assistant's message may")
    calls, call = message.get("tool_calls"), message.get("function_call")
    if calls is not None and not (isinstance(calls, list) and calls and all(isinstance(c, dict) for c in calls)):
        raise RowError("has tool_calls that are not a list of objects")
    if call is not None and not (isinstance(call, dict) and call):
        raise RowError("has a function_call that is not an object")
    return bool(found)


def _check_parts(parts: list[Any]) -> None:
    if not parts:
        raise RowError("has an empty list of parts as content")
    for place, part in enumerate(parts, 1):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise RowError(f"has a content part {place} that is not an object with a type")
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise RowError(f"has a content part {place} of type text without text")
