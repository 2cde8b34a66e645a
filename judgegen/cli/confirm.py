"""Says what a run is expected to cost and, on a terminal, asks before it is spent. Knows nothing of the counting."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from judgegen import api
from judgegen.run.expected import Estimate
from judgegen.spec import Spec, read


def confirm(path: Path, *, out: Path | None, limit: int | None, batch: bool, ask: bool, tell: bool) -> None:
    """Estimate the run if it may cost something; go on at once, or at a yes.

    Raises:
        JudgegenError: as the run would, since the estimate reads what the run reads.
        typer.Abort: the answer was no.
    """
    ask = ask and sys.stdin.isatty() and sys.stderr.isatty()
    if not (ask or tell) or not may_cost(read(path)):
        return
    found = api.estimate(path, out=out, limit=limit)
    typer.echo(found.line(batch=batch), err=True)
    if ask and _costs(found):
        typer.confirm("go on?", default=True, abort=True, err=True)


def may_cost(spec: Spec) -> bool:
    """Whether some call of the run goes to an endpoint that is not known to be free."""
    return not all(endpoint.free for endpoint in spec.used_endpoints().values())


def _costs(found: Estimate) -> bool:
    """Whether anything is left to pay."""
    return found.cost_usd["high"] > 0
