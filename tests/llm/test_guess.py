from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from judgegen.llm.guess import Length, pilot

KEY = ("sampler", "m", "v")


def answer(output: int, **more: Any) -> dict[str, Any]:
    """One answered call as a journal tells it."""
    usual = {"finish": "stop", "answered": 4 * output, "input": 20, "characters": 79, "cached": 0, "seconds": 1.0}
    return {"role": KEY[0], "model": KEY[1], "variant": KEY[2], "draw": 0, "output": output, **usual, **more}


def learned(outputs: list[int]) -> Length:
    return pilot(map(answer, outputs))[KEY]


def test_a_pilots_interval_holds_the_true_mean() -> None:
    """Of a thousand pilots of forty answers each, no more than one in a hundred misses: it is three standard errors."""
    missed = 0
    for seed in range(1000):
        lot = random.Random(seed)
        length = learned([lot.randint(50, 450) for _ in range(40)])
        missed += not length.low <= 250 <= length.high
    assert missed <= 10


def test_a_pilots_interval_is_of_use() -> None:
    """A hundred times the answers make it a tenth as wide, down to two per cent to each side."""
    lot = random.Random(0)
    few, many = (learned([lot.randint(50, 450) for _ in range(n)]) for n in (40, 4000))
    assert 0.08 < (many.high - many.low) / (few.high - few.low) < 0.12
    assert (learned([100] * 40).low, learned([100] * 40).high) == (98, 102)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30))
def test_a_pilots_interval_holds_its_own_mean(outputs: list[int]) -> None:
    """Never below zero, and one answer alone says next to nothing."""
    length = learned(outputs)
    assert 0 <= length.low <= length.expected <= length.high
    if len(outputs) == 1:
        assert (length.low, length.high) == (0, 4 * outputs[0])
