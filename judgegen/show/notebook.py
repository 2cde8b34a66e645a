"""A run in Jupyter: its card, and its progress while `await judgegen.generate(...)` goes on.

Knows nothing of how a run is made; all text of models and users is escaped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from judgegen.llm.calls import Call, Outcome
from judgegen.records import Result
from judgegen.show.progress import Tally, counts, traffic
from judgegen.show.words import (
    ESTIMATE_COLUMNS,
    cost_line,
    estimate_rows,
    figures,
    first_pairs,
    headline,
    said,
    shortened,
)

if TYPE_CHECKING:
    from judgegen.run.estimate import Estimate
    from judgegen.run.result import Run
    from judgegen.study.check import Check

UPDATE_EVERY_S = 0.5
CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
TEXT_WIDTH = 300


def run_html(run: Run) -> str:
    """A run's card: counts, spend, drops, diagnostics and the first pairs; no scripts, nothing from elsewhere."""
    facts = [*figures(run.summary).items(), ("folder", str(run.folder))]
    pairs = [
        (said(row["prompt"][-1:]), said(row["chosen"]), said(row["rejected"]), f"{row['p_chosen']:.2f}")
        for row in first_pairs(run.folder)
    ]
    table = _table(pairs, head=("prompt", "chosen", "rejected", "p")) if pairs else ""
    return f"<div><strong>{escape(headline(run.summary))}</strong>{_table(facts)}{table}</div>"


def estimate_html(found: Estimate) -> str:
    """An estimate's card: the expected cost, the table behind it, what it rests on."""
    rests_on = "".join(f"<li>{escape(assumption)}</li>" for assumption in found.assumptions)
    table = _table(estimate_rows(found), head=ESTIMATE_COLUMNS)
    return f"<div><strong>{escape(cost_line(found))}</strong>{table}<ul>{rests_on}</ul></div>"


def check_html(done: Check) -> str:
    """A check's card: its figures, the reliability table, accuracy against coverage."""
    from judgegen.trust import words

    found = done.report
    title = f"{done.judge}: {found.n:,} comparisons of {found.prompts:,} prompts"
    tables = (
        _table(words.figures(found), head=words.FIGURES),
        _table(words.reliability(found), head=words.RELIABILITY),
        _table(words.risk(found), head=words.RISK),
    )
    return f"<div><strong>{escape(title)}</strong>{''.join(tables)}</div>"


def _table(rows: Iterable[Iterable[str]], head: Iterable[str] = ()) -> str:
    top = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<table style="margin:4px 0">{f"<tr>{top}</tr>" if top else ""}{body}</table>'


def _cell(text: str) -> str:
    return f'<td style="{CELL}">{escape(shortened(text, TEXT_WIDTH))}</td>'


class Notebook(Tally):
    """One output of the cell, brought up to date as the run goes; warnings stay under it. Without IPython, a tally.

    Give it to generate: `await judgegen.generate("run.toml", watch=Notebook())`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._handle: Any = None
        self._shown_at = 0.0
        self._warnings: list[str] = []

    def started(self, *, prompts: int, folder: str) -> None:
        """The output appears."""
        super().started(prompts=prompts, folder=folder)
        ipython = sys.modules.get("IPython")  # in a notebook it is there; elsewhere it is not worth importing
        if ipython is not None and ipython.get_ipython() is not None:
            self._handle = ipython.display.display({"text/html": self.html()}, raw=True, display_id=True)

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        """Show it, unless something was shown just now."""
        super().landed(call, outcome, fresh=fresh)
        if self.clock() - self._shown_at >= UPDATE_EVERY_S:
            self._show()

    def warned(self, message: str) -> None:
        """Show it now."""
        self._warnings.append(message)
        self._show()

    def finished(self, result: Result) -> None:
        """The last prompt brings the last update."""
        super().finished(result)
        if self.done == self.prompts:
            self._show()

    def html(self) -> str:
        """A bar, the counts under it, the warnings."""
        bar = f'<progress value="{self.share():.4f}" max="1" style="width:24em"></progress>'
        lines = [counts(self), traffic(self), *(f"warning: {warning}" for warning in self._warnings)]
        return f"<div>{bar}{''.join(f'<div>{escape(line)}</div>' for line in lines)}</div>"

    def _show(self) -> None:
        self._shown_at = self.clock()
        if self._handle is not None:
            self._handle.update({"text/html": self.html()}, raw=True)
