"""Anthropic's Message Batches as a desk of the outbox: POST /v1/messages/batches, looked at, and its results read.

A request's custom_id is its call's, whose colon the API does not take. A batch has no metadata there, so one whose
submission got no answer is looked for among those made since it was written down that have as many requests and are not
known to be another of ours, and known by its results alone: one that is still at work may be a stranger's, ours not yet
listed or never there, so that its calls wait until it is over. A list that has none of them is looked at some times
before what is not on it counts as not there. Results come in any order; what expired, was canceled or broke is asked
again, what is refused for good is not (`batchrows`).

Source: anthropic-sdk-python 2.14, resources/messages/batches; 24 hours, 100,000 requests, 256 MB, results kept 29 days.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from judgegen.errors import ProviderRefused, Waiting
from judgegen.llm.batch import API, Desk, looked, meaning
from judgegen.llm.calls import Call
from judgegen.llm.outbox import Batch, Outbox
from judgegen.llm.persist import persist
from judgegen.llm.secrets import masked
from judgegen.llm.wire import batchrows, refusals
from judgegen.llm.wire.body import body

PATH = "/v1/messages/batches"
OVER = "ended"
SKEW = timedelta(minutes=10)
"""How far a provider's clock may be behind ours."""
_REFUSED = 400
Params = Callable[[dict[str, Any]], dict[str, Any]]


def name_of(call_id: str) -> str:
    """A call's id as a custom_id."""
    return call_id.replace(":", "_")


def call_of(name: str) -> str:
    """The id of the call that a custom_id stands for."""
    return name.replace("_", ":")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A batch as the outbox's postman asks after one: its results are known by the batch's own id."""

    status: str
    output_file_id: str | None = None
    error_file_id: None = None
    errors: None = None


@dataclass(slots=True, kw_only=True)
class MessageDesk(Desk):
    """One endpoint's Message Batches, through an anthropic `client` whose retries are off.

    `params` puts a chat's body in the API's words; `refuses` says what the API would of a wish it has no parameter for.
    `others` are batches whose results were seen, and are not of calls that wait here.
    """

    params: Params
    refuses: Callable[[dict[str, Any]], bytes | None]
    others: set[str] = field(default_factory=set)

    async def find(self, batch: Batch, outbox: Outbox) -> str | None:
        """The provider's id of a batch, known by its results.

        Raises:
            Waiting: one that is not over may be it.
        """

        async def search() -> str | None:
            open_ = list[str]()
            async for row in self._alike(batch, outbox):
                if row["processing_status"] != OVER:
                    open_.append(row["id"])
                elif await self._ours(row["id"], batch, outbox):
                    return str(row["id"])
            if open_:
                said = f"whether a batch of ours is {' or '.join(open_)} shows when that is over"
                raise Waiting(f"{batch.route}: {said}; come back then: the same command goes on")
            return None

        return await looked(search)

    async def _alike(self, batch: Batch, outbox: Outbox) -> AsyncIterator[dict[str, Any]]:
        """What is listed that may be this batch."""
        size, when, known = outbox.standing(batch)
        async for row in self._listed(datetime.fromisoformat(when) - SKEW):
            gone = row["id"] in known or row["id"] in self.others or row.get("archived_at") is not None
            if not gone and sum(row["request_counts"].values()) == size:
                yield row

    async def _listed(self, since: datetime) -> AsyncIterator[dict[str, Any]]:
        """The batches made since, newest first."""
        after: str | None = None
        while True:
            query = {"limit": "100", **({"after_id": after} if after else {})}
            page = json.loads(await self._get(PATH, query))
            for row in page["data"]:
                if datetime.fromisoformat(row["created_at"]) < since:
                    return
                yield row
            if not page.get("has_more") or not page["data"]:
                return
            after = page["last_id"]

    async def _ours(self, provider_id: str, batch: Batch, outbox: Outbox) -> bool:
        """Whether the results that a batch came to are of calls that stand in `batch`."""
        async for row in self.rows(provider_id):
            found = outbox.batch_of(row.custom_id)
            if found is not None:
                return found == batch.id
            break
        self.others.add(provider_id)
        return False

    async def submit(self, batch: Batch, outbox: Outbox) -> str:
        """Submit a batch that was written down; the provider's id."""
        wanted = [{"custom_id": name_of(call.id), "params": self._params(call)} for call in outbox.calls(batch)]
        tried = False

        async def create() -> str:
            nonlocal tried
            if tried and (found := await self.find(batch, outbox)):
                return found
            tried = True
            return str(json.loads(await self._asked("POST", PATH, body={"requests": wanted}))["id"])

        try:
            return await persist(create, API)
        except ProviderRefused as error:
            outbox.withdrawn(batch)
            raise ProviderRefused(f"endpoint {batch.route!r} takes no batch: {error}; run without --batch") from None

    def _params(self, call: Call) -> dict[str, Any]:
        """What is asked, without the wishes that the API has no parameter for: a batch would be refused for them."""
        for _ in self.ways(call):
            sent = body(call, self.learned.of(call).manner(self.ways(call)))
            if (no := self.refuses(sent)) is None:
                break
            meaning(self, call, refusals.read(_REFUSED, no, None), deepcopy(self.learned.of(call)))
        return self.params(body(call, self.learned.of(call).manner(self.ways(call))))

    async def status(self, batch: Batch) -> Standing:
        """How the batch stands."""
        row = json.loads(await self._get(f"{PATH}/{batch.provider_id}"))
        if row["processing_status"] != OVER:
            return Standing(status=str(row["processing_status"]))
        return Standing(status="completed", output_file_id=batch.provider_id)

    async def rows(self, file_id: str) -> AsyncIterator[batchrows.Returned]:
        """The results of the batch of this id."""
        for line in masked((await self._get(f"{PATH}/{file_id}/results")).decode("utf-8", "replace")).split("\n"):
            with suppress(ValueError, RecursionError):  # a row that cannot be read is asked again
                row = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("custom_id"), str):
                    row["custom_id"] = call_of(row["custom_id"])
                if (read := batchrows.read(row)) is not None:
                    yield read

    async def _get(self, path: str, query: dict[str, str] | None = None) -> bytes:
        return await persist(lambda: self._asked("GET", path, query=query), API)

    async def _asked(self, method: str, path: str, **more: Any) -> bytes:
        """The body of an answer; refusals are raised as the SDK of the outbox's other desks raises them."""
        import anthropic
        import httpx2
        import openai

        asks: Callable[..., Awaitable[Any]] = self.client.post if method == "POST" else self.client.get
        query = more.pop("query", None)
        options = {"params": query} if query else {}
        try:
            answer = await asks(path, cast_to=httpx2.Response, options=options, **more)
        except anthropic.APIStatusError as error:
            raise openai.APIStatusError(error.message, response=error.response, body=error.body) from None
        except anthropic.APIConnectionError as error:
            raise openai.APIConnectionError(request=error.request) from (error.__cause__ or error)
        return bytes(answer.content)
