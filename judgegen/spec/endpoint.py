"""The run file's [endpoints]: where calls go, how fast, and what they cost. Every default stands here.

Knows which providers there are by name; nothing of how they are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from judgegen.llm.dialects import DIALECTS, named
from judgegen.llm.providers.listing import Listing
from judgegen.llm.providers.table import PROVIDERS, provider
from judgegen.spec.tables import Frozen, Pairs
from judgegen.spec.values import url_problem

OPENAI_URL = "https://api.openai.com/v1"


class Price(Frozen):
    """USD per million tokens. `cached` is the rate of cached input, the input rate unless given."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)


def _by_model(given: Any) -> Any:
    return tuple((str(name), price) for name, price in given.items()) if isinstance(given, Mapping) else given


def _as_table(prices: tuple[tuple[str, Price], ...]) -> dict[str, Any]:
    return {name: price.model_dump(exclude_none=True) for name, price in prices}


Prices = Annotated[
    tuple[tuple[str, Price], ...],
    BeforeValidator(_by_model),
    PlainSerializer(_as_table, return_type=dict[str, Any]),
]
"""A price for each of some models, kept as pairs so that an endpoint can be compared and hashed."""


class Scripted(Frozen):
    """The known-truth provider's world: what its judge gets right and what goes wrong on the wire."""

    accuracy: float = Field(default=0.9, ge=0, le=1)  # P(the better candidate wins) where there is no bias
    position_bias: float = 0.0  # logits in favour of the candidate shown first
    length_bias: float = 0.0  # logits in favour of the longer candidate, per doubling of length
    tie_rate: float = Field(default=0.0, ge=0, le=1)
    unreadable_rate: float = Field(default=0.0, ge=0, le=1)
    truncated_rate: float = Field(default=0.0, ge=0, le=1)
    latency_s: float = Field(default=0.0, ge=0)
    fault_rate: float = Field(default=0.0, ge=0, le=1)  # 500s, 503s, 429s and dropped connections
    rpm: int | None = Field(default=None, gt=0)  # 429 above it
    logprobs: bool = True  # False: refuses them as some servers do
    seed: int = 0
    dialect: str | None = None  # the family of servers whose refusals, words and places it speaks in

    @field_validator("dialect")
    @classmethod
    def _spoken(cls, name: str | None) -> str | None:
        if name is not None and named(name) is None:
            raise ValueError(f"{name!r} is not one of: {', '.join(one.name for one in DIALECTS)}")
        return name


class Endpoint(Frozen):
    """Where calls go and how fast. Only `provider`, `base_url` or `identity`, and `scripted` are part of a call."""

    provider: str = "openai"
    base_url: str | None = None
    api_key_env: str | None = None
    plain_http: bool = False  # a key may go to a stranger over http://
    headers: Pairs = ()  # sent with every request, beside the key; "env:NAME" is the environment variable's value
    query: Pairs = ()  # behind every path, as Azure's api-version; "env:NAME" likewise
    system_role: Literal["system", "developer", "user"] | None = None  # of system messages; found out unless written
    max_concurrency: int = Field(default=64, gt=0)
    rpm: float | None = Field(default=None, gt=0)
    tpm: float | None = Field(default=None, gt=0)
    timeout_s: float = Field(default=120.0, gt=0)  # 900 with service_tier = "flex"
    service_tier: Literal["default", "flex", "priority"] | None = None  # sent with every call, and priced as such
    max_retries: int = Field(default=8, ge=0)  # over a minute in all
    batch_tokens: float | None = Field(default=None, gt=0)  # input tokens per batch: the provider's enqueued limit
    identity: str | None = None
    price: Price | None = None  # of every model that `prices` does not name
    prices: Prices = ()  # by model
    slots: int = Field(default=4, gt=0)  # local: requests decoded at once
    context: int = Field(default=4096, gt=0)  # local: tokens per slot
    scripted: Scripted = Scripted()

    @field_validator("provider")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in PROVIDERS:
            raise ValueError(f"{name!r} is not one of: {', '.join(PROVIDERS)}")
        return name

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url and (problem := url_problem(url)):
            raise ValueError(problem)
        return url

    @model_validator(mode="before")
    @classmethod
    def _flex_takes_longer(cls, given: Any) -> Any:
        """OpenAI's advice for flex processing: a timeout of 15 minutes."""
        if isinstance(given, dict) and given.get("service_tier") == "flex":
            return {"timeout_s": 900.0, **given}
        return given

    @property
    def processing(self) -> Literal["standard", "flex", "priority"]:
        """How calls are processed, as prices name it."""
        return "standard" if self.service_tier is None or self.service_tier == "default" else self.service_tier

    @property
    def address(self) -> str:
        """The identity calls carry: what the journal stays valid for."""
        return self.identity or self.listing.identity(self) or (self.listing.url or OPENAI_URL).rstrip("/")

    @property
    def listing(self) -> Listing:
        """What is known of its provider."""
        return provider(self.provider)

    @property
    def places(self) -> int:
        """How many calls it works on at once."""
        return self.listing.places(self)

    @property
    def free(self) -> bool:
        """Whether its calls are known to cost nothing."""
        if any(price.input or price.output for _, price in self.prices):
            return False
        return self.listing.free if self.price is None else not (self.price.input or self.price.output)
