"""Rounds of a batch run: fetch what is answered, run the pipeline on, submit what it lacks, until nothing is lacking.

Sampling, judging and asking again each become a round. Every step may be the last one before a crash: the next
invocation begins with what is on disk. Knows the run's plan and the outbox; nothing of files written in the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from judgegen.errors import BudgetReached, Incomplete, JudgegenError, SpecError, Waiting
from judgegen.llm.batch import Desk, Postman, collected
from judgegen.llm.calls import Call, Send
from judgegen.llm.facts import Facts
from judgegen.llm.journal import Journal
from judgegen.llm.learned import Learned
from judgegen.llm.outbox import Outbox, Size
from judgegen.llm.stop import Stop
from judgegen.run import live, moved
from judgegen.spec import Spec
from judgegen.watch import Watch

Pass = Callable[[Send], AsyncIterator[object]]
"""All that is to be answered, asked for once; it goes on where an answer is lacking."""
POLL_S = 30.0
"""Seconds between looks at the provider with --wait."""


@asynccontextmanager
async def desks(spec: Spec) -> AsyncIterator[dict[str, Desk]]:
    """A desk for every endpoint of the run.

    Raises:
        SpecError: an endpoint has no Batch API.
    """
    async with AsyncExitStack() as opened:
        found: dict[str, Desk] = {}
        for name, endpoint in spec.used_endpoints().items():
            if (desk := endpoint.listing.desk) is None:
                has_none = f"endpoints.{name}: provider = {endpoint.provider!r} has no Batch API"
                raise SpecError(f"{has_none}; run without --batch")
            found[name] = await opened.enter_async_context(desk(endpoint, name))
        yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """A job as its rounds need it. `rates` are the Batch API's; `cap` is in USD."""

    spec: Spec
    journal: Journal
    rates: live.Rates
    cap: Decimal | None
    watch: Watch
    stop: Stop


async def run(job: Batches, once: Pass, *, poll_s: float | None) -> None:
    """Rounds until everything is answered; without `poll_s` only until batches have to be waited for.

    The reason for ending early is left in `stop`: Waiting while batches are under way, BudgetReached at the cap.
    """
    limits = {name: endpoint.batch_tokens for name, endpoint in job.spec.used_endpoints().items()}
    for sentence in moved.warnings(job.spec, set(job.rates), job.journal.path):
        job.watch.warned(sentence)
    with Outbox(job.journal.path) as outbox, Facts(job.journal.path) as facts:
        learned = Learned(facts, job.watch.adapted)
        async with desks(job.spec) as open_desks:
            for desk in open_desks.values():
                desk.learned = learned
            price = partial(live.cost, job.rates)
            postman = Postman(job.journal, outbox, open_desks, price, limits, job.cap, facts)
            try:
                await _rounds(job, outbox, postman, once, poll_s)
            except JudgegenError as error:
                job.stop.request(error)


async def _rounds(job: Batches, outbox: Outbox, postman: Postman, once: Pass, poll_s: float | None) -> None:
    outbox.try_again()
    await postman.adopt()
    while not job.stop.requested:
        await postman.fetch()
        await _collect(job, outbox, postman, once)
        await postman.post()
        if _over(outbox, job.stop, job.cap, waits=poll_s is not None):
            return
        job.watch.waits(_state(outbox))
        await job.stop.sleep(poll_s or 0)


async def _collect(job: Batches, outbox: Outbox, postman: Postman, once: Pass) -> None:
    """One pass against the journal; what it lacks goes to the outbox."""
    outbox.begin()
    try:
        outbox.drop_unsent()
        send = collected(job.journal, outbox, partial(_size, partial(live.worst, job.rates), postman.desks))
        async for _ in once(send):
            pass
    finally:
        outbox.commit()


def _size(worst: Callable[[Call], Decimal], open_desks: Mapping[str, Desk], call: Call) -> Size:
    """Bytes of the call's line with room for the envelope; about four characters to a token; USD with room to think."""
    room = open_desks[call.tag.route].learned.room(call)
    call = replace(call, room=room) if room > call.room else call
    text = sum(len(str(message).encode("utf-8", "replace")) for message in call.messages)
    return Size(bytes=text + len(str(call.params)) + 400, tokens=text // 4 + 1, worst=worst(call))


def _over(outbox: Outbox, stop: Stop, cap: Decimal | None, *, waits: bool) -> bool:
    """Whether this invocation is done, with the reason in `stop` unless everything is answered."""
    left: Mapping[str, int] = outbox.waiting()
    if left["with_provider"]:
        if not waits:
            stop.request(
                Waiting(f"{_state(outbox)}; come back in some minutes, a day at most: the same command goes on")
            )
        return not waits
    if left["unsent"] and cap is not None:
        said = f"{left['unsent']} calls do not fit under {cap:f} USD; a higher cap continues"
        stop.request(BudgetReached(said, continues=2 * cap))
    elif left["given_up"]:
        why = f" ({said})" if (said := outbox.why()) else ""
        again = "the same command tries them again"
        stop.request(Incomplete(f"{left['given_up']} calls failed in every batch{why}; {again}"))
    return True


def _state(outbox: Outbox) -> str:
    left = outbox.waiting()
    return f"{left['with_provider']} calls are with the provider, {left['unsent']} wait for room"
