"""Which of many items a limit takes. Knows nothing of what they are."""

from __future__ import annotations

import itertools
import operator

from judgegen.errors import SpecError


def some(limit: int) -> int:
    """`limit` as it is.

    Raises:
        SpecError: it is no whole number above 0.
    """
    if not hasattr(limit, "__index__") or operator.index(limit) < 1:
        raise SpecError(f"limit = {limit!r}: must be a whole number, 1 or more")
    return limit


def spread(count: int, most: int) -> list[int]:
    """`most` of `count` positions, ascending, evenly over all of them; a larger `most` keeps those of a smaller one.

    The positions are taken in van der Corput's order (base 2), which leaves no long stretch without one.
    """
    if some(most) >= count:
        return list(range(count))
    taken: dict[int, None] = {}
    for number in itertools.count():
        if len(taken) >= most:
            return sorted(taken)
        turned = int(f"{number:b}"[::-1], 2) / 2 ** number.bit_length() if number else 0.0
        taken[int(turned * count)] = None
    raise AssertionError("unreachable")
