"""The known-truth world over HTTP, for anything that speaks to OpenAI, and counts of what it served.

    POST /v1/chat/completions   as in-process; a dropped connection is a socket closed without a response
    POST /v1/decisions, /v1/systemone
                                typed questions about one input, in OpenAI's words and in TypeSafe's
    POST /v1/messages           the same world in the words of Anthropic's API
    /v1/messages/batches        its Message Batches
    POST /v1/rerank, /pooling   answers scored by themselves, as rerankers and reward models do
    GET  /v1/models             a few names; any name is served
    /v1/files, /v1/batches, /v1/fine_tuning/jobs
                                OpenAI's Files, Batch and fine-tuning APIs, met by the same faults
    /openai/v1/files, /openai/v1/fine_tuning/jobs, /openai/v1/chat/completions
                                the same with Azure's rules, and any deployment's name; no files or jobs in a dialect
                                that has no batches
    GET  /stats                 sampler, judge, faults, throttled, refused: what requests and batch rows came to;
                                repeats: answers to bodies answered before; prompt_tokens, completion_tokens: of what
                                was answered; batches: accepted; batch_rows: answered; peak, in_flight: of chat
                                completions at once; seen: different bodies remembered
    GET  /stats/paid            custom_id of a batch row, or body digest -> times answered
    POST /stats/reset           all counts to zero

A fault strikes before any work is done: what it strikes is not counted as answered. An upload alone is struck after it
is kept. Of a plan's faults some strike the answer, which then counts as both. Knows nothing of
this project's calls or of what its answers are for.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from judgegen.simulator import messages, strike, wire
from judgegen.simulator.altered import altered
from judgegen.simulator.batch import Workshop
from judgegen.simulator.bodies import Problem
from judgegen.simulator.dialect import listed_context
from judgegen.simulator.faults import Fault, FaultPlan, Strikes, Where
from judgegen.simulator.files import KeptFiles
from judgegen.simulator.finetune import FinetuneSettings, Tunings
from judgegen.simulator.message_batches import MessageBatches
from judgegen.simulator.scripted import Response, ScriptedProvider
from judgegen.simulator.tally import ServerTally
from judgegen.simulator.wire import Handler, body_of, dropped, in_json, nowhere, patient
from judgegen.simulator.work import BatchSettings
from judgegen.spec import Scripted

MODELS = ("scripted-small", "scripted-large", "scripted-judge")


class Simulator:
    """The routes and what stands behind them."""

    def __init__(
        self,
        settings: Scripted,
        batches: BatchSettings,
        tuning: FinetuneSettings | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        tuning = tuning or FinetuneSettings()
        self.provider = ScriptedProvider(settings)
        self.strikes = None if faults is None else Strikes(faults)
        self.tally, self._draws = ServerTally(), itertools.count()
        self.files = KeptFiles(most_batch_bytes=batches.most_bytes, processing_s=tuning.processing_s)
        self.tunings = Tunings(self.files, self.tally, tuning, self.provider.world)
        self.message_batches = MessageBatches(self.provider.speaker, self.tally, batches)
        self.batches = Workshop(self.provider.speaker, self.files, self.tally, batches, self.strikes)

    def app(self) -> web.Application:
        """The application to serve."""
        app = web.Application(client_max_size=wire.LARGEST)
        own = [
            web.post("/v1/chat/completions", self.chat),
            web.post("/openai/v1/chat/completions", self.chat),
            web.post("/v1/decisions", self.chat),
            web.post("/v1/systemone", self.chat),
            web.post("/v1/rerank", self.chat),
            web.post("/v1/messages", self.messages),
            web.post("/pooling", self.chat),
            web.get("/v1/models", self.models),
            web.get("/stats", self.stats),
            web.get("/stats/paid", self.paid),
            web.post("/stats/reset", self.reset),
        ]
        dialect = self.provider.speaker.dialect
        hosted = (self.files, self.batches, self.message_batches, self.tunings)
        desks: tuple[Any, ...] = hosted if dialect is None or dialect.batch else ()
        met = [
            web.route(route.method, route.path, self._met(route.handler, self._where(desk)))
            for desk in desks
            for route in desk.routes()
        ]
        for route in (*own, *met, web.route("*", "/{path:.*}", nowhere)):
            app.router.add_route(route.method, route.path, patient(route.handler))
        return app

    def _where(self, desk: object) -> Where | None:
        """How a plan of faults calls the routes of a desk."""
        return "files" if desk is self.files else "batches" if desk in (self.batches, self.message_batches) else None

    async def aclose(self) -> None:
        """Stop the work on batches and remove the files."""
        await self.batches.aclose()
        await self.message_batches.aclose()
        self.files.close()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, drop its connection, or play what the plan has for it."""
        body = await body_of(request)
        self.tally.arrived()
        try:
            return await self._chat(request, body)
        except ConnectionError:
            self.tally.came_to("fault")
            return dropped(request)
        finally:
            self.tally.left()

    async def messages(self, request: web.Request) -> web.StreamResponse:
        """One answer as Anthropic's API gives it; the weather's faults meet it as they meet a chat."""
        body = await body_of(request)
        chat = body if isinstance(body, Problem) else messages.heard(body, next(self._draws))
        self.tally.arrived()
        try:
            response = await self._respond(chat)
        except ConnectionError:
            self.tally.came_to("fault")
            return dropped(request)
        finally:
            self.tally.left()
        if response.status != 200:
            self.tally.came_to(response.kind)
            return in_json(messages.error(response.payload, response.status), response.status, response.headers)
        self.tally.answered(response.kind, response.payload)
        return in_json(messages.said(response.payload), headers=response.headers)

    async def _chat(self, request: web.Request, body: Mapping[str, Any] | Problem) -> web.StreamResponse:
        fault = self._struck("chat", None if isinstance(body, Problem) else body)
        if fault is not None:
            self.tally.came_to("fault")
            if (found := await strike.instead(fault, request)) is not None:
                return found
        response = await self._respond(body)
        if response.status != 200:
            self.tally.came_to(response.kind)
            return in_json(response.payload, response.status, response.headers)
        said, billed = altered(fault, response.payload)
        self.tally.answered(response.kind, billed)
        return await strike.delivered(fault, request, said, response.headers)

    def _struck(self, where: Where, body: Mapping[str, Any] | None = None) -> Fault | None:
        return None if self.strikes is None else self.strikes.struck(where, body, time.monotonic())

    async def _respond(self, body: Mapping[str, Any] | Problem) -> Response:
        if isinstance(body, Problem):
            return Response(kind="refused", status=body.status, headers={}, payload=body.payload())
        return await self.provider.respond(body)

    def _met(self, handler: Handler, where: Where | None) -> Handler:
        """`handler`, now and then met by a fault, of the weather's or of the plan's."""

        async def met(request: web.Request) -> web.StreamResponse:
            planned = None if where is None else self._struck(where)
            if planned is not None:
                self.tally.came_to("fault")
                await request.read()
                if (found := await strike.instead(planned, request)) is not None:
                    return found
            fault = self.provider.weather.fault()
            if fault is None:
                return await handler(request)
            if request.content_type.startswith("multipart/"):
                await handler(request)
            self.tally.came_to("fault")
            return dropped(request) if fault.error is None else in_json(fault.payload(), fault.status, fault.headers)

        return met

    async def models(self, _: web.Request) -> web.Response:
        """A few names, as OpenAI lists them, with the length of their context where the family says it."""
        dialect = self.provider.speaker.dialect
        told = {} if dialect is None else listed_context(dialect)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "scripted", **told} for name in MODELS]
        return in_json({"object": "list", "data": data})

    async def stats(self, _: web.Request) -> web.Response:
        """The counts."""
        return in_json(self.tally.row())

    async def paid(self, _: web.Request) -> web.Response:
        """How often each row and body was answered."""
        return in_json(self.tally.paid.times)

    async def reset(self, _: web.Request) -> web.Response:
        """Forget the counts."""
        self.tally.reset()
        return in_json(self.tally.row())


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running simulator: its base URL (ending in /v1) and what it served."""

    url: str
    tally: ServerTally


@asynccontextmanager
async def serving(
    settings: Scripted,
    *,
    batches: BatchSettings | None = None,
    tuning: FinetuneSettings | None = None,
    faults: FaultPlan | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
) -> AsyncIterator[Served]:
    """A simulator on `host`:`port` (0 picks a free one) for as long as the block runs.

    Raises:
        OSError: the port is taken.
    """
    simulator = Simulator(settings, batches or BatchSettings(), tuning, faults)
    runner = web.AppRunner(simulator.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        yield Served(url=f"http://{host}:{runner.addresses[0][1]}/v1", tally=simulator.tally)
    finally:
        await runner.cleanup()
        await simulator.aclose()


async def serve(
    settings: Scripted,
    *,
    batches: BatchSettings | None = None,
    tuning: FinetuneSettings | None = None,
    faults: FaultPlan | None = None,
    port: int,
    host: str = "127.0.0.1",
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until cancelled; `ready` is told the base URL once requests are taken.

    Raises:
        OSError: the port is taken.
    """
    async with serving(settings, batches=batches, tuning=tuning, faults=faults, port=port, host=host) as served:
        if ready is not None:
            ready(served.url)
        await asyncio.Event().wait()
