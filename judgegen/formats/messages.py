"""Messages as consumers and importers look at them: their text, what identifies a prompt, where two chats part.

Pure. Knows no consumer.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from json.encoder import encode_basestring_ascii
from typing import Any

import orjson

from judgegen.formats.format import API_KEYS, Preference, Row, Unfit
from judgegen.llm.calls import Message, digest

_HEAD = 8  # words
_ASKED = b'{"messages":[%s],"tools":[]}'  # as canonical JSON spells what is asked without tools
_START = 48  # characters whose whole words mostly tell two texts apart
ANSWERED = ("user", "tool", "function")
"""Roles that the assistant answers."""


def text(message: Message) -> str:
    """What a message says; text parts one after the other, nothing where it only calls tools."""
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join(part for part in texts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def plain(preference: Preference) -> Row:
    """A preference as all consumers may have it: text parts are joined, and a developer's message is the system's.

    OpenAI's preference and supervised lines have no developer role, nor do chat templates; models that know the role
    read it as the system's.
    """
    sides = ("prompt", "chosen", "rejected")
    row = {key: _plain(value) if key in sides else value for key, value in preference.items()}
    return row | {"tools": tool_list(row["tools"])} if row.get("tools") is not None else row


def _plain(chat: Any) -> Any:
    return (
        [_plain_message(m) if isinstance(m, Mapping) else m for m in chat] if isinstance(chat, list | tuple) else chat
    )


def _plain_message(message: Message) -> Message:
    content = message.get("content")
    is_text = isinstance(content, list) and all(_is_text(part) for part in content)
    if not is_text and message.get("role") != "developer":
        return message
    role = "system" if message.get("role") == "developer" else message.get("role")
    return {**message, "role": role} | ({"content": text(message)} if is_text else {})


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)


def told(chat: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages without the keys that are null, which tables give to all; a null content is a message's own."""
    return [{key: value for key, value in m.items() if value is not None or key == "content"} for m in chat]


def says_nothing(message: Message) -> bool:
    """Whether a message has neither content nor a tool call; white space is no content."""
    content = message.get("content")
    silent = not content.strip() if isinstance(content, str) else not content
    return silent and not message.get("tool_calls")


def essence(message: Message) -> tuple[str, str]:
    """What a message comes to: its text without the accidents of white space, and its tool calls without their ids."""
    calls = [call.get("function", call) for call in message.get("tool_calls") or ()]
    return _folded(text(message)), digest(calls) if calls else ""


def alike(first: Sequence[Message], second: Sequence[Message]) -> bool:
    """Whether two sides come to the same, message by message."""
    return len(first) == len(second) and all(map(_alike, first, second))


def _alike(first: Message, second: Message) -> bool:
    """Whether two messages have one role and one essence; their first words mostly tell that they have not."""
    if first["role"] != second["role"] or differ(text(first), text(second)):
        return False
    return essence(first) == essence(second)


def differ(first: str, second: str) -> bool:
    """Whether the first words of two texts differ by more than white space and the ways to spell one character."""
    start, other = (words[:_START].split()[:-1] if len(words) > _START else [] for words in (first, second))
    if start and other and start[0] != other[0] and start[0].isascii() and other[0].isascii():
        return True
    return _head(first) != _head(second)


def _head(words: str) -> list[str]:
    head = words.split(None, _HEAD)[:_HEAD]
    return head if words.isascii() else [unicodedata.normalize("NFC", word) for word in head]


def _folded(words: str) -> str:
    return " ".join((words if words.isascii() else unicodedata.normalize("NFC", words)).split())


def prompt_key(messages: Iterable[Message]) -> bytes:
    """16 bytes that two prompts share when they ask the same, for splits that do not leak.

    The turns decide: case, white space and compatibility forms do not count, nor does the system message, so that one
    question under two system prompts stays on one side of a split.
    """
    chat = list(messages)
    turns = [m for m in chat if m["role"] not in ("system", "developer")] or chat
    said = "\x1e".join("\x1f".join((m["role"], _asked(text(m)), _called(m))) for m in turns)
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _asked(words: str) -> str:
    return " ".join((words if words.isascii() else unicodedata.normalize("NFKC", words)).casefold().split())


def _called(message: Message) -> str:
    return digest(message["tool_calls"]) if message.get("tool_calls") else ""


def prompt_id(messages: Sequence[Message], tools: Sequence[Any] = ()) -> str:
    """A name for a prompt that came without one, after its content."""
    if not tools and all(map(_is_plain, messages)):  # the same bytes as canonical JSON has, and faster
        said = b",".join([b'{"content":%b,"role":%b}' % (_quoted(m["content"]), _quoted(m["role"])) for m in messages])
        return f"p-{hashlib.blake2b(_ASKED % said, digest_size=8).hexdigest()}"
    return "p-" + digest({"messages": list(messages), "tools": list(tools)}, size=8)


def _quoted(words: str) -> bytes:
    """A text as canonical JSON has it: in ASCII, DEL escaped."""
    quick = words.isascii() and "\x7f" not in words
    return orjson.dumps(words) if quick else encode_basestring_ascii(words).encode()


def _is_plain(message: Message) -> bool:
    """Whether a message is a role and a text, and nothing else."""
    return len(message) == 2 and type(message.get("content")) is str and type(message.get("role")) is str


def user(words: str) -> list[dict[str, Any]]:
    """A prompt of one user message."""
    return [{"role": "user", "content": words}]


def answer(words: str) -> list[dict[str, Any]]:
    """A side: one assistant message."""
    return [{"role": "assistant", "content": words}]


def json_text(value: object) -> str:
    """A value as JSON text inside a cell, where columns must be of one type; half of a character as its escape."""
    text_ = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text_.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False)
    return text_


def for_api(chat: Iterable[Message]) -> list[Message]:
    """Messages as they stand, of which the chat API knows every key.

    Raises:
        Unfit: one has another, like a model's thoughts in `reasoning_content`.
    """
    found = list(chat)
    for message in found:
        if not message.keys() <= API_KEYS:
            key = min(message.keys() - API_KEYS)
            raise Unfit(f"a message with the key {key!r}, which the chat API does not know")
    return found


def parted(chosen: Sequence[Message], rejected: Sequence[Message]) -> tuple[list[Any], list[Any], list[Any]]:
    """Two whole chats as the prompt they share and what each ends with: one message, or the steps from where they part.

    Raises:
        Unfit: they part where it is not the assistant's turn, or one has no messages.
    """
    if not chosen or not rejected:
        raise Unfit("a side has no messages")
    if list(chosen[:-1]) == list(rejected[:-1]):
        return list(chosen[:-1]), [chosen[-1]], [rejected[-1]]
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False)))
    shared = min(alike, len(chosen) - 1, len(rejected) - 1)
    while shared and _role(chosen[shared - 1]) not in ANSWERED:
        shared -= 1
    steps = [*chosen[shared:], *rejected[shared:]]
    if not shared or not {_role(message) for message in steps} <= {"assistant", "tool", "function"}:
        raise Unfit("chosen and rejected part before their last message")
    return list(chosen[:shared]), list(chosen[shared:]), list(rejected[shared:])


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, Mapping) else None


def arguments(call: Mapping[str, Any]) -> tuple[str, Any]:
    """A tool call's function name and its arguments as a value.

    Raises:
        Unfit: the arguments are not JSON.
    """
    function = call.get("function", call)
    given = function.get("arguments", {})
    try:
        return function["name"], json.loads(given) if isinstance(given, str) else given
    except (KeyError, ValueError):
        raise Unfit("a tool call's arguments are not JSON, or it has no name") from None


def tool_name(tool: Mapping[str, Any]) -> str | None:
    """The name of a definition or of a call, in OpenAI's wrapping or bare; None where there is none."""
    function = tool.get("function", tool)
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else None


def tool_list(given: Any) -> list[Any]:
    """Tool definitions from a list, or from JSON text as tables hold them; an empty text and null are none.

    Raises:
        Unfit: neither.
    """
    try:
        found = json.loads(given or "null") if isinstance(given, str) else given
    except ValueError:
        raise Unfit("tools is not a list of definitions") from None
    if found is None:
        return []
    if not isinstance(found, list | tuple) or not all(isinstance(tool, Mapping) for tool in found):
        raise Unfit("tools is not a list of definitions")
    return list(found)
