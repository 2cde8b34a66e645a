"""Files that are whole or not there: written beside their place, flushed to disk, then renamed into it.

A killed writer leaves the old file as it was; what it left beside is cleared by the next one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from judgegen.textual import clean

SUFFIX = ".part"
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def part_of(path: Path) -> Path:
    """Where `path` is written before it is whole."""
    return path.with_name(path.name + SUFFIX)


def put_in_place(path: Path) -> None:
    """Make the written part of `path` the file itself, on disk before this returns."""
    part = part_of(path)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened for this there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 text file that appears at `path` when the block ends well, and not at all otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        put_in_place(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a whole text file."""
    with whole(path) as file:
        file.write(text)


def json_line(row: Mapping[str, Any], *, halves: bool = False) -> bytes:
    """One record of a JSONL file and its newline, in UTF-8; what other readers take for a line's end is escaped.

    Args:
        row: what JSON can hold.
        halves: how half of a character (a lone surrogate) is written, which UTF-8 has no bytes for: as its JSON escape,
            in a line that is escaped throughout, so that a reader gets it back; else as U+FFFD.

    Raises:
        ValueError: a number that JSON has no word for.
    """
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    if not text.isascii():
        text = text.translate(_LINE_ENDS)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return (json.dumps(row) if halves else clean(text)).encode() + b"\n"
