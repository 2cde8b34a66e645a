"""`judgegen write`: every derived file again, from the journal. Parses, calls api.rewrite, prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli import completing


def write(
    folder: Annotated[Path, typer.Argument(metavar="DIR", autocompletion=completing.runs, help="The run folder.")],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress; warnings and errors remain.")] = False,
) -> None:
    """Write a run's outputs again from its journal, without a network.

    The same journal and run file give the same bytes. Delete any output first if you like; the journal and run.toml
    are all that is needed.
    """
    from judgegen import api
    from judgegen.cli import ending
    from judgegen.show.progress import watch_for

    with ending.told(as_json=as_json), watch_for(sys.stderr, quiet=quiet) as watch:
        done = api.rewrite(folder, watch=watch)
    ending.end(done, as_json=as_json)
