from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judgegen.textual import clean, normal, parsed

ANY = st.text(st.characters(), max_size=8)  # lone surrogates included


@given(ANY)
def test_clean_text_can_be_written_and_is_left_alone(text: str) -> None:
    """What was cleaned encodes, cleaning it again changes nothing, and what encodes is not touched."""
    assert clean(text).encode().decode() == clean(text) == clean(clean(text))
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("\udc00\ud800", "\ufffd\ufffd"),
        ("\ufeffa\ud83d", "\ufeffa\ufffd"),
        ("\ud83d\ude00", "😀"),
        ("ü\x00", "ü\x00"),
    ],
)
def test_half_a_character_is_replaced_visibly(text: str, written: str) -> None:
    """Each lone half becomes one U+FFFD, two halves their character, and nothing else changes."""
    assert clean(text) == written


@given(ANY)
def test_the_normal_form_is_its_own(text: str) -> None:
    """Normalising twice is normalising once, and what is written has the same form as what was said."""
    assert normal(normal(text)) == normal(text) == normal(clean(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  Straße\n", "STRASSE"),
        ("ﬁne\u00a0print", "fine print"),
        ("e\u0301", "\u00c9"),
        ("\uff21\u3000b\t", "a B"),
        ("a\ud800", "a\udfff"),
    ],
)
def test_what_a_reader_would_not_see_does_not_count(one: str, other: str) -> None:
    """Case, white space, compatibility forms and halves of characters make no difference."""
    assert normal(one) == normal(other)


@pytest.mark.parametrize(("one", "other"), [("a b", "ab"), ("1.0", "10"), ("no", "not"), ("", "."), ("é", "e")])
def test_what_a_reader_would_see_counts(one: str, other: str) -> None:
    """Letters, accents, marks and word boundaries make a difference."""
    assert normal(one) != normal(other)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.booleans())
@example(2**64, False)
@example(-(2**63) - 1, True)
@example([float("nan"), float("-inf"), 1e308, -0.0], False)
@example("\ud800", True)
def test_json_is_read_as_the_standard_library_reads_it(value: Any, ascii_: bool) -> None:
    """Whole numbers of any size, no numbers, halves of characters: the same value of the same type, bytes or text."""
    text = json.dumps(value, ensure_ascii=ascii_)
    assert repr(parsed(text)) == repr(json.loads(text))
    if clean(text) == text:
        assert repr(parsed(text.encode())) == repr(json.loads(text.encode()))


def refused(read: Callable[[bytes | str], Any], data: bytes | str) -> bool:
    try:
        read(data)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("data", ["", "{", '{"a": 1}x', "[1,]", b"\xff", b'"\xff"', "\ufeff1", '"a\tb"', b"12\x00"])
def test_what_is_no_json_is_refused_as_the_standard_library_refuses_it(data: bytes | str) -> None:
    """Whatever the faster reader says of it, it is a ValueError here as well."""
    assert refused(json.loads, data)
    assert refused(parsed, data)


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-32-be", "utf-8-sig"])
def test_json_in_another_coding_is_read(coding: str) -> None:
    """As RFC 4627 tells codings apart, and json.loads."""
    assert parsed('{"a": "ü"}'.encode(coding)) == {"a": "ü"}
