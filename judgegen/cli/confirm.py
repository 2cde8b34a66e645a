"""Says what a job is expected to cost and asks before it is spent, the same way everywhere.

On a terminal somebody is asked; elsewhere it is spent with --yes or under a cap alone. Of what cannot come to a cent
nobody is asked. Knows nothing of the counting.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import typer

from judgegen.cli.outlet import fitting
from judgegen.errors import Declined, SpecError
from judgegen.run.expected import Estimate
from judgegen.run.session import resolve
from judgegen.spec import Spec

COUNTING = "counting what this will take"
CENT = Decimal("0.01")
"""USD: what cannot cost so much is shown, and nobody is asked about it."""


def confirm(
    given: Any,
    expected: Callable[[], Estimate],
    *,
    max_usd: float | None = None,
    parts: int = 1,
    batch: bool,
    yes: bool,
    tell: bool,
) -> Estimate | None:
    """Say what is expected against the cap, if the job may cost something; go on where that may be spent.

    The cap is shared by `parts` that run beside each other. What is expected comes back where it was counted.

    Raises:
        JudgegenError: as the job would, since the estimate reads what the job reads.
        Declined: the answer was no.
        SpecError: nobody can be asked, and neither --yes nor a cap allows it.
    """
    spec = resolve(given, None, judging=True)[0]  # what else is missing, the job itself says
    whole = spec.budget.max_usd if max_usd is None else Decimal(str(max_usd))
    allowed = yes or (whole is not None and not terminal())
    if not may_cost(spec) or (allowed and not tell):
        return None
    if terminal():
        typer.echo(COUNTING, err=True)
    found = expected()
    if tell or terminal():
        said = found.line(batch=batch, cap=None if whole is None else whole / parts)
        typer.echo("\n".join(fitting(said, stream=sys.stderr)), err=True)
    if _costs(found) and not allowed and not _made_up(spec):
        permit(f"it is expected to cost ${found.cost_usd['expected']:.4f}")
    return found


def permit(what: str, question: str = "Spend this?") -> None:
    """Ask whether money may be spent, which nothing has allowed yet; `what` is said where nobody can be asked.

    Raises:
        Declined: the answer was no.
        SpecError: nobody can be asked.
    """
    refuse_silence(what)
    if not typer.confirm(question, default=False, err=True):
        raise Declined("not started: the answer was no; nothing was sent")


def refuse_silence(what: str) -> None:
    """Nothing, where somebody can be asked.

    Raises:
        SpecError: `what`, and nobody can be.
    """
    if not terminal():
        raise SpecError(
            f"{what}, and this is no terminal, so nobody can be asked: add --yes, or a cap such as --max-usd 5"
        )


def terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def may_cost(spec: Spec) -> bool:
    """Whether some call of the run goes to an endpoint that is not known to be free."""
    return not all(endpoint.free for endpoint in spec.used_endpoints().values())


def _made_up(spec: Spec) -> bool:
    """Whether its prices are a scripted world's, which nobody pays."""
    return all(endpoint.free or endpoint.provider == "scripted" for endpoint in spec.used_endpoints().values())


def _costs(found: Estimate) -> bool:
    """Whether a cent or more may be left to pay."""
    return found.cost_usd["high"] >= CENT
