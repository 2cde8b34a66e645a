"""`judgegen init`: a run file and prompts to start from. Parses, calls the starter, prints the next command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder; made where it is not there.")],
) -> None:
    """Write a commented run file and a few prompts to start from.

    Nothing that is there already is overwritten.
    """
    from judgegen.cli import ending
    from judgegen.sources.starter import write_starter

    with ending.told():
        written = write_starter(folder)
    print(f"wrote {' and '.join(str(path) for path in written)}")
    print(f"next: {ending.command('run', str(written[0]))}")
