"""Rounds of a batch run: fetch what is answered, run the pipeline on, submit what it lacks, until nothing is lacking.

Batches are with a provider, or files in a folder; what goes neither way is asked live within each round. Sampling,
judging and asking again each become a round. Every step may be the last one before a crash: the next invocation begins
with what is on disk. Knows the run's plan and the outbox; nothing of files written in the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from judgegen.errors import BudgetReached, Incomplete, JudgegenError, SpecError, Waiting
from judgegen.llm import dialects
from judgegen.llm.batch import Clerk, Collected, Postman
from judgegen.llm.calls import Call, Outcome, Send
from judgegen.llm.facts import Facts
from judgegen.llm.journal import Journal
from judgegen.llm.learned import Learned
from judgegen.llm.outbox import Outbox, Size
from judgegen.llm.providers import batch_file
from judgegen.llm.stop import Stop
from judgegen.llm.wire.keys import remembered
from judgegen.run import live, moved
from judgegen.run.batchfiles import Files
from judgegen.run.live import Way
from judgegen.run.tray import Tray, is_file
from judgegen.spec import Endpoint, Spec
from judgegen.watch import Watch

Pass = Callable[[Send], AsyncIterator[object]]
"""All that is to be answered, asked for once; it goes on where an answer is lacking."""
POLL_S = 30.0
"""Seconds between looks at the provider with --wait."""
FOLDER = "batch-files"
"""Where batch files lie in a run folder, unless the user names another place."""


def ways(spec: Spec, *, batch: bool, files: bool) -> dict[str, Way]:
    """By endpoint which way its calls go: through files where all do, or its provider is a folder's."""

    def way(endpoint: Endpoint) -> Way:
        if files or endpoint.provider == batch_file.NAME:
            return "file"
        return "batch" if batch else "live"

    return {name: way(endpoint) for name, endpoint in spec.used_endpoints().items()}


@asynccontextmanager
async def desks(spec: Spec, by: Mapping[str, Way], folder: Path) -> AsyncIterator[dict[str, Clerk]]:
    """Who takes calls for every endpoint that is not asked live.

    Raises:
        SpecError: an endpoint has no Batch API.
    """
    async with AsyncExitStack() as opened:
        found: dict[str, Clerk] = {}
        for name, endpoint in spec.used_endpoints().items():
            if by[name] == "file":
                remembered(endpoint)
                limit = dialects.limit_name(endpoint.base_url or "")
                found[name] = Tray(limit, endpoint.system_role, folder=folder, command=endpoint.command)
            elif by[name] == "batch":
                if (desk := endpoint.listing.desk) is None:
                    has_none = f"endpoints.{name}: provider = {endpoint.provider!r} has no Batch API"
                    raise SpecError(f"{has_none}; run without --batch")
                found[name] = await opened.enter_async_context(desk(endpoint, name))
        yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """A job as its rounds need it.

    Attributes:
        rates: each endpoint's by the way that its calls go.
        cap: USD that the folder may cost in all.
        by: by endpoint which way its calls go.
        files: where batch files lie.
    """

    spec: Spec
    journal: Journal
    rates: live.Rates
    cap: Decimal | None
    watch: Watch
    stop: Stop
    by: Mapping[str, Way]
    files: Path


@dataclass(frozen=True, slots=True)
class _Round:
    """What the rounds of a job work with."""

    job: Batches
    outbox: Outbox
    postman: Postman
    files: Files


async def run(job: Batches, once: Pass, *, poll_s: float | None) -> None:
    """Rounds until everything is answered; without `poll_s` only until batches have to be waited for.

    The reason for ending early is left in `stop`: Waiting while batches are under way, BudgetReached at the cap.
    """
    limits = {name: endpoint.batch_tokens for name, endpoint in job.spec.used_endpoints().items()}
    away = {place for place in job.rates if job.by[place[0]] != "live"}
    for sentence in moved.warnings(job.spec, away, job.journal.path):
        job.watch.warned(sentence)
    with Outbox(job.journal.path) as outbox, Facts(job.journal.path) as facts:
        learned = Learned(facts, job.watch.adapted)
        async with desks(job.spec, job.by, job.files) as open_desks:
            for desk in open_desks.values():
                desk.learned = learned
            price = partial(live.cost, job.rates)
            postman = Postman(job.journal, outbox, open_desks, price, limits, job.cap, facts)
            trays = {name: desk for name, desk in open_desks.items() if isinstance(desk, Tray)}
            files = Files(trays, postman, facts, job.watch, job.stop)
            try:
                await _rounds(_Round(job, outbox, postman, files), once, poll_s)
            except JudgegenError as error:
                job.stop.request(error)


async def _rounds(at: _Round, once: Pass, poll_s: float | None) -> None:
    job, outbox, postman, files = at.job, at.outbox, at.postman, at.files
    outbox.try_again()
    _agree(outbox, job.by)
    await postman.adopt()
    await files.begin()
    while not job.stop.requested:
        await postman.fetch()
        await files.take()
        await _collect(at, once)
        if await files.recovered():
            continue
        await postman.post()
        if await files.worked():
            continue
        if _over(at, waits=poll_s is not None):
            return
        job.watch.waits(_state(outbox))
        await job.stop.sleep(poll_s or 0)


def _agree(outbox: Outbox, by: Mapping[str, Way]) -> None:
    """Take back the files of endpoints whose calls go another way now.

    Raises:
        SpecError: a batch is or may be with its provider, and its endpoint's calls shall go elsewhere; it is paid for.
    """
    for batch in outbox.under_way():
        way = by.get(batch.route)
        if is_file(batch) and way != "file":
            outbox.withdrawn(batch)
        elif not is_file(batch) and way != "batch":
            sure = "is" if batch.provider_id else "may be"  # it was being submitted when the run ended
            raise SpecError(
                f"batch {batch.provider_id or batch.id} of endpoint {batch.route!r} {sure} with its provider, and its "
                f"answers paid for: fetch them first, with --batch and the run file of then"
            )


async def _collect(at: _Round, once: Pass) -> None:
    """One pass against the journal; what it lacks is asked live or goes to the outbox."""
    at.outbox.drop_unsent()
    collected = Collected(
        at.job.journal, at.outbox, partial(_size, partial(live.worst, at.job.rates), at.postman.desks)
    )
    try:
        async with _asking(at, collected) as send:
            async for _ in once(send):
                pass
    finally:
        collected.close()


@asynccontextmanager
async def _asking(at: _Round, collected: Collected) -> AsyncIterator[Send]:
    """Who answers in a pass: the journal, and the endpoints that are asked live."""
    job = at.job
    direct = {place: rate for place, rate in job.rates.items() if job.by[place[0]] == "live"}
    if not direct:
        yield collected
        return
    cap = None if job.cap is None else job.cap - Decimal(at.outbox.waiting()["worst"])
    async with live.live(job.spec, job.journal, direct, cap, job.watch, job.stop) as asked:

        async def send(call: Call) -> Outcome:
            return await (asked(call) if job.by[call.tag.route] == "live" else collected(call))

        yield send


def _size(worst: Callable[[Call], Decimal], open_desks: Mapping[str, Clerk], call: Call) -> Size:
    """Bytes of the call's line with room for the envelope; about four characters to a token; USD with room to think."""
    room = open_desks[call.tag.route].learned.room(call)
    call = replace(call, room=room) if room > call.room else call
    text = sum(len(str(message).encode("utf-8", "replace")) for message in call.messages)
    return Size(bytes=text + len(str(call.params)) + 400, tokens=text // 4 + 1, worst=worst(call))


def _over(at: _Round, *, waits: bool) -> bool:
    """Whether this invocation is done, with the reason in `stop` unless everything is answered."""
    left: Mapping[str, int] = at.outbox.waiting()
    stop, cap = at.job.stop, at.job.cap
    by_hand = at.files.by_hand()
    if by_hand:
        stop.request(Waiting(_by_hand(at, by_hand)))
        return True
    if left["with_provider"]:
        if not waits:
            said = f"{_state(at.outbox)}; come back in some minutes, a day at most: the same command goes on"
            stop.request(Waiting(said))
        return not waits
    if left["unsent"] and cap is not None:
        said = f"{left['unsent']} calls do not fit under {cap:f} USD; a higher cap continues"
        stop.request(BudgetReached(said, continues=2 * cap))
    elif left["given_up"]:
        why = f" ({said})" if (said := at.outbox.why()) else ""
        again = "the same command tries them again"
        stop.request(Incomplete(f"{left['given_up']} calls failed in every batch{why}; {again}"))
    return True


SHOWN = 8
"""Commands that are told of many."""


def _by_hand(at: _Round, commands: list[str]) -> str:
    """What somebody has to do, and that the same command goes on."""
    left = at.outbox.waiting()
    held = sum(1 for batch in at.outbox.under_way() if not is_file(batch))
    more = [f"  … and {len(commands) - SHOWN} more"] if len(commands) > SHOWN else []
    also = f" (and {held} with their provider)" if held else ""
    calls = "1 call waits" if left["with_provider"] == 1 else f"{left['with_provider']:,} calls wait"
    files = "one file" if len(commands) == 1 else f"{len(commands)} files"
    return "\n".join(
        [
            f"{calls} in {files}{also}; answer them, by vLLM for instance:",
            *(f"  {command}" for command in commands[:SHOWN]),
            *more,
            f"any .jsonl file with answers in {at.job.files} is taken in when the same command goes on",
        ]
    )


def _state(outbox: Outbox) -> str:
    left = outbox.waiting()
    lost = sum(1 for batch in outbox.under_way() if batch.provider_id is None)
    batches = "one batch" if lost == 1 else f"{lost} batches"
    may = f" (whether {batches} arrived shows when others there are over)" if lost else ""
    return f"{left['with_provider']} calls are with the provider{may}, {left['unsent']} wait for room"
