"""Judges beside one another: one computation for two runs and for two judges of labelled comparisons."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from judgegen.trust import Judged
from judgegen.trust.between import between, price, ranks

Scripted = Callable[..., list[Judged]]

P = st.sampled_from([None, 0.0, 0.2, 0.5, 0.7, 1.0])


def rows(said: list[float | None], prompts: int = 9) -> list[Judged]:
    return [Judged(prompt_id=f"p{i % prompts}", p=p) for i, p in enumerate(said)]


@given(st.lists(st.tuples(P, P), min_size=1, max_size=40))
def test_agreement_is_of_what_both_read_and_has_no_first_and_second(
    said: list[tuple[float | None, float | None]],
) -> None:
    """The share of equal labels among what both gave one; turned round it is the same."""
    one, other = rows([a for a, _ in said]), rows([b for _, b in said])
    found, turned = between(one, other, resamples=50), between(other, one, resamples=50)
    both = [(a.label, b.label) for a, b in zip(one, other, strict=True) if a.label and b.label]
    assert found.judged == len(both)
    if both:
        assert found.agreement.value == pytest.approx(sum(a == b for a, b in both) / len(both))
    assert found.agreement == turned.agreement
    assert found.opposed == turned.opposed
    assert {said[i][0] > 0.5 for i in found.opposed} <= {True, False}  # type: ignore[operator]
    assert all({one[i].label, other[i].label} == {"A", "B"} for i in found.opposed)


def test_the_surest_disagreement_comes_first() -> None:
    """Those to read are those on which the two stake most."""
    one, other = rows([0.6, 1.0, 0.9, 0.9]), rows([0.4, 0.0, 0.8, 0.2])
    assert between(one, other).opposed == (1, 3, 0)


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_ranks_are_of_one_prompt_at_a_time(seed: int) -> None:
    """Adding to all scores of a prompt changes nothing; the mean is that of the prompts in which both tell apart."""
    lot = random.Random(seed)
    one = {(f"p{i}", f"a{j}"): float(lot.randrange(4)) for i in range(8) for j in range(4)}
    other = {key: value + lot.choice([-1, 0, 1]) for key, value in one.items()}
    moved = {key: value + 100 * int(key[0][1:]) for key, value in other.items()}
    by_prompt = [
        kendalltau([one[f"p{i}", f"a{j}"] for j in range(4)], [other[f"p{i}", f"a{j}"] for j in range(4)]).statistic
        for i in range(8)
    ]
    told = [tau for tau in by_prompt if not math.isnan(tau)]
    found = ranks(one, other, resamples=50)
    assert found == ranks(one, moved, resamples=50)
    if told:
        assert found.value == pytest.approx(sum(told) / len(told))
        assert ranks(one, one, resamples=50).value == pytest.approx(1.0)


def test_judges_that_score_nothing_in_common_have_no_ranks() -> None:
    """Unknown is not zero."""
    assert ranks({("p", "a"): 1.0}, {("p", "b"): 1.0}).value is None
    assert ranks({}, {}).value is None


def test_the_price_is_of_what_would_be_kept_and_is_right(scripted: Scripted) -> None:
    """All that was asked is paid for; what contradicts itself is no pair; a price that is not known is none."""
    told = scripted(1, n=100, accuracy=0.8)
    paid = [Judged(**{**{n: getattr(r, n) for n in r.__slots__}, "cost_usd": 0.001}) for r in told]
    right = sum(r.label == r.human and r.consistent is not False and r.label in ("A", "B") for r in paid)
    assert price(paid, resamples=50).value == pytest.approx(1000 * 0.1 / right)
    assert price(told).value is None
