"""The file of labels: a line is on disk before anybody is told that it is kept; nothing in it is ever changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from judgegen.errors import SpecError
from judgegen.sources import annotated
from judgegen.writer.files import json_line


class Labels:
    """The labels at `path`, open for more. Half a line that a kill left at the end is cut away: nobody was told of it.

    Raises:
        SpecError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not annotated.known(path) and not _begun(path):
            raise SpecError(f"{path}: is there and holds no labels of a review; name another with --out")
        self.lines = annotated.read(path) if path.exists() else []
        self._file = path.open("ab+")
        self._cut()

    def _cut(self) -> None:
        self._file.seek(0)
        whole = self._file.read().rpartition(b"\n")
        self._file.truncate(len(whole[0]) + len(whole[1]))

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a line; it is on disk when this returns."""
        kept = {"log": annotated.MARK, **line}
        self._file.seek(0, os.SEEK_END)
        self._file.write(json_line(kept))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.lines.append(kept)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _begun(path: Path) -> bool:
    """Whether nothing is in the file, or no more than a piece of a first label."""
    content = path.read_bytes()
    head = json_line({"log": annotated.MARK})[:-2]
    return b"\n" not in content and (head.startswith(content) or content.startswith(head))
