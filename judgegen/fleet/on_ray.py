"""Shards on Ray: each an actor with a core of its own, the hub an actor beside this process (extra `ray`).

Actors end with this process: nothing of a run is left in a cluster. A process that dies is told of, never begun again
by Ray itself, since the ledger has to hear of it first. Knows nothing of what a shard does.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgegen.errors import Incomplete, SpecError
from judgegen.fleet.drive import HandLostError
from judgegen.fleet.hub import Charter, Hub, HubLostError, Link, News, Said
from judgegen.fleet.shard import Ended, Whole, played
from judgegen.llm.leases import Grant, Pulse
from judgegen.show.tally import Counts

NEEDS = "--engine ray needs ray, which is not installed; run: pip install 'judgegen[ray]'"


class Worker:
    """The process of a shard."""

    def __init__(self, folder: str) -> None:
        """Relative paths are meant from `folder`, where there is one here."""
        with suppress(OSError):
            os.chdir(folder)

    def run(self, whole: Whole, number: int, link: Link) -> Ended:
        """The shard, to its end."""
        return asyncio.run(played(whole, number, link))


@dataclass(frozen=True, slots=True)
class RayLink:
    """A way to the hub's actor, from any process of the cluster."""

    actor: Any

    async def begin(self, shard: int) -> int:
        """As the hub's."""
        return int(await self._asked(self.actor.begin.remote(shard)))

    async def beat(self, report: Pulse) -> Grant:
        """As the hub's."""
        grant: Grant = await self._asked(self.actor.beat.remote(report))
        return grant

    async def tell(self, shard: int, counts: Counts, said: Sequence[Said]) -> None:
        """As the hub's."""
        await self._asked(self.actor.tell.remote(shard, counts, said))

    async def lost(self, shard: int) -> None:
        """As the hub's."""
        await self._asked(self.actor.lost.remote(shard))

    async def done(self, shard: int) -> None:
        """As the hub's."""
        await self._asked(self.actor.done.remote(shard))

    async def stop(self, why: str) -> None:
        """As the hub's."""
        await self._asked(self.actor.stop.remote(why))

    async def news(self) -> News:
        """As the hub's."""
        news: News = await self._asked(self.actor.news.remote())
        return news

    async def _asked(self, answer: Any) -> Any:
        from ray.exceptions import RayActorError

        try:
            return await answer
        except RayActorError as error:
            raise HubLostError(f"the ledger of the run is gone: {_first_line(error)}") from None


class RayHand:
    """The actor of a shard, and what it comes to."""

    def __init__(self, actor: Any, end: Any, kill: Callable[[Any], None]) -> None:
        self._actor, self._end, self._kill = actor, end, kill

    async def ended(self) -> Ended:
        """How the shard ended; its process ends with it.

        Raises:
            HandLostError: the process is gone.
            Incomplete: the cluster is.
        """
        from ray.exceptions import RayActorError, RaySystemError

        try:
            found: Ended = await self._end
        except RayActorError as error:
            raise HandLostError(_first_line(error)) from None
        except RaySystemError as error:
            raise Incomplete(f"Ray is gone ({_first_line(error)}); start it, then run again") from None
        self.end()
        return found

    def end(self) -> None:
        """End the process at once."""
        with suppress(Exception):  # Ray itself may be gone
            self._kill(self._actor)


class RayEngine:
    """A cluster that this process is connected to."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    @property
    def cores(self) -> int:
        """Of all machines together."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    async def hub(self, terms: Charter) -> RayLink:
        """An actor on this machine, where it can be: it is lost when we are."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=True)
        kind = self._ray.remote(Hub).options(num_cpus=0, max_restarts=0, scheduling_strategy=here)
        return RayLink(kind.remote(terms))

    def hand(self, whole: Whole, number: int, link: Link) -> RayHand:
        """An actor on the machine that has most room; it waits where no core is free."""
        kind = self._ray.remote(Worker).options(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")
        actor = kind.remote(str(Path.cwd()))
        return RayHand(actor, actor.run.remote(whole, number, link), self._ray.kill)


def check() -> None:
    """Nothing, where Ray is installed.

    Raises:
        SpecError: it is not; how to install it.
    """
    if importlib.util.find_spec("ray") is None:
        raise SpecError(NEEDS)


@contextmanager
def connected(address: str | None = None) -> Iterator[RayEngine]:
    """The cluster at `address`, or that RAY_ADDRESS names; without either, one on this machine for as long as we are.

    One of our own is heard on this machine alone, and tells nobody that it is used.

    Raises:
        SpecError: Ray is not installed, or nothing is at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    check()
    import ray

    where = address or os.environ.get("RAY_ADDRESS")
    alone: dict[str, Any] = {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(**({"address": where} if where else alone), log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        at = f" at {where}" if where else ""
        raise SpecError(
            f"--engine ray: Ray cannot be reached{at} ({_first_line(error)}); look at `ray status`"
        ) from None
    try:
        yield RayEngine(ray)
    finally:
        ray.shutdown()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
