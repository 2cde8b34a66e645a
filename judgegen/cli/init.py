"""`judgegen init`: a run file and prompts to start from, or a recipe's. Parses, writes, prints the next command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli import completing


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder; made where it is not there.")],
    *,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="NAME",
            autocompletion=completing.recipes,
            help="One that `judgegen list recipes` names.",
        ),
    ] = None,
) -> None:
    """Write a commented run file and a few prompts to start from.

    With --recipe a run file for one way of working, with what it needs and a README.md that says when to use it.

    The run file's JSON Schema is written beside it, so that an editor completes its keys and says what they mean.
    Nothing that is there already is overwritten.
    """
    from judgegen.cli import ending
    from judgegen.run.begin import written
    from judgegen.sources.starter import recipe_next

    with ending.told():
        found = written(folder, recipe)
    print(f"wrote {', '.join(str(path) for path in found)}")
    if recipe is None:
        print(f"next: {ending.command('run', str(found[0]))}")
    else:
        print(f"when to use it, and how: {found[1]}")
        program, *words = recipe_next(recipe, folder)
        print(f"next: {ending.command(*words) if program == 'judgegen' else shlex.join([program, *words])}")
