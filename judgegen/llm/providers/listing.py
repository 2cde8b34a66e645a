"""What there is to know of a provider before it is asked anything: a frozen record, one in each provider's file."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from judgegen.llm.batch import Desk
from judgegen.llm.endpoint import Endpoint
from judgegen.llm.secrets import bare
from judgegen.llm.senders import Provider


def by_url(endpoint: Endpoint) -> str:
    """The identity of what stands at an address: the address."""
    return bare(endpoint.base_url or "").rstrip("/")


def every_place(endpoint: Endpoint) -> int:
    """As many requests at once as the run file allows."""
    return endpoint.max_concurrency


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A provider as the run file names it.

    Attributes:
        connect: (endpoint, its name in the run file) to what answers its calls.
        url: where it stands unless the run file says so; "" where it stands nowhere, inside this process; None where
            the run file must say.
        free: whether its calls cost nothing unless a price is written; what is not free does not start without one.
        identity: what calls carry as their endpoint, so that the journal stays valid for it.
        places: how many calls it works on at once.
        desk: (endpoint, name) to its Batch API, None where it has none.
        contexts: (endpoint, name) to the tokens of each model's context, of those whose server says it.
    """

    name: str
    connect: Callable[[Endpoint, str], Provider]
    url: str | None = None
    free: bool = False
    identity: Callable[[Endpoint], str] = by_url
    places: Callable[[Endpoint], int] = every_place
    desk: Callable[[Endpoint, str], AbstractAsyncContextManager[Desk]] | None = None
    contexts: Callable[[Endpoint, str], Coroutine[Any, Any, Mapping[str, int]]] | None = None
