"""The ledger of a run in parts on a simulated clock: how much of the limits 64 shards use, and how late it is lent.

    python benchmarks/leases.py                   the table of docs/scale.md
    python benchmarks/leases.py --shards 256

Shards have unequal work (one in four has six times as much), some are killed and begun again. Beside each figure stands
what fixed shares, an N-th of each limit for each shard, come to. Nothing is sent or timed: the clock is a number.
"""

from __future__ import annotations

import argparse
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from judgegen.llm.leases import LASTS_S, Allowed, Leases, Pulse, Quota, Want
from judgegen.llm.lessee import BEAT_S, SOONEST_S

STEP_S = 0.05
AHEAD = 8
NAME = "here"


@dataclass(slots=True)
class Holder:
    """One shard: `left` calls to send, each of which takes about `latency_s` and reserves `size` tokens."""

    number: int
    left: int
    latency_s: float
    size: float
    rng: random.Random
    name: int = 0
    part: Quota = field(default_factory=lambda: Quota(0, 0, 0.0))
    until: float = 0.0
    requests: int = 0
    tokens: float = 0.0
    used: int = 0
    flying: list[float] = field(default_factory=list)
    next_beat: float = 0.0
    beat_at: float = 0.0
    lacking_since: float | None = None
    lags: list[float] = field(default_factory=list)
    ended: float | None = None

    def want(self) -> Want:
        """What it reports, as a shard does."""
        places = len(self.flying) + self.left
        requests, tokens = self.requests, self.tokens
        self.requests, self.tokens = 0, 0.0
        soon = min(self.left, max(0, places - len(self.flying)), self.used + self.part.places + AHEAD)
        return Want(
            holds=max(self.part.places, len(self.flying)),
            places=min(places, 4096),
            requests=min(self.left, soon + self.used + AHEAD),
            left=requests,
            tokens=min(self.left, soon + self.used + AHEAD) * self.size,
            tokens_left=tokens,
            head=self.size if self.left else 0.0,
        )

    def beat(self, leases: Leases, now: float) -> None:
        """One beat."""
        grant = leases.beat(Pulse(holder=self.name, wants={NAME: self.want()}))
        part = grant.parts[NAME]
        self.part, self.until = part, now + grant.lasts_s
        self.requests, self.tokens, self.used = part.requests, part.tokens, 0
        self.beat_at, self.next_beat = now, now + BEAT_S

    def send(self, now: float) -> int:
        """What it may: how many calls went out."""
        sent = 0
        while self.left and now < self.until and len(self.flying) < self.part.places:
            if self.requests < 1 or self.tokens < self.size:
                break
            self.requests -= 1
            self.tokens -= self.size
            self.left -= 1
            self.used += 1
            sent += 1
            self.flying.append(now + self.latency_s * self.rng.uniform(0.5, 1.5))
        if self.left and not sent and not self.flying and self.lacking_since is None:
            self.lacking_since = now
        if sent and self.lacking_since is not None:
            self.lags.append(now - self.lacking_since)
            self.lacking_since = None
        if self.left:
            self.next_beat = min(self.next_beat, max(now, self.beat_at + SOONEST_S))
        return sent


@dataclass(slots=True)
class Seen:
    """What a server with these limits counted: requests per minute however it is cut, tokens, and at once."""

    sent: deque[tuple[float, int]] = field(default_factory=deque)
    in_minute: int = 0
    most_in_minute: int = 0
    most_at_once: int = 0
    total: int = 0

    def count(self, now: float, sent: int, at_once: int) -> None:
        """A step."""
        self.sent.append((now, sent))
        self.in_minute += sent
        self.total += sent
        while self.sent[0][0] < now - 60:
            self.in_minute -= self.sent.popleft()[1]
        self.most_in_minute = max(self.most_in_minute, self.in_minute)
        self.most_at_once = max(self.most_at_once, at_once)


@dataclass(slots=True)
class Played:
    """How it went: when all was answered, and what the server saw."""

    seconds: float
    seen: Seen
    holders: list[Holder]
    kills: int


def played(
    limits: Allowed, work: list[int], *, latency_s: float = 2.0, size: float = 400.0, kills: int = 0, seed: int = 0
) -> Played:
    """All shards of `work` calls each under `limits`; `kills` of them are lost and begun again seconds later."""
    rng, now = random.Random(seed), 0.0
    leases = Leases({NAME: limits}, None, {}, clock=lambda: now)
    holders = [Holder(n, left, latency_s, size, random.Random(seed * 1000 + n)) for n, left in enumerate(work)]
    seen, stray = Seen(), list[float]()
    back: list[tuple[float, Holder]] = []
    for holder in holders:
        holder.name, holder.next_beat = leases.begin(holder.number), rng.random() * BEAT_S
    left, gone = kills, 0.0
    while any(holder.ended is None for holder in holders):
        now = round(now + STEP_S, 6)
        sent = 0
        for holder in _alive(holders, back):
            holder.flying = [end for end in holder.flying if end > now]
            if now >= holder.next_beat:
                holder.beat(leases, now)
            sent += holder.send(now)
            if not holder.left and not holder.flying and holder.ended is None:
                holder.ended = now
                leases.done(holder.number)
        stray = [end for end in stray if end > now]
        seen.count(now, sent, len(stray) + sum(len(holder.flying) for holder in holders))
        gone += STEP_S
        if left and gone > 5 and (busy := [h for h in _alive(holders, back) if h.left]):
            victim, left, gone = rng.choice(busy), left - 1, 0.0
            stray += victim.flying
            victim.left += len(victim.flying)  # no answer of these is in the journal
            victim.flying, victim.part, victim.requests, victim.tokens = [], Quota(0, 0, 0.0), 0, 0.0
            leases.lost(victim.number)
            back.append((now + 3.0, victim))
        for at, holder in [one for one in back if one[0] <= now]:
            back.remove((at, holder))
            holder.name, holder.next_beat = leases.begin(holder.number), now
    return Played(now, seen, holders, kills)


def _alive(holders: list[Holder], back: list[tuple[float, Holder]]) -> list[Holder]:
    away = [holder for _, holder in back]
    return [holder for holder in holders if holder not in away and holder.ended is None]


def fixed(limits: Allowed, work: list[int], latency_s: float, size: float) -> float:
    """Seconds that the longest shard takes with an N-th of each limit."""
    share = len(work)
    paces = [limits.places / share / latency_s]
    paces += [] if limits.rpm is None else [limits.rpm * 0.98 / 60 / share]
    paces += [] if limits.tpm is None else [limits.tpm * 0.98 / 60 / share / size]
    return max(work) / min(paces)


def unequal(shards: int, calls: int) -> list[int]:
    """Calls by shard: one in four has six times as many as the others."""
    weights = [6 if number % 4 == 0 else 1 for number in range(shards)]
    return [max(1, calls * weight // sum(weights)) for weight in weights]


def rows(shards: int) -> Iterator[str]:
    """The table."""
    cases = {
        "rpm = 6,000": (Allowed(places=1024, rpm=6000, timeout_s=10), 400.0),
        "tpm = 3,000,000": (Allowed(places=1024, tpm=3_000_000, timeout_s=10), 400.0),
        "max_concurrency = 256": (Allowed(places=256, timeout_s=10), 400.0),
        "rpm = 6,000, 16 kills": (Allowed(places=1024, rpm=6000, timeout_s=10), 400.0),
    }
    yield "| limit that binds | of it used | most in a minute or at once | waited, p50 and worst | with fixed shares |"
    yield "| --- | --- | --- | --- | --- |"
    for name, (limits, size) in cases.items():
        work = unequal(shards, 20_000)
        found = played(limits, work, size=size, kills=16 if "kills" in name else 0, seed=1)
        pace = found.seen.total / found.seconds
        most = {"rpm": limits.rpm, "tpm": limits.tpm and limits.tpm / size}.get(name.split(" ")[0])
        whole = limits.places / 2.0 if most is None else most / 60
        peak = (
            f"{found.seen.most_at_once:,} of {limits.places:,}"
            if most is None
            else f"{found.seen.most_in_minute:,} of {most:,.0f}"
        )
        lags = sorted(lag for holder in found.holders for lag in holder.lags) or [0.0]
        slow = fixed(limits, work, 2.0, size)
        yield (
            f"| {name} | {pace / whole:.0%} | {peak} | {lags[len(lags) // 2]:.1f} s, {lags[-1]:.1f} s "
            f"| {sum(work) / slow / whole:.0%} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=64)
    print("\n".join(rows(parser.parse_args().shards)))
    print(f"\na lease lasts {LASTS_S:g} s, beats come every {SOONEST_S:g} to {BEAT_S:g} s")
