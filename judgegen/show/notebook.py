"""A run's progress in Jupyter while `await judgegen.generate(...)` goes on, by itself; and its stop button.

Knows nothing of how a run is made; all text of models and users is escaped.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from html import escape
from typing import Any, TypeVar

from judgegen.errors import Interrupted
from judgegen.llm.calls import Call, Outcome
from judgegen.llm.stop import Stop
from judgegen.records import Result
from judgegen.show.progress import asked, counts, latency, traffic
from judgegen.show.tally import Tally
from judgegen.show.words import duration
from judgegen.textual import harmless
from judgegen.watch import Watch

T = TypeVar("T")

UPDATE_EVERY_S = 0.5
_CELL = "text-align:left;padding:0 12px 0 0"


def in_kernel() -> bool:
    """Whether cells of a notebook are run here; elsewhere IPython is not worth importing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def usual_watch(noun: str = "prompts") -> Watch:
    """What watches a job that was told of no watch: a notebook shows it, anything else is silent."""
    watch = Notebook() if in_kernel() else None
    if watch is not None:
        watch.noun = noun
    return watch or Watch()


async def stoppable(job: Coroutine[Any, Any, T], stop: Stop, watch: Watch) -> T:
    """What `job` comes to. In a notebook the stop button is Ctrl-C: what is in flight lands, the outputs are written.

    A kernel cancels the cell's coroutine; elsewhere a cancellation is its caller's and goes through.

    Raises:
        Interrupted: the cell was stopped; with the run.
    """
    if not in_kernel():
        return await job
    task = asyncio.ensure_future(job)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelled():
            raise
        stop.request(Interrupted("the cell was stopped; what was in flight is in the journal: run it again to go on"))
        return await task
    finally:
        if isinstance(watch, Notebook):
            watch.close()


class Notebook(Tally):
    """One output of the cell, brought up to date as the run goes; warnings stay under it. Without IPython, a tally.

    `await judgegen.generate(...)` shows one by itself; a cell that is run again shows a new one in its place.
    """

    foretells = True

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._handle: Any = None
        self._shown_at = 0.0
        self._folder = self._expected_line = ""
        self._over = False
        self._warnings: list[str] = []

    def expected(self, line: str) -> None:
        """It stands above the bars."""
        self._expected_line = line
        self._appear()

    def started(self, *, prompts: int, folder: str) -> None:
        """The output appears."""
        super().started(prompts=prompts, folder=folder)
        self._folder = folder
        self._appear()

    def sent(self, call: Call) -> None:
        """Count it."""
        super().sent(call)
        self._now_and_then()

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        """Show it, unless something was shown just now."""
        super().landed(call, outcome, fresh=fresh)
        self._now_and_then()

    def retried(self, call: Call, why: str, wait_s: float) -> None:
        """Show it, unless something was shown just now."""
        super().retried(call, why, wait_s)
        self._now_and_then()

    def waits(self, message: str) -> None:
        """Show it now."""
        super().waits(message)
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

    def close(self) -> None:
        """The last picture: nothing goes on any more."""
        self._over = True
        self._show()

    def html(self) -> str:
        """Bars by role, the counts under them, the warnings."""
        head = [self._expected_line, f"{self.prompts:,} {self.noun} in {self._folder}" if self._folder else ""]
        state = [f"waiting: {self.waiting}"] if self.waiting else []
        lines = [f"{counts(self)}, {duration(self.elapsed_s)} gone", traffic(self), *state]
        said = [*filter(None, head), *(lines if self._folder else []), *(f"warning: {w}" for w in self._warnings)]
        shown = "".join(f"<div>{escape(harmless(line))}</div>" for line in said)
        stopped = "<div><em>ended</em></div>" if self._over and self.done < self.prompts else ""
        return f"<div>{self._bars()}{shown}{stopped}</div>"

    def _bars(self) -> str:
        whole = f'<progress value="{self.share():.4f}" max="1" style="width:24em"></progress>'
        rows = "".join(
            f'<tr><td style="{_CELL}">{escape(name)}</td><td style="{_CELL}">{asked(self, name)} calls</td>'
            f'<td style="{_CELL}">{latency(self.roles[name])}</td></tr>'
            for name in sorted(self.roles, key=lambda role: (role != "sampler", role))
        )
        return f"{whole}<table>{rows}</table>" if rows else whole

    def _appear(self) -> None:
        ipython = sys.modules.get("IPython")
        if self._handle is None and ipython is not None and ipython.get_ipython() is not None:
            self._handle = ipython.display.display({"text/html": self.html()}, raw=True, display_id=True)

    def _now_and_then(self) -> None:
        if self.clock() - self._shown_at >= UPDATE_EVERY_S:
            self._show()

    def _show(self) -> None:
        self._shown_at = self.clock()
        if self._handle is not None:
            self._handle.update({"text/html": self.html()}, raw=True)
