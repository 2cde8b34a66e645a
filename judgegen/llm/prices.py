"""What a call costs, in exact decimals: `rate` finds a model's price, `cost` and `worst` apply it to tokens.

A model's own entry in the run file's `prices` wins, then its endpoint's `price`, unless that is nothing for a model
that is listed as dear; models of providers that are free cost nothing; else the genai-prices table is
asked for the provider at the endpoint's address, never for a model's name alone, since a name says nothing about whose
machine answers. Unknown is an error that names the key to set, never $0. No float takes part. Knows nothing of
journals, budgets or when a call is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from judgegen.errors import PriceUnknown, hint
from judgegen.llm.calls import Usage
from judgegen.llm.endpoint import Endpoint, Price
from judgegen.llm.providers.table import provider
from judgegen.llm.secrets import bare
from judgegen.llm.training_prices import table

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

Processing = Literal["standard", "batch", "flex", "priority"]

CONTEXTS: dict[Processing, dict[str, str]] = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
"""How genai-prices names the ways of processing. It answers a context it does not know with the standard price, so one
is passed on only where the model has a price for exactly that."""

HALF = Decimal("0.5")
BATCH_AT_HALF = {
    "openai": "https://developers.openai.com/api/docs/guides/batch: half the synchronous price",
    "azure": "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch: half of global standard",
}
"""Providers whose Batch API is documented to cost half, for models whose batch price the table does not list."""

_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """USD per token.

    Attributes:
        input: input that is neither read from nor written to the provider's cache.
        reasoning: the part of the output that is thought.
        request: USD per call, whatever its size.
        above: (n, the rate of a whole call whose input is over n tokens), ascending.
        source: whose figure it is, for people.
        assumption: what had to be assumed for it, for people; None where nothing was.
        decides: the rate of typed questions, where the model is asked these as well and they have one of their own.
    """

    input: Decimal
    output: Decimal
    cached: Decimal
    cache_write: Decimal
    reasoning: Decimal
    request: Decimal = _ZERO
    above: tuple[tuple[int, Rate], ...] = ()
    source: str
    assumption: str | None = None
    decides: Rate | None = None

    def of(self, api: str) -> Rate:
        """The rate of this kind of question."""
        return self if api == "chat" or self.decides is None else self.decides

    def at(self, input_tokens: int) -> Rate:
        """The rate of a call with this much input: long ones cost more per token, all of it."""
        reached = [longer for start, longer in self.above if input_tokens > start]
        return reached[-1] if reached else self

    def times(self, factor: Decimal) -> Rate:
        """Every figure times `factor`."""
        return replace(
            self,
            input=_EXACT.multiply(self.input, factor),
            output=_EXACT.multiply(self.output, factor),
            cached=_EXACT.multiply(self.cached, factor),
            cache_write=_EXACT.multiply(self.cache_write, factor),
            reasoning=_EXACT.multiply(self.reasoning, factor),
            request=_EXACT.multiply(self.request, factor),
            above=tuple((start, longer.times(factor)) for start, longer in self.above),
        )


FREE = Rate(input=_ZERO, output=_ZERO, cached=_ZERO, cache_write=_ZERO, reasoning=_ZERO, source="runs here, free")


def cost(rate: Rate, usage: Usage) -> Decimal:
    """USD of a call, exact.

    A provider that counts cached tokens beside its input instead of inside it is charged for them all the same, rather
    than a paid answer lost to an error.
    """
    special = usage.cached + usage.cache_write
    fresh, spoken = max(0, usage.input - special), max(0, usage.output - usage.reasoning)
    at = rate.at(max(usage.input, special))
    amounts = (
        (at.input, fresh),
        (at.cached, usage.cached),
        (at.cache_write, usage.cache_write),
        (at.output, spoken),
        (at.reasoning, usage.reasoning),
    )
    return _sum([at.request, *(_EXACT.multiply(per_token, Decimal(tokens)) for per_token, tokens in amounts)])


def worst(rate: Rate, input_tokens: int, max_output: int) -> Decimal:
    """The most that a call with no more than this input and this output can cost.

    That is: nothing read from a cache, all of it written to one where that is dearer, all output thought where that is.
    """
    reachable = [rate, *(longer for start, longer in rate.above if input_tokens > start)]
    return max(_dearest(at, input_tokens, max_output) for at in reachable)


def _dearest(at: Rate, input_tokens: int, max_output: int) -> Decimal:
    going_in = _EXACT.multiply(max(at.input, at.cached, at.cache_write), Decimal(input_tokens))
    coming_out = _EXACT.multiply(max(at.output, at.reasoning), Decimal(max_output))
    return _sum([at.request, going_in, coming_out])


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def rate(
    endpoint: Endpoint,
    name: str,
    model: str,
    processing: Processing = "standard",
    *,
    when: datetime | None = None,
    decides: bool = False,
) -> Rate:
    """The price of `model` at the endpoint that the run file calls `name`; `when`: now, unless given.

    `decides`: of typed questions, for whose answers nothing is billed. Prices change with the date and, at DeepSeek,
    with the hour; looking up again costs microseconds.

    Raises:
        PriceUnknown: there is none; the message names the key that sets one.
    """
    if found := known_rate(endpoint, name, model, processing, when=when, decides=decides):
        return found
    how = "" if processing == "standard" else f" under {processing} processing"
    url = endpoint.base_url or endpoint.address
    listed = () if (seller := _provider_at(url)) is None else [one.id for one in seller.models]
    raise PriceUnknown(
        f"no price is known for {model!r}{how} at {bare(url)}; {hint(model, listed)}"
        f'set endpoints.{name}.prices."{model}" = {{ input = …, output = … }} in the run file, USD per million tokens'
    )


def known_rate(
    endpoint: Endpoint,
    name: str,
    model: str,
    processing: Processing = "standard",
    *,
    when: datetime | None = None,
    decides: bool = False,
) -> Rate | None:
    """The price of `model` at the endpoint, None where there is none."""
    minute = (when or datetime.now(UTC)).replace(second=0, microsecond=0)
    if decides and processing == "batch":
        return None
    return _known_rate(endpoint, name, model, processing, minute, decides)


@lru_cache(maxsize=1024)
def _known_rate(
    endpoint: Endpoint, name: str, model: str, processing: Processing, minute: datetime, decides: bool
) -> Rate | None:
    own = dict(endpoint.prices).get(model)
    if own is not None:
        return _explicit(own, f'endpoints.{name}.prices."{model}"', processing)
    listing = provider(endpoint.provider)
    if endpoint.price is not None:
        written = _explicit(endpoint.price, f"endpoints.{name}.price", processing)
        if endpoint.price.input or endpoint.price.output or listing.free:
            return written
        return (
            _not_free(_provider_at(endpoint.base_url or listing.url or ""), name, model, processing, minute) or written
        )
    if listing.free:
        return FREE
    # A gateway or proxy under the name "openai" is still billed by OpenAI, wherever it stands.
    seller = _provider_at(endpoint.base_url or listing.url or "") or (
        _provider_of("openai") if name == "openai" else None
    )
    if seller is not None and decides:
        return _decided(seller, model, minute)
    return None if seller is None else _sold(seller, model, processing, minute)


def listed_models(provider_id: str) -> Iterator[tuple[str, ...]]:
    """Name and USD per million tokens (in, cached, out) of every model that has a price at a provider, by name."""
    seller, now = _provider_of(provider_id), datetime.now(UTC)
    for info in sorted(seller.models, key=lambda one: one.id):
        found = from_table(info.get_prices(now), source="")
        if found is not None:
            yield (info.id, *(f"{_EXACT.scaleb(usd, 6):f}" for usd in (found.input, found.cached, found.output)))


def _decided(seller: Provider, model: str, minute: datetime) -> Rate | None:
    """The price of typed questions at a seller, who may list them apart; nothing is billed for what is answered."""
    from genai_prices.data_snapshot import get_snapshot

    apart = next((one for one in get_snapshot().providers if one.id == f"{seller.id}-decisions"), seller)
    info = apart.find_model(model.removeprefix("openai/") if seller.id == "openai" else model)
    if info is None:
        return None
    return from_table(info.get_prices(minute), source=f"genai-prices, {apart.id}/{info.id}", answers_free=True)


def _not_free(seller: Provider | None, name: str, model: str, processing: Processing, minute: datetime) -> Rate | None:
    """The listed price of a model that an endpoint's price of nothing was hardly meant for; None where none is."""
    listed = None if seller is None else _sold(seller, model, processing, minute)
    if listed is None or not (listed.input or listed.output):
        return None
    key = f'endpoints.{name}.prices."{model}"'
    words = f"endpoints.{name}.price is nothing, and the table lists this model: its price there holds; {key} sets it"
    return replace(listed, assumption=words)


def _sold(seller: Provider, model: str, processing: Processing, minute: datetime) -> Rate | None:
    """The price of a model at its seller."""
    model = model.removeprefix("openai/") if seller.id == "openai" else model
    if model.startswith("ft:"):
        return _tuned(seller, model, processing)
    return _listed(seller, model, processing, minute)


def _explicit(price: Price, source: str, processing: Processing) -> Rate | None:
    written = (price.input, price.output, price.cached)
    per_token = (None if value is None else _per_token(Decimal(str(value))) for value in written)
    found = _whole(*per_token, source=source)
    if found is None or processing == "standard":
        return found
    if processing == "batch":
        return replace(found.times(HALF), assumption=f"a batch costs half of {source}")
    return replace(found, assumption=f"{source} is the price under {processing} processing")


def _tuned(provider: Provider, model: str, processing: Processing) -> Rate | None:
    """A tune of an OpenAI model at OpenAI; genai-prices knows few of them."""
    base = table().find(model) if provider.id == "openai" else None
    if base is None:
        return None
    figures = (_per_token(base.input), _per_token(base.output), _per_token(base.cached))
    found = _whole(*figures, source=base.sources["input"])
    return found if found is None or processing == "standard" else _assumed(found, provider, base.model, processing)


def _listed(provider: Provider, model: str, processing: Processing, when: datetime) -> Rate | None:
    """What the table has for the model under this processing."""
    info = _model_at(provider, model)
    if info is None:
        return None
    source = f"genai-prices, {provider.id}/{info.id}"
    if processing != "standard" and _has_price_for(provider, info, processing, when):
        return from_table(info.get_prices(when, CONTEXTS[processing]), source=source)
    found = from_table(info.get_prices(when), source=source)
    return found if found is None or processing == "standard" else _assumed(found, provider, info.id, processing)


_OPENAI_MODEL = re.compile(r"(gpt|o\d)")  # what Azure's batch takes, of all that Azure serves


def _assumed(standard: Rate, provider: Provider, model: str, processing: Processing) -> Rate | None:
    """A standard rate under another processing, where the provider's documents say what that costs."""
    documented = provider.id == "openai" or (provider.id == "azure" and _OPENAI_MODEL.match(model))
    if processing == "batch" and documented:
        return replace(standard.times(HALF), assumption=BATCH_AT_HALF[provider.id])
    return None


def from_table(prices: ModelPrice, *, source: str, answers_free: bool = False) -> Rate | None:
    """A genai-prices entry as a Rate; None where it does not price text in and, unless that is free, text out."""
    starts = {tier.start for value in _figures(prices).values() for tier in getattr(value, "tiers", ())}
    longer = ((start, _band(prices, start + 1, source, answers_free)) for start in sorted(starts))
    found = _band(prices, 0, source, answers_free)
    above = tuple((start, at) for start, at in longer if at is not None)
    return None if found is None else replace(found, above=above)


def _band(prices: ModelPrice, input_tokens: int, source: str, answers_free: bool) -> Rate | None:
    """The rates of a call with this much input."""
    at = {key: _per_token(_at(value, input_tokens)) for key, value in _figures(prices).items()}
    if answers_free:
        at["output_mtok"] = _ZERO
    fee = getattr(prices, "requests_kcount", None)
    found = _whole(
        at.get("input_mtok"),
        at.get("output_mtok"),
        at.get("cache_read_mtok"),
        cache_write=at.get("cache_write_mtok"),
        reasoning=at.get("output_reasoning_mtok"),
        source=source,
    )
    if found is None or fee is None:
        return found
    return replace(found, request=_EXACT.scaleb(_at(fee, input_tokens), Decimal(-3)))


_TOKENS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "output_reasoning_mtok")


def _figures(prices: ModelPrice) -> dict[str, Decimal | TieredPrices]:
    found = {key: getattr(prices, key, None) for key in _TOKENS}
    return {key: value for key, value in found.items() if value is not None}


def _at(value: Decimal | TieredPrices, input_tokens: int) -> Decimal:
    """A price at this much input; where it has tiers, the last whose start is passed holds for the whole call."""
    if isinstance(value, Decimal):
        return value
    reached = [tier.price for tier in value.tiers if input_tokens > tier.start]
    return reached[-1] if reached else value.base


def _whole(
    going_in: Decimal | None,
    coming_out: Decimal | None,
    cached: Decimal | None = None,
    *,
    cache_write: Decimal | None = None,
    reasoning: Decimal | None = None,
    source: str,
) -> Rate | None:
    """A Rate from what is priced: the cache at the input rate and thought at the output rate where not apart."""
    if going_in is None or coming_out is None:
        return None
    return Rate(
        input=going_in,
        output=coming_out,
        cached=going_in if cached is None else cached,
        cache_write=going_in if cache_write is None else cache_write,
        reasoning=coming_out if reasoning is None else reasoning,
        source=source,
    )


def _per_token(per_million: Decimal) -> Decimal:
    return _EXACT.scaleb(per_million, Decimal(-6))


def _has_price_for(provider: Provider, info: ModelInfo, processing: Processing, when: datetime) -> bool:
    """Whether it lists one for this very processing; what Azure takes over from OpenAI's list is the standard price."""
    if not any(info is listed for listed in provider.models):
        return False
    listed = (variant for variant in info.price_variants or () if variant.when == CONTEXTS[processing])
    return any(variant.constraint is None or variant.constraint.active(when) for variant in listed)


_HERE = re.compile(r"(127\.\d+\.\d+\.\d+|localhost|.*\.localhost|::1|0\.0\.0\.0)$", re.IGNORECASE)


def _provider_at(url: str) -> Provider | None:
    """Whose API stands at an address; a server on this machine is nobody's."""
    from genai_prices.data_snapshot import get_snapshot

    if _HERE.match(urlsplit(url).hostname or ""):
        return None
    try:
        return get_snapshot().find_provider(None, None, url)
    except LookupError:
        return None


def _provider_of(provider_id: str) -> Provider:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot().find_provider(None, provider_id, None)


def _model_at(provider: Provider, model: str) -> ModelInfo | None:
    from genai_prices.data_snapshot import get_snapshot

    return provider.find_model(model, all_providers=get_snapshot().providers)
