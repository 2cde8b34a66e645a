"""Shows a run as it goes: a live display on a terminal, a plain line now and then elsewhere.

What is shown is computed from the counts of a tally by a thread of its own, so that watching costs the run next to
nothing. Knows nothing of how calls are answered.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from judgegen.llm.calls import Call, Outcome
from judgegen.run.events import Event, Events
from judgegen.show.tally import Role, Tally
from judgegen.show.words import duration, money, quantity, shortened
from judgegen.textual import harmless

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

REFRESH_HZ = 6
LINE_EVERY_S = 10.0
Part = tuple[int, str]
"""What stands in a line, and how early it gives way where room is short: 0 never does."""
_LIMITS = {"concurrency": "max_concurrency", "server": "what the server bears"}


def counts(tally: Tally) -> str:
    """Prompts done, pairs made, flips and the time left."""
    return ", ".join(text for _, text in _counts(tally))


def _counts(tally: Tally) -> Iterator[Part]:
    yield 0, f"{tally.done:,}/{tally.prompts:,} {tally.noun}"
    if tally.noun == "prompts":
        yield 0, f"{tally.pairs:,} pairs"
    if (flips := tally.flip_rate()) is not None:
        yield 1, f"{flips:.0%} flipped"
    if (left := tally.left_s()) is not None:
        yield 0, f"{duration(left)} left"


def traffic(tally: Tally) -> str:
    """Pace, requests in flight, tokens, spend; what the journal gave, what was sent again, what holds it up."""
    return ", ".join(text for _, text in _traffic(tally))


def _traffic(tally: Tally) -> Iterator[Part]:
    yield 0, f"{tally.calls_per_s():.1f} calls/s"
    yield 3, f"{tally.in_flight} in flight"
    yield 4, f"{quantity(tally.tokens)} tokens"
    yield from _spend(tally)
    if tally.from_journal:
        before = f" ({money(tally.spent_before)})" if tally.spent_before else ""
        yield 2, f"{tally.from_journal:,} from the journal{before}"
    if tally.retries:
        yield 1, f"{tally.retries:,} sent again"
    if tally.failed:
        yield 0, f"{tally.failed:,} without an answer"
    if tally.retries or tally.failed:
        yield 5, f"last trouble: {shortened(tally.last_reason, 60)}"
    if held := tally.held():
        what, _, rest = held.partition(" ")
        yield 0, f"held by {_LIMITS.get(what, what)}{rest and f' {rest}'}"


def _spend(tally: Tally) -> Iterator[Part]:
    unknown = f" and {tally.unpriced} calls of unknown price" if tally.unpriced else ""
    whole = f" now, {money(tally.spent + tally.spent_before)}" if tally.spent_before else ""
    yield 0, f"{money(tally.spent)}{unknown}" + ("" if tally.cap is None else f"{whole} of ${tally.cap:f}")
    if (projected := tally.projected()) is not None and projected and tally.done < tally.prompts:
        yield 1, f"about {money(projected)} in all"


def latency(role: Role) -> str:
    """The seconds in which half, and nearly all, of the last answers came; "" before the first."""
    middle, late = role.quantile(0.5), role.quantile(0.95)
    return "" if middle is None or late is None else f"p50 {_seconds(middle)}, p95 {_seconds(late)}"


def _seconds(number: float) -> str:
    return f"{number * 1000:.0f}ms" if number < 0.9995 else f"{number:.1f}s" if number < 99.95 else duration(number)


def asked(tally: Tally, name: str) -> str:
    """A role's calls answered, of how many as far as one knows."""
    most = tally.calls_of(name)
    return f"{tally.roles[name].done:,}" + ("" if most is None else f"/{most:,}")


def fitted(parts: Iterator[Part], width: int) -> str:
    """The parts in a line of at most `width` characters, if leaving out all that may give way is enough."""
    kept = list(parts)
    while len(line := ", ".join(text for _, text in kept)) > width and any(first for first, _ in kept):
        kept.remove(max(kept, key=lambda part: part[0]))
    return line


class Shown(Tally):
    """A tally that is shown between entering and leaving it; `close` may be called twice."""

    verbose = False
    """Whether every request that was sent again, refused or lost is told of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Show nothing more."""

    def say(self, sentence: str) -> None:
        """A line that stays."""

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        """Count it, and tell of a refusal where everything is told."""
        super().landed(call, outcome, fresh=fresh)
        if self.verbose:
            Events(self._told).landed(call, outcome, fresh=fresh)

    def retried(self, call: Call, why: str, wait_s: float) -> None:
        """Count it, and tell of it where everything is told."""
        super().retried(call, why, wait_s)
        if self.verbose:
            Events(self._told).retried(call, why, wait_s)

    def lost(self, call: Call, why: str) -> None:
        """Count it, and tell of it where everything is told."""
        super().lost(call, why)
        if self.verbose:
            Events(self._told).lost(call, why)

    def _told(self, event: Event) -> None:
        self.say(event.sentence)


class Quiet(Shown):
    """Says only what the user should know."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def say(self, sentence: str) -> None:
        """As a line."""
        print(harmless(sentence), file=self.stream, flush=True)

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
        """Says what begins and where it goes; before that the last line of a job that was watched before it."""
        follows = self._thread.is_alive()
        if follows:
            self._line()
        super().started(prompts=prompts, folder=folder)
        print(f"{prompts:,} {self.noun} -> {folder}", file=self.stream, flush=True)
        if not follows:
            self._thread.start()

    def divided(self, message: str) -> None:
        """As it is."""
        self.say(message)

    def waits(self, message: str) -> None:
        """Says for what, when that changes."""
        if message != self.waiting:
            self.say(f"waiting: {message}")
        super().waits(message)

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
        times = "".join(f"; {name} {said}" for name, role in list(self.roles.items()) if (said := latency(role)))
        now = f"{duration(self.elapsed_s)}: {counts(self)}; {traffic(self)}{times}"
        print(now, file=self.stream, flush=True)


class Live(Shown):
    """A bar per role and two lines under them on a terminal, redrawn by rich's thread `REFRESH_HZ` times a second."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as Display

        super().__init__()
        self.console = console
        self._display = Display(
            console=console, get_renderable=lambda: Picture(self), refresh_per_second=REFRESH_HZ, transient=True
        )

    def started(self, *, prompts: int, folder: str) -> None:
        """Nothing is drawn before there is something to count."""
        super().started(prompts=prompts, folder=folder)
        self.console.print(f"{prompts:,} {self.noun} -> {folder}", markup=False, highlight=False)
        self._display.start(refresh=True)

    def divided(self, message: str) -> None:
        """As it is."""
        self.say(message)

    def say(self, sentence: str) -> None:
        """A line above the bars, where it stays."""
        from rich.text import Text

        self.console.print(Text(harmless(sentence), style="dim"))

    def warned(self, message: str) -> None:
        """A warning above the bars, where it stays."""
        from rich.text import Text

        # A Text, since a style given to print would colour the bars as well.
        self.console.print(Text(harmless(f"warning: {message}"), style="yellow"))

    def close(self) -> None:
        """Take the bars away and give the cursor back."""
        self._display.stop()


class Picture:
    """What the counts look like now, in a console as wide as it is."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The bars and the two lines."""
        from rich.text import Text

        tally, width = self.tally, options.max_width
        if tally.roles:
            yield self._bars(width)
        gone = (0, f"{duration(tally.elapsed_s)} gone")
        yield Text(fitted(iter([*_counts(tally), gone]), width), overflow="ellipsis", no_wrap=True)
        last = f"waiting: {tally.waiting}" if tally.waiting else fitted(_traffic(tally), width)
        yield Text(last, style="dim", overflow="ellipsis", no_wrap=True)

    def _bars(self, width: int) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        rows = Table.grid(padding=(0, 2))
        for name in sorted(self.tally.roles, key=lambda role: (role != "sampler", role)):
            role, most = self.tally.roles[name], self.tally.calls_of(name)
            bar = ProgressBar(total=float(most or 1), completed=role.done if most else 0, width=min(40, width // 3))
            cells = [asked(self.tally, name), latency(role)] if width >= 60 else [asked(self.tally, name)]
            rows.add_row(name, bar, *(Text(cell, no_wrap=True) for cell in cells))
        return rows


def watch_for(
    stream: TextIO | None = None, *, quiet: bool = False, noun: str = "prompts", verbose: bool = False
) -> Shown:
    """The watch for `stream` (stderr): live on a terminal that can move its cursor, else lines; if quiet, warnings.

    `verbose`: with a line for every request that was sent again, refused or lost.
    """
    watch = _watch_for(stream or sys.stderr, quiet=quiet)
    watch.noun, watch.verbose = noun, verbose
    return watch


def _watch_for(stream: TextIO, *, quiet: bool) -> Shown:
    if quiet:
        return Quiet(stream)
    if not stream.isatty():
        return Lines(stream)
    from rich.console import Console

    console = Console(file=stream)
    return Lines(stream) if console.is_dumb_terminal else Live(console)
