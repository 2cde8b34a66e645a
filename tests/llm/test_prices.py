from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest
from genai_prices import Usage as Reported
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import ModelInfo, Provider
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import PriceUnknown
from judgegen.llm import prices
from judgegen.llm.calls import Usage
from judgegen.llm.prices import Processing, Rate
from judgegen.spec import Endpoint, Price

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPENAI = Endpoint(base_url="https://api.openai.com/v1")
AZURE = Endpoint(base_url="https://mine.openai.azure.com/openai/v1/")
GATEWAY = Endpoint(base_url="https://gateway.example/v1")
PROCESSINGS: tuple[Processing, ...] = ("standard", "batch", "flex", "priority")


def listed(provider_id: str) -> Provider:
    """A provider of the table."""
    return next(provider for provider in get_snapshot().providers if provider.id == provider_id)


MODELS = [info for info in listed("openai").models if not info.id.startswith("ft:")]
IDS = {info.id: info for info in MODELS}


@st.composite
def usages(draw: st.DrawFn, most: int = 600_000) -> Usage:
    """What a provider may report: the cached inside the input, the thought inside the output."""
    going_in, coming_out = draw(st.integers(0, most)), draw(st.integers(0, most))
    cached = draw(st.integers(0, going_in))
    written = draw(st.integers(0, going_in - cached))
    thought = draw(st.integers(0, coming_out))
    return Usage(input=going_in, output=coming_out, cached=cached, cache_write=written, reasoning=thought)


money = st.decimals(0, 100, places=4).map(lambda value: value.scaleb(-6))


@st.composite
def bands(draw: st.DrawFn) -> Rate:
    """Any figures at all, a longer call being cheaper as well as dearer."""
    figures = draw(st.tuples(*[money] * 6))
    names = ("input", "output", "cached", "cache_write", "reasoning", "request")
    found: dict[str, Any] = dict(zip(names, figures, strict=True))
    return Rate(**found, source="made up")


@st.composite
def rates(draw: st.DrawFn, most: int = 600_000) -> Rate:
    """A band, with up to two above it."""
    starts = sorted(draw(st.sets(st.integers(0, most), max_size=2)))
    return replace(draw(bands()), above=tuple((start, draw(bands())) for start in starts))


def reported(usage: Usage) -> Any:
    """The same usage as genai-prices takes it."""
    return Reported(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        output_reasoning_tokens=usage.reasoning,
    )


def theirs(info: ModelInfo, provider: Provider, usage: Usage, processing: Processing = "standard") -> Decimal:
    """What genai-prices makes of it."""
    context = prices.CONTEXTS.get(processing)
    answer = info.calc_price(reported(usage), provider, genai_request_timestamp=NOON, price_context=context)
    return answer.total_price


def is_text(info: ModelInfo) -> bool:
    """Whether text in and text out both have a price."""
    figures = info.get_prices(NOON)
    return figures.input_mtok is not None and figures.output_mtok is not None


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(IDS)), usages(), st.sampled_from(PROCESSINGS))
def test_costs_are_those_of_the_table(model: str, usage: Usage, processing: Processing) -> None:
    """For every OpenAI model, any usage and any processing that has a price: genai-prices' total, to the last digit."""
    info, provider = IDS[model], listed("openai")
    rate = prices.known_rate(OPENAI, "mine", model, processing, when=NOON)
    if not is_text(info):
        assert rate is None
    elif processing == "standard" or prices._has_price_for(provider, info, processing, NOON):
        assert rate is not None
        assert prices.cost(rate, usage) == theirs(info, provider, usage, processing)
        assert rate.assumption is None


def every_text_model() -> Iterator[tuple[Provider, ModelInfo]]:
    """All models of all providers that price text; one bills citations, which no usage here reports."""
    for provider in get_snapshot().providers:
        yield from ((provider, info) for info in provider.models if is_text(info))


@pytest.mark.slow
def test_every_provider_is_understood() -> None:
    """Below and above each tier, with a cache and with thought, all providers' models cost what the table says."""
    seen = 0
    for provider, info in every_text_model():
        rate = prices.from_table(info.get_prices(NOON), source=info.id)
        assert rate is not None
        for size in (1, 1000, *(start + more for start, _ in rate.above for more in (0, 1))):
            usage = Usage(input=size, cached=size // 3, cache_write=size // 4, output=500, reasoning=200)
            assert prices.cost(rate, usage) == theirs(info, provider, usage), (provider.id, info.id, size)
            seen += 1
    assert seen > 2000


def test_what_a_processing_costs_is_never_the_standard_price_by_silence() -> None:
    """Where the table lists no batch, flex or priority price, there is none, or batch at half with its source."""
    unlisted = 0
    for info in MODELS:
        for processing in PROCESSINGS[1:]:
            if is_text(info) and not prices._has_price_for(listed("openai"), info, processing, NOON):
                found = prices.known_rate(OPENAI, "mine", info.id, processing, when=NOON)
                unlisted += 1
                if processing != "batch":
                    assert found is None
                    continue
                standard = prices.rate(OPENAI, "mine", info.id, when=NOON)
                assert found is not None
                assert (found.input * 2, found.output * 2) == (standard.input, standard.output)
                assert "guides/batch" in str(found.assumption)
    assert unlisted > 50


def test_golden_rates() -> None:
    """Two models as the price page has them in November 2026, with the tier above 272,000 tokens of input."""
    luna = prices.rate(OPENAI, "openai", "gpt-6-luna", when=NOON)
    per_million = [str(figure * 1_000_000) for figure in (luna.input, luna.cached, luna.cache_write, luna.output)]
    assert list(map(Decimal, per_million)) == [Decimal(text) for text in ("0.1", "0.01", "0.125", "0.5")]
    assert luna.at(272_000) is luna
    assert luna.at(272_001).input == 2 * luna.input
    batch = prices.rate(OPENAI, "openai", "gpt-6.1-sol", "batch", when=NOON)
    assert (batch.input, batch.output) == (Decimal("0.000001"), Decimal("0.000005"))


@pytest.mark.parametrize(
    ("endpoint", "name", "model", "input_per_million"),
    [
        (OPENAI, "mine", "gpt-6.1-sol", "2"),
        (OPENAI, "mine", "gpt-6.1-sol-2026-10-01", "2"),
        (AZURE, "mine", "gpt-4.1", "2"),
        (GATEWAY, "openai", "gpt-6.1-sol", "2"),  # a gateway under OpenAI's name bills as OpenAI does
        (GATEWAY, "openai", "openai/gpt-6.1-sol", "2"),
        (Endpoint(base_url="http://127.0.0.1:4000/v1"), "openai", "gpt-6.1-sol", "2"),
        (Endpoint(base_url="https://api.anthropic.com/v1"), "mine", "claude-sonnet-4-5", "3"),
        (Endpoint(provider="local"), "mine", "gpt-6.1-sol", "0"),
        (Endpoint(provider="scripted"), "openai", "gpt-6.1-sol", "0"),
        (OPENAI.model_copy(update={"price": Price(input=7, output=1)}), "openai", "gpt-6.1-sol", "7"),
        (Endpoint(provider="scripted", price=Price(input=7, output=1)), "mine", "anything", "7"),
        (OPENAI, "mine", "ft:gpt-4.1-mini-2025-04-14:org:name:id", "0.8"),
        (GATEWAY, "openai", "ft:gpt-4o-2024-08-06:org::id", "3.75"),
    ],
)
def test_whose_price_it_is(endpoint: Endpoint, name: str, model: str, input_per_million: str) -> None:
    """The run file's price, else nothing for what runs here, else that of whoever stands at the address."""
    assert prices.rate(endpoint, name, model, when=NOON).input * 1_000_000 == Decimal(input_per_million)


@pytest.mark.parametrize(
    ("endpoint", "name", "model"),
    [
        (GATEWAY, "mine", "gpt-6.1-sol"),  # never by a model's name alone
        (Endpoint(base_url="https://openrouter.ai/api/v1"), "openai", "gpt-6.1-nothing"),
        (OPENAI, "openai", "gpt-7"),
        (OPENAI, "openai", "ft:gpt-6-luna:org::id"),
        (OPENAI, "openai", "text-embedding-3-small"),  # no price for output
        (OPENAI, "openai", "whisper-1"),
        (Endpoint(base_url="https://api.together.xyz/v1"), "mine", "ft:gpt-4o-2024-08-06:org::id"),
    ],
)
def test_unknown_is_an_error_that_names_the_key(endpoint: Endpoint, name: str, model: str) -> None:
    """No price is never $0: the message has the model, the address and the key to set."""
    assert prices.known_rate(endpoint, name, model, when=NOON) is None
    with pytest.raises(PriceUnknown) as caught:
        prices.rate(endpoint, name, model, when=NOON)
    words = str(caught.value)
    assert f"endpoints.{name}.prices." in words
    assert model in words
    assert str(endpoint.base_url) in words


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.1.2.3", "localhost:1", "LOCALHOST", "[::1]:9", "0.0.0.0:8000"])
@pytest.mark.parametrize("model", ["gpt-6-luna", "openai/gpt-6-luna", "ft:gpt-4o-2024-08-06:o::i"])
def test_a_server_here_is_priced_by_nobodys_table(host: str, model: str) -> None:
    """Whatever name a model has on this machine, its price is only what the run file says."""
    endpoint = Endpoint(base_url=f"http://{host}/v1")
    assert prices.known_rate(endpoint, "vllm", model, when=NOON) is None
    priced = endpoint.model_copy(update={"price": Price(input=0.1, output=0.2)})
    assert prices.rate(priced, "vllm", model, when=NOON).input == Decimal("0.0000001")


def test_not_even_where_a_table_claims_every_address() -> None:
    """A provider whose pattern matches anything still does not own this machine."""
    greedy = replace(listed("openai"), api_pattern=".*")
    here, there = Endpoint(base_url="http://127.0.0.1:8000/v1"), Endpoint(base_url="http://somewhere.else/v1")
    set_custom_snapshot(DataSnapshot(providers=[greedy], from_auto_update=False))
    prices._known_rate.cache_clear()
    try:
        assert prices.known_rate(there, "mine", "gpt-6-luna", when=NOON) is not None
        assert prices.known_rate(here, "mine", "gpt-6-luna", when=NOON) is None
    finally:
        set_custom_snapshot(None)
        prices._known_rate.cache_clear()


@given(st.floats(0, 1000), st.floats(0, 1000), st.none() | st.floats(0, 1000))
def test_a_price_in_the_run_file_is_taken_to_the_digit(going_in: float, out: float, cached: float | None) -> None:
    """As it is written, per million; cached input costs the input rate unless given; batch is assumed to be half."""
    endpoint = Endpoint(base_url="http://127.0.0.1/v1", price=Price(input=going_in, output=out, cached=cached))
    rate = prices.rate(endpoint, "mine", "any")
    million = Decimal(1_000_000)
    assert (rate.input * million, rate.output * million) == (Decimal(str(going_in)), Decimal(str(out)))
    assert rate.cached * million == Decimal(str(going_in if cached is None else cached))
    assert (rate.cache_write, rate.reasoning, rate.assumption) == (rate.input, rate.output, None)
    batch = prices.rate(endpoint, "mine", "any", "batch")
    assert (batch.input * 2, batch.output * 2) == (rate.input, rate.output)
    assert batch.assumption == "a batch costs half of endpoints.mine.price"
    flex = prices.rate(endpoint, "mine", "any", "flex")
    assert (flex.input, flex.assumption) == (rate.input, "endpoints.mine.price is the price under flex processing")


def test_batch_at_half_is_assumed_only_where_documented() -> None:
    """Azure's batch of OpenAI models is half, its flex unknown; a provider without a documented batch has none."""
    azure = prices.rate(AZURE, "mine", "gpt-4.1", "batch", when=NOON)
    assert azure.input * 2 == prices.rate(AZURE, "mine", "gpt-4.1", when=NOON).input
    assert "learn.microsoft.com" in str(azure.assumption)
    assert prices.known_rate(AZURE, "mine", "gpt-4.1", "flex", when=NOON) is None
    claude = next(info.id for info in listed("anthropic").models if is_text(info))
    assert prices.known_rate(AZURE, "mine", claude, when=NOON) is not None
    assert prices.known_rate(AZURE, "mine", claude, "batch", when=NOON) is None
    together = Endpoint(base_url="https://api.together.xyz/v1")
    model = next(info.id for info in listed("together").models if is_text(info))
    assert prices.known_rate(together, "mine", model, when=NOON) is not None
    assert prices.known_rate(together, "mine", model, "batch", when=NOON) is None
    assert prices.rate(Endpoint(provider="scripted"), "mine", "any", "batch") is prices.FREE


@given(bands(), usages(), usages())
def test_what_lies_in_one_band_adds_up(band: Rate, one: Usage, other: Usage) -> None:
    """Two calls cost what one with both their tokens costs, but for the fee per call, where the rate is the same."""
    assert prices.cost(band, one + other) + band.request == prices.cost(band, one) + prices.cost(band, other)


@given(rates(most=1000), usages(most=1000), st.integers(0, 1000), st.integers(0, 1000))
def test_no_call_costs_more_than_its_worst(rate: Rate, usage: Usage, spare_in: int, spare_out: int) -> None:
    """Whatever was cached, written or thought, and whichever tier it fell in, also below the one that was feared."""
    most = prices.worst(rate, usage.input + spare_in, usage.output + spare_out)
    assert 0 <= prices.cost(rate, usage) <= most


@given(rates(), st.integers(0, 600_000), st.integers(0, 600_000), st.integers(0, 1000), st.integers(0, 1000))
def test_the_worst_grows_with_what_may_be_used(rate: Rate, into: int, out: int, more_in: int, more_out: int) -> None:
    """More room never reserves less."""
    assert prices.worst(rate, into, out) <= prices.worst(rate, into + more_in, out + more_out)


@given(rates(), *[st.integers(0, 1000)] * 5)
def test_a_muddled_usage_is_charged_for(
    rate: Rate, going_in: int, out: int, cached: int, written: int, thought: int
) -> None:
    """A provider that counts the cached beside the input loses nobody's answer, and what it reports is charged."""
    usage = Usage(input=going_in, output=out, cached=cached, cache_write=written, reasoning=thought)
    at = rate.at(max(going_in, cached + written))
    assert prices.cost(rate, usage) >= at.request + cached * at.cached + written * at.cache_write


@given(rates(), usages())
def test_precision_is_not_the_callers_business(rate: Rate, usage: Usage) -> None:
    """A decimal context of three digits changes no cost."""
    exact = prices.cost(rate, usage), prices.worst(rate, usage.input, usage.output)
    with localcontext() as context:
        context.prec = 3
        assert (prices.cost(rate, usage), prices.worst(rate, usage.input, usage.output)) == exact


def test_prices_follow_the_hour_where_they_do() -> None:
    """DeepSeek's price by daylight and by night are those of the table at those hours."""
    endpoint = Endpoint(base_url="https://api.deepseek.com/v1")
    provider = listed("deepseek")
    info = next(model for model in provider.models if model.id == "deepseek-v4-pro")
    found = []
    for hour in (2, 5):
        when = NOON.replace(hour=hour)
        found.append(prices.rate(endpoint, "mine", info.id, when=when).input)
        assert found[-1] * 1_000_000 == info.get_prices(when).input_mtok
    assert found[0] != found[1]


def test_a_rate_is_looked_up_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand calls to one model ask the table once."""
    asked: list[str] = []
    listed_rate = prices._listed

    def watched(provider: Provider, model: str, processing: Processing, when: datetime) -> Rate | None:
        asked.append(model)
        return listed_rate(provider, model, processing, when)

    monkeypatch.setattr(prices, "_listed", watched)
    prices._known_rate.cache_clear()
    for second in range(0, 60, 6):
        prices.rate(OPENAI, "openai", "gpt-6-luna", when=NOON.replace(second=second))
    assert asked == ["gpt-6-luna"]
    prices.rate(OPENAI, "openai", "gpt-6-luna", when=NOON.replace(minute=1))
    assert len(asked) == 2


def test_the_table_is_loaded_when_it_is_asked() -> None:
    """Importing prices imports neither genai-prices nor pydantic; a free endpoint needs no table."""
    code = "import sys; from judgegen.llm import prices; assert not {'genai_prices', 'pydantic'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


ROUTER = "https://openrouter.ai/api/v1"
NOTHING = Price(input=0, output=0)


def test_a_price_of_nothing_does_not_make_a_listed_model_free() -> None:
    """It was meant for a free model of the endpoint: the dear one costs what the table says, and it says so."""
    endpoint = Endpoint(base_url=ROUTER, price=NOTHING)
    dear = prices.rate(endpoint, "router", "anthropic/claude-sonnet-4.5", when=NOON)
    assert dear.output > 0
    assert dear.assumption is not None
    assert "endpoints.router.prices" in dear.assumption
    assert prices.rate(endpoint, "router", "somebody/their-own-model:free", when=NOON).output == 0


def test_a_models_own_price_goes_before_its_endpoints() -> None:
    """`prices` names one model each; nothing written there is nothing."""
    own = {"anthropic/claude-sonnet-4.5": NOTHING, "mine": Price(input=2, output=3)}
    endpoint = Endpoint(base_url=ROUTER, price=Price(input=5, output=5), prices=own)  # type: ignore[arg-type]
    assert prices.rate(endpoint, "router", "anthropic/claude-sonnet-4.5", when=NOON).output == 0
    assert prices.rate(endpoint, "router", "mine", when=NOON).output == Decimal("0.000003")
    assert prices.rate(endpoint, "router", "another", when=NOON).output == Decimal("0.000005")
    assert Endpoint(**endpoint.model_dump(exclude_none=True)) == endpoint
