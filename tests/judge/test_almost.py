"""Objects that are almost JSON are read as what they were before they were spelled so."""

from __future__ import annotations

import html
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge.almost import put_right

TEXTS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="\\"), max_size=20)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
PLAIN = st.one_of(st.integers(-9, 9), st.booleans(), st.none(), TEXTS)
OBJECTS = st.dictionaries(
    NAMES,
    st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)),
    min_size=1,
    max_size=4,
)


def read(text: str) -> Any:
    """The first object of a text, and that it takes all of what stands behind its beginning."""
    start = text.index("{")
    found = put_right(text, start)
    assert found is not None
    assert text[found[1] :].strip('"') == ""
    return json.loads(found[0])


@given(OBJECTS)
def test_what_is_json_stays_what_it_is(value: dict[str, Any]) -> None:
    """Whatever its texts hold."""
    assert read(json.dumps(value)) == value
    assert read(json.dumps(value, indent=2)) == value


@given(OBJECTS)
def test_what_python_writes_is_read(value: dict[str, Any]) -> None:
    """With its quotes, and its own words for what is true, false and nothing."""
    assert read(repr(value)) == value


@given(OBJECTS)
def test_what_was_escaped_on_its_way_is_read(value: dict[str, Any]) -> None:
    """Within a text of JSON, and for a page of HTML."""
    assert read(json.dumps(json.dumps(value))) == value
    assert read(html.escape(json.dumps(value))) == value


@given(OBJECTS)
def test_names_without_quotes_and_a_comma_too_many_are_read(value: dict[str, Any]) -> None:
    """As JavaScript and YAML have them."""
    inside = ", ".join(f"{name}: {json.dumps(one)}" for name, one in value.items())
    assert read(f"{{{inside},}}") == value
