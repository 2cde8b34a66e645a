"""Says what a job is expected to cost and asks before it is spent, the same way everywhere.

On a terminal somebody is asked; elsewhere it is told. Knows nothing of the counting.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import typer

from judgegen.cli.outlet import fitting
from judgegen.errors import Declined
from judgegen.run.expected import Estimate
from judgegen.run.session import resolve
from judgegen.spec import Spec


def confirm(
    given: Any,
    expected: Callable[[], Estimate],
    *,
    max_usd: float | None = None,
    parts: int = 1,
    batch: bool,
    yes: bool,
    tell: bool,
) -> None:
    """Say what is expected against the cap, if the job may cost something; go on at once, or at a yes.

    The cap is shared by `parts` that run beside each other.

    Raises:
        JudgegenError: as the job would, since the estimate reads what the job reads.
        Declined: the answer was no.
    """
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    spec = resolve(given, None)[0]
    whole = spec.budget.max_usd if max_usd is None else Decimal(str(max_usd))
    cap = None if whole is None else whole / parts
    if not may_cost(spec) or not (asks or tell):
        return
    found = expected()
    if tell or asks:
        typer.echo("\n".join(fitting(found.line(batch=batch, cap=cap), stream=sys.stderr)), err=True)
    if not _costs(found) or yes:
        return
    if asks:
        _ask()


def _ask() -> None:
    if not typer.confirm("Spend this?", default=False, err=True):
        raise Declined("not started: the answer was no; nothing was sent")


def may_cost(spec: Spec) -> bool:
    """Whether some call of the run goes to an endpoint that is not known to be free."""
    return not all(endpoint.free for endpoint in spec.used_endpoints().values())


def _costs(found: Estimate) -> bool:
    """Whether anything is left to pay."""
    return found.cost_usd["high"] > 0
