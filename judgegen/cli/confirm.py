"""Says what a job is expected to cost and, on a terminal, asks before it is spent. Knows nothing of the counting."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import typer

from judgegen.run.expected import Estimate
from judgegen.spec import Spec, read


def confirm(path: Path, expected: Callable[[], Estimate], *, batch: bool, ask: bool, tell: bool) -> None:
    """Say what is expected, if the job may cost something; go on at once, or at a yes.

    Raises:
        JudgegenError: as the job would, since the estimate reads what the job reads.
        typer.Abort: the answer was no.
    """
    ask = ask and sys.stdin.isatty() and sys.stderr.isatty()
    if not (ask or tell) or not may_cost(read(path)):
        return
    found = expected()
    typer.echo(found.line(batch=batch), err=True)
    if ask and _costs(found):
        typer.confirm("go on?", default=True, abort=True, err=True)


def may_cost(spec: Spec) -> bool:
    """Whether some call of the run goes to an endpoint that is not known to be free."""
    return not all(endpoint.free for endpoint in spec.used_endpoints().values())


def _costs(found: Estimate) -> bool:
    """Whether anything is left to pay."""
    return found.cost_usd["high"] > 0
