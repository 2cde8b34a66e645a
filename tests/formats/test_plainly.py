"""The quick answer for plain preferences never passes what the rules would not, and lays out what they lay out."""

from __future__ import annotations

import unicodedata
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.formats import fit, messages, plainly
from judgegen.formats.consumers import CONSUMERS
from judgegen.formats.format import Format
from judgegen.formats.messages import differ

FORMS = {f"{name}{'-standard' * n}": f for name, form in CONSUMERS.items() for n, f in enumerate((form, form.standard))}
words = st.sampled_from(["", " ", "a", "a  b", "a b", "\tb", "é", "e\u0301", "half \ud83d", "漢 字", "nine words " * 9])
content = st.one_of(words, st.none(), st.just([{"type": "text", "text": "part"}]), st.just(["text"]))
role = st.sampled_from(["system", "user", "assistant", "tool", "developer", "function", None])
call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
message = st.fixed_dictionaries({"role": role, "content": content}, optional={"tool_calls": st.just([call])}) | st.just(
    "none"
)
plain = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": words})
asked = st.lists(plain, max_size=3).map(lambda chat: [*chat, {"role": "user", "content": "Why?"}])
answer = st.lists(st.fixed_dictionaries({"role": st.just("assistant"), "content": words}), min_size=1, max_size=1)
number = st.sampled_from([None, 0, 1, True, 0.2, 0.5, 0.9, 1.0, 1.5, float("nan"), float("inf"), "0.9"])
table: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, {"prompt": 3}, {"prompt": -1}, {"prompt": 2.5}, {"prompt": "3"}, [], "text"]
)
anything = st.fixed_dictionaries(
    {"prompt": asked | st.lists(message, max_size=4) | st.none() | st.just("Why?")},
    optional={
        "chosen": answer | st.lists(message, max_size=2) | st.just("text"),
        "rejected": answer | st.lists(message, max_size=2) | st.none(),
        "p_chosen": number,
        "margin": number,
        "tie": st.sampled_from([None, True, False]),
        "tools": st.sampled_from([None, [], "[]", "x", [{"type": "function", "function": {"name": "f"}}]]),
        "prompt_id": st.sampled_from([None, "p", "", 3, "\udc00"]),
        "reference": st.sampled_from([None, "gold", 3, "\udc00"]),
        "consistent": st.sampled_from([None, True, "yes"]),
        "tokens": table,
        "chosen_from": table,
        "metadata": table,
    },
)


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in FORMS.values() if form], ids=[n for n, f in FORMS.items() if f])
@given(found=anything)
def test_what_passes_quickly_passes_the_rules(form: Format, found: dict[str, Any]) -> None:
    """Sound in a few microseconds is sound by every rule, and as plain as it would become."""
    if plainly.sound(found, form):
        assert messages.plain(found) == found
        fit.check(found, form)


@pytest.mark.parametrize("name", list(CONSUMERS))
def test_a_plain_pair_passes_quickly_where_it_fits(name: str, make: Any) -> None:
    """The common pair goes the quick way for every consumer that takes it."""
    pair = make.plain(2)
    assert plainly.sound(pair, CONSUMERS[name])
    fit.check(messages.plain(pair), CONSUMERS[name])


@given(said=st.text(max_size=60), pad=st.sampled_from([" ", "\n\t", "\u2003"]), form=st.sampled_from(["NFC", "NFD"]))
def test_one_text_spelled_in_two_ways_does_not_differ(said: str, pad: str, form: Literal["NFC", "NFD"]) -> None:
    """White space and the ways to spell a character make no difference that counts."""
    other = pad + pad.join(unicodedata.normalize(form, said).split()) + pad
    assert not differ(said, other)
    assert differ(f"x {said}", f"y {other}")
