"""Which reader reads a file: its name says so, without .gz, .bz2, .xz or .zst."""

from __future__ import annotations

from pathlib import Path

from judgegen.sources import arrow, delimited, jsonrows, parquet, plaintext
from judgegen.sources.lines import zipped
from judgegen.sources.rows import CheckColumns, Rows

_JSONL = (".jsonl", ".ndjson", ".jsonlines")
_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather", ".ipc")
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


def rows(path: Path, *, check: CheckColumns) -> Rows:
    """The rows of a file in the format its name says; plain text where the ending is not known.

    Raises:
        ReadError: see each format's `rows`.
    """
    ending = suffix(path)
    if ending in _JSONL:
        return jsonrows.jsonl(path)
    if ending == ".json":
        return jsonrows.listed(path)
    if ending in _PARQUET:
        return parquet.rows(path, check=check)
    if ending in _ARROW:
        return arrow.rows(path, check=check)
    if ending in _DELIMITERS:
        return delimited.rows(path, delimiter=_DELIMITERS[ending], check=check)
    return plaintext.rows(path)


def suffix(path: Path) -> str:
    """The ending that names the format: without .gz and its like, in lower case."""
    return (Path(path.stem) if zipped(path) else path).suffix.lower()


def is_table(path: Path) -> bool:
    """Whether the name says that a file holds rows with columns."""
    return suffix(path) in (*_JSONL, ".json", *_PARQUET, *_ARROW, *_DELIMITERS)


def is_text(path: Path) -> bool:
    """Whether the name says that a file is text with an encoding."""
    return suffix(path) not in (*_PARQUET, *_ARROW)


def unit(path: Path) -> str:
    """What its rows are counted in, for messages."""
    return "row" if suffix(path) in (".json", *_PARQUET, *_ARROW) else "line"
