"""The ledger of a run in parts: lends the limits of the whole to whoever can use them, and never more than there is.

What is lent is of three kinds. Places are held until given back, and a holder says with every beat how many it keeps.
Requests and tokens are permits: a tap fills at the pace of the limit, what nobody asks for stays in it, and what was
handed out is counted against it until it is known to be used. USD are a cap for each shard, which it lowers by itself
before it says so, and which only the ledger raises.

A holder that is lost, or silent for longer than its lease lasts, sends nothing more: its permits are taken for used,
its places stay empty for as long as the server may still be answering, and its USD stay with its shard, whose journal
says what is left of them. Pure arithmetic over a clock; knows nothing of processes, networks or calls.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

LASTS_S = 5.0
"""Seconds that a lease holds without another beat."""
_REQUESTS = (0.03, 0.95)
_TOKENS = (0.05, 0.93)
"""Of a limit per minute: what may be in the tap and handed out at once, and what flows. With 2 % to spare, no minute
holds more than the limit, however the server cuts it: a full tap, and all that flows while it lasts."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one endpoint may be asked by all together; `timeout_s` is when an answer is given up."""

    places: int
    rpm: float | None = None
    tpm: float | None = None
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Of one endpoint: what a holder keeps to, could use, and did not use of what it had.

    Attributes:
        holds: places it keeps to until it hears more; never fewer than it has requests in flight.
        places: how many it could use now.
        requests: permits it could use until the next beat, `left` that it gives back.
        tokens: likewise, `tokens_left`; `head` is what its next call reserves.
    """

    holds: int = 0
    places: int = 0
    requests: int = 0
    left: int = 0
    tokens: float = 0.0
    tokens_left: float = 0.0
    head: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A beat: what a holder wants by endpoint, the cap that it keeps to, and what of it is spent and reserved.

    `needs` is the USD that its next call has to have free where nothing else of it is under way, else zero.
    """

    holder: int
    wants: Mapping[str, Want] = field(default_factory=dict)
    cap: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    needs: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Quota:
    """Of one endpoint, until the next beat."""

    places: int
    requests: int
    tokens: float


@dataclass(frozen=True, slots=True)
class Grant:
    """What a holder may use: by endpoint, and the USD that its shard may have cost in all.

    Attributes:
        lasts_s: seconds from the moment its beat was sent, after which it has nothing but its USD.
        exhausted: the USD it needs will never be free.
        stop: why it has to end; "" where it need not.
    """

    parts: Mapping[str, Quota]
    cap: Decimal | None
    lasts_s: float
    exhausted: bool = False
    stop: str = ""


def fair(total: int, wanted: Mapping[int, int]) -> dict[int, int]:
    """`total` places by holder: nobody gets more than wanted, nor fewer than another while wanting more."""
    given, left = dict[int, int](), total
    for position, holder in enumerate(sorted(wanted, key=lambda one: (wanted[one], one))):
        given[holder] = min(wanted[holder], left // (len(wanted) - position))
        left -= given[holder]
    return given


class Tap:
    """Permits that flow at a pace, first come, first served.

    What is in it and what is handed out and not known to be used are together at most its capacity, so that however
    long permits are held, no minute sees more used than that and what flows in it. One larger than the capacity is
    given when the tap is full, and overdraws it.
    """

    def __init__(self, capacity: float, per_s: float, level: float, now: float, *, split: bool) -> None:
        self.capacity, self.per_s, self.level = capacity, per_s, level
        self._split = split  # whether there are fractions of a permit
        self._at, self._out = now, dict[int, float]()
        self._line: dict[int, float] = {}  # who waits for how much, in the order in which they came

    @classmethod
    def requests(cls, rpm: float, now: float) -> Tap:
        """One request at once, whatever the pace."""
        return cls(1 + _REQUESTS[0] * rpm, _REQUESTS[1] * rpm / 60, 1.0, now, split=False)

    @classmethod
    def tokens(cls, tpm: float, now: float) -> Tap:
        """Empty at first: a run before this one may have used the last minute's."""
        return cls(_TOKENS[0] * tpm, _TOKENS[1] * tpm / 60, 0.0, now, split=True)

    def turn(self, holder: int, ask: float, head: float, left: float, now: float) -> float:
        """Take back what is `left` of what the holder had; hand out what it asks, at least `head`, or nothing."""
        self._flow(now)
        self._out.pop(holder, None)
        self.level = min(self.level + left, self._room())
        before = 0.0
        for other, size in self._line.items():
            if other == holder:
                break
            before += min(size, self.capacity)
        if ask <= 0:
            self._line.pop(holder, None)
            return 0.0
        free = self.level - before
        if free < min(head, self.capacity):
            self._line[holder] = head
            return 0.0
        self._line.pop(holder, None)
        given = max(head, min(ask, free / (1 + len(self._line))))
        given = given if self._split else math.floor(given)
        self._out[holder] = given
        self.level -= given
        return given

    def forget(self, holder: int, now: float) -> None:
        """What the holder had is used, as far as anybody knows."""
        self._flow(now)
        self._out.pop(holder, None)
        self._line.pop(holder, None)

    def _flow(self, now: float) -> None:
        self.level = min(self.level + (now - self._at) * self.per_s, max(self.level, self._room()))
        self._at = now

    def _room(self) -> float:
        return self.capacity - sum(self._out.values())


@dataclass(slots=True)
class _Holder:
    shard: int
    heard: float
    holds: dict[str, int] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    silent: bool = False


class _Way:
    """What is lent of one endpoint."""

    def __init__(self, limits: Allowed, now: float) -> None:
        self.limits = limits
        self.requests = None if limits.rpm is None else Tap.requests(limits.rpm, now)
        self.tokens = None if limits.tpm is None else Tap.tokens(limits.tpm, now)
        self.kept_empty: list[tuple[float, int]] = []  # until when, how many places

    def empty(self, now: float) -> int:
        """Places of which nobody knows whether the server has done with them."""
        self.kept_empty = [(until, places) for until, places in self.kept_empty if until > now]
        return sum(places for _, places in self.kept_empty)

    def permits(self, holder: int, want: Want, now: float) -> tuple[int, float]:
        """Requests and tokens for a holder; where there is no limit, without end."""
        requests, tokens = 1 << 30, math.inf
        if self.requests is not None:
            requests = int(self.requests.turn(holder, want.requests, 1.0, want.left, now))
        if self.tokens is not None:
            tokens = self.tokens.turn(holder, want.tokens, want.head, want.tokens_left, now)
        return requests, tokens


class Leases:
    """Lends the limits of the whole, by endpoint, and `usd` in all; `spent` is what each shard has cost so far.

    `quiet_s`: no place is given before, since others, of whom nothing is known, may still be answered.
    """

    def __init__(
        self,
        limits: Mapping[str, Allowed],
        usd: Decimal | None,
        spent: Mapping[int, Decimal],
        *,
        quiet_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._usd = clock, usd
        now = clock()
        self._ways = {name: _Way(one, now) for name, one in limits.items()}
        for way in self._ways.values():
            way.kept_empty.append((now + quiet_s, way.limits.places))
        self._caps, self._used = dict(spent), dict(spent)
        self._reserved = dict.fromkeys(spent, Decimal(0))
        self._needy: dict[int, None] = {}  # shards that cannot go on, in the order in which they came to that
        self._holders: dict[int, _Holder] = {}
        self._stop = ""
        self._last = 0

    def begin(self, shard: int) -> int:
        """A process takes up a shard: the holder's number. Whoever had it is taken for lost."""
        for money in (self._caps, self._used, self._reserved):
            money.setdefault(shard, Decimal(0))
        self.lost(shard)
        self._last += 1
        self._holders[self._last] = _Holder(shard, self._clock())
        return self._last

    def lost(self, shard: int) -> None:
        """The process that had the shard is gone; its USD stay lent until the next one has read the journal."""
        self._end(shard, kept_empty=True)

    def done(self, shard: int) -> None:
        """The shard has ended, and nothing of it is in flight."""
        self._end(shard, kept_empty=False)
        self._caps[shard] = self._used[shard]
        self._reserved[shard] = Decimal(0)

    def stop(self, why: str) -> None:
        """Tell every holder to end."""
        self._stop = why

    def beat(self, report: Pulse) -> Grant:
        """What the holder may use from now on."""
        now = self._clock()
        holder = self._holders.get(report.holder)
        if holder is None:
            return Grant({}, report.cap, 0.0, stop="another process has this shard now")
        holder.heard, holder.silent = now, False
        self._look_for_silent(now)
        parts = {name: self._part(name, holder, report, now) for name in self._ways}
        cap, exhausted = self._purse(holder.shard, report)
        return Grant(parts, cap, LASTS_S, exhausted, self._stop)

    def _part(self, name: str, holder: _Holder, report: Pulse, now: float) -> Quota:
        way, want = self._ways[name], report.wants.get(name, Want())
        holder.holds[name], holder.places[name] = want.holds, max(1, want.places)
        wanted = {number: one.places.get(name, 1) for number, one in self._holders.items() if not one.silent}
        empty = way.empty(now)
        places = fair(max(0, way.limits.places - empty), wanted)[report.holder]
        if places > want.holds:
            free = way.limits.places - empty - sum(one.holds.get(name, 0) for one in self._holders.values())
            places = want.holds + max(0, min(places - want.holds, free))
            holder.holds[name] = places
        return Quota(places, *way.permits(report.holder, want, now))

    def _purse(self, shard: int, report: Pulse) -> tuple[Decimal | None, bool]:
        self._caps[shard] = report.cap
        self._used[shard], self._reserved[shard] = report.spent + report.reserved, report.reserved
        if self._usd is None:
            return None, False
        live = {one.shard for one in self._holders.values()}
        gone = ((self._used if one in live else self._caps)[one] for one in self._caps)
        spare = self._usd - sum(gone, Decimal(0))
        aim = self._aim(self._usd, shard, report, spare / (2 * len(live)))
        exhausted = report.needs > spare and not any(usd for one, usd in self._reserved.items() if one != shard)
        if exhausted:
            self._needy.pop(shard, None)
        if aim > report.cap:
            self._caps[shard] = aim
        return aim, exhausted

    def _aim(self, usd: Decimal, shard: int, report: Pulse, room: Decimal) -> Decimal:
        """A cap for the shard: `room` for what it spends until the next beats; none while another cannot go on.

        Of those that cannot, the first is given what it needs, whole, once the others have given back enough.
        """
        free = max(Decimal(0), usd - sum(self._caps.values(), Decimal(0)))
        if report.needs:
            self._needy[shard] = None
        else:
            self._needy.pop(shard, None)
        if next(iter(self._needy), shard) != shard:
            return self._used[shard]
        if report.needs:
            needed = self._used[shard] + report.needs
            return needed if needed - report.cap <= free else report.cap
        return min(self._used[shard] + room, report.cap + free)

    def _look_for_silent(self, now: float) -> None:
        for number, holder in self._holders.items():
            away = now - holder.heard
            if away > LASTS_S and not holder.silent:
                holder.silent = True
                self._forget(number, now)
            for name in holder.holds if holder.silent else ():
                if away > LASTS_S + self._ways[name].limits.timeout_s:
                    holder.holds[name] = 0

    def _forget(self, number: int, now: float) -> None:
        for way in self._ways.values():
            for tap in (way.requests, way.tokens):
                if tap is not None:
                    tap.forget(number, now)

    def _end(self, shard: int, *, kept_empty: bool) -> None:
        now = self._clock()
        self._needy.pop(shard, None)
        for number in [number for number, one in self._holders.items() if one.shard == shard]:
            holder = self._holders.pop(number)
            self._reserved[shard] += self._caps[shard] - self._used[shard]  # any of it may be free again
            self._forget(number, now)
            for name, places in holder.holds.items() if kept_empty else ():
                way = self._ways[name]
                way.kept_empty.append((now + way.limits.timeout_s, places))
