"""The simulator's Batch API, with what goes wrong in one.

    POST /v1/batches               a file of purpose batch, /v1/chat/completions, 24h; metadata
    GET  /v1/batches               newest first; after, limit
    GET  /v1/batches/{id}          POST /v1/batches/{id}/cancel

Batches and files are kept until the server ends. Knows nothing of what is asked in a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from judgegen.simulator.batch_state import ENDPOINT, ServedBatch
from judgegen.simulator.bodies import Problem
from judgegen.simulator.faults import Strikes
from judgegen.simulator.files import KeptFiles, Stored
from judgegen.simulator.lots import Lots
from judgegen.simulator.scripted import Speaker
from judgegen.simulator.tally import ServerTally
from judgegen.simulator.wire import bad, body_of, dropped, in_json, is_metadata, page, refused
from judgegen.simulator.work import BatchSettings, BatchWork, Submissions


class Workshop:
    """The batches, each worked on by a task of its own."""

    def __init__(
        self,
        speaker: Speaker,
        files: KeptFiles,
        tally: ServerTally,
        settings: BatchSettings,
        strikes: Strikes | None = None,
    ) -> None:
        self._strikes = strikes
        self._speaker, self._files, self._tally, self._settings = speaker, files, tally, settings
        self._seed = speaker.world.settings.seed
        self._all: dict[str, ServedBatch] = {}
        self._submissions = Submissions("submissions", self._seed, settings, tally)
        self.aclose = self._submissions.aclose

    def routes(self) -> list[web.RouteDef]:
        """The routes of the API."""
        return [
            web.post("/v1/batches", self.create),
            web.get("/v1/batches", self.listed),
            web.get("/v1/batches/{id}", self.described),
            web.post("/v1/batches/{id}/cancel", self.cancel),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Accept one batch."""
        body = await body_of(request)
        if isinstance(body, Problem):
            return refused(body)
        stored = self._files.get(str(body.get("input_file_id")))
        if (refusal := _refusal(body, stored)) is not None or stored is None:
            return refused(refusal or Problem(message="no file"))
        if self._submissions.busy():
            busy = Problem(message="Slow down.", status=429, type="rate_limit_error", code="rate_limit_exceeded")
            return in_json(busy.payload(), 429, {"retry-after-ms": "50"})
        batch = ServedBatch(input=stored, metadata=body.get("metadata"))
        lots = Lots("batch", self._seed, len(self._all))
        self._all[batch.id] = batch
        work = BatchWork(
            batch, lots, self._settings, self._speaker, self._files, self._tally, self.enqueued, self._strikes
        )
        return dropped(request) if self._submissions.begin(work.done()) else in_json(batch.row())

    def enqueued(self, model: str | None) -> int:
        """Input tokens of the open batches for `model`."""
        return sum(batch.tokens for batch in self._all.values() if batch.model == model and not batch.over)

    async def listed(self, request: web.Request) -> web.Response:
        """The batches, newest first."""
        rows = {batch.id: batch.row() for batch in reversed(self._all.values())}
        return page(rows, request.query, most=100, usual=20)

    async def described(self, request: web.Request) -> web.Response:
        """One batch."""
        batch = self._all.get(request.match_info["id"])
        return _none(request) if batch is None else in_json(batch.row())

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop one batch where it is."""
        batch = self._all.get(request.match_info["id"])
        if batch is None:
            return _none(request)
        if batch.over:
            return bad("id", f"Cannot cancel a batch with status '{batch.status}'.", status=409)
        batch.cancel()
        return in_json(batch.row())


def _none(request: web.Request) -> web.Response:
    return bad("id", f"No batch found with id '{request.match_info['id']}'.", status=404)


def _refusal(body: Mapping[str, Any], stored: Stored | None) -> Problem | None:
    if stored is None or stored.purpose != "batch":
        said = f"Cannot find file {body.get('input_file_id')} of purpose 'batch'."
        return Problem(message=said, param="input_file_id")
    if body.get("endpoint") != ENDPOINT:
        return Problem(message=f"Invalid 'endpoint'; here only {ENDPOINT} is served.", param="endpoint")
    if body.get("completion_window") != "24h":
        return Problem(message="Invalid 'completion_window'; supported: 24h.", param="completion_window")
    return None if is_metadata(body.get("metadata")) else Problem(message="Invalid 'metadata'.", param="metadata")
