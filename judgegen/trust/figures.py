"""A figure with its interval, and the two intervals for counts: Wilson's and Clopper and Pearson's, both SciPy's.

Knows nothing of what was counted.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

from judgegen.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number with the ends of its interval; None where the data do not define it."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """The three numbers, JSON-able."""
        return {"value": self.value, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Figure:
    """A share with Wilson's score interval; undefined for n = 0."""
    if n == 0:
        return Figure()
    interval = extra("scipy.stats").binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Figure(value=successes / n, low=float(interval.low), high=float(interval.high))


def lower_bound(successes: float, n: float, *, confidence: float = 0.95) -> float:
    """Clopper and Pearson's one-sided lower bound of a share.

    Takes effective counts too, which need not be whole (Korn and Graubard 1998); on whole ones it is
    `binomtest(successes, n, alternative="greater").proportion_ci(confidence, method="exact").low`.
    """
    if successes <= 0:
        return 0.0
    return float(extra("scipy.stats").beta.ppf(1.0 - confidence, successes, n - successes + 1.0))


def enough(target: float, *, confidence: float = 0.95) -> int:
    """The least n at which n right out of n put the Clopper-Pearson lower bound at the target or above."""
    return math.ceil(math.log(1.0 - confidence) / math.log(target) - 1e-9)


def extra(module: str) -> Any:
    """A module of the extra `trust`, loaded when first used.

    Raises:
        SpecError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise SpecError(f"this needs {name}, which is not installed; run: pip install 'judgegen[trust]'") from None
