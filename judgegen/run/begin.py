"""Begin: the starter or a recipe into a folder, with the run file's JSON Schema beside it for editors.

Knows nothing of what is in them.
"""

from __future__ import annotations

import json
from pathlib import Path

from judgegen.sources import starter
from judgegen.spec.schema import SCHEMA_FILE, schema


def written(folder: Path, recipe: str | None = None) -> list[Path]:
    """Write the starter, or the recipe of this name, into `folder`; the paths, the run file's first.

    Raises:
        SpecError: no such recipe, a file is there already (none is written then), or the folder cannot be written to.
    """
    contents = starter.starter() if recipe is None else starter.recipe(recipe)
    (run_file, text), *rest = contents.items()
    line = f"#:schema ./{SCHEMA_FILE}\n".encode()
    marked = text if text.startswith(line) else line + text
    beside = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    return starter.write_starter(folder, {run_file: marked, **dict(rest), SCHEMA_FILE: beside.encode()})


def init(folder: str | Path, *, recipe: str | None = None) -> Path:
    """Write a commented run file and a few prompts into `folder`, or a recipe's files; the run file's path.

    Args:
        folder: made where it is not there.
        recipe: a name that `judgegen list recipes` prints; its README.md says when to use it.

    Raises:
        SpecError: no such recipe, a file is there already (none is written then), or the folder cannot be written to.
    """
    return written(Path(folder), recipe)[0]
