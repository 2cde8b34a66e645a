"""What is asked in a row: the prompt, its system message, its tools, wherever in the row they stand.

A prompt may stand in a column of its own, in a chat, or be what two chats begin with. Where it stands twice both must
ask the same. Knows nothing of answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from judgegen.sources import spellings
from judgegen.sources.beside import adds, asks, holds, words_of
from judgegen.sources.blocks import definition
from judgegen.sources.columns import ColumnNames
from judgegen.sources.rows import RowError, kind
from judgegen.sources.spellings import Chat, given, optional

_SYSTEM = ("system", "developer")
_AS_SYSTEM = {"developer": "system"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: `turns` are the messages after `system`, a message or None; `columns` is where it stood."""

    system: dict[str, Any] | None = None
    turns: Chat
    tools: tuple[Mapping[str, Any], ...] = ()
    reference: str | None = None
    columns: frozenset[str] = frozenset()

    @property
    def messages(self) -> Chat:
        """The whole chat, the system message first."""
        return self.turns if self.system is None else [self.system, *self.turns]

    def agreeing(self, begun: Chat) -> Question:
        """The question as chats spell it that begin with it, once it is sure that both ask the same.

        Raises:
            RowError: they do not, or have two system messages.
        """
        system, turns = parted(begun)
        if self.turns and not _same(self.turns, turns):
            raise RowError("the prompt in its own column asks something else than the chats beside it")
        system = _one(self.system, system)
        return Question(system=system, turns=turns, tools=self.tools, reference=self.reference, columns=self.columns)


def parted(chat: Chat) -> tuple[dict[str, Any] | None, Chat]:
    """A chat's system message and the rest of it."""
    if chat and chat[0].get("role") in _SYSTEM:
        return chat[0], chat[1:]
    return None, chat


def folded(message: Mapping[str, Any]) -> str:
    """A message's text without the accidents of white space."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return " ".join(str(content or "").split())


def _same(own: Chat, begun: Chat) -> bool:
    """Whether a prompt is what a chat begins with: turn by turn, or one text that is one of its user's turns."""
    if own == begun or (len(own) == 1 and own[0] in begun):
        return True
    said = [(message.get("role"), folded(message)) for message in begun]
    mine = [(message.get("role"), folded(message)) for message in own]
    return mine == said or (len(mine) == 1 and (mine[0] in said or _written_out(mine[0][1], begun)))


def _written_out(text: str, chat: Chat) -> bool:
    """Whether a text is the chat turn by turn, SYSTEM: … USER: …, as for graders; the system's turn may be missing."""
    roles = [_AS_SYSTEM.get(str(m.get("role")), str(m.get("role"))).upper() for m in chat]
    turns = " ".join(" ".join(f"{role}: {folded(m)}" for role, m in zip(roles, chat, strict=True)).split())
    return text == turns or (text.startswith("SYSTEM: ") and text.endswith(f" {turns}"))


def _one(first: dict[str, Any] | None, second: dict[str, Any] | None) -> dict[str, Any] | None:
    if first is not None and second is not None and folded(first) != folded(second):
        raise RowError("has a system column and a system message in its chat that differ; keep one")
    return second if first is None else first


def question(cells: Mapping[str, Any], table: ColumnNames, sides: frozenset[str] = frozenset()) -> Question:
    """What a row asks, in the columns that are no `sides`; without turns where none of them says it.

    Raises:
        RowError: two columns ask different things, or one is not to be read.
    """
    turns, used = _asked(cells, table, sides)
    system, turns = parted(turns)
    column = _system(cells, table)
    system = _one(None if column is None else {"role": "system", "content": column[1]}, system)
    tools, reference = _tools(cells, table), _reference(cells, table, sides)
    named = set(used)
    named |= {name for name in (column and column[0], reference and reference[0]) if name}
    named |= set(table.of("tools")) if tools is not None else set()
    return Question(
        system=system,
        turns=turns,
        tools=tuple(tools or ()),
        reference=reference[1] if reference else None,
        columns=frozenset(named),
    )


def _asked(cells: Mapping[str, Any], table: ColumnNames, sides: frozenset[str]) -> tuple[Chat, frozenset[str]]:
    written, used = _written(cells, table, sides)
    for name in table.of("chat"):
        if name in sides or name in used or name not in cells:
            continue
        value = spellings.unwrapped(cells[name], name)
        if not spellings.is_chat(value):
            continue
        chat = spellings.chat(value, name)
        if chat[-1].get("role") == "assistant":
            return (written, used) if written else (chat, used | {name})
        if written and not _same(parted(written)[1], parted(chat)[1]):
            raise RowError(f"{name} asks something else than the prompt beside it; keep one")
        return chat, used | {name}
    return written, used


def _written(cells: Mapping[str, Any], table: ColumnNames, sides: frozenset[str]) -> tuple[Chat, frozenset[str]]:
    """The chat in a prompt's column."""
    mapped = table.of("prompt")
    if len(mapped) == 1 and "+" in mapped[0] and mapped[0] not in cells:
        parts = [name for name in mapped[0].split("+") if optional(cells.get(name))]
        words = [words_of(cells[name]) or str(cells[name]) for name in parts]
        return _user("\n\n".join(words)) if parts else [], frozenset(parts)
    name = next((n for n in mapped if n in cells and n not in sides and _asks(cells[n])), None)
    if name is None:
        return [], frozenset()
    chat = _chat(cells[name], name)
    used = frozenset({name})
    if len(chat) == 1 and name not in table.own:
        chat, used = _with_input(chat, used, name, cells, table, sides)
    history = next(
        (cells[n] for n in (table.plain.get("history"),) if n is not None and n in cells and n != name), None
    )
    if isinstance(history, list) and history:
        chat, used = [*_before(history), *chat], used | {table.plain["history"]}
    return chat, used


def _asks(value: Any) -> bool:
    """Whether a cell may hold a prompt: a text, an object, or a list that is no list of past turns."""
    return optional(value) and not (isinstance(value, list) and isinstance(value[0], list))


def _chat(value: Any, name: str) -> Chat:
    value = spellings.unwrapped(value, name)
    if isinstance(value, Mapping):
        value = next(
            (value[k] for k in ("messages", "full_text", "text", "content", "prompt") if given(value.get(k))), value
        )
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, str):
        if spellings.is_transcript(value):
            return spellings.transcript(value, asks=True)
        return _user(spellings.untemplated(value, name))
    if spellings.is_message(value):
        value = [value]
    if isinstance(value, Mapping):
        raise RowError(f"{name} is an object; say which key of it is asked: --map prompt={name}.{_key(value)}")
    if not isinstance(value, list):
        raise RowError(f"{name} is {kind(value)}, neither a text nor a list of messages")
    chat = spellings.chat(value, name)
    if chat[-1].get("role") == "assistant":
        raise RowError(f"{name} ends with a message of role 'assistant'; the last must be one to answer")
    return chat


def _key(value: Mapping[str, Any]) -> str:
    """The likeliest key of what is asked: the first with a text."""
    return next((str(key) for key, inner in value.items() if isinstance(inner, str) and optional(inner)), "KEY")


def _user(words: str) -> Chat:
    return [{"role": "user", "content": words}]


def _with_input(
    chat: Chat, used: frozenset[str], name: str, cells: Mapping[str, Any], table: ColumnNames, sides: frozenset[str]
) -> tuple[Chat, frozenset[str]]:
    """Alpaca's `input` under its instruction. Beside any other prompt that does not hold it, there is no telling.

    So it is with a second column that asks, unless the sides are whole chats and say what is asked.

    Raises:
        RowError: a text beside the prompt that may belong to it.
    """
    whole = any(begun(cells.get(side)) for side in sides)
    for beside in cells:
        if beside == name or beside in sides or not (adds(beside) or (asks(beside) and not whole)):
            continue
        more = words_of(cells[beside])
        if (
            not optional(more)
            or holds(folded(chat[0]), cells[beside])
            or (asks(beside) and holds(more, folded(chat[0])))
        ):
            continue
        if table.plain.get("instruction") == name and table.plain.get("input") == beside:
            return _user(f"{chat[0]['content']}\n\n{more}"), used | {beside}
        first = beside == table.plain.get("history")
        raise RowError(
            f"{beside!r} stands beside {name!r} and is not in it; say what is asked: "
            f"--map prompt={beside if first else name}+{name if first else beside}, or prompt={name} alone"
        )
    return chat, used


def begun(value: Any) -> bool:
    """Whether a side is a whole chat, which says itself what is asked."""
    return isinstance(value, list) and len(value) > 1 and spellings.is_chat(value)


def _before(history: list[Any]) -> Chat:
    """Earlier turns as LLaMA-Factory has them: pairs of what was asked and answered."""
    turns: Chat = []
    for pair in history:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(said, str) for said in pair):
            raise RowError("history is not a list of pairs of what was asked and answered")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    return turns


def _system(cells: Mapping[str, Any], table: ColumnNames) -> tuple[str, str] | None:
    for name in table.of("system"):
        value = cells.get(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, Mapping):
            parts = value.get("parts")
            inner = parts[0] if isinstance(parts, list) and len(parts) == 1 else value
            value = inner.get("text", inner.get("content")) if isinstance(inner, Mapping) else inner
        if not optional(value):
            continue
        if not isinstance(value, str):
            raise RowError(f"{name} is {kind(value)}, not text")
        return name, value
    return None


def _tools(cells: Mapping[str, Any], table: ColumnNames) -> list[Any] | None:
    """Tool definitions as a list, from a list or from JSON text; None where there is no such column."""
    for name in table.of("tools"):
        value = cells.get(name)
        if not optional(value):
            continue
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise RowError(f"{name} is a text that is not JSON; write a list of definitions") from None
        if not isinstance(value, list) or not all(isinstance(tool, Mapping) and tool for tool in value):
            raise RowError(f"{name} is not a list of definitions")
        return [definition(tool) for tool in value]
    return None


def _reference(cells: Mapping[str, Any], table: ColumnNames, sides: frozenset[str]) -> tuple[str, str] | None:
    found = ((name, cells.get(name)) for name in table.of("reference") if name not in sides)
    texts = ((name, str(value) if type(value) is int else value) for name, value in found)
    return next(((name, value) for name, value in texts if isinstance(value, str) and optional(value)), None)
