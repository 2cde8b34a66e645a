"""Objects that are almost JSON, as models spell them: Python's quotes, none, curly ones, TeX's backslash, comments.

And JSON that was escaped on its way: within a text of JSON, or for HTML. Only the quotes and the commas are put right:
what is read is what a JSON reader makes of the rest. Knows nothing of labels or scores.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping

_PAIRS = (('"', '"'), ("'", "'"), ("\u201c", "\u201d"), (r"\\\"", r"\\\""), ("&quot;", "&quot;"), ("&#34;", "&#34;"))
_OPENS, _CLOSES = ("|".join(side) for side in zip(*_PAIRS, strict=True))
OPENS, CLOSES = f"(?:{_OPENS})?", f"(?:{_CLOSES})?"
"""Patterns of a quote before and behind a word, if there is any."""
_COMMENT = r"(?://|\#)[^\n]*|/\*[^*]{0,400}\*/"
START = re.compile(rf"\{{\s*(?:(?:{_COMMENT})\s*){{0,4}}(?:{_OPENS}|[A-Za-z_])")
"""Where such an object may begin."""
_PART = re.compile(
    r'"(?P<json>(?:[^"\\]|\\.)*)"'
    r"|'(?P<single>(?:[^'\\]|\\.)*)'"
    "|\u201c(?P<curly>[^\u201d]*)\u201d"
    r'|\\"(?P<escaped>(?:\\\\\\"|(?!\\").)*)\\"'
    r"|&(?P<entity>quot|\#34);(?P<html>(?:\\.|(?!&(?P=entity);).)*)&(?P=entity);"
    r"|(?P<word>[A-Za-z_][\w-]*)"
    rf"|(?P<comment>{_COMMENT})"
    r"|(?P<gap>[\u00a0\u200b\u2060\ufeff])"
    r"|(?P<comma>,\s*(?=[}\]]))"
    r"|(?P<other>.)",
    re.DOTALL | re.VERBOSE,
)
_LONGEST = 8_000
"""Characters of such an object; looking for the quote that ends a text takes steps in their square."""
_STRAY = re.compile(r"\\(?![\"\\/bfnrt]|u[0-9a-fA-F]{4})")
_BARE_QUOTE = re.compile(r'(?<!\\)"')
_ESCAPED = re.compile(r'\\(["\\])')
_WORDS = {"true": "true", "True": "true", "false": "false", "False": "false", "null": "null", "None": "null"}


def put_right(text: str, start: int) -> tuple[str, int] | None:
    """The object that begins at `start`, its quotes as JSON has them, and where it ends; None where no end is near."""
    depth, parts = 0, []
    for found in _PART.finditer(text, start, start + _LONGEST):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        kind = found.lastgroup or "other"
        parts.append(_PUT[kind](found[kind]))
        if not depth:
            return "".join(parts), found.end()
    return None


def _within(said: str) -> str:
    """A text as it stands between JSON's quotes, if all but some backslashes in it is as JSON has it."""
    return '"' + _STRAY.sub(r"\\\\", said) + '"'


_PUT: Mapping[str, Callable[[str], str]] = {
    "json": _within,
    "single": lambda said: _within(_BARE_QUOTE.sub(r"\"", said.replace("\\'", "'"))),
    "curly": json.dumps,
    "escaped": lambda said: _within(_ESCAPED.sub(r"\1", said)),
    "html": lambda said: _within(html.unescape(said)),
    "word": lambda said: _WORDS.get(said, f'"{said}"'),
    "comma": lambda _: "",
    "comment": lambda _: "",
    "gap": lambda _: " ",
    "other": str,
}
"""By its kind how a part is put right."""
