"""Writes the files of a starter, where nothing is in their way: a commented run file and prompts, or a recipe's."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from judgegen.errors import SpecError

NAMES = ("run.toml", "prompts.jsonl")


def starter() -> dict[str, bytes]:
    """The files of judgegen/starter by name, the run file first."""
    return {name: (files("judgegen") / "starter" / name).read_bytes() for name in NAMES}


def write_starter(folder: Path, contents: Mapping[str, bytes] | None = None) -> list[Path]:
    """Write `contents` (the starter's unless given) into `folder`, made where it is missing; the paths, in their order.

    Raises:
        SpecError: one of the files is there already (none is written then), or the folder cannot be written to.
    """
    found = {folder / name: content for name, content in (contents or starter()).items()}
    if there := [str(path) for path in found if path.exists() or path.is_symlink()]:
        raise SpecError(f"{' and '.join(there)}: there already, and not overwritten; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in found.items():
            _write(path, content)
    except OSError as error:
        raise SpecError(f"{error.filename or folder}: cannot be written ({error.strerror})") from None
    return list(found)


def _write(path: Path, content: bytes) -> None:
    """A new file; one that has come to stand there in the meantime is left as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
