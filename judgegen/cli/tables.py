"""Tables on a terminal. Knows nothing of how their numbers came about."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from judgegen.run.expected import COLUMNS, Estimate

TEXT_COLUMNS = 2
"""The first columns hold names; the others numbers, which stand to the right."""


def print_estimate(found: Estimate) -> None:
    """The expected cost, the table behind it, and what it rests on."""
    print(found.line())
    if found.cost_usd_batch is not None:
        print(found.line(batch=True))
    print()
    Console(highlight=False).print(_table(COLUMNS, found.table()))
    print("\nwhat it rests on:")
    for assumption in found.assumptions:
        print(f"- {assumption}")


def printed(columns: Iterable[str], rows: Iterable[Iterable[str]], *, names: Collection[int]) -> str:
    """A table as text as wide as the terminal; the columns numbered `names` hold words."""
    console = Console(highlight=False)
    with console.capture() as captured:
        console.print(_table(columns, rows, names))
    return captured.get().rstrip("\n")


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]], text: Collection[int] = range(TEXT_COLUMNS)) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        names = number in text
        table.add_column(name, justify="left" if names else "right", overflow="fold", no_wrap=not names)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
