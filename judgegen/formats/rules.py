"""What a consumer would find wrong with a row of a file, or should be told: every documented rule, each a sentence.

A sentence names no place, so that one fault in many rows is one line of a report. `sound` answers the common case in
a few microseconds; `faults` says everything. Pure; knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from judgegen.formats import fit, messages, preferred
from judgegen.formats.chat_rules import Fault, chat, definitions
from judgegen.formats.format import Format, Unfit
from judgegen.formats.messages import differ
from judgegen.sources.readings import EMPTIED

_OLD = {"preferred_completion": "preferred_output", "non_preferred_completion": "non_preferred_output"}
_INPUT = frozenset({"messages", "tools", "parallel_tool_calls"})
_SFT = frozenset({"messages", "tools", "parallel_tool_calls"})
_PLAIN = {"role", "content"}
_WHOLE_API = frozenset({"openai-dpo", "azure-dpo", "together-dpo", "fireworks-dpo", "openai-sft", "openai-rft"})


def is_preferred(form: Format) -> bool:
    """Whether its lines are input, preferred_output and non_preferred_output."""
    return form.back is preferred.back


def sound(row: Any) -> bool:
    """Whether a line of input, preferred_output and non_preferred_output is certainly in order; False where it may be.

    Passes plain chats: text, no tools, no names, one system message at most, roles that alternate.
    """
    if not isinstance(row, dict) or row.keys() != set(preferred.KEYS):
        return False
    asked, good, bad = row["input"], row["preferred_output"], row["non_preferred_output"]
    if not isinstance(asked, dict) or len(asked) != 1 or not isinstance(asked.get("messages"), list):
        return False
    return (
        _plain_chat(asked["messages"])
        and _plain_side(good)
        and _plain_side(bad)
        and differ(good[0]["content"], bad[0]["content"])
    )


def _plain_chat(chat: list[Any]) -> bool:
    before = "system"
    for place, message in enumerate(chat):
        if not _plain_message(message):
            return False
        role = message["role"]
        if role == "system":
            if place:
                return False
        elif role == before or role not in ("user", "assistant"):
            return False
        before = role
    return before == "user"


def _plain_message(message: Any) -> bool:
    if not isinstance(message, dict) or message.keys() != _PLAIN:
        return False
    content = message["content"]
    if not isinstance(content, str) or (len(content) < 16 and content.strip() in EMPTIED):
        return False
    return bool(content) and not content.isspace() and "\0" not in content


def _plain_side(side: Any) -> bool:
    return isinstance(side, list) and len(side) == 1 and _plain_message(side[0]) and side[0]["role"] == "assistant"


def faults(row: Any, form: Format) -> Iterator[Fault]:
    """Everything that is wrong with a parsed row, each fault once."""
    told = set()
    seen = {**row, **_with_images(row)} if form.name == "openai-sft" and isinstance(row, dict) else row
    for fault in _faults(seen, form):
        if fault.words not in told:
            told.add(fault.words)
            yield fault


def _with_images(row: Mapping[str, Any]) -> dict[str, Any]:
    """The messages with images for text: supervised fine-tuning takes them, though no export writes any."""
    chat = row.get("messages")
    return {"messages": [_seen(message) for message in chat]} if isinstance(chat, list) else {}


def _seen(message: Any) -> Any:
    content = message.get("content") if isinstance(message, dict) and message.get("role") == "user" else None
    if not isinstance(content, list):
        return message
    images = [part for part in content if isinstance(part, dict) and part.get("type") == "image_url"]
    return {**message, "content": "(an image)"} if images else message


def _faults(row: Any, form: Format) -> Iterator[Fault]:
    if not isinstance(row, dict):
        yield Fault("not a JSON object")
        return
    if is_preferred(form):
        yield from _preferred_keys(row, form)
    elif form.name in ("openai-sft", "openai-rft"):
        yield from _messages_keys(row, form)
    yield from _as_preference(row, form)


def _preferred_keys(row: Mapping[str, Any], form: Format) -> Iterator[Fault]:
    for key in preferred.KEYS:
        if key not in row:
            yield Fault(f"{key} is missing")
    for key in sorted(row.keys() - set(preferred.KEYS)):
        mend = f"; it is called {_OLD[key]} now" if key in _OLD else ""
        yield Fault(f"key {key!r}: a line has input, preferred_output and non_preferred_output, nothing else{mend}")
    asked = row.get("input")
    if isinstance(asked, dict):
        yield from _asked(asked, _INPUT, "input", form)
        yield from chat(asked.get("messages"), "input.messages", form)
    elif "input" in row:
        yield Fault("input is not an object")
    for key in ("preferred_output", "non_preferred_output"):
        if key in row:
            yield from _output(row[key], key, form)


def _output(side: Any, key: str, form: Format) -> Iterator[Fault]:
    yield from chat(side, key, form, answers=True)
    if not isinstance(side, list) or not side:
        return
    roles = [str(message.get("role")) for message in side if isinstance(message, dict)]
    if len(side) > 1 and form.name != "azure-dpo":
        yield Fault(f"{key} has more than one message")
    if "assistant" not in roles:
        yield Fault(f"{key} has no message of the assistant")
    if set(roles) - {"assistant", "tool"}:
        yield Fault(f"{key} has a message that is not the assistant's")


def _messages_keys(row: Mapping[str, Any], form: Format) -> Iterator[Fault]:
    if form.name == "openai-sft":
        yield from _asked(row, _SFT, "the line", form)
    else:
        yield from definitions(row.get("tools"), form)
    yield from chat(row.get("messages"), "messages", form)


def _asked(asked: Mapping[str, Any], known: frozenset[str], where: str, form: Format) -> Iterator[Fault]:
    for key in sorted(asked.keys() - known):
        yield Fault(f"key {key!r} in {where}: known are {', '.join(sorted(known))}")
    yield from definitions(asked.get("tools"), form)
    if "parallel_tool_calls" in asked:
        if not isinstance(asked["parallel_tool_calls"], bool):
            yield Fault("parallel_tool_calls is not true or false")
        elif not asked.get("tools"):
            yield Fault("parallel_tool_calls without tools", fatal=False)


def _as_preference(row: Mapping[str, Any], form: Format) -> Iterator[Fault]:
    """What the rules of what fits say of the preference in the row, as far as there is one."""
    try:
        if (found := preference(row, form)) is not None:
            yield from _teaches_ill(found, form)
            fit.check(messages.plain(found), form)
    except Unfit as reason:
        if form.name not in _WHOLE_API or _is_new(str(reason)):
            yield Fault(str(reason))
    except (AttributeError, KeyError, TypeError, IndexError):
        yield Fault(f"not a row that {form.name} could read")


def _teaches_ill(found: Mapping[str, Any], form: Format) -> Iterator[Fault]:
    """What a consumer takes and a model should not learn: empty cells as words, calls of tools that nobody defined."""
    sides = [message for side in ("chosen", "rejected") for message in found.get(side) or ()]
    for message in (*sides, *found["prompt"][-1:]):
        words = messages.text(message).strip()
        if words in EMPTIED:
            said = "an answer" if message["role"] == "assistant" else "a prompt"
            yield Fault(f"{said} says {words!r}, as an empty cell of a table becomes a text", fatal=False)
    if form.tools != "definitions":
        return
    names = {messages.tool_name(tool) for tool in messages.tool_list(found.get("tools"))}
    for message in (*found["prompt"], *sides):
        for call in message.get("tool_calls") or ():
            called = messages.tool_name(call)
            if not names:
                yield Fault("a tool is called, and the row defines no tools", fatal=False)
            elif called is not None and called not in names:
                yield Fault(f"a tool is called that is not defined: {called}", fatal=False)


def _is_new(reason: str) -> bool:
    """Whether a reason says more than the rules of the chat, which have said theirs of these lines already."""
    said = ("input is not", "preferred_output is not", "non_preferred_output is not", "messages is not", "role ")
    ends = ("is not one assistant message", "says nothing", "takes one assistant message", "and then one")
    return not reason.startswith(said) and not reason.endswith(ends)


def preference(row: Mapping[str, Any], form: Format) -> Mapping[str, Any] | None:
    """The preference in a row as the rules look at it; None where the consumer's rows hold none.

    Raises:
        Unfit: it cannot be found.
    """
    if form.name == "openai-rft":
        if not isinstance(chat_ := row.get("messages"), list):
            return None
        return {"prompt": chat_, "chosen": messages.answer("(not in the file)"), "tools": row.get("tools")}
    read = form.back or form.seen
    return None if read is None else read(row)
