"""The simulator's Message Batches, in the words of Anthropic's API, with what goes wrong in one.

    POST /v1/messages/batches                requests: [{custom_id, params}]
    GET  /v1/messages/batches                newest first; after_id, limit
    GET  /v1/messages/batches/{id}           POST /v1/messages/batches/{id}/cancel
    GET  /v1/messages/batches/{id}/results   once it has ended, in an order of its own

What a request comes to is drawn by lot when half of the batch's seconds are over: it is answered and counts as paid, or
is errored, expired or canceled, and counts for nothing. Batches are kept until the server ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from judgegen.simulator import messages
from judgegen.simulator.bodies import Problem
from judgegen.simulator.lots import Lots
from judgegen.simulator.scripted import Speaker
from judgegen.simulator.tally import ServerTally
from judgegen.simulator.wire import body_of, dropped, in_json
from judgegen.simulator.work import BatchSettings, Submissions

MOST_REQUESTS = 100_000
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_BROKEN = ("api_error", "overloaded_error", "rate_limit_error")


@dataclass(slots=True, kw_only=True)
class MessageBatch:
    """A batch; `results` are None while it is in progress."""

    requests: Sequence[Mapping[str, Any]]
    id: str = field(default_factory=lambda: f"msgbatch_{uuid.uuid4().hex}")
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    results: list[dict[str, Any]] | None = None
    canceled: asyncio.Event = field(default_factory=asyncio.Event)

    def row(self) -> dict[str, Any]:
        """The batch as the API describes it."""
        ended, counts = self.results is not None, Counter(row["result"]["type"] for row in self.results or ())
        kinds = ("succeeded", "errored", "canceled", "expired")
        working = "canceling" if self.canceled.is_set() else "in_progress"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else working,
            "request_counts": {"processing": 0 if ended else len(self.requests), **{k: counts[k] for k in kinds}},
            "created_at": self.made.isoformat(),
            "results_url": f"/v1/messages/batches/{self.id}/results" if ended else None,
        }


class MessageBatches:
    """The batches, each worked on by a task of its own."""

    def __init__(self, speaker: Speaker, tally: ServerTally, settings: BatchSettings) -> None:
        self._speaker, self._tally, self._settings = speaker, tally, settings
        self._all: dict[str, MessageBatch] = {}
        self._submissions = Submissions("message submissions", speaker.world.settings.seed, settings, tally)
        self.aclose = self._submissions.aclose

    def routes(self) -> list[web.RouteDef]:
        """The routes of the API."""
        return [
            web.post("/v1/messages/batches", self.create),
            web.get("/v1/messages/batches", self.listed),
            web.get("/v1/messages/batches/{id}", self.described),
            web.get("/v1/messages/batches/{id}/results", self.results),
            web.post("/v1/messages/batches/{id}/cancel", self.cancel),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Accept one batch."""
        body = await body_of(request)
        problem = body if isinstance(body, Problem) else _wrong(body.get("requests"))
        if problem is not None or isinstance(body, Problem):
            return _no(str(problem.message if problem else ""))
        if self._submissions.busy():
            busy = Problem(message="Slow down.", status=429)
            return in_json(messages.error(busy.payload(), 429), 429, {"retry-after": "0"})
        batch = MessageBatch(requests=body["requests"])
        lots = Lots("message batch", self._speaker.world.settings.seed, len(self._all))
        self._all[batch.id] = batch
        return dropped(request) if self._submissions.begin(self._work(batch, lots)) else in_json(batch.row())

    async def listed(self, request: web.Request) -> web.Response:
        """The batches, newest first."""
        rows = [batch.row() for batch in reversed(self._all.values())]
        ids = [row["id"] for row in rows]
        begins = ids.index(request.query["after_id"]) + 1 if request.query.get("after_id") in ids else 0
        shown = rows[begins : begins + int(request.query.get("limit", 20))]
        ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {}
        return in_json({"data": shown, "has_more": begins + len(shown) < len(rows), **ends})

    async def described(self, request: web.Request) -> web.Response:
        """One batch."""
        batch = self._all.get(request.match_info["id"])
        return _no("no such batch", 404) if batch is None else in_json(batch.row())

    async def results(self, request: web.Request) -> web.Response:
        """What the requests of one came to, a line each."""
        batch = self._all.get(request.match_info["id"])
        if batch is None or batch.results is None:
            return _no("no results of such a batch", 404)
        return web.Response(text="".join(json.dumps(row) + "\n" for row in batch.results))

    async def cancel(self, request: web.Request) -> web.Response:
        """Take no more of one's requests."""
        batch = self._all.get(request.match_info["id"])
        if batch is None:
            return _no("no such batch", 404)
        batch.canceled.set()
        return in_json(batch.row())

    async def _work(self, batch: MessageBatch, lots: Lots) -> None:
        await asyncio.sleep(self._settings.seconds / 2)
        n = len(batch.requests)
        expires = int(n * lots.unit()) if lots.unit() < self._settings.expired_rate else n
        barren = lots.unit() < self._settings.errors_only_rate
        order = sorted(range(n), key=lambda _: lots.unit())
        found = []
        for turn, place in enumerate(order):
            left = "canceled" if batch.canceled.is_set() else "expired" if turn >= expires else None
            broken = barren or lots.unit() < self._settings.failed_rate
            found.append(self._row(batch.requests[place], left, lots.one(_BROKEN) if broken else None, place))
            await asyncio.sleep(0)
        await asyncio.sleep(self._settings.seconds / 2)
        batch.results = found

    def _row(self, asked: Mapping[str, Any], left: str | None, broken: str | None, place: int) -> dict[str, Any]:
        """What one request came to."""
        name = asked["custom_id"]
        if left is not None:
            return {"custom_id": name, "result": {"type": left}}
        chat = messages.heard(asked["params"], place)
        if broken is not None or isinstance(chat, Problem):
            words = {"type": broken or "invalid_request_error", "message": getattr(chat, "message", "It broke.")}
            return {"custom_id": name, "result": {"type": "errored", "error": {"type": "error", "error": words}}}
        answer = self._speaker.answer(chat)
        if answer.status != 200:
            self._tally.came_to("refused")
            error = messages.error(answer.payload, answer.status)
            return {"custom_id": name, "result": {"type": "errored", "error": error}}
        self._tally.answered(answer.kind, answer.payload, custom_id=name)
        return {"custom_id": name, "result": {"type": "succeeded", "message": messages.said(answer.payload)}}


def _wrong(requests: Any) -> Problem | None:
    """What the API has against the requests of a batch."""
    if not isinstance(requests, list) or not 1 <= len(requests) <= MOST_REQUESTS:
        return Problem(message=f"requests: 1 to {MOST_REQUESTS} of them")
    names = [one.get("custom_id") if isinstance(one, Mapping) else None for one in requests]
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        return Problem(message=f"requests.custom_id: String should match pattern '^{_NAME.pattern}$'")
    if len(set(names)) < len(names):
        return Problem(message="requests.custom_id: must be unique")
    return None if all(isinstance(one.get("params"), Mapping) for one in requests) else Problem(message="params")


def _no(said: str, status: int = 400) -> web.Response:
    return in_json(messages.error({"error": {"message": said}}, status), status)
