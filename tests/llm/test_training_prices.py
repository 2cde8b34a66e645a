from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from judgegen.llm.tokens import encoding_name
from judgegen.llm.training_prices import parse, table


def as_written() -> dict[str, Any]:
    """The file's own table."""
    text = (files("judgegen.llm") / "training_prices.toml").read_text(encoding="utf-8")
    return tomllib.loads(text, parse_float=Decimal)


def test_every_figure_has_a_source_that_is_an_address() -> None:
    """Of each model, each figure and date says where it stands."""
    for base in table().models.values():
        assert all(address.startswith("https://") for address in base.sources.values())
        assert {"input", "output", "methods", "shutdown"} <= base.sources.keys()


def test_a_figure_without_a_source_is_refused() -> None:
    """The file cannot be read with one."""
    row = as_written()
    del row["models"]["gpt-4o"]["sources"]["training"]
    with pytest.raises(ValueError, match=r"gpt-4o: figures and sources differ: \['training'\]"):
        parse(row)


def test_golden_figures() -> None:
    """Training per million, rft per hour and the dates, as published in November 2026."""
    found = table()
    training = {name: str(base.training or base.hourly) for name, base in found.models.items()}
    assert training == {
        "gpt-4.1": "25",
        "gpt-4.1-mini": "5",
        "gpt-4.1-nano": "1.50",
        "gpt-4o": "25",
        "gpt-4o-mini": "3",
        "gpt-3.5-turbo": "8",
        "o4-mini": "100",
    }
    shut = {name for name, base in found.models.items() if str(base.shutdown) == "2026-10-23"}
    assert shut == {"gpt-4.1-nano", "gpt-3.5-turbo", "o4-mini"}
    assert str(found.no_new_jobs) == "2027-01-06"


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4o-2024-08-06", "ft:gpt-4o-2024-08-06:org::id", "openai/gpt-4o"])
def test_a_model_is_found_under_all_its_names(name: str) -> None:
    """Alias, snapshot, tune and a gateway's prefix are the same base model."""
    found = table().find(name)
    assert found is not None
    assert found.model == "gpt-4o"


@pytest.mark.parametrize("name", ["gpt-4o-2024-11-20", "gpt-6-luna", "gpt", ""])
def test_no_other_model_is_taken_for_it(name: str) -> None:
    """A snapshot that cannot be tuned is not a tune of its sibling."""
    assert table().find(name) is None


def test_every_model_has_a_known_encoding() -> None:
    """Tokens of a training file are counted, never estimated, for what is priced."""
    assert not [name for name in table().models if encoding_name(name)[1]]


@pytest.mark.parametrize(
    ("base", "listed"), [("gpt-3.5-turbo", "ft:gpt-3.5-turbo-"), ("gpt-4o", "ft:gpt-4o-2024-08-06")]
)
def test_tuned_prices_agree_with_genai_prices_where_it_has_them(base: str, listed: str) -> None:
    """The few tunes that the other table lists cost there what they cost here."""
    found = table().models[base]
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    theirs = calc_price(usage, listed, provider_id="openai", genai_request_timestamp=datetime(2026, 11, 20, tzinfo=UTC))
    assert (theirs.input_price, theirs.output_price) == (found.input, found.output)
