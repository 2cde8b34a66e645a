"""Which reader reads a file: its name says so, without .gz."""

from __future__ import annotations

from pathlib import Path

from judgegen.sources import delimited, jsonrows, parquet, plaintext
from judgegen.sources.lines import zipped
from judgegen.sources.rows import CheckColumns, Rows

_JSONL = (".jsonl", ".ndjson", ".jsonlines")
_PARQUET = (".parquet", ".pq")
_TEXT = (".txt", ".md", ".text")
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
    if ending in _DELIMITERS:
        return delimited.rows(path, delimiter=_DELIMITERS[ending], check=check)
    return plaintext.rows(path, named_so=ending in _TEXT)


def suffix(path: Path) -> str:
    """The ending that names the format: without .gz, in lower case."""
    return (Path(path.stem) if zipped(path) else path).suffix.lower()


def unit(path: Path) -> str:
    """What its rows are counted in, for messages."""
    return "row" if suffix(path) in (".json", *_PARQUET) else "line"
