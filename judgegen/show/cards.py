"""Cards for Jupyter: a headline over tables and notes, as HTML that loads nothing and runs nothing.

Knows plain data alone; all text of models and users is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from judgegen.show.words import shortened

CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
TEXT_WIDTH = 300


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a head; without a head where it is empty."""

    rows: Iterable[Iterable[str]]
    head: Iterable[str] = ()

    def html(self) -> str:
        """The table, every cell shortened to a line."""
        top = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in self.head)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        return f'<table style="margin:4px 0">{f"<tr>{top}</tr>" if top else ""}{body}</table>'


def _cell(text: str) -> str:
    return f'<td style="{CELL}">{escape(shortened(text, TEXT_WIDTH))}</td>'


def card(headline: str, *tables: Table, notes: Iterable[str] = ()) -> str:
    """A headline, tables, and notes as a list under them."""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    body = "".join(table.html() for table in tables)
    return f"<div><strong>{escape(headline)}</strong>{body}{f'<ul>{items}</ul>' if items else ''}</div>"
