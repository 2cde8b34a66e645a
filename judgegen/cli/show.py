"""`judgegen show`: pairs of a run to read in a terminal. Parses, picks, prints. Knows nothing of how a run is made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli import completing


def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", autocompletion=completing.runs, help="The run folder.")],
    *,
    n: Annotated[int, typer.Option("-n", "--n", metavar="N", min=1, help="How many.")] = 5,
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="CONDITION", help="Only those of which it holds, as in pandas' query."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Another seed, other ones.")] = 0,
    full: Annotated[bool, typer.Option("--full", help="Whole texts, not their first lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, nothing else.")] = False,
) -> None:
    """A few pairs, and prompts without one, to read in the terminal.

    What a condition may name: id, prompt_id, outcome ("pair", or the reason why there is none), detail, p, margin,
    consistent, differ (whether verdicts do), variant and model of the chosen, other_variant, prompt, chosen, rejected,
    words (the judge's), suspicions, usd. For example: --where "outcome == 'flip'", --where "p < 0.7 and differ",
    --where "prompt.str.contains('noun')".
    """
    from judgegen.cli import ending

    with ending.told(as_json=as_json):
        from judgegen.report.entries import entries
        from judgegen.report.packing import WHOLE, row
        from judgegen.report.selecting import sample
        from judgegen.report.selecting import where as holding
        from judgegen.report.tables import Tables
        from judgegen.show.entries import LINES, lines

        found = entries(Tables(run))
        fitting = found if where is None else holding(found, where)
        drawn = sample(fitting, n, seed)
    if as_json:
        for entry in drawn:
            print(json.dumps(row(entry, WHOLE), default=str))
        return
    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    for entry in drawn:
        print("\n".join(lines(entry, width, None if full else LINES)), end="\n\n")
    print(f"{len(drawn):,} of {len(fitting):,}" + ("" if where is None else f", {len(found):,} in all"))
