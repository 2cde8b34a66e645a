"""What of a run has come by now, counted as it happens: pace, spend, what is left, what holds it up.

The hooks only count, on the run's loop; what is asked of the counts may be asked from another thread. Knows nothing of
how calls are answered or how counts are shown.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from judgegen.llm.calls import Call, Outcome
from judgegen.records import Result
from judgegen.textual import harmless
from judgegen.watch import EndpointView, Watch

RATE_OVER_S = 10.0
"""Calls per second are the mean over the last this many seconds; what holds a run up is what did most of these."""
SECONDS_KEPT = 1000
"""Answers whose seconds the quantiles are of: the last ones."""
BINDS = 0.3
"""Share of the time from which a limit is said to hold a run up."""
N = TypeVar("N", int, float)
Lane = tuple[str, str]
"""A role and an endpoint."""


@dataclass(slots=True)
class Role:
    """Calls of one role: answered now, answered by the journal, their known cost, the seconds of the last ones."""

    fresh: int = 0
    known: int = 0
    usd: Decimal = Decimal(0)
    unpriced: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=SECONDS_KEPT))

    @property
    def done(self) -> int:
        """All that have an answer."""
        return self.fresh + self.known

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of the last answers came; None before the first."""
        found = sorted(list(self.seconds))  # noqa: C414 - a copy at once, since another thread adds to it
        return found[min(len(found) - 1, int(share * len(found)))] if found else None


_SUMS = (
    *("done", "pairs", "fresh", "from_journal", "tokens", "spent", "spent_before", "unpriced", "retries", "failed"),
    *("decided", "flips", "whole"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a tally has come to, to be sent to another process: `sums` by name, calls by lane, seconds held by lane."""

    sums: Mapping[str, Any]
    roles: Mapping[str, Role]
    whole: Mapping[Lane, int]
    fresh: Mapping[Lane, int]
    known: Mapping[Lane, int]
    held: Mapping[Lane, float]
    in_flight: int
    last_reason: str

    @property
    def answered(self) -> int:
        """Calls that have an answer."""
        return int(self.sums["fresh"] + self.sums["from_journal"])


@dataclass(frozen=True, slots=True)
class _Held:
    """The way to one endpoint, of which others said how long they had to wait."""

    seconds: Mapping[str, float]

    def held(self) -> Mapping[str, float]:
        """As they said."""
        return self.seconds


class Tally(Watch):
    """Counts what happens. `clock` gives seconds; it is read when something is asked, and as calls go and come."""

    noun = "prompts"
    """What is counted; pairs are counted where it is prompts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._from_zero()

    def _from_zero(self) -> None:
        self.began = self.clock()
        self.prompts = self.done = self.pairs = 0
        self.fresh = self.from_journal = self.tokens = 0
        self.spent = self.spent_before = Decimal(0)
        self.cap: Decimal | None = None
        self.unpriced = self.retries = self.failed = 0
        self.decided = self.flips = 0
        self.last_reason = self.waiting = ""
        self.whole = 0
        self.roles: dict[str, Role] = {}
        self._whole: Counter[Lane] = Counter()
        self._fresh: Counter[Lane] = Counter()
        self._known: Counter[Lane] = Counter()
        self._flying: dict[str, tuple[str, float]] = {}
        self._flying_elsewhere = 0
        self._rate: deque[tuple[float, int]] = deque([(self.began, 0)])
        self._gates: Mapping[str, EndpointView] = {}
        self._held: deque[tuple[float, Mapping[Lane, float]]] = deque()

    def started(self, *, prompts: int, folder: str) -> None:  # noqa: ARG002 - the hook's signature
        """All counts from here: reading the prompts is not part of the pace, nor is a job that was watched before."""
        self._from_zero()
        self.prompts = prompts

    def capped(self, usd: Decimal | None) -> None:
        """Keep it."""
        self.cap = usd

    def gated(self, gates: Mapping[str, EndpointView]) -> None:
        """Look at these when asked what holds the run up."""
        self._gates = gates
        self._held = deque([(self.clock(), self._seconds_held())])

    def sent(self, call: Call) -> None:
        """One more in flight."""
        self._flying[call.id] = (call.tag.prompt_id, self.clock())

    def unchanged(self, summary: Mapping[str, Any]) -> None:
        """All is done, and was before."""
        self.done = self.whole = summary["prompts"]
        self.pairs = summary["pairs"]
        for name, usd in summary["cost_usd"].items():
            if name != "total" and (calls := summary["calls"][name]):
                self.roles[name] = Role(known=calls, usd=Decimal(usd or 0))
                self._whole[name, ""] = self._known[name, ""] = calls
                self.from_journal += calls
                self.spent_before += Decimal(usd or 0)

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        """One less in flight, or one that the journal knew; tokens are those of this session."""
        role = self.roles.setdefault(call.tag.role, Role())
        role.usd += outcome.cost or 0
        role.unpriced += outcome.cost is None
        (self._fresh if fresh else self._known)[call.tag.role, call.tag.route] += 1
        if not fresh:
            role.known += 1
            self.from_journal += 1
            self.spent_before += outcome.cost or 0
            return
        role.fresh += 1
        self.waiting = ""
        if (flown := self._flying.pop(call.id, None)) is not None:
            role.seconds.append(self.clock() - flown[1])
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

    def lost(self, call: Call, why: str) -> None:
        """It never lands."""
        self._flying.pop(call.id, None)
        self.failed += 1
        self.last_reason = harmless(why)

    def waits(self, message: str) -> None:
        """Until something lands."""
        self.waiting = harmless(message)

    def finished(self, result: Result) -> None:
        """A prompt is done; one that is whole says how many calls a prompt takes."""
        self.done += 1
        self.pairs += len(result.pairs)
        for match in result.matches:
            for one, other in match.both_orders():
                if "tie" not in (one.label, other.label):
                    self.decided += 1
                    self.flips += one.label == other.label
        if result.drop == "incomplete":  # calls that failed for good never land
            self._flying = {call: flown for call, flown in self._flying.items() if flown[0] != result.prompt.id}
        else:
            self.whole += 1
            self._whole.update((call.tag.role, call.tag.route) for call, _ in result.calls)

    def counts(self) -> Counts:
        """What was counted by now."""
        return Counts(
            sums={name: getattr(self, name) for name in _SUMS},
            roles=dict(self.roles),
            whole=dict(self._whole),
            fresh=dict(self._fresh),
            known=dict(self._known),
            held=self._seconds_held(),
            in_flight=self.in_flight,
            last_reason=self.last_reason,
        )

    def sum(self, parts: Sequence[Counts]) -> None:
        """Show what these have counted together, in the place of what was counted here."""
        for name in _SUMS:
            none = type(getattr(self, name))(0)
            setattr(self, name, sum((one.sums[name] for one in parts), none))
        self.roles = _joined([one.roles for one in parts])
        self._whole = Counter(_added(one.whole for one in parts))
        self._fresh = Counter(_added(one.fresh for one in parts))
        self._known = Counter(_added(one.known for one in parts))
        self._flying_elsewhere = sum(one.in_flight for one in parts)
        self.last_reason = next((one.last_reason for one in parts if one.last_reason), "")
        by_route: dict[str, dict[str, float]] = {}
        for (route, what), seconds in _added(one.held for one in parts).items():
            by_route.setdefault(route, {})[what] = seconds / len(parts)
        self._gates = {route: _Held(seconds) for route, seconds in by_route.items()}

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.began

    @property
    def in_flight(self) -> int:
        """Requests that are out now."""
        return len(self._flying) + self._flying_elsewhere

    def calls_per_s(self) -> float:
        """Fresh answers per second over the last `RATE_OVER_S`, from the moments at which this was asked."""
        now = self.clock()
        while len(self._rate) > 1 and self._rate[1][0] <= now - RATE_OVER_S:
            self._rate.popleft()
        at, fresh = self._rate[0]
        self._rate.append((now, self.fresh))
        return max(0.0, (self.fresh - fresh) / (now - at)) if now > at else 0.0  # fewer where a shard was lost

    def flip_rate(self) -> float | None:
        """Of the comparisons decided in both orders, those whose winner went with the order; as the summary has it."""
        return self.flips / self.decided if self.decided else None

    def share(self) -> float:
        """How much is done, 0 to 1: by calls once a whole prompt has said how many it takes, by prompts before."""
        prompts = self.done / self.prompts if self.prompts else 0.0
        expected = sum(self._expected().values())
        calls = (self.fresh + self.from_journal) / expected if expected else 0.0
        return min(1.0, max(prompts, calls))

    def calls_of(self, role: str) -> int | None:
        """Calls that the role takes in all, as far as whole prompts tell; None before one is."""
        expected = sum(count for (of, _), count in self._expected().items() if of == role)
        if self._whole and self.done >= self.prompts:
            return self.roles[role].done
        return max(round(expected), self.roles[role].done) if self._whole else None

    def left_s(self) -> float | None:
        """Seconds left: the calls still lacking at this session's pace; None before there is a pace.

        Goes by calls, since many prompts are under way at once, and by endpoint, since what one still has to answer is
        no faster for another's pace. What the journal answered is done, but makes no pace.
        """
        if not self.fresh or not self._whole or self.done >= self.prompts:
            return None
        lacking, fresh = self._lacking(), Counter[str]()
        for (_, route), answered in list(self._fresh.items()):
            fresh[route] += answered
        by_route: dict[str, float] = {}
        for (_, route), count in lacking.items():
            by_route[route] = by_route.get(route, 0.0) + count
        slowest = [count / (fresh[route] or self.fresh) for route, count in by_route.items()]
        return max(slowest, default=0.0) * self.elapsed_s

    def projected(self) -> Decimal | None:
        """USD that the folder will have cost, calls to come at the mean of their role's; None where that is unknown."""
        if not self._whole or any(role.unpriced for role in list(self.roles.values())):
            return None
        found = self.spent + self.spent_before
        for (role, _), count in self._lacking().items():
            asked = self.roles.get(role, Role())
            if asked.done:
                found += asked.usd / asked.done * Decimal(count)
        return found

    def held(self) -> str:
        """What the calls to come had to wait for in the last seconds: rpm, tpm, concurrency, server; "" for nothing."""
        now = self.clock()
        self._held.append((now, self._seconds_held()))
        while len(self._held) > 2 and self._held[1][0] <= now - RATE_OVER_S:
            self._held.popleft()
        at, before = self._held[0]
        grown = {lane: seconds - before.get(lane, 0.0) for lane, seconds in self._held[-1][1].items()}
        (route, what), most = max(grown.items(), key=lambda one: one[1], default=(("", ""), 0.0))
        if now <= at or most < BINDS * (now - at):
            return ""
        return what if len(self._gates) == 1 else f"{what} of {route}"

    def _seconds_held(self) -> Mapping[Lane, float]:
        return {(route, what): s for route, gate in self._gates.items() for what, s in gate.held().items()}

    def _expected(self) -> dict[Lane, float]:
        """Calls of the whole run, if the prompts to come take as many as those that are done."""
        whole = self.whole
        return {lane: count / whole * self.prompts for lane, count in list(self._whole.items())} if whole else {}

    def _lacking(self) -> dict[Lane, float]:
        """Calls that are to come."""
        done = {lane: self._fresh[lane] + self._known[lane] for lane in list(self._whole)}
        return {lane: max(0.0, count - done[lane]) for lane, count in self._expected().items() if lane in done}


def _added(parts: Iterable[Mapping[Lane, N]]) -> dict[Lane, N]:
    found: dict[Lane, N] = {}
    for part in parts:
        for lane, number in part.items():
            found[lane] = found[lane] + number if lane in found else number
    return found


def _joined(parts: Sequence[Mapping[str, Role]]) -> dict[str, Role]:
    found: dict[str, Role] = {}
    for part in parts:
        for name, role in part.items():
            whole = found.setdefault(name, Role())
            whole.fresh += role.fresh
            whole.known += role.known
            whole.usd += role.usd
            whole.unpriced += role.unpriced
            whole.seconds.extend(role.seconds)
    return found
