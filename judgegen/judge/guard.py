"""Keeps candidates out of the frame they are shown in: fresh labels and a fence per call that no candidate contains."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from judgegen.llm.calls import digest

LETTERS = "CDFGHJKLMNPRSTVWXZ"
"""Labels are drawn from these: one token each, and free of what A, B, I, O, Q, U, Y mean to models and readers."""
TIE = "tie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """How one call names and quotes its two candidates."""

    first: str
    second: str
    fence: str
    tie: str = TIE

    @property
    def labels(self) -> tuple[str, str, str]:
        """The labels in display order: first, second, tie."""
        return self.first, self.second, self.tie


def frame(quoted: Sequence[str], *key: object) -> Frame:
    """Labels and fence for one call, functions of `key` alone; the fence occurs in none of the `quoted` texts."""
    number = int(digest(["labels", *key], size=8), 16)
    first = LETTERS[number % len(LETTERS)]
    rest = LETTERS.replace(first, "")
    second = rest[number // len(LETTERS) % len(rest)]
    fences = (f"quote-{digest(['fence', turn, *key], size=4)}" for turn in itertools.count())
    fence = next(fence for fence in fences if not any(fence in text for text in quoted))
    return Frame(first=first, second=second, fence=fence)
