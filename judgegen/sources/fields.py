"""A row's columns to a prompt's fields: pure, one row at a time.

The rules, the same for every format:

- `messages` (a chat) or `prompt` (text, or a chat) is what is asked. A row with neither is asked by the first of
  `instruction`, `question`, `input`, `text` that it has; `instruction` is followed by a blank line and `input` where
  both are there, as in Alpaca's files.
- Where none of these is there, the other names count that `judgegen.sources.columns` knows, in any spelling.
- A row that says more, or that none of this fits, is read by the reader of all shapes (`judgegen.sources.shapes`):
  chats that hold answers, comparisons, earlier turns in `history`, exports of annotation tools, columns one names.
- `system` (or `system_prompt`, …) becomes the leading system message. `reference` is the known answer, `tools` the
  tool definitions.
- `messages`, `tools` and `metadata` may be JSON in a text, since a CSV cell has no other way.
- Null is absent, and so is a blank text, except as `prompt` and as `id`, where it is an error.
- Every other column is kept in the prompt's metadata under its own name, beside what `metadata` holds.
- `id` is a text or a whole number; a row without one is named after its content.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from judgegen.llm.calls import canonical
from judgegen.records import Prompt
from judgegen.sources import beside, chat, jsonrows, shapes, wrappings
from judgegen.sources.columns import Mapped, known
from judgegen.sources.plain import check, columns, without_nulls
from judgegen.sources.readings import EMPTIED, Names
from judgegen.sources.rows import RowError, kind, quoted
from judgegen.sources.spellings import chat as spelled
from judgegen.sources.spellings import (
    given,
    is_chat,
    is_transcript,
    listed,
    optional,
    role_named,
    template,
    transcript,
    unwrapped,
)

NAMES = ("id", "prompt", "messages", "system", "reference", "tools", "metadata")
TEXTS = ("instruction", "question", "input", "text")
"""Columns that are taken for the prompt's text, in this order, where there is no `prompt` and no `messages`."""

_ABSENT = EMPTIED - {"None", "null", "NULL", "N/A"} | {""}

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken(Generic[Item]):
    """What a row came to.

    Attributes:
        named: whether the id was written in the row.
        content: 16 bytes that identify what is asked, whatever it is called.
        others: the columns that were no fields, as `remark` wants them.
        told: what else to tell the user of, once.
    """

    item: Item
    id: str
    named: bool
    content: bytes
    others: tuple[str, ...] = ()
    told: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked in a row, the names of the columns that say it, and what to tell the user of it."""

    messages: list[dict[str, Any]]
    reference: str | None
    tools: list[dict[str, Any]]
    columns: frozenset[str]
    told: str | None = None

    def content(self) -> dict[str, Any]:
        """What identifies it. A key that is null says what an absent key says, and counts as one."""
        asked = {"messages": self.messages, "tools": self.tools}
        return {**without_nulls(asked), "reference": self.reference}


def prompt(row: Mapping[str, Any] | str, line: int, *, names: Names = Names()) -> Taken[Prompt]:  # noqa: B008 - frozen
    """The prompt in a row; a text is a row with that `prompt`.

    Raises:
        RowError: what is wrong with the row.
    """
    given = dict(columns({"prompt": row} if isinstance(row, str) else row))
    found, cells = asked(given, names)
    key = dict(names.mapped).get("id", "id")
    name = identifier({"id": given.get(key)})
    fields = {*found.columns, key, "metadata"} | (set() if names.mapped else set(NAMES))
    others = tuple(column for column in cells if column not in fields)
    content = canonical(found.content())
    made = Prompt(
        id="p-" + _hash(content, size=8).hex() if name is None else name,
        messages=tuple(found.messages),
        reference=found.reference,
        tools=tuple(found.tools),
        metadata=metadata(cells, others),
        line=line,
    )
    named = name is not None
    return Taken(item=made, id=made.id, named=named, content=_hash(content, size=16), others=others, told=found.told)


def _hash(said: bytes, *, size: int) -> bytes:
    return hashlib.blake2b(said, digest_size=size).digest()


def asked(cells: Mapping[str, Any], names: Names) -> tuple[Asked, Mapping[str, Any]]:
    """What a row asks, and its cells: out of their wrapping, where they stood in one.

    Raises:
        RowError: what is wrong with them.
    """
    _check_asked(cells, names.mapped)
    if names.mapped or _says_more(cells):
        return _of_any_shape(cells, names)
    try:
        messages, used = _messages(cells)
    except RowError as plain:
        try:
            return _of_any_shape(cells, names)
        except RowError:
            raise plain from None
    return _by_name(cells, messages, used), cells


def _check_asked(cells: Mapping[str, Any], mapped: Mapped) -> None:
    """Refuse a row that asks with pictures or sounds in columns of their own, or is a turn that asks nothing.

    Raises:
        RowError: which column says so; where the prompt's is mapped, none does.
    """
    if any(meaning in ("prompt", "chat") for meaning, _ in mapped):
        return
    if name := next((name for name in cells if beside.seen(name) and given(cells[name])), None):
        raise RowError(
            f"{name!r} belongs to what is asked, and words are all that is sent; where they are enough by themselves, "
            "name their column under [columns], like prompt = 'question'"
        )
    role = cells.get("role")
    if isinstance(role, str) and "messages" not in cells and role_named(role) in ("assistant", "system", "tool"):
        raise RowError(f"role is {role!r}, so that the row is no question; put the messages of a chat into one row")


def _says_more(cells: Mapping[str, Any]) -> bool:
    """Whether more is asked than a prompt's own column says: in chats beside it, in earlier turns, one text a turn."""
    table = known(tuple(cells))
    if table.plain.get("history") in cells and isinstance(cells[table.plain["history"]], list):
        return True
    sides = (*table.of("chosen"), *table.of("rejected"), *(table.several.columns if table.several else ()))
    beside = (cells[name] for name in sides if name in cells)
    return any(is_chat(listed(value)) or (isinstance(value, str) and is_transcript(value)) for value in beside) or (
        table.several is not None and any(listed(cells.get(name)) for name in table.several.columns)
    )


def _of_any_shape(cells: Mapping[str, Any], names: Names) -> tuple[Asked, Mapping[str, Any]]:
    found, inner = shapes.asked(cells, names)
    answered = shapes.answered(inner, names) or shapes.offered(cells, names)
    made = Asked(
        messages=chat.messages(found.messages),
        reference=found.reference,
        tools=[dict(tool) for tool in found.tools],
        columns=found.columns,
        told=None if answered is None else f"the answer that {answered!r} ends with is left out; the rest is asked",
    )
    return made, inner


def _by_name(cells: Mapping[str, Any], messages: list[dict[str, Any]], used: tuple[str, ...]) -> Asked:
    """What a row asks whose columns have the names above; `messages` stood in those `used`."""
    system, last = _system(cells), messages[-1]["content"]
    used = used if system is None else (*used, system)
    mark = template(last) if isinstance(last, str) else None
    told = None if mark is None else f"a prompt is written out by a chat template ({mark} …), and is asked as it stands"
    return Asked(
        messages=chat.under_system(messages, None if system is None else text(cells, system)),
        reference=_name(cells, "reference") if _known(cells.get("reference")) else None,
        tools=chat.tools(from_json(cells, "tools")) if optional(cells.get("tools")) else [],
        columns=frozenset(used),
        told=told,
    )


def identifier(cells: Mapping[str, Any]) -> str | None:
    """The id written in a row, None where there is none.

    Raises:
        RowError: empty, or neither a text nor a whole number.
    """
    name = _name(cells, "id")
    if name is not None and not name.strip():
        raise RowError("id is empty; leave it out to have the prompt named after its content")
    return name


def metadata(cells: Mapping[str, Any], others: tuple[str, ...]) -> dict[str, Any]:
    """The row's `metadata` and the columns `others`; what is no object stays under that name.

    Raises:
        RowError: `metadata` is a text that begins like an object and is none, or names what one of them names too.
    """
    own = cells.get("metadata") if _given(cells, "metadata") else {}
    if isinstance(own, str) and own.lstrip().startswith("{"):
        own = from_json(cells, "metadata")
    if not isinstance(own, dict):
        own = {"metadata": own}
    if both := [name for name in others if name in own]:
        raise RowError(f"{quoted(both)} stands in metadata and as a column; rename one")
    return {**own, **{name: cells[name] for name in others}}


def check_columns(names: Sequence[str], mapped: Mapped = ()) -> None:
    """Raise RowError when none of a table's columns, or of a row's keys, can hold what is asked."""
    table = known(tuple(names), mapped)
    sides = (*table.of("chosen"), *table.of("rejected"), *(table.several.columns if table.several else ()))
    if not (table.of("prompt") or table.of("chat") or sides or wrappings.may_wrap(names)):
        raise _no_prompt(names)


def _no_prompt(names: Sequence[str]) -> RowError:
    wanted = ("prompt", "messages", *TEXTS)
    texts = [name for name in names if not name.lower().endswith(("_id", " id"))]
    hits = [(name, difflib.get_close_matches(name.lower(), wanted, n=1)) for name in texts]
    hint = next((f"; is {near[0]!r} meant by {name!r}?" for name, near in hits if near), "")
    mend = hint or (f"; name it under [columns], like prompt = {names[0]!r}" if names else "")
    return RowError(f"no prompt: the columns are {quoted(names)}, known are {', '.join(wanted)}{mend}")


def remark(name: str, cells: Mapping[str, Any], fields: Sequence[str] = NAMES) -> str | None:
    """What to tell the user of a column that is no field, None where nothing seems amiss."""
    if name in TEXTS:
        source = next((n for n in ("messages", "prompt", *TEXTS) if _given(cells, n)), None)
        if source not in (None, name):
            return f"the column {name!r} is kept as metadata; what is asked stands in {source!r}"
    if beside.adds(name) and beside.words_of(cells.get(name)).strip():
        source = next((n for n in ("prompt", *TEXTS) if _given(cells, n)), None)
        if source is not None and isinstance(cells[source], str) and not beside.holds(cells[source], cells[name]):
            mend = f"where it belongs to the question: prompt = '{source}+{name}' under [columns]"
            return f"the column {name!r} is kept as metadata and not asked; {mend}"
    missing = [field for field in fields if cells.get(field) is None]
    if near := difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.8):
        return f"the column {name!r} is kept as metadata; if {near[0]!r} is meant, rename it"
    return None


def text(cells: Mapping[str, Any], name: str) -> str:
    """A text that may not be blank.

    Raises:
        RowError: it is, or it is no text.
    """
    value = cells[name]
    if not isinstance(value, str):
        mend = f"; name what is asked in it under [columns], like prompt = '{name}.KEY'"
        raise RowError(f"{name} is {kind(value)}, not text{mend if isinstance(value, Mapping) else ''}")
    if not value.strip():
        raise RowError(f"{name} is empty")
    if value.strip() in EMPTIED:
        raise RowError(f"{name} is {value.strip()!r}, which an empty cell becomes as a text; leave the row out")
    return value


def from_json(cells: Mapping[str, Any], name: str) -> Any:
    """A cell that may be JSON in a text.

    Raises:
        RowError: the text is not JSON, or JSON that a row may not hold.
    """
    value = cells[name]
    if not isinstance(value, str):
        return value
    try:
        value = jsonrows.parse(value)
        check(value)
    except RowError as error:
        raise RowError(f"{name}: {error}") from None
    return value


def _messages(cells: Mapping[str, Any]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The chat that is asked, and the columns it came from."""
    if "messages" in cells and "prompt" in cells:
        raise RowError("has both prompt and messages; keep one")
    if "messages" in cells:
        return chat.messages(_spelled(from_json(cells, "messages"))), ()
    asked = unwrapped(cells.get("prompt"), "prompt")
    if isinstance(asked, list):
        return chat.messages(_spelled(asked), "prompt"), ()
    name = None if "prompt" in cells else _conversation(cells)
    if name is not None:
        return chat.messages(_spelled(unwrapped(cells[name], name)), name), (name,)
    written, used = _text(cells)
    if is_transcript(written) and written.rstrip().endswith("Assistant:"):
        return transcript(written, asks=True), used
    return [{"role": "user", "content": written}], used


def _spelled(value: Any) -> Any:
    """A chat of {from, value} as the chat API has it; anything else untouched."""
    tagged = is_chat(value) and any("from" in message for message in value)
    return spelled(value, "messages") if tagged else value


def _conversation(cells: Mapping[str, Any]) -> str | None:
    """The column of a chat by another name than messages, where no column of texts is known."""
    if any(name in cells for name in TEXTS):
        return None
    names = (name for name in known(tuple(cells)).of("chat") if name != "messages")
    return next((name for name in names if is_chat(unwrapped(cells[name], name))), None)


def _text(cells: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The text that is asked, and the columns it came from."""
    if "prompt" in cells:
        return text(cells, "prompt"), ()
    filled = [name for name in TEXTS if _given(cells, name) and not _emptied(cells[name])]
    if not filled and (other := _other(cells)) is not None:
        return text(cells, other), (other,)
    if not filled:
        empty = next((name for name in TEXTS if name in cells), None)
        raise _no_prompt(list(cells)) if empty is None else RowError(f"{empty} is empty")
    blank = tuple(name for name in TEXTS if name in cells and name not in filled)
    if filled[0] == "instruction" and "input" in filled:
        both = f"{text(cells, 'instruction')}\n\n{text(cells, 'input')}"
        return both, ("instruction", "input", *blank)
    return text(cells, filled[0]), (filled[0], *blank)


def _other(cells: Mapping[str, Any]) -> str | None:
    """A column of texts under one of the prompt's other names, or spelled in another way."""
    if any(name in cells for name in TEXTS):
        return None
    names = known(tuple(cells)).of("prompt")
    return next((name for name in names if isinstance(cells[name], str) and optional(cells[name])), None)


def _given(cells: Mapping[str, Any], name: str) -> bool:
    """Whether a column says anything: neither null nor a blank text."""
    value = cells.get(name)
    return value is not None and not (isinstance(value, str) and not value.strip())


def _known(value: Any) -> bool:
    """Whether a reference says anything: words for nothing may be the answer, but not those that are a table's."""
    return value is not None and not (isinstance(value, str) and value.strip() in _ABSENT)


def _emptied(value: Any) -> bool:
    """Whether a text is what an empty cell became."""
    return isinstance(value, str) and value.strip() in EMPTIED


def _system(cells: Mapping[str, Any]) -> str | None:
    """The column of the system message, under any of its names; a word that an empty cell became is none."""
    return next((name for name in known(tuple(cells)).of("system") if optional(cells[name])), None)


def _name(cells: Mapping[str, Any], name: str) -> str | None:
    """A text or a whole number, as text. A fraction is refused: 7.0 may be what a table made of 7."""
    value = cells.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        found = f"the number {value}" if isinstance(value, float) else kind(value)
        raise RowError(f"{name} is {found}, not text or a whole number")
    return value
