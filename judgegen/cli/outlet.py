"""The one way out to a terminal: whatever a command prints leaves without secrets and without control characters.

A terminal is still driven by our own displays: colours and cursor movements pass to it, and to nothing else. Knows
nothing of what is said.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from judgegen.llm.secrets import masked
from judgegen.textual import harmless

_DRIVING = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z])")


class Outlet:
    """A text stream like `stream`, for everything but what must not be seen."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write `text` as it may be seen; the number of characters that were taken."""
        shown = masked(text)
        driven = self._stream.isatty()
        parts = _DRIVING.split(shown) if driven else [shown]
        passing = (part if driven and _DRIVING.fullmatch(part) else _still(part, driven) for part in parts)
        self._stream.write("".join(passing))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)


class Aside(Outlet):
    """Standard error: what is told beside the work; a terminal that was closed, or a full disk, ends no work."""

    def write(self, text: str) -> int:
        """As an outlet's, where it can be."""
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """As any stream's, where it can be."""
        with suppress(OSError):
            self._stream.flush()


def _still(text: str, driven: bool) -> str:
    """A terminal is returned to the line's beginning by our displays; a file is not."""
    return "\r".join(map(harmless, text.split("\r"))) if driven else harmless(text)


def fitting(line: str, indent: int = 2, stream: TextIO | None = None) -> list[str]:
    """A line as wide as the terminal, the rest of it indented; whole in a pipe, for whoever searches it."""
    if not (stream or sys.stdout).isatty():
        return [line]
    width = max(40, shutil.get_terminal_size((100, 24)).columns)
    return textwrap.wrap(line, width, subsequent_indent=" " * indent, break_on_hyphens=False)


@contextmanager
def outlets() -> Iterator[None]:
    """Within, standard output and error are outlets; one that is closed leads nowhere.

    What cannot be printed ends the process with 2 and the reason; where nobody reads on (`| head`), in silence.
    """
    before = sys.stdout, sys.stderr
    out, aside = (_nowhere() if stream is None else stream for stream in before)
    sys.stdout, sys.stderr = cast("TextIO", Outlet(out)), cast("TextIO", Aside(aside))
    try:
        yield
        out.flush()
    except SystemExit:
        _flushed(out)
        raise
    except OSError as error:
        _unprinted(out, error)
    finally:
        sys.stdout, sys.stderr = before


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _flushed(out: TextIO) -> None:
    try:
        out.flush()
    except OSError as error:
        _unprinted(out, error)


def _unprinted(out: TextIO, error: OSError) -> NoReturn:
    """End with the reason; what is left to print goes nowhere, lest Python try again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(_nowhere().fileno(), out.fileno())
    if error.errno == errno.EPIPE:
        raise SystemExit(1) from None
    print(f"error: {error.filename or 'standard output'}: cannot be written ({error.strerror})", file=sys.stderr)
    raise SystemExit(2) from None
