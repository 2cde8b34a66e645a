"""The known-truth world inside this process, for tests, demonstrations and rehearsals: free, and right by measure."""

from __future__ import annotations

from judgegen.llm.calls import digest
from judgegen.llm.endpoint import Endpoint
from judgegen.llm.providers.listing import Listing
from judgegen.llm.providers.openai import ChatProvider


def _connect(endpoint: Endpoint, _: str) -> ChatProvider:
    from judgegen.simulator.scripted import ScriptedProvider

    world = ScriptedProvider(endpoint.scripted)
    spoken = world.speaker.dialect
    limit = "max_completion_tokens" if spoken is None else spoken.limit
    return ChatProvider(world, tokens_key=limit, close=world.aclose, system_role=endpoint.system_role)


def _identity(endpoint: Endpoint) -> str:
    """Worlds that answer alike are one, however slow or faulty their wire is."""
    world = endpoint.scripted.model_dump(exclude={"latency_s", "fault_rate", "rpm"})
    newer = ("answers", "dialect", "cuts_at", "middle_bias")  # newer than many a run: not written, they mean nothing
    world = {key: value for key, value in world.items() if key not in newer or value}
    return "scripted:" + digest(world, size=6)


PROVIDER = Listing(name="scripted", connect=_connect, url="", free=True, identity=_identity)
