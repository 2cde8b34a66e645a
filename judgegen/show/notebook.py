"""A run's progress in Jupyter while `await judgegen.generate(...)` goes on.

Knows nothing of how a run is made; all text of models and users is escaped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

from judgegen.llm.calls import Call, Outcome
from judgegen.records import Result
from judgegen.show.progress import counts, traffic
from judgegen.show.tally import Tally

UPDATE_EVERY_S = 0.5


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
