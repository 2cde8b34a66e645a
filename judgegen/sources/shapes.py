"""A row of any published shape as what it says it is: the one reader behind import, inspect and judge check.

A row that contradicts itself is refused: equal or reversed ratings, labels that disagree, a prompt that the chats do
not ask. Nothing is guessed that no column says; what no column of the table takes is left as metadata. Knows nothing of
consumers, files or of scales: ratings come out as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from judgegen.sources import spellings
from judgegen.sources.beside import check_whole
from judgegen.sources.columns import ColumnNames, known
from judgegen.sources.compared import compared, turned
from judgegen.sources.pairs import pair
from judgegen.sources.questions import Question, question
from judgegen.sources.readings import Names, Reading, first, shared
from judgegen.sources.rows import Bad, Cell, ReadError, Row, RowError, Rows, quoted
from judgegen.sources.singles import ended, flagged, may_answer, ranked, single
from judgegen.sources.spellings import given, may_be_more
from judgegen.sources.verdicts import number
from judgegen.sources.wrappings import unpacked

_WORDS = {"prompt", "chat", "chosen", "answer"}
"""Meanings of columns of words; where a mapping names one, they are all that a row says."""


def read(row: Mapping[str, Any], names: Names) -> tuple[Reading, dict[str, Any]]:
    """What a row says, and its cells as they were read: those that are given, out of their wrapping.

    Raises:
        NoPreference: a tie, or answers to different prompts.
        RowError: nothing that can be learned from, a contradiction, or what cannot be told; with the mend.
    """
    cells, table = _opened(row, names)
    _check_cells(cells, table)
    if not _WORDS & {meaning for meaning, _ in names.mapped}:
        check_whole(cells, table)
    found = (
        flagged(cells, table)
        or pair(cells, table)
        or compared(cells, table, names)
        or ranked(cells, table, names)
        or single(cells, table)
    )
    if found is None:
        raise RowError(_nothing(cells, table))
    return found, cells


def _check_cells(cells: Mapping[str, Any], table: ColumnNames) -> None:
    """Refuse what a table's cell spells where that is either an answer in JSON or a list that holds the answer.

    Raises:
        RowError: which cell.
    """
    if Cell not in map(type, cells.values()):
        return
    names = [name for meaning in ("chosen", "rejected", "answer", "prompt") for name in table.of(meaning)]
    names += table.several.columns if table.several else ()
    if not any(isinstance(cells.get(name), Cell) for name in names):
        return
    prompt = first(cells, table, "prompt")
    if prompt is not None and table.several is not None and turned(cells, prompt, table.several) is not None:
        return
    if doubtful := [name for name in names if name not in table.own and may_be_more(cells.get(name))]:
        raise RowError(
            f"{doubtful[0]} is a list or an object in a table's cell: whether it is a text or what it holds, cannot be "
            "told; save the table as JSONL or Parquet, or say that it is a text by --map"
        )


def _opened(row: Mapping[str, Any], names: Names) -> tuple[dict[str, Any], ColumnNames]:
    """A row's cells that say something, out of their wrapping, and what their columns may say."""
    given_row, row = row, unpacked(row)
    for column in (part for _, columns in names.mapped for part in columns.split("+")):
        if column not in row and column in given_row:  # what a mapping names is not moved away
            row = {**row, column: given_row[column]}
        elif "." in column and column not in row:
            row = {**row, column: _inner(row, column) or _inner(given_row, column)}
    cells = {name: cell for name, cell in row.items() if given(cell)}
    table = known(tuple(row), names.mapped)
    for name, twin in table.twins:
        if name in cells and twin in cells and cells[name] != cells[twin] and name not in table.own:
            raise RowError(f"{twin!r} and {name!r} are one name and say different things; rename one")
    # An answer that says nothing is one of two all the same, and an id may be any text.
    blank = (*(table.several.columns if table.several else ()), *table.of("id"))
    return cells | {name: row[name] for name in blank if isinstance(row.get(name), str)}, table


def asked(row: Mapping[str, Any], names: Names) -> tuple[Question, dict[str, Any]]:
    """What a row of any shape asks, and its cells; what its answers are worth, ties too, is not looked at.

    It is what the row's whole chats begin with, up to the last turn that all of them share; where a mapping names the
    prompt's column, that alone.

    Raises:
        RowError: nothing is asked, or columns ask different things; with the mend.
    """
    cells, table = _opened(row, names)
    if (choice := offered(cells, names)) is not None:
        cells = {**cells, choice: cells[choice][:-1]}
    sides = frozenset(table.several.columns if table.several else ())
    sides |= {name for meaning in ("chosen", "rejected", "answer", "answers") for name in table.of(meaning)}
    end, own = ended(cells, table), {"prompt", "chat"} & {meaning for meaning, _ in names.mapped}
    rest, whole = _whole(frozenset() if own else sides, cells, table, end)
    found = question({name: cell for name, cell in rest.items() if name != end}, table, sides)
    if whole:
        found = found.agreeing(whole[0][: shared(whole)])
    if not found.turns:
        raise RowError(_nothing_asked(cells, names))
    return replace(found, columns=found.columns | ({end} if end is not None else set())), cells


def answered(cells: Mapping[str, Any], names: Names) -> str | None:
    """The column of a chat that ends with an answer, and says what is asked before it."""
    return ended(cells, known(tuple(cells), names.mapped))


def offered(cells: Mapping[str, Any], names: Names) -> str | None:
    """The column of a chat whose last turn has candidates to choose from, as Amazon Nova's, and says nothing itself."""
    table = known(tuple(cells), names.mapped)
    for name in (*table.of("chat"), *table.of("prompt")):
        last = cells[name][-1] if isinstance(cells.get(name), list) and cells[name] else None
        if isinstance(last, Mapping) and isinstance(last.get("candidates"), list) and not given(last.get("content")):
            return name
    return None


def _whole(
    sides: frozenset[str], cells: Mapping[str, Any], table: ColumnNames, end: str | None
) -> tuple[Mapping[str, Any], list[spellings.Chat]]:
    """The row without a prompt that is one text a turn, and the whole chats among its sides and in `end`."""
    prompt = first(cells, table, "prompt")
    if sides and prompt is not None and table.several is not None:
        turns = turned(cells, prompt, table.several)
        if turns is not None:
            return {name: cell for name, cell in cells.items() if name != prompt}, turns
    places = [name for name in cells if name in sides or name == end]
    return cells, [chat for name in places if (chat := whole_chat(cells[name], name)) is not None]


def whole_chat(value: Any, name: str) -> spellings.Chat | None:
    """The chat in a cell that begins with what is asked; None where it is an answer alone.

    Raises:
        RowError: a message is none, or it cannot be read back.
    """
    value = spellings.unwrapped(value, name)
    if isinstance(value, Mapping):
        value = value.get("messages")
    if isinstance(value, str) and spellings.is_transcript(value):
        found = spellings.transcript(value)
    elif spellings.is_chat(value):
        found = spellings.chat(value, name)
    else:
        return None
    return found if found[0].get("role") != "assistant" else None


PROBE = 200
"""Rows looked at before the first is read."""


def looked_at(rows: Rows) -> tuple[Rows, frozenset[str]]:
    """The rows, and the columns whose numbers the first of them make doubtful, see `unsure`."""
    head: list[Row | Bad] = []
    try:
        head.extend(islice(rows, PROBE))
    except ReadError as error:
        return _ending(head, error), unsure(head)
    return chain(head, rows), unsure(head)


def _ending(head: list[Row | Bad], error: ReadError) -> Rows:
    yield from head
    raise error


def unsure(rows: Iterable[Row | Bad]) -> frozenset[str]:
    """The columns of labels of two answers with numbers that are not the answers' own: -1, or a 3 beside 1 and 2.

    Answers in a list count from 0.

    A 1 of such a column is not the first answer's either, and is not believed.
    """
    found = set()
    for row in rows:
        if not isinstance(row, Row) or not isinstance(row.value, Mapping):
            continue
        table = known(tuple(row.value))
        start = table.several.numbered_from if table.several is not None else 0 if table.of("answers") else None
        if start is None:
            continue
        for name in table.of("winner"):
            value = number(row.value.get(name))
            if value is not None and not (value in (start, start + 1) or (start == 1 and 1 < value < 2)):
                found.add(name)
    return frozenset(found)


def _inner(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _nothing_asked(cells: Mapping[str, Any], names: Names) -> str:
    wanted = [column for meaning, column in names.mapped if meaning in ("prompt", "chat")]
    if wanted:
        return f"{wanted[0]!r}, which is to be the prompt, says nothing here: the columns are {quoted(list(cells))}"
    return f"no prompt: the columns are {quoted(list(cells))}; name it under [columns], like prompt = 'q'"


def _is_answers(cell: list[Any]) -> bool:
    return all(isinstance(one, Mapping) and isinstance(one.get("text"), str) for one in cell)


def _nothing(cells: Mapping[str, Any], table: ColumnNames) -> str:
    asks = first(cells, table, "prompt", "chat") is not None
    lacks = "no answer beside its prompt" if asks else "no prompt and no answer known by its name"
    mend = "name them, like --map prompt=q,chosen=good,rejected=bad, or response_a=x,response_b=y,winner=w"
    several = [name for name, cell in cells.items() if isinstance(cell, list) and cell and _is_answers(cell)]
    if asks and not several and not may_answer(cells, table):
        mend = "none of the others holds an answer, which a preference is about"
    if several and asks:
        mend = f"if its answers are in {several[0]!r}: --map answers={several[0]}"
    return f"{lacks}: the columns are {quoted(list(cells))}; {mend}"
