"""Whatever stands in a run file: a Spec, or an error that names the key. Never another exception."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import SpecError
from judgegen.spec import parse, read
from judgegen.spec.values import url_problem

GOOD: dict[str, Any] = {
    "prompts": "prompts.jsonl",
    "endpoints": {
        "here": {"base_url": "http://127.0.0.1:1/v1", "price": {"input": 1.0, "output": 2.0}, "scripted": {"seed": 1}}
    },
    "sampler": {
        "endpoint": "here",
        "model": "m",
        "variants": [{"name": "v", "n": 2, "temperature": 0.5, "extra_body": {"min_p": 0.1}}],
    },
    "judge": {"endpoint": "here", "model": "j"},
}
PLACES = [
    *[("endpoints", "here", key) for key in ("timeout_s", "rpm", "tpm", "max_concurrency", "max_retries", "base_url")],
    *[("endpoints", "here", key) for key in ("identity", "batch_tokens", "slots", "context", "api_key_env", "folders")],
    *[("endpoints", "here", "price", key) for key in ("input", "output", "cached")],
    *[("endpoints", "here", "scripted", key) for key in ("latency_s", "accuracy", "position_bias", "rpm", "seed")],
    *[("sampler", key) for key in ("model", "max_tokens", "near_identical", "expected_output_tokens")],
    *[("sampler", "variants", "0", key) for key in ("n", "temperature", "top_p", "top_k", "max_tokens", "system")],
    ("sampler", "variants", "0", "extra_body", "min_p"),
    *[("judge", key) for key in ("max_tokens", "max_attempts", "temperature", "samples", "criteria", "early_stop")],
    *[("pairs", key) for key in ("min_margin", "length_correction", "length_scale", "max_length_ratio")],
    ("budget", "max_usd"),
    ("gates", "min_pairs"),
    ("prompts",),
    ("seed",),
]
BAD: list[Any] = [
    float("inf"),
    float("-inf"),
    float("nan"),
    "inf",
    "nan",
    10**30,
    -(10**30),
    10**400,
    1e308,
    dt.date(2026, 1, 1),
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    dt.time(1, 2),
    "a\0b",
    "\ud800",
]


def with_value(place: tuple[str, ...], value: Any) -> dict[str, Any]:
    table = json.loads(json.dumps(GOOD))
    at = table
    for key in place[:-1]:
        at = at[int(key)] if isinstance(at, list) else at.setdefault(key, {})
    at[place[-1]] = value
    return dict(table)


TEXTS = frozenset({"prompts", "model", "identity", "system", "criteria", "api_key_env", "min_p"})
"""Keys that take any text, `inf` too."""


@pytest.mark.parametrize("place", PLACES, ids=".".join)
@pytest.mark.parametrize("value", BAD, ids=lambda value: ascii(value)[:24])
def test_what_cannot_be_meant_is_refused_by_its_key(place: tuple[str, ...], value: Any) -> None:
    """Infinity, not a number, dates, NUL, half a character, absurd sizes: each named, whichever key it stands at."""
    if place[-1] in TEXTS and value in ("inf", "nan"):
        return
    with pytest.raises(SpecError, match=place[-1]):
        parse(with_value(place, value))


def test_the_good_one_is_good() -> None:
    """Else the refusals above show nothing."""
    assert parse(GOOD).sampler.model == "m"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.just(10**40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.sampled_from(PLACES), anything)
def test_whatever_stands_there_is_read_or_refused(place: tuple[str, ...], value: Any) -> None:
    """No exception but ours."""
    with suppress(SpecError):
        parse(with_value(place, value))


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000/v1",
        "ftp://host/v1",
        "file:///etc/passwd",
        "http://",
        "http://host:99999/v1",
        "http://host:x/v1",
        "http://[::1/v1",
        "http://a b/v1",
        "http://host/v1#part",
        "http:///v1",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """By its key, before anything is tried."""
    assert url_problem(url)
    with pytest.raises(SpecError, match=r"endpoints\.here\.base_url"):
        parse(with_value(("endpoints", "here", "base_url"), url))


def test_nesting_without_end_is_no_run_file(tmp_path: Path) -> None:
    """Nor are digits without end."""
    for text in ("a = " + "[" * 100_000, "a = " + "9" * 100_000):
        (tmp_path / "run.toml").write_text(text)
        with pytest.raises(SpecError, match=r"run\.toml"):
            read(tmp_path / "run.toml")
