"""Shows a run as it goes: a live display on a terminal, a plain line now and then elsewhere.

The hooks only count; what is shown is computed from the counts by a thread of its own, so that watching costs the run
next to nothing. Knows nothing of how calls are answered.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from judgegen.llm.calls import Call, Outcome
from judgegen.records import Result
from judgegen.show.words import duration, money, quantity, shortened
from judgegen.textual import harmless
from judgegen.watch import Watch

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESH_HZ = 6
LINE_EVERY_S = 10.0
RATE_OVER_S = 10.0
"""Calls per second are the mean over the last this many seconds."""


class Progress(Watch):
    """Counts what happens. `clock` gives seconds and is read when something is shown, and once per prompt's end."""

    noun = "prompts"
    """What is counted; pairs are counted where it is prompts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.began = clock()
        self.prompts = self.done = self.pairs = 0
        self.fresh = self.from_journal = self.tokens = 0
        self.spent = self.spent_before = Decimal(0)
        self.unpriced = self.retries = 0
        self.last_reason = ""
        self.whole = self.whole_calls = 0
        self._flying: dict[str, str] = {}
        self._rate: deque[tuple[float, int]] = deque([(self.began, 0)])

    def started(self, *, prompts: int, folder: str) -> None:  # noqa: ARG002 - the hook's signature
        """Time counts from here: reading the prompts is not part of the pace."""
        self.prompts = prompts
        self.began = self.clock()
        self._rate = deque([(self.began, 0)])

    def sent(self, call: Call) -> None:
        """One more in flight."""
        self._flying[call.id] = call.tag.prompt_id

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        """One less in flight, or one that the journal knew; tokens are those of this session."""
        if not fresh:
            self.from_journal += 1
            self.spent_before += outcome.cost or 0
            return
        self._flying.pop(call.id, None)
        self.fresh += 1
        self.tokens += outcome.usage.input + outcome.usage.output
        if outcome.cost is None:
            self.unpriced += 1
        else:
            self.spent += outcome.cost

    def retried(self, call: Call, why: str, wait_s: float) -> None:  # noqa: ARG002 - the hook's signature
        """Not in flight while it waits."""
        self._flying.pop(call.id, None)
        self.retries += 1
        self.last_reason = harmless(why)

    def finished(self, result: Result) -> None:
        """A prompt is done; one that is whole says how many calls a prompt takes."""
        self.done += 1
        self.pairs += len(result.pairs)
        if result.drop == "incomplete":  # calls that failed for good never land
            self._flying = {call: prompt for call, prompt in self._flying.items() if prompt != result.prompt.id}
        else:
            self.whole += 1
            self.whole_calls += len(result.calls)

    @property
    def in_flight(self) -> int:
        """Requests that are out now."""
        return len(self._flying)

    def calls_per_s(self) -> float:
        """Fresh answers per second over the last `RATE_OVER_S`, from the moments at which this was asked."""
        now = self.clock()
        while len(self._rate) > 1 and self._rate[1][0] <= now - RATE_OVER_S:
            self._rate.popleft()
        at, fresh = self._rate[0]
        self._rate.append((now, self.fresh))
        return (self.fresh - fresh) / (now - at) if now > at else 0.0

    def share(self) -> float:
        """How much is done, 0 to 1: by calls once a whole prompt has said how many it takes, by prompts before."""
        prompts = self.done / self.prompts if self.prompts else 0.0
        calls = (self.fresh + self.from_journal) / self._expected() if self.whole_calls else 0.0
        return min(1.0, max(prompts, calls))

    def left_s(self) -> float | None:
        """Seconds left: the calls still lacking at this session's pace; None before there is a pace.

        Goes by calls, since many prompts are under way at once. What the journal answered is done, but makes no pace.
        """
        if not self.fresh or not self.whole_calls or self.done >= self.prompts:
            return None
        lacking = max(0.0, self._expected() - self.fresh - self.from_journal)
        return lacking * (self.clock() - self.began) / self.fresh

    def _expected(self) -> float:
        """Calls of the whole run, if the prompts to come take as many as those that are done."""
        return self.whole_calls / self.whole * self.prompts


def counts(tally: Progress) -> str:
    """Prompts done, pairs made and the time left."""
    parts = [f"{tally.done:,}/{tally.prompts:,} {tally.noun}"]
    if tally.noun == "prompts":
        parts.append(f"{tally.pairs:,} pairs")
    if (left := tally.left_s()) is not None:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def traffic(tally: Progress) -> str:
    """Pace, requests in flight, tokens, spend; what the journal gave and what was sent again, where there is any."""
    spend = money(tally.spent) + (f" and {tally.unpriced} calls of unknown price" if tally.unpriced else "")
    parts = [
        f"{tally.calls_per_s():.1f} calls/s",
        f"{tally.in_flight} in flight",
        f"{quantity(tally.tokens)} tokens",
        spend,
    ]
    if tally.from_journal:
        before = f" ({money(tally.spent_before)})" if tally.spent_before else ""
        parts.append(f"{tally.from_journal:,} from the journal{before}")
    if tally.retries:
        parts.append(f"{tally.retries:,} sent again (last: {shortened(tally.last_reason, 60)})")
    return ", ".join(parts)


class Shown(Progress):
    """A tally that is shown between entering and leaving it; `close` may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Show nothing more."""


class Quiet(Shown):
    """Says only what the user should know."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def warned(self, message: str) -> None:
        """A warning on a line of its own."""
        print(f"warning: {message}", file=self.stream, flush=True)


class Lines(Quiet):
    """A plain line every `every_s` seconds and at the end."""

    def __init__(self, stream: TextIO, every_s: float = LINE_EVERY_S) -> None:
        super().__init__(stream)
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._now_and_then, name="progress", daemon=True)

    def started(self, *, prompts: int, folder: str) -> None:
        """Says what begins and where it goes."""
        super().started(prompts=prompts, folder=folder)
        print(f"{prompts:,} {self.noun} -> {folder}", file=self.stream, flush=True)
        self._thread.start()

    def close(self) -> None:
        """The last line, if anything was started."""
        if self._thread.is_alive():
            self._over.set()
            self._thread.join()
            self._line()

    def _now_and_then(self) -> None:
        while not self._over.wait(self._every_s):
            self._line()

    def _line(self) -> None:
        print(f"{duration(self.clock() - self.began)}: {counts(self)}; {traffic(self)}", file=self.stream, flush=True)


class Live(Shown):
    """A bar and a line under it on a terminal, redrawn by rich's thread `REFRESH_HZ` times a second."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as Display

        super().__init__()
        self.console = console
        self._display = Display(
            console=console, get_renderable=self.picture, refresh_per_second=REFRESH_HZ, transient=True
        )

    def started(self, *, prompts: int, folder: str) -> None:
        """Nothing is drawn before there is something to count."""
        super().started(prompts=prompts, folder=folder)
        self.console.print(f"{prompts:,} {self.noun} -> {folder}", markup=False, highlight=False)
        self._display.start(refresh=True)

    def warned(self, message: str) -> None:
        """A warning above the bar, where it stays."""
        from rich.text import Text

        # A Text, since a style given to print would colour the bar as well.
        self.console.print(Text(harmless(f"warning: {message}"), style="yellow"))

    def close(self) -> None:
        """Take the bar away and give the cursor back."""
        self._display.stop()

    def picture(self) -> RenderableType:
        """What the counts look like now."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=1.0, completed=self.share(), width=32), Text(counts(self)))
        return Group(row, Text(traffic(self), style="dim", overflow="ellipsis", no_wrap=True))


def watch_for(stream: TextIO | None = None, *, quiet: bool = False, noun: str = "prompts") -> Shown:
    """The watch for `stream` (stderr): live on a terminal that can move its cursor, else lines; if quiet, warnings."""
    watch = _watch_for(stream or sys.stderr, quiet=quiet)
    watch.noun = noun
    return watch


def _watch_for(stream: TextIO, *, quiet: bool) -> Shown:
    if quiet:
        return Quiet(stream)
    if not stream.isatty():
        return Lines(stream)
    from rich.console import Console

    console = Console(file=stream)
    return Lines(stream) if console.is_dumb_terminal else Live(console)
