"""Schedules against worlds whose order is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge.schedule import SCHEDULES, min_max, swiss
from judgegen.llm.calls import digest
from judgegen.records import Candidate, Match

Decide = Callable[[Candidate, Candidate], float | None]


def cast(count: int) -> list[Candidate]:
    return [
        Candidate(prompt_id="p", variant="v", index=i, model="m", text=f"t{i}", finish="stop", call_id=f"b2:{i}")
        for i in range(count)
    ]


def lot(candidate: Candidate) -> str:
    return digest([7, candidate.call_id])


def played(name: str, candidates: Sequence[Candidate], decide: Decide, shuffle: random.Random) -> list[list[Match]]:
    """The rounds of a schedule, its matches handed back in a shuffled order."""
    rounds: list[list[Match]] = []
    while True:
        so_far = [m for played in rounds for m in played]
        shuffle.shuffle(so_far)
        wanted = SCHEDULES[name](candidates, so_far, lot)
        if not wanted:
            return rounds
        rounds.append(
            [Match(a=c.first, b=c.second, shown=(), p=decide(c.first, c.second), consistent=None) for c in wanted]
        )


def by_index(a: Candidate, b: Candidate) -> float:
    return float(a.index > b.index)


@given(st.integers(2, 17), st.integers())
def test_min_max_finds_both_ends_in_three_halves(n: int, seed: int) -> None:
    """ceil(3n/2) - 2 comparisons; the best never lost, the worst never won, each played somebody."""
    matches = [m for r in played("min-max", cast(n), by_index, random.Random(seed)) for m in r]
    assert len(matches) == math.ceil(3 * n / 2) - 2
    beaten = {(m.a if m.p == 0 else m.b).key for m in matches}
    winners = {(m.a if m.p == 1 else m.b).key for m in matches}
    everybody = {c.key for c in cast(n)}
    assert everybody - beaten == {f"v/{n - 1}"}
    assert everybody - winners == {"v/0"}


@given(st.integers(2, 12), st.integers())
def test_min_max_asks_as_much_whatever_is_answered(n: int, seed: int) -> None:
    """Ties, contradictions and unreadable matches neither stop it nor cost more, and nobody meets twice."""
    chance = random.Random(seed)
    matches = [
        m for r in played("min-max", cast(n), lambda *_: chance.choice([None, 0.0, 0.3, 0.5, 1.0]), chance) for m in r
    ]
    assert len(matches) == len({frozenset((m.a.key, m.b.key)) for m in matches}) == math.ceil(3 * n / 2) - 2


@given(st.integers(2, 17), st.integers())
def test_swiss_plays_log_n_rounds_and_nobody_meets_twice(n: int, seed: int) -> None:
    """ceil(log2 n) rounds of n // 2 comparisons, one left out where n is odd, never the same one twice."""
    chance = random.Random(seed)
    rounds = played("swiss", cast(n), lambda *_: chance.choice([None, 0.0, 0.5, 0.8, 1.0]), chance)
    assert [len(r) for r in rounds] == [n // 2] * math.ceil(math.log2(n))
    matches = [m for r in rounds for m in r]
    assert len({frozenset((m.a.key, m.b.key)) for m in matches}) == len(matches)
    if n % 2 and n > 3:
        times = [sum(c.key in (m.a.key, m.b.key) for m in matches) for c in cast(n)]
        assert max(times) - min(times) <= 1


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(2, 9), st.integers(), st.randoms(use_true_random=False))
def test_who_meets_does_not_depend_on_the_order_of_candidates(
    name: str, n: int, seed: int, shuffle: random.Random
) -> None:
    """Permuted candidates and matches, decided by content, meet the same others in the same rounds."""

    def content(a: Candidate, b: Candidate) -> float | None:
        low, high = sorted((a, b), key=lambda c: c.key)
        p = random.Random(f"{seed}{low.key}{high.key}").choice([None, 0.0, 0.25, 0.5, 1.0])
        return p if p is None or low is a else 1 - p

    permuted = cast(n)
    shuffle.shuffle(permuted)
    rounds = [
        [{frozenset((m.a.key, m.b.key)) for m in r} for r in played(name, order, content, shuffle)]
        for order in (cast(n), permuted)
    ]
    assert rounds[0] == rounds[1]


@pytest.mark.parametrize("schedule", [min_max, swiss])
def test_one_alone_meets_nobody(schedule: Callable[..., tuple[object, ...]]) -> None:
    """Nothing to compare is nothing asked."""
    assert schedule(cast(1), [], lot) == ()
    assert schedule([], [], lot) == ()


def test_brackets_are_played_side_by_side() -> None:
    """With n = 8 the rounds are 4, 4 and 2 comparisons: the two brackets share rounds."""
    assert [len(r) for r in played("min-max", cast(8), by_index, random.Random(0))] == [4, 4, 2]
