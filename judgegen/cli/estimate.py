"""`judgegen estimate`: what a run will take, before it does. Parses, calls api.estimate, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def estimate(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The run file (TOML).")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The run folder. Without it: runs/ and SPEC's name.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Take N prompts only, spread over them all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Calls, tokens, USD and hours a run will take, before it does.

    No key, no network, nothing is sent. What the journal in the run folder answers is free, and its answers' lengths
    are the expectation for the rest: after `judgegen run SPEC --limit 50` the interval is a narrow one.
    """
    from judgegen import api
    from judgegen.cli import ending

    with ending.told(as_json=as_json):
        found = api.estimate(spec, out=out, limit=limit)
    if as_json:
        import json

        print(json.dumps(found.to_dict()))
        return
    from judgegen.cli.tables import print_estimate

    print_estimate(found)
