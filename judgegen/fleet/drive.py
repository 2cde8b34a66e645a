"""Drives the shards of a run on an engine: begins them, begins again what is lost, shows them as one, merges them.

    shards      each an actor of the engine's, that ends by itself or is lost
    hub         the ledger of the limits; where it is lost, all shards land, and begin again with another

Knows an engine by two methods; nothing of what a shard does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from judgegen import api, errors
from judgegen.errors import BudgetReached, Incomplete, JudgegenError, SpecError
from judgegen.fleet.hub import Charter, HubLostError, Link
from judgegen.fleet.shard import Ended, Whole
from judgegen.llm.journal import Journal
from judgegen.llm.leases import Allowed
from judgegen.llm.stop import Stop
from judgegen.run import session
from judgegen.run.job import found_prompts
from judgegen.run.shards import Shard, numbers_in
from judgegen.show.progress import Shown
from judgegen.spec import Spec

LOOK_S = 0.5
"""Seconds between looks at what the shards say."""
LOSSES = 5
"""Times in a row that a shard is lost without an answer, or the hub, after which the run ends."""
_GOES_ON = ("", "Incomplete")
"""Ends of a shard that are no reason for the others to end."""


class HandLostError(Exception):
    """The process that had a shard is gone."""


class Hand(Protocol):
    """A process that has a shard."""

    async def ended(self) -> Ended:
        """How the shard ended.

        Raises:
            HandLostError: the process is gone.
        """
        ...

    def end(self) -> None:
        """End the process at once."""
        ...


class Engine(Protocol):
    """Where processes come from."""

    async def hub(self, terms: Charter) -> Link:
        """A hub of its own for a run."""
        ...

    def hand(self, whole: Whole, number: int, link: Link) -> Hand:
        """A process for a shard, as soon as there is room for one."""
        ...


@dataclass(slots=True)
class _Driven:
    """The shards of one run under one hub."""

    whole: Whole
    engine: Engine
    link: Link
    watch: Shown
    stop: Stop
    hands: dict[int, Hand] = field(default_factory=dict)
    answered: dict[int, int] = field(default_factory=dict)
    begun: frozenset[int] = frozenset()
    any_lost: bool = False
    why: str = ""

    async def all(self, left: set[int]) -> dict[int, Ended]:
        """How each of the shards `left` ended."""
        tasks = [asyncio.create_task(self._one(number)) for number in sorted(left)]
        looking = asyncio.create_task(self._look_on())
        try:
            ends = await asyncio.gather(*tasks)
            with suppress(HubLostError):
                await self._look()
        finally:
            for task in (looking, *tasks):
                task.cancel()
            await asyncio.gather(looking, *tasks, return_exceptions=True)
            for hand in self.hands.values():
                hand.end()
        return dict(zip(sorted(left), ends, strict=True))

    async def _one(self, number: int) -> Ended:
        """Run a shard to its end, in as many processes as that takes."""
        losses, before = 0, -1
        while True:
            self.hands[number] = hand = self.engine.hand(self.whole, number, self.link)
            try:
                ended = await hand.ended()
                await self.link.done(number)
                if not ended.hub_lost:
                    await self._end_others(number, ended)
                    return ended
                why = ended.message
            except HubLostError:
                return ended
            except HandLostError as error:
                if self.stop.requested or self.why:
                    return Ended("Interrupted", "ended before it began")
                why = str(error)
                if not await self._lost(number):
                    return Ended(hub_lost=True)
            now = self.answered.get(number, 0)
            losses, before = (losses + 1 if now <= before else 1), max(now, before)
            if losses >= LOSSES:
                return Ended("Incomplete", f"{self._name(number)} was lost {losses} times in a row: {why}")
            self.watch.warned(f"{self._name(number)} was lost ({why}); it goes on elsewhere, from its journal")

    async def _lost(self, number: int) -> bool:
        """The process of a shard is gone; whether the hub is still there to hear it."""
        self.any_lost = True
        try:
            await self.link.lost(number)
        except HubLostError:
            return False
        return True

    async def _end_others(self, number: int, ended: Ended) -> None:
        if ended.error not in _GOES_ON and not self.why:
            self.why = f"{self._name(number)} ended: {ended.message}"
            await self._stop()

    async def _stop(self) -> None:
        await self.link.stop(self.why)
        for number, hand in self.hands.items():
            if number not in self.begun:
                hand.end()

    async def _look_on(self) -> None:
        with suppress(HubLostError):  # then every shard ends by itself
            while True:
                await asyncio.sleep(LOOK_S)
                await self._look()
                if self.stop.error is not None and not self.why:
                    self.why = str(self.stop.error)
                    await self._stop()

    async def _look(self) -> None:
        news = await self.link.news()
        self.begun = news.begun
        self.answered = {number: counts.answered for number, counts in news.counts.items()}
        self.watch.sum(list(news.counts.values()))
        for number, (kind, sentence) in news.said:
            (self.watch.warned if kind == "warn" else self.watch.say)(f"{self._name(number)}: {sentence}")

    def _name(self, number: int) -> str:
        return f"shard {number}/{self.whole.of}"


async def run(whole: Whole, engine: Engine, *, watch: Shown, stop: Stop) -> api.Run:
    """Run every shard of `whole` on the engine, then merge them; run again, it goes on.

    Raises:
        JudgegenError: as `generate` and `merge`; where shards lack answers, with what could be merged.
    """
    spec, base, folder = session.resolve(whole.given, whole.out)
    limits = limits_of(spec, whole.of)
    usd = spec.budget.max_usd if whole.max_usd is None else whole.max_usd
    watch.started(prompts=await asyncio.to_thread(_count, spec, base, whole.limit), folder=str(folder))
    watch.capped(usd)
    left, ends, quiet_s = set(range(1, whole.of + 1)), dict[int, Ended](), 0.0
    for _ in range(LOSSES):
        spent = await asyncio.to_thread(_spent, folder, whole.of)
        link = await engine.hub(Charter(limits=limits, usd=usd, spent=spent, quiet_s=quiet_s))
        driven = _Driven(whole, engine, link, watch, stop)
        found = await driven.all(left)
        ends.update({number: end for number, end in found.items() if not end.hub_lost})
        left -= set(ends)
        if not left or stop.requested:
            break
        watch.warned("the ledger of the run was lost; its shards go on with another, from their journals")
        quiet_s = max(one.timeout_s for one in limits.values()) if driven.any_lost else 0.0
    return await _merged(whole, spec, folder, _error(ends, left, stop))


def limits_of(spec: Spec, of: int) -> dict[str, Allowed]:
    """What all shards together may ask of each endpoint.

    Raises:
        SpecError: an endpoint that is not asked live, or one that may not have as many connections as there are shards.
    """
    if not session.Terms().direct(spec):
        raise SpecError("--engine: batch files are answered by one engine for all; run without --engine")
    found = {}
    for name, endpoint in spec.used_endpoints().items():
        if endpoint.places < of:
            raise SpecError(
                f"endpoints.{name}: max_concurrency = {endpoint.places} leaves no place for each of {of} shards; "
                f"take {endpoint.places} shards at most, or raise it"
            )
        found[name] = Allowed(endpoint.places, endpoint.rpm, endpoint.tpm, endpoint.timeout_s)
    return found


def divided(whole: Whole, shards: int | None, cores: int) -> Whole:
    """In so many `shards`; where nobody says, in as many as its folder has, else one for each core that limits allow.

    Raises:
        SpecError: the folder has shards of another number.
    """
    spec = session.resolve(whole.given, whole.out)[0]
    there = numbers_in(whole.out)
    if shards is not None and there not in ([], [shards]):
        raise SpecError(
            f"{whole.out}: shards of {there[0]} are here, and --shards says {shards}; go on with {there[0]}, or take "
            f"another folder"
        )
    places = min((endpoint.places for endpoint in spec.used_endpoints().values()), default=1)
    return replace(whole, of=shards or next(iter(there), max(1, min(cores, places))))


def _count(spec: Spec, base: Path, limit: int | None) -> int:
    count = len(list(found_prompts(spec, base, None, lambda _: None)))
    return count if limit is None else min(count, limit)


def _spent(folder: Path, of: int) -> Mapping[int, Decimal]:
    """USD by shard, as their journals have it.

    Raises:
        JournalError: one is in use, or damaged.
    """
    found = dict[int, Decimal]()
    for number in range(1, of + 1):
        with Journal.if_any(Shard(number, of).folder(folder)) as journal:
            found[number] = Decimal(0) if journal is None else journal.spent()
    return found


def _error(ends: Mapping[int, Ended], left: set[int], stop: Stop) -> JudgegenError | None:
    """What ended the run early: what stopped it, else the gravest end of a shard."""
    if stop.error is not None:
        return stop.error
    if left:
        return Incomplete(f"the ledger of the run was lost {LOSSES} times in a row; look at the engine, then run again")
    ended = [one for one in ends.values() if one.error]
    for one in sorted(ended, key=lambda one: (one.error == "Interrupted", one.error == "Incomplete")):
        if one.error == "BudgetReached":
            return BudgetReached(one.message)
        kind = getattr(errors, one.error, None)
        return (
            kind(one.message) if isinstance(kind, type) and issubclass(kind, JudgegenError) else Incomplete(one.message)
        )
    return None


async def _merged(whole: Whole, spec: Spec, folder: Path, error: JudgegenError | None) -> api.Run:
    """The outputs of all shards, and the error that ended them with these on it."""
    try:
        merged = await asyncio.to_thread(api.merge, folder)
    except JudgegenError as trouble:
        if error is None and isinstance(trouble, Incomplete) and spec.pairs.wanted is not None:
            return await api.generate(whole.given, out=folder, limit=whole.limit, max_usd=whole.max_usd)
        if error is None or (isinstance(error, Incomplete) and trouble.run is not None):
            raise
        error.run = trouble.run
        raise error from None
    if error is not None and not isinstance(error, Incomplete):
        error.run = merged
        raise error
    return merged
