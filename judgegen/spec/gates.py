"""The run file's [gates]: limits on a run's own figures, which fail it with an exit code of their own. Needs no humans.

Knows the names of the summary's figures; nothing of how they are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from judgegen.errors import GateFailed
from judgegen.spec.tables import Frozen


class Gates(Frozen):
    """Limits; what is None is not looked at. Shares are in 0..1 and are those of the summary's diagnostics."""

    min_pairs: int | None = Field(default=None, ge=0)
    max_flip_rate: float | None = Field(default=None, ge=0, le=1)
    max_unreadable_rate: float | None = Field(default=None, ge=0, le=1)
    max_tie_rate: float | None = Field(default=None, ge=0, le=1)
    max_near_tie_share: float | None = Field(default=None, ge=0, le=1)
    max_longer_chosen: float | None = Field(default=None, ge=0, le=1)
    max_p_first_skew: float | None = Field(default=None, ge=0, le=0.5)  # |P(first) - 1/2|


def failed(gates: Gates, summary: Mapping[str, Any]) -> GateFailed | None:
    """The error that names every gate that failed; None where all hold.

    A figure that the run does not define cannot hold a limit: unknown is not zero.
    """
    problems = list(_problems(gates, summary))
    return GateFailed("; ".join(problems)) if problems else None


def _problems(gates: Gates, summary: Mapping[str, Any]) -> Iterator[str]:
    if gates.min_pairs is not None and summary["pairs"] < gates.min_pairs:
        yield f"gates.min_pairs = {gates.min_pairs}: there are {summary['pairs']}"
    for name, found in _shares(summary["diagnostics"]).items():
        limit = getattr(gates, f"max_{name}")
        if limit is None:
            continue
        if found is None:
            yield f"gates.max_{name} = {limit:g}: not known, the run has nothing to count it on"
        elif found > limit:
            yield f"gates.max_{name} = {limit:g}: it is {found:.3g}"


def _shares(diagnostics: Mapping[str, float | None]) -> dict[str, float | None]:
    names = ("flip_rate", "unreadable_rate", "tie_rate", "near_tie_share", "longer_chosen")
    first = diagnostics.get("p_first")
    skew = None if first is None else round(abs(first - 0.5), 6)
    return {**{name: diagnostics.get(name) for name in names}, "p_first_skew": skew}
