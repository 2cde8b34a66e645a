"""Rows with a better and a worse answer, side by side or one of them at the end of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from judgegen.sources import spellings, verdicts
from judgegen.sources.beside import check_named
from judgegen.sources.columns import SCORES, ColumnNames
from judgegen.sources.questions import Question, folded, question
from judgegen.sources.readings import (
    Answer,
    Reading,
    first,
    models,
    outranked,
    parted,
    rated,
    repeats,
    side,
    side_columns,
)
from judgegen.sources.rows import NoPreference, RowError, quoted
from judgegen.sources.spellings import Chat

LABELLED = (
    *("status", "winner", "label", "preference", "is_tie", "tie", "human_preference", "human_label", "verdict", "vote"),
    *("choice", "judgment", "majority_vote"),
)
"""Columns beside a pair that may say that it is none."""


def pair(cells: Mapping[str, Any], table: ColumnNames) -> Reading | None:
    """The pair in a row, None where it is of another kind.

    Raises:
        RowError: it contradicts itself, or cannot be told.
    """
    good, bad = first(cells, table, "chosen"), first(cells, table, "rejected")
    if bad is None:
        return None
    if good is None:
        good = first(cells, table, "answer") or _ended(cells, table)
    if good is None:
        if table.several is not None:
            return None
        raise RowError(f"{bad} has no better answer beside it")
    told = cells if {good, bad} <= table.own else _told(cells, table, good, bad)
    if told is None:
        return None
    cells = told
    _check_twice(cells, table, good, bad)
    check_named(cells, table, (good, bad))
    chosen, rejected = _sides(cells[good], good), _sides(cells[bad], bad)
    if good in table.of("chat") and rejected[0][0].get("role") == "assistant":
        rejected = [[*chosen[0][:-1], *one] for one in rejected]
    asked = question(_without_copies(cells, table, good, chosen), table, frozenset({good, bad}))
    if _after_mark(cells, table):
        chosen, rejected = ([_stripped(one) for one in each] for each in (chosen, rejected))
    chats, asked = parted([*chosen, *rejected], asked)
    _check_begun(chats, asked, table, (good, bad))
    if any(one in chats[len(chosen) :] for one in chats[: len(chosen)]):
        raise RowError("chosen and rejected are the same")
    answers = [Answer(messages=chat) for chat in chats]
    if len(answers) == 2:
        answers = _scored(cells, table, chats, (cells[good], cells[bad]))
    copies = {name for name in table.of("chat") if spellings.is_chat(cells.get(name)) and name not in asked.columns}
    used = asked.columns | {good, bad} | side_columns(table) | copies
    return Reading(kind="pair", asked=asked, answers=tuple(answers), better=len(chosen), used=used)


def _check_twice(cells: Mapping[str, Any], table: ColumnNames, good: str, bad: str) -> None:
    """Refuse two pairs of texts in one row that say different things.

    Raises:
        RowError: their columns.
    """
    if {good, bad} <= table.own:
        return
    others = [next((n for n in table.of(m)[1:] if isinstance(cells.get(n), str)), None) for m in ("chosen", "rejected")]
    pairs = [(name, cells[name], cells[other]) for name, other in zip((good, bad), others, strict=True) if other]
    if len(pairs) == 2 and all(isinstance(value, str) and value.strip() != more.strip() for _, value, more in pairs):
        raise RowError(
            f"{good!r} and {others[0]!r} say different things, and so do {bad!r} and {others[1]!r}; say which are the "
            f"answers: --map chosen={others[0]},rejected={others[1]}, or chosen={good},rejected={bad}"
        )


def _check_begun(chats: list[Chat], asked: Question, table: ColumnNames, sides: tuple[str, str]) -> None:
    """Refuse answers that begin with the whole prompt, as texts for completion do, unless their columns are mapped.

    Raises:
        RowError: they do.
    """
    begun = [chat[0].get("content") for chat in chats]
    if not set(sides) <= table.own and repeats(asked.turns[-1].get("content"), begun):
        raise RowError(
            "every answer begins with the whole prompt; cut it off, or where it belongs to them: "
            f"--map chosen={sides[0]},rejected={sides[1]}"
        )


def _told(cells: Mapping[str, Any], table: ColumnNames, good: str, bad: str) -> Mapping[str, Any] | None:
    """The row with the two answers that its columns mean; None where they name the sides of a comparison.

    Raises:
        NoPreference, RowError: a label says that the pair is none, or what the columns mean cannot be told.
    """
    _check_labels(cells, table, good, bad)
    return None if _names_sides(cells, table, good, bad) else _pointed(cells, table, good, bad)


def _names_sides(cells: Mapping[str, Any], table: ColumnNames, good: str, bad: str) -> bool:
    """Whether `chosen` and `rejected` are no answers but say which of two others is which.

    Raises:
        RowError: the chosen one is neither of the two answers beside it.
    """
    several = table.several
    if several is None or len(several.columns) != 2 or {good, bad} & set(several.columns):
        return False
    answers = [cells.get(name) for name in several.columns]
    if None in answers or not all(isinstance(cells[name], str | int) for name in (good, bad)):
        return False
    if any(str(answer).strip() in str(cells[good]) for answer in answers):
        return False
    votes = [verdicts.vote(cells[name], several, table.values, tuple(models(cells, table))) for name in (good, bad)]
    if sorted(str(vote) for vote in votes) == ["A", "B"]:
        return True
    raise RowError(
        f"{good} is neither of {quoted(several.columns)}, nor says which of them it is; if it is an answer of its own: "
        f"--map chosen={good},rejected={bad}"
    )


def _pointed(cells: Mapping[str, Any], table: ColumnNames, good: str, bad: str) -> Mapping[str, Any]:
    """The row with answers where `chosen` and `rejected` are places in a list of them.

    Raises:
        RowError: nothing shows whether the places are counted from 0 or from 1.
    """
    name = first(cells, table, "answers")
    listed = None if name is None else spellings.listed(cells[name])
    places = [cells[good], cells[bad]]
    if not listed or not all(type(place) is int and 0 <= place <= len(listed) for place in places):
        return cells
    start = 0 if 0 in places else 1 if len(listed) in places else None
    if start is None or (start == 0 and len(listed) in places):
        raise RowError(f"{good} and {bad} are places in {name}, and whether they count from 0 or 1 cannot be told")
    return {**cells, good: listed[places[0] - start], bad: listed[places[1] - start]}


def _ended(cells: Mapping[str, Any], table: ColumnNames) -> str | None:
    """The column of a chat that ends with an answer."""
    for name in table.of("chat"):
        value = spellings.unwrapped(cells.get(name), name)
        if spellings.is_chat(value) and spellings.chat(value, name)[-1].get("role") == "assistant":
            return name
    return None


def _sides(value: Any, name: str) -> list[Chat]:
    """A side's answers or whole chats: one, or several where the cell is a list of texts."""
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return [side(one, name) for one in value]
    return [side(value, name)]


def _after_mark(cells: Mapping[str, Any], table: ColumnNames) -> bool:
    """Whether the prompt is a transcript, behind whose last mark answers begin with a blank."""
    name = first(cells, table, "prompt")
    return name is not None and isinstance(cells[name], str) and spellings.is_transcript(cells[name])


def _stripped(chat: Chat) -> Chat:
    return [{**m, "content": m["content"].strip()} if isinstance(m.get("content"), str) else m for m in chat]


def _without_copies(cells: Mapping[str, Any], table: ColumnNames, good: str, chosen: list[Chat]) -> Mapping[str, Any]:
    """The row without a chat that only repeats the chosen side."""
    kept = dict(cells)
    for name in table.of("chat"):
        value = spellings.unwrapped(cells.get(name), name)
        if name == good or not spellings.is_chat(value):
            continue
        chat = spellings.chat(value, name)
        if chat[-1].get("role") != "assistant":
            continue
        if folded(chat[-1]) != folded(chosen[0][-1]):
            raise RowError(f"{name} ends with an answer that is not the chosen one beside it")
        kept[name] = chat[:-1]
        if len(chosen[0]) > 1 or chosen[0][0].get("role") != "assistant":
            del kept[name]
    return kept


def _scored(cells: Mapping[str, Any], table: ColumnNames, chats: list[Chat], sides: tuple[Any, Any]) -> list[Answer]:
    """The two sides with their ratings and models.

    Raises:
        NoPreference: two ratings are the same.
        RowError: the chosen side has the lower one.
    """
    ratings = [(a, b) for a, b in rated(cells, table)] if table.several is None else []
    ratings = ratings or _inside(sides) or _of_generations(cells, table, chats)
    for chosen, rejected in (*ratings, *_ranks(cells, table)):
        if chosen == rejected:
            raise NoPreference("both sides have the same score: a tie, not a preference")
        if chosen < rejected:
            raise RowError("the chosen side has the lower score")
    scores = ratings[0] if ratings else (None, None)
    named = models(cells, table) if table.several is None else []
    return [
        Answer(messages=chat, score=score, model=model)
        for chat, score, model in zip_longest(chats, scores, named[:2], fillvalue=None)
        if chat is not None
    ]


def _ranks(cells: Mapping[str, Any], table: ColumnNames) -> list[tuple[float, ...]]:
    return outranked(cells, table) if table.several is None else []


def _inside(sides: tuple[Any, ...]) -> list[tuple[float, float]]:
    """The ratings that stand inside two sides that are objects, beside their texts."""
    if not all(isinstance(one, Mapping) for one in sides):
        return []
    both = [[verdicts.number(one.get(key)) for one in sides] for key in SCORES]
    return [(good, bad) for good, bad in both if good is not None and bad is not None]


def _of_generations(cells: Mapping[str, Any], table: ColumnNames, chats: list[Chat]) -> list[tuple[float, float]]:
    """The ratings of the sides in a list of all answers that stands beside a list of their ratings."""
    texts, numbers = (next((cells[n] for n in table.of(m) if n in cells), None) for m in ("answers", "scores"))
    if not isinstance(texts, list) or not isinstance(numbers, list) or len(texts) != len(numbers):
        return []
    by_text = {text: verdicts.number(n) for text, n in zip(texts, numbers, strict=True) if isinstance(text, str)}
    chosen, rejected = (by_text.get(chat[-1].get("content") or "") for chat in chats)
    return [] if chosen is None or rejected is None else [(chosen, rejected)]


def _check_labels(cells: Mapping[str, Any], table: ColumnNames, good: str, bad: str) -> None:
    """Refuse a row whose label says that its pair is none.

    Raises:
        NoPreference: a tie.
        RowError: the rejected side is called the better one.
    """
    for known in LABELLED:
        name = table.plain.get(known)
        value = None if name is None or name in (good, bad) else cells.get(name)
        if verdicts.is_tie(value) or (known in ("is_tie", "tie") and value is True):
            raise NoPreference(f"{name} says that it is a tie, not a preference")
        said = verdicts.wanted(value, {}) if known == "label" else None
        if said is False or (isinstance(value, str) and verdicts.word(value) in ("rejected", "discarded")):
            raise RowError(
                f"{name} is {value!r} beside a chosen and a rejected answer, which it contradicts; where it says "
                f"something else of them: --map chosen={good},rejected={bad}"
            )
