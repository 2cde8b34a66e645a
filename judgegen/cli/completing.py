"""What a shell completes in the place of a value: the names that `judgegen list` prints, and run folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Completer = Callable[[str], list[str]]


def _listed(what: str) -> Completer:
    """Completes the names of one of the lists."""

    def complete(incomplete: str) -> list[str]:
        from judgegen.cli.list import LISTS

        rows = LISTS[what]()
        next(rows)  # its heads
        return [name for name, *_ in rows if name.startswith(incomplete)]

    return complete


formats, origins, models, recipes = map(_listed, ("formats", "origins", "models", "recipes"))


def runs(incomplete: str) -> list[str]:
    """Run folders, which have a journal, and folders that hold some; at first those in runs/, where runs are put.

    Where there is none a shell completes files as it does by itself.
    """
    from judgegen.llm.journal import NAME

    above = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    near = [*above.glob("*/"), *(Path("runs").glob("*/") if not incomplete else ())]
    held = {str(path) for path in near if (path / NAME).is_file()}
    held |= {f"{path}/" for path in near if any(path.glob(f"*/{NAME}"))}
    return sorted(name for name in held if name.startswith(incomplete))
