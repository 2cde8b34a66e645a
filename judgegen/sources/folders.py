"""Which files of a folder are data, and of which split: as the hub lays data sets out, and as `datasets` saves them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from judgegen.sources.files import is_table
from judgegen.sources.rows import Bad, ReadError, Row, Rows, quoted

_SIDE = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"})
_PART = re.compile(r"-\d+-of-\d+(?:-[0-9a-f]+)?$")
_SPLITS = "training|train|testing|test|validation|valid|val|dev|evaluation|eval|holdout|heldout|held_out"
_SPLIT = re.compile(rf"(?:.*[._-])?((?:{_SPLITS})(?:_\w+)?)(?:-.*)?")


def split_and_folder(source: str) -> tuple[Path, str | None]:
    """A folder named FOLDER or FOLDER:SPLIT; the path as it stands where it is neither."""
    path, _, split = source.rpartition(":")
    if path and not Path(source).exists() and Path(path).is_dir():
        return Path(path), split
    return Path(source), None


def data_files(folder: Path, split: str | None) -> list[Path]:
    """The files of a folder's one split, or of the split that is named.

    Raises:
        ReadError: no data in it, no such split, or several and none is named.
    """
    if (folder / "journal.sqlite").is_file():
        raise ReadError(None, f"this is a run's folder; its pairs are in {folder / 'preferences.jsonl'}")
    inside = [p for p in sorted((*folder.glob("*"), *folder.glob("*/*"))) if p.is_file()]
    found = [p for p in inside if is_table(p) and p.name not in _SIDE and not p.name.endswith(".rejects.jsonl")]
    found = [p for p in found if not p.name.startswith((".", "cache-"))]
    if not found:
        raise ReadError(None, "no file of rows in it, in its data/ or in folders named after splits")
    by_split: dict[str, list[Path]] = {}
    for path in found:
        by_split.setdefault(_split(path, folder), []).append(path)
    if split is not None:
        if split not in by_split:
            raise ReadError(None, f"no split {split!r} in it; there are {quoted(sorted(by_split))}")
        return by_split[split]
    if len(by_split) > 1:
        names = sorted(by_split)
        raise ReadError(
            None, f"holds the splits {quoted(names)}, which are not read into one; name one: {folder}:{names[-1]}"
        )
    return found


def rows_through(folder: Path, split: str | None, read: Callable[[Path], Rows]) -> Iterator[Row | Bad]:
    """The rows of a folder's split, one file after the other as `read` reads them, numbered through.

    Raises:
        ReadError: as `data_files` and `read`.
    """
    number = 0
    for path in data_files(folder, split):
        for row in read(path):
            number += 1
            yield replace(row, line=number)


def _split(path: Path, folder: Path) -> str:
    """The split that a file's name, or its folder's, tells; "all" where neither does."""
    stem = _PART.sub("", path.name.split(".")[0])
    for name in (stem, path.parent.name if path.parent != folder else ""):
        if hit := _SPLIT.fullmatch(name):
            return hit[1]
    return "all"
