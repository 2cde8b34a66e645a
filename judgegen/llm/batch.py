"""The provider's Batch API: what the pipeline lacks is collected, submitted, fetched and journaled like any answer.

A batch is written down before it is submitted and carries our id in its metadata; when a submission's fate is unknown
(a crash, a lost answer) the provider's list is searched for that id before anything is submitted again, so that a paid
batch is neither lost nor repeated. Output and error files are both read and mapped by custom_id. Works with any
endpoint that has OpenAI's files and batches. Knows nothing of stages.
"""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from judgegen.errors import ProviderRefused, Unanswered, Waiting
from judgegen.llm.answers import Landing
from judgegen.llm.calls import Call, Failure, Outcome, Usage
from judgegen.llm.facts import Facts
from judgegen.llm.journal import Journal
from judgegen.llm.learned import Known, Learned
from judgegen.llm.manner import SystemRole, ways
from judgegen.llm.outbox import Batch, Outbox, Size
from judgegen.llm.persist import persist
from judgegen.llm.retry import Transient, wait_s
from judgegen.llm.secrets import masked
from judgegen.llm.trial import Trial
from judgegen.llm.wire import batchrows, ceiling, reading, refusals
from judgegen.llm.wire.body import body
from judgegen.llm.wire.meaning import Meanings, spoken
from judgegen.llm.wire.refusals import Refusal

METADATA_KEY = "judgegen_batch"
API = "batch API"
AT_ONCE = 500
"""Calls that are written down, or answers that are journaled, together."""
WORTH = 0.25
"""The share of the waiting calls that a further batch has to take where the cap has cut one short before."""
LOOKS = 3
"""How often a list that does not show a batch is looked at before the batch counts as never submitted."""
_CAPPED = "batch/cap"
OVER = frozenset({"completed", "failed", "expired", "cancelled", "canceled"})
FULL = frozenset({"token_limit_exceeded", "enqueued_token_limit_exceeded"})
"""What a batch fails with when too many tokens are enqueued: it waits for others to finish."""


class Collected:
    """The sender of a batch run's pass: the journal answers, what it lacks goes to the outbox, by the hundreds."""

    def __init__(self, journal: Journal, outbox: Outbox, size: Callable[[Call], Size]) -> None:
        self._journal, self._outbox, self._size = journal, outbox, size
        self._found: dict[str, tuple[Call, Size]] = {}

    async def __call__(self, call: Call, /) -> Outcome:
        """What the journal answers."""
        if (known := self._journal.get(call.id)) is not None:
            return known
        if call.id not in self._found and not self._outbox.holds(call.id):
            self._found[call.id] = (call, self._size(call))
        if len(self._found) >= AT_ONCE:
            self.close()
        raise Unanswered("waits for a batch", reason="batched")

    def close(self) -> None:
        """Put what was found into the outbox."""
        self._outbox.add_all(self._found.values())
        self._found.clear()


@dataclass(slots=True)
class Clerk(ABC):
    """Whoever has one endpoint's calls answered by batch: writes them as lines, in the manner that each model takes.

    `limit` is the token limit's name there, `system_role` the role of system messages where the run file says it.
    """

    limit: str
    system_role: SystemRole | None = None
    learned: Learned = field(default_factory=Learned)

    def named(self, batch: Batch) -> str | None:
        """The name that a batch will have there, known before it is handed over; None where it is not ours to give."""
        del batch
        return None

    @abstractmethod
    async def find(self, batch: Batch, outbox: Outbox) -> str | None:
        """The name under which a batch that was written down is known there, None where it is not.

        Raises:
            Waiting: that cannot be told yet.
        """

    @abstractmethod
    async def submit(self, batch: Batch, outbox: Outbox) -> str:
        """Hand over a batch that was written down; its name there.

        Raises:
            Waiting: no answer came, and whether it was taken cannot be told yet.
        """

    def ways(self, call: Call) -> Mapping[str, tuple[Any, ...]]:
        """In which ways the call can be put."""
        return ways(call, limit=self.limit, system_role=self.system_role)

    def line(self, call: Call) -> str:
        """The call as a line of a batch file, in the manner that its model is known to take."""
        room = self.learned.room(call)
        call = replace(call, room=max(call.room, room))
        sent = body(call, self.learned.of(call).manner(self.ways(call)))
        row = {"custom_id": call.id, "method": "POST", "url": "/v1/chat/completions", "body": sent}
        return json.dumps(row) + "\n"

    def answer(self, call: Call, row: batchrows.Returned) -> Outcome | Refusal:
        """What a row says to the call, after what it tells of the model is kept; or why it says nothing."""
        reply = _reply(call, row)
        if not isinstance(reply, Refusal):
            self.learned.heard(call, reply, self.learned.of(call).manner(self.ways(call)))
        return reply


async def looked(search: Callable[[], Awaitable[str | None]]) -> str | None:
    """What is found in a provider's list, that is looked at some times: it may be behind what was submitted."""
    for look in range(LOOKS):
        if (found := await search()) is not None:
            return found
        if look < LOOKS - 1:
            await asyncio.sleep(wait_s(look, None))
    return None


@dataclass(slots=True)
class Desk(Clerk):
    """One endpoint's files and batches, through an openai `client` whose retries are off."""

    client: Any = field(kw_only=True)

    async def find(self, batch: Batch, outbox: Outbox) -> str | None:
        """The provider's id of a batch that carries our id, None where it has none."""
        del outbox

        async def search() -> str | None:
            async for found in self.client.batches.list(limit=100):
                if (found.metadata or {}).get(METADATA_KEY) == batch.id:
                    return str(found.id)
            return None

        return await looked(lambda: persist(search, API))

    async def submit(self, batch: Batch, outbox: Outbox) -> str:
        """Upload and submit a batch that was written down; the provider's id."""
        try:
            with tempfile.TemporaryFile() as lines:
                for call in outbox.calls(batch):
                    lines.write(self.line(call).encode("utf-8"))
                file_id = await persist(lambda: self._upload(batch, lines), API)
            return await self._create(batch, file_id, outbox)
        except ProviderRefused as error:
            outbox.withdrawn(batch)
            raise ProviderRefused(
                f"endpoint {batch.route!r} ({self.client.base_url}) takes no batch: {error}; where it has no Batch "
                f"API, run without --batch"
            ) from None

    async def _upload(self, batch: Batch, lines: Any) -> str:
        lines.seek(0)
        made = await self.client.files.create(file=(f"{batch.id}.jsonl", lines), purpose="batch")
        return str(made.id)

    async def _create(self, batch: Batch, file_id: str, outbox: Outbox) -> str:
        """Submit, and when the answer is lost look for the batch before submitting again."""
        tried = False

        async def create() -> str:
            nonlocal tried
            if tried and (found := await self.find(batch, outbox)):
                return found
            tried = True
            made = await self.client.batches.create(
                input_file_id=file_id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={METADATA_KEY: batch.id},
            )
            return str(made.id)

        return await persist(create, API)

    async def status(self, batch: Batch) -> Any:
        """The provider's batch object."""
        return await persist(lambda: self.client.batches.retrieve(batch.provider_id), API)

    async def rows(self, file_id: str) -> AsyncIterator[batchrows.Returned]:
        """The rows of an output or error file."""
        response = await persist(lambda: self.client.files.content(file_id), API)
        for line in masked(response.text).removeprefix("\ufeff").split("\n"):  # a text may hold other ends of lines
            with suppress(ValueError, RecursionError):  # a row that cannot be read is asked again
                if (row := batchrows.read(json.loads(line))) is not None:
                    yield row


@dataclass(slots=True)
class Postman:
    """Carries calls between the outbox, the providers' desks and the journal."""

    journal: Journal
    outbox: Outbox
    desks: Mapping[str, Clerk]
    price: Callable[[Call, Usage], Decimal]
    most_tokens: Mapping[str, float | None]
    cap: Decimal | None = None
    facts: Facts | None = None

    async def adopt(self) -> None:
        """Batches whose submission is unknown: found at the provider, or taken back, or left while nobody can tell."""
        for batch in self.outbox.under_way():
            if batch.provider_id is None:
                with suppress(Waiting):
                    found = await self.desks[batch.route].find(batch, self.outbox)
                    if found is None:
                        self.outbox.withdrawn(batch)
                    else:
                        self.outbox.submitted(batch, found)

    async def post(self) -> int:
        """Submit what waits, within the limits; how many calls the cap left behind.

        Where this cap has cut a batch short before, one that takes few of those that wait is not worth it.
        """
        capped = self.facts is not None and self.cap is not None and self.facts.get(_CAPPED) == str(self.cap)
        for route, model in self.outbox.kinds():
            desk = self.desks[route]
            while batch := self.outbox.write_down(
                route,
                model,
                most_tokens=self.most_tokens.get(route) or math.inf,
                most_usd=self._left(),
                least=WORTH if capped else 0.0,
                named=desk.named,
            ):
                with suppress(Waiting):  # it stays written down, and is looked for from now on
                    self.outbox.submitted(batch, await desk.submit(batch, self.outbox))
        left = int(self.outbox.waiting()["unsent"])
        if left and self.facts is not None and self.cap is not None:
            self.facts.put(_CAPPED, str(self.cap))
        return left

    def _left(self) -> Decimal | None:
        """USD under the cap that nothing is reserved for."""
        if self.cap is None:
            return None
        return self.cap - self.journal.spent() - Decimal(self.outbox.waiting()["worst"])

    async def fetch(self) -> int:
        """Settle every batch that is over; how many are still with the provider, or may be."""
        await self.adopt()
        open_ = 0
        for batch in self.outbox.under_way():
            desk = self.desks[batch.route]
            if not isinstance(desk, Desk):
                continue
            if batch.provider_id is None:
                open_ += 1
                continue
            found = await desk.status(batch)
            if str(found.status).casefold() in OVER:
                await self._settle(desk, batch, found)
            else:
                open_ += 1
        return open_

    async def _settle(self, desk: Desk, batch: Batch, found: Any) -> None:
        codes = {getattr(error, "code", None) for error in getattr(found.errors, "data", None) or ()}
        if str(found.status).casefold() == "failed" and codes & FULL:
            self.outbox.withdrawn(batch)
            return
        answered: list[str] = []
        refused: list[tuple[Call, Refusal]] = []
        for file_id in (found.output_file_id, found.error_file_id):
            if file_id is not None:
                await self._read(desk, file_id, answered, refused)
        errors = await self.mean(desk, refused, answered)
        self.outbox.settled(batch, answered, errors)
        if str(found.status).casefold() == "failed":
            said = "; ".join(str(error.message) for error in getattr(found.errors, "data", None) or ())
            raise ProviderRefused(f"{batch.route}: the batch was refused: {said or 'no reason given'}")

    async def _read(self, desk: Desk, file_id: str, answered: list[str], refused: list[tuple[Call, Refusal]]) -> None:
        """Journal a file's answers; note why the other rows have none. Rows of strangers are passed over."""
        landing = list[Awaitable[Outcome]]()
        async for row in desk.rows(file_id):
            call = self.outbox.call(row.custom_id)
            if call is None:
                continue
            reply = desk.answer(call, row)
            if isinstance(reply, Refusal):
                refused.append((call, reply))
                continue
            landing.append(self.land(call, reply))
            answered.append(call.id)
            if len(landing) >= AT_ONCE:
                await asyncio.gather(*landing)
                landing.clear()
        await asyncio.gather(*landing)

    async def land(self, call: Call, outcome: Outcome) -> Outcome:
        """Journal an answer, priced."""
        priced = replace(outcome, cost=self.price(call, outcome.usage))
        return await self.journal.append(call, priced, Landing(seconds=None, attempts=1))

    async def mean(
        self, desk: Clerk, refused: list[tuple[Call, Refusal]], answered: list[str]
    ) -> list[tuple[str, str]]:
        """Journal what is final of the rows that were refused; the others' words, which are a reason to ask again."""
        errors: list[tuple[str, str]] = []
        before = {(call.endpoint, call.model): deepcopy(desk.learned.of(call)) for call, _ in refused}
        for call, refusal in refused:
            found = meaning(desk, call, refusal, before[call.endpoint, call.model])
            if isinstance(found, str):
                errors.append((call.id, found))
                continue
            await self.land(call, found)
            answered.append(call.id)
        return errors


def _reply(call: Call, row: batchrows.Returned) -> Outcome | Refusal:
    if row.completion is None:
        return row.refusal or Refusal(status=200, message="no answer")
    try:
        return reading.reply(call, row.completion)
    except Transient as trouble:
        return Refusal(status=500, message=trouble.why)


def meaning(desk: Clerk, call: Call, refusal: Refusal, known: Known) -> Failure | str:
    """What a refused row means: a final no, or words; `known` is what was known when it was sent.

    What may be a wish is left out from now on, since a batch cannot be asked at once again.
    """
    what = refusals.kind(refusal)
    said = f"{refusal.status} {refusal.message}"[:200]
    if ceiling.beyond(call.max_tokens, refusal, what):
        return str(ceiling.ends(call, refusal))
    if what in ("unclear", "request") and refusal.status != 200:
        trial = Trial(desk.ways(call), known)
        if trial.refused(spoken(refusal, trial), refusal.said):
            for wish, way in trial.supposed():
                desk.learned.of(call).instead[wish] = way
                desk.learned.tell(call, wish, way)
            desk.learned.keep(call)
            return said
        if known.answered:
            return Failure(reason="rejected", detail=refusal.message)
    found = Meanings(desk.learned).of(call, refusal, what) if what in ("flagged", "too_long") else said
    return found if isinstance(found, Failure) else said
