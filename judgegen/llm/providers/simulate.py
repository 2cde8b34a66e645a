"""The known-truth world over HTTP, for anything that speaks to OpenAI's chat completions, and counts of what it served.

    POST /v1/chat/completions   as in-process; a dropped connection is a socket closed without a response
    GET  /v1/models             a few names; any name is served
    GET  /stats                 sampler, judge, faults, throttled, refused: responses of each kind; repeats: answers to
                                bodies that had been answered before; peak, in_flight: requests at once; prompt_tokens,
                                completion_tokens: of what was answered; seen: different bodies remembered
    GET  /stats/paid            body digest -> times answered
    POST /stats/reset           all counts to zero

Knows nothing of this project's calls or of what its answers are for.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from judgegen.llm.providers.scripted import Response, ScriptedProvider
from judgegen.llm.providers.scripted_body import NOT_JSON, Refusal
from judgegen.spec import Scripted

MODELS = ("scripted-small", "scripted-large", "scripted-judge")
LARGEST = 64 * 1024**2
"""Bytes a request body may have."""
REMEMBERED = 500_000
"""How many different answers are remembered; the oldest is forgotten first."""
_COUNTED = {"sampler": "sampler", "judge": "judge", "refused": "refused", "throttled": "throttled", "fault": "faults"}


class Remembered:
    """How often each name was met, for the last `REMEMBERED` different ones."""

    def __init__(self) -> None:
        self.times: OrderedDict[str, int] = OrderedDict()

    def met(self, name: str) -> bool:
        """Count one meeting; whether there was one before."""
        before = self.times.get(name, 0)
        self.times[name] = before + 1
        if len(self.times) > REMEMBERED:
            self.times.popitem(last=False)
        return before > 0


class Tally:
    """What was served."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Start again from zero; what is in flight stays so."""
        self.counts: Counter[str] = Counter()
        self.peak = self.in_flight
        self.bodies = Remembered()

    def arrived(self) -> None:
        """A request is here."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def left(self) -> None:
        """A request is done with."""
        self.in_flight -= 1

    def served(self, response: Response) -> None:
        """One response goes out."""
        self.counts[_COUNTED[response.kind]] += 1
        if response.status == 200:
            self.counts["repeats"] += self.bodies.met(response.payload["id"].removeprefix("chatcmpl-"))
            for name in ("prompt_tokens", "completion_tokens"):
                self.counts[name] += response.payload["usage"][name]

    def row(self) -> dict[str, int]:
        """The counts by name."""
        names = (*_COUNTED.values(), "repeats", "prompt_tokens", "completion_tokens")
        now = {"peak": self.peak, "in_flight": self.in_flight, "seen": len(self.bodies.times)}
        return {**{name: self.counts[name] for name in names}, **now}


class Simulator:
    """The routes and what stands behind them."""

    def __init__(self, settings: Scripted) -> None:
        self.provider = ScriptedProvider(settings)
        self.tally = Tally()

    def app(self) -> web.Application:
        """The application to serve."""
        app = web.Application(client_max_size=LARGEST)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self.chat),
                web.get("/v1/models", self.models),
                web.get("/stats", self.stats),
                web.get("/stats/paid", self.paid),
                web.post("/stats/reset", self.reset),
                web.route("*", "/{path:.*}", nowhere),
            ]
        )
        return app

    async def chat(self, request: web.Request) -> web.Response:
        """Answer one request, or drop its connection."""
        self.tally.arrived()
        try:
            response = await self._respond(await body_of(request))
        except ConnectionError:
            self.tally.counts["faults"] += 1
            return dropped(request)
        finally:
            self.tally.left()
        self.tally.served(response)
        return in_json(response.payload, response.status, response.headers)

    async def _respond(self, body: Mapping[str, Any] | Refusal) -> Response:
        if isinstance(body, Refusal):
            return Response(kind="refused", status=body.status, headers={}, payload=body.payload())
        return await self.provider.respond(body)

    async def models(self, _: web.Request) -> web.Response:
        """A few names, as OpenAI lists them."""
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "scripted"} for name in MODELS]
        return in_json({"object": "list", "data": data})

    async def stats(self, _: web.Request) -> web.Response:
        """The counts."""
        return in_json(self.tally.row())

    async def paid(self, _: web.Request) -> web.Response:
        """How often each body was answered."""
        return in_json(self.tally.bodies.times)

    async def reset(self, _: web.Request) -> web.Response:
        """Forget the counts."""
        self.tally.reset()
        return in_json(self.tally.row())


def in_json(payload: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response."""
    body = json.dumps(payload).encode("ascii")
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


async def body_of(request: web.Request) -> Mapping[str, Any] | Refusal:
    """The JSON object that was sent, or why it is none."""
    try:
        found = json.loads(await request.read(), parse_constant=_no_number)
    except web.HTTPRequestEntityTooLarge:
        return Refusal(status=413, message=f"The body is larger than {LARGEST} bytes.", code="request_too_large")
    except (ValueError, RecursionError):
        return NOT_JSON
    return found if isinstance(found, dict) else NOT_JSON


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def dropped(request: web.Request) -> web.Response:
    """Close the connection; what is returned to aiohttp reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def nowhere(request: web.Request) -> web.Response:
    """Any other path or method."""
    message = f"Invalid URL ({request.method} {request.path})"
    return in_json(Refusal(status=404, message=message).payload(), 404)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running simulator: its base URL (ending in /v1) and what it served."""

    url: str
    tally: Tally


@asynccontextmanager
async def serving(settings: Scripted, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Served]:
    """A simulator on `host`:`port` (0 picks a free one) for as long as the block runs.

    Raises:
        OSError: the port is taken.
    """
    simulator = Simulator(settings)
    runner = web.AppRunner(simulator.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        yield Served(url=f"http://{host}:{runner.addresses[0][1]}/v1", tally=simulator.tally)
    finally:
        await runner.cleanup()


async def serve(
    settings: Scripted, *, port: int, host: str = "127.0.0.1", ready: Callable[[str], None] | None = None
) -> None:
    """Serve until cancelled; `ready` is told the base URL once requests are taken.

    Raises:
        OSError: the port is taken.
    """
    async with serving(settings, port=port, host=host) as served:
        if ready is not None:
            ready(served.url)
        await asyncio.Event().wait()
