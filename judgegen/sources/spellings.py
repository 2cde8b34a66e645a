r"""What is in a cell, however it is spelled: absent values, chats as lists, JSON, Python's repr or transcripts.

Messages come out as the chat API has them, {role, content}. Read are also {from, value} with the roles of ShareGPT,
{speaker, text}, LangChain's {type, content}, Google's {role, parts}, and transcripts: "\n\nHuman: …\n\nAssistant: …".
Knows nothing of columns.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from judgegen.sources.blocks import expanded
from judgegen.sources.rows import Cell, RowError, kind

Chat = list[dict[str, Any]]

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_ROLES = {
    **dict.fromkeys(("human", "prompter", "person", "client"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bot", "model", "ai", "function_call", "chatbot"), "assistant"),
    **dict.fromkeys(("observation", "function_response", "tool_response", "ipython"), "tool"),
}
_SPEAKS = ("speaker", "author", "type", "from")
"""Keys that tell who speaks where there is no `role`, once what they hold is one."""
_WORDS = ("value", "text", "system_prompt")
"""Keys of what is said where there is no `content`."""
EMPTY_WORDS = frozenset({"nan", "none", "null", "<na>", "nat", "n/a"})
"""What an empty cell becomes when a table is written by way of `str`."""

_TURN = re.compile(r"\n\n(Human|Assistant):")  # begins with what is searched for fast
_SPEAKERS = {"Human": "user", "Assistant": "assistant"}
_MARKS = tuple(f"{speaker}:" for speaker in _SPEAKERS)
_OPENED = re.compile(r"""\s*(?:array\()?\[?\s*\{\s*['"]""")
_TWICE = re.compile(r"""\s*"\s*\[?\s*\{""")
_NOTHING = EMPTY_WORDS | {""}
_LONG = 16  # characters: no word for nothing has as many
_LIST = re.compile(r"\s*\[")
_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_SIDE_BY_SIDE = re.compile(r"''\s*''")
_TEMPLATED = re.compile(
    r"\s*(?:<s>|<bos>|<\|begin_of_text\|>)?\s*"
    r"(?:<\|(?:im_start|start_header_id|header_start|im_user|im_system|start|START_OF_TURN_TOKEN|system|user|assistant)\|>"
    r"|<\uff5c(?:begin\u2581of\u2581sentence|User)\uff5c>|\[gMASK\]|<start_of_turn>|\[INST\]"
    r"|(?:Below is an instruction[^\n]*\s*)?###\s*(?:Instruction|Human|User|Question)s?:?"
    r"(?=.*\n\s*###\s*(?:Response|Assistant|Answer):?\s*\Z)"
    r"|(?:Human|User):(?=.*\s(?:Assistant|AI):)|USER:(?=.* ASSISTANT:)|A chat between a curious (?:user|human) and an"
    r"|(?:Below is an instruction[^\n]*\s*)?###\s*Instructions?:(?=.*\n\s*###\s*Response:)"
    r"|###\s*(?:Human|User):(?=.*###\s*(?:Assistant|Response):)|<(?:user|assistant|human|bot)>"
    r"|(?i:prompter|assistant|chatbot):(?=\s))",
    re.DOTALL,
)
_MARKED = re.compile(r"\s*<extra_id_[01]>(System|User|Assistant)\n")
"""NeMo's marks of who speaks, as they stand within HelpSteer's prompts of several turns."""
_PRINTED = re.compile(r"""\s*(?:array\()?[\[{]\s*\{?\s*['"](?:role|from|content|value)['"]\s*:""")


def given(value: Any) -> bool:
    """Whether a cell says anything: neither null nor NaN, a blank text nor an empty list."""
    if isinstance(value, str):
        return value != "" and not value.isspace()
    if value is None or value != value:  # noqa: PLR0124 - only NaN is not itself
        return False
    return value not in ([], {})


def optional(value: Any) -> bool:
    """Whether a cell that may be empty says anything; the words for nothing are none."""
    if isinstance(value, str) and len(value) < _LONG:
        return value.strip().lower() not in _NOTHING
    return given(value)


def is_plain(words: str) -> bool:
    """Whether a text is surely neither a chat nor a transcript."""
    if _OPENED.match(words) or _TWICE.match(words) or is_transcript(words) or _TEMPLATED.match(words):
        return False
    return "<extra_id_" not in words


def untemplated(words: str, name: str) -> str:
    """The text, once it is sure that it is not written out by a chat template.

    Raises:
        RowError: it is, and whoever trains on it would put marks around marks.
    """
    if mark := template(words):
        raise RowError(f"{name} is written out by a chat template ({mark} …); write its messages")
    return words


def template(words: str) -> str | None:
    """The mark of a chat template, or of a speaker, that a text begins with; None where it does with none."""
    hit = _TEMPLATED.match(words)
    return hit[0].strip() if hit else None


def unwrapped(value: Any, name: str) -> Any:
    """A chat out of a text that is one: JSON, Python's repr of it, or turns with marks. Any other text stays a text.

    Raises:
        RowError: printed like a chat, and not to be read back (NumPy's print, or cut off).
    """
    if isinstance(value, Mapping):
        return _rows(value)
    if isinstance(value, str) and _TWICE.match(value):
        value = _inner(value)
    if isinstance(value, str) and "<extra_id_" in value and _MARKED.search(value):
        return _marked(value)
    if not isinstance(value, str) or not _OPENED.match(value):
        return value
    for read in (json.loads, _literal):
        try:
            found = read(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return found if is_chat(found) or is_message(found) else value
    if not _PRINTED.match(value):
        return value
    raise RowError(f"{name} is printed like a chat and cannot be read back; save the table as JSONL or Parquet")


def _rows(value: Mapping[str, Any]) -> Any:
    """The messages of an object that holds a list of roles and one of contents; any other as it is."""
    lists = {key: cell for key, cell in value.items() if isinstance(cell, list)}
    who, said = next(((a, b) for a, b in (("role", "content"), ("from", "value")) if {a, b} <= lists.keys()), ("", ""))
    if not who or len(lists[who]) != len(lists[said]):
        return value
    return [{who: one, said: words} for one, words in zip(lists[who], lists[said], strict=True)]


def _marked(words: str) -> Chat:
    """The turns of a text with marks; what stands before the first is the user's, a mark at the end no turn."""
    before, *parts = _MARKED.split(words)
    spoken = [("User", before), *zip(parts[::2], parts[1::2], strict=True)]
    return [{"role": who.lower(), "content": said.strip()} for who, said in spoken if said.strip()]


def _inner(words: str) -> str:
    """The text of a chat in JSON that a text spells as JSON once more; any other as it is."""
    try:
        found = json.loads(words)
        chat_ = json.loads(found) if isinstance(found, str) else None
    except (ValueError, RecursionError):
        return words
    return str(found) if is_chat(chat_) or is_message(chat_) else words


def may_be_more(value: Any) -> bool:
    """Whether it is a cell of a table of texts that spells a list or an object, and may be a text all the same."""
    if not isinstance(value, Cell):
        return False
    for read in (json.loads, _literal):
        try:
            found = read(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return isinstance(found, list | dict) and not (is_chat(found) or is_message(found))
    return False


def listed(value: Any) -> list[Any] | None:
    """A list, or one that a text spells as JSON or as Python's repr; None for everything else.

    Raises:
        RowError: NumPy printed it without commas, so that where an item ends cannot be told.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, str) or not _LIST.match(value):
        return None
    for read in (json.loads, _literal):
        try:
            found = read(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return found if isinstance(found, list) else None
    return None


def _literal(text: str) -> Any:
    """What Python's repr spells.

    Raises:
        ValueError, SyntaxError: it is none.
        RowError: texts stand side by side in it, which Python would join; NumPy prints the items of a list so.
    """
    found = ast.literal_eval(text)
    if _SIDE_BY_SIDE.search(_TEXT.sub("''", text)):
        raise RowError("a list is printed without commas, as NumPy does; save the table as JSONL or Parquet")
    return found


def is_message(value: Any) -> bool:
    """Whether it is a message in one of the known spellings."""
    if not (type(value) is dict or isinstance(value, Mapping)):
        return False
    if "role" in value:
        return "content" in value or any(key in value for key in ("parts", "tool_calls", *_WORDS))
    if "from" in value and "value" in value:
        return True
    return _speaker(value) is not None and any(key in value for key in ("content", *_WORDS))


def _speaker(one: Mapping[str, Any]) -> str | None:
    """The key that tells who speaks, in a message without a role."""
    return next((key for key in _SPEAKS if isinstance(one.get(key), str) and role_named(one[key]) in ROLES), None)


def role_named(said: Any) -> Any:
    """A role by its one name; what is none comes back as it is."""
    if not isinstance(said, str):
        return said
    plain = said.strip().lower()
    return plain if plain in ROLES else _ROLES.get(plain, said)


def is_chat(value: Any) -> bool:
    """Whether it is a list of messages."""
    return isinstance(value, list) and bool(value) and all(map(is_message, value))


def chat(value: list[Any], name: str) -> Chat:
    """A list of messages as the chat API has them; keys that are null are left out, but for `content`.

    Raises:
        RowError: one of them is no message, with its place.
    """
    found: Chat = []
    for place, one in enumerate(value, 1):
        if not is_message(one):
            raise RowError(f"{name}: message {place} is {kind(one)}, not an object with role and content")
        found += expanded(_message(one, found))
    return found


def _message(one: Mapping[str, Any], before: Chat) -> dict[str, Any]:
    role, content = one.get("role"), one.get("content")
    if isinstance(role, str) and role in ROLES and isinstance(content, str) and len(one) == 2:
        return dict(one)
    if role is None and "from" in one and "value" in one:
        return _tagged(one, before)
    if role is None and (key := _speaker(one)) is not None:
        one = {"role": one[key], **{name: value for name, value in one.items() if name not in ("role", key)}}
    plain = {key: value for key, value in one.items() if value is not None or key == "content"}
    plain["role"] = role_named(plain.get("role"))
    if "parts" in plain:
        plain["content"] = "".join(
            str(part.get("text", "")) for part in plain.pop("parts") if isinstance(part, Mapping)
        )
    elif "content" not in plain and (words := next((key for key in _WORDS if key in plain), None)) is not None:
        plain["content"] = plain.pop(words)
    if isinstance(plain.get("content"), list):
        plain["content"] = _parts(plain["content"])
    return plain


def _parts(parts: list[Any]) -> Any:
    """Text parts as one text, Bedrock's without a type too; others stay, without what is null in them."""
    if all(isinstance(part, Mapping) and _is_text(part) for part in parts):
        return "".join(part["text"] for part in parts)
    return [{k: v for k, v in p.items() if v is not None} if isinstance(p, Mapping) else p for p in parts]


def _is_text(part: Mapping[str, Any]) -> bool:
    typed = part.get("type") == "text" or {key for key, value in part.items() if value is not None} == {"text"}
    return typed and isinstance(part.get("text"), str)


def _tagged(one: Mapping[str, Any], before: Chat) -> dict[str, Any]:
    """A turn of {from, value}. A function call's value is JSON of name and arguments; its ids are counted."""
    tag, said = one["from"], one["value"]
    role = role_named(tag)
    called = [call["id"] for message in before for call in message.get("tool_calls", ())]
    if tag == "function_call" and isinstance(said, str):
        return {"role": "assistant", "content": None, "tool_calls": _calls(said, len(called))}
    answered = sum(message["role"] == "tool" for message in before)
    named = {"tool_call_id": called[answered]} if role == "tool" and answered < len(called) else {}
    return {"role": role, "content": said} | named


def _calls(said: str, before: int) -> list[dict[str, Any]]:
    try:
        found = json.loads(said)
        calls = found if isinstance(found, list) else [found]
        named = [(call["name"], call.get("arguments", {})) for call in calls]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RowError("a function_call is not JSON of name and arguments") from None
    return [
        {
            "id": f"call_{before + place}",
            "type": "function",
            "function": {"name": name, "arguments": words if isinstance(words, str) else json.dumps(words)},
        }
        for place, (name, words) in enumerate(named, 1)
    ]


def is_transcript(words: str) -> bool:
    """Whether a text begins with the mark of a speaker and holds the assistant's."""
    return words.startswith(("\n\nHuman:", "\n\nAssistant:")) or (
        words.startswith("Human:") and "\n\nAssistant:" in words
    )


def transcript(words: str, *, asks: bool = False) -> Chat:
    """A transcript as messages; turns of one speaker in a row are one. A turn that quotes the marks is two.

    Where it `asks`, a mark of the assistant's at the end, behind which an answer is to come, is no turn.

    Raises:
        RowError: it does not begin with a speaker.
    """
    before, *parts = _TURN.split(f"\n\n{words}" if words.startswith(_MARKS) else words)
    if before.strip() or not parts:
        raise RowError("a transcript does not begin with Human: or Assistant:")
    spoken = list(zip(parts[::2], (said.strip() for said in parts[1::2]), strict=True))
    joined = ((who, "\n\n".join(said for _, said in turn)) for who, turn in groupby(spoken, key=lambda turn: turn[0]))
    turns = [{"role": _SPEAKERS[who], "content": said} for who, said in joined]
    return turns[:-1] if asks and turns[-1] == {"role": "assistant", "content": ""} else turns
