"""From an endpoint of the run file to the provider that answers its calls. Connections open when first used.

Knows which provider is which; nothing of journals, prices or rate limits.
"""

from __future__ import annotations

import asyncio
from typing import Any

from judgegen.llm.calls import Call, Outcome
from judgegen.llm.providers.openai import ChatProvider
from judgegen.llm.providers.openai import connect as connect_openai
from judgegen.llm.senders import Provider
from judgegen.spec import Endpoint


def connect(endpoint: Endpoint, name: str) -> Provider:
    """The provider behind an endpoint.

    Raises:
        ProviderRefused: its key is not in the environment.
        SpecError: a package that it needs is not installed.
    """
    if endpoint.provider == "scripted":
        return _scripted(endpoint)
    if endpoint.provider == "local":
        return Embedded(endpoint, name)
    return connect_openai(endpoint, name)


def _scripted(endpoint: Endpoint) -> ChatProvider:
    from judgegen.simulator.scripted import ScriptedProvider

    world = ScriptedProvider(endpoint.scripted)
    return ChatProvider(world, tokens_key="max_completion_tokens", close=world.aclose)


class Embedded:
    """llama.cpp inside this process: a server per model, started when its first call comes."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self._endpoint, self._name = endpoint, name
        self._running: dict[str, tuple[Any, ChatProvider]] = {}
        self._starting = asyncio.Lock()

    async def __call__(self, call: Call, /) -> Outcome:
        """Ask the server of the call's model."""
        async with self._starting:
            if call.model not in self._running:
                self._running[call.model] = await self._start(call.model)
        return await self._running[call.model][1](call)

    async def _start(self, model: str) -> tuple[Any, ChatProvider]:
        from judgegen.llm.providers import local

        server = await asyncio.to_thread(local.start, self._endpoint, model)
        return server, connect_openai(self._endpoint, self._name, base_url=server.base_url)

    async def aclose(self) -> None:
        """Close connections, then servers."""
        for server, provider in self._running.values():
            await provider.aclose()
            await asyncio.to_thread(server.close)
        self._running.clear()
