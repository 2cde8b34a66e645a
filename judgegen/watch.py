"""The hooks through which a run can be watched; a progress bar, a log or a test is a `Watch`.

The run calls these as things happen, on its event loop; they must return quickly and not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from judgegen.llm.calls import Call, Outcome
from judgegen.records import Result


class EndpointView(Protocol):
    """The way to one endpoint, to be looked at from any thread."""

    def held(self) -> Mapping[str, float]:
        """Seconds that the next call had to wait so far, by what: rpm, tpm, concurrency, server."""
        ...


class Watch:
    """Sees everything, does nothing; subclasses show what they like."""

    foretells = False
    """Whether it is told, before anything is sent, what the run is expected to cost; counting that takes a while."""

    def expected(self, line: str) -> None:
        """What the run is expected to take and to cost against its cap, as a sentence; where it `foretells`."""

    def started(self, *, prompts: int, folder: str) -> None:
        """The prompts are read; nothing has been sent."""

    def capped(self, usd: Decimal | None) -> None:
        """The most that the run folder may cost in all; None without a cap."""

    def divided(self, message: str) -> None:
        """What this part of a run in parts may use of the limits of the whole, as a sentence."""

    def gated(self, gates: Mapping[str, EndpointView]) -> None:
        """Calls go through these from now on, by endpoint."""

    def sent(self, call: Call) -> None:
        """A request for `call` goes out (again, after a retry)."""

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        """`call` is answered: by its endpoint (`fresh`) or by the journal."""

    def retried(self, call: Call, why: str, wait_s: float) -> None:
        """A request failed in a way that passes; it goes out again after `wait_s` seconds."""

    def lost(self, call: Call, why: str) -> None:
        """`call` has no answer in this run: its retries are used up, or it was refused."""

    def warned(self, message: str) -> None:
        """Something the user should know, as a sentence."""

    def adapted(self, message: str) -> None:
        """Something is asked for in another way than before, as a sentence; a warning unless told otherwise."""
        self.warned(message)

    def waits(self, message: str) -> None:
        """There is nothing to do but to wait, for what, as a sentence: a batch is with its provider."""

    def engine(self, line: str) -> None:
        """What an engine that answers batch files printed, a line of it."""

    def finished(self, result: Result) -> None:
        """One prompt is done; these arrive in prompt order."""

    def unchanged(self, summary: Mapping[str, Any]) -> None:
        """The run was finished, with this summary, and would come to the same: nothing is asked or made again."""


class Watches(Watch):
    """Several watches as one; each sees everything, in turn."""

    def __init__(self, *watches: Watch) -> None:
        for name in _HOOKS:
            heeded = [hook for watch in watches if not _idle(hook := getattr(watch, name))]
            setattr(self, name, heeded[0] if len(heeded) == 1 else partial(_each, heeded))


_HOOKS = tuple(name for name, hook in vars(Watch).items() if callable(hook) and not name.startswith("_"))


def _idle(hook: Callable[..., None]) -> bool:
    """Whether nobody has put anything in the place of `Watch`'s own hook, which does nothing."""
    ours = getattr(Watch, getattr(hook, "__name__", ""), None)
    return ours is not None and getattr(hook, "__func__", None) is ours and ours is not Watch.adapted


def _each(hooks: Sequence[Callable[..., None]], *given: Any, **named: Any) -> None:
    for hook in hooks:
        hook(*given, **named)
