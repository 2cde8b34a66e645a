"""Rows of the commonest kinds, read several times as fast: what is asked, and a pair or one answer, as texts or chats.

What their columns say is made out once, as a `Plan`. A row in which anything stands that wants a closer look (a
transcript, a tool, a rating that contradicts) is left to `judgegen.formats.origin`, which reads all rows; of the others
both say the same. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Row
from judgegen.formats.origin import LABELS, has_columns, is_json, scored
from judgegen.formats.origins import known_by, origin
from judgegen.sources import wrappings
from judgegen.sources.beside import NAME, adds, asks, extends, holds, names_another, speaks
from judgegen.sources.columns import ColumnNames, known
from judgegen.sources.pairs import LABELLED
from judgegen.sources.questions import folded
from judgegen.sources.readings import EMPTIED, repeats, side_columns
from judgegen.sources.spellings import given, is_plain, optional
from judgegen.sources.verdicts import REFUSED, is_decision, is_step, number, wanted, word

_BESIDE = ("context", "history")
Chat = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSense:
    """What the columns of a row say.

    Attributes:
        answer: the column of the better side, or of the one answer; `rejected` is the worse side's, None without one.
        prompts: columns that may hold what is asked, the likeliest first; `asking` do nothing else.
        beside: the column of what belongs to the first of `prompts` as Alpaca's `input` does to its instruction.
        systems: columns that may hold the system message.
        copies: columns of a chat, which has to be the chosen one.
        absent: columns that want a closer look where they say anything.
        label: the column that says whether one answer is wanted.
        kinds: of one answer, what the shape takes: "labelled", "answer".
        scores, models: columns of the sides' ratings and models; `scale` is the longest gap of two ratings.
        others: columns that nobody knows.
        named: whether a column names the prompt.
    """

    answer: str
    rejected: str | None
    prompts: tuple[str, ...]
    asking: tuple[str, ...]
    beside: str | None
    systems: tuple[str, ...]
    copies: tuple[str, ...]
    absent: tuple[str, ...]
    label: str | None
    kinds: frozenset[str]
    scores: tuple[tuple[str, ...], ...]
    models: tuple[str | None, ...]
    scale: float | None
    others: tuple[str, ...]
    named: bool


@lru_cache(maxsize=1024)
def plan(columns: tuple[str, ...], name: str | None) -> RowSense | None:
    """What rows with these columns say, of the shape `name` where one is named; None where they want a closer look."""
    shape = known_by(columns) if name is None else origin(name)
    table = known(columns)
    sides = _sides(table)
    if sides is None or shape.read is not None or not has_columns(columns, shape) or _odd(table):
        return None
    answer, rejected, label = sides
    if rejected is not None and ("pair" not in shape.kinds or _twice(table)):
        return None
    beside = _beside(table)
    if wrappings.may_wrap(set(columns) - {beside}) or ("input" in table.plain and beside is None):
        return None
    absent = {column for meaning in ("tools", "reference") for column in table.of(meaning)}
    absent |= (set(LABELS) - {"prompt_id"}) & set(columns)
    absent |= set(filter(extends, columns)) | (set(filter(adds, columns)) - {beside})
    if rejected is None and label is None:
        absent |= set(filter(speaks, columns))
    pairs = side_columns(table) if rejected is not None else frozenset()
    known_columns = pairs | absent | {answer, rejected, label, "prompt_id"}
    return RowSense(
        answer=answer,
        rejected=rejected,
        prompts=tuple(column for column in table.of("prompt") if column not in (answer, rejected)),
        asking=tuple(column for column in columns if asks(column) and column not in (answer, rejected)),
        beside=beside,
        systems=table.of("system"),
        copies=table.of("chat"),
        absent=tuple(sorted(absent)),
        label=label,
        kinds=shape.kinds,
        scores=table.side_scores if rejected is not None else (),
        models=table.side_models if rejected is not None else (),
        scale=shape.scale,
        others=tuple(column for column in columns if column not in known_columns),
        named="prompt_id" in columns,
    )


def _sides(table: ColumnNames) -> tuple[str, str | None, str | None] | None:
    """The columns of the better and of the worse side; or of the one answer, None, and of what says if it is wanted."""
    chosen, rejected, answers = table.of("chosen"), table.of("rejected"), table.of("answer")
    if chosen and rejected:
        return (chosen[0], rejected[0], None) if "label" not in table.plain else None
    labels = table.of("label")
    if chosen or rejected or len(answers) != 1 or len(labels) > 1 or table.of("answers"):
        return None
    if not labels and (table.of("rating") or table.of("ranks")):
        return None
    return answers[0], None, labels[0] if labels else None


def _twice(table: ColumnNames) -> bool:
    """Whether both sides may stand in two columns each."""
    return all(len(table.of(meaning)) > 1 for meaning in ("chosen", "rejected"))


def _beside(table: ColumnNames) -> str | None:
    first = table.of("prompt")[:1]
    return table.plain.get("input") if first and table.plain.get("instruction") == first[0] else None


def _odd(table: ColumnNames) -> bool:
    listed = table.of("answers") and table.of("scores")
    return bool(table.several or listed or table.side_ranks or table.twins) or any(
        name in table.plain for name in (*_BESIDE, *LABELLED) if name != "label"
    )


def preference(row: Mapping[str, Any], how: RowSense) -> Row | None:
    """The preference in a row, None where it wants a closer look."""
    for column in how.absent:
        if given(row[column]):
            return None
    asked = _asked(row, how)
    name = row["prompt_id"] if how.named else None
    if asked is None or not (name is None or type(name) is str):
        return None
    system, chat, used = asked
    if _named(row[how.answer], row) or (how.rejected is not None and _named(row[how.rejected], row)):
        return None
    made = _pair(system, chat, row, how) if how.rejected is not None else _alone(system, chat, row, how, used)
    if made is None or not _copied(row, how, used):
        return None
    rest = {column: row[column] for column in how.others if column not in used and given(row[column])}
    if rest:
        made["metadata"] = rest
    return {"prompt_id": name or messages.prompt_id(made["prompt"]), **made} if is_json(rest) else None


def _named(value: Any, row: Mapping[str, Any]) -> bool:
    """Whether a side may be the name of another column."""
    return type(value) is str and len(value) <= NAME and names_another(value, tuple(row)) is not None


def _copied(row: Mapping[str, Any], how: RowSense, used: set[str | None]) -> bool:
    """Whether every chat beside the sides is the chosen one."""
    for column in how.copies:
        if how.rejected is not None and type(row[column]) is list and row[column] == row[how.answer]:
            used.add(column)
        elif type(row[column]) in (list, str):
            return False
    return True


def _asked(row: Mapping[str, Any], how: RowSense) -> tuple[Chat, Chat, set[str | None]] | None:
    """The system message in a list, the rest of what columns ask, and those columns; each list may be empty."""
    name = next((column for column in how.prompts if optional(row[column])), None)
    chat = _prompt(None if name is None else row[name])
    used = {name}
    if chat is None or (len(how.asking) > 1 and _differ(chat, row, how, name)):
        return None
    if how.beside is not None and how.beside != name and given(more := row[how.beside]):
        if type(more) is not str or name != how.prompts[0] or type(row[name]) is not str:
            return None
        if optional(more):
            if " ".join(more.split()) in folded(chat[0]):
                return None
            chat, used = messages.user(f"{chat[0]['content']}\n\n{more}"), {name, how.beside}
    column = next((column for column in how.systems if given(row[column])), None)
    if column is None:
        return [], chat, used
    if type(row[column]) is not str or not optional(row[column]) or (chat and chat[0]["role"] == "system"):
        return None
    return [{"role": "system", "content": row[column]}], chat, used | {column}


def _differ(chat: Chat, row: Mapping[str, Any], how: RowSense, name: str | None) -> bool:
    """Whether another column that asks may ask something else than the one message."""
    if len(chat) != 1:
        return False
    others = (row[column] for column in how.asking if column != name)
    return any(given(other) and not (type(other) is str and holds(folded(chat[0]), other)) for other in others)


def _prompt(value: Any) -> Chat | None:
    """What a cell asks: a text, or plain messages of which the last is a user's; empty for None."""
    if value is None:
        return []
    if type(value) is str:
        return messages.user(value) if is_plain(value) else None
    return value if type(value) is list and _asks(value) else None


def _asks(chat: Chat) -> bool:
    """Whether plain messages end with something to answer, and only the first may be the system's."""
    roles = [_role(message) for message in chat]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    known = turns[-1:] == ["user"] and all(role in ("user", "assistant") for role in turns)
    return known and not chat[-1]["content"].isspace() and chat[-1]["content"] != ""


def _pair(system: Chat, chat: Chat, row: Mapping[str, Any], how: RowSense) -> Row | None:
    chosen, rejected = row[how.answer], row[how.rejected or ""]
    if type(chosen) is list and len(chosen) > 1:
        chat, chosen, rejected = _whole(chat, chosen, rejected)
        if chat and system and chat[0]["role"] == "system":
            return None
    good, bad = _side(chosen), _side(rejected)
    if not chat or type(chosen) is not type(rejected) or good is None or bad is None or messages.alike(good, bad):
        return None
    if repeats(chat[-1]["content"], [good[0]["content"], bad[0]["content"]]):
        return None
    made = {"prompt": [*system, *chat], "chosen": good, "rejected": bad}
    return made if _scored(made, row, how) else None


def _whole(chat: Chat, chosen: Chat, rejected: Any) -> tuple[Chat, Any, Any]:
    """Two whole chats that differ in the last message alone, as what is asked and the answers.

    Nothing is asked where they are no such chats, or `chat` is not what they ask.
    """
    begun = chosen[:-1]
    if type(rejected) is not list or begun != rejected[:-1] or not _asks(begun):
        return [], None, None
    if chat and chat != begun and not (len(chat) == 1 and chat[0] in begun):
        return [], None, None
    return begun, chosen[-1:], rejected[-1:]


def _side(value: Any) -> Chat | None:
    """One plain answer in a cell."""
    if type(value) is str:
        value = messages.answer(value) if is_plain(value) else None
    if type(value) is not list or len(value) != 1 or _role(value[0]) != "assistant":
        return None
    words = value[0]["content"].strip()
    return value if words and words not in EMPTIED else None


def _role(message: Any) -> Any:
    """The role of a message of a role and a text and nothing more."""
    if type(message) is not dict or len(message) != 2 or type(message.get("content")) is not str:
        return None
    role = message.get("role")
    return role if type(role) is str else None


def _alone(system: Chat, chat: Chat, row: Mapping[str, Any], how: RowSense, used: set[str | None]) -> Row | None:
    """One answer, wanted or not; where nothing says that, none of the other cells may say that it is a bad one."""
    side = _side(row[how.answer])
    if side is None or not chat:
        return None
    if is_decision(side[0]["content"]) or is_step(side[0]["content"]):
        return None
    made: Row = {"prompt": [*system, *chat]}
    if how.label is not None:
        good = wanted(row[how.label], {}) if given(row[how.label]) else None
        return None if good is None or "labelled" not in how.kinds else made | {"chosen" if good else "rejected": side}
    if "answer" not in how.kinds or any(
        type(value) is dict or (type(value) is str and word(value) in REFUSED)
        for column, value in row.items()
        if column != how.answer and column not in used
    ):
        return None
    return made | {"chosen": side, "reference": side[0]["content"]}


def _scored(made: Row, row: Mapping[str, Any], how: RowSense) -> bool:
    """Give a preference its ratings and models; False where a rating is no higher than the other."""
    for columns in how.scores:
        good, bad = number(row[columns[0]]), number(row[columns[1]])
        if good is None or bad is None:
            if given(row[columns[0]]) and given(row[columns[1]]):
                return False
            continue
        if good <= bad:
            return False
        if "scores" not in made:
            made |= scored(good, bad, how.scale)
    for key, column in zip(("chosen_from", "rejected_from"), how.models, strict=False):
        if column is not None and isinstance(row[column], str) and given(row[column]):
            made[key] = {"model": row[column]}
    return True
