from __future__ import annotations

from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from judgegen.llm.calls import Call, Tag
from judgegen.llm.prices import Rate
from judgegen.run.live import worst

CENT = Decimal("0.01")
RATE = Rate(input=CENT, output=CENT, cached=CENT, cache_write=CENT, reasoning=CENT, source="a cent a token")


def tokens_feared(text: object, *, max_tokens: int = 7, n: int = 1) -> int:
    """How many tokens the worst case of asking `text` stands for."""
    call = Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": text},),
        params={"max_tokens": max_tokens, "n": n},
        tag=Tag(role="sampler", prompt_id="p", route="r"),
    )
    cents = worst({("r", "m"): RATE}, call) / CENT
    assert cents == int(cents)
    return int(cents)


@given(st.text(max_size=200), st.integers(1, 50))
@example("water " * 100, 1)
def test_the_worst_case_of_a_call_trusts_no_tokenizer(text: str, times: int) -> None:
    """A stranger's tokenizer may make a token of every two bytes; so many are reserved, and all that may be said."""
    asked = len((text * times).encode("utf-8", "replace")) // 2
    assert tokens_feared(text * times) >= asked + 7
    assert tokens_feared(text * times, max_tokens=11, n=3) - tokens_feared(text * times) == 3 * 11 - 7


@given(st.text(st.characters(min_codepoint=0xE000, max_codepoint=0xF8FF), min_size=1, max_size=50))
def test_the_worst_case_is_no_less_than_what_is_counted(text: str) -> None:
    """Rare characters are a token per byte, more than the half of them; those are reserved."""
    from judgegen.llm.tokens import count

    assert tokens_feared(text) >= count(text) + 7


def test_an_image_is_feared_as_an_image_however_many_bytes_it_has() -> None:
    """Its bytes, written into the request in base64, are no text that anybody bills."""

    def shown(data: str) -> list[dict[str, object]]:
        return [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": data}}]

    small, large = (tokens_feared(shown("data:image/png;base64," + "A" * size)) for size in (10, 1_000_000))
    assert 1000 < small == large < 10_000
