"""Variants whose difference is ignored are named; those whose difference shows, or that differ otherwise, are not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from judgegen.records import Candidate, Prompt, Result
from judgegen.run.alike import Alike
from judgegen.spec.reading import parse

WORDS = [f"{a}{b}" for a in ("am", "bir", "ce", "em", "fjo", "gro") for b in ("ber", "ch", "dar", "ta", "rd", "ve")]


def spec(**other: Any) -> Any:
    cold = {"name": "cold", "temperature": 0.2, "n": 2}
    return parse(
        {
            "prompts": "p.jsonl",
            "endpoints": {"here": {"base_url": "http://127.0.0.1:1/v1", "price": {"input": 1, "output": 1}}},
            "sampler": {
                "endpoint": "here",
                "model": "m",
                "variants": [cold, {"name": "hot", "temperature": 1.2, "n": 2, **other}],
            },
            "judge": {"endpoint": "here", "model": "j"},
        }
    )


def answer(lot: random.Random, prompt: int, freedom: float) -> str:
    """Forty words, as many of them drawn anew as is free to be; the others are the prompt's own."""
    own = random.Random(prompt)
    return " ".join(lot.choice(WORDS) if lot.random() < freedom else own.choice(WORDS) for _ in range(40))


def rows(prompts: int, cold: float, hot: float, **other: Any) -> list[dict[str, Any]]:
    lot, alike = random.Random(7), Alike(spec(**other))
    for number in range(prompts):
        drawn = [
            Candidate(
                prompt_id=f"p{number}",
                variant=name,
                index=index,
                model="m",
                text=answer(lot, number, freedom),
                finish="stop",
                call_id=f"b2:{number}{name}{index}",
            )
            for name, freedom in (("cold", cold), ("hot", hot))
            for index in range(2)
        ]
        prompt = Prompt(id=f"p{number}", messages=({"role": "user", "content": "?"},))
        alike.add(Result(prompt=prompt, candidates=tuple(drawn)))
    return alike.rows()


@pytest.mark.parametrize("freedom", [0.0, 0.5, 1.0])
def test_variants_whose_difference_is_ignored_are_named(freedom: float) -> None:
    """Drawn alike, however freely, they are one."""
    assert rows(120, freedom, freedom) == [{"variants": ["cold", "hot"], "prompts": 120}]


@pytest.mark.parametrize(("cold", "hot"), [(0.0, 1.0), (0.2, 0.7), (0.0, 0.3)])
def test_variants_whose_difference_shows_are_not(cold: float, hot: float) -> None:
    """The colder one's answers are more alike than one of each."""
    assert rows(120, cold, hot) == []


def test_a_few_prompts_say_nothing() -> None:
    """Fewer than two dozen are too few."""
    assert rows(23, 1.0, 1.0) == []
    assert rows(24, 0.0, 0.0) == [{"variants": ["cold", "hot"], "prompts": 24}]


def test_variants_that_differ_in_more_than_sampling_are_not_compared() -> None:
    """Another system prompt or model is another variant, whatever comes of it."""
    assert rows(120, 0.5, 0.5, system="Be terse.") == []
    assert rows(120, 0.5, 0.5, model="other") == []
