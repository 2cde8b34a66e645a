"""A row of any published shape as what it says it is: the one reader behind import, inspect and judge check.

A row that contradicts itself is refused: equal or reversed ratings, labels that disagree, a prompt that the chats do
not ask. Nothing is guessed that no column says; what no column of the table takes is left as metadata. Knows nothing of
consumers, files or of scales: ratings come out as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from judgegen.sources.columns import Known, known
from judgegen.sources.compared import compared
from judgegen.sources.pairs import pair
from judgegen.sources.readings import Names, Reading, first
from judgegen.sources.rows import Bad, Row, RowError, quoted
from judgegen.sources.singles import ranked, single
from judgegen.sources.spellings import given
from judgegen.sources.verdicts import number
from judgegen.sources.wrappings import unpacked


def read(row: Mapping[str, Any], names: Names) -> tuple[Reading, dict[str, Any]]:
    """What a row says, and its cells as they were read: those that are given, out of their wrapping.

    Raises:
        NoPreference: a tie, or answers to different prompts.
        RowError: nothing that can be learned from, a contradiction, or what cannot be told; with the mend.
    """
    row = unpacked(row)
    for _, column in names.mapped:
        if "." in column and column not in row:
            row = {**row, column: _inner(row, column)}
    cells = {name: cell for name, cell in row.items() if given(cell)}
    table = known(tuple(row), names.mapped)
    # An answer that says nothing is one of two all the same, and an id may be any text.
    blank = (*(table.several.columns if table.several else ()), *table.of("id"))
    cells |= {name: row[name] for name in blank if isinstance(row.get(name), str)}
    found = pair(cells, table) or compared(cells, table, names) or ranked(cells, table, names) or single(cells, table)
    if found is None:
        raise RowError(_nothing(cells, table))
    return found, cells


def unsure(rows: Iterable[Row | Bad]) -> frozenset[str]:
    """The columns of labels of two answers with numbers that are not the answers' own: -1, or a 3 beside 1 and 2.

    A 1 of such a column is not the first answer's either, and is not believed.
    """
    found = set()
    for row in rows:
        if not isinstance(row, Row) or not isinstance(row.value, Mapping):
            continue
        table = known(tuple(row.value))
        start = table.several.numbered_from if table.several is not None else None
        if start is None:
            continue
        for name in table.of("winner"):
            value = number(row.value.get(name))
            if value is not None and value not in (start, start + 1):
                found.add(name)
    return frozenset(found)


def _inner(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _nothing(cells: Mapping[str, Any], table: Known) -> str:
    asks = first(cells, table, "prompt", "chat") is not None
    lacks = "no answer beside its prompt" if asks else "no prompt and no answer known by its name"
    return f"{lacks}: the columns are {quoted(list(cells))}; name them, like --map prompt=q,chosen=good"
