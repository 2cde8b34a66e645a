"""Files that are whole or not there: written beside their place, flushed to disk, then renamed into it.

A killed writer leaves the old file as it was; what it left beside is cleared by the next one.
"""

from __future__ import annotations

import errno
import filecmp
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import IO, Any

import orjson

from judgegen.textual import clean

SUFFIX = ".part"
_LINE_ENDS = tuple((mark.encode(), f"\\u{ord(mark):04x}".encode()) for mark in "\u0085\u2028\u2029")


def part_of(path: Path) -> Path:
    """Where `path` is written before it is whole."""
    return path.with_name(path.name + SUFFIX)


def put_in_place(path: Path) -> None:
    """Make the written part of `path` the file itself, on disk before this returns.

    Raises:
        OSError: it cannot be, or a device or a pipe stands there, which would be gone.
    """
    part = part_of(path)
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "no file, and nothing else is replaced", str(path))
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
    try:
        pieces: list[bytes] = []
        _put(row, pieces)
        return _on_one_line(b"".join(pieces)) + b"\n"
    except (TypeError, UnicodeEncodeError):  # half of a character, or what json.dumps has to tell or to refuse
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
        return (json.dumps(row).encode() if halves and _halved(text) else _on_one_line(clean(text).encode())) + b"\n"


def json_text(value: Any) -> str:
    """What `json.dumps` writes of a value with `ensure_ascii=False`, sooner where there is much text in it.

    Raises:
        ValueError: a number that JSON has no word for.
    """
    try:
        pieces: list[bytes] = []
        _put(value, pieces)
        return b"".join(pieces).decode()
    except (TypeError, UnicodeEncodeError):  # half of a character, or what json.dumps has to tell or to refuse
        return json.dumps(value, ensure_ascii=False, allow_nan=False)


def compact_line(row: Mapping[str, Any]) -> bytes:
    """What `json_line` writes, without blanks between values; for rows in which no number is infinite or none."""
    try:
        return _on_one_line(orjson.dumps(row)) + b"\n"
    except TypeError:  # half of a character, or a whole number of more than 64 bits
        return json_line(row, halves=True)


_SPELT = frozenset({str, int, bool, type(None)})
"""What the faster writer spells as json.dumps does; of floats it does not."""


def _put(value: Any, out: list[bytes]) -> None:
    """Add, piece by piece, what json.dumps writes; texts, which are nearly all there is, by a faster writer.

    Raises:
        TypeError: half of a character, a whole number of more than 64 bits, or a key that is no text.
        ValueError: as json.dumps.
    """
    kind = type(value)
    if kind in _SPELT:
        out.append(orjson.dumps(value))
    elif kind is dict:
        opening = b"{"
        for key, inner in value.items():
            out += (opening, _key(key))
            if type(inner) in _SPELT:
                out.append(orjson.dumps(inner))
            else:
                _put(inner, out)
            opening = b", "
        out.append(b"}" if value else b"{}")
    elif kind is list:
        opening = b"["
        for inner in value:
            out.append(opening)
            _put(inner, out)
            opening = b", "
        out.append(b"]" if value else b"[]")
    elif kind is float and isfinite(value):
        out.append(repr(value).encode())
    else:
        out.append(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())


@lru_cache(maxsize=4096)
def _key(name: Any) -> bytes:
    if type(name) is not str:
        raise TypeError("a key that is no text")
    return orjson.dumps(name) + b": "


def _on_one_line(data: bytes) -> bytes:
    if not data.isascii():
        for mark, escape in _LINE_ENDS:
            if mark[:1] in data:  # one byte is found many times as fast as three, and is rarely there
                data = data.replace(mark, escape)
    return data


def _halved(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files hold the same."""
    return filecmp.cmp(one, other, shallow=False)
