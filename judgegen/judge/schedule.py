"""Which comparisons to ask for: every pair once, shown in both orders or in one drawn by lot. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from judgegen.llm.calls import digest
from judgegen.records import Candidate, Comparison


def round_robin(candidates: Sequence[Candidate]) -> tuple[Comparison, ...]:
    """Every two candidates once."""
    return tuple(Comparison(first=a, second=b) for a, b in itertools.combinations(candidates, 2))


def orders(comparison: Comparison, *, both: bool, seed: int) -> tuple[Comparison, ...]:
    """The displays to ask for: both, or one by a lot that depends on (seed, the two) and not on their order."""
    if both:
        return comparison, comparison.swap()
    a, b = sorted((comparison.first, comparison.second), key=lambda candidate: candidate.call_id)
    lot = int(digest([seed, a.call_id, b.call_id], size=1), 16) % 2
    return (Comparison(first=(a, b)[lot], second=(b, a)[lot]),)
