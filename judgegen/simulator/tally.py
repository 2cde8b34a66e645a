"""What the simulator served: responses by kind, tokens, and how often each question was answered, in bounded memory."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

from judgegen.simulator.scripted import Kind

REMEMBERED = 500_000
"""How many different answers are remembered; the oldest is forgotten first."""
_COUNTED: Mapping[Kind, str] = {
    "sampler": "sampler",
    "judge": "judge",
    "refused": "refused",
    "throttled": "throttled",
    "fault": "faults",
}
_SUMS = ("repeats", "prompt_tokens", "completion_tokens", "batches", "batch_rows")


class Remembered:
    """How often each name was met, for the last `REMEMBERED` different ones."""

    def __init__(self) -> None:
        self.times: OrderedDict[str, int] = OrderedDict()

    def met(self, name: str) -> bool:
        """Count one meeting; whether there was one before."""
        before = self.times.get(name, 0)
        self.times[name] = before + 1
        if len(self.times) > REMEMBERED:
            self.times.popitem(last=False)
        return before > 0


class ServerTally:
    """Counts until they are reset. `paid` holds what each batch row (by custom_id) and each body was answered."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Start again from zero; what is in flight stays so."""
        self.counts: Counter[str] = Counter()
        self.peak = self.in_flight
        self.bodies, self.paid = Remembered(), Remembered()

    def arrived(self) -> None:
        """A request is here."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def left(self) -> None:
        """A request is done with."""
        self.in_flight -= 1

    def came_to(self, kind: Kind) -> None:
        """One request ended so, without an answer."""
        self.counts[_COUNTED[kind]] += 1

    def answered(self, kind: Kind, completion: Mapping[str, Any], *, custom_id: str | None = None) -> None:
        """One answer was given, as a row of a batch where it has a `custom_id`."""
        body = completion["id"].removeprefix("chatcmpl-")
        self.counts[_COUNTED[kind]] += 1
        self.counts["batch_rows"] += custom_id is not None
        self.counts["repeats"] += self.bodies.met(body)
        self.paid.met(body if custom_id is None else custom_id)
        usage = completion["usage"]
        asked = usage.get("prompt_tokens", usage.get("input_tokens"))
        self.counts["prompt_tokens"] += asked
        self.counts["completion_tokens"] += usage["total_tokens"] - asked  # thought is billed, too

    def row(self) -> dict[str, int]:
        """The counts by name."""
        now = {"peak": self.peak, "in_flight": self.in_flight, "seen": len(self.bodies.times)}
        return {**{name: self.counts[name] for name in (*_COUNTED.values(), *_SUMS)}, **now}
