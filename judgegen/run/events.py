"""What happened to a run's calls that its outputs do not show, as rows for a log and as sentences for people.

Every text of a server's passes here without secrets. Knows nothing of where the rows go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from judgegen.llm.calls import Call, Failure, Outcome
from judgegen.llm.secrets import bare, masked
from judgegen.watch import Watch

MOST = 1000
"""Characters of a server's words that are kept."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: its kind, the facts of it, and the same as a sentence."""

    kind: str
    facts: Mapping[str, Any]
    sentence: str

    def row(self) -> dict[str, Any]:
        """JSON-able."""
        return {"event": self.kind, **self.facts}


def _of(call: Call) -> dict[str, Any]:
    place = {"role": call.tag.role, "model": call.model, "endpoint": call.tag.route, "address": bare(call.endpoint)}
    return {**place, "prompt_id": call.tag.prompt_id, "call_id": call.id}


def _about(call: Call) -> str:
    return f"{call.tag.role} call to {call.model} at {bare(call.endpoint)} (prompt {call.tag.prompt_id})"


def _short(words: str) -> str:
    return masked(words)[:MOST]


class Events(Watch):
    """Tells of a run event by event: what was sent again, refused, lost, asked otherwise, warned of, waited for."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell

    def started(self, *, prompts: int, folder: str) -> None:
        """The run begins."""
        sentence = f"started: {prompts:,} prompts, {folder}"
        self._tell(Event("started", {"prompts": prompts, "folder": folder}, sentence))

    def capped(self, usd: Decimal | None) -> None:
        """Its cap, if it has one."""
        if usd is not None:
            self._tell(Event("capped", {"max_usd": f"{usd:f}"}, f"capped: at ${usd:f} in all"))

    def unchanged(self, summary: Mapping[str, Any]) -> None:
        """Nothing to do."""
        pairs = summary["pairs"]
        self._tell(Event("unchanged", {"pairs": pairs}, f"unchanged: its {pairs:,} pairs were made, of the same"))

    def divided(self, message: str) -> None:
        """Its share of the limits, where it is a shard."""
        self._said("divided", message)

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        """A final no is told of; answers are in the journal."""
        if fresh and isinstance(outcome, Failure):
            why = _short(f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason)
            self._tell(Event("refused", {**_of(call), "why": why}, f"refused: {_about(call)}: {why}"))

    def retried(self, call: Call, why: str, wait_s: float) -> None:
        """A request goes out again."""
        why = _short(why)
        facts = {**_of(call), "why": why, "wait_s": round(wait_s, 3)}
        self._tell(Event("retried", facts, f"sent again in {wait_s:.1f} s: {_about(call)}: {why}"))

    def lost(self, call: Call, why: str) -> None:
        """A call has no answer in this run."""
        why = _short(why)
        self._tell(Event("lost", {**_of(call), "why": why}, f"no answer: {_about(call)}: {why}"))

    def warned(self, message: str) -> None:
        """A warning."""
        self._said("warned", message)

    def adapted(self, message: str) -> None:
        """Another way of asking."""
        self._said("adapted", message)

    def waits(self, message: str) -> None:
        """Nothing to do but to wait."""
        self._said("waits", message)

    def engine(self, line: str) -> None:
        """A line that an engine printed."""
        self._said("engine", line)

    def _said(self, kind: str, message: str) -> None:
        message = _short(message)
        self._tell(Event(kind, {"message": message}, f"{kind}: {message}"))
