"""Whether a line is JSON, and what it or its file is instead: Python's repr, several lines an object, a list, UTF-16.

Pure, apart from the first bytes of a file. Knows nothing of what the values mean.
"""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any

from judgegen.sources.lines import opened

_HEAD = 4096  # bytes that say what a file is
_WIDE = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_REPR = re.compile(r"^\s*[\[{(]?\s*\{?\s*'|[:\[,]\s*'|[:\[,]\s*(None|True|False)\s*[,}\]]")
_COMMA = re.compile(r",\s*[}\]]")


class NotJson(ValueError):  # noqa: N818 - a finding about a line, as `Unfit` is about a row
    """What a line is, as a sentence without a place; `detail` says where in it reading ended, and why."""

    def __init__(self, words: str, detail: str | None = None) -> None:
        super().__init__(words)
        self.detail = detail


class _TwiceError(ValueError):
    """A key that stands twice in one object."""


def parsed(line: bytes) -> Any:
    """The value of a line.

    Raises:
        NotJson: it is none.
    """
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise NotJson("not UTF-8", f"byte {error.start + 1} of the line") from None
    try:
        return _LENIENT.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(_named(text, error), f"column {error.colno}: {error.msg}") from None
    except NotJson:
        raise
    except (RecursionError, ValueError):
        raise NotJson("not readable as JSON") from None


def _named(text: str, error: json.JSONDecodeError) -> str:
    """What a line that is no JSON most likely is."""
    if text.strip() in ("{", "}", "[", "]", "},", "],"):
        return "not JSON: an object over several lines, where each line holds one"
    near = text[max(0, error.pos - 2) :]
    if error.msg == "Extra data" and text[error.pos :].strip() == ",":
        return "not JSON: a comma after the object"
    if error.msg.startswith(("Illegal trailing comma", "Expecting")) and _COMMA.match(text[_before(text, error.pos) :]):
        return "not JSON: a comma before a closing bracket"
    if _REPR.match(text) or _REPR.match(near) or (error.msg.startswith("Expecting") and "'" in near[:4]):
        return "not JSON but Python's repr, with single quotes, None and True; json.dumps writes JSON"
    return "not JSON"


def _before(text: str, place: int) -> int:
    """Where the last comma before a place stands, if only white space is between; else the place."""
    shorter = text[:place].rstrip()
    return len(shorter) - 1 if shorter.endswith(",") else place


def of_file(path: Path) -> str | None:
    """Why no line of a file can be right, where its first bytes say so.

    Raises:
        OSError, EOFError: it cannot be read.
    """
    with opened(path) as lines:
        head = lines.read(_HEAD)
    for mark, name in _WIDE.items():
        if head.startswith(mark):
            return f"the file is {name}, and readers take UTF-8: save it as that"
    if head[1:200:2].count(0) > len(head[:200]) // 4 or head[:200:2].count(0) > len(head[:200]) // 4:
        return "the file is UTF-16 without a mark, and readers take UTF-8: save it as that"
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    first = text.split(b"\n", 1)[0].strip()
    if first in (b"{", b"[{", b"[ {"):
        return "the file is JSON over several lines (pretty-printed), and readers take an object a line"
    if text.startswith(b"["):
        return "the file is one JSON list, and readers take an object a line"
    return None


def twice(line: bytes) -> str | None:
    """A key that stands twice in one object, which readers drop in silence."""
    try:
        _STRICT.decode(line.decode())
    except _TwiceError as error:
        return str(error)
    return None


def _no_word(name: str) -> Any:
    raise NotJson(f"{name} is no JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return built


_LENIENT = json.JSONDecoder(parse_constant=_no_word)
_STRICT = json.JSONDecoder(object_pairs_hook=_distinct)
