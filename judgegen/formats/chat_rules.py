"""What is wrong with a chat and its tools, message by message: the chat API's rules and one consumer's. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from judgegen.formats.format import API_KEYS, WITH_TOOLS, Format

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST_TOOLS = 128  # the chat API's limit


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, as a sentence without a place. Not `fatal`: the consumer takes it, and one should be told."""

    words: str
    fatal: bool = True


def chat(value: Any, where: str, form: Format, *, answers: bool = False) -> Iterator[Fault]:
    """A list of messages; `answers`: the side of a pair, whose messages must say something."""
    if not isinstance(value, list):
        yield Fault(f"{where} is not a list of messages")
        return
    if not value:
        yield Fault(f"{where} is empty")
    for message in value:
        if isinstance(message, dict):
            yield from _message(message, form, answers=answers)
        else:
            yield Fault("a message is not an object")
    if not answers:
        yield from _answered([message for message in value if isinstance(message, dict)])


def _message(message: Mapping[str, Any], form: Format, *, answers: bool) -> Iterator[Fault]:
    role = message.get("role")
    known = (WITH_TOOLS - {"system"}) | {"developer"} if form.name == "openai-rft" else form.roles - {"developer"}
    if role is None:
        yield Fault("a message has no role")
    elif not isinstance(role, str) or role not in known:
        yield Fault(f"role {role!r}: {form.name} takes {', '.join(sorted(known))}")
    for key in sorted(message.keys() - API_KEYS):
        yield Fault(f"key {key!r} in a message: the API knows {', '.join(sorted(API_KEYS))}")
    yield from _content(message, form, answers=answers)
    if "weight" in message:
        yield from _weight(message)
    if "name" in message and not isinstance(message["name"], str):
        yield Fault("a message's name is not a text")
    yield from _calls(message)


def _weight(message: Mapping[str, Any]) -> Iterator[Fault]:
    if message["weight"] not in (0, 1) or isinstance(message["weight"], bool | float):
        yield Fault("a weight that is not 0 or 1")
    if message.get("role") != "assistant":
        yield Fault("a weight on a message that is not the assistant's")


def _content(message: Mapping[str, Any], form: Format, *, answers: bool) -> Iterator[Fault]:
    content, calls = message.get("content"), message.get("tool_calls")
    if isinstance(content, str):
        if not content.strip() and not calls:
            heavy = answers or message.get("role") == "user"
            yield Fault(f"{'an answer' if answers else 'a message'} says nothing", fatal=heavy)
        if "\0" in content:
            yield Fault("a text holds the character U+0000", fatal=False)
    elif isinstance(content, list):
        yield from _parts(content, form)
    elif content is not None:
        yield Fault("content is not a text")
    elif not calls and not message.get("function_call"):
        yield Fault("a message has neither content nor tool calls")


def _parts(parts: list[Any], form: Format) -> Iterator[Fault]:
    if form.name in ("together-dpo", "fireworks-dpo"):
        yield Fault(f"content in parts: {form.name} takes a string")
    if not parts:
        yield Fault("content is an empty list of parts")
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            yield Fault("a content part is not an object with a type")
        elif part["type"] != "text":
            yield Fault("content that is not text")
        elif not isinstance(part.get("text"), str):
            yield Fault("a content part of type text has no text")


def _calls(message: Mapping[str, Any]) -> Iterator[Fault]:
    calls = message.get("tool_calls")
    if calls is not None and message.get("role") != "assistant":
        yield Fault("tool_calls on a message that is not the assistant's")
    if calls is not None and not (isinstance(calls, list) and calls and all(isinstance(c, dict) for c in calls)):
        yield Fault("tool_calls is not a list of calls")
        return
    for call in calls or ():
        yield from _call(call)
    if message.get("role") == "tool" and not isinstance(message.get("tool_call_id"), str):
        yield Fault("a tool's message has no tool_call_id")


def _call(call: Mapping[str, Any]) -> Iterator[Fault]:
    if not isinstance(call.get("id"), str):
        yield Fault("a tool call has no id")
    if call.get("type") != "function":
        yield Fault("a tool call's type is not function")
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        yield Fault("a tool call names no function")
        return
    if not isinstance(function.get("arguments"), str):
        yield Fault("a tool call's arguments are not a text of JSON")
        return
    try:
        json.loads(function["arguments"])
    except ValueError:
        yield Fault("a tool call's arguments are not JSON", fatal=False)


def _answered(chat_: list[Mapping[str, Any]]) -> Iterator[Fault]:
    """Whether every tool's message answers a call before it, and every call is answered before somebody else speaks."""
    waiting: set[str] = set()
    for message in chat_:
        if message.get("role") == "tool":
            if _name(message.get("tool_call_id")) not in waiting:
                yield Fault("a tool's message answers no call before it")
            waiting.discard(_name(message.get("tool_call_id")))
            continue
        if waiting:
            yield Fault("a tool call is not answered")
        waiting = _ids(message)
    if waiting and chat_[-1].get("role") == "tool":
        yield Fault("a tool call is not answered")


def _ids(message: Mapping[str, Any]) -> set[str]:
    calls = message.get("tool_calls")
    return {_name(call.get("id")) for call in calls if isinstance(call, dict)} if isinstance(calls, list) else set()


def _name(given: object) -> str:
    """An id for comparing; what is no text is told of elsewhere."""
    return given if isinstance(given, str) else repr(given)


def definitions(tools: Any, form: Format) -> Iterator[Fault]:
    """A row's tool definitions."""
    if tools is None:
        return
    if not isinstance(tools, list):
        yield Fault("tools is not a list of definitions")
        return
    if tools and form.tools != "definitions":
        yield Fault(f"tool definitions: {form.name} has no place for them")
    if len(tools) > _MOST_TOOLS:
        yield Fault(f"more than {_MOST_TOOLS} tools")
    names: set[str] = set()
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(function, dict):
            yield Fault("a tool is not {type: function, function: {…}}")
            continue
        yield from _definition(function, names)


def _definition(function: Mapping[str, Any], names: set[str]) -> Iterator[Fault]:
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield Fault("a tool's name is not of 1 to 64 letters, digits, _ and -")
    elif name in names:
        yield Fault("two tools have one name")
    else:
        names.add(name)
    if "parameters" in function and not isinstance(function["parameters"], dict):
        yield Fault("a tool's parameters are not an object")
    if "description" in function and not isinstance(function["description"], str):
        yield Fault("a tool's description is not a text")
