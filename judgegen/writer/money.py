"""USD, exact: sums to the last digit, and the words for them. Unknown is None, never zero."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact

DIGITS, DECIMALS = 38, 30
"""Of a column of USD: exact for prices per million tokens of 23 decimals, in the most digits that other readers of
Parquet take."""
_EXACT = Context(prec=100, traps=[Inexact])


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum; None where any of it is unknown."""
    found = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        found = _EXACT.add(found, cost)
    return found


def plain(value: Decimal | None) -> str | None:
    """A decimal as people write it: no exponent, no trailing zeros, "0" for nothing; None for what is unknown."""
    return None if value is None else format(bare(value), "f")


def bare(value: Decimal) -> Decimal:
    """An amount whose digits are those that people write: 100 and 0.1, neither 1E+2, 0.10 nor -0."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return Decimal(text) or Decimal(0)


def fitting(value: Decimal, digits: int, decimals: int) -> Decimal | None:
    """An amount without idle zeros; None where so many digits, so many of them decimals, do not hold it."""
    bare = _EXACT.normalize(value)
    exponent = bare.as_tuple().exponent
    holds = isinstance(exponent, int) and -exponent <= decimals and bare.adjusted() < digits - decimals
    return bare if holds else None
