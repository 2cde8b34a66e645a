"""The bytes of a file as numbered lines, unpacked where the name says .gz, .bz2, .xz or .zst, and each as UTF-8 text.

UTF-16 with its mark is read as what it is.

Lines end at a line feed alone: the other characters that Unicode calls line ends stay inside a prompt. Knows nothing
of rows.
"""

from __future__ import annotations

import bz2
import codecs
import errno
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from judgegen.errors import hint
from judgegen.sources.rows import ReadError, RowError
from judgegen.stores.urls import url_of

# What is often handed over in place of text, by its first bytes.
_FOREIGN = {
    b"\x1f\x8b": "gzip; add .gz to its name",
    b"PAR1": "Parquet; give its name the ending .parquet",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or save its sheet as CSV",
}


_BUFFER = 1 << 18  # bytes that are read at once; rows are often longer than what Python reads
_UTF16 = -1  # what `_start` says where the mark is UTF-16's


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
    """Whether the name says that the file is packed."""
    return path.suffix.lower() in _OPENERS


def opened(path: Path) -> BinaryIO:
    """The file for reading, one at a URL fetched whole, unpacked where its name says so."""
    unpack, url = _OPENERS.get(path.suffix.lower(), _plain), url_of(path)
    if url is None:
        return cast(BinaryIO, unpack(path))
    from judgegen.stores.store import at_hand

    with at_hand(url) as whole:
        return cast(BinaryIO, unpack(whole))


def size(path: Path) -> int:
    """Bytes of the file as it lies there, packed or not."""
    url = url_of(path)
    if url is None:
        return path.stat().st_size
    from judgegen.stores.store import at_hand

    with at_hand(url) as whole:
        return whole.stat().st_size


def _plain(path: Path) -> BinaryIO:
    return path.open("rb", buffering=_BUFFER)


def _zstd(path: Path) -> io.BufferedReader:
    import pyarrow as pa

    if not path.is_file():  # Arrow's own error has no number
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
    return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))


_OPENERS: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _zstd}


def lines(path: Path) -> Iterator[Line]:
    """Every line of the file, read as it is asked for; a UTF-8 byte order mark at its start is left out.

    Raises:
        ReadError: no such file, not a text file, damaged gzip.
    """
    number = 0
    try:
        with opened(path) as stream:
            offset = _start(stream)
            for raw in _utf16(stream) if offset == _UTF16 else stream:
                number += 1
                yield Line(number, offset, raw)
                offset += len(raw)
    except UnicodeDecodeError as error:
        raise ReadError(number + 1, f"not UTF-16 ({error.reason}); save the file as UTF-8") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise torn(error, number) from None


def chunks(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    """The bytes of the file as UTF-8, some at a time, without regard to lines; otherwise as `lines`.

    Raises:
        ReadError: as `lines`, without the line.
    """
    try:
        with opened(path) as stream:
            if _start(stream) == _UTF16:
                yield from _utf16(stream)
            while part := stream.read(size):
                yield part
    except UnicodeDecodeError as error:
        raise ReadError(None, f"not UTF-16 ({error.reason}); save the file as UTF-8") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise torn(error, 0) from None


def _utf16(stream: BinaryIO) -> Iterator[bytes]:
    text = io.TextIOWrapper(stream, "utf-16", newline="\n")
    try:
        for line in text:
            yield line.encode("utf-8", "surrogatepass")
    finally:
        text.detach()


def torn(error: Exception, number: int) -> ReadError:
    """The ReadError for a file that failed after `number` whole lines."""
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        meant = _meant(Path(error.filename)) if isinstance(error, FileNotFoundError) and error.filename else ""
        return ReadError(None, f"cannot be read ({error.strerror or error}){meant}")
    after = f" after line {number}" if number else ""
    return ReadError(None, f"gzip data is damaged{after} ({error}); fetch or pack the file again")


def _meant(path: Path) -> str:
    """What may be meant by a file that is not there."""
    if "~" in path.parts:
        return "; ~ means a home in a shell alone: write the whole path"
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}"
    with suppress(OSError):
        found = hint(path.name, (one.name for one in path.parent.iterdir())).strip()
        return f"; {found}" if found else ""
    return ""


def _start(stream: BinaryIO) -> int:
    """Skip a byte order mark and give its length; refuse what is no text."""
    head = stream.peek(8)[:8]  # type: ignore[attr-defined]  # both kinds of stream that `opened` gives can peek
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise ReadError(None, f"this is {name}")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _UTF16
    return len(stream.read(3)) if head.startswith(codecs.BOM_UTF8) else 0
