"""Variants that cannot be told apart: two answers of one are as alike as an answer of one and an answer of the other.

Asked of those that differ in temperature, top_p or top_k alone, which gateways take and ignore. A setting that is
heeded changes how alike a variant's own answers are; where none of it shows in enough prompts, they are one. Pure.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from judgegen.records import Candidate, Match, Result
from judgegen.spec import Spec, Variant
from judgegen.textual import normal

ENOUGH = 24
"""Prompts from which variants are said to be one."""
MOST = 400
"""Prompts that are looked at."""
SEEN = 0.05
"""A difference in similarity, or in the share of wins, that would have been seen."""
_HEAD = 400
_SAMPLING = {"name", "n", "n_in_one_call", "temperature", "top_p", "top_k", "expected_output_tokens"}
Pair = tuple[str, str]


@dataclass(slots=True)
class Mean:
    """A mean with its standard error, added to one value at a time."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.n += 1
        self.total += value
        self.squares += value * value

    @property
    def nothing(self) -> bool:
        """Whether it is nothing within two standard errors, and what would be something had been seen."""
        mean = self.total / self.n
        twice = 2 * math.sqrt(max(0.0, self.squares / self.n - mean * mean) / self.n)
        return abs(mean) <= twice <= SEEN or abs(mean) == twice == 0

    @property
    def something(self) -> bool:
        """Whether it is beyond three standard errors."""
        mean = self.total / self.n if self.n else 0.0
        return self.n > 1 and abs(mean) > 3 * math.sqrt(max(0.0, self.squares / self.n - mean * mean) / self.n)


@dataclass(slots=True)
class Alike:
    """Add results, then ask which variants are one."""

    spec: Spec
    prompts: int = 0
    within: dict[tuple[Pair, str], Mean] = field(default_factory=lambda: defaultdict(Mean))
    wins: dict[Pair, Mean] = field(default_factory=lambda: defaultdict(Mean))

    def add(self, result: Result) -> None:
        """Count one prompt, of the first `MOST`."""
        pairs = list(self._pairs())
        if not pairs or self.prompts >= MOST:
            return
        self.prompts += 1
        drawn: dict[str, list[str]] = defaultdict(list)
        for candidate in result.candidates:
            if _whole(candidate):
                drawn[candidate.variant].append(normal(candidate.text)[:_HEAD])
        for one, other in pairs:
            self._compare((one, other), drawn[one], drawn[other])
        for match in result.matches:
            self._won(match)

    def rows(self) -> list[dict[str, Any]]:
        """The variants that cannot be told apart, two by two, with how many prompts that rests on."""
        return [{"variants": list(pair), "prompts": prompts} for pair in self._pairs() if (prompts := self._same(pair))]

    def _same(self, pair: Pair) -> int:
        means = [mean for (other, _), mean in self.within.items() if other == pair]
        enough = means and min(mean.n for mean in means) >= ENOUGH
        if not enough or self.wins[pair].something or not all(mean.nothing for mean in means):
            return 0
        return min(mean.n for mean in means)

    def _pairs(self) -> Iterator[Pair]:
        for one, other in itertools.combinations(self.spec.sampler.variants, 2):
            if _rest(one) == _rest(other):
                yield one.name, other.name

    def _compare(self, pair: Pair, ours: Sequence[str], theirs: Sequence[str]) -> None:
        """How much more alike each one's own answers are than one of each."""
        if not ours or not theirs:
            return
        across = _mean(itertools.product(ours, theirs))
        for name, texts in zip(pair, (ours, theirs), strict=True):
            if len(texts) > 1:
                self.within[pair, name].add(_mean(itertools.combinations(texts, 2)) - across)

    def _won(self, match: Match) -> None:
        if match.p is None:
            return
        pair = (match.a.variant, match.b.variant)
        self.wins[pair].add(match.p - 0.5)
        self.wins[pair[::-1]].add(0.5 - match.p)


def _whole(candidate: Candidate) -> bool:
    """Whether an answer tells how its variant answers; one that repeats another does, above all."""
    return bool(candidate.text) and candidate.refused in (None, "identical", "near-identical")


def _rest(variant: Variant) -> dict[str, Any]:
    """A variant without what sampling it takes."""
    return variant.model_dump(exclude=_SAMPLING)


def _mean(pairs: Iterable[tuple[str, str]]) -> float:
    from rapidfuzz.distance import Indel

    found = [Indel.normalized_similarity(one, other) for one, other in pairs]
    return math.fsum(found) / len(found)
