from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judgegen.llm.calls import Call, Tag, Usage, canonical_json

TAG = Tag(role="sampler", prompt_id="p", variant="v", route="r")
GIVEN: dict[str, Any] = {
    "endpoint": "e",
    "model": "m",
    "messages": ({"role": "user", "content": "hi"},),
    "params": {"temperature": 0.5, "max_tokens": 10},
    "tag": TAG,
}


def test_the_id_is_stable() -> None:
    """The id of a call never changes between versions: journals depend on it."""
    assert Call(**GIVEN).id == "b2:fee4271f4fa8e64907e221f65fce5a3b"


def test_key_order_does_not_matter() -> None:
    """Parameters in another order are the same call."""
    swapped = {**GIVEN, "params": {"max_tokens": 10, "temperature": 0.5}}
    assert Call(**swapped).id == Call(**GIVEN).id


def test_what_is_not_seen_by_the_model_is_not_in_the_id() -> None:
    """Tags and wishes name and soften a call; they do not change it."""
    other = Call(**{**GIVEN, "tag": Tag(role="judge", prompt_id="q")}, wishes=frozenset({"seed"}))
    assert other.id == Call(**GIVEN).id


def test_everything_the_model_sees_is_in_the_id() -> None:
    """Endpoint, model, messages, parameters and draw each make another call."""
    changes: list[dict[str, Any]] = [
        {"endpoint": "f"},
        {"model": "n"},
        {"messages": ({"role": "user", "content": "ho"},)},
        {"params": {"temperature": 0.6, "max_tokens": 10}},
        {"draw": 1},
    ]
    ids = {Call(**{**GIVEN, **change}).id for change in changes}
    assert len(ids | {Call(**GIVEN).id}) == 6


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values)
def test_canonical_json_is_ascii(value: object) -> None:
    """Whatever the text, lone surrogates too, the canonical form can be hashed."""
    assert canonical_json(value).isascii()


@given(
    st.recursive(
        json_values | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
@example([1e-5, 0.0001, 1e15, 1e16, -0.0, "\x7f\x1f\n\u2028\ud800", 2**64, {"b": 1, "a": (True, None)}])
def test_canonical_json_is_the_standard_librarys_to_the_byte(value: object) -> None:
    """Ids are hashes of it: a faster writer may change none of it, in no float, escape or order of keys."""
    assert canonical_json(value) == json.dumps(value, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), {1: object()}, {"a": {2}}])
def test_what_json_has_no_word_for_has_no_canonical_form(odd: object) -> None:
    """It is refused by whichever writer would write it."""
    with pytest.raises((TypeError, ValueError)):
        canonical_json({"a": [odd]})


def test_usage_adds_up() -> None:
    """Sums are by kind, and an estimate in either makes the sum one."""
    total = Usage(input=1, output=2, cached=1) + Usage(input=10, output=20, reasoning=5, estimated=True)
    assert total == Usage(input=11, output=22, cached=1, reasoning=5, estimated=True)
