"""Writes the files of judgegen/starter, a commented run file and a few prompts, where nothing is in their way."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from judgegen.errors import SpecError

NAMES = ("run.toml", "prompts.jsonl")


def write_starter(folder: Path) -> list[Path]:
    """Write the starter files into `folder`, which is made where it is missing; the paths, the run file first.

    Raises:
        SpecError: one of the files is there already (none is written then), or the folder cannot be written to.
    """
    paths = [folder / name for name in NAMES]
    if there := [str(path) for path in paths if path.exists() or path.is_symlink()]:
        raise SpecError(f"{' and '.join(there)}: there already, and not overwritten; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            _write(path)
    except OSError as error:
        raise SpecError(f"{error.filename or folder}: cannot be written ({error.strerror})") from None
    return paths


def _write(path: Path) -> None:
    """A new file; one that has come to stand there in the meantime is left as it is."""
    source = files("judgegen") / "starter" / path.name
    with path.open("xb") as file:
        file.write(source.read_bytes())
