"""`judgegen init`: a run file and prompts to start from. Parses, calls the starter, prints the next command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder; made where it is not there.")],
) -> None:
    """Write a commented run file and a few prompts to start from.

    The run file's JSON Schema is written beside it, so that an editor completes its keys and says what they mean.
    Nothing that is there already is overwritten.
    """
    import json

    from judgegen.cli import ending
    from judgegen.sources.starter import starter, write_starter
    from judgegen.spec.schema import SCHEMA_FILE, schema

    with ending.told():
        text = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
        written = write_starter(folder, {**starter(), SCHEMA_FILE: text.encode()})
    print(f"wrote {' and '.join(str(path) for path in written)}")
    print(f"next: {ending.command('run', str(written[0]))}")
