from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.textual import clean, normal

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
