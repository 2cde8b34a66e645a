"""Lots: numbers that depend on their key alone, the same on every machine and in every version of Python.

blake2b in counter mode; no global random state. Knows nothing of what is drawn with them.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import struct
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


class Lots:
    """An endless row of numbers; two with the same key give the same row."""

    def __init__(self, *key: object) -> None:
        self._row = _numbers("\x1f".join(map(str, key)).encode("utf-8", "surrogatepass"))

    def unit(self) -> float:
        """The next number, uniform in [0, 1)."""
        return next(self._row)

    def below(self, n: int) -> int:
        """A whole number from 0 to `n` - 1."""
        return int(next(self._row) * n)

    def one(self, of: Sequence[T]) -> T:
        """One of them, each as likely."""
        return of[self.below(len(of))]

    def some(self, of: Sequence[T], n: int) -> list[T]:
        """`n` different ones, in an order of their own."""
        rest = list(of)
        return [rest.pop(self.below(len(rest))) for _ in range(min(n, len(rest)))]

    def bell(self) -> float:
        """Mean 0, standard deviation 1, within ±3.47: the sum of four uniform numbers, scaled."""
        return (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * math.sqrt(3.0)


def _numbers(key: bytes) -> Iterator[float]:
    seed = hashlib.blake2b(key, digest_size=32)
    for block in itertools.count():
        turn = seed.copy()
        turn.update(struct.pack("<Q", block))
        for number in struct.unpack("<4Q", turn.digest()):
            yield (number >> 11) / 2**53  # 53 bits: rounding up to 1.0 cannot happen
