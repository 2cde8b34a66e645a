"""The one way out to a terminal: whatever a command prints leaves without secrets and without control characters.

A terminal is still driven by our own displays: colours and cursor movements pass to it, and to nothing else. Knows
nothing of what is said.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

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
    """Within, standard output and error are outlets."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", Outlet(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
