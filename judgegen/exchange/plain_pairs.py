"""Rows of the commonest kind, read several times as fast: a chosen and a rejected text or chat, and what is asked.

What their columns say is made out once, as a `Plan`. A row in which anything stands that wants a closer look (a system
message, a transcript, a tool, a rating that contradicts) is left to `judgegen.formats.origin`, which reads all rows; of
the others both say the same. Knows nothing of files.
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
from judgegen.sources.columns import ColumnNames, known
from judgegen.sources.pairs import LABELLED
from judgegen.sources.readings import EMPTIED, side_columns
from judgegen.sources.spellings import given, is_plain, optional
from judgegen.sources.verdicts import number

_BESIDE = ("input", "context", "history")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the columns of a row say.

    Attributes:
        chosen, rejected: the columns of the two sides.
        prompts: columns that may hold what is asked, the likeliest first.
        copies: columns of a chat, which has to be the chosen one.
        absent: columns that want a closer look where they say anything.
        scores, models: columns of the sides' ratings and models; `scale` is the longest gap of two ratings.
        others: columns that nobody knows.
        named: whether a column names the prompt.
    """

    chosen: str
    rejected: str
    prompts: tuple[str, ...]
    copies: tuple[str, ...]
    absent: tuple[str, ...]
    scores: tuple[tuple[str, ...], ...]
    models: tuple[str | None, ...]
    scale: float | None
    others: tuple[str, ...]
    named: bool


@lru_cache(maxsize=1024)
def plan(columns: tuple[str, ...], name: str | None) -> Plan | None:
    """What rows with these columns say, of the shape `name` where one is named; None where they want a closer look."""
    shape = known_by(columns) if name is None else origin(name)
    table = known(columns)
    if shape.read is not None or "pair" not in shape.kinds or not has_columns(columns, shape) or _odd(table):
        return None
    if not table.of("chosen") or not table.of("rejected") or wrappings.INSIDE & set(columns):
        return None
    chosen, rejected = table.of("chosen")[0], table.of("rejected")[0]
    absent = {column for meaning in ("system", "tools", "reference") for column in table.of(meaning)}
    absent |= (set(LABELS) - {"prompt_id"}) & set(columns)
    known_columns = side_columns(table) | absent | {chosen, rejected, "prompt_id"}
    return Plan(
        chosen=chosen,
        rejected=rejected,
        prompts=tuple(column for column in table.of("prompt") if column not in (chosen, rejected)),
        copies=table.of("chat"),
        absent=tuple(sorted(absent)),
        scores=table.side_scores,
        models=table.side_models,
        scale=shape.scale,
        others=tuple(column for column in columns if column not in known_columns),
        named="prompt_id" in columns,
    )


def _odd(table: ColumnNames) -> bool:
    listed = table.of("answers") and table.of("scores")
    return bool(table.several or listed or table.side_ranks or table.twins) or any(
        name in table.plain for name in (*_BESIDE, *LABELLED)
    )


def preference(row: Mapping[str, Any], how: Plan) -> Row | None:
    """The preference in a row, None where it wants a closer look."""
    for column in how.absent:
        if given(row[column]):
            return None
    chosen, rejected = row[how.chosen], row[how.rejected]
    asked = next((column for column in how.prompts if optional(row[column])), None)
    words = None if asked is None else row[asked]
    if words is not None and not (type(words) is str and is_plain(words)):
        return None
    made = _texts(words, chosen, rejected) if type(chosen) is str else _chats(words, chosen, rejected)
    name = row["prompt_id"] if how.named else None
    if made is None or not _scored(made, row, how) or not (name is None or type(name) is str):
        return None
    skipped = {asked}
    for column in how.copies:
        if type(chosen) is list and row[column] == chosen:
            skipped.add(column)
        elif type(row[column]) in (list, str):
            return None
    rest = {column: row[column] for column in how.others if column not in skipped and given(row[column])}
    if rest:
        made["metadata"] = rest
    return {"prompt_id": name or messages.prompt_id(made["prompt"]), **made} if is_json(rest) else None


def _texts(words: str | None, chosen: str, rejected: Any) -> Row | None:
    if words is None or type(rejected) is not str or not (is_plain(chosen) and is_plain(rejected)):
        return None
    return _two(messages.user(words), messages.answer(chosen), messages.answer(rejected))


def _chats(words: str | None, chosen: Any, rejected: Any) -> Row | None:
    """Two chats of plain messages that differ in the last alone, with the words that are asked in one of the user's."""
    if type(chosen) is not list or type(rejected) is not list or len(chosen) < 2 or chosen[:-1] != rejected[:-1]:
        return None
    roles = [_role(message) for message in (*chosen, rejected[-1])]
    turns = roles[1:] if roles[0] == "system" else roles
    if turns[-3:] != ["user", "assistant", "assistant"] or not {"user", "assistant"}.issuperset(turns):
        return None
    asks = [message["content"] for message in chosen[:-1] if message["role"] == "user"]
    if not asks[-1].strip() or (words is not None and words not in asks):
        return None
    return _two(chosen[:-1], chosen[-1:], rejected[-1:])


def _role(message: Any) -> Any:
    """The role of a message of a role and a text and nothing more."""
    if type(message) is not dict or len(message) != 2 or type(message.get("content")) is not str:
        return None
    role = message.get("role")
    return role if type(role) is str else None


def _two(prompt: list[Any], chosen: list[Any], rejected: list[Any]) -> Row | None:
    good, bad = chosen[0]["content"].strip(), rejected[0]["content"].strip()
    if not good or not bad or good in EMPTIED or bad in EMPTIED or messages.alike(chosen, rejected):
        return None
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _scored(made: Row, row: Mapping[str, Any], how: Plan) -> bool:
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
