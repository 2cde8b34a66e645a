"""USD, exact: sums to the last digit, and the words for them. Unknown is None, never zero."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact

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
    if value is None:
        return None
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if text not in ("", "-0") else "0"


def fitting(value: Decimal, digits: int, decimals: int) -> Decimal | None:
    """The same amount without idle zeros; None where so many digits, so many of them decimals, do not hold it."""
    bare = _EXACT.normalize(value)
    exponent = bare.as_tuple().exponent
    holds = isinstance(exponent, int) and -exponent <= decimals and bare.adjusted() < digits - decimals
    return bare if holds else None
