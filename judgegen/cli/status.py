"""`judgegen status`: parses, calls run.status, prints. Knows nothing of journals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli import completing


def status(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", autocompletion=completing.runs, help="The run folder, in which a run may be going on."
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """How a run stands, from another terminal while it goes on.

    Prompts begun, answers, what was sent again, spend against the cap, the pace of the last minute, and the
    batches that it waits for. Nothing is changed, and the run is not disturbed.
    """
    from judgegen.cli import ending

    with ending.told(as_json=as_json):
        from judgegen.report.tables import Tables
        from judgegen.run.status import status as standing

        spec = Tables(run).spec
        found = standing(run, None if spec is None else spec.budget.max_usd)
    print(json.dumps(found.to_dict()) if as_json else "\n".join(found.lines()))
