"""SIGKILL, SIGTERM and Ctrl-C, once and twice, at every point at which anything in a run waits; then the same command.

Every step of the event loop is such a point: whatever a coroutine waits for, it is a step that goes on with it. What
must hold: the same command ends with the same bytes, nothing that the journal holds is asked again, and after a first
Ctrl-C or SIGTERM nothing that was answered is lost.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torture.forge import End, Forge
from torture.scene import COMMAND, derived, journaled, scene

WEATHER = 0.3
"""Share of requests that fail in passing where there is weather: retries and pauses are points of waiting, too."""
_BEYOND = 5
"""Steps in a row that came in no run: runs differ a little in length."""


@dataclass(frozen=True, slots=True)
class Blow:
    """A signal, sent `times`, the second time `gap` steps after the first."""

    name: str
    number: signal.Signals
    times: int = 1
    gap: int = 1

    @property
    def gently(self) -> bool:
        """Whether the run may still end as it wants to."""
        return self.times == 1 and self.number != signal.SIGKILL

    def codes(self) -> tuple[int, ...]:
        """How a run that met it may end: as one that was interrupted, or by the signal where none was caught yet."""
        return (-self.number,) if self.number == signal.SIGKILL else (130, -self.number, 0)


BLOWS = (
    Blow("KILL", signal.SIGKILL),
    Blow("TERM", signal.SIGTERM),
    Blow("TERM twice", signal.SIGTERM, 2),
    Blow("Ctrl-C", signal.SIGINT),
    Blow("Ctrl-C twice", signal.SIGINT, 2),
    Blow("Ctrl-C, later again", signal.SIGINT, 2, gap=9),
)
BROKEN = ("hung", "tracebacks", "odd_code", "not_whole", "other_bytes", "paid_twice", "lost")


def moments(forge: Forge, *, every: int = 1, first: int = 1, faults: float = 0.0) -> Counter[str]:
    """Each blow at step `first` of the loop and at each `every`th after it, to the end of the run."""
    found: Counter[str] = Counter(dict.fromkeys(("points", "trials", *BROKEN), 0))
    with scene(faults=faults) as folder:
        assert forge.run(folder, *COMMAND).code == 0
        whole = derived(folder)
    for blow in BLOWS:
        at, missed = first, 0
        while missed * every < _BEYOND:
            with scene(faults=faults) as folder:
                end = forge.run(folder, *COMMAND, signal=blow.number, at=at, times=blow.times, gap=blow.gap)
                if end.fired:
                    found.update(_after(forge, folder, blow, end, whole))
                    found["points"] = max(found["points"], at)
            at, missed = at + every, 0 if end.fired else missed + 1
    return found


def _after(forge: Forge, folder: Path, blow: Blow, end: End, whole: Mapping[str, str]) -> Counter[str]:
    """What did not hold of a run that met `blow`, and of the same command after it."""
    kept = journaled(folder)
    again = forge.run(folder, *COMMAND)
    answered = set(end.answered)
    found = Counter(
        trials=1,
        hung=end.hung + again.hung,
        tracebacks=end.traceback + again.traceback,
        odd_code=end.code not in blow.codes(),
        not_whole=again.code != 0,
        other_bytes=derived(folder) != whole,
        paid_twice=len(kept & set(again.asked)),
        lost=len(answered - kept) if blow.gently else 0,
    )
    found["in flight, asked again"] = len(answered - kept)
    found[f"{blow.name}: exit {end.code}"] = 1
    if any(found[name] for name in BROKEN):
        print(f"{blow.name}: exit {end.code}, then {again.code}: {dict(found)}\n{end.said}\n{again.said}", flush=True)
    return found
