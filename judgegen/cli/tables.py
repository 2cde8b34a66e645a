"""Tables on a terminal of any width. Knows nothing of how their numbers came about.

Names and numbers are never cut or broken: a pipe and a CI log are 80 columns wide, and a figure whose owner's name is
gone is worth nothing. Headers and sentences give way first; where that is not enough, the names stand above their
numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from judgegen.cli.outlet import fitting
from judgegen.run.expected import COLUMNS, Estimate

GAP = 2


def print_estimate(found: Estimate) -> None:
    """The expected cost, the table behind it, and what it rests on."""
    print("\n".join(fitting(found.line())))
    if found.cost_usd_batch is not None:
        print("\n".join(fitting(found.line(batch=True))))
    print()
    print(printed(COLUMNS, found.table(), names=(0, 1)))
    print("\nwhat it rests on:")
    for assumption in found.assumptions:
        print("\n".join(fitting(f"- {assumption}")))


def printed(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, names: Collection[int], words: Collection[int] = ()
) -> str:
    """A table as text, as wide as the terminal, wider only where its numbers alone are.

    The columns numbered `names` hold names, those numbered `words` sentences, which may wrap; the others numbers.
    """
    console = Console(highlight=False)
    cells = list(rows)
    text = {*names, *words}
    least = [_least(column, wraps=number in words) for number, column in enumerate(_columns(columns, cells))]
    if _total(least) <= console.width:
        return _text(console, _table(columns, cells, _widths(columns, cells, least, console.width, words), text))
    return _below_their_names(console, columns, cells, names, words)


def _columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Per column its header and its cells."""
    return [[name, *(row[number] for row in rows)] for number, name in enumerate(columns)]


def _least(column: Sequence[str], *, wraps: bool) -> int:
    """The columns that a header and its cells need: headers wrap between words, cells where they are sentences."""
    header, *cells = column
    whole = [word for cell in cells for word in cell.split()] if wraps else cells
    return max(map(cell_len, [*header.split(), *whole]), default=0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _widths(
    columns: Sequence[str], rows: Sequence[Sequence[str]], least: Sequence[int], most: int, words: Collection[int]
) -> list[int]:
    """What is left over goes to sentences first, then to headers, as far as they have use for it."""
    widths, left = list(least), most - _total(least)
    asked = [max(map(cell_len, column)) for column in _columns(columns, rows)]
    for number in sorted(range(len(widths)), key=lambda n: n not in words):
        more = min(left, asked[number] - widths[number])
        widths[number], left = widths[number] + more, left - more
    return widths


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], text: Collection[int] = ()
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 0, 0, GAP))
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number in text else "right", width=widths[number], overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _text(console: Console, table: Table) -> str:
    """What the console shows of a table, which may be wider than it."""
    wide = Console(highlight=False, width=max(console.width, _total([column.width or 0 for column in table.columns])))
    with wide.capture() as captured:
        wide.print(table)
    return captured.get().rstrip("\n")


def _below_their_names(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    names: Collection[int],
    words: Collection[int],
) -> str:
    """Two lines to a row: names and sentences, and below them the numbers, each under its header."""
    kept = [number for number in range(len(columns)) if number not in {*names, *words}]
    heads = [columns[number] for number in kept]
    numbers = [[row[number] for number in kept] for row in rows]
    least = [_least(column, wraps=False) for column in _columns(heads, numbers)]
    widths = _widths(heads, numbers, least, max(console.width, _total(least)), ())
    lines = _text(console, _table(heads, numbers, widths)).split("\n")
    header, below = lines[: len(lines) - len(rows)], lines[len(lines) - len(rows) :]
    above = [_heading(row, names, words) for row in rows]
    return "\n".join([*header, *(line for pair in zip(above, below, strict=True) for line in pair)])


def _heading(row: Sequence[str], names: Collection[int], words: Collection[int]) -> str:
    named = ", ".join(row[number] for number in names if row[number])
    said = ", ".join(row[number] for number in words if row[number])
    return f"{named}: {said}" if said else named
