"""One shard of a run, in the process that an engine gave it: an ordinary run whose limits are leased.

Knows the library's own door; nothing of engines or of other shards.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from judgegen import api
from judgegen.errors import JudgegenError, SpecError
from judgegen.fleet.hub import HubLostError, Link, Said
from judgegen.llm.leases import Grant, Pulse
from judgegen.llm.lessee import Lease
from judgegen.llm.stop import Stop
from judgegen.run.session import Given, resolve
from judgegen.show.progress import Shown
from judgegen.spec.short import ShortFile
from judgegen.stores.urls import shown, url_of

TELL_S = 1.0
"""Seconds between words to the display."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A run in `of` parts, as every process of it is told; paths are absolute."""

    given: Given
    out: Path
    of: int
    limit: int | None = None
    max_usd: Decimal | None = None
    replace: bool = False
    verbose: bool = False


def whole_of(given: Given, which: Mapping[str, Any], how: Mapping[str, Any], *, verbose: bool) -> Whole:
    """The run that is asked for, not divided yet: `which` prompts into which folder, `how` as `generate` has it.

    Raises:
        SpecError: its folder is at a URL, where no shard that is lost can be taken up at once.
    """
    if which["out"] is not None and url_of(which["out"]) is not None:
        raise SpecError(
            f"--engine: {shown(which['out'])} is no folder; give --out one that all machines of the engine see"
        )
    folder = resolve(given, which["out"])[2]
    if isinstance(given, ShortFile):
        given = replace(given, path=given.path.resolve())
    elif isinstance(given, str | Path):
        given = Path(given).resolve()
    usd = None if how["max_usd"] is None else Decimal(str(how["max_usd"]))
    return Whole(
        given=given,
        out=folder.resolve(),
        of=1,
        limit=which["limit"],
        max_usd=usd,
        replace=how["replace_folder"],
        verbose=verbose,
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a shard ended: the name of its error and its words, "" for none; whether it had lost the hub."""

    error: str = ""
    message: str = ""
    hub_lost: bool = False


class Reporter(Shown):
    """Counts, and keeps what is said until it is told."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__()
        self.verbose = verbose
        self.said: list[Said] = []

    def say(self, sentence: str) -> None:
        """Keep it."""
        self.said.append(("say", sentence))

    def warned(self, message: str) -> None:
        """Keep it."""
        self.said.append(("warn", message))


async def played(whole: Whole, number: int, link: Link) -> Ended:
    """Run the `number`-th part (from 1) to its end; called again, wherever, it goes on from its journal."""
    reporter, told_at, hub_lost = Reporter(verbose=whole.verbose), 0.0, False

    async def tell() -> None:
        said, reporter.said = reporter.said, []
        await link.tell(number, reporter.counts(), said)

    async def beat(report: Pulse) -> Grant:
        nonlocal told_at, hub_lost
        try:
            if time.monotonic() - told_at > TELL_S:
                told_at = time.monotonic()
                await tell()
            return await link.beat(report)
        except HubLostError:
            hub_lost = True
            raise

    try:
        lease = Lease(beat, await link.begin(number))
    except HubLostError as error:
        return Ended("Incomplete", str(error), hub_lost=True)
    ended = await _run(whole, number, lease, reporter)
    with suppress(HubLostError):
        await tell()
    return Ended(ended.error, ended.message, hub_lost)


async def _run(whole: Whole, number: int, lease: Lease, reporter: Reporter) -> Ended:
    try:
        await api.generate(
            whole.given,
            out=whole.out,
            limit=whole.limit,
            max_usd=whole.max_usd,
            replace_folder=whole.replace,
            shard=f"{number}/{whole.of}",
            lease=lease,
            watch=reporter,
            stop=Stop(),
        )
    except JudgegenError as error:
        return Ended(type(error).__name__, str(error))
    return Ended()
