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
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from judgegen.errors import ProviderRefused, Unanswered
from judgegen.llm import models
from judgegen.llm.calls import Call, Failure, Outcome, Reply, Send, Usage
from judgegen.llm.journal import Journal, Landing
from judgegen.llm.outbox import Batch, Outbox, Size
from judgegen.llm.persist import persist
from judgegen.llm.providers import wire
from judgegen.llm.retry import Transient

METADATA_KEY = "judgegen_batch"
API = "batch API"
OVER = frozenset({"completed", "failed", "expired", "cancelled"})
FULL = frozenset({"token_limit_exceeded", "enqueued_token_limit_exceeded"})
"""What a batch fails with when too many tokens are enqueued: it waits for others to finish."""


def collected(journal: Journal, outbox: Outbox, size: Callable[[Call], Size]) -> Send:
    """The sender of a batch run's pass: the journal answers, what it lacks goes to the outbox."""

    async def collect(call: Call) -> Outcome:
        if (known := journal.get(call.id)) is not None:
            return known
        if not outbox.holds(call.id):
            outbox.add(call, size(call))
        raise Unanswered("waits for a batch", reason="batched")

    return collect


@dataclass(slots=True)
class Desk:
    """One endpoint's files and batches, through an openai client whose retries are off."""

    client: Any
    base_url: str
    refused: dict[str, frozenset[str]] = field(default_factory=dict)

    def line(self, call: Call) -> str:
        """The call as a line of a batch file."""
        known = models.refused(call.model, call.params.get("reasoning_effort"))
        without = (known | self.refused.get(call.model, frozenset())) & call.wishes
        body = wire.body(call, tokens_key=wire.tokens_key(self.base_url), without=without)
        row = {"custom_id": call.id, "method": "POST", "url": "/v1/chat/completions", "body": body}
        return json.dumps(row) + "\n"

    async def find(self, batch: Batch) -> str | None:
        """The provider's id of a batch that carries our id, None where it has none."""

        async def search() -> str | None:
            async for found in self.client.batches.list(limit=100):
                if (found.metadata or {}).get(METADATA_KEY) == batch.id:
                    return str(found.id)
            return None

        return await persist(search, API)

    async def submit(self, batch: Batch, outbox: Outbox) -> str:
        """Upload and submit a batch that was written down; the provider's id."""
        with tempfile.TemporaryFile() as lines:
            for call in outbox.calls(batch):
                lines.write(self.line(call).encode("utf-8"))
            file_id = await persist(lambda: self._upload(batch, lines), API)
        return await self._create(batch, file_id)

    async def _upload(self, batch: Batch, lines: Any) -> str:
        lines.seek(0)
        made = await self.client.files.create(file=(f"{batch.id}.jsonl", lines), purpose="batch")
        return str(made.id)

    async def _create(self, batch: Batch, file_id: str) -> str:
        """Submit, and when the answer is lost look for the batch before submitting again."""
        tried = False

        async def create() -> str:
            nonlocal tried
            if tried and (found := await self.find(batch)):
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

    async def rows(self, file_id: str) -> AsyncIterator[dict[str, Any]]:
        """The rows of an output or error file."""
        response = await persist(lambda: self.client.files.content(file_id), API)
        for line in response.text.splitlines():
            if line.strip():
                yield json.loads(line)


@dataclass(slots=True)
class Postman:
    """Carries calls between the outbox, the providers' desks and the journal."""

    journal: Journal
    outbox: Outbox
    desks: dict[str, Desk]
    price: Callable[[Call, Usage], Decimal]
    most_tokens: Mapping[str, float | None]
    cap: Decimal | None = None

    async def adopt(self) -> None:
        """Batches whose submission is unknown: found at the provider, or taken back."""
        for batch in self.outbox.under_way():
            if batch.provider_id is None:
                found = await self.desks[batch.route].find(batch)
                if found is None:
                    self.outbox.withdrawn(batch)
                else:
                    self.outbox.submitted(batch, found)

    async def post(self) -> int:
        """Submit what waits, within the limits; how many calls the cap left behind."""
        for route, model in self.outbox.kinds():
            while batch := self.outbox.write_down(
                route, model, most_tokens=self.most_tokens.get(route) or math.inf, most_usd=self._left()
            ):
                self.outbox.submitted(batch, await self.desks[route].submit(batch, self.outbox))
        return int(self.outbox.waiting()["unsent"])

    def _left(self) -> Decimal | None:
        """USD under the cap that nothing is reserved for."""
        if self.cap is None:
            return None
        return self.cap - self.journal.spent() - Decimal(self.outbox.waiting()["worst"])

    async def fetch(self) -> int:
        """Settle every batch that is over; how many are still with the provider."""
        open_ = 0
        for batch in self.outbox.under_way():
            found = await self.desks[batch.route].status(batch)
            if found.status in OVER:
                await self._settle(batch, found)
            else:
                open_ += 1
        return open_

    async def _settle(self, batch: Batch, found: Any) -> None:
        codes = {getattr(error, "code", None) for error in getattr(found.errors, "data", None) or ()}
        if found.status == "failed" and codes & FULL:
            self.outbox.withdrawn(batch)
            return
        answered: list[str] = []
        errors: list[tuple[str, str]] = []
        for file_id in (found.output_file_id, found.error_file_id):
            if file_id is not None:
                await self._read(batch, file_id, answered, errors)
        self.outbox.settled(batch, answered, errors)
        if found.status == "failed":
            said = "; ".join(str(error.message) for error in getattr(found.errors, "data", None) or ())
            raise ProviderRefused(f"{batch.route}: the batch was refused: {said or 'no reason given'}")

    async def _read(self, batch: Batch, file_id: str, answered: list[str], errors: list[tuple[str, str]]) -> None:
        """Journal a file's answers; note what went wrong with the other rows. Rows of strangers are passed over."""
        landing: list[Awaitable[Outcome]] = []
        async for row in self.desks[batch.route].rows(file_id):
            call = self.outbox.call(row["custom_id"])
            if call is None:
                continue
            outcome = self._outcome(self.desks[batch.route], call, row)
            if isinstance(outcome, str):
                errors.append((call.id, outcome))
                continue
            priced = replace(outcome, cost=self.price(call, outcome.usage))
            landing.append(self.journal.append(call, priced, Landing(seconds=None, attempts=1)))
            answered.append(call.id)
            if len(landing) >= 500:
                await asyncio.gather(*landing)
                landing.clear()
        await asyncio.gather(*landing)

    def _outcome(self, desk: Desk, call: Call, row: dict[str, Any]) -> Reply | Failure | str:
        """A row's answer, or what went wrong with it, which is a reason to ask again."""
        response, error = row.get("response"), row.get("error")
        if not response:
            return str((error or {}).get("code") or (error or {}).get("message") or "no response")
        body = response.get("body") or {}
        if response.get("status_code") == 200:
            try:
                return wire.reply(call, body)
            except Transient as trouble:
                return trouble.why
        said = body.get("error") or error or {}
        status = int(response.get("status_code") or 0)
        name = wire.unsupported(call, status, said)
        if name is not None and name in call.wishes:
            desk.refused[call.model] = desk.refused.get(call.model, frozenset()) | {name}
            return f"refuses {name}"
        found = wire.problem(call, status, said, None)
        return found if isinstance(found, Failure) else str(found)
