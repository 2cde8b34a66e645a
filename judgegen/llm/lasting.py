"""Calls that fail in a way that passes, and never pass: told from an outage by what the model answers meanwhile.

A server breaks over some prompts, or what stands before it does (a 500, a hang-up, a firewall's page in a 200): that
is a refusal in all but name, and one row must not keep a run from its end. Knows nothing of HTTP.
"""

from __future__ import annotations

from collections import Counter

from judgegen.llm.calls import Call, Failure
from judgegen.llm.learned import Learned
from judgegen.llm.retry import Transient

ENOUGH = 2
"""So often a call fails once more that failed for good in an earlier run, before it is taken for refused."""


class Lasting:
    """Which calls fail whenever they are asked."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._sent: dict[tuple[str, str], dict[str, int]] = {}
        self._before: dict[str, bool] = {}
        self._others: set[str] = set()
        self._times: Counter[str] = Counter()
        self._why: dict[str, str] = {}

    def met(self, call: Call, trouble: Transient, number: int) -> None:
        """`call` failed, sent as this `number` to its model. Kept for the next run where others were answered since."""
        if not trouble.unexplained:
            return
        if call.id not in self._before:
            self._before[call.id] = self._learned.doubted(call)
            self._sent.setdefault((call.endpoint, call.model), {})[call.id] = number
        self._times[call.id] += 1
        self._why[call.id] = trouble.why
        if call.id in self._others:
            self._learned.doubt(call, trouble.why)

    def lives(self, call: Call, number: int) -> None:
        """A call of this `number` was answered: those that were sent before it, and had failed by now, fail alone."""
        failing = self._sent.get((call.endpoint, call.model), {})
        for one in [one for one, sent in failing.items() if sent < number]:
            del failing[one]
            self._others.add(one)

    def final(self, call: Call) -> Failure | None:
        """Why `call` is not sent again: it failed in an earlier run while others were answered, and fails again."""
        if not self._before.get(call.id) or self._times[call.id] < ENOUGH:
            return None
        return Failure(reason="rejected", detail=f"{self._why[call.id]} (in two runs, while others were answered)")
