"""The bytes of a file as numbered lines, gunzipped where the name says .gz, and each line as UTF-8 text.

Lines end at a line feed alone: the other characters that Unicode calls line ends stay inside a prompt. Knows nothing
of rows.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from judgegen.sources.rows import ReadError, RowError

# What is often handed over in place of text, by its first bytes.
_FOREIGN = {
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"\x1f\x8b": "gzip; add .gz to its name",
    b"PAR1": "Parquet; give its name the ending .parquet",
    b"PK\x03\x04": "a zip archive or a spreadsheet; save it as CSV or JSONL",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its end; `offset` counts the bytes before it, a byte order mark included."""

    number: int
    offset: int
    raw: bytes

    def text(self) -> str:
        """The line as text, its end included.

        Raises:
            RowError: not UTF-8; the byte is counted from the start of the (gunzipped) file.
        """
        try:
            return self.raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RowError(f"not UTF-8 at byte {self.offset + error.start}; save the file as UTF-8") from None


def zipped(path: Path) -> bool:
    """Whether the name says that the file is gzip."""
    return path.suffix.lower() == ".gz"


def opened(path: Path) -> BinaryIO:
    """The file for reading, gunzipped where its name says so."""
    return cast(BinaryIO, gzip.open(path, "rb")) if zipped(path) else path.open("rb")


def lines(path: Path) -> Iterator[Line]:
    """Every line of the file, read as it is asked for; a UTF-8 byte order mark at its start is left out.

    Raises:
        ReadError: no such file, not a text file, damaged gzip.
    """
    number = 0
    try:
        with opened(path) as stream:
            offset = _start(stream)
            for raw in stream:
                number += 1
                yield Line(number, offset, raw)
                offset += len(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise torn(error, number) from None


def torn(error: Exception, number: int) -> ReadError:
    """The ReadError for a file that failed after `number` whole lines."""
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return ReadError(None, f"cannot be read ({error.strerror or error})")
    after = f" after line {number}" if number else ""
    return ReadError(None, f"gzip data is damaged{after} ({error}); fetch or pack the file again")


def _start(stream: BinaryIO) -> int:
    """Skip a byte order mark and give its length; refuse what is no text."""
    head = stream.peek(4)[:4]  # type: ignore[attr-defined]  # both kinds of stream that `opened` gives can peek
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise ReadError(None, f"this is {name}")
    return len(stream.read(3)) if head.startswith(codecs.BOM_UTF8) else 0
