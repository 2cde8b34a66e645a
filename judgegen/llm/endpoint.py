"""An endpoint as providers and prices see it: where it stands, how fast it may be asked, what it costs.

The run file's table of endpoints has this shape; here nobody knows of run files.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Literal, Protocol


class Price(Protocol):
    """USD per million tokens; `cached` is None where it is the input rate."""

    @property
    def input(self) -> float:
        """Of input that comes from no cache."""
        ...

    @property
    def output(self) -> float:
        """Of output."""
        ...

    @property
    def cached(self) -> float | None:
        """Of input that the provider reads from its cache."""
        ...


class Endpoint(Hashable, Protocol):
    """Where calls go."""

    @property
    def provider(self) -> str:
        """The name of a record of `providers`."""
        ...

    @property
    def base_url(self) -> str | None:
        """Where the API begins; None where the provider has an address of its own, or none at all."""
        ...

    @property
    def api_key_env(self) -> str | None:
        """The environment variable that holds the key; None where none is needed."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Sent with every request, beside the key; a value of "env:NAME" is the environment variable's."""
        ...

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """Behind the path of every request; a value of "env:NAME" is the environment variable's."""
        ...

    @property
    def system_role(self) -> Literal["system", "developer", "user"] | None:
        """The role in which system messages are sent; None where that is found out."""
        ...

    @property
    def plain_http(self) -> bool:
        """Whether a key may go to a stranger over plain http."""
        ...

    @property
    def transport(self) -> Literal["lean", "sdk"]:
        """What carries calls: bytes over a session of ours, or the openai SDK."""
        ...

    @property
    def max_concurrency(self) -> int:
        """Requests in flight at once."""
        ...

    @property
    def timeout_s(self) -> float:
        """Seconds that an answer may take."""
        ...

    @property
    def service_tier(self) -> str | None:
        """Sent with every call where it is set."""
        ...

    @property
    def processing(self) -> Literal["standard", "flex", "priority"]:
        """How calls are processed, as prices name it."""
        ...

    @property
    def price(self) -> Any:
        """A `Price` that holds instead of what tables say; None where there is none."""
        ...

    @property
    def prices(self) -> tuple[tuple[str, Any], ...]:
        """(model, its own `Price`), which goes before `price`."""
        ...

    @property
    def address(self) -> str:
        """The identity that calls carry."""
        ...

    @property
    def slots(self) -> int:
        """Requests that a model inside this process decodes at once."""
        ...

    @property
    def folders(self) -> tuple[tuple[str, str], ...]:
        """(model, its folder), where the one is not the other."""
        ...

    @property
    def context(self) -> int:
        """Tokens that each of these has room for."""
        ...

    @property
    def scripted(self) -> Any:
        """The settings of a known-truth world."""
        ...
