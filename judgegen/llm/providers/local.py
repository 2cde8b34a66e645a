"""A model inside this process as a provider: a server for each model, started when its first call comes.

Knows nothing of journals, prices or rate limits.
"""

from __future__ import annotations

import asyncio

from judgegen.llm.calls import Call, Outcome
from judgegen.llm.endpoint import Endpoint
from judgegen.llm.learned import Learned
from judgegen.llm.providers.listing import Listing
from judgegen.llm.providers.llama import LocalServer, start
from judgegen.llm.providers.openai import ChatProvider, connect


class Embedded:
    """llama.cpp inside this process: a server per model, started when its first call comes."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self._endpoint, self._name = endpoint, name
        self._running: dict[str, tuple[LocalServer, ChatProvider]] = {}
        self._starting = asyncio.Lock()
        self._learned = Learned()

    def learns(self, learned: Learned) -> None:
        """Know and keep from now on what `learned` holds."""
        self._learned = learned

    def settled(self, call: Call) -> bool:
        """Whether nothing is left to find out about such a call."""
        return call.model in self._running and self._running[call.model][1].settled(call)

    async def __call__(self, call: Call, /) -> Outcome:
        """Ask the server of the call's model."""
        async with self._starting:
            if call.model not in self._running:
                self._running[call.model] = await self._start(call.model)
        return await self._running[call.model][1](call)

    async def _start(self, model: str) -> tuple[LocalServer, ChatProvider]:
        server = await asyncio.to_thread(start, self._endpoint, model)
        provider = connect(self._endpoint, self._name, base_url=server.base_url)
        provider.learns(self._learned)
        return server, provider

    async def aclose(self) -> None:
        """Close connections, then servers."""
        for server, provider in self._running.values():
            await provider.aclose()
            await asyncio.to_thread(server.close)
        self._running.clear()


def _identity(_: Endpoint) -> str:
    return "local"


def _places(endpoint: Endpoint) -> int:
    return min(endpoint.max_concurrency, endpoint.slots)


PROVIDER = Listing(name="local", connect=Embedded, url="", free=True, identity=_identity, places=_places)
